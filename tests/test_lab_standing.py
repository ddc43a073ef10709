"""What runs on earlier frontiers, and experiments that turned knobs, say of today's frontier."""

import statistics

import msgspec
import pytest

from overnight.contracts import TURNED
from overnight.lab.campaign import OFTEN, Campaign
from overnight.lab.events import Proposed, Vetoed
from overnight.lab.flight import Flight
from overnight.lab.roster import Roster
from overnight.lab.standing import standings
from overnight.lab.state import BASELINE
from overnight.track.roles import Role
from test_lab_campaign import ran, replayed

CODE, KNOBS = {}, {TURNED: {"run.py:X": [1.0, 2.0]}}


def night(kind, note, more=()):
    """The state after a night whose experiments all left this note."""
    events = [msgspec.structs.replace(event, note=note) if isinstance(event, Proposed) else event for event in ran(kind).events]
    return replayed([*events, *more])


def told(state):
    """The points that a role is told of."""
    return Campaign(state, Flight(3), Roster(state.attempts, [Role("r", "knobs")])).brief("r").points


def level(state):
    return statistics.fmean(state.known.numbers(state.commit))


@pytest.mark.parametrize("kind", ["plain", "maximize"])
def test_what_was_run_before_code_was_kept_counts_as_if_that_had_been_there(kind):
    state = night(kind, CODE)
    kept = state.chain()
    assert len(kept) > 1
    for number, base in enumerate(kept):
        gained = sum(state.track.oriented(later.effect) for later in kept[number + 1:])
        assert standings(state)[base.id].shift == pytest.approx(gained) and standings(state)[base.id].level == level(state)
    first = told(state)[0]
    raw = [state.known.number(metrics) for metrics in state.known.of(state.known.baseline_commit).values()]
    assert [value for _, value in first.runs] == pytest.approx([value + standings(state)[BASELINE].shift for value in raw])
    assert abs(statistics.fmean(v for _, v in first.runs) - level(state)) < abs(statistics.fmean(raw) - level(state)) / 4


def test_what_was_run_before_knobs_were_kept_stands_as_it_was_measured():
    state = night("plain", KNOBS)
    raw = {seed: state.known.number(metrics) for probe in state.probes.made.values() for seed, metrics in probe.runs.items() if metrics}
    assert state.chain() and {value for point in told(state) for _, value in point.runs} >= set(raw.values())
    assert all(standing.shift == 0 for standing in standings(state).values())


def test_a_time_is_compared_with_what_ran_beside_it_and_that_with_todays_frontier():
    """A run that took as long as its base beside it: as long as that would today."""
    state = night("timed", KNOBS)
    (*_, newest), kept = standings(state).items(), state.chain()
    assert len(kept) > 1 and newest[0] == BASELINE
    for factor, base in zip((1.0, kept[-1].ratio), reversed(kept), strict=False):
        assert standings(state)[base.id].level == pytest.approx(level(state) / factor)
    old = next(probe for probe in state.probes.made.values() if probe.base == BASELINE and probe.runs and probe.paired)
    ((seed, mine),) = list(old.runs.items())[:1]
    share = state.known.number(mine) / state.known.number(old.paired[seed])
    shown = next(p for p in told(state) if p.base == BASELINE and p.runs and p.note == old.note)
    assert shown.runs[0][1] == pytest.approx(share * standings(state)[BASELINE].level)


def test_what_stood_on_a_keep_that_was_taken_back_is_not_told():
    state = night("plain", CODE)
    last = state.chain()[-1]
    assert any(point.base == last.id for point in told(state))
    taken = night("plain", CODE, [Vetoed(1e9, last.id, "no")])
    assert not any(point.base == last.id for point in told(taken)) and len(told(taken)) > 2


def test_an_experiment_of_another_that_turned_knobs_is_a_point_and_one_of_code_is_none():
    state = night("plain", KNOBS)
    claims = set(state.probes.claims.values())
    others = {e.id for e in state.experiments.values() if e.id not in claims}
    assert not others  # of this night every experiment is a claim of a point
    state.probes.claims.clear()
    points = told(state)[2 + len(state.probes.told()):]
    raced = [e for e in state.experiments.values() if e.base in standings(state)]
    assert len(points) == len(raced) > 2 and all(point.note == KNOBS for point in points)
    for point, experiment in zip(points, raced, strict=True):
        assert len(point.runs) == (min(OFTEN, max(1, experiment.pairs // 2)) if experiment.pairs else 0)
        here = standings(state)[experiment.base].level + state.track.oriented(experiment.effect or 0)
        assert all(value == pytest.approx(here) for _, value in point.runs)
    labels = [label for point in told(state) for label, _ in point.runs if point in points]
    assert len(labels) == len(set(labels))
    code = night("plain", CODE)
    code.probes.claims.clear()
    assert len(told(code)) == 2 + len(code.probes.told())
