"""A metric that scatters over seeds: a race on common seeds, then a confirmation on fresh ones. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from overnight.referee import inference
from overnight.referee.decision import Decided, Evidence, More, Policy, Ruling, futility_threshold, margin
from overnight.referee.kinds.kind import Calibration, Kind

SHOWN = 0.96  # level at which Student's interval covers 95 %: how many fresh pairs there are depends on what they show


class Noisy(Kind):
    """What every metric is taken for that shows nothing else."""

    name = "noisy"
    robust = True

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
        """Race until the e-value is high enough or the change is unlikely to succeed, then confirm."""
        return _confirm(evidence, policy) if evidence.fresh else _race(evidence, policy)

    def shown_by(self, calibration: Calibration) -> bool:
        """Always."""
        return True


def _race(evidence: Evidence, policy: Policy) -> More | Ruling:
    pairs = len(evidence.race)
    if not pairs:
        return More("race", 1)
    if _proof(evidence, policy) * evidence.alpha >= 1:
        return More("confirm", policy.fresh_pairs)
    race = [d + margin(evidence) for d in inference.winsorized(evidence.race, evidence.variance, policy.reach)]
    ratio = inference.futility(race, evidence.variance, policy.quick, _hope(evidence, policy))
    if ratio < futility_threshold(policy.futile, evidence):
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


def _hope(evidence: Evidence, policy: Policy) -> float:
    """The effect that futility is judged against; for a simplification, being no worse at all."""
    if not margin(evidence):
        return policy.hoped
    return min(policy.hoped, margin(evidence) / max(inference.TINY, math.sqrt(evidence.variance)))


def _proof(evidence: Evidence, policy: Policy) -> float:
    """The e-value over everything."""
    values = inference.winsorized((*evidence.race, *evidence.fresh), evidence.variance, policy.reach)
    return inference.e_value([v + margin(evidence) for v in values], evidence.variance, policy.prior_pairs)


def _holds(evidence: Evidence, policy: Policy) -> bool:
    """Whether the fresh pairs by themselves speak for the candidate: their mean is `firm` standard errors above zero."""
    fresh = inference.winsorized(evidence.fresh, evidence.variance, policy.reach)
    _, spread = inference.pooled_spread(fresh, evidence.variance, policy.prior_pairs)
    return inference.student_t([v + margin(evidence) for v in fresh], spread) >= policy.firm


def _scattered(evidence: Evidence, policy: Policy) -> bool:
    """Whether the fresh pairs lie so much farther apart than is usual that the middle of a few may be one that diverged."""
    middle = statistics.median(evidence.fresh)
    own = inference.NORMAL * statistics.median(abs(d - middle) for d in evidence.fresh)
    return own > policy.unusual * math.sqrt(evidence.variance)


def _location(values: Sequence[float], evidence: Evidence, policy: Policy) -> float:
    return inference.mean(inference.winsorized(values, evidence.variance, policy.reach))


def _ruling(verdict: Decided, reason: str, evidence: Evidence, policy: Policy) -> Ruling:
    """The verdict with its evidence: of the fresh pairs alone, or of a race that ended by itself."""
    proof = _proof(evidence, policy)
    if len(evidence.fresh) > 1:
        shown = inference.winsorized(evidence.fresh, evidence.variance, policy.reach)
        return Ruling(verdict, reason, inference.mean(shown), inference.interval(shown, SHOWN), proof)
    shown = inference.winsorized(evidence.race, evidence.variance, policy.reach)
    wide = inference.anytime_interval(shown, evidence.variance, policy.prior_pairs)
    return Ruling(verdict, reason, inference.mean(shown), wide if math.isfinite(wide[1] - wide[0]) else None, proof)
