"""The referee: paired differences in, the next step out. Pure: no clock, no files, no chance.

Everything is oriented so that a positive difference means that the candidate is better. The test is sequential and may
be stopped at any time: it keeps an e-value, a wager against "not better" that grows beyond 1/alpha with probability at
most alpha when the candidate is no better (Ville's inequality); what alpha is at a given moment of a track is decided by
its wealth. Covered: peeking, the winner's curse (the effect that is reported comes from fresh seeds alone), many
candidates in a night and many nights on a track, heavy tails, metrics without noise, metrics of success or failure.
Not covered: differences that depend on one another, as when a machine drifts between the two sides of a pair.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from overnight.referee.distributions import beta_quantile, incomplete_beta, student_cdf, student_quantile

HUGE = 1e100  # a t or an e-value beyond it is taken for it
TINY = 1e-300  # the least standard deviation
NORMAL = 1.4826  # a median absolute deviation in standard deviations of a normal distribution
SHOWN = 0.96  # level at which Student's interval covers 95 %: how many fresh pairs there are depends on what they show
NEGLIGIBLE = 1e-6  # share of the values' size below which a spread is none
EQUAL = 1e-6  # share of their size by which two differences without noise may differ and be the same

AGAIN = 4.0  # by how much more patient each further look is

Kind = Literal["deterministic", "noisy", "timing", "success"]
Decided = Literal["keep", "discard"]


class Policy(Struct, frozen=True):
    """How much evidence a keep takes.

    level        the share of keeps that may be false
    prior_pairs  how many pairs the variance known from earlier candidates is worth
    hoped        the effect in standard deviations that futility is judged against
    futile       likelihood ratio of the hoped effect to none under which a candidate is dropped
    quick        what `prior_pairs` is where only futility is at stake: a candidate's own spread is believed sooner
    most_pairs   race no longer than this
    fresh_pairs  at least so many pairs on seeds drawn after the commit, and at most `most_fresh`
    firm         standard errors by which those alone must be above zero
    reach        spreads beyond which a difference counts as no farther from the median
    least        difference of two rates that is looked for at all
    unusual      times the usual spread at which fresh pairs are too few to believe
    most_tries   the same as `most_pairs` where a run is a success or a failure; `fresh_tries` as `fresh_pairs`
    """

    level: float = 0.05
    prior_pairs: float = 5.0
    hoped: float = 1.5
    futile: float = 0.5
    quick: float = 3.0
    most_pairs: int = 14
    fresh_pairs: int = 4
    most_fresh: int = 8
    firm: float = 1.0
    reach: float = 3.0
    unusual: float = 10.0
    least: float = 0.15
    most_tries: int = 160
    fresh_tries: int = 24


class Evidence(Struct, frozen=True):
    """All that is known of one candidate.

    race        paired differences on common seeds; the earliest may stem from a stack or from an older frontier
    fresh       paired differences on seeds drawn after its commit
    variance    of one paired difference in a race, as known from the baseline and earlier candidates
    alpha       the level at which this claim may be made, from `alpha_wealth`
    worthwhile  smallest improvement that is worth a commit
    lighter     the change removes code, so that it needs only to be no worse
    looks       how often the candidate was taken up again, because there was nothing new to try
    """

    race: tuple[float, ...]
    fresh: tuple[float, ...]
    variance: float
    alpha: float = 0.1
    worthwhile: float = 0.0
    lighter: bool = False
    kind: Kind = "noisy"
    looks: int = 0


class More(Struct, frozen=True):
    """Measure further: so many pairs are wanted in all at this stage."""

    stage: Literal["race", "confirm"]
    pairs: int


class Ruling(Struct, frozen=True):
    """The end: keep or discard, why, and the evidence. `e_value` is to be compared with 1/alpha."""

    verdict: Decided
    reason: str
    effect: float
    interval: tuple[float, float] | None
    e_value: float


def next_step(evidence: Evidence, policy: Policy | None = None) -> More | Ruling:
    """What to do with a candidate: measure more, or the verdict."""
    policy = policy or Policy()
    if evidence.kind == "deterministic":
        return _exact(evidence)
    if evidence.kind == "success":
        return _tries(evidence, policy)
    return _confirm(evidence, policy) if evidence.fresh else _race(evidence, policy)


# ---- metrics with noise ----------------------------------------------------------------------------------------


def _race(evidence: Evidence, policy: Policy) -> More | Ruling:
    pairs = len(evidence.race)
    if not pairs:
        return More("race", 1)
    if _proof(evidence, policy) * evidence.alpha >= 1:
        return More("confirm", policy.fresh_pairs)
    race = [d + margin(evidence) for d in winsorized(evidence.race, evidence.variance, policy.reach)]
    if futility(race, evidence.variance, policy.quick, _hope(evidence, policy)) < patience(policy.futile, evidence):
        return _ruling("discard", "no sign of an improvement", evidence, policy)
    if pairs >= policy.most_pairs:
        return _ruling("discard", f"not shown to be better within {pairs} pairs", evidence, policy)
    return More("race", pairs + 1)


def _confirm(evidence: Evidence, policy: Policy) -> More | Ruling:
    pairs = len(evidence.fresh)
    if pairs < policy.fresh_pairs:
        return More("confirm", policy.fresh_pairs)
    if pairs < policy.most_fresh and _scattered(evidence, policy):
        return More("confirm", pairs + 1)
    proven = _proof(evidence, policy) * evidence.alpha >= 1 and _holds(evidence, policy)
    effect = _location(evidence.fresh, evidence, policy)
    if proven and effect >= evidence.worthwhile:
        return _ruling("keep", "better on fresh seeds", evidence, policy)
    if proven and margin(evidence):
        return _ruling("keep", "simplification: less code, and not worse by as much as is worthwhile", evidence, policy)
    if effect + margin(evidence) <= 0:
        return _ruling("discard", "did not hold on fresh seeds", evidence, policy)
    if proven:
        return _ruling("discard", "better, but by less than is worthwhile", evidence, policy)
    if pairs >= policy.most_fresh:
        return _ruling("discard", "not confirmed on fresh seeds", evidence, policy)
    return More("confirm", pairs + 1)


def margin(evidence: Evidence) -> float:
    """How much worse the candidate may be: `worthwhile` for one that removes code, where noise lets that be shown."""
    visible = evidence.worthwhile >= 0.5 * math.sqrt(evidence.variance)
    return evidence.worthwhile if evidence.lighter and visible else 0.0


def _hope(evidence: Evidence, policy: Policy) -> float:
    """The effect that futility is judged against; for a simplification, being no worse at all."""
    if not margin(evidence):
        return policy.hoped
    return min(policy.hoped, margin(evidence) / max(TINY, math.sqrt(evidence.variance)))


def _proof(evidence: Evidence, policy: Policy) -> float:
    """The e-value over everything."""
    values = winsorized((*evidence.race, *evidence.fresh), evidence.variance, policy.reach)
    return e_value([v + margin(evidence) for v in values], evidence.variance, policy.prior_pairs)


def _holds(evidence: Evidence, policy: Policy) -> bool:
    """Whether the fresh pairs by themselves speak for the candidate: their mean is `firm` standard errors above zero."""
    fresh = winsorized(evidence.fresh, evidence.variance, policy.reach)
    _, spread = pooled_spread(fresh, evidence.variance, policy.prior_pairs)
    return student_t([v + margin(evidence) for v in fresh], spread) >= policy.firm


def _scattered(evidence: Evidence, policy: Policy) -> bool:
    """Whether the fresh pairs lie so much farther apart than is usual that the middle of a few may be one that diverged."""
    middle = statistics.median(evidence.fresh)
    own = NORMAL * statistics.median(abs(d - middle) for d in evidence.fresh)
    return own > policy.unusual * math.sqrt(evidence.variance)


def _location(values: Sequence[float], evidence: Evidence, policy: Policy) -> float:
    return mean(winsorized(values, evidence.variance, policy.reach))


def _ruling(verdict: Decided, reason: str, evidence: Evidence, policy: Policy) -> Ruling:
    """The verdict with its evidence: of the fresh pairs alone, or of a race that ended by itself."""
    proof = _proof(evidence, policy)
    if len(evidence.fresh) > 1:
        shown = winsorized(evidence.fresh, evidence.variance, policy.reach)
        return Ruling(verdict, reason, mean(shown), interval(shown, SHOWN), proof)
    shown = winsorized(evidence.race, evidence.variance, policy.reach)
    wide = anytime_interval(shown, evidence.variance, policy.prior_pairs)
    return Ruling(verdict, reason, mean(shown), wide if math.isfinite(wide[1] - wide[0]) else None, proof)


# ---- metrics without noise -------------------------------------------------------------------------------------


def _exact(evidence: Evidence) -> More | Ruling:
    """One run decides; before a keep it is repeated on a fresh seed, which must give the same number (on two, where the
    first run was compared with an older frontier)."""
    if not evidence.race:
        return More("race", 1)
    effect = (*evidence.race, *evidence.fresh)[-1]
    better = effect > 0 and effect >= evidence.worthwhile
    plain = evidence.lighter and (effect >= 0 or effect > -evidence.worthwhile)
    if not better and not plain:
        small = "better, but by less than is worthwhile" if effect > 0 else "no better; this metric has no noise"
        return Ruling("discard", small, effect, (effect, effect), 0.0)
    alike = [math.isclose(d, effect, rel_tol=EQUAL) for d in (evidence.race[-1], *evidence.fresh)]
    if evidence.fresh and (all(alike) or (all(alike[1:]) and len(evidence.fresh) > 1)):
        what = "better" if better else "simplification: less code, and not worse by as much as is worthwhile"
        return Ruling("keep", what, effect, (effect, effect), HUGE)
    if len(evidence.fresh) > 1:
        return Ruling("discard", "its number depends on the seed, while the frontier's does not", mean(evidence.fresh),
                      (min(evidence.fresh), max(evidence.fresh)), 0.0)
    return More("confirm", len(evidence.fresh) + 1)


# ---- successes and failures ------------------------------------------------------------------------------------


def _tries(evidence: Evidence, policy: Policy) -> More | Ruling:
    """Pairs on which both sides do the same say nothing; the others are tossed coins if the candidate is no better."""
    seen = (*evidence.race, *evidence.fresh)
    wins, losses = sum(d > 0 for d in seen), sum(d < 0 for d in seen)
    proven = sign_e_value(wins, losses) * evidence.alpha >= 1

    def end(verdict: Decided, reason: str) -> Ruling:
        shown = evidence.fresh or evidence.race
        return Ruling(verdict, reason, mean(shown), success_interval(shown), sign_e_value(wins, losses))

    if not evidence.fresh:
        if proven:
            return More("confirm", policy.fresh_tries)
        hopeless = seen and success_interval(seen, 0.6)[1] < max(policy.least * _size(seen), evidence.worthwhile)
        if hopeless or sign_futility(wins, losses) < patience(policy.futile, evidence) / 4:
            return end("discard", "no sign of an improvement")
        if len(seen) >= policy.most_tries:
            return end("discard", f"not shown to be better within {len(seen)} pairs")
        return More("race", len(seen) + 1)
    if len(evidence.fresh) < policy.fresh_tries:
        return More("confirm", policy.fresh_tries)
    effect = mean(evidence.fresh)
    won, lost = sum(d > 0 for d in evidence.fresh), sum(d < 0 for d in evidence.fresh)
    if not proven or won - lost < max(2.0, policy.firm * math.sqrt(won + lost)):
        return end("discard", "did not hold on fresh seeds")
    return end("keep", "better on fresh seeds") if effect >= evidence.worthwhile else end(
        "discard", "better, but by less than is worthwhile")


def _size(values: Sequence[float]) -> float:
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
    size, count, tail = _size(values), len(values), (1 - level) / 4

    def share(hits: int) -> tuple[float, float]:
        low = beta_quantile(tail, hits, count - hits + 1) if hits else 0.0
        return low, beta_quantile(1 - tail, hits + 1, count - hits) if hits < count else 1.0

    (least, most), (fewest, worst) = share(sum(v > 0 for v in values)), share(sum(v < 0 for v in values))
    return size * (least - worst), size * (most - fewest)


# ---- the statistics --------------------------------------------------------------------------------------------


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


def patience(futile: float, evidence: Evidence) -> float:
    """The likelihood ratio under which a candidate is dropped.

    Lower when there is nothing new to try. Going on is free of charge for an e-value: it may be stopped, and taken up again,
    at any time.
    """
    return futile / AGAIN**evidence.looks


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


def alpha_wealth(level: float, keeps: int, runs: int) -> float:
    """The level at which the next claim of a track may be made, at most half as much again as `level`.

    A track may spend `level` of its keeps on false ones. It begins with a small gift, earns with every keep and spreads
    what it has over the claims that its runs amount to, as in alpha investing (Foster and Stine 2008) and e-LOND (Xu and
    Ramdas 2024): alpha = 1.25 level (0.3 + keeps)/(2 + runs/75). Most candidates end at their first run and never come to a
    claim, so the constants are not those of the theorems; they were set by simulation (`bench referee`), which is
    what the promise rests on. Runs and keeps are the track's, so that several nights share one wealth.
    """
    return min(1.5, 1.25 * (0.3 + keeps) / (2.0 + runs / 75.0)) * level
