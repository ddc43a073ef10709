"""What a run is worth: the improvement that may be expected of it, so that screening, racing and confirming compete. Pure.

An index for each open experiment: the chance that it is a true improvement, over the runs that its verdict still takes.
The chance comes from the same two hypotheses that futility compares, the remaining runs from how fast the e-value grows
under the hopeful one. It is right about the order, not about the size.
"""

from __future__ import annotations

import math

from overnight.referee import inference
from overnight.referee.decision import Evidence, Policy

CHANCE = 0.05  # that an untried change is an improvement
FRESH = CHANCE / 6  # worth of a run that looks at something new; most of what it finds is found for several runs


def of(evidence: Evidence, policy: Policy) -> float:
    """The worth of the next run of an experiment that has been measured."""
    seen = (*evidence.race, *evidence.fresh)
    if not seen:
        return FRESH
    tamed = inference.winsorized(seen, evidence.variance, policy.reach)
    ratio = inference.futility(tamed, evidence.variance, policy.quick, policy.hoped)
    odds = ratio * CHANCE / (1 - CHANCE)
    return odds / (1 + odds) / remaining(evidence, policy)


def remaining(evidence: Evidence, policy: Policy) -> float:
    """Runs until a keep, if the candidate is as good as is hoped: those of the race, then both sides of the fresh pairs."""
    confirming = 2.0 * max(1, policy.fresh_pairs - len(evidence.fresh))
    if evidence.claim:
        return confirming
    wanted = math.log(policy.screen)
    growth = math.log(1 + policy.hoped**2) / 2  # of the logarithm of the e-value for each pair, with the variance known
    have = math.log(max(inference.TINY, inference.e_value(evidence.race or (0.0,), evidence.variance, policy.prior_pairs)))
    return max(1.0, (wanted - have) / growth) + confirming
