"""The referee's statistics against independent computations, and each step that it can take."""

import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy import integrate, stats

from overnight.referee.decision import Claim, Evidence, More, Policy, Ruling
from overnight.referee.inference import (
    anytime_interval,
    e_value,
    fresh_e_value,
    futility,
    interval,
    mean,
    pooled_spread,
    sign_e_value,
    sign_futility,
    squares,
    success_interval,
    winsorized,
)
from overnight.referee.kinds import KINDS, next_step
from overnight.referee.kinds.noisy import LEAST_SPREAD, SHOWN, WAGERS

numbers = st.floats(-1e6, 1e6)
samples = st.lists(numbers, min_size=1, max_size=20)
small = st.floats(-5, 5)
variances = st.floats(1e-6, 1e6)
POLICY = Policy()


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


# ---- heavy tails -----------------------------------------------------------------------------------------------


@given(samples, variances)
def test_winsorizing_keeps_order_and_length(values, variance):
    moved = winsorized(values, variance, POLICY.reach)
    assert len(moved) == len(values)
    assert [moved[i] for i in np.argsort(values, kind="stable")] == sorted(moved)


@given(samples, variances)
def test_winsorizing_twice_is_winsorizing_once(values, variance):
    once = winsorized(values, variance, POLICY.reach)
    assert winsorized(once, variance, POLICY.reach) == pytest.approx(once, rel=1e-9, abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=20), numbers)
def test_nothing_within_reach_is_moved(values, centre):
    values = [centre + v for v in values]
    assert winsorized(values, 1.0, POLICY.reach) == values


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=20), st.floats(-1e12, 1e12), st.integers(0, 20))
def test_one_wild_difference_moves_the_mean_by_its_reach_at_most(others, wild, place):
    values = [*others[:place], wild, *others[place:]]
    assume(stats.median_abs_deviation(values) > 0)  # else most are equal, and their own spread is what there is
    spread = max(1.0, stats.median_abs_deviation(values, scale="normal"))
    at_the_median = (sum(others) + statistics.median(values)) / len(values)
    moved = mean(winsorized(values, 1.0, POLICY.reach)) - at_the_median
    assert abs(moved) <= POLICY.reach * spread / len(values) * (1 + 1e-5) + 1e-9


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=20), st.floats(100, 1e12))
def test_it_does_not_matter_how_wild_a_difference_is(others, wild):
    assume(stats.median_abs_deviation([*others, 100.0]) > 0)
    assert winsorized([*others, 100.0], 1.0, POLICY.reach) == pytest.approx(winsorized([*others, wild], 1.0, POLICY.reach))


def test_ties_do_not_hide_the_difference_that_is_none():
    ties = [0.01, 0.01, 0.01, -1.0]
    assert mean(winsorized(ties, 1e-18, POLICY.reach)) < 0
    assert step([0.01] * 3, ties, variance=1e-18) == More("confirm", 5)  # three ties alone would be a proof
    assert ended([0.01] * 3, ties * 4, variance=1e-18) == ("discard", "not confirmed on fresh seeds")


@given(st.lists(numbers, max_size=2), variances)
def test_one_or_two_values_are_left_alone(values, variance):
    assert winsorized(values, variance, POLICY.reach) == values


def test_heavy_tails_let_few_nulls_through():
    """Student's t with three degrees of freedom, scaled to variance one, at any of sixteen looks."""
    lots = np.random.default_rng(5)
    nights = lots.standard_t(3, size=(1500, 16)) / math.sqrt(3)
    passed = sum(any(e_value(winsorized(night[:n], 1.0, POLICY.reach), 1.0, POLICY.prior_pairs) >= 20
                     for n in range(1, 17)) for night in nights.tolist())
    assert passed / len(nights) <= 0.05


# ---- futility --------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=14), st.floats(0.1, 10))
def test_futility_is_a_likelihood_ratio_of_normal_densities(values, prior):
    _, sd = pooled_spread(values, prior, POLICY.prior_pairs)
    ratio = np.sum(stats.norm.logpdf(values, 1.5 * sd, sd) - stats.norm.logpdf(values, 0.0, sd))
    assert futility(values, prior, POLICY.prior_pairs, 1.5) == pytest.approx(math.exp(min(700.0, ratio)), rel=1e-6)


@given(st.lists(small, min_size=1, max_size=14), st.floats(0.1, 10), st.floats(0, 5))
def test_what_is_better_by_more_is_less_futile(values, prior, more):
    more_so = futility([v + more for v in values], prior, POLICY.quick, POLICY.hoped)
    assert more_so >= futility(values, prior, POLICY.quick, POLICY.hoped) * (1 - 1e-9)


# ---- intervals -------------------------------------------------------------------------------------------------


@given(st.lists(numbers, min_size=2, max_size=20), st.floats(0.5, 0.99))
def test_the_interval_is_scipy_s_student_interval(values, level):
    assume(np.std(values) > 1e-6)
    wanted = stats.t.interval(level, len(values) - 1, np.mean(values), stats.sem(values))
    assert interval(values, level) == pytest.approx(wanted, rel=1e-7, abs=1e-6)


