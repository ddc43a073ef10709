"""An audit in words, and its file: what was claimed beside what was found, what to believe, what to take out."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from overnight.audit.arithmetic import Audit, Finding
from overnight.audit.worth import Explanation
from overnight.errors import TrackError
from overnight.lab.state import State
from overnight.referee.estimates import Estimate
from overnight.report.tables import plain
from overnight.track.seeding import listed
from overnight.track.seeding.place import VARIABLE
from overnight.track.units import number
from overnight.views.track import span

FILE = "audit.json"  # in the folder for what Overnight writes of a track
TITLE = 44  # characters of a keep's title beside its numbers
WHOLE, PARTS = "frontier against baseline", "the keeps one by one, added up"
CLAIMS = {"holds": "the claim holds", "one number": "one number", "too high": "claimed too much",
          "too low": "claimed too little", "unknown": "unknown"}
SUMS = {"add up": "they add up", "overlap": "they overlap", "need one another": "they need one another",
        "not tested": "not tested", "unknown": "unknown"}
HEAD = ("", "claimed", "measured again", "")


# ---- the file --------------------------------------------------------------------------------------------------


def save(audit: Audit | Explanation, path: Path) -> None:
    """Write it whole or not at all. Raises TrackError."""
    making = path.with_suffix(".making")
    try:
        making.write_bytes(msgspec.json.encode(audit))
        os.replace(making, path)  # noqa: PTH105
    except OSError as error:
        raise TrackError(f"{path} cannot be written: {error}.") from error


def folder(path: Path) -> Path:
    """An empty folder for the logs of a new audit. Raises TrackError."""
    try:
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    except OSError as error:
        raise TrackError(f"{path} cannot be written: {error}.") from error
    return path


def load(path: Path, state: State) -> Audit | None:
    """The audit of the present frontier; None where there is none, or one of another night or version."""
    try:
        audit = msgspec.json.decode(path.read_bytes(), type=Audit)
    except (OSError, msgspec.DecodeError):
        return None
    ends = (audit.plan.baseline, audit.plan.frontier)
    return audit if state.opened is not None and ends == (state.opened.commit, state.commit) else None


# ---- the words -------------------------------------------------------------------------------------------------


def lines(audit: Audit) -> Iterator[str]:
    """The audit for a terminal."""
    plan = audit.plan
    unit = f" in {plain(plan.unit, 24)}" if plan.unit else ""
    yield (f"{plain(plan.metric)}, better by{unit}, with 95 % intervals; {len(plan.seeds)} fresh seeds, "
           f"{len(audit.runs)} runs" + "".join(f" ({mark})" for mark in plan.marks))
    yield ""
    table = [HEAD, *((plain(f"{name} {title}".strip(), TITLE), *rest) for name, title, *rest in rows(audit))]
    widths = [max(len(row[i]) for row in table) for i in range(4)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    yield from (f"{count} failed: {plain(reason)}" if reason else f"{count} failed" for count, reason in failures(audit))
    yield from sentences(audit)


def rows(audit: Audit) -> Iterator[tuple[str, str, str, str, str]]:
    """(name, the candidate's own title, claimed, measured again, verdict) of the whole and of each keep."""
    yield WHOLE, "", span(audit.plan.claimed, _claimed(audit)), _shown(audit.total), CLAIMS[audit.claim]
    for finding in (*audit.findings, *audit.groups):
        keep, shown = finding.keep, _shown(finding.own)
        name = keep.label + " together" * (len(keep.ids) > 1)
        yield name, keep.title, span(keep.claimed, keep.claimed_interval), shown, _verdict(finding)
    if audit.sum != "not tested":
        yield PARTS, "", span(audit.claimed_sum, None), _shown(audit.ones), SUMS[audit.sum]


def _claimed(audit: Audit) -> tuple[float, float] | None:
    claimed, doubt = audit.plan.claimed, audit.doubt
    return None if doubt is None else (claimed - doubt, claimed + doubt)


def _shown(found: Estimate | None) -> str:
    return span(found.effect, found.interval) if found else span(None, None)


def _verdict(finding: Finding) -> str:
    if finding.verdict == "needed":
        return "needed: the code does not run without it"
    ours = finding.verdict in ("cannot be taken out alone", "undone")
    return f"{finding.verdict}: {finding.reason}" if ours else finding.verdict


def failures(audit: Audit) -> Iterator[tuple[str, str]]:
    """("n of m runs of a part", the first reason, which may be a candidate's own words) where runs failed."""
    for commit, name in ((audit.plan.baseline, "of the baseline"), (audit.plan.frontier, "of the frontier")):
        runs = [r for r in audit.runs if r.commit == commit]
        if failed := [r for r in runs if r.value is None]:
            yield f"{len(failed)} of {len(runs)} runs {name}", failed[0].reason
    for finding in (*audit.findings, *audit.groups):
        if finding.failed and finding.keep.without != audit.plan.baseline:
            yield f"{finding.failed} of {finding.runs} runs without {finding.keep.label}", finding.reason


def sentences(audit: Audit) -> Iterator[str]:
    """What to believe and what to do, in our own words alone."""
    yield from _on_the_claim(audit)
    yield from _on_the_sum(audit)
    yield from _on_dead_weight(audit)


def _on_the_claim(audit: Audit) -> Iterator[str]:
    total, claimed = audit.total, audit.plan.claimed
    if total is None:
        yield "Whether the night's claim holds is unknown: too few runs of both the baseline and the frontier ended well."
        return
    low, high = total.interval
    shown, *ends = (number(value, 3, total.effect, "+") for value in (claimed, low, high))
    interval = f"the audit's interval, {' to '.join(ends)}"
    if audit.claim == "one number":
        yield _on_one_number(audit)
    elif audit.claim == "holds":
        yield f"The night's claim holds: {shown} lies in {interval}."
    else:
        word, side = ("much", "above") if audit.claim == "too high" else ("little", "below")
        both = math.hypot(audit.doubt or 0.0, high - total.effect)
        excuse = ", though by no more than both are uncertain" if abs(claimed - total.effect) <= both else ""
        yield f"The night claimed too {word}: {shown} lies {side} {interval}{excuse}."
    if low <= 0:
        yield "That the frontier is better than the baseline is not shown."


def _on_one_number(audit: Audit) -> str:
    claimed = number(audit.plan.claimed, 3, 0.0, "+")
    again = f"One number: {claimed} was found again, and each end gave the same number on all seeds"
    if not audit.plan.fixed_seeds:
        return (f"{again}. No fixed seed was found in the source, so the result is exact and was reproduced exactly; that says "
                "nothing about luck with the data.")
    return (f"{again}, because the program fixes its own seed ({listed(audit.plan.fixed_seeds)}). Nothing was shown about any "
            f"other seed: connect it to ${VARIABLE} (`overnight init --seed`), commit, and begin anew.")


def _on_the_sum(audit: Audit) -> Iterator[str]:
    parts = audit.parts
    if audit.sum == "not tested":
        if len(audit.findings) > 1:
            yield "No keep could be taken out alone, so whether they add up was not tested."
        return
    subject = _listed(parts) if len(parts) == 2 else "The keeps"
    if audit.total is None or audit.ones is None or audit.gap is None:
        without = [f for f in parts if f.own is None and f.verdict != "undone"]
        why = f"{_listed(without)} could not be measured alone" if without else "too few runs ended well"
        yield f"Whether the keeps add up is unknown: {why}."
        return
    sizes = f"together {audit.total.effect:+.3g}, one by one {audit.ones.effect:+.3g}"
    differ = f"a difference of {span(abs(audit.gap.effect), None).lstrip('+')}, more than its uncertainty"
    if audit.sum == "add up":
        yield f"{subject} add up: {sizes}, which is the same within the uncertainty."
    elif audit.sum == "overlap":
        less = [f for f in parts if f.own and f.own.interval[1] < f.keep.claimed]
        yield (f"{subject} overlap, each doing in part what another does: {sizes}, {differ}."
               + _apart(less, "less"))
    else:
        more = [f for f in parts if f.own and f.own.interval[0] > f.keep.claimed]
        yield f"{subject} need one another: {sizes}, {differ}." + _apart(more, "more")


def _apart(findings: Sequence[Finding], word: str) -> str:
    verb = "show" if len(findings) > 1 else "shows"
    return f" {_listed(findings)} {verb} {word} alone than was claimed." if findings else ""


def _listed(findings: Sequence[Finding]) -> str:
    *most, last = [f.keep.label for f in findings]
    return f"{', '.join(most)} and {last}" if most else last


def _on_dead_weight(audit: Audit) -> Iterator[str]:
    together = [f for f in audit.groups if f.verdict == "dead weight"]
    gone = {number for f in together for number in f.keep.ids}
    dead = [*together, *(f for f in audit.findings if f.verdict == "dead weight" and f.keep.ids[0] not in gone)]
    order = [keep.commits[-1] for keep in audit.plan.keeps]
    dead.sort(key=lambda f: -order.index(f.keep.commits[-1]))  # newest first, as git takes them out
    doubtful = [f for f in (*audit.findings, *audit.groups) if f.verdict == "in doubt"]
    if doubtful:
        yield (f"{_listed(doubtful)} {'is' if len(doubtful) == 1 else 'are'} not settled: "
               f"`--seeds {4 * len(audit.plan.seeds)}` would halve the intervals.")
    if not dead:
        known = all(f.verdict in ("holds", "one number", "needed", "undone") for f in audit.parts)
        yield "There is no dead weight." if known else "No dead weight was found."
        return
    commands = [f"`git revert --no-edit {' '.join(c[:10] for c in reversed(f.keep.commits))}`" for f in dead]
    bound = f"worth less than {audit.plan.worthwhile:g}" if audit.plan.worthwhile else "worth nothing"
    hand = [f for f in dead if not f.keep.clean]
    asks = f" (git will ask about lines next to {_listed(hand)})" if hand else ""
    if len(dead) > 1 and audit.sum in ("overlap", "unknown"):
        yield (f"Dead weight, {bound} each: {_listed(dead)}. After `overnight merge`, take out one of them and "
               f"not all, for they may stand in for one another: {' or '.join(commands)}{asks}.")
    else:
        yield (f"Dead weight, {bound}{' each' * (len(dead) > 1)}: {_listed(dead)}. After `overnight merge`, "
               f"{' and '.join(commands)} {'takes it' if len(dead) == 1 else 'take them'} out{asks}.")
