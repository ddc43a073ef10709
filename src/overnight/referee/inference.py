"""The statistics of the referee: means, spreads, e-values and intervals of paired differences. Pure.

A positive difference means that the candidate is better. References stand at the functions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from overnight.referee.distributions import beta_quantile, incomplete_beta, student_cdf, student_quantile

HUGE = 1e100  # a t or an e-value beyond it is taken for it
TINY = 1e-300  # the least standard deviation
NORMAL = 1.4826  # a median absolute deviation in standard deviations of a normal distribution
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


def futility(values: Sequence[float], prior: float, prior_pairs: float, hoped: float) -> float:
    """Likelihood ratio of an effect of `hoped` standard deviations against none (normal, plug-in variance)."""
    _, spread = pooled_spread(values, prior, prior_pairs)
    count = len(values)
    score = student_t(values, spread) / math.sqrt(count)
    return math.exp(min(700.0, count * (hoped * score - hoped**2 / 2)))


def interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Student's interval for the mean of at least two differences, from their own spread alone: candidates differ in
    theirs, and a spread borrowed from others covers some too often and some too rarely."""
    freedom, spread = pooled_spread(values, 0.0, 0.0)
    radius = student_quantile(0.5 + level / 2, freedom) * spread / math.sqrt(len(values))
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