@given(st.lists(numbers, min_size=2, max_size=20))
def test_a_higher_level_gives_a_wider_interval(values):
    assume(np.std(values) > 1e-6)
    low, high = interval(values, 0.9)
    lower, higher = interval(values, 0.99)
    assert lower < low < high < higher


@pytest.mark.parametrize("count", [2, 4, 8])
def test_the_interval_covers_the_truth_as_often_as_it_says(count):
    lots = np.random.default_rng(count)
    found = [interval(values) for values in lots.normal(0.4, 3.0, size=(3000, count)).tolist()]
    assert np.mean([low <= 0.4 <= high for low, high in found]) == pytest.approx(0.95, abs=0.012)


def two_sided_e_value(t, freedom, count):
    """Density of T under delta ~ normal(0, 1) over that under delta = 0, by quadrature."""
    def integrand(delta):
        return stats.norm.pdf(delta) * stats.nct.pdf(t, freedom, delta * math.sqrt(count))

    return integrate.quad(integrand, -9, 9, limit=200)[0] / stats.t.pdf(t, freedom)


@pytest.mark.parametrize("values", [(1.0, 2.0), (0.1, -0.4, 0.6), (2.0, 1.5, 2.5, 1.0, 1.9), tuple(range(12))])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_anytime_interval_ends_where_the_two_sided_e_value_is_one_over_alpha(values, level):
    freedom, spread = pooled_spread(values, 0.7, 5.0)
    for end in anytime_interval(values, 0.7, 5.0, level):
        t = math.sqrt(len(values)) * (mean(values) - end) / spread
        assert two_sided_e_value(t, freedom, len(values)) == pytest.approx(1 / (1 - level), rel=1e-3)


def test_the_anytime_interval_has_no_end_where_one_pair_tells_nothing():
    assert anytime_interval((3.0,), 1.0, 5.0) == (-math.inf, math.inf)
    assert anytime_interval((3.0,) * 2, 1.0, 5.0)[1] < math.inf


@pytest.mark.parametrize("known", [True, False], ids=["the variance as said", "the variance drawn from its prior"])
def test_the_anytime_interval_covers_the_truth_at_all_looks(known):
    lots = np.random.default_rng(11)
    covered = 0
    for _ in range(1500):
        sd = 1.0 if known else math.sqrt(5.0 / lots.chisquare(5.0))
        values = lots.normal(0.4, sd, size=16).tolist()
        ends = [anytime_interval(values[:n], 1.0, 5.0) for n in range(1, 17)]
        covered += all(low <= 0.4 <= high for low, high in ends)
    assert covered / 1500 >= 0.95


@given(st.lists(numbers, min_size=2, max_size=16), variances)
def test_the_anytime_interval_is_wider_than_that_of_a_single_look(values, prior):
    freedom, spread = pooled_spread(values, prior, 5.0)
    low, high = anytime_interval(values, prior, 5.0)
    single = stats.t.interval(0.95, freedom, mean(values), spread / math.sqrt(len(values)))
    assert low <= single[0] + 1e-9 * abs(single[0]) and single[1] <= high + 1e-9 * abs(high)


# ---- successes and failures: the statistics --------------------------------------------------------------------

few = st.integers(0, 60)


@given(few, few)
def test_the_e_value_of_tosses_is_a_mixture_over_the_share_of_wins(wins, losses):
    """2^(w+l) times the integral of 2 theta^w (1-theta)^l over (1/2, 1), by quadrature."""
    mixture, _ = integrate.quad(lambda theta: 2 * (2 * theta)**wins * (2 * (1 - theta))**losses, 0.5, 1.0, epsabs=0,
                                points=[max(0.5, wins / max(1, wins + losses))])
    assert sign_e_value(wins, losses) == pytest.approx(mixture, rel=1e-6)


@pytest.mark.parametrize("tosses", [0, 1, 5, 24, 160])
def test_the_e_value_of_fair_coins_is_one_on_average(tosses):
    average = sum(math.comb(tosses, wins) / 2**tosses * sign_e_value(wins, tosses - wins) for wins in range(tosses + 1))
    assert average == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_a_share_of_wins_of_half_or_less_gives_one_or_less_on_average(share):
    assert sum(stats.binom.pmf(wins, 40, share) * sign_e_value(wins, 40 - wins) for wins in range(41)) <= 1 + 1e-9


