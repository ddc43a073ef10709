"""How the evidence of an experiment grew, pair by pair, and what was asked for at that time. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from overnight.lab.events import Claimed, Event, Judged, Measured, Rebased, Weighed
from overnight.lab.experiment import Experiment
from overnight.lab.state import State
from overnight.referee.decision import Claim, Evidence
from overnight.referee.inference import HUGE


class EvidenceView(Struct, frozen=True):
    """How the evidence stood after one more of an experiment's pairs.

    pair       its place among all that counted, from 1 on
    fresh      whether it is on a seed that was drawn after the commit existed; a race proves nothing
    e_value    evidence that it is better, as odds to 1: of the race, or from its claim on of the fresh pairs alone
    wanted     the odds that were asked for then: of a race for a claim, of fresh pairs for the keep
    older      whether it was before the change was put on another base: what was measured until then went on as a race
    estimated  the journal is older than these numbers: they are worked out again from its pairs, with what is known of the
               noise now
    """

    pair: int
    fresh: bool
    e_value: float
    wanted: float
    older: bool = False
    estimated: bool = False


class Difference(Struct, frozen=True):
    """One pair as it counts: by how much the change was better, positive is better, and whether it is fresh."""

    gain: float
    fresh: bool


def path(state: State, chosen: Experiment, mine: Sequence[Event], pairs: Sequence[Difference]) -> tuple[EvidenceView, ...]:
    """The evidence after each pair, as it was recorded. `mine`: the events that can concern the experiment, oldest first;
    `pairs`: its own, from which it is worked out where an old journal holds none of it."""
    recorded = [(at, each) for at, event in enumerate(mine) if isinstance(event, Measured)
                for each in event.weighed or () if each.experiment == chosen.id]
    if recorded:
        return tuple(_recorded(recorded, _last(mine, chosen)))
    return tuple(_worked_out(state, chosen, mine, pairs))


def _last(mine: Sequence[Event], chosen: Experiment) -> int:
    """Where it was put on another base for the last time."""
    moved = (at for at, event in enumerate(mine) if isinstance(event, Rebased) and event.experiment == chosen.id)
    return max(moved, default=-1)


def _recorded(recorded: Sequence[tuple[int, Weighed]], rebased: int) -> Iterator[EvidenceView]:
    before = 0
    for number, (at, each) in enumerate(recorded, 1):
        yield EvidenceView(number, each.fresh > before, each.e_value, each.wanted, at < rebased)
        before = each.fresh


def _worked_out(state: State, chosen: Experiment, mine: Sequence[Event],
                pairs: Sequence[Difference]) -> Iterator[EvidenceView]:
    known, race, fresh = state.known, list[float](), list[float]()
    claim = _claim(mine, chosen)
    for number, each in enumerate(pairs, 1):
        (fresh if each.fresh else race).append(each.gain - (0.0 if each.fresh else chosen.handicap))
        evidence = Evidence(tuple(race), tuple(fresh), known.variance, 0.0, claim if fresh else None,
                            state.track.metric.worthwhile, chosen.simplifies, known.kind.name)
        if odds := known.kind.odds(evidence, state.policy):
            yield EvidenceView(number, each.fresh, min(HUGE, odds[0]), odds[1], False, True)


def _claim(mine: Sequence[Event], chosen: Experiment) -> Claim | None:
    """The last claim that it made; of a journal without claims one at the level of its verdict."""
    claims = [event.claim for event in mine if isinstance(event, Claimed) and event.experiment == chosen.id]
    levels = [event.alpha for event in mine if isinstance(event, Judged) and event.experiment == chosen.id and event.alpha]
    return claims[-1] if claims else Claim(levels[-1]) if levels else None
