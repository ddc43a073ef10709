"""How much runs spread."""

import random
import statistics

import pytest

from overnight import noise


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


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.8, 0.95])
def test_the_spread_on_fresh_seeds_follows_from_that_in_races(correlation):
    dice = random.Random(1)
    fresh, raced = [], []
    for _ in range(40_000):
        theirs = dice.gauss(0, 1)
        rest = (1 - correlation**2) ** 0.5 * dice.gauss(0, 1)
        fresh.append(correlation * theirs + rest - theirs)
        raced.append(rest)  # the incumbent at its mean
    assert noise.of_fresh(1.0, statistics.variance(raced)) == pytest.approx(statistics.variance(fresh), rel=0.1)
