"""Guards: arithmetic on pairs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from overnight.referee import guards
from overnight.track.spec import Guard

CPU = Guard("cpu_seconds", at_most="1.25x")
positive = st.floats(1e-3, 1e6)


def pair(mine, theirs, name="cpu_seconds"):
    return ({name: mine}, {name: theirs})


def share(guard, *pairs, standing=None):
    return guards.usage([guard], pairs, [standing] if standing is not None else guards.begin([guard]))[0].share


def test_the_baseline_stands_at_its_own_share_of_a_relative_bound():
    assert guards.begin([CPU, Guard("accuracy", at_least="0.98x"), Guard("cpu_seconds", at_most="40s")]) == [0.8, 0.98, 0.0]


def test_what_costs_a_quarter_more_is_at_the_bound():
    assert share(CPU, pair(5.0, 4.0)) == pytest.approx(1.0)


@given(positive, positive, positive)
def test_a_machine_that_slows_down_changes_nothing(mine, theirs, slower):
    assert share(CPU, pair(mine * slower, theirs * slower)) == pytest.approx(share(CPU, pair(mine, theirs)))


def test_small_steps_add_up_from_keep_to_keep():
    first = share(CPU, pair(1.2, 1.0))
    assert first < 1 < share(CPU, pair(1.2, 1.0), standing=first)


def test_at_least_turns_the_ratio_round():
    assert share(Guard("accuracy", at_least="0.98x"), pair(0.97, 1.0, "accuracy")) > 1
    assert share(Guard("accuracy", at_least="0.98x"), pair(0.99, 1.0, "accuracy")) < 1


def test_an_absolute_bound_looks_at_the_candidate_alone():
    assert share(Guard("cpu_seconds", at_most="40s"), pair(50.0, 1.0)) == pytest.approx(1.25)


def test_chance_may_pass_a_bound_on_one_pair_but_not_on_many():
    usage = guards.usage([CPU], [pair(1.4, 1.0)], [0.8])[0]
    assert usage.share > 1 and not guards.hopeless(usage, 1) and guards.hopeless(usage, 8)


def test_what_nobody_measured_is_broken():
    assert share(CPU, ({}, {"cpu_seconds": 1.0})) > 1


def test_without_pairs_nothing_is_known():
    assert guards.usage([CPU], [], [0.8]) == []


def test_the_sentence_names_number_and_bound():
    usage = guards.usage([CPU], [pair(2.0, 1.0)], [0.8])[0]
    assert usage.sentence == "breaks the guard on cpu_seconds: 2x of the baseline's where 1.25x is the bound"


# ---- the limit up to which a guard may be broken ---------------------------------------------------------------


def met(guard, numbers, name="cpu_seconds", theirs=1.0):
    """The guard as candidates that measured these numbers meet it, each beside an incumbent that measured `theirs`."""
    return guards.usage([guard], [pair(n, theirs, name) for n in numbers], guards.begin([guard]))[0]


RATIOS = [1.0, 1.1, 1.3, 1.05, 1.2]


@pytest.mark.parametrize(("guard", "share"), [(CPU, 0.8 * 1.1), (Guard("cpu_seconds", at_most="2s"), 1.1 / 2),
                                              (Guard("cpu_seconds", at_least="0.9x"), 0.9 / 1.1)])
def test_the_upper_limit_is_student_s_of_the_logarithms(guard, share):
    """Standard error of the mean logarithm, at one in twenty on one side, by scipy."""
    error = stats.t.ppf(0.95, len(RATIOS) - 1) * stats.sem(np.log(RATIOS))
    found = met(guard, RATIOS)
    assert found.share == pytest.approx(0.8 * 1.1 if guard is CPU else share)
    assert found.upper == pytest.approx(found.share * math.exp(error))


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=10))
def test_the_upper_limit_is_never_below_the_share(numbers):
    found = met(CPU, numbers)
    assert found.upper >= found.share


@pytest.mark.parametrize("numbers", [[1.2], [1.0, 1.4], [1.1] * 8, [0.0, 1.0, 2.0, 1.5], [-1.0, 1.0, 2.0]])
def test_too_few_or_equal_or_strange_numbers_leave_no_room(numbers):
    guard = Guard("cpu_seconds", at_most="2s")
    assert met(guard, numbers).upper == pytest.approx(met(guard, numbers).share)


def test_the_upper_limit_falls_with_more_pairs_and_with_less_scatter():
    few, many = met(CPU, [1.0, 1.1, 1.2]), met(CPU, [1.0, 1.1, 1.2] * 5)
    calm = met(CPU, [1.09, 1.1, 1.11])
    assert many.share == pytest.approx(few.share) and few.upper > many.upper > many.share
    assert few.upper > calm.upper


@pytest.mark.parametrize("scatter", [0.05, 0.4])
@pytest.mark.parametrize("count", [3, 5, 8])
def test_the_upper_limit_lies_below_the_truth_about_once_in_twenty(count, scatter):
    """The middle is a median, whose own error is a little larger than that of the mean that the limit is made of."""
    lots = np.random.default_rng(count)
    nights = np.exp(lots.normal(0.0, scatter, size=(2000, count)))
    assert np.mean([met(CPU, night).upper < 0.8 for night in nights.tolist()]) == pytest.approx(0.06, abs=0.035)


def test_numbers_of_any_size_give_a_finite_limit():
    assert math.isfinite(met(CPU, [1e-300, 1e300, 1.0]).upper)


def test_within_the_bound_but_not_shown_to_be_is_said():
    found = met(CPU, [1.0, 1.24, 1.6])
    assert found.share < 1 < found.upper
    assert found.sentence.startswith("is not shown to keep within the guard on cpu_seconds: 1.24x of the baseline's")


def test_what_nothing_could_count_is_marked_in_the_sentence():
    memory, loss = Guard("peak_memory", at_most=1.0), Guard("loss", at_most=1.0)
    pairs = [({"peak_memory": 2.0, "loss": 2.0}, {"peak_memory": 2.0, "loss": 2.0})]
    counted, estimated = (guards.usage([memory, loss], pairs, [0.0, 0.0], exact) for exact in (True, False))
    assert [u.sentence for u in counted] == ["breaks the guard on peak_memory: 2 where 1.0 is the bound",
                                             "breaks the guard on loss: 2 where 1.0 is the bound"]
    assert [u.sentence for u in estimated] == ["breaks the guard on peak_memory (estimated): 2 where 1.0 is the bound",
                                               "breaks the guard on loss: 2 where 1.0 is the bound"]
