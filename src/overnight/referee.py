"""The referee: paired differences in, the next step out. Pure: no clock, no files, no chance.

Everything is oriented so that a positive difference means that the candidate is better. The test is sequential and may
be stopped at any time: it keeps an e-value, a wager against "not better" that grows beyond 1/alpha with probability at
most alpha when the candidate is no better (Ville's inequality). Covered: peeking, the winner's curse (the effect that
is reported comes from fresh seeds alone), many candidates in one night (the odds of the night). Not covered yet: heavy
tails, metrics of success or failure, interleaved timing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

HUGE = 1e100  # a t beyond it is taken for it
TINY = 1e-300  # the least standard deviation

class Policy(Struct, frozen=True):
    """How much evidence a keep takes.

    threshold    e-value at which a candidate may be kept (20: at most 1 in 20 for one candidate that is no better)
    promising    e-value on common seeds from which it is worth confirming on fresh ones
    prior_pairs  how many pairs the variance known from earlier candidates is worth
    hoped        the effect in standard deviations that futility is judged against
    futile       likelihood ratio of the hoped effect to none under which a candidate is dropped
    most_pairs   race no longer than this
    fresh_pairs  at least so many pairs on seeds drawn after the commit, and at most `most_fresh`
    """

    threshold: float = 20.0
    promising: float = 8.0
    prior_pairs: float = 5.0
    hoped: float = 1.5
    futile: float = 0.7
    most_pairs: int = 14
    fresh_pairs: int = 3
    most_fresh: int = 8


class Evidence(Struct, frozen=True):
    """All that is known of one candidate.

    race        paired differences on common seeds
    fresh       paired differences on seeds drawn after its commit
    variance    of one paired difference, as known from the baseline and earlier candidates
    odds        of the night: scales the e-value down while nothing is found
    worthwhile  smallest improvement that is worth a commit
    """

    race: tuple[float, ...]
    fresh: tuple[float, ...]
    variance: float
    odds: float = 1.0
    worthwhile: float = 0.0


class More(Struct, frozen=True):
    """Measure further: so many pairs are wanted in all at this stage."""

    stage: Literal["race", "confirm"]
    pairs: int


class Ruling(Struct, frozen=True):
    """The end: keep or discard, why, and the evidence."""

    verdict: Literal["keep", "discard"]
    reason: str
    effect: float
    interval: tuple[float, float]
    e_value: float


def next_step(evidence: Evidence, policy: Policy | None = None) -> More | Ruling:
    """What to do with a candidate: measure more, or the verdict."""
    policy = policy or Policy()
    return _confirm(evidence, policy) if evidence.fresh else _race(evidence, policy)


def _race(evidence: Evidence, policy: Policy) -> More | Ruling:
    pairs = len(evidence.race)
    if not pairs:
        return More("race", 1)
    if futility(evidence.race, evidence.variance, policy) < policy.futile:
        return _ruling("discard", "no sign of an improvement", evidence, policy)
    if evidence.odds * e_value(evidence.race, evidence.variance, policy.prior_pairs) >= policy.promising:
        return More("confirm", policy.fresh_pairs)
    if pairs >= policy.most_pairs:
        return _ruling("discard", f"not shown to be better within {pairs} pairs", evidence, policy)
    return More("race", pairs + 1)


def _confirm(evidence: Evidence, policy: Policy) -> More | Ruling:
    pairs = len(evidence.fresh)
    if pairs < policy.fresh_pairs:
        return More("confirm", policy.fresh_pairs)
    both = (*evidence.race, *evidence.fresh)
    effect = mean(evidence.fresh)
    lower = interval(evidence.fresh, evidence.variance, policy.prior_pairs)[0]
    strong = evidence.odds * e_value(both, evidence.variance, policy.prior_pairs) >= policy.threshold
    if strong and lower > 0 and effect >= evidence.worthwhile:
        return _ruling("keep", "better on fresh seeds", evidence, policy)
    if effect <= 0:
        return _ruling("discard", "did not hold on fresh seeds", evidence, policy)
    if strong and lower > 0:
        return _ruling("discard", "better, but by less than is worthwhile", evidence, policy)
    if pairs >= policy.most_fresh or futility(both, evidence.variance, policy) < policy.futile:
        return _ruling("discard", "not confirmed on fresh seeds", evidence, policy)
    return More("confirm", pairs + 1)


def _ruling(verdict: Literal["keep", "discard"], reason: str, evidence: Evidence, policy: Policy) -> Ruling:
    shown = evidence.fresh or evidence.race
    both = (*evidence.race, *evidence.fresh)
    return Ruling(verdict, reason, mean(shown), interval(shown, evidence.variance, policy.prior_pairs),
                  evidence.odds * e_value(both, evidence.variance, policy.prior_pairs))


# ---- the statistics --------------------------------------------------------------------------------------------


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean of at least one number."""
    return math.fsum(values) / len(values)


