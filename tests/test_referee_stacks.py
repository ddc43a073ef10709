"""Stacks: what their runs say of their members, and how many edits go into one."""

import math
import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.referee import stacks
from overnight.referee.stacks import FIRST_SINGLE_EDITS, MOST_EDITS, PART, Sizes, Stack, Verdict, read, size, use


def stack(count, gains=(), sigma=1.0):
    """Members 1 to `count`; `gains` are those of the first so many edits, by position."""
    members = tuple(range(1, count + 1))
    return Stack(members, tuple(f"c{n}" for n in members), "base", 7, {"y": 0.0}, sigma, {0: 0.0, **dict(gains)})


# ---- what a stack says -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_whole_stack_is_run_first(count):
    assert read(stack(count)) == Verdict(count, {}, {}, ())


def test_a_stack_that_loses_is_dropped_whole():
    assert read(stack(3, {3: -0.01})) == Verdict(None, {}, {1: (3, -0.01), 2: (3, -0.01), 3: (3, -0.01)}, ())


@pytest.mark.parametrize("gain", [0.0, 0.01, 5.0])
def test_a_stack_that_does_not_lose_is_halved(gain):
    assert read(stack(4, {4: gain})) == Verdict(2, {}, {}, ())


def test_a_stack_of_two_tells_both_after_one_more_run():
    assert read(stack(2, {2: 1.0})).wanted == 1
    assert read(stack(2, {2: 1.0, 1: 0.75})) == Verdict(None, {1: 0.75, 2: 0.25}, {}, ())


def test_a_single_edit_goes_on_alone_even_when_it_loses():
    assert read(stack(2, {2: 1.0, 1: -2.0})) == Verdict(None, {1: -2.0, 2: 3.0}, {}, ())


def test_a_stack_of_one_is_told_by_its_run():
    assert read(stack(1, {1: -0.5})) == Verdict(None, {1: -0.5}, {}, ())


@pytest.mark.parametrize(("upper", "wanted", "dropped"), [(PART - 0.01, None, {2, 3}), (PART + 0.01, 2, set())])
def test_a_part_must_win_by_more_than_the_whole(upper, wanted, dropped):
    found = read(stack(3, {3: 1.0 + upper, 1: 1.0}))
    assert (found.wanted, set(found.dropped), found.alone) == (wanted, dropped, {1: 1.0})


def test_what_a_part_must_win_by_is_counted_in_standard_deviations():
    assert read(stack(3, {3: 3.0, 1: 1.0}, sigma=10.1)).dropped.keys() == {2, 3}
    assert read(stack(3, {3: 3.0, 1: 1.0}, sigma=9.9)).wanted == 2


def test_parts_that_lose_are_dropped_with_their_own_gain():
    found = read(stack(4, {4: 1.5, 2: -0.5}))
    assert (found.wanted, found.dropped) == (3, {1: (2, -0.5), 2: (2, -0.5)})


def test_both_halves_of_a_stack_are_looked_into():
    assert read(stack(4, {4: 4.0, 2: 2.0})).wanted in (1, 3)
    assert read(stack(4, {4: 4.0, 2: 2.0, 1: 2.5, 3: 3.0})) == Verdict(None, {1: 2.5, 2: -0.5, 3: 1.0, 4: 1.0}, {}, ())


def test_a_stack_that_crashes_is_taken_apart():
    assert read(stack(3, {3: None})) == Verdict(None, {}, {}, (1, 2, 3))


def test_a_half_that_crashes_takes_its_neighbour_apart_with_it():
    found = read(stack(4, {4: 4.0, 2: None}))
    assert (found.wanted, found.alone, found.dropped, set(found.apart)) == (None, {}, {}, {1, 2, 3, 4})


def test_a_crash_below_spares_what_was_told_already():
    found = read(stack(4, {4: 4.0, 2: 2.0, 1: None, 3: 2.5}))
    assert (found.alone, set(found.apart)) == ({3: 0.5, 4: 1.5}, {1, 2})


