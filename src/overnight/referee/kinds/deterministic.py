"""A metric without noise: one run decides. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from overnight.referee.decision import Evidence, More, Policy, Ruling
from overnight.referee.inference import HUGE, mean
from overnight.referee.kinds.kind import Calibration, Kind

EQUAL = 1e-6  # share of their size by which two differences without noise may differ and be the same
ROUNDING = 1e-9  # the same for two numbers of the baseline


class Deterministic(Kind):
    """What gives the same number whatever the seed."""

    name = "deterministic"

    def next_step(self, evidence: Evidence, policy: Policy) -> More | Ruling:
        """One run decides; before a keep it is repeated on a fresh seed, which must give the same number (on two, where the
        first run was compared with an older frontier; on more, until the track has shown often enough that seeds do not
        matter: numbers in coarse steps may be equal by chance)."""
        if not evidence.race:
            return More("race", 1)
        effect = (*evidence.race, *evidence.fresh)[-1]
        better = effect > 0 and effect >= evidence.worthwhile
        plain = evidence.simplifies and (effect >= 0 or effect > -evidence.worthwhile)
        if not better and not plain:
            small = "better, but by less than is worthwhile" if effect > 0 else "no better; this metric has no noise"
            return Ruling("discard", small, effect, (effect, effect), 0.0)
        alike = [math.isclose(d, effect, rel_tol=EQUAL) for d in (evidence.race[-1], *evidence.fresh)]
        if evidence.fresh and all(alike[1:]) and evidence.alike < policy.repeats and len(evidence.fresh) < policy.repeats:
            return More("confirm", len(evidence.fresh) + 1)
        if evidence.fresh and (all(alike) or (all(alike[1:]) and len(evidence.fresh) > 1)):
            what = "better" if better else "simplification: not worse by as much as is worthwhile"
            return Ruling("keep", what, effect, (effect, effect), HUGE)
        if len(evidence.fresh) > 1:
            return Ruling("discard", "its number depends on the seed, while the frontier's does not", mean(evidence.fresh),
                          (min(evidence.fresh), max(evidence.fresh)), 0.0)
        return More("confirm", len(evidence.fresh) + 1)

    def claims(self, evidence: Evidence) -> bool:
        """Nothing: no chance is at play."""
        return False

    def shown_by(self, calibration: Calibration) -> bool:
        """Whether it repeats itself, on one seed and over all, and no other commit's does not."""
        return calibration.repeats and len(set(calibration.seeds)) == 1 and not calibration.varies

    def denied_by(self, calibration: Calibration) -> str:
        """Where one commit gave two numbers, but for rounding."""
        twice, every = calibration.twice, calibration.seeds
        name = f"{calibration.metric} is declared deterministic in track.toml"
        if not _same(twice):
            return (f"{name}, but one commit on one seed gave {twice[0]:.10g} and then {twice[1]:.10g}, though nothing had "
                    "changed: find out what else it depends on, or take `kind` out")
        return "" if _same(every) else (
            f"{name}, but the baseline gave from {min(every):.10g} to {max(every):.10g} on {len(every)} seeds: "
            "take `kind` out, and it is judged as noisy")


def _same(numbers: Sequence[float]) -> bool:
    """Whether they are one number, but for rounding."""
    return not numbers or math.isclose(min(numbers), max(numbers), rel_tol=ROUNDING, abs_tol=1e-150)
