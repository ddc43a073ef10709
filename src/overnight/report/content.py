"""What both forms of the report say, the page and the markdown: the record that they are made of, what each keep is worth,
what to try next, how to get each number again. Pure; no markup.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from overnight.audit.arithmetic import Audit
from overnight.report.svg.intervals import Row
from overnight.report.tables import plain
from overnight.track.units import number
from overnight.views import points
from overnight.views.experiment import ExperimentView, History
from overnight.views.findings import WORDS, FindingsView, GroupView, KeepView
from overnight.views.headline import AnswerView, HeadlineView, answers, cost, headline
from overnight.views.timeline import short_title
from overnight.views.track import TrackView, duration

MOST_KEEPS = 30  # that a forest and the cards show, the largest of them
MOST_OPEN = 2  # open experiments that are named
TITLE = 60  # characters of a title beside its number
SURE = {"holds": "the claim holds", "one number": "one number", "too high": "claimed too much", "too low": "claimed too little",
        "unknown": "unknown"}
TOLD = {"holds": "again", "does_not_hold": "warn"}  # the tone of what the audit says of a keep
TONES = {"holds": "again", "too low": "again", "one number": "warn", "too high": "warn", "unknown": "warn"}


class Checked(NamedTuple):
    """How the journal was found: its number of records, its last hash, and what is wrong with it or with the branch ("": the
    chain is whole and the branch agrees)."""

    records: int
    head: str
    wrong: str = ""

    @property
    def sentence(self) -> str:
        """The same in words, without a stop."""
        state = self.wrong.rstrip(".") if self.wrong else "chain whole, branch agrees"
        return f"{self.records:,} records, {state}"


class Report(Struct, frozen=True):
    """All that a report is made of.

    told     the track with its experiments
    found    what a night found, for its user
    audit    of the present frontier; None where there was none
    patches  the change of each keep, by its number
    checked  how the journal was found; None where it was not looked at
    """

    told: History
    found: FindingsView
    audit: Audit | None = None
    patches: Mapping[int, str] = {}
    checked: Checked | None = None

    @property
    def headline(self) -> HeadlineView:
        """The night in a sentence."""
        return headline(self.told.track, self.found)

    @property
    def answers(self) -> tuple[AnswerView, ...]:
        """What it found, whether to believe it, what it cost, what to merge."""
        return answers(self.told.track, self.found)


class Step(NamedTuple):
    """Something to do: a sentence, and the command for it; "" where there is none."""

    sentence: str
    command: str = ""


# ---- what each keep is worth -----------------------------------------------------------------------------------


def largest(found: FindingsView) -> list[KeepView]:
    """The keeps that are shown, oldest first: all of them, or the largest."""
    chosen = sorted(found.keeps, key=lambda keep: -keep.effect)[:MOST_KEEPS]
    ids = {keep.id for keep in chosen}
    return [keep for keep in found.keeps if keep.id in ids]


def forest_rows(found: FindingsView, href: str = "") -> list[Row]:
    """Each keep as it was claimed, their sum, each measured again, the whole measured again. `href`: the address of an
    experiment, with {id} for its number."""
    keeps, count = largest(found), len(found.keeps)
    rows = [Row(f"#{keep.id}, on its fresh seeds" if keep.fresh_pairs else f"#{keep.id}", keep.effect, keep.interval, "night",
                "kept", "", href.format(id=keep.id), short_title(keep.title, TITLE)) for keep in keeps]
    if count > 1:
        label = "Sum of the two, as claimed" if count == 2 else f"Sum of all {count:,}, as claimed"
        rows.append(Row(label, found.claimed, found.claimed_interval, "night", "claimed"))
    rows += [_again(keep) for keep in keeps if keep.again is not None and count > 1]
    rows += [_together(group) for group in found.groups if group.again is not None]
    if found.again is not None:
        label = {1: "It again, against the baseline", 2: "Both again, against the baseline"}.get(
            count, f"All {count:,} again, against the baseline")
        rows.append(Row(label, found.again.effect, found.again.interval, "again", SURE.get(found.claim, found.claim),
                        TONES.get(found.claim, "warn")))
    return rows


def _again(keep: KeepView) -> Row:
    assert keep.again is not None
    return Row(f"#{keep.id} again, by leaving it out", keep.again.effect, keep.again.interval, "again", WORDS[keep.code],
               TOLD.get(keep.code, ""))


def _together(group: GroupView) -> Row:
    assert group.again is not None
    names = ", ".join(f"#{number}" for number in group.ids)
    return Row(f"{names} again, left out together", group.again.effect, group.again.interval, "again", WORDS[group.code],
               "again" if group.code == "holds" else "")


def sum_sentences(found: FindingsView) -> Iterator[str]:
    """Whether the keeps add up, as far as that is known."""
    if found.again is None:
        if found.keeps:
            yield "Nothing was measured again yet: `overnight audit` does it, on seeds that the night never used."
        return
    yield {"add_up": "What each is worth by leaving it out adds up to the whole.",
           "overlap": "The keeps overlap: each alone is worth less than the whole says, for they do in part the same.",
           "need_one_another": "The keeps need one another: leaving one out costs more than its own share."}.get(
        found.sum, "Whether the keeps need one another is not known, for they could not be left out one by one.") \
        if len(found.keeps) > 1 else ""
    stuck = [keep.id for keep in found.keeps if keep.code == "cannot_be_taken_out_alone"]
    if stuck:
        yield f"{listed(stuck)} cannot be taken out alone, because later keeps changed the same lines."


def listed(ids: Sequence[int], most: int = 8) -> str:
    """Numbers of experiments, some of them where they are many."""
    rest = f" and {len(ids) - most} more" if len(ids) > most else ""
    return ", ".join(f"#{number}" for number in ids[:most]) + rest


# ---- what it cost, what next, how to check ---------------------------------------------------------------------


def finding_cost(track: TrackView) -> str:
    """What a finding cost, in a sentence; "" where nothing is kept."""
    if not track.kept:
        return ""
    dollars, unpriced = cost(track)
    price = f", and ${dollars / track.kept:.2f} for models" if dollars else ""
    price += " (some calls have no known price)" if unpriced else "" if dollars else ", and nothing for models"
    return (f"A finding took {round(track.runs / track.kept):,} runs and {duration(track.seconds / track.kept)} on average"
            f"{price}.")


def next_steps(report: Report) -> Iterator[Step]:
    """What to try next, the most useful first."""
    told, found = report.told, report.found
    if found.keeps and found.again is None:
        yield Step("Measure what was kept again, on seeds that the night never used, before you build on it.",
                   "overnight audit")
    if found.dead:
        yield Step(f"{listed(found.dead)} {'is' if len(found.dead) == 1 else 'are'} dead weight: the audit says how to take "
                   "that out.", "overnight audit")
    if found.keeps:
        yield Step("Take what was kept into the branch that is checked out.", "overnight merge")
    waiting = [each for each in told.experiments if each.verdict.verdict == "open"]
    if waiting:
        yield Step(f"{len(waiting):,} experiment{'s are' if len(waiting) != 1 else ' is'} open; the next night goes on with "
                   f"{'them' if len(waiting) != 1 else 'it'}{_best(waiting)}.", "overnight run")
    elif told.track.lead is not None:
        lead = told.track.lead
        yield Step(f"Of what was explored, point {lead.point} is thought to be best "
                   f"({points.about(lead.gain, lead.deviation, plain(told.track.unit, 24))}); the next night proves it or "
                   "drops it.", "overnight run")
    barred = [each for each in told.experiments if each.cause == "guard"]
    if barred:
        most = max(each.verdict.effect or 0.0 for each in barred)
        yield Step(f"{len(barred):,} change{'s' * (len(barred) != 1)} scored better (by up to {number(most, 3)}) but broke a "
                   f"guard: {listed([each.id for each in barred], 4)}. What makes them cheaper would buy them.")


def _best(waiting: Sequence[ExperimentView]) -> str:
    measured = sorted((each for each in waiting if (each.verdict.effect or 0.0) > 0),
                      key=lambda each: -(each.verdict.effect or 0.0))
    if not measured:
        return ""
    return f" ({listed([each.id for each in measured[:MOST_OPEN]])} stand{'s' * (len(measured) == 1)} best so far)"


def commands(report: Report) -> list[tuple[str, str]]:
    """How to get each number again: a command, and what it shows."""
    told, track = report.told, report.told.track
    chosen = (told.kept or told.experiments)[-1:]
    seeds = f" --seeds {report.found.seeds}" if report.found.seeds else ""
    rows = [("overnight status --all", "every number of the headline")]
    rows += [(f"overnight show {each.id}", "diff, runs and evidence of one experiment") for each in chosen]
    if told.kept:
        rows += [(f"overnight audit{seeds}", "measure what was kept again, on fresh seeds"),
                 (f"git diff {track.base_commit[:7]}..{plain(track.branch, 90)}", "all that was kept, as one diff"),
                 ("overnight merge", "take it into the branch that is checked out")]
    rows.append(("overnight log --verify", "the journal's chain of hashes, and whether the branch agrees"))
    return rows
