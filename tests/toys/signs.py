"""A metric of which only the order counts: judged by how many pairs are better, not by how much. Pure."""

from __future__ import annotations

import statistics

from overnight.referee.decision import Decided, Evidence, More, Policy, Ruling, futility_threshold
from overnight.referee.inference import sign_e_value, sign_futility
from overnight.referee.kinds.kind import Kind

MOST, FRESH, FIRM = 60, 8, 7  # pairs of a race; fresh pairs, and how many of them must be better


class Signs(Kind):
    """What is measured on a scale whose steps do not compare. The contract must name it: no baseline shows it."""

    name = "signs"
    stacks = False
    robust = True

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
        """Each pair is a coin that is fair where the candidate is no better."""
        seen = (*evidence.race, *evidence.fresh)
        wins, losses = sum(d > 0 for d in seen), sum(d < 0 for d in seen)
        proof = sign_e_value(wins, losses)

        def end(verdict: Decided, reason: str) -> Ruling:
            return Ruling(verdict, reason, statistics.median(evidence.fresh or seen), None, proof)

        if not evidence.fresh and proof * evidence.alpha < 1:
            hopeless = sign_futility(wins, losses) < futility_threshold(policy.futile, evidence) / 4
            return end("discard", "no sign of an improvement") if hopeless or len(seen) >= MOST else More("race", len(seen) + 1)
        if len(evidence.fresh) < FRESH:
            return More("confirm", FRESH)
        if proof * evidence.alpha < 1 or sum(d > 0 for d in evidence.fresh) < FIRM:
            return end("discard", "did not hold on fresh seeds")
        worthwhile = statistics.median(evidence.fresh) >= evidence.worthwhile
        return end("keep", "better on fresh seeds") if worthwhile else end("discard", "better, but by less than is worthwhile")
