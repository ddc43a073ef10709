"""The course of a track: where each experiment lies, the frontier's steps, a part of it, and how fast that is."""

import time

import msgspec
import pytest

from fakes import FakeWorld, Idea, Night
from golden import nights
from overnight.lab.state import State
from overnight.views.experiment import History, history
from overnight.views.timeline import progress

KINDS = (Idea(gain=2.0, correlation=0.9), Idea(), Idea(gain=-1.0), Idea(outcome="crash"), Idea(foul="touches score.py"))


@pytest.fixture(scope="module")
def told():
    """The history of a simulated night."""
    return history(Night(FakeWorld(1, lambda lots: lots.choice(KINDS))).go(experiments=40).lab.state)


def many(told, count):
    """A history of so many experiments, made of the same ones again and again."""
    some = [each for each in told.experiments if each.verdict.verdict != "keep"]
    every = {each.id: each for each in told.experiments}
    more = (msgspec.structs.replace(some[number % len(some)], id=number, parent=told.kept[-1].id) for number in range(41, count + 1))
    return History(told.track, (*every.values(), *more), told.kept)


def test_every_experiment_has_its_place_and_what_is_kept_makes_the_frontier(told):
    found = progress(told)
    assert [each.id for each in found.places] == [each.id for each in told.experiments]
    assert (found.first, found.last, found.total) == (1, 40, 40)
    assert [step.id for step in found.steps] == [keep.id for keep in told.kept] and found.level == found.baseline
    assert all(step.low <= step.y <= step.high for step in found.steps)
    last = found.steps[-1]
    scale = found.baseline * told.track.ratio if found.ratios else found.baseline - told.track.gain
    assert last.y == pytest.approx(scale)
    assert {each.verdict for each in found.places if each.y is None} >= {"crash", "foul"}
    assert found.low < min(step.y for step in found.steps) and found.high > found.baseline


def test_a_cause_stands_with_each_place(told):
    causes = {each.id: each.cause for each in told.experiments}
    assert all(place.cause == causes[place.id] for place in progress(told).places)


def test_a_part_of_it_lies_where_the_whole_has_it(told):
    whole, part = progress(told), progress(told, 12, 25)
    assert [each.id for each in part.places] == list(range(12, 26)) and part.total == 40
    assert [each for each in whole.places if 12 <= each.id <= 25] == list(part.places)
    assert [step for step in whole.steps if 12 <= step.id <= 25] == list(part.steps)
    before = [step.y for step in whole.steps if step.id < 12]
    assert part.level == (before[-1] if before else whole.baseline)


@pytest.mark.parametrize(("first", "last"), [(100, 200), (30, 20), (41, None)])
def test_a_part_without_experiments_is_empty(told, first, last):
    found = progress(told, first, last)
    assert (found.places, found.steps, found.first, found.last) == ((), (), 0, 0)


def test_over_the_time_nothing_lies_before_the_first(told):
    found = progress(told, timed=True)
    assert found.timed and min(each.x for each in found.places) >= 0 and found.places[0].x == 0
    steps = [step.x for step in found.steps]
    assert steps == sorted(steps)


def test_before_the_baseline_there_is_no_level():
    state = State()
    for event in nights.load("exact")[:2]:
        state.apply(event)
    found = progress(history(state))
    assert (found.baseline, found.level, found.places) == (None, None, ())


@pytest.mark.parametrize(("count", "seconds"), [(10_000, 3.0), (100_000, 30.0)])
def test_many_experiments_are_told_soon_and_a_part_of_them_at_once(told, count, seconds):
    long = many(told, count)
    begin = time.process_time()
    assert len(progress(long).places) == count
    whole = time.process_time() - begin
    begin = time.process_time()
    assert len(progress(long, count - 99, count).places) == 100
    assert whole < seconds and time.process_time() - begin < 0.5
    print(f"\n{count}: {whole * 1e3:.0f} ms, 100 of them {(time.process_time() - begin) * 1e3:.1f} ms")
