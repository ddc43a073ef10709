"""New evidence of an experiment is taken to the referee, and what it says is noted on the experiment. Pure.

Part of the replay, so that a replayed state knows what the live one knew; the Lab records what follows from it.
"""

from __future__ import annotations

from overnight.lab.experiment import Experiment
from overnight.lab.measurements import Runs
from overnight.referee import decision, guards, holdout, inference, kinds, priority
from overnight.track.spec import Track

OVERLAP = 0.5  # share of what it gained on an older frontier below which a keep is said to overlap with later ones


class Weighing:
    """Judges experiments of one track by its runs."""

    def __init__(self, known: Runs, track: Track, policy: decision.Policy) -> None:
        self.known, self.track, self.policy = known, track, policy

    def weigh(self, experiment: Experiment, alpha: float, commit: str) -> None:
        """Judge what is known of an experiment at the level `alpha`, where the frontier is at `commit`; what follows stands in
        its `decided`, `confirming` and `worth`."""
        if experiment.decided and experiment.decided[2] is None:
            return  # it crashed or fell behind: nothing that is measured now changes that
        failed = self.known.blamed(experiment)
        if len(failed) > self.track.referee.may_crash * len(self.known.of(experiment.commit)):
            experiment.decided = ("crash", experiment.reason, None)
            return
        race, fresh = self.known.pairs(experiment)
        known = (experiment.pairs - experiment.fresh_pairs, experiment.fresh_pairs)
        if (len(race), len(fresh)) == known or not (race or fresh):
            return
        experiment.pairs, experiment.fresh_pairs = len(race) + len(fresh), len(fresh)
        experiment.effect = inference.mean(fresh or race)
        strains = self.known.strains(experiment)
        strain = guards.worst(strains)
        experiment.strain = strain.share if strain else experiment.strain
        if strain and guards.hopeless(strain, len(self.known.shared(experiment))):
            experiment.decided = ("discard", strain.sentence, None)
        else:
            evidence = self._evidence(experiment, race, fresh, alpha)
            self._decide(experiment, evidence, commit, max(strains, key=lambda s: s.upper, default=None))

    def _evidence(self, experiment: Experiment, race: tuple[float, ...], fresh: tuple[float, ...],
                  alpha: float) -> decision.Evidence:
        return decision.Evidence(race, fresh, self.known.variance, alpha, self.track.metric.worthwhile,
                                 experiment.grown < 0, self.known.kind.name, experiment.reopenings)

    def _decide(self, experiment: Experiment, evidence: decision.Evidence, commit: str, strain: guards.Strain | None) -> None:
        fresh = evidence.fresh
        step = kinds.next_step(evidence, self.policy)
        if isinstance(step, decision.Ruling) and step.verdict == "keep" and strain and strain.upper > 1:
            last = len(fresh) >= self.policy.most_fresh or strain.share > 1
            step = decision.Ruling("discard", strain.sentence, step.effect, step.interval, step.e_value) if last else \
                decision.More("confirm", len(fresh) + 1)
        experiment.priority = priority.of(evidence, self.policy)
        experiment.decided = None
        if isinstance(step, decision.More):
            experiment.confirming = step.pairs if step.stage == "confirm" else 0
        elif step.verdict == "discard" or experiment.base_commit == commit:
            step = self._checked(experiment, step, evidence)
            reason = step.reason + _overlap(experiment, step)
            experiment.decided = (step.verdict, reason, step)

    def _checked(self, experiment: Experiment, ruling: decision.Ruling, evidence: decision.Evidence) -> decision.Ruling:
        """What the holdout makes of a keep. It is asked last, and once: nothing else depends on what it holds."""
        if ruling.verdict != "keep" or not self.track.holdout:
            return ruling
        return holdout.checked(ruling, self.known.on_holdout(experiment), evidence, self.policy)


def _overlap(experiment: Experiment, step: decision.Ruling) -> str:
    """Two improvements need not add up: say so where this one shrank on the newer frontier."""
    before, high = experiment.previous_effect, step.interval[1] if step.interval else None
    if step.verdict != "keep" or before is None or high is None or before <= high or step.effect > OVERLAP * before:
        return ""
    return f"; on an older frontier it gained {before:.3g}, so it overlaps with what was kept since"