@pytest.mark.parametrize("alpha", [0.25, 0.1, 0.05, 0.01])
def test_peeking_at_every_toss_passes_as_rarely_as_alpha_says(alpha):
    """Exactly, by the distribution of wins over the nights that have not passed yet."""
    going, passed = {0: 1.0}, 0.0
    for toss in range(1, POLICY.most_tries + 1):
        tossed: dict[int, float] = {}
        for wins, chance in going.items():
            for more in (0, 1):
                tossed[wins + more] = tossed.get(wins + more, 0.0) + chance / 2
        over = {wins for wins in tossed if sign_e_value(wins, toss - wins) >= 1 / alpha}
        passed += sum(tossed[wins] for wins in over)
        going = {wins: chance for wins, chance in tossed.items() if wins not in over}
    assert alpha / 10 < passed <= alpha


@given(few, few)
def test_a_win_more_is_more_evidence_and_a_loss_more_is_less(wins, losses):
    assert sign_e_value(wins, losses + 1) < sign_e_value(wins, losses) < sign_e_value(wins + 1, losses)


@given(few, few)
def test_futility_of_tosses_is_a_likelihood_ratio_of_binomials(wins, losses):
    ratio = stats.binom.logpmf(wins, wins + losses, 0.75) - stats.binom.logpmf(wins, wins + losses, 0.5)
    assert sign_futility(wins, losses) == pytest.approx(math.exp(ratio), rel=1e-6)


@pytest.mark.parametrize(("win", "loss"), [(0.0, 0.0), (0.1, 0.1), (0.5, 0.5), (0.3, 0.05), (0.02, 0.6), (0.9, 0.1)])
@pytest.mark.parametrize("count", [8, 24])
def test_the_interval_of_rates_covers_their_difference(win, loss, count):
    """Exactly, by the multinomial chances of all outcomes."""
    covered = 0.0
    for wins in range(count + 1):
        for losses in range(count + 1 - wins):
            low, high = success_interval([1.0] * wins + [-1.0] * losses + [0.0] * (count - wins - losses))
            if low <= win - loss <= high:
                rest = count - wins - losses
                covered += stats.multinomial.pmf([wins, losses, rest], count, [win, loss, max(0.0, 1 - win - loss)])
    assert covered >= 0.95


outcomes = st.lists(st.sampled_from([-1.0, 0.0, 1.0]), max_size=60)


@given(outcomes, st.floats(1e-3, 1e3), st.floats(0.5, 0.99))
def test_the_interval_of_rates_lies_about_the_mean_and_within_the_possible(signs, size, level):
    values = [size * sign for sign in signs]
    low, high = success_interval(values, level)
    bound = (max(map(abs, values), default=0.0) or 1.0) * (1 + 1e-9)
    assert -bound <= low < high <= bound
    slack = 1e-9 * bound
    assert not values or low - slack <= mean(values) <= high + slack


@given(outcomes)
def test_the_interval_of_rates_is_the_same_from_the_other_side(signs):
    low, high = success_interval(signs)
    assert success_interval([-s for s in signs]) == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (3, 10), (10, 10)])
def test_the_interval_of_rates_is_clopper_and_pearson_s_on_each_side(hits, count):
    shares = [stats.binomtest(n, count).proportion_ci(0.975, "exact") for n in (hits, 0)]
    wanted = (shares[0].low - shares[1].high, shares[0].high - shares[1].low)
    assert success_interval([1.0] * hits + [0.0] * (count - hits)) == pytest.approx(wanted, abs=1e-9)


# ---- steps -----------------------------------------------------------------------------------------------------


def claimed(evidence):
    """The evidence with the claim that its race makes, as soon as it wants fresh pairs, or has some."""
    kind, bare = KINDS[evidence.kind], replace(evidence, fresh=())
    over = bool(evidence.fresh) or getattr(kind.next_step(bare, POLICY), "stage", "") == "confirm"
    return replace(evidence, claim=kind.claim(bare, POLICY)) if over and kind.claims(evidence) else evidence


def evidence_of(race=(), fresh=(), **others):
    return claimed(Evidence(tuple(race), tuple(fresh), others.pop("variance", 1.0), **others))


def step(race=(), fresh=(), **others):
    return next_step(evidence_of(race, fresh, **others))


def ended(race=(), fresh=(), **others):
    """(verdict, reason) of evidence that is enough."""
    ruling = step(race, fresh, **others)
    assert isinstance(ruling, Ruling), ruling
    return ruling.verdict, ruling.reason


def driven(difference, **others):
    """The ruling on a candidate that gives the same difference in every pair, and (race, fresh) pairs until then."""
    race, fresh = [], []
    for _ in range(400):
        wanted = step(race, fresh, **others)
        if isinstance(wanted, Ruling):
            return wanted, (len(race), len(fresh))
        grows = fresh if wanted.stage == "confirm" else race
        assert wanted.pairs > len(grows)
        grows += [difference] * (wanted.pairs - len(grows))
    raise AssertionError("it never ends")


def test_without_a_pair_the_first_one_is_asked_for():
    assert step() == More("race", 1)


def test_a_first_pair_without_promise_is_the_end():
    assert ended([0.2]) == ("discard", "no sign of an improvement")


def test_a_first_pair_with_promise_races_on():
    assert step([0.9]) == More("race", 2)


