"""Climbing: what is handed in on a rung, and what its verdicts say of each change; on simulated rungs of which the truth is known."""

import pytest

from bench.ladder import Rung, Truth
from overnight.lab.climbing import Climb, Climber, Step, climbs, step
from overnight.lab.events import Climbed
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.referee.scaling import Carried

GOOD, NOTHING, BAD = Truth(2.0, 2.0), Truth(2.0, 0.0), Truth(2.0, -2.0)


def climbers(truths, knobs=()):
    return [Climber(int(key), f"change {key}", "", "", truth.low, knob=f"a.py:{key}" * (key in knobs)) for key, truth in truths.items()]


def climbed(truths, together=1 << 30, seed=1, knobs=()):
    """What a rung says of changes, and how it came to that."""
    rung = Rung(seed, 2, truths)
    climb = rung.climb(climbers(truths, knobs), together)
    return {each.experiment: each.word for each in climb.carried()}, climb, rung


@pytest.mark.parametrize(("kind", "members", "nth"), [("in", ("3",), 0), ("in", ("1", "2_0", "2_11"), 0), ("back", ("1", "2"), 2),
                                                      ("again", ("7_1",), 3)])
def test_a_step_is_read_again_from_the_mark_of_its_order(kind, members, nth):
    made = Step(members, kind, nth)
    assert step(made.request(1790000000.25), 1790000000.25) == made
    assert step(made.request(1790000000.25), 1790000000.5) is None  # the rung was begun anew since


@pytest.mark.parametrize("request_", ["climb", "climb-1.000-in-", "climb-1.000-out-3-0", "3-a", "climb-1.000-in-3-0x"])
def test_other_orders_are_no_steps(request_):
    assert step(request_, 1.0) is None


def test_changes_that_all_hold_are_kept_together():
    words, climb, rung = climbed({"1": GOOD, "2": GOOD, "3": GOOD})
    assert words == {1: "holds", 2: "holds", 3: "holds"}
    assert [each.members for each in climb.trials] == [("1", "2", "3")] and rung.night.lab.state.counts["keep"] == 1
    assert climb.carried()[0].beside == (2, 3) and climb.carried()[0].effect is None and climb.waiting == 0


def test_what_helps_small_sizes_only_is_found_in_halves():
    words, climb, _ = climbed({"1": BAD, "2": BAD, "3": GOOD, "4": NOTHING})
    assert words[1] in ("reverses", "vanishes") and words[2] in ("reverses", "vanishes")
    assert (words[3], words[4]) == ("holds", "vanishes")
    assert {("1", "2"), ("3", "4"), ("1",), ("2",), ("3",), ("4",)} <= {each.members for each in climb.trials}


def test_a_keep_that_may_hide_one_that_is_worth_nothing_is_taken_back():
    words, climb, rung = climbed({"1": Truth(3.0, 3.0), "2": NOTHING})
    assert words == {1: "holds", 2: "vanishes"}
    assert Step(("1", "2"), "back") in climb.answered and len(rung.night.lab.state.chain()) == 1


def test_one_by_one_each_has_an_effect_of_its_own():
    _, climb, _ = climbed({"1": GOOD, "2": BAD}, together=1)
    found = climb.carried()
    assert found[0].interval[0] < 2.0 < found[0].interval[1] and found[1].effect < 0 and {len(each.members) for each in climb.trials} == {1}


def test_a_constant_that_is_worse_here_is_tried_at_other_values():
    _, climb, _ = climbed({"1": Truth(2.0, -4.0)}, knobs={"1"})
    assert [each.nth for each in climb.trials if each.kind == "again"] == [1, 2, 3]
    _, climb, _ = climbed({"1": Truth(2.0, -4.0)})
    assert not [each for each in climb.trials if each.kind == "again"]


def test_what_turned_one_constant_twice_is_tried_in_turn():
    rung = Rung(5, 2, {"1": GOOD, "2": GOOD})
    twice = [Climber(number, f"A {number}", "", "", 2.0, knob="a.py:A") for number in (1, 2)]
    assert [each.members for each in Climb(twice, rung.night.lab.state).steps(1)] == [("1",)]
    assert [each.members for each in Climb(twice, rung.night.lab.state).steps()] == [("1", "2")]
    assert {each.experiment: each.word for each in rung.climb(twice, 1).carried()} == {1: "holds", 2: "holds"}


