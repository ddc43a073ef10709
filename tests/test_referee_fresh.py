"""The e-value of fresh pairs, which knows nothing of their spread: against quadrature, and under nulls of any spread."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import integrate, stats

from overnight.referee.decision import Claim, Evidence, Policy
from overnight.referee.inference import HUGE, e_value, fresh_e_value
from overnight.referee.kinds import KINDS

PRIORS = [(0.0, 1.0), (1.0, 0.3), (2.5, 0.8), (0.0, 4.0), (8.0, 7.0)]
LOOKS = 16
pairs = st.lists(st.floats(-100, 100).filter(lambda v: v == 0 or abs(v) > 1e-6), min_size=1, max_size=16).map(tuple)
priors = st.tuples(st.floats(0.0, 30.0), st.floats(0.1, 50.0))


def by_noncentral_t(values, middle, variance):
    """Density of the t statistic under delta ~ N(middle, variance) above 0 over that under delta = 0, by quadrature; of one
    value the chance of its sign."""
    count, sd = len(values), math.sqrt(variance)
    t = math.sqrt(count) * np.mean(values) / np.std(values, ddof=1) if count > 1 else math.copysign(1.0, values[0])

    def ratio(delta):
        if count == 1:
            return 2 * stats.norm.cdf(t * delta)
        return stats.nct.pdf(t, count - 1, delta * math.sqrt(count)) / stats.t.pdf(t, count - 1)

    low, high = max(0.0, middle - 9 * sd), middle + 9 * sd
    top = integrate.quad(lambda d: stats.norm.pdf(d, middle, sd) * ratio(d), low, high, limit=300)[0]
    return top / stats.norm.sf(0.0, middle, sd)


SAMPLES = [(0.7,), (-0.7,), (1.0, 1.4), (0.3, -0.9), (2.0, 1.1, 1.6), (0.2, -0.5, 0.1, 0.4), (1.2, 0.1, 0.9, 1.7, -0.3),
           (3.0, 2.2, 1.0, 2.7, 1.9, 0.4), (0.5, -0.4, 0.9, 1.3, 0.2, 0.7, 0.1), (1.0, 2.0, 0.5, 1.5, 1.1, 0.9, 1.8, -0.2)]


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("values", SAMPLES, ids=len)
def test_it_is_the_ratio_of_noncentral_t_densities(values, prior):
    assert fresh_e_value(values, *prior) == pytest.approx(by_noncentral_t(values, *prior), rel=5e-3)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12).map(tuple))
def test_of_an_effect_about_zero_it_is_the_e_value_without_a_known_spread(values):
    assume(np.std(values) > 1e-3)
    assert fresh_e_value(values, 0.0, 1.0) == pytest.approx(e_value(values, 0.0, 0.0), rel=1e-3)


@given(pairs, priors, st.floats(1e-100, 1e100))
def test_it_knows_no_unit(values, prior, scale):
    assert fresh_e_value(tuple(v * scale for v in values), *prior) == pytest.approx(fresh_e_value(values, *prior), rel=1e-6)


@given(pairs, priors)
def test_it_does_not_depend_on_the_order(values, prior):
    assert fresh_e_value(values[::-1], *prior) == pytest.approx(fresh_e_value(values, *prior), rel=1e-6)


@given(st.integers(1, 16), priors)
def test_no_difference_at_all_says_nothing(count, prior):
    assert fresh_e_value((0.0,) * count, *prior) == 1.0


EXTREMES = st.sampled_from([0.0, 1e300, -1e300, 1e-300, -1e-300, 5e-324, -5e-324, 1.0, -1.0, 1e150])


@given(st.lists(EXTREMES, min_size=1, max_size=16).map(tuple), priors)
def test_no_number_is_too_large_or_too_small(values, prior):
    assert 0.0 <= fresh_e_value(values, *prior) <= HUGE


# ---- nulls -----------------------------------------------------------------------------------------------------


def with_t(t, count):
    """Some values of this t statistic."""
    shape = [1.0, -1.0] + [0.0] * (count - 2)
    return tuple(t * np.std(shape, ddof=1) / math.sqrt(count) + each for each in shape)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("count", [2, 3, 5, 9])
def test_its_mean_is_one_where_nothing_is_better(count, prior):
    """Exactly, over the distribution of t, whatever the spread: it is a function of t alone."""
    wager = integrate.quad(lambda angle: fresh_e_value(with_t(math.tan(angle), count), *prior) * stats.t.pdf(
        math.tan(angle), count - 1) / math.cos(angle) ** 2, -math.pi / 2, math.pi / 2, limit=400)[0]
    assert wager == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("worse", [0.1, 0.5, 2.0])
def test_its_mean_is_below_one_where_something_is_worse(worse, prior):
    lots = np.random.default_rng(3)
    found = [fresh_e_value(tuple(values), *prior) for values in lots.normal(-worse, 1.0, size=(1500, 3)).tolist()]
    assert np.mean(found) < 1.0


def passed(nights, alpha, claim):
    """The share of nights in which it suffices at this level at any pair."""
    proofs = (KINDS["noisy"].proof(Evidence((), tuple(night), 1.0, claim=claim), Policy()) for night in nights.tolist())
    return np.mean([proof * alpha >= 1 for proof in proofs])


NULLS = {
    "normal": lambda lots, size: lots.normal(size=size),
    "a tenth of the usual spread": lambda lots, size: 0.1 * lots.normal(size=size),
    "ten times the usual spread": lambda lots, size: 10.0 * lots.normal(size=size),
    "Student's t with three degrees of freedom": lambda lots, size: lots.standard_t(3, size=size),
    "one pair in five ten times as wide": lambda lots, size: lots.normal(size=size) * np.where(lots.random(size) < 0.2, 10.0, 1.0),
    "in steps": lambda lots, size: np.round(lots.normal(size=size) / 2.5) * 2.5,
    "worse": lambda lots, size: lots.normal(-0.3, 1.0, size=size),
}


@pytest.mark.parametrize("null", NULLS)
def test_peeking_at_every_pair_passes_as_rarely_as_its_level_says(null):
    nights = NULLS[null](np.random.default_rng(4), (600, LOOKS))
    for alpha, claim in ((0.2, (1.5, 0.5)), (0.05, (1.5, 0.5)), (0.05, (4.0, 2.0))):
        assert passed(nights, alpha, Claim(alpha, *claim)) <= alpha


@pytest.mark.parametrize("spread", [0.1, 1.0, 10.0])
def test_a_true_effect_is_proven_whatever_its_spread(spread):
    nights = np.random.default_rng(5).normal(2.0 * spread, spread, size=(200, LOOKS))
    assert passed(nights, 0.0125, Claim(0.0125, 1.8, 0.5)) > 0.95