def test_a_promising_race_is_confirmed_on_fresh_seeds():
    assert step([2.0] * 5) == More("confirm", POLICY.fresh_pairs)


@given(st.lists(st.floats(1.0, 5.0), min_size=3, max_size=14), st.floats(1e-9, 0.25))
def test_a_claim_asks_for_the_fresh_pairs_that_its_race_wanted(race, alpha):
    evidence = Evidence(tuple(race), (), 1.0, alpha)
    wanted = next_step(evidence)
    assume(isinstance(wanted, More) and wanted.stage == "confirm")
    assert next_step(claimed(evidence)) == wanted and claimed(evidence).claim.alpha == alpha


def test_where_a_proof_takes_long_more_pairs_are_asked_for_at_once():
    found = [step([1.2] * 8, alpha=alpha).pairs for alpha in (0.1, 1e-3, 1e-6, 1e-12)]
    assert found == sorted(found) and POLICY.fresh_pairs == found[0] < found[-1] <= POLICY.most_fresh // 2


def test_one_fresh_pair_decides_nothing():
    assert step([2.0] * 5, [2.0]) == step([2.0] * 5, [-9.0]) == More("confirm", POLICY.fresh_pairs)


def test_what_holds_on_fresh_seeds_is_kept():
    assert ended([2.0] * 5, [2.0, 1.8, 2.2, 2.0]) == ("keep", "better on fresh seeds")


def test_the_interval_of_a_keep_is_that_of_its_fresh_pairs_and_no_narrower_than_a_share_of_the_usual_one():
    own = [4.0, 2.5, 6.5, 4.0, 5.0, 4.4]
    assert step([5.0] * 5, own, alpha=0.25).interval == pytest.approx(stats.t.interval(SHOWN, 5, mean(own), stats.sem(own)), rel=1e-7)
    for alike in ([2.0, 1.9, 2.1, 2.0], [2.0] * 4):  # numbers in steps may be one number by chance
        radius = stats.t.ppf(0.5 + SHOWN / 2, 3) * LEAST_SPREAD / 2
        assert step([5.0] * 5, alike).interval == pytest.approx((2.0 - radius, 2.0 + radius), rel=1e-6)


def test_the_effect_of_a_keep_is_its_fresh_mean_drawn_towards_what_the_race_says():
    fresh = [2.0, 1.8, 2.2, 2.0]
    low, even, high = (step([level] * 8, fresh).effect for level in (1.2, 2.2, 4.0))
    assert 1.2 < low < even < high < 4.0 and even == pytest.approx(2.0, abs=0.15)
    assert abs(step([4.0] * 8, fresh * 2).effect - 2.0) < high - 2.0  # the less, the more fresh pairs there are


def test_the_e_value_of_a_ruling_is_that_of_the_fresh_pairs_alone():
    race, fresh = [1.0, 2.0, 1.5, 2.0, 1.5], (2.0, 1.9, 2.1, 2.0)
    claim = evidence_of(race, fresh).claim
    said = [(share, *(prior or (claim.middle, claim.variance))) for share, prior in WAGERS]
    ruling = step(race, fresh)
    assert ruling.e_value == pytest.approx(sum(share * fresh_e_value(fresh, *prior) for share, *prior in said))
    assert sum(share for share, _ in WAGERS) == pytest.approx(1.0) and ruling.verdict == "keep"
    other = Evidence((9.0,) * 9, fresh, 7.0, claim=claim)  # neither race nor known variance count any more
    assert KINDS["noisy"].proof(other, POLICY) == ruling.e_value


def test_the_first_e_value_that_suffices_is_the_one_that_counts():
    """Pairs that were asked for at once and came after the proof take nothing from it."""
    claim = Claim(0.1, 2.0, 0.5)
    early, late = (next_step(Evidence((2.0,) * 5, fresh, 1.0, claim=claim)) for fresh in ((2.0, 1.9, 2.1), (2.0, 1.9, 2.1, 0.3)))
    assert early.verdict == late.verdict == "keep" and early.e_value == late.e_value >= 10


def test_one_wild_difference_moves_the_effect_by_its_reach_and_is_no_proof():
    race, fresh = [1.0, 2.0, 1.5], [2.0, 1.8, 2.2, 2.1, 1.9, 2.0]
    wild = [step(race, [*fresh, far], alpha=0.2).effect for far in (50.0, 1e9)]
    assert wild[0] == pytest.approx(wild[1]) and step(race, [2.0, 1.8, 2.2, 1e9]) == More("confirm", 5)


def test_one_run_that_diverged_does_not_end_a_race_that_went_well():
    assert isinstance(step([2.0, 2.0, 2.0, -1e9], alpha=1e-4), More)


def test_what_was_dropped_in_the_race_has_an_interval_for_any_time_of_stopping():
    ruling = step([0.9, -0.5, -0.7])
    assert ruling.verdict == "discard"
    assert ruling.interval == pytest.approx(anytime_interval((0.9, -0.5, -0.7), 1.0, POLICY.prior_pairs))
    assert step([0.2]).interval is None


