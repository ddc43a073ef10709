"""What is said of a change that was not kept."""

import pytest

from overnight.referee.findings import PROMISING, find


@pytest.mark.parametrize(("values", "word"), [
    ([-1.0], "worse"), ([-0.2], "no different"), ([1.0], "promising"), ([0.5], "no different"),
    ([0.02] * 14, "no different"), ([1.3, 0.2, 0.9, -0.2, 1.1, 0.8, 0.5], "promising"), ([-0.5, -0.4, -0.6, -0.5], "worse")])
def test_each_has_its_word(values, word):
    assert find(values, 1.0, 0.0, 0.02).word == word


@pytest.mark.parametrize("size", [1e-140, 1.0, 1e140])
@pytest.mark.parametrize(("value", "word"), [(-1.0, "worse"), (0.0, "no different"), (1.0, "promising")])
def test_of_a_metric_without_noise_the_sign_decides(size, value, word):
    assert find([value * size], (1e-9 * size) ** 2, 0.0, 0.02).word == word


def test_what_is_better_by_less_than_is_worthwhile_is_no_different():
    found = find([0.05] * 10, 0.01, 0.5, 0.02)
    assert (found.word, found.within) == ("no different", 0.5)


def test_more_pairs_of_the_same_size_make_a_promise_surer():
    chances = [find([0.8] * count, 1.0, 0.0, 0.02).chance for count in (1, 2, 4, 8, 16)]
    assert chances == sorted(chances) and chances[0] > PROMISING / 2 and chances[-1] > 0.9


def test_the_effect_is_shrunk_and_a_greater_one_is_proven_sooner():
    small, large = (find([size] * 4, 1.0, 0.0, 0.02) for size in (0.8, 2.0))
    assert 0 < small.effect < 0.8 and 0 < large.effect < 2.0
    assert small.pairs > large.pairs > 1


@pytest.mark.parametrize(("value", "word"), [(-0.2, "worse"), (-0.005, "no different"), (0.005, "no different")])
def test_without_noise_too_what_is_worthwhile_counts(value, word):
    assert find([value], 1e-18, 0.01, 0.02).word == word