def squares(values: Sequence[float]) -> float:
    """Sum of squares about the mean."""
    centre = mean(values)
    return math.fsum((v - centre) ** 2 for v in values)


def pooled_spread(values: Sequence[float], prior: float, prior_pairs: float) -> tuple[float, float]:
    """(degrees of freedom, standard deviation) of these differences pooled with a prior variance worth `prior_pairs`.

    No square is taken, so that no number is too large or too small.
    """
    freedom, centre = prior_pairs + len(values) - 1, mean(values)
    spread = math.hypot(math.sqrt(prior_pairs * prior), *(v - centre for v in values)) / math.sqrt(freedom)
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


def futility(values: Sequence[float], prior: float, policy: Policy) -> float:
    """Likelihood ratio of an effect of `hoped` standard deviations against none (normal, plug-in variance)."""
    _, spread = pooled_spread(values, prior, policy.prior_pairs)
    count = len(values)
    score = student_t(values, spread) / math.sqrt(count)
    return math.exp(min(700.0, count * (policy.hoped * score - policy.hoped**2 / 2)))


def interval(values: Sequence[float], prior: float, prior_pairs: float, level: float = 0.95) -> tuple[float, float]:
    """Student interval for the mean difference, the variance pooled as above."""
    freedom, spread = pooled_spread(values, prior, prior_pairs)
    radius = student_quantile(0.5 + level / 2, freedom) * spread / math.sqrt(len(values))
    return mean(values) - radius, mean(values) + radius


def night_odds(keeps: int, runs: int) -> float:
    """How believable an improvement is on this night: low after many runs without a keep, at most 2.5."""
    return min(2.5, (0.3 + keeps) / (2 + runs / 75))


def student_cdf(t: float, freedom: float) -> float:
    """P(T <= t) for Student's t, through the regularised incomplete beta function."""
    square = t * t
    if square < freedom:  # near the middle the tail has lost its digits
        return 0.5 + math.copysign(0.5 * incomplete_beta(0.5, freedom / 2, square / (freedom + square)), t)
    tail = 0.5 * incomplete_beta(freedom / 2, 0.5, freedom / (freedom + square))
    return 1.0 - tail if t > 0 else tail


@functools.lru_cache(maxsize=4096)
def student_quantile(p: float, freedom: float) -> float:
    """The t with P(T <= t) = p for 1/2 <= p < 1, by bisection."""
    low, high = 0.0, 1.0
    while student_cdf(high, freedom) < p:
        high *= 2.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < p else (low, middle)
    return (low + high) / 2


def incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b), by Lentz's continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    tiny = 1e-300
    c, d = 1.0, 1.0 / max(tiny, 1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for step in (even, odd):
            d = 1.0 / ((1.0 + step * d) or tiny)
            c = (1.0 + step / c) or tiny
            value *= d * c
        if abs(value - before) <= 1e-15 * abs(value):
            break
    return value