def test_what_does_not_hold_on_fresh_seeds_is_discarded():
    assert ended([3.0] * 6, [-0.5, 0.2, 0.1, -0.1]) == ("discard", "did not hold on fresh seeds")


def test_what_is_better_by_less_than_worthwhile_is_discarded():
    assert ended([2.0] * 6, [2.0, 1.9, 2.1, 2.0], worthwhile=3.0) == ("discard", "better, but by less than is worthwhile")


def test_what_is_better_by_exactly_what_is_worthwhile_is_kept():
    effect = step([2.0] * 6, [2.0] * 4).effect  # a little less than what the fresh pairs show
    assert 1.9 < effect < 2.0 and ended([2.0] * 6, [2.0] * 4, worthwhile=effect)[0] == "keep"
    assert ended([2.0] * 6, [2.0] * 4, worthwhile=math.nextafter(effect, 3.0))[0] == "discard"


def test_a_confirmation_in_doubt_asks_for_one_more_pair():
    assert step([2.0] * 5, [0.2, 0.1, 0.4, 0.3]) == More("confirm", 5)


def test_what_is_proven_at_its_level_and_not_by_its_interval_is_measured_on_and_at_last_discarded():
    """A level may be as high as a quarter, where an interval of all but 4 % still holds zero."""
    evidence = Evidence((2.0,) * 5, (1.6, 0.9, 2.0), 1.0, claim=Claim(0.25, 1.0, 1.0))
    ruling = next_step(evidence, Policy(most_fresh=3))
    assert next_step(evidence) == More("confirm", 4)
    assert (ruling.verdict, ruling.reason) == ("discard", "not confirmed on fresh seeds")
    assert ruling.e_value >= 4 and ruling.interval[0] < 0 < ruling.effect


def test_a_great_race_does_not_help_fresh_pairs_that_show_nothing():
    assert ended([3.0] * 8, [1.4, -1.2, 0.9, -0.7]) == ("discard", "did not hold on fresh seeds")


def test_a_confirmation_in_doubt_ends():
    assert ended([2.0] * 5, [1.4, -0.2, 0.3] * 5 + [0.5]) == ("discard", "not confirmed on fresh seeds")


def test_a_race_in_doubt_ends():
    doubt = Evidence((1.0, 0.0) * 7, (), 1.0)
    assert isinstance(next_step(doubt), More)
    assert next_step(doubt, Policy(screen=1e6)).reason == "not shown to be better within 14 pairs"


def test_a_smaller_alpha_makes_a_keep_harder():
    strong = {"race": [2.0] * 5, "fresh": [2.0, 1.8, 2.2, 2.0]}
    assert isinstance(step(**strong, alpha=0.05), Ruling)
    assert isinstance(step(**strong, alpha=1e-5), More)


promising = st.builds(lambda level, jitter: [level + j for j in jitter], st.floats(0.3, 3),
                      st.lists(st.floats(-0.7, 0.7), min_size=4, max_size=8))


@given(promising, promising, st.floats(1e-6, 0.25), st.floats(1, 1000))
def test_what_a_smaller_alpha_keeps_a_larger_one_keeps_too(race, fresh, alpha, times):
    strict, lenient = step(race, fresh, alpha=alpha / times), step(race, fresh, alpha=alpha)
    kept = isinstance(strict, Ruling) and strict.verdict == "keep"
    assert not kept or (isinstance(lenient, Ruling) and lenient.verdict == "keep")


def test_the_same_evidence_at_a_tenth_of_the_level_takes_longer():
    race, fresh = [1.3, 0.9, 1.1, 1.2] * 2, [1.6, 0.8, 1.1, 1.4] * 4
    taken = [next(n for n in range(2, 17) if getattr(step(race, fresh[:n], alpha=alpha), "verdict", "") == "keep")
             for alpha in (0.1, 0.01, 0.001)]
    assert taken[0] < taken[1] < taken[2]


SCATTERING = st.sampled_from(["noisy", "timing"])
EVIDENCE = {"variance": st.floats(0.01, 100), "worthwhile": st.sampled_from([0.0, 0.1, 1.0, 5.0]), "simplifies": st.booleans(),
            "alpha": st.floats(1e-4, 0.25), "kind": SCATTERING}


@settings(max_examples=300)
@given(promising, promising | st.lists(small, min_size=1, max_size=8), st.fixed_dictionaries(EVIDENCE))
def test_a_keep_rests_on_fresh_pairs_and_on_evidence_at_its_level(race, fresh, given):
    ruling = step(race, fresh, **given)
    if isinstance(ruling, Ruling) and ruling.verdict == "keep" and not given["simplifies"]:
        assert ruling.effect > 0 and ruling.effect >= given["worthwhile"] and ruling.e_value * given["alpha"] >= 1


