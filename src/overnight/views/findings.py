"""What a night found, as one record: each keep as it was claimed and as it was measured again, their sum, the total again, what
is dead weight, and the holdout for its user alone. Pure; the audit and the explanations are read by the caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from overnight.audit.arithmetic import Audit, Finding, Verdict, add_up
from overnight.audit.worth import TO_TAKE_OUT, Explanation
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.referee.estimates import Estimate
from overnight.untrusted import readable
from overnight.views import holdout
from overnight.views.experiment import MOST_TITLE_CHARACTERS, Views
from overnight.views.holdout import HoldoutView
from overnight.views.track import marks

Standing = Literal["no_baseline", "nothing_kept", "not_audited", "holds", "one_number", "does_not_hold", "unknown"]
Again = Literal["not_audited", "holds", "does_not_hold", "cannot_be_taken_out_alone", "in_doubt", "undone", "not_measured"]
Sum = Literal["not_audited", "not_tested", "add_up", "overlap", "need_one_another", "unknown"]
CODES: dict[Verdict, Again] = {
    "holds": "holds", "one number": "holds", "needed": "holds", "dead weight": "does_not_hold", "in doubt": "in_doubt",
    "cannot be taken out alone": "cannot_be_taken_out_alone", "undone": "undone", "not measured": "not_measured",
}
WORDS: dict[Again, str] = {
    "not_audited": "not audited yet", "holds": "holds", "does_not_hold": "does not hold",
    "cannot_be_taken_out_alone": "cannot be taken out alone", "in_doubt": "in doubt", "undone": "undone by later keeps",
    "not_measured": "could not be measured",
}
"""What each code of a keep means, in a few words."""
NOT_AUDITED: Again = "not_audited"
DRIFTED = "drifted"  # the mark of a track whose machine measures otherwise than it did


class KeepView(Struct, frozen=True):
    """One kept change, as it was claimed and as it was measured again.

    id, title, commit, researcher  of the experiment; the title is in the proposer's words
    effect, interval  by how much it is better, in the metric's unit, with its 95 % interval, as the night claimed it
    pairs         paired runs, and `fresh_pairs` those of them on seeds drawn after its commit existed
    e_value       the evidence for it, as odds to 1; None where its metric has no noise
    proposed_at, judged_at  in seconds since 1970; None where that is not known
    leap          in how many standard deviations of a pair it gained, where that is so many that it is to be looked at first
    holdout       its gain on the holdout, for the user alone; None where that is not known or not to be seen
    again         what is lost without it, measured again with it left out alone; None where it was not
    code          what the audit says of it: not_audited, holds, does_not_hold (dead weight), cannot_be_taken_out_alone,
                  in_doubt, undone, not_measured
    verdict       the same in the audit's own words, and `reason` why; "" where there is none
    with_others   the other keeps with which it was left out together, because later ones changed its lines
    worthless     parts of it that were explained to be worth nothing, or that it is better without
    """

    id: int
    title: str
    commit: str
    researcher: str
    effect: float
    interval: tuple[float, float] | None
    pairs: int
    fresh_pairs: int
    e_value: float | None
    proposed_at: float | None
    judged_at: float | None
    leap: float | None
    holdout: float | None
    again: Estimate | None
    code: Again
    verdict: str
    reason: str
    with_others: tuple[int, ...] = ()
    worthless: tuple[str, ...] = ()


class GroupView(Struct, frozen=True):
    """Several keeps that only go together: their numbers, what was claimed for them, what is lost without all of them, and
    what the audit says of that."""

    ids: tuple[int, ...]
    claimed: float
    claimed_interval: tuple[float, float] | None
    again: Estimate | None
    code: Again
    verdict: str


class FindingsView(Struct, frozen=True):
    """What a night found.

    state      no_baseline, nothing_kept, not_audited, holds, one_number (the claim was found again, and nothing is shown of any
               other seed), does_not_hold, unknown (an audit could not tell)
    marks      what must stand beside every number
    keeps      what is kept, oldest first, and `groups` those that can only be taken out together
    claimed    the sum of what was claimed, positive is better, with its 95 % interval; None where a keep has none
    again      the branch against the baseline, measured again; None where it was not
    claim      what the audit says of the sum, in its own words: holds, one number, too high, too low, unknown; "" without one
    sum        whether the keeps add up, as an audit found: not_audited, not_tested (none can be left out alone), add_up,
               overlap, need_one_another, unknown
    ones       the sum of what each is worth by leaving it out, and `gap` the total less that; None where not tested
    dead       the keeps that are dead weight
    seeds      fresh seeds of the audit, `runs` its runs, and `audited_at` when it was made; 0 and None without one
    holdout    the overfitting monitor, for the user alone
    worthwhile the smallest improvement that is worth a commit, in the metric's unit
    """

    state: Standing
    metric: str
    unit: str
    direction: str
    worthwhile: float
    marks: tuple[str, ...]
    keeps: tuple[KeepView, ...]
    groups: tuple[GroupView, ...]
    claimed: float
    claimed_interval: tuple[float, float] | None
    again: Estimate | None
    claim: str
    sum: Sum
    ones: Estimate | None
    gap: Estimate | None
    dead: tuple[int, ...]
    seeds: int
    runs: int
    audited_at: float | None
    holdout: HoldoutView | None

    @property
    def alone(self) -> int:
        """How many keeps were measured again by leaving each out alone."""
        return sum(keep.again is not None for keep in self.keeps)


def findings(state: State, audit: Audit | None = None, explanations: Sequence[Explanation] = (),
             full: bool = False) -> FindingsView:
    """What is known of what was kept. `audit` is of the present frontier, `explanations` of keeps; `full`: for the user, with
    the holdout. Raises JournalError before the track is opened."""
    chain, metric = state.chain(), state.track.metric
    seen = holdout.holdout(state) if full else None
    asked = {each.experiment: each.holdout for each in seen.questions} if seen else {}
    view, again = Views(state), {each.keep.ids[0]: each for each in audit.findings} if audit else {}
    groups = {number: group.keep.ids for group in (audit.groups if audit else ()) for number in group.keep.ids}
    worthless = {each.plan.experiment: _worthless(each) for each in explanations}
    keeps = tuple(_keep(view, each, again.get(each.id), asked.get(each.id), groups.get(each.id, ()), worthless.get(each.id, ()))
                  for each in chain)
    claimed, doubt = add_up([(each.effect or 0.0, each.interval) for each in chain])
    return FindingsView(
        _standing(state, audit), readable(metric.name), readable(metric.unit), metric.direction, metric.worthwhile,
        beside(state), keeps, tuple(map(_group, audit.groups)) if audit else (), claimed,
        (claimed - doubt, claimed + doubt) if doubt is not None and chain else None, audit.total if audit else None,
        audit.claim if audit else "", _SUMS[audit.sum] if audit else "not_audited", audit.ones if audit else None,
        audit.gap if audit else None, tuple(keep.id for keep in keeps if keep.code == "does_not_hold"),
        len(audit.plan.seeds) if audit else 0, len(audit.runs) if audit else 0, audit.at if audit else None, seen)


def beside(state: State) -> tuple[str, ...]:
    """What must stand beside every number of a track, also that its machine drifted."""
    shift = state.known.drift.shift
    return (*marks(state), *((DRIFTED,) if shift is not None and abs(shift[0]) > 2 * shift[1] else ()))


def _standing(state: State, audit: Audit | None) -> Standing:
    if not state.calibrated:
        return "no_baseline"
    if not state.chain():
        return "nothing_kept"
    if audit is None:
        return "not_audited"
    if audit.claim == "one number":
        return "one_number"
    if audit.total is None or audit.claim == "unknown":
        return "unknown"
    if audit.claim == "too high":
        return "does_not_hold"
    return "holds" if audit.total.interval[0] > 0 else "unknown"


def _keep(views: Views, kept: Experiment, again: Finding | None, gain: float | None, together: tuple[int, ...],
          worthless: tuple[str, ...]) -> KeepView:
    view = views.of(kept)
    title = readable(view.message.partition("\n")[0], MOST_TITLE_CHARACTERS)
    own, code = (again.own, CODES[again.verdict]) if again else (None, NOT_AUDITED)
    said, reason = (again.verdict, readable(again.reason)) if again else ("", "")
    return KeepView(
        kept.id, title, kept.commit, view.researcher, kept.effect or 0.0, kept.interval, kept.pairs, kept.fresh_pairs,
        kept.e_value, view.proposed_at, view.judged_at, view.leap, gain, own, code, said, reason,
        tuple(number for number in together if number != kept.id), worthless)


def _group(found: Finding) -> GroupView:
    keep = found.keep
    return GroupView(keep.ids, keep.claimed, keep.claimed_interval, found.own, CODES[found.verdict], found.verdict)


def _worthless(found: Explanation) -> tuple[str, ...]:
    return tuple(readable(each.part.title, MOST_TITLE_CHARACTERS) for each in found.parts if each.verdict in TO_TAKE_OUT)


_SUMS: Mapping[str, Sum] = {"add up": "add_up", "overlap": "overlap", "need one another": "need_one_another",
                            "not tested": "not_tested", "unknown": "unknown"}
