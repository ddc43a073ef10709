"""The referee's statistics against independent computations, and each step that it can take."""

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from overnight.referee import (
    Evidence,
    More,
    Policy,
    Ruling,
    e_value,
    futility,
    incomplete_beta,
    interval,
    mean,
    next_step,
    night_odds,
    pooled_spread,
    squares,
    student_cdf,
    student_quantile,
)

numbers = st.floats(-1e6, 1e6)
samples = st.lists(numbers, min_size=1, max_size=20)
variances = st.floats(1e-6, 1e6)
POLICY = Policy()


# ---- distributions ---------------------------------------------------------------------------------------------


@given(st.floats(-50, 50), st.floats(0.5, 200))
def test_student_cdf_is_scipy_s(t, freedom):
    assert student_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), rel=1e-8, abs=1e-13)


@given(st.floats(0.5, 0.9995), st.floats(1, 100))
def test_student_quantile_is_scipy_s(p, freedom):
    assert student_quantile(p, freedom) == pytest.approx(stats.t.ppf(p, freedom), rel=1e-8, abs=1e-12)


@given(st.floats(0.1, 100), st.floats(0.1, 100), st.floats(0, 1))
def test_incomplete_beta_is_scipy_s(a, b, x):
    assert incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), rel=1e-8, abs=1e-12)


@given(st.floats(1, 100))
def test_student_cdf_is_a_half_in_the_middle(freedom):
    assert student_cdf(0.0, freedom) == pytest.approx(0.5)


# ---- simple statistics -----------------------------------------------------------------------------------------


@given(samples)
def test_mean_is_the_mean(values):
    assert mean(values) == pytest.approx(statistics.fmean(values), abs=1e-9)


@given(st.lists(numbers, min_size=2, max_size=20))
def test_squares_is_the_variance_times_its_freedom(values):
    assert squares(values) == pytest.approx(np.var(values, ddof=1) * (len(values) - 1), rel=1e-9, abs=1e-3)


@given(samples, variances)
def test_the_spread_is_pooled_by_degrees_of_freedom(values, prior):
    freedom, spread = pooled_spread(values, prior, 5.0)
    assert freedom == len(values) + 4
    assert spread**2 == pytest.approx((5 * prior + squares(values)) / freedom, rel=1e-9)


# ---- the e-value -----------------------------------------------------------------------------------------------


def bayes_factor_by_noncentral_t(values, prior, prior_pairs):
    """Density of T under delta ~ half-normal(1) over that under delta = 0, by quadrature."""
    freedom, spread = pooled_spread(values, prior, prior_pairs)
    count = len(values)
    t = math.sqrt(count) * mean(values) / spread

    def integrand(delta):
        return 2 * stats.norm.pdf(delta) * stats.nct.pdf(t, freedom, delta * math.sqrt(count))

    top, _ = integrate.quad(integrand, 0, 9, limit=200)
    return top / stats.t.pdf(t, freedom)


def bayes_factor_by_both_integrals(values, prior, prior_pairs):
    """Marginal likelihoods over delta and the variance (scaled inverse chi-square prior), by quadrature."""
    count, middle, about = len(values), mean(values), squares(values)

    def likelihood(delta):
        def inner(log_sd):
            sd = math.exp(log_sd)
            fit = -(about + count * (middle - delta * sd) ** 2) / (2 * sd * sd) - count * log_sd
            return math.exp(fit - prior_pairs * prior / (2 * sd * sd) - prior_pairs * log_sd)
        return integrate.quad(inner, -4, 4, limit=200)[0]

    top, _ = integrate.quad(lambda d: 2 * stats.norm.pdf(d) * likelihood(d), 0, 8, limit=100)
    return top / likelihood(0.0)


@pytest.mark.parametrize("values", [(0.3,), (1.7,), (-0.8,), (1.0, 2.0), (0.1, -0.4, 0.6), (2.0, 1.5, 2.5, 1.0, 1.9)])
@pytest.mark.parametrize("prior_pairs", [3.0, 5.0])
def test_the_e_value_is_the_bayes_factor_of_noncentral_t_densities(values, prior_pairs):
    factor = bayes_factor_by_noncentral_t(values, 0.7, prior_pairs)
    assert e_value(values, 0.7, prior_pairs) == pytest.approx(factor, rel=1e-4)


@pytest.mark.parametrize("values", [(0.9,), (-0.5, 0.4), (1.2, 0.7, 1.9)])
def test_the_e_value_is_the_bayes_factor_over_mean_and_variance(values):
    assert e_value(values, 1.0, 5.0) == pytest.approx(bayes_factor_by_both_integrals(values, 1.0, 5.0), rel=1e-5)