@given(st.floats(0.5, 5), st.floats(0, 0.5), st.lists(small, min_size=4, max_size=8), st.fixed_dictionaries(EVIDENCE))
def test_a_strong_race_alone_keeps_nothing(level, slope, fresh, given):
    """Whatever the race said, fewer fresh pairs than wanted are no keep."""
    race = [level + slope * i for i in range(10)]
    for pairs in range(POLICY.fresh_pairs):
        ruling = step(race, fresh[:pairs], **given)
        assert isinstance(ruling, More) or ruling.verdict == "discard"


@given(st.lists(small, max_size=20), st.lists(small, max_size=10), st.fixed_dictionaries(EVIDENCE))
def test_a_race_always_ends(race, fresh, given):
    more = step(race, fresh, **given)
    if isinstance(more, More):
        assert more.pairs <= (POLICY.most_pairs if more.stage == "race" else POLICY.most_fresh)
        assert more.pairs > len(race if more.stage == "race" else fresh)


@given(small, st.fixed_dictionaries(EVIDENCE | {"kind": st.sampled_from(["noisy", "timing", "success", "deterministic"])}))
def test_whatever_a_candidate_gives_there_is_a_ruling(difference, given):
    _, (race, fresh) = driven(difference, **given)
    assert race <= (POLICY.most_tries if given["kind"] == "success" else POLICY.most_pairs)
    assert fresh <= (POLICY.fresh_tries if given["kind"] == "success" else POLICY.most_fresh)


@given(st.lists(st.floats(0.1, 5), min_size=4, max_size=8), st.floats(0, 3))
def test_a_keep_stays_one_when_its_fresh_pairs_are_all_better_by_the_same(fresh, more):
    before = step([2.0] * 6, fresh)
    after = step([2.0] * 6, [v + more for v in fresh])
    assume(isinstance(before, Ruling) and before.verdict == "keep")
    assert isinstance(after, Ruling) and after.verdict == "keep"


# ---- simplifications -------------------------------------------------------------------------------------------


def test_what_removes_code_and_is_no_worse_is_kept():
    ruling, pairs = driven(0.01, simplifies=True, worthwhile=1.0)
    assert (ruling.verdict, pairs[1] >= POLICY.fresh_pairs) == ("keep", True)
    assert ruling.reason == "simplification: not worse by as much as is worthwhile"


def test_what_removes_code_and_is_better_is_kept_for_that():
    assert driven(2.0, simplifies=True, worthwhile=1.0)[0].reason == "better on fresh seeds"


def test_what_removes_code_and_is_worse_by_what_is_worthwhile_is_discarded():
    assert driven(-1.0, simplifies=True, worthwhile=1.0)[0].verdict == "discard"


@pytest.mark.parametrize(("worthwhile", "verdict"), [(0.45, "discard"), (0.55, "keep")])
def test_a_margin_that_noise_hides_is_none(worthwhile, verdict):
    """Of half the spread of a pair or more can be shown that it is kept to; less than that cannot."""
    patient = Policy(most_pairs=200, most_fresh=40)
    evidence = claimed(Evidence((0.0, 0.02) * 75, (0.0, 0.02) * 20, 1.0, worthwhile=worthwhile, simplifies=True))
    assert next_step(evidence, patient).verdict == verdict


def test_what_adds_code_for_less_than_is_worthwhile_is_discarded():
    assert ended([1.0] * 14, [1.0] * 4, worthwhile=2.0) == ("discard", "better, but by less than is worthwhile")
    assert ended([1.0] * 14, [1.0] * 4, worthwhile=2.0, simplifies=True)[0] == "keep"


@pytest.mark.parametrize("kind", ["noisy", "deterministic"])
def test_what_adds_code_and_changes_nothing_is_discarded(kind):
    assert driven(0.0, worthwhile=1.0, kind=kind)[0].verdict == "discard"


@pytest.mark.parametrize("kind", ["noisy", "timing"])
def test_what_removes_code_and_gives_the_same_numbers_is_kept_without_a_claim(kind):
    """Of executed lines, on common seeds and on fresh ones; whatever is worthwhile, and at whatever level."""
    ruling, pairs = driven(0.0, simplifies=True, alpha=1e-12, kind=kind)
    assert (ruling.verdict, pairs, ruling.interval) == ("keep", (POLICY.equal_pairs,) * 2, (0.0, 0.0))
    assert ruling.reason == "simplification: the same numbers on 6 seeds"
    equal = Evidence((0.0,) * 3, (0.0,) * 2, 1.0, simplifies=True)
    assert not KINDS[kind].claims(equal) and next_step(equal) == More("confirm", POLICY.equal_pairs)
    assert KINDS[kind].claims(replace(equal, simplifies=False)) and KINDS[kind].claims(replace(equal, fresh=(0.0, 1e-9)))


def test_less_code_that_differs_on_one_fresh_seed_is_judged_as_what_it_may_cost():
    assert ended([0.0] * 3, [0.0, 0.0, -0.5] * 6, simplifies=True)[0] == "discard"


