"""The statistics of the referee: means, spreads, e-values and intervals of paired differences. Pure.

A positive difference means that the candidate is better. References stand at the functions.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Sequence

from overnight.referee.distributions import beta_quantile, incomplete_beta, student_cdf, student_quantile

HUGE = 1e100  # a t or an e-value beyond it is taken for it
TINY = 1e-300  # the least standard deviation
NORMAL = 1.4826  # a median absolute deviation in standard deviations of a normal distribution
HAAR_STEPS = 96  # of the grid over r in `fresh_e_value`
NEGLIGIBLE = 1e-6  # share of the values' size below which a spread is none


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of at least one number."""
    return math.fsum(values) / len(values)


def squares(values: Sequence[float]) -> float:
    """Sum of squares about the mean."""
    centre = mean(values)
    return math.fsum((v - centre) ** 2 for v in values)


def winsorized(values: Sequence[float], variance: float, reach: float) -> list[float]:
    """The values, none farther from their median than `reach` spreads: one that diverged counts, but not for all.

    The spread is the greater of the one expected and the values' own median absolute deviation (Tukey, Huber). Where most
    of them are equal and nothing is expected, it is their standard deviation: a tie does not hide the rest.
    """
    if len(values) < 3:
        return list(values)
    middle = statistics.median(values)
    spread = max(NORMAL * statistics.median(abs(v - middle) for v in values), math.sqrt(variance))
    if spread <= NEGLIGIBLE * abs(middle):
        spread = pooled_spread(values, 0.0, 0.0)[1]
    far = reach * spread
    return [min(max(v, middle - far), middle + far) for v in values]


def pooled_spread(values: Sequence[float], prior: float, prior_pairs: float) -> tuple[float, float]:
    """(degrees of freedom, standard deviation) of these differences pooled with a prior variance worth `prior_pairs`.

    No square is taken, so that no number is too large or too small.
    """
    freedom, centre = prior_pairs + len(values) - 1, mean(values)
    spread = math.hypot(math.sqrt(prior_pairs * prior), *(v - centre for v in values)) / math.sqrt(max(freedom, TINY))
    return freedom, max(spread, TINY)


def student_t(values: Sequence[float], spread: float) -> float:
    """The mean in units of its own standard error, within bounds that its square survives."""
    return max(-HUGE, min(HUGE, math.sqrt(len(values)) * (mean(values) / spread)))


def e_value(values: Sequence[float], prior: float, prior_pairs: float) -> float:
    """One-sided scale-invariant e-value of "better" against "not better".

    Bayes factor of delta = mean/sd with a half-normal(1) prior against delta = 0, where the variance has a conjugate
    prior worth `prior_pairs` degrees of freedom:
    e = 2 q^(-1/2) om^(-(nu+1)/2) F_{nu+1}(k sqrt((nu+1)/om)) with q = 1+n, k = sqrt(n/q) T/sqrt(nu+T^2), om = 1-k^2.
    """
    count = len(values)
    freedom, spread = pooled_spread(values, prior, prior_pairs)
    t = student_t(values, spread)
    q = 1.0 + count
    k = math.sqrt(count / q) * t / math.sqrt(freedom + t * t)
    rest = 1.0 - k * k
    wager: float = 2.0 / math.sqrt(q) * rest ** (-(freedom + 1) / 2)
    return wager * student_cdf(k * math.sqrt((freedom + 1) / rest), freedom + 1)


@functools.lru_cache(maxsize=4096)
def fresh_e_value(values: tuple[float, ...], middle: float, variance: float) -> float:
    """One-sided e-value of "better" against "not better" that needs to know nothing of the spread of the differences.

    Likelihood ratio of their mean in standard deviations, delta ~ N(middle, variance) above 0, to delta = 0, where the unknown
    standard deviation has the right Haar prior: a function of u = sum(x)/sqrt(sum(x^2)) alone, and a martingale of independent
    normal differences that are no better (Perez-Ortiz et al. 2022; Wang and Ramdas, arXiv 2310.03722). With r = |x|/sd,
    t = variance/(1 + n variance) and c = (middle/variance + r u) t it is the mean over r ~ chi(n) of
    sqrt(t/variance) exp((c^2/t - middle^2/variance)/2) Phi(c/sqrt(t))/Phi(middle/sqrt(variance)); summed on a grid.
    """
    count, largest = len(values), max(map(abs, values))
    if not largest:
        return 1.0
    u = math.fsum(v / largest for v in values) / math.hypot(*(v / largest for v in values))
    t = variance / (1 + count * variance)
    curve, slope = 1 - u * u * t, u * middle * t / variance
    peak = (slope + math.sqrt(slope * slope + 4 * curve * (count - 1))) / (2 * curve)
    width = 1 / math.sqrt(curve + (count - 1) / max(peak, 1e-9) ** 2) if count > 1 else 1 / math.sqrt(curve)
    low, high = max(0.0, peak - 7 * width), peak + 7 * width
    if slope < 0:  # the tail that is cut off at delta = 0 is not: the grid begins at 0
        low, high = 0.0, max(high, math.sqrt(count) + 8)
    step = (high - low) / HAAR_STEPS
    constant = 0.5 * math.log(t / variance) - middle * middle / (2 * variance)
    constant -= (count / 2 - 1) * math.log(2) + math.lgamma(count / 2)
    total = []
    for number in range(HAAR_STEPS):
        r = low + (number + 0.5) * step
        c = (middle / variance + r * u) * t
        power = constant + (count - 1) * math.log(r) - r * r / 2 + c * c / (2 * t)
        total.append(math.exp(min(600.0, power)) * normal_cdf(c / math.sqrt(t)))
    return min(HUGE, math.fsum(total) * step / normal_cdf(middle / math.sqrt(variance)))