def test_a_spread_beyond_all_numbers_gives_no_interval():
    _, climb, _ = climbed({"1": BAD}, together=1)
    climb.spread, trial = 1e150, next(iter(climb.trials.values()))
    trial.interval, trial.variance, trial.pairs = None, 1e308, 3
    assert climb.carried()[0].interval is None


def test_a_climb_that_was_killed_goes_on_from_its_record():
    truths = {"1": BAD, "2": GOOD, "3": GOOD, "4": NOTHING}
    _, whole, rung = climbed(truths)
    record = rung.night.events
    for cut in range(1, len(record), 9):
        again = Lab(State())
        for event in record[:cut]:
            again.apply(event)
        left = Climb(climbers(truths), again.state)
        assert left.trials.keys() <= whole.trials.keys()
        assert {each.members for each in left.steps()} <= {each.members for each in whole.answered}


def test_a_new_change_is_tried_and_the_others_are_not_tried_again():
    rung = Rung(3, 2, {"1": GOOD, "2": GOOD})
    rung.climb(climbers({"1": GOOD}))
    later = Climb(climbers({"1": GOOD, "2": GOOD}), rung.night.lab.state)
    assert [each.members for each in later.steps()] == [("2",)]
    assert {each.experiment: each.word for each in later.carried()} == {1: "holds", 2: "waits"}


def test_a_change_that_is_no_longer_kept_below_is_no_longer_told():
    _, _, rung = climbed({"1": GOOD, "2": GOOD})
    later = Climb(climbers({"2": GOOD}), rung.night.lab.state)
    assert [each.experiment for each in later.carried()] == [2] and later.steps() == []


def test_what_could_not_be_made_on_the_rung_is_unknown():
    rung = Rung(4, 2, {"1": GOOD})
    rung.night.lab.state.answered.add(Step(("1",)).request(0.0))
    climb = Climb(climbers({"1": GOOD}), rung.night.lab.state)
    assert climb.steps() == [] and climb.carried()[0].word == "unknown" and "did not hold here" in climb.carried()[0].reason


def test_one_of_two_that_cannot_be_made_by_itself_does_not_wait_for_ever():
    _, climb, rung = climbed({"1": BAD, "2": BAD})
    state = rung.night.lab.state
    made = next(each for each in state.experiments.values() if each.request == Step(("2",)).request(0.0))
    del state.experiments[made.id]  # what it needs did not hold, so that it was declined
    assert {each.experiment: each.word for each in Climb(climbers({"1": BAD, "2": BAD}), state).carried()}[2] == "unknown"
    assert climb.waiting == 0


def test_what_is_taken_back_below_is_taken_back_here_and_what_is_left_is_tried():
    _, climb, rung = climbed({"1": GOOD, "2": GOOD, "3": GOOD})
    state, left = rung.night.lab.state, climbers({"2": GOOD, "3": GOOD})
    assert Climb(left, state, {1}).steps() == [Step(("1", "2", "3"), "back")]
    assert Climb(left, state).steps() == []  # unknown for a while on a rung between: no reason to forget what holds here
    state.answered.add(Step(("1", "2", "3"), "back").request(0.0))
    climb.trials[Step(("1", "2", "3"))].verdict = "discard"
    assert Climb(left, state, {1}).steps() == [Step(("2", "3"))]


def test_halves_stay_the_same_when_one_is_gone():
    _, climb, rung = climbed({"1": GOOD, "2": GOOD, "3": BAD, "4": BAD})
    assert Step(("1", "2")) in climb.trials and Step(("3",)) in climb.trials
    assert Climb(climbers({"1": GOOD, "2": GOOD, "3": BAD}), rung.night.lab.state, {4}).steps() == []


def test_what_was_recorded_of_the_rungs_is_told_from_the_lowest_up():
    state = State()
    state.ladder = {}
    for event in (Climbed(1.0, "large", 8.0, "b", (Carried(1, "vanishes"),)), Climbed(2.0, "mid", 2.0, "b", (Carried(1, "holds"),)),
                  Climbed(3.0, "large", 8.0, "b", (Carried(1, "holds"), Carried(2, "holds")))):
        state.apply(event)
    assert [(each.rung, each.words) for each in climbs(state)] == [("mid", {"holds": (1,)}), ("large", {"holds": (1, 2)})]
