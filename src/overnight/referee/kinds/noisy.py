"""A metric that scatters over seeds: a race on common seeds, then a confirmation on fresh ones. Pure.

The race screens and proves nothing. What is tested is the confirmation: its fresh pairs alone, by an e-value that knows
nothing of their spread, at the level of its claim.
"""

from __future__ import annotations

import math
from typing import Literal

from msgspec import structs

from overnight.referee import inference
from overnight.referee.decision import Claim, Decided, Evidence, More, Policy, Ruling, futility_threshold, margin, same
from overnight.referee.findings import proof_pairs
from overnight.referee.kinds import patience
from overnight.referee.kinds.kind import Calibration, Kind

SHOWN = 0.96  # level at which Student's interval covers 95 %: how many fresh pairs there are depends on what they show
LEAST_SPREAD = 0.35  # of what is usual, below which fresh pairs are not believed to scatter
ENOUGH, FAR = 4, 5.0  # fresh pairs from which on none counts as farther from their median than so many of their own spreads
TYPICAL = 1.0  # effects, in standard deviations of a pair, that are thought of before a race: their spread about 0
MOST_SEEN = 30.0  # standard deviations of a pair beyond which it makes no difference how many
DOUBT = 0.1  # variance of what a race says that no number of its pairs takes away
WAGERS = ((0.8, None), (0.2, (0.0, 4.0)))  # shares of what is wagered on what: None is what the race says


class Noisy(Kind):
    """What every metric is taken for that shows nothing else."""

    name = "noisy"
    steady = True
    robust = True

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
        """Race until it is worth a claim or unlikely to succeed, then confirm."""
        if same(evidence):
            return _simplified(evidence, policy)
        return _race(evidence, policy) if evidence.claim is None else _confirm(evidence, evidence.claim, policy)

    def claims(self, evidence: Evidence) -> bool:
        """All but a simplification that gives the same numbers."""
        return not same(evidence)

    def claim(self, evidence: Evidence, policy: Policy) -> Claim:
        """Of an effect such as the race shows."""
        return Claim(evidence.alpha, *_raced(evidence, policy))

    def proof(self, evidence: Evidence, policy: Policy) -> float:
        """Of the fresh pairs alone."""
        return _proof(evidence, evidence.claim, policy) if evidence.claim else 1.0

    def odds(self, evidence: Evidence, policy: Policy) -> tuple[float, float] | None:
        """Of the race as it is screened, then of the fresh pairs."""
        if evidence.claim is not None:
            return _proof(evidence, evidence.claim, policy), 1 / evidence.claim.alpha
        race = _seen(evidence, policy)
        if not race or same(evidence):
            return None
        return inference.e_value(race, evidence.variance, policy.prior_pairs), policy.screen

    def shown_by(self, calibration: Calibration) -> bool:
        """Always."""
        return True


def _simplified(evidence: Evidence, policy: Policy) -> More | Ruling:
    """A simplification that has given the same numbers so far."""
    if len(evidence.race) < policy.equal_pairs and not evidence.fresh:
        return More("race", len(evidence.race) + 1)
    if len(evidence.fresh) < policy.equal_pairs:
        return More("confirm", policy.equal_pairs)
    seeds = len(evidence.race) + len(evidence.fresh)
    return Ruling("keep", f"simplification: the same numbers on {seeds} seeds", 0.0, (0.0, 0.0), 1.0)


def _seen(evidence: Evidence, policy: Policy) -> list[float]:
    """The race, none of it too far from its middle, and as much better as the change may be worse."""
    return [d + margin(evidence) for d in inference.winsorized(evidence.race, evidence.variance, policy.reach)]


def _race(evidence: Evidence, policy: Policy) -> More | Ruling:
    pairs = len(evidence.race)
    if not pairs:
        return More("race", 1)
    race = _seen(evidence, policy)
    if inference.e_value(race, evidence.variance, policy.prior_pairs) >= policy.screen:
        return More("confirm", _first(Claim(evidence.alpha, *_raced(evidence, policy)), policy))
    if _patient(evidence):
        return _go_on("race", evidence, policy, 1.0)
    ratio = inference.futility(race, evidence.variance, policy.quick, _hope(evidence, policy))
    if ratio < futility_threshold(policy.futile, evidence):
        return _unproven("no sign of an improvement", evidence, policy, ratio)
    if pairs >= policy.most_pairs:
        return _unproven(f"not shown to be better within {pairs} pairs", evidence, policy, ratio)
    return More("race", pairs + 1)


def _confirm(evidence: Evidence, claim: Claim, policy: Policy) -> More | Ruling:
    pairs, first = len(evidence.fresh), _first(claim, policy)
    if pairs < policy.fresh_pairs:
        return More("confirm", first)
    proof = _proof(evidence, claim, policy)
    if proof * claim.alpha >= 1:
        return _proven(evidence, policy, proof)
    if _patient(evidence):
        return _go_on("confirm", evidence, policy, proof)
    if proof < policy.hopeless:
        return _unproven("did not hold on fresh seeds", evidence, policy, proof)
    if pairs >= policy.most_fresh:
        return _unproven("not confirmed on fresh seeds", evidence, policy, proof)
    return More("confirm", max(first, pairs + 1))


def _patient(evidence: Evidence) -> bool:
    """Whether it goes on until it is proven or not worth having; what removes code need only be no worse."""
    return evidence.patient and not margin(evidence)