# ---- metrics without noise -------------------------------------------------------------------------------------

EXACT = {"kind": "deterministic", "variance": 1e-12}


@pytest.mark.parametrize("difference", [0.0, -0.1])
def test_a_number_without_noise_is_dropped_at_once_when_it_is_no_better(difference):
    ruling, pairs = driven(difference, **EXACT)
    assert (ruling.verdict, ruling.reason) == ("discard", "no better; this metric has no noise")
    assert (pairs, ruling.interval) == ((1, 0), (difference, difference))


def test_a_number_without_noise_is_kept_when_one_fresh_seed_gives_it_again():
    assert step([], **EXACT) == More("race", 1)
    assert step([0.1], **EXACT) == More("confirm", 1)
    assert ended([0.1], [0.1], **EXACT) == ("keep", "better")


def test_a_number_without_noise_must_be_worthwhile():
    small = "better, but by less than is worthwhile"
    assert ended([0.1], worthwhile=0.2, **EXACT) == ("discard", small)
    assert ended([0.2], [0.2], worthwhile=0.2, **EXACT)[0] == "keep"


def test_a_candidate_whose_number_depends_on_the_seed_is_discarded():
    assert step([0.1], [0.2], **EXACT) == More("confirm", 2)
    ruling = step([0.1], [0.2, 0.3], **EXACT)
    assert ruling.reason == "its number depends on the seed, while the frontier's does not"
    assert (ruling.verdict, ruling.interval) == ("discard", (0.2, 0.3))


def test_an_effect_that_shrank_on_a_newer_frontier_is_repeated_on_two_fresh_seeds():
    assert step([0.1], [0.05], kind="deterministic") == More("confirm", 2)
    assert step([0.1], [0.05, 0.05], kind="deterministic").verdict == "keep"


def test_rounding_does_not_make_a_number_depend_on_the_seed():
    assert ended([0.1 + 0.2], [0.3], **EXACT)[0] == "keep"


def test_what_removes_code_and_is_equal_without_noise_is_kept_after_two_runs():
    ruling, pairs = driven(0.0, simplifies=True, **EXACT)
    assert (ruling.verdict, pairs) == ("keep", (1, 1))
    assert ruling.reason == "simplification: not worse by as much as is worthwhile"


def test_what_removes_code_and_is_worse_without_noise_is_discarded():
    assert driven(-0.1, simplifies=True, **EXACT)[0].verdict == "discard"


# ---- metrics of success or failure -----------------------------------------------------------------------------

TOSSED = {"kind": "success", "variance": 0.25}


def test_five_wins_and_no_loss_are_worth_confirming():
    assert step([1.0] * 4, **TOSSED) == More("race", 5)
    assert step([1.0] * 5, **TOSSED) == More("confirm", POLICY.fresh_tries)


def test_pairs_that_end_alike_say_nothing():
    assert step([1.0] * 4 + [0.0] * 12, **TOSSED) == More("race", 17)
    assert step([1.0] * 5 + [0.0] * 12, **TOSSED) == More("confirm", POLICY.fresh_tries)


def test_what_mostly_loses_is_dropped_soon():
    ruling, pairs = driven(-1.0, **TOSSED)
    assert (ruling.verdict, ruling.reason) == ("discard", "no sign of an improvement")
    assert pairs[0] <= 5


def test_what_never_differs_is_dropped_once_its_difference_can_hardly_be_large():
    ruling, (race, fresh) = driven(0.0, **TOSSED)
    assert (ruling.verdict, ruling.reason, fresh) == ("discard", "no sign of an improvement", 0)
    assert success_interval([0.0] * race, 0.6)[1] < POLICY.least <= success_interval([0.0] * (race - 1), 0.6)[1]


def test_successes_on_fresh_seeds_must_outweigh_the_failures():
    """With more wins than losses it goes on, as long as it may."""
    assert step([1.0] * 6, [1.0] + [0.0] * 23, **TOSSED) == More("confirm", POLICY.fresh_tries + 1)
    never = [1.0] + [0.0] * (POLICY.most_tries - 1)
    assert ended([1.0] * 6, never, **TOSSED) == ("discard", "not confirmed on fresh seeds")


def test_successes_that_hold_on_fresh_seeds_are_kept():
    fresh = [1.0] * 12 + [0.0] * 11 + [-1.0]
    ruling = step([1.0] * 6, fresh, **TOSSED)
    assert (ruling.verdict, ruling.reason, ruling.effect) == ("keep", "better on fresh seeds", pytest.approx(11 / 24))
    enough = next(wins for wins in range(13) if sign_e_value(wins, 0) >= 80)
    assert (ruling.interval, ruling.e_value) == (success_interval(fresh), sign_e_value(enough, 0))
    assert step([1.0] * 30, fresh, **TOSSED) == ruling  # whatever the race was