def test_a_stack_that_fell_behind_is_dropped_whole():
    assert read(stack(2, {2: -float("inf")})).dropped.keys() == {1, 2}


def test_what_lies_above_a_part_that_fell_behind_is_tried_apart():
    told = read(stack(2, {0: 0.0, 1: -math.inf, 2: 0.5}))
    assert (set(told.dropped), told.apart, told.alone) == ({1}, (2,), {})


def test_a_commit_of_a_stack_knows_its_place():
    assert [stack(3).position(name) for name in ("c1", "c2", "c3")] == [1, 2, 3] and stack(3).name == "c3"


# ---- stacks to their end ---------------------------------------------------------------------------------------


def told(effects, crashes=frozenset()):
    """(the last verdict, the runs in their order) of edits whose gains add up exactly; some positions crash."""
    pile, runs = stack(len(effects)), []
    sums = [0.0, *accumulate(effects)]
    while (place := read(pile).wanted) is not None:
        runs.append(place)
        assert len(runs) <= len(effects), "more runs than edits"
        pile.gains[place] = None if place in crashes else sums[place]
    return read(pile), runs


effects = st.lists(st.floats(-4, 4).map(lambda x: round(x, 2)), min_size=1, max_size=MOST_EDITS + 3)


@given(effects, st.sets(st.integers(1, MOST_EDITS + 3)))
def test_every_edit_ends_in_one_place_and_no_run_is_asked_for_twice(gains, crashes):
    found, runs = told(gains, crashes)
    assert len(runs) == len(set(runs))
    assert sorted([*found.alone, *found.dropped, *found.apart]) == list(range(1, len(gains) + 1))
    assert crashes & set(runs) or not found.apart


@given(effects)
def test_what_is_told_alone_is_told_its_own_gain(gains):
    assert all(gain == pytest.approx(gains[member - 1]) for member, gain in told(gains)[0].alone.items())


@given(effects)
def test_what_is_dropped_is_part_of_what_did_not_win(gains):
    """Members that are told the same are neighbours, and what they are told is what they gain together."""
    found, _ = told(gains)
    for count, gain in set(found.dropped.values()):
        part = [member for member, said in found.dropped.items() if said == (count, gain)]
        assert count > 1 and gain < (PART if count < len(gains) else 0.0)
        assert len(part) % count == 0
        assert len(part) > count or sum(gains[m - 1] for m in part) == pytest.approx(gain, abs=1e-9)


@given(effects)
def test_a_stack_that_wins_is_not_dropped_whole_and_one_that_loses_is(gains):
    found, runs = told(gains)
    assert len(gains) == 1 or (len(found.dropped) == len(gains) and len(runs) == 1) == ([*accumulate(gains)][-1] < 0)


@given(st.lists(st.sampled_from([0.0, 0.3, 0.8, 2.0]), min_size=1, max_size=MOST_EDITS + 3))
def test_where_nothing_harms_every_improvement_is_told_alone(gains):
    found, _ = told(gains)
    assert {member for member, gain in enumerate(gains, 1) if gain} <= found.alone.keys()


@given(effects, st.integers(0, MOST_EDITS + 2))
def test_an_improvement_that_outweighs_all_harm_is_told_alone(gains, place):
    place %= len(gains)
    gains[place] = sum(abs(g) for g in gains) + 1.0
    assert told(gains)[0].alone.get(place + 1) == pytest.approx(gains[place])


@given(st.integers(2, MOST_EDITS + 3))
def test_one_improvement_among_nulls_takes_few_runs(count):
    for place in range(count):
        _, runs = told([2.0 if place == other else 0.0 for other in range(count)])
        assert len(runs) <= 1 + (count - 1).bit_length()


# ---- how many edits --------------------------------------------------------------------------------------------


def outcomes(edit, lots, looks=200, noise=0.5):
    """By how much stacks of each size beat the frontier, where gains add up."""
    return {count: [sum(edit(lots) for _ in range(count)) + lots.gauss(0, noise * count**0.5) for _ in range(looks)]
            for count in range(1, MOST_EDITS + 1)}


