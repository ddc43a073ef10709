"""Whether the machine still measures what it measured."""

import statistics

import pytest

from overnight.referee.drift import RUNS_BETWEEN_LOOKS, Drift


def looked(*pairs, exact=True):
    """(the last sentence, the Drift) after looks of (before, now)."""
    drift, said = Drift(), ""
    for number, (before, now) in enumerate(pairs, 1):
        said = drift.saw(before, now, exact, number * RUNS_BETWEEN_LOOKS)
    return said, drift


def test_a_look_is_due_after_so_many_runs():
    drift = Drift()
    assert not drift.due(RUNS_BETWEEN_LOOKS - 1) and drift.due(RUNS_BETWEEN_LOOKS)
    drift.saw(1.0, 1.0, True, RUNS_BETWEEN_LOOKS + 3)
    assert not drift.due(2 * RUNS_BETWEEN_LOOKS + 2) and drift.due(2 * RUNS_BETWEEN_LOOKS + 3)


def test_a_look_that_failed_is_repeated_at_once():
    assert looked((1.0, 2.0))[1].due(RUNS_BETWEEN_LOOKS)
    assert not looked((1.0, 2.0), (1.0, 1.0))[1].due(2 * RUNS_BETWEEN_LOOKS)


def test_a_number_that_repeats_itself_is_no_problem():
    assert looked(*[(1.0, 1.0)] * 5)[0] == ""


def test_an_exact_number_must_fail_twice_in_a_row():
    assert looked((1.0, 2.0))[0] == ""
    assert looked((1.0, 2.0), (1.0, 1.0), (1.0, 2.0))[0] == ""
    assert "gave 2 where it gave 1), so nothing can be kept" in looked((1.0, 2.0), (1.0, 2.0))[0]


@pytest.mark.parametrize(("now", "fails"), [(1.0 + 1e-12, False), (1.0 + 1e-6, True)])
def test_rounding_is_no_change_of_the_machine(now, fails):
    assert bool(looked((1.0, now), (1.0, now))[0]) == fails


def test_a_frontier_at_zero_must_stay_there():
    assert looked((0.0, 0.0), (0.0, 0.0))[0] == "" and looked((0.0, 1e-12), (0.0, 1e-12))[0]


@pytest.mark.parametrize("exact", [True, False])
def test_a_run_that_fails_counts_whatever_the_metric(exact):
    assert looked((1.0, None), exact=exact)[0] == ""
    assert "a seed failed" in looked((1.0, None), (1.0, None), exact=exact)[0]


def test_a_failure_and_another_number_are_two_in_a_row():
    assert looked((1.0, None), (1.0, 2.0))[0]


def test_what_scatters_anyway_is_never_a_problem():
    assert looked(*[(1.0, 50.0)] * 9, exact=False)[0] == ""


def test_the_shift_is_a_mean_with_its_standard_error():
    changes = [0.5, 0.7, 0.3, 0.9]
    _, drift = looked(*((1.0, 1.0 + c) for c in changes), exact=False)
    assert drift.shift == pytest.approx((statistics.fmean(changes), statistics.stdev(changes) / 2))


def test_two_looks_show_no_shift_and_a_failed_one_is_none():
    assert looked((1.0, 2.0), (1.0, 2.0), (1.0, None), exact=False)[1].shift is None
    assert looked(*[(1.0, 2.0)] * 3, exact=False)[1].shift == (1.0, 0.0)