@given(samples, variances, st.floats(1e-3, 1e3))
def test_the_e_value_knows_no_unit(values, prior, scale):
    scaled = [v * scale for v in values]
    assert e_value(scaled, prior * scale**2, 5.0) == pytest.approx(e_value(values, prior, 5.0), rel=1e-6)


@given(samples, variances, st.floats(0, 100))
def test_the_e_value_grows_when_all_differences_grow(values, prior, more):
    assert e_value([v + more for v in values], prior, 5.0) >= e_value(values, prior, 5.0) * (1 - 1e-6)


@given(samples, variances)
def test_the_e_value_does_not_depend_on_the_order(values, prior):
    assert e_value(values[::-1], prior, 5.0) == pytest.approx(e_value(values, prior, 5.0), rel=1e-9)


@given(st.integers(1, 20), variances)
def test_no_difference_at_all_speaks_against_an_improvement(count, prior):
    assert e_value([0.0] * count, prior, 5.0) == pytest.approx((1 + count) ** -0.5)


def test_the_e_value_of_one_pair_is_one_on_average_when_nothing_is_better():
    """E[e] = 1 under the null when the variance is known as well as it says."""
    lots = np.random.default_rng(1)
    priors = 5.0 / lots.chisquare(5.0, 40000)  # the variance drawn as the conjugate prior has it
    shares = [e_value((z * sd,), 1.0, 5.0) for z, sd in zip(lots.normal(size=40000), np.sqrt(priors), strict=True)]
    assert np.mean(shares) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize(("true_variance", "most"), [(1.0, 0.02), (2.0, 0.05)])
def test_peeking_at_every_pair_lets_few_nulls_through(true_variance, most):
    lots = random.Random(7)
    passed = 0
    for _ in range(3000):
        values = []
        for _ in range(16):
            values.append(lots.gauss(0.0, true_variance**0.5))
            if e_value(values, 1.0, 5.0) >= 20:
                passed += 1
                break
    assert passed / 3000 <= most


# ---- futility, interval, odds ----------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=14), st.floats(0.1, 10))
def test_futility_is_a_likelihood_ratio_of_normal_densities(values, prior):
    _, sd = pooled_spread(values, prior, POLICY.prior_pairs)
    ratio = np.sum(stats.norm.logpdf(values, 1.5 * sd, sd) - stats.norm.logpdf(values, 0.0, sd))
    assert futility(values, prior, POLICY) == pytest.approx(math.exp(min(700.0, ratio)), rel=1e-6)


@given(samples, variances, st.floats(0.5, 0.99))
def test_the_interval_is_scipy_s_student_interval(values, prior, level):
    freedom, spread = pooled_spread(values, prior, 5.0)
    wanted = stats.t.interval(level, freedom, mean(values), spread / math.sqrt(len(values)))
    assert interval(values, prior, 5.0, level) == pytest.approx(wanted, rel=1e-7, abs=1e-7)


@given(samples, variances)
def test_a_higher_level_gives_a_wider_interval(values, prior):
    low, high = interval(values, prior, 5.0, 0.9)
    lower, higher = interval(values, prior, 5.0, 0.99)
    assert lower < low < high < higher


def test_the_interval_covers_the_truth_as_often_as_it_says():
    lots = random.Random(3)
    covered = 0
    for _ in range(3000):
        sd = (5.0 / sum(lots.gauss(0, 1) ** 2 for _ in range(5))) ** 0.5
        low, high = interval([lots.gauss(0.4, sd) for _ in range(3)], 1.0, 5.0)
        covered += low <= 0.4 <= high
    assert covered / 3000 == pytest.approx(0.95, abs=0.012)


@given(st.integers(0, 50), st.integers(0, 10_000), st.integers(0, 1000))
def test_the_odds_fall_with_runs_and_rise_with_keeps(keeps, runs, more):
    assert night_odds(keeps, runs + more) <= night_odds(keeps, runs) <= night_odds(keeps + 1, runs) <= 2.5


# ---- steps -----------------------------------------------------------------------------------------------------


def step(race=(), fresh=(), **others):
    return next_step(Evidence(tuple(race), tuple(fresh), others.pop("variance", 1.0), **others))


def test_without_a_pair_the_first_one_is_asked_for():
    assert step() == More("race", 1)


def test_a_first_pair_without_promise_is_the_end():
    ruling = step([0.3])
    assert isinstance(ruling, Ruling)
    assert (ruling.verdict, ruling.reason) == ("discard", "no sign of an improvement")


def test_a_first_pair_with_promise_races_on():
    assert step([0.9]) == More("race", 2)


def test_a_promising_race_is_confirmed_on_fresh_seeds():
    assert step([2.0] * 5) == More("confirm", POLICY.fresh_pairs)


def test_a_confirmation_under_way_goes_on():
    assert step([2.0] * 5, [2.0]) == More("confirm", POLICY.fresh_pairs)


