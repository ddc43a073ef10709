"""A metric that is a success or a failure on each seed. Pure."""

from __future__ import annotations

import math

from overnight.referee.decision import Decided, Evidence, More, Policy, Ruling, futility_threshold
from overnight.referee.inference import mean, sign_e_value, sign_futility, success_interval, success_size
from overnight.referee.kinds.kind import Calibration, Kind


class Success(Kind):
    """What is 0 or 1 on each seed."""

    name = "success"
    stacks = False

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
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
            hopeless = seen and success_interval(seen, 0.6)[1] < max(policy.least * success_size(seen), evidence.worthwhile)
            if hopeless or sign_futility(wins, losses) < futility_threshold(policy.futile, evidence) / 4:
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

    def shown_by(self, calibration: Calibration) -> bool:
        """Whether the baseline gave nothing but 0 and 1."""
        return set(calibration.seeds) <= {0.0, 1.0}