def _go_on(stage: Literal["race", "confirm"], evidence: Evidence, policy: Policy, proof: float) -> More | Ruling:
    """What is not proven goes on while it may well be worth having."""
    if over := patience.ends(evidence, policy, policy.patient_pairs):
        return structs.replace(_ruling("discard", over[0], evidence, policy, proof), unproven=over[1])
    return More(stage, len(evidence.fresh if stage == "confirm" else evidence.race) + patience.AT_ONCE)


def _unproven(reason: str, evidence: Evidence, policy: Policy, proof: float) -> Ruling:
    return structs.replace(_ruling("discard", reason, evidence, policy, proof), unproven=not margin(evidence))


def _proof(evidence: Evidence, claim: Claim, policy: Policy) -> float:
    proof = 1.0
    for count in range(policy.fresh_pairs, len(evidence.fresh) + 1):
        proof = _wager(evidence, count, claim)
        if proof * claim.alpha >= 1:
            break
    return proof


def _proven(evidence: Evidence, policy: Policy, proof: float) -> More | Ruling:
    """What is better at its level is kept where its interval says so too, and it is worth a commit."""
    keep = _ruling("keep", "better on fresh seeds", evidence, policy, proof)
    assert keep.interval is not None
    if keep.interval[0] + margin(evidence) <= 0:
        if _patient(evidence):
            return _go_on("confirm", evidence, policy, proof)
        if len(evidence.fresh) < policy.most_fresh:
            return More("confirm", len(evidence.fresh) + 1)
        return _unproven("not confirmed on fresh seeds", evidence, policy, proof)
    if keep.effect >= evidence.worthwhile:
        return keep
    if margin(evidence):
        return _ruling("keep", "simplification: not worse by as much as is worthwhile", evidence, policy, proof)
    return _ruling("discard", "better, but by less than is worthwhile", evidence, policy, proof)


def _hope(evidence: Evidence, policy: Policy) -> float:
    """The effect that futility is judged against; for a simplification, being no worse at all."""
    if not margin(evidence):
        return policy.hoped
    return min(policy.hoped, margin(evidence) / max(inference.TINY, math.sqrt(evidence.variance)))


def _raced(evidence: Evidence, policy: Policy) -> tuple[float, float]:
    """What the race says of the effect in standard deviations of a pair, mean and variance, shrunk for it was selected."""
    race = _seen(evidence, policy)
    if not race:
        return 0.0, 1.0
    freedom, spread = inference.pooled_spread(race, evidence.variance, policy.quick)
    seen = min(MOST_SEEN, inference.mean(race) / spread)
    middle = max(0.0, seen * _share(race, spread))
    return middle, 1 / _weight(race, spread) + DOUBT + middle * middle / (2 * freedom)


def _weight(race: list[float], spread: float) -> float:
    """Pairs that the race is worth with what is thought before it. What is very large is no mere luck, and hardly shrunk."""
    return len(race) + 1 / max(TYPICAL, min(MOST_SEEN, inference.mean(race) / spread) / 2)**2


def _share(race: list[float], spread: float) -> float:
    """Of what the race shows, what is believed."""
    return len(race) / _weight(race, spread)


def _first(claim: Claim, policy: Policy) -> int:
    """How many fresh pairs are asked for at once: fewer than a proof will take."""
    return max(policy.fresh_pairs, min(policy.most_fresh // 2, proof_pairs(claim.middle, claim.alpha) // 3))


def _wager(evidence: Evidence, count: int, claim: Claim) -> float:
    """The e-value of the first so many fresh pairs: a mixture of what the race says and of what it may not know."""
    fresh = evidence.fresh[:count] if count < ENOUGH else inference.winsorized(evidence.fresh[:count], 0.0, FAR)
    fresh = tuple(d + margin(evidence) for d in fresh)
    said = claim.middle, claim.variance
    return math.fsum(share * inference.fresh_e_value(fresh, *(prior or said)) for share, prior in WAGERS)


def _ruling(verdict: Decided, reason: str, evidence: Evidence, policy: Policy, proof: float) -> Ruling:
    """The verdict with its evidence: of the fresh pairs alone, or of a race that ended by itself."""
    if len(evidence.fresh) > 1:
        shown = inference.winsorized(evidence.fresh, evidence.variance, policy.reach)
        low, high = _interval(shown, evidence)
        return Ruling(verdict, reason, min(max(_shrunk(shown, evidence, policy), low), high), (low, high), proof)
    shown = inference.winsorized(evidence.race, evidence.variance, policy.reach)
    wide = inference.anytime_interval(shown, evidence.variance, policy.prior_pairs)
    proof = inference.e_value(shown, evidence.variance, policy.prior_pairs)
    return Ruling(verdict, reason, inference.mean(shown), wide if math.isfinite(wide[1] - wide[0]) else None, proof)


def _interval(fresh: list[float], evidence: Evidence) -> tuple[float, float]:
    """Student's, by their own spread: candidates differ in theirs. Where that is very small by chance, or because numbers come
    in steps, by a share of the usual one."""
    return inference.interval(fresh, SHOWN, LEAST_SPREAD * math.sqrt(evidence.variance))


def _shrunk(fresh: list[float], evidence: Evidence, policy: Policy) -> float:
    """The mean of the fresh pairs, drawn towards what the race says: they were stopped by what they showed."""
    race = _seen(evidence, policy)
    if not race:
        return inference.mean(fresh)
    _, spread = inference.pooled_spread(race, evidence.variance, policy.quick)
    doubt = evidence.claim.variance if evidence.claim else _raced(evidence, policy)[1]
    share = len(fresh) / (len(fresh) + 1 / doubt)
    said = inference.mean(race) * _share(race, spread) - margin(evidence)
    return share * inference.mean(fresh) + (1 - share) * said