def normal_cdf(x: float) -> float:
    """P(X <= x) for a standard normal X."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def futility(values: Sequence[float], prior: float, prior_pairs: float, hoped: float) -> float:
    """Likelihood ratio of an effect of `hoped` standard deviations against none (normal, plug-in variance)."""
    _, spread = pooled_spread(values, prior, prior_pairs)
    count = len(values)
    score = student_t(values, spread) / math.sqrt(count)
    return math.exp(min(700.0, count * (hoped * score - hoped**2 / 2)))


def interval(values: Sequence[float], level: float = 0.95, least: float = 0.0) -> tuple[float, float]:
    """Student's interval for the mean of at least two differences, from their own spread alone: candidates differ in
    theirs, and a spread borrowed from others covers some too often and some too rarely. One under `least` is not believed."""
    freedom, spread = pooled_spread(values, 0.0, 0.0)
    radius = student_quantile(0.5 + level / 2, freedom) * max(spread, least) / math.sqrt(len(values))
    return mean(values) - radius, mean(values) + radius


def anytime_interval(values: Sequence[float], prior: float, prior_pairs: float, level: float = 0.95) -> tuple[float, float]:
    """Interval for the mean that covers it at all looks at once, for what was stopped by its own numbers.

    Inverts the two-sided form of the e-value: with h = (sqrt(q)/alpha)^(2/(nu+1)) the radius is
    s sqrt(nu (h-1)/(1-h/q)/n), infinite while h >= q.
    """
    count = len(values)
    freedom, spread = pooled_spread(values, prior, prior_pairs)
    q = 1.0 + count
    height = (math.sqrt(q) / (1 - level)) ** (2 / (freedom + 1))
    radius = math.inf if height >= q else spread * math.sqrt(freedom * (height - 1) / (1 - height / q) / count)
    return mean(values) - radius, mean(values) + radius


# ---- successes and failures ----------------------------------------------------------------------------------------


def success_size(values: Sequence[float]) -> float:
    """The size of a success, from differences of successes and failures."""
    return max((abs(v) for v in values), default=0.0) or 1.0


def sign_e_value(wins: int, losses: int) -> float:
    """Exact e-value of "wins more often than it loses" from the pairs that differ, concordant ones left out.

    Mixture over the share of wins, uniform on (1/2, 1), against 1/2 (the sequential form of McNemar's test):
    e = 2^(n+1) B(w+1, l+1) (1 - I_{1/2}(w+1, l+1)).
    """
    a, b = wins + 1.0, losses + 1.0
    log = (wins + losses + 1) * math.log(2) + math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    return min(HUGE, math.exp(min(230.0, log)) * incomplete_beta(b, a, 0.5))


def sign_futility(wins: int, losses: int, hoped: float = 0.75) -> float:
    """Likelihood ratio of winning a share `hoped` of the pairs that differ, to winning half of them."""
    return math.exp(min(700.0, wins * math.log(2 * hoped) + losses * math.log(2 * (1 - hoped))))


def success_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Exact interval for the difference of two rates from pairs of successes and failures: Clopper and Pearson's for the
    share of wins less that for the share of losses, each at half the error (Bonferroni). `values` have two sizes at most:
    the size of a success, or 0."""
    size, count, tail = success_size(values), len(values), (1 - level) / 4

    def share(hits: int) -> tuple[float, float]:
        low = beta_quantile(tail, hits, count - hits + 1) if hits else 0.0
        return low, beta_quantile(1 - tail, hits + 1, count - hits) if hits < count else 1.0

    (least, most), (fewest, worst) = share(sum(v > 0 for v in values)), share(sum(v < 0 for v in values))
    return size * (least - worst), size * (most - fewest)
