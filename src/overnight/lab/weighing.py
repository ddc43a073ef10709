"""New evidence of an experiment is taken to the referee, and what it says is noted on the experiment. Pure.

Part of the replay, so that a replayed state knows what the live one knew; the Lab records what follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from overnight.lab.events import Weighed
from overnight.lab.experiment import SCATTERS, Experiment
from overnight.lab.measurements import MOST_SCATTER, Runs
from overnight.referee import decision, failures, findings, guards, holdout, inference, kinds, noise, priority
from overnight.referee.wealth import Wealth

OVERLAP = 0.5  # share of what it gained on an older frontier below which a keep is said to overlap with later ones

EARNED = 5.0  # of its own standard deviations: a larger gain earns it, for what hardly learns scatters little


def weigh(experiment: Experiment, known: Runs, policy: decision.Policy, alpha: float, commit: str) -> None:
    """Judge what is known of an experiment at the level `alpha`, where the frontier is at `commit`; what follows stands in its
    `decided`, `confirming` and `priority`."""
    if experiment.decided and experiment.decided[2] is None:
        return  # it crashed or fell behind: nothing that is measured now changes that
    if _fails(experiment, known):
        experiment.decided = ("crash", experiment.reason, None)
        return
    race, fresh = known.pairs(experiment)
    pairs = len(race) + len(fresh)
    if not pairs or (pairs, len(fresh)) == (experiment.pairs, experiment.fresh_pairs):
        return
    experiment.pairs, experiment.fresh_pairs, experiment.effect = pairs, len(fresh), inference.mean(fresh or race)
    usage = known.guard_usage(experiment) if experiment.base_commit == commit else []  # elsewhere the base's share is not known
    if usage:
        nearest = max(usage, key=lambda u: u.share)
        experiment.guard_usage = nearest.share
        if guards.hopeless(nearest, len(known.shared(experiment))):
            experiment.decided = ("discard", nearest.sentence, None)
            return
    evidence = evidence_of(experiment, known, alpha)
    experiment.priority = priority.of(evidence, policy)
    step = on_fresh_pairs(kinds.next_step(evidence, policy), evidence)
    step = _steady(_guarded(step, evidence, usage, policy), experiment, known)
    experiment.decided = None
    if isinstance(step, decision.More):
        experiment.confirming = step.pairs if step.stage == "confirm" else 0
    elif step.verdict == "discard" or experiment.base_commit == commit:
        if step.verdict == "keep" and known.track.holdout:  # asked last, and once: nothing else depends on what it holds
            step = holdout.checked(step, known.on_holdout(experiment), evidence, policy)
        experiment.decided = (step.verdict, step.reason + _overlap(experiment, step), step)


def evidence_of(experiment: Experiment, known: Runs, alpha: float, claims: bool = False) -> decision.Evidence:
    """All that is known of an experiment, where a claim may be made at the level `alpha`. What a claim says, where it is made
    (`claims`) and afterwards, is said of a change together with its lead."""
    race, fresh = known.pairs(experiment)
    if experiment.handicap and (claims or experiment.claim is not None):
        race = tuple(difference + experiment.handicap for difference in race)
    return decision.Evidence(race, fresh, known.variance, alpha, experiment.claim, known.track.metric.worthwhile,
                             experiment.simplifies, known.kind.name, experiment.reopenings, known.alike,
                             experiment.patient, experiment.cost >= experiment.patience)


def _fails(experiment: Experiment, known: Runs) -> bool:
    """Whether it fails more often than it may: than the contract allows where its base runs well and, where the baseline fails
    too, than that may be thought to."""
    blamed, runs = len(known.blamed(experiment)), known.of(experiment.commit)
    if blamed <= known.track.referee.may_crash * len(runs):
        return False
    return all(known.baseline_runs) or failures.too_often(sum(not m for m in runs.values()), len(runs), known.may_fail)


def on_fresh_pairs(step: decision.More | decision.Ruling, evidence: decision.Evidence) -> decision.More | decision.Ruling:
    """The next step, but for a keep without any fresh pair, whatever its kind says: only runs that confirm are sure to be
    audited."""
    if isinstance(step, decision.Ruling) and step.verdict == "keep" and not evidence.fresh:
        return decision.More("confirm", 1)
    return step


def _steady(step: decision.More | decision.Ruling, experiment: Experiment, known: Runs) -> decision.More | decision.Ruling:
    """The next step, but for a keep whose runs scatter far more than the baseline's, so that many keeps cannot add up to a
    frontier beside which nothing is seen any more; one that gains enough earns it, for itself and for what stands on it."""
    if isinstance(step, decision.More) or step.verdict == "discard" or not known.unsteady(experiment.commit):
        return step
    mine = noise.spread(known.numbers(experiment.commit))
    own, usual = (math.sqrt(squares / freedom) for freedom, squares in (mine, known.usual))
    if step.effect >= EARNED * own:
        return step
    said = f"{SCATTERS}: a standard deviation of {own:.3g} over its seeds, where up to {MOST_SCATTER * usual:.3g} is allowed"
    return decision.Ruling("discard", said, step.effect, step.interval, step.e_value)


def _guarded(step: decision.More | decision.Ruling, evidence: decision.Evidence, usage: list[guards.GuardUsage],
             policy: decision.Policy) -> decision.More | decision.Ruling:
    """The next step, but for a keep that is not shown to be within its guards: more pairs, or at last a discard."""
    widest = max(usage, key=lambda u: u.upper, default=None)
    if isinstance(step, decision.More) or step.verdict == "discard" or widest is None or widest.upper <= 1:
        return step
    most = policy.patient_pairs if evidence.patient else policy.most_fresh
    if len(evidence.fresh) < most and widest.share <= 1:
        return decision.More("confirm", len(evidence.fresh) + 1)
    return decision.Ruling("discard", widest.sentence, step.effect, step.interval, step.e_value)


def _overlap(experiment: Experiment, step: decision.Ruling) -> str:
    """Two improvements need not add up: say so where this one shrank on the newer frontier."""
    before, high = experiment.previous_effect, step.interval[1] if step.interval else None
    if step.verdict != "keep" or before is None or high is None or before <= high or step.effect > OVERLAP * before:
        return ""
    return f"; on an older frontier it gained {before:.3g}, so it overlaps with what was kept since"


# ---- claims and findings -------------------------------------------------------------------------------------------


def claimable(experiment: Experiment, known: Runs) -> bool:
    """Whether its race is over, and it has not made its claim."""
    return bool(experiment.confirming) and experiment.claim is None and experiment.decided is None \
        and known.kind.claims(evidence_of(experiment, known, 0.0))


def claim(experiment: Experiment, known: Runs, policy: decision.Policy, wealth: Wealth) -> decision.Claim:
    """The claim that an experiment whose race is over makes, at a level from this wealth."""
    found = known.kind.claim(evidence_of(experiment, known, 0.0, True), policy)
    return msgspec.structs.replace(found, alpha=wealth.level(found.middle))


def proof(experiment: Experiment, known: Runs, policy: decision.Policy) -> float:
    """The e-value of the claim that it made."""
    return known.kind.proof(evidence_of(experiment, known, 0.0), policy)


def told(experiment: Experiment, known: Runs, policy: decision.Policy) -> Weighed | None:
    """How its evidence stands, for the record; None where its verdict rests on no e-value."""
    odds = known.kind.odds(evidence_of(experiment, known, 0.0), policy)
    return odds and Weighed(experiment.id, experiment.pairs, experiment.fresh_pairs, min(inference.HUGE, odds[0]), odds[1])


def found(race: Sequence[float], fresh: Sequence[float], known: Runs, policy: decision.Policy,
          alpha: float) -> findings.Finding:
    """What the pairs of a change say of it, the fresh ones alone where there are any, for a race picks the lucky; a claim may
    be made at the level `alpha`."""
    seen = inference.winsorized(fresh or race, known.variance, policy.reach)
    return findings.find(seen, known.variance, known.track.metric.worthwhile, alpha, policy.quick)
