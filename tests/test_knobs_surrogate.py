"""The surrogate learns from differences."""

import numpy as np

from overnight.researchers.knobs.choose import improvement
from overnight.researchers.knobs.surrogate import Moves, Surrogate

ORDERED = np.array([True, True, False])


def moves(*rows: tuple[list[float], list[float]]) -> Moves:
    ends = np.array(rows, float).reshape(len(rows), 2, 3)
    return Moves(ends[:, 0], ends[:, 1])


def model(rows: Moves, effects: list[float], noise: float = 0.01) -> Surrogate:
    fitted = Surrogate(np.ones(3), ORDERED)
    fitted.fit(rows, np.array(effects), np.full(len(effects), noise))
    return fitted


UP = ([0, 0, 0], [1, 0, 0])
DOWN = ([0, 0, 0], [-1, 0, 0])


def test_nothing_known_is_caution_that_grows_with_the_move():
    mean, deviation = model(moves(), []).expect(moves(UP, ([0, 0, 0], [2, 0, 0])))
    assert 0 > mean[0] > mean[1]
    assert deviation[1] > deviation[0] > 0


def test_what_was_measured_is_expected_again():
    mean, deviation = model(moves(UP), [2.0]).expect(moves(UP))
    assert abs(mean[0] - 2.0) < 0.2
    assert deviation[0] < 0.2


def test_a_loss_one_way_is_hope_the_other_way_and_a_gain_is_hope_for_more():
    after_loss, _ = model(moves(UP), [-3.0]).expect(moves(DOWN))
    assert after_loss[0] > 0
    further, _ = model(moves(UP), [3.0]).expect(moves(([1, 0, 0], [2, 0, 0])))
    assert further[0] > 0


def test_a_difference_tells_the_same_wherever_it_is_taken_from():
    there_and_back = moves(([0, 0, 0], [1, 0, 0]), ([1, 0, 0], [1, 1, 0]))
    mean, _ = model(there_and_back, [1.0, 2.0]).expect(moves(([0, 0, 0], [1, 1, 0])))
    assert 2.0 < mean[0] < 3.5


def test_more_pairs_count_for_more():
    rough, _ = model(moves(UP), [2.0], noise=4.0).expect(moves(UP))
    sure, _ = model(moves(UP), [2.0], noise=0.1).expect(moves(UP))
    assert rough[0] < sure[0]


def test_a_knob_that_does_nothing_is_expected_to_go_on_doing_nothing():
    rows = [([0, 0, 0], [step, 0, 0]) for step in (1, -1, 2, -2)] + [
        ([0, 0, 0], [0, step, 0]) for step in (1, -1, 2, -2)
    ]
    fitted = model(moves(*rows), [0, 0, 0, 0, 2, -3, 3, -5], noise=1e-4)
    _, deviation = fitted.expect(moves(([0, 0, 0], [4, 0, 0]), ([0, 0, 0], [0, 4, 0])))
    assert deviation[0] < deviation[1] / 2


def test_what_is_open_adds_certainty_but_no_effect():
    fitted = model(moves(UP), [1.0])
    before, unsure = fitted.expect(moves(DOWN))
    fitted.extend(moves(DOWN), before, np.array([0.1]))
    after, surer = fitted.expect(moves(DOWN))
    assert np.isclose(before, after).all()
    assert surer[0] < unsure[0]


def test_expected_improvement_of_a_sure_thing_is_the_thing():
    assert np.allclose(improvement(np.array([2.0, -2.0, 0.0]), np.array([1e-9, 1e-9, 1.0])), [2, 0, 0.3989], atol=1e-3)


def test_effects_that_differ_by_orders_and_have_no_noise_do_not_break_the_arithmetic():
    ends = [2.0, 2.8, 4.0, 4.1, 4.1001, 8.0, 11.0, 11.0001, 22.0, 22.00001]
    rows = moves(*[([1, 0, 0], [end, 0, 0]) for end in ends for _ in range(3)])
    effects = [-1e6 * (end - 3) ** 2 for end in ends for _ in range(3)]
    fitted = model(rows, effects, noise=1e-12)
    fitted.extend(moves(UP, UP), np.array([1e-3, 1e-3]), np.full(2, 1e-12))
    mean, deviation = fitted.expect(moves(UP))
    assert np.isfinite(mean).all() and np.isfinite(deviation).all()
