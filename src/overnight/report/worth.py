"""What each part of a kept change is worth, in words, and the file that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from overnight.audit.worth import Explanation, Worth
from overnight.report.tables import plain
from overnight.views.track import span

TITLE = 60  # characters of a part's title
WORDS = {"worth little": "worth something, but less than is worthwhile", "harmful": "better without it",
         "needed": "cannot be left out: nothing runs without it"}


def place(home: Path, experiment: int) -> Path:
    """The file of an experiment's explanation in the folder for what Overnight writes of a track."""
    return home / f"explain-{experiment}.json"


def load(path: Path, commit: str) -> Explanation | None:
    """The explanation of a commit; None where there is none, or one of another night or version."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Explanation)
    except (OSError, msgspec.DecodeError):
        return None
    return found if found.plan.commit == commit else None


def lines(found: Explanation) -> Iterator[str]:
    """The explanation for a terminal."""
    plan = found.plan
    unit = f" in {plain(plan.unit, 24)}" if plan.unit else ""
    seeds = f"{len(plan.seeds)} fresh seed{'s' * (len(plan.seeds) > 1)}"
    yield (f"#{plan.experiment} {plain(plan.title)}: {plain(plan.metric)} that is lost without each part{unit}"
           f"{', with 95 % intervals' * (not plan.exact)}; {seeds}, {len(found.runs)} runs"
           + "".join(f" ({mark})" for mark in plan.marks))
    yield ""
    table = [("part", "where", "worth", ""), *map(_row, found.parts)]
    widths = [max(len(row[i]) for row in table) for i in range(4)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield ""
    for each in found.parts:
        if each.failed:
            yield f"{each.failed} of {each.runs} runs without {_title(each)} failed: {plain(each.reason)}"
    yield from _sentences(found)


def _row(each: Worth) -> tuple[str, str, str, str]:
    found = each.worth
    shown = span(found.effect, found.interval if found.pairs > 1 else None) if found else span(None, None)
    return _title(each), plain(f"{each.part.path}:{each.part.line}"), shown, WORDS.get(each.verdict, each.verdict)


def _title(each: Worth) -> str:
    return plain(each.part.title, TITLE)


def _listed(parts: Sequence[Worth]) -> str:
    *most, last = map(_title, parts)
    return f"{', '.join(most)} and {last}" if most else last


def _sentences(found: Explanation) -> Iterator[str]:
    """What to believe and what to do."""
    if bad := [each for each in found.parts if each.verdict == "not measured"]:
        yield f"Nothing is known of {_listed(bad)}: too few runs ended well with it and without it."
    for each in found.parts:
        if each.verdict == "in doubt":
            yield _on_doubt(each, len(found.runs))
    dead = [found.parts[number] for number in found.to_take_out]
    if dead:
        many, bound = len(dead) > 1, f"no more than {found.plan.worthwhile:g}" if found.plan.worthwhile else "nothing"
        yield (f"Worth {bound}{' each' * many}: {_listed(dead)}."
               + " Each was left out alone, so that two of which either would do show nothing both." * many)
    elif all(each.verdict in ("worth it", "worth little", "needed") for each in found.parts):
        yield "Every part is worth something."
    else:
        yield "No part is shown to be worth nothing."


def _on_doubt(each: Worth, runs: int) -> str:
    told = f"Whether {_title(each)} is worth anything cannot be told in {runs} runs"
    if each.wanted is not None:
        return f"{told}: about {each.wanted:,} would (`--runs {each.wanted}`)."
    return f"{told}, " + ("because some runs without it failed." if each.failed else "nor in any number that is within reach.")


def message(found: Explanation, numbers: Sequence[int]) -> str:
    """The message of the change that takes these parts out again."""
    dead = [found.parts[number] for number in numbers]
    title = f"Without {_listed(dead)} of #{found.plan.experiment}"
    shown = [f"- {_title(each)}: {_row(each)[2]}" for each in dead]
    return "\n".join([title, "", f"What was lost without each on {len(found.plan.seeds)} fresh seeds "
                      f"({plain(found.plan.metric)}, positive: the part is worth something):", *shown])
