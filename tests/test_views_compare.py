"""Two sides beside one another, and the members of a team: gains and never levels, and no winner by chance."""

import msgspec
import pytest

from fakes import FakeWorld, Idea, Night
from golden import nights
from overnight.lab.state import State
from overnight.views.compare import compare, side
from overnight.views.team import team

GOOD, NOTHING = (Idea(gain=2.0, correlation=0.9), Idea()), (Idea(),)


def a_night(seed, kinds, experiments=14, **more):
    """The state after a simulated night."""
    return Night(FakeWorld(seed, lambda lots: lots.choice(kinds)), **more).go(experiments=experiments).lab.state


@pytest.fixture(scope="module")
def good():
    """A night with keeps."""
    state = a_night(1, GOOD)
    assert len(state.chain()) > 1
    return state


def state_of(name):
    """The state that a golden night tells."""
    state = State()
    for event in nights.load(name):
        state.apply(event)
    return state


def test_a_side_gains_step_by_step_what_is_claimed(good):
    found = side(good, "one")
    assert [step.experiment for step in found.steps] == [keep.id for keep in good.chain()]
    assert found.gain == pytest.approx(good.levels.gain) and found.steps[-1].gain == pytest.approx(found.gain)
    assert (found.steps[-1].low, found.steps[-1].high) == pytest.approx(found.interval)
    runs, seconds = [step.runs for step in found.steps], [step.seconds for step in found.steps]
    assert runs == sorted(runs) and seconds == sorted(seconds) and 0 < runs[0] <= runs[-1] <= good.runs
    assert found.first_keep == seconds[0] > 0 and found.runs_per_keep == good.runs / len(found.steps)


def test_a_night_that_found_something_beats_one_that_found_nothing(good):
    found = compare(side(good, "one"), side(a_night(2, NOTHING), "two"))
    assert found.winner == "one" and found.sentence.startswith("one found more than two: the gains differ by ")
    assert found.interval[0] > 0 and "several nights" in found.why
    other = compare(*reversed(found.sides))
    assert other.winner == "one" and other.difference == -found.difference


def test_no_winner_is_named_where_the_interval_holds_0(good):
    found = compare(side(good, "one"), side(good, "two"))
    assert (found.winner, found.difference) == ("", 0.0) and "found about as much" in found.sentence
    assert found.interval[0] < 0 < found.interval[1]


def test_levels_are_not_compared(good):
    one, two = side(good, "one"), side(good, "two")
    moved = msgspec.structs.replace(two, baseline=(two.baseline or 0.0) + 100.0)
    assert compare(one, moved).difference == compare(one, two).difference and compare(one, moved).winner == ""


def test_different_metrics_are_not_compared(good):
    one = side(good, "one")
    found = compare(one, msgspec.structs.replace(one, metric="other"))
    assert found.difference is None and found.winner == "" and "not measured by the same metric" in found.sentence


def test_without_an_interval_no_winner_is_named(good):
    one, two = side(good, "one"), side(a_night(2, NOTHING), "two")
    found = compare(msgspec.structs.replace(one, interval=None), two)
    assert found.winner == "" and found.difference > 0 and "no interval" in found.why


def test_a_researcher_is_a_side_with_costs_of_its_own():
    state = state_of("team")
    names = {each.researcher for each in state.experiments.values()}
    sides = [side(state, "night", name) for name in sorted(names)]
    assert sum(each.experiments for each in sides) == len(state.experiments)
    assert sum(each.gain for each in sides) == pytest.approx(state.levels.gain)
    assert all(each.runs <= state.runs and each.busy_share is None for each in sides)
    assert f"{sides[0].researcher} on night" in compare(sides[0], sides[1]).sentence


def test_members_share_out_what_was_tried_and_gained():
    state = state_of("team")
    found = team(state)
    assert sum(each.experiments for each in found.members) == len(state.experiments)
    assert sum(each.gain for each in found.members) == pytest.approx(state.levels.gain)
    assert sum(each.tokens for each in found.members) == sum(use.tokens for use in state.usage.used.values())
    advisers = [each for each in found.members if each.role in ("scientist", "standup")]
    assert advisers and all(each.experiments == 0 for each in advisers)
    assert found.tokens_a_minute > 0 and 0 < found.busy_share <= 1 and found.idle_seconds >= 0
    assert [each.gain for each in found.members] == sorted((each.gain for each in found.members), reverse=True)


def test_a_price_that_is_not_known_is_no_number():
    state = state_of("team")
    assert any(use.unpriced for use in state.usage.used.values())
    found = team(state)
    assert found.dollars is None and None in {each.dollars for each in found.members}
    assert side(state, "night").dollars is None


def test_milestones_outlast_a_snapshot(good):
    from overnight.lab import snapshot
    again = snapshot.decode(snapshot.encode(good), good.keys)
    assert again.milestones == good.milestones and again.roles == good.roles
