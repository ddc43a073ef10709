"""A metric that is a success or a failure on each seed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from overnight.referee.decision import Decided, Evidence, More, Policy, Ruling, futility_threshold
from overnight.referee.inference import mean, sign_e_value, sign_futility, success_interval, success_size
from overnight.referee.kinds import patience
from overnight.referee.kinds.kind import Calibration, Kind


class Success(Kind):
    """What is 0 or 1 on each seed."""

    name = "success"
    stacks = False

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
        """Pairs on which both sides do the same say nothing; the others are tossed coins if the candidate is no better."""
        if evidence.claim is not None:
            return _confirm(evidence, evidence.claim.alpha, policy)
        wins, losses = _told(evidence.race)
        seen = len(evidence.race)
        if sign_e_value(wins, losses) >= policy.screen:
            return More("confirm", policy.fresh_tries)
        if evidence.patient:
            return _go_on("race", evidence, policy, sign_e_value(wins, losses))
        hopeless = seen and success_interval(evidence.race, 0.6)[1] < max(
            policy.least * success_size(evidence.race), evidence.worthwhile)
        if hopeless or sign_futility(wins, losses) < futility_threshold(policy.futile, evidence) / 4:
            return _unproven("no sign of an improvement", evidence.race, sign_e_value(wins, losses))
        if seen >= policy.most_tries:
            return _unproven(f"not shown to be better within {seen} pairs", evidence.race, sign_e_value(wins, losses))
        return More("race", seen + 1)

    def proof(self, evidence: Evidence, policy: Policy) -> float:
        """Of the fresh pairs alone."""
        return _proof(evidence.fresh, evidence.claim.alpha) if evidence.claim else 1.0

    def odds(self, evidence: Evidence, policy: Policy) -> tuple[float, float] | None:
        """Of the race as it is screened, then of the fresh pairs."""
        if evidence.claim is not None:
            return _proof(evidence.fresh, evidence.claim.alpha), 1 / evidence.claim.alpha
        return (sign_e_value(*_told(evidence.race)), policy.screen) if evidence.race else None

    def shown_by(self, calibration: Calibration) -> bool:
        """Whether every run gave 0 or 1, and not all of one commit the same."""
        return set(calibration.seeds) <= {0.0, 1.0} and not calibration.beyond and (
            calibration.varies or len(set(calibration.seeds)) > 1)


def _told(values: Sequence[float]) -> tuple[int, int]:
    """Wins and losses."""
    return sum(v > 0 for v in values), sum(v < 0 for v in values)


def _proof(fresh: Sequence[float], alpha: float) -> float:
    """The first e-value that suffices at this level, or else the latest."""
    proof = 1.0
    for count in range(1, len(fresh) + 1):
        proof = sign_e_value(*_told(fresh[:count]))
        if proof * alpha >= 1:
            break
    return proof


def _confirm(evidence: Evidence, alpha: float, policy: Policy) -> More | Ruling:
    fresh = evidence.fresh
    if not fresh:
        return More("confirm", policy.fresh_tries)
    proof, (won, lost) = _proof(fresh, alpha), _told(fresh)
    if proof * alpha >= 1:
        shown = _ruling("keep", "better on fresh seeds", fresh, proof)
        if shown.interval and shown.interval[0] > 0:
            return shown if shown.effect >= evidence.worthwhile else _ruling(
                "discard", "better, but by less than is worthwhile", fresh, proof)
    elif won <= lost and len(fresh) >= policy.fresh_tries and not evidence.patient:
        return _unproven("did not hold on fresh seeds", fresh, proof)
    if evidence.patient:
        return _go_on("confirm", evidence, policy, proof)
    if len(fresh) >= policy.most_tries:
        return _unproven("not confirmed on fresh seeds", fresh, proof)
    return More("confirm", max(policy.fresh_tries, len(fresh) + 1))


def _go_on(stage: Literal["race", "confirm"], evidence: Evidence, policy: Policy, proof: float) -> More | Ruling:
    """What is not proven goes on while it may well be worth having."""
    if over := patience.ends(evidence, policy, policy.patient_tries):
        return _ruling("discard", over[0], evidence.fresh or evidence.race, proof, over[1])
    return More(stage, len(evidence.fresh if stage == "confirm" else evidence.race) + patience.AT_ONCE)


def _unproven(reason: str, values: Sequence[float], proof: float) -> Ruling:
    return _ruling("discard", reason, values, proof, True)


def _ruling(verdict: Decided, reason: str, values: Sequence[float], proof: float, unproven: bool = False) -> Ruling:
    return Ruling(verdict, reason, mean(values), success_interval(values), proof, unproven)
