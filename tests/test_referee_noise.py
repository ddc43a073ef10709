"""How much runs spread."""

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.referee import noise

variances = st.floats(1e-6, 1e6)
raced = st.lists(st.tuples(st.integers(2, 14), variances), max_size=30)


def test_one_number_tells_nothing_of_spread():
    assert noise.spread([3.0]) == (0, 0.0) and noise.pooled([noise.spread([3.0])]) == 0.0


def test_spread_pools_commits_with_means_of_their_own():
    near, far = [1.0, 2.0, 3.0], [11.0, 12.0, 13.0]
    assert noise.pooled([noise.spread(near), noise.spread(far)]) == pytest.approx(statistics.variance(near))


def test_before_any_race_the_seeds_are_believed():
    assert noise.of_races(4.0, [], 0.0) == 4.0


def test_many_races_outweigh_the_seeds():
    assert noise.of_races(4.0, [(5, 0.25)] * 20, 0.0) == pytest.approx(0.25)


def test_one_candidate_that_diverges_does_not_blind_the_night():
    races = [(5, 0.25)] * 20
    assert noise.of_races(4.0, [*races, (5, 1e12)], 0.0) < 2 * noise.of_races(4.0, races, 0.0)


def test_the_floor_holds_where_nothing_is_noisy():
    assert noise.of_races(0.0, [(3, 0.0)], 1e-6) == 1e-6


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20))
def test_numbers_without_an_outlier_spread_as_usual(numbers):
    freedom, squares = noise.spread([*numbers, -1.0, 1.0, 0.5, -0.5] * 2)
    numbers = [*numbers, -1.0, 1.0, 0.5, -0.5] * 2
    assert freedom == len(numbers) - 1
    assert squares <= statistics.variance(numbers) * freedom * (1 + 1e-9)


def test_one_run_that_diverged_spreads_no_more_than_others_may():
    usual = [1.0, 1.1, 0.9, 1.05, 0.95]
    assert noise.spread([*usual, 1e9]) == pytest.approx(noise.spread([*usual, 3.0]))
    assert noise.pooled([noise.spread([*usual, 1e9])]) < 0.1


def test_numbers_most_of_which_are_the_same_have_a_spread():
    assert noise.spread([3.0, 3.0, 3.0, 4.0, 2.0]) == (4, pytest.approx(2.0))


@given(variances, raced)
def test_the_spread_lies_between_what_the_seeds_and_the_races_say(seeds, races):
    known = [seeds, *(variance for _, variance in races)]
    assert min(known) * (1 - 1e-9) <= noise.of_races(seeds, races, 0.0) <= max(known) * (1 + 1e-9)


@given(variances, raced, st.floats(1e-3, 1e3))
def test_the_spread_knows_no_unit(seeds, races, scale):
    scaled = noise.of_races(seeds * scale, [(pairs, variance * scale) for pairs, variance in races], 0.0)
    assert scaled == pytest.approx(noise.of_races(seeds, races, 0.0) * scale, rel=1e-9)


@given(variances, raced, variances)
def test_the_floor_is_never_passed(seeds, races, floor):
    assert noise.of_races(seeds, races, floor) >= floor


def test_a_long_race_does_not_decide_alone():
    assert noise.of_races(1.0, [(14, 1.8)], 0.0) == noise.of_races(1.0, [(5, 1.8)], 0.0) == pytest.approx(1.4)


def test_what_spreads_more_than_two_runs_that_share_nothing_is_not_taken_for_the_rule():
    assert noise.of_races(1.0, [(5, 100.0)] * 30, 0.0) == pytest.approx(2.0)
    assert noise.of_races(0.0, [(5, 100.0)] * 30, 0.0) == pytest.approx(100.0)  # where nothing is known of single runs


def test_after_enough_races_the_seeds_are_forgotten():
    few, many = [(5, 1.0)] * (2 * noise.PRIOR_FREEDOM - 1), [(5, 1.0)] * 2 * noise.PRIOR_FREEDOM
    assert noise.of_races(4.0, few, 0.0) > 1.0 == noise.of_races(4.0, many, 0.0)


def test_old_races_are_forgotten():
    assert noise.of_races(1.0, [*[(5, 9.0)] * 50, *[(5, 1.0)] * noise.MOST_RACES], 0.0) == pytest.approx(1.0)


def test_races_of_candidates_that_spread_alike_tell_how_much():
    dice = random.Random(2)
    races = []
    for _ in range(60):
        differences = [dice.gauss(0, 2.0) for _ in range(dice.randrange(2, 8))]
        races.append((len(differences), statistics.variance(differences)))
    assert noise.of_races(100.0, races, 0.0) == pytest.approx(4.0, rel=0.25)