def test_successes_whose_interval_holds_zero_are_not_kept_though_they_are_proven():
    fresh = [1.0] * 9 + [0.0] * 14 + [-1.0]
    assert sign_e_value(9, 0) >= 80 and success_interval(fresh)[0] < 0
    assert step([1.0] * 6, fresh, **TOSSED) == More("confirm", 25)


@pytest.mark.parametrize("fresh", [[0.0] * 24, [1.0] * 5 + [-1.0] * 5 + [0.0] * 14, [-1.0] * 12 + [1.0] * 11 + [0.0],
                                   [-1.0] * 24])
def test_successes_that_do_not_hold_on_fresh_seeds_are_discarded(fresh):
    assert ended([1.0] * 6, fresh, **TOSSED) == ("discard", "did not hold on fresh seeds")


def test_successes_must_be_worthwhile():
    fresh = [1.0] * 9 + [0.0] * 15
    small = "better, but by less than is worthwhile"
    assert ended([1.0] * 6, fresh, worthwhile=0.5, **TOSSED) == ("discard", small)


def test_fresh_tries_are_asked_for_at_once_and_a_keep_waits_for_as_many_as_prove_it():
    """The test may be stopped at any pair; none is kept before its level is reached."""
    enough = next(wins for wins in range(25) if sign_e_value(wins, 0) >= 80)
    found = [step([1.0] * 30, [1.0] * pairs, **TOSSED) for pairs in range(POLICY.fresh_tries + 1)]
    assert set(found[:enough]) == {More("confirm", POLICY.fresh_tries)} and 4 < enough < POLICY.fresh_tries
    assert {ruling.verdict for ruling in found[enough:]} == {"keep"}


# ---- whole candidates, by simulation ---------------------------------------------------------------------------


def judged(draw, **others):
    """The ruling on a candidate whose differences are drawn."""
    race, fresh = [], []
    while isinstance(wanted := step(race, fresh, **others), More):
        grows = fresh if wanted.stage == "confirm" else race
        grows += [draw() for _ in range(wanted.pairs - len(grows))]
    return wanted


def keeps(draw, count, **others):
    return [ruling for ruling in (judged(draw, **others) for _ in range(count)) if ruling.verdict == "keep"]


@pytest.mark.parametrize("alpha", [0.05, 0.25])
@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_a_candidate_that_is_no_better_is_kept_less_often_than_alpha(alpha, tails):
    lots = np.random.default_rng(8)
    draw = lots.normal if tails == "normal" else lambda: lots.standard_t(3) / math.sqrt(3)
    assert len(keeps(draw, 1500, alpha=alpha)) / 1500 <= alpha


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_successes_that_are_no_more_frequent_are_kept_less_often_than_alpha(share):
    lots = random.Random(9)
    found = keeps(lambda: lots.choices((1.0, -1.0, 0.0), (share, share, 1 - 2 * share))[0], 400, alpha=0.25, **TOSSED)
    assert len(found) / 400 <= 0.25


def test_a_true_improvement_is_kept_and_its_effect_is_not_the_lucky_one():
    lots = np.random.default_rng(10)
    found = keeps(lambda: lots.normal(2.0, 1.0), 600, alpha=0.1)
    assert len(found) / 600 >= 0.85
    assert 0.9 * 2.0 <= np.mean([ruling.effect for ruling in found]) <= 2.0  # shrunk: what was stopped by its luck says no more
    assert np.mean([ruling.interval[0] <= 2.0 <= ruling.interval[1] for ruling in found]) >= 0.92


# ---- extremes --------------------------------------------------------------------------------------------------

EXTREMES = st.sampled_from([0.0, 1e300, -1e300, 1e-300, -1e-300, 1.0, -1.0, 1e150, 5e-324])
ALL_KINDS = st.sampled_from(["noisy", "timing", "success", "deterministic"])


@settings(max_examples=400)
@given(st.lists(EXTREMES, max_size=14), st.lists(EXTREMES, max_size=26), st.sampled_from([0.0, 1e-300, 1.0, 1e300]),
       st.sampled_from([0.0, 5e-324, 1.0, 1e300]), st.booleans(), ALL_KINDS)
def test_no_number_is_too_large_or_too_small(race, fresh, variance, worthwhile, simplifies, kind):
    ruling = step(race, fresh, variance=variance, worthwhile=worthwhile, simplifies=simplifies, kind=kind)
    if isinstance(ruling, Ruling):
        assert math.isfinite(ruling.effect)
        assert math.isfinite(ruling.e_value)
        assert not any(map(math.isnan, ruling.interval or ()))


@given(st.lists(EXTREMES, min_size=1, max_size=14), st.sampled_from([0.0, 1e-300, 1.0, 1e300]))
def test_the_e_value_is_finite_and_positive(values, prior):
    assert 0.0 <= e_value(values, prior, 5.0) < math.inf


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_e_value_of_many_tosses_is_finite(wins, losses):
    assert 0.0 <= sign_e_value(wins, losses) < math.inf
    assert 0.0 <= sign_futility(wins, losses) < math.inf
