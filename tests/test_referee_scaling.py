"""How effects go with size: a line, its scatter, and what is foretold."""

import math

import pytest

from overnight.referee.scaling import Sized, foretell


def change(*effects, error=0.01):
    return [Sized(2.0**place, effect, (effect - error, effect + error)) for place, effect in enumerate(effects)]


def test_nothing_is_foretold_from_two_rungs():
    assert foretell([change(1.0, 1.0), change(1, 1, 1)], 0, 4) is None


def test_what_is_the_same_at_every_size_is_foretold_to_stay():
    found = foretell([change(1.0, 1.0, 1.0)] * 8, 0, 8)
    assert found.effect == pytest.approx(1.0, abs=0.01) and found.slope == pytest.approx(0.0, abs=0.01)
    assert 0 < found.interval[0] < 1 < found.interval[1]


def test_what_falls_is_foretold_to_fall_and_the_way_is_that_of_the_line():
    found = foretell([change(1.0, 0.75, 0.5), change(1.0, 1.0, 1.0)], 0, 8)
    assert 0.2 < found.effect < 0.5 and -0.3 < found.slope < -0.1


def test_changes_that_scatter_from_rung_to_rung_make_all_intervals_wider():
    def width(others):
        found = foretell([change(1.0, 1.0, 1.0), *others], 0, 8)
        return found.interval[1] - found.interval[0]

    assert width([change(1, -1, 1), change(-1, 1, -1)]) > 1.5 * width([change(1, 1, 1), change(-1, -1, -1)])


def test_what_was_measured_badly_says_less():
    sure, unsure = (foretell([change(1.0, 1.0, 1.0, error=error), change(1, 1, 1)], 0, 8) for error in (0.01, 3.0))
    assert unsure.interval[1] - unsure.interval[0] > 2 * (sure.interval[1] - sure.interval[0])


def test_effects_of_nothing_have_a_number_too():
    found = foretell([change(0.0, 0.0, 0.0, error=0.0)], 0, 8)
    assert (found.effect, found.slope) == (0.0, 0.0)


@pytest.mark.parametrize("wild", [(1.0, (-math.inf, math.inf)), (1e200, (0.0, 2e200)), (math.nan, (0.0, 1.0))])
def test_what_has_no_finite_interval_says_nothing(wild):
    odd = [Sized(size, *wild) for size in (1, 2, 4)]
    assert foretell([odd, change(1, 1, 1)], 0, 8) is None
    assert foretell([odd, change(1, 1, 1)], 1, 8) == foretell([change(1, 1, 1)], 0, 8)