def mostly_null(lots):
    return lots.uniform(0.5, 2.0) if lots.random() < 0.03 else 0.0


def mostly_harm(lots):
    return lots.uniform(0.5, 2.0) if lots.random() < 0.03 else -lots.expovariate(0.25)


@pytest.mark.parametrize("seed", range(5))
def test_stacks_grow_where_nearly_everything_is_null(seed):
    assert size(outcomes(mostly_null, random.Random(seed))) >= 3


@pytest.mark.parametrize("seed", range(5))
def test_stacks_stay_small_where_harm_is_heavy(seed):
    assert size(outcomes(mostly_harm, random.Random(seed))) <= 2


def test_stacks_stay_small_where_edits_clash():
    seen = outcomes(mostly_null, random.Random(1))
    assert size({count: [d - 3.0 * (count - 1) for d in found] for count, found in seen.items()}) == 1


@given(st.integers(0, 100), st.integers(1, MOST_EDITS))
def test_the_size_is_within_its_bounds_and_no_matter_of_chance(seed, most):
    seen = outcomes(random.Random(seed).choice([mostly_null, mostly_harm]), random.Random(seed), looks=30)
    assert 1 <= size(seen, most) <= most
    assert size(seen, most) == size(seen, most)


def test_nothing_is_stacked_before_enough_single_edits_were_looked_at():
    seen = outcomes(mostly_null, random.Random(0))
    assert size({}) == 1 and size({**seen, 1: seen[1][:FIRST_SINGLE_EDITS - 1]}) == 1


def test_a_size_is_tried_only_next_to_one_that_is_known():
    single = outcomes(mostly_null, random.Random(0))[1]
    assert size({1: single}) == 2


@given(st.lists(st.floats(-5, -0.01), min_size=1, max_size=50), st.floats(0.1, 0.99), st.integers(2, MOST_EDITS))
def test_stacks_that_lose_by_less_are_of_more_use(seen, share, count):
    """As long as none of them wins, for a win costs runs."""
    assert use([share * d for d in seen], count, -0.5) >= use(seen, count, -0.5)


def test_an_improvement_is_thought_to_stand_in_the_place_of_a_typical_edit():
    """Where a typical edit costs one, a stack that lost by one would have won with an improvement in its place."""
    assert use([-1.0] * 10, 2, -1.0) == pytest.approx(2 / (1 + stacks.COST * 2))
    assert use([-1.0] * 10, 2, 0.0) == pytest.approx(2 * 0.8 / (1 + stacks.COST * 2 * 0.8))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=50), st.floats(-3, 1), st.integers(1, MOST_EDITS))
def test_use_does_not_depend_on_the_order_and_is_never_negative(seen, typical, count):
    assert use(seen[::-1], count, typical) == use(seen, count, typical) >= 0.0


def test_stacks_that_all_lose_by_more_than_is_hoped_for_are_of_no_use():
    assert use([-9.0] * 30, 4, 0.0) == 0.0


def test_sizes_learn_from_what_they_are_told():
    found, lots = Sizes(), random.Random(2)
    for _ in range(20 * MOST_EDITS):
        for _ in range(10):
            count = found.size
            found.saw(count, 3.0 * (sum(mostly_null(lots) for _ in range(count)) + lots.gauss(0, 0.5)), 3.0)
    assert found.size >= 3


def test_an_outcome_is_remembered_in_standard_deviations_and_within_bounds():
    found = Sizes()
    found.saw(1, 6.0, 2.0)
    found.saw(1, -float("inf"), 2.0)
    assert found.outcomes == {1: [3.0, -100.0]}


def test_where_nothing_scatters_nothing_is_learned_of_sizes():
    found = Sizes()
    found.saw(1, 1.0, 0.0)
    assert (found.outcomes, found.size) == ({}, 1)


def test_only_the_newest_outcomes_are_remembered():
    found = Sizes()
    for number in range(stacks.MOST_OUTCOMES + 5):
        found.saw(1, float(number % 90), 1.0)
    assert len(found.outcomes[1]) == stacks.MOST_OUTCOMES and found.outcomes[1][0] == 5.0