def test_what_holds_on_fresh_seeds_is_kept():
    ruling = step([2.0] * 5, [2.0, 1.8, 2.2])
    assert isinstance(ruling, Ruling)
    assert (ruling.verdict, ruling.reason) == ("keep", "better on fresh seeds")


def test_the_effect_of_a_keep_is_that_of_the_fresh_pairs():
    assert step([5.0] * 5, [2.0, 1.8, 2.2]).effect == pytest.approx(2.0)


def test_what_does_not_hold_on_fresh_seeds_is_discarded():
    assert step([3.0] * 6, [-0.5, 0.2, 0.1]).reason == "did not hold on fresh seeds"


def test_what_is_better_by_less_than_worthwhile_is_discarded():
    ruling = step([2.0] * 6, [2.0, 1.9, 2.1], worthwhile=3.0)
    assert (ruling.verdict, ruling.reason) == ("discard", "better, but by less than is worthwhile")


def test_what_is_better_by_exactly_what_is_worthwhile_is_kept():
    assert step([2.0] * 6, [2.0, 2.0, 2.0], worthwhile=2.0).verdict == "keep"


def test_a_confirmation_in_doubt_asks_for_one_more_pair():
    assert step([2.0] * 5, [0.9, 0.8, 1.0]) == More("confirm", 4)


def test_a_confirmation_in_doubt_ends():
    assert step([2.0] * 5, [1.8, -1.2] * (POLICY.most_fresh // 2)).reason == "not confirmed on fresh seeds"


def test_a_race_in_doubt_ends():
    ruling = step([0.9, 0.7] * 7, odds=1e-9)
    assert ruling.reason == "not shown to be better within 14 pairs"


def test_low_odds_make_a_keep_harder():
    strong = {"race": [2.0] * 5, "fresh": [2.0, 1.8, 2.2]}
    assert isinstance(step(**strong, odds=1.0), Ruling)
    assert isinstance(step(**strong, odds=1e-4), More)


def test_a_number_without_noise_is_kept_when_it_is_better():
    exact = {"variance": 1e-12}
    assert step([0.1], **exact) == More("confirm", 3)
    assert step([0.1], [0.1] * 3, **exact).verdict == "keep"


def test_a_number_without_noise_is_dropped_at_once_when_it_is_equal():
    assert step([0.0], variance=1e-12).verdict == "discard"


@given(st.lists(st.floats(-5, 5), max_size=14), st.lists(st.floats(-5, 5), max_size=8), st.floats(0.01, 100))
def test_a_keep_is_better_on_fresh_pairs_beyond_its_interval(race, fresh, variance):
    ruling = step(race, fresh, variance=variance)
    assume(isinstance(ruling, Ruling))
    assert ruling.verdict == "discard" or (ruling.interval[0] > 0 and ruling.e_value >= 20 and len(fresh) >= 3)


@given(st.lists(st.floats(-5, 5), max_size=20), st.lists(st.floats(-5, 5), max_size=10), st.floats(0.01, 100))
def test_a_race_always_ends(race, fresh, variance):
    more = step(race, fresh, variance=variance)
    assume(isinstance(more, More))
    assert more.pairs <= (POLICY.most_pairs if more.stage == "race" else POLICY.most_fresh)


@given(st.lists(st.floats(0.1, 5), min_size=3, max_size=8), st.floats(0, 3))
def test_a_keep_stays_one_when_its_fresh_pairs_are_all_better_by_the_same(fresh, more):
    before = step([2.0] * 6, fresh)
    after = step([2.0] * 6, [v + more for v in fresh])
    assume(isinstance(before, Ruling) and before.verdict == "keep" and isinstance(after, Ruling))
    assert after.verdict == "keep"


# ---- extremes --------------------------------------------------------------------------------------------------

EXTREMES = st.sampled_from([0.0, 1e300, -1e300, 1e-300, -1e-300, 1.0, -1.0, 1e150, 5e-324])


@settings(max_examples=300)
@given(st.lists(EXTREMES, max_size=14), st.lists(EXTREMES, max_size=8), st.sampled_from([0.0, 1e-300, 1.0, 1e300]))
def test_no_number_is_too_large_or_too_small(race, fresh, variance):
    ruling = step(race, fresh, variance=variance)
    if isinstance(ruling, Ruling):
        assert math.isfinite(ruling.effect)
        assert math.isfinite(ruling.e_value)
        assert not any(map(math.isnan, ruling.interval))


@given(st.lists(EXTREMES, min_size=1, max_size=14), st.sampled_from([0.0, 1e-300, 1.0, 1e300]))
def test_the_e_value_is_finite_and_positive(values, prior):
    assert 0.0 <= e_value(values, prior, 5.0) < math.inf
