"""What the next run of an experiment is worth."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overnight.referee import priority
from overnight.referee.decision import Claim, Evidence, Policy

POLICY = Policy()
pairs = st.lists(st.floats(-3, 3), min_size=1, max_size=10)


def evidence_of(race, fresh, variance, alpha):
    """With its claim as soon as there are fresh pairs."""
    return Evidence(tuple(race), tuple(fresh), variance, alpha, Claim(alpha) if fresh else None)


def of(race=(), fresh=(), variance=1.0, alpha=0.1):
    return priority.of(evidence_of(race, fresh, variance, alpha), POLICY)


def remaining(race=(), fresh=(), alpha=0.1, policy=POLICY):
    return priority.remaining(evidence_of(race, fresh, 1.0, alpha), policy)


def test_what_was_never_run_is_worth_the_same_everywhere():
    assert of() == of(variance=9.0) == of(alpha=0.01) == priority.FRESH


@given(pairs, st.floats(0.01, 3))
def test_worth_grows_with_better_evidence(race, more):
    assert of([d + more for d in race]) > of(race) * (1 - 1e-9)


@given(pairs, pairs, st.floats(0.01, 3))
def test_worth_grows_with_better_pairs_while_it_is_confirmed(race, fresh, more):
    assert of([d + more for d in race], [d + more for d in fresh]) > of(race, fresh) * (1 - 1e-9)


@given(pairs, pairs)
def test_worth_is_a_chance_for_each_run(race, fresh):
    assert 0.0 <= of(race, fresh) <= 1.0


def test_a_candidate_that_holds_while_it_is_confirmed_is_worth_more_than_a_new_one():
    assert of([2.0] * 4, [1.8, 2.2]) > 10 * priority.FRESH


def test_a_promising_first_pair_is_worth_more_than_a_new_one_and_a_poor_one_less():
    assert of([2.0]) > priority.FRESH > of([0.0])


def test_confirming_comes_before_racing_on_the_same_evidence():
    assert of([1.5] * 2, [1.5] * 2) > of([1.5] * 4)


def test_the_nearer_to_a_keep_the_more_a_run_is_worth():
    found = [of([1.5] * n) for n in range(1, 5)]
    assert found == sorted(found)


def test_one_wild_run_is_not_worth_everything():
    assert of([0.0, -0.1, 0.1, 0.0, 1e9]) < priority.FRESH


def test_one_wild_run_does_not_make_the_others_worthless():
    assert of([2.0] * 3, [2.1, -1e9]) > priority.FRESH


@given(pairs, st.floats(0.01, 3))
def test_fewer_runs_remain_with_better_evidence(race, more):
    assert remaining([d + more for d in race]) <= remaining(race) * (1 + 1e-9)


def test_more_runs_remain_where_a_race_has_more_to_show():
    assert remaining([0.5], policy=Policy(screen=100.0)) > remaining([0.5])


def test_a_race_takes_as_long_whatever_the_level_of_the_claim_will_be():
    assert remaining([0.5], alpha=0.001) == remaining([0.5], alpha=0.1)


def test_a_claim_leaves_nothing_of_the_race_to_be_run():
    claimed = Evidence((0.1,), (), 1.0, claim=Claim(0.1))
    assert priority.remaining(claimed, POLICY) == 2 * POLICY.fresh_pairs < remaining([0.1])


@pytest.mark.parametrize(("fresh", "runs"), [(1, 2), (2, 2), (3, 2), (8, 2)])
def test_both_sides_of_the_fresh_pairs_remain_to_be_run(fresh, runs):
    assert remaining([2.0] * 4, [2.0] * fresh) == runs


def test_a_race_that_is_won_leaves_one_run_and_the_confirmation():
    assert remaining([5.0] * 10) == 1 + 2 * POLICY.fresh_pairs


@pytest.mark.parametrize("value", [1e300, -1e300, 0.0, 5e-324])
@pytest.mark.parametrize("variance", [0.0, 1.0, 1e300])
def test_no_number_is_too_large_or_too_small(value, variance):
    assert math.isfinite(of([value] * 3, variance=variance)) and math.isfinite(of([value], [value], variance))
