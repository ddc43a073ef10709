"""The holdout: whether what is gained on the scorer's own data is gained on private data as well. Pure.

The runs that confirm a candidate are scored twice, the second time on the holdout. Where the referee would keep it, at
least half of its gain must be found there too; researchers hear keep or discard, and no number. The overfitting monitor
sums up what the keeps gained on either side, for the user alone.
Covered: answers that were learnt by heart, gains that are luck with the scorer's data, climbing: each question costs a
full proof on the scorer's data, and its answer is one bit. Not covered: a holdout that resembles the scorer's data so
closely that both are learnt by heart together, and luck with the holdout itself, which after k questions may amount to
sqrt(2 ln(2) k / N) standard deviations of one item's score where the holdout has N items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import Struct

from overnight.referee import decision, inference, kinds
from overnight.referee.distributions import student_quantile

CARRIED = 0.5  # share of the gain that must be found on the holdout
DENIED = "does not carry over to the holdout"
UNCHECKED = "could not be checked on the holdout"
FEWEST_KEEPS = 3  # keeps from which an interval is shown
LEVEL = 0.95  # of that interval

Pair = tuple[float, float]  # a difference to the base on one seed: on the scorer's data, on the holdout (-inf: no number there)


def checked(ruling: decision.Ruling, pairs: Sequence[Pair], evidence: decision.Evidence,
            policy: decision.Policy) -> decision.Ruling:
    """A ruling that is about to be a keep, as the holdout leaves it: only its verdict and reason may change."""
    if not pairs:
        return msgspec.structs.replace(ruling, verdict="discard", reason=UNCHECKED)
    return ruling if carries(ruling.effect, pairs, evidence, policy) else \
        msgspec.structs.replace(ruling, verdict="discard", reason=DENIED)


def carries(effect: float, pairs: Sequence[Pair], evidence: decision.Evidence, policy: decision.Policy) -> bool:
    """Whether enough of an effect is found on the holdout. A simplification, which may be a little worse, may be so there."""
    held = [there for _, there in pairs]
    if -math.inf in held:
        return False
    if kinds.KINDS[evidence.kind].robust:
        held = inference.winsorized(held, evidence.variance, policy.reach)
    room = decision.margin(evidence)
    return inference.mean(held) + room >= CARRIED * (effect + room)


class Asked(Struct, frozen=True):
    """One experiment that the holdout was asked about."""

    experiment: int
    kept: bool
    pairs: tuple[Pair, ...]

    @property
    def failed(self) -> int:
        """Runs that gave no number on the holdout, where the base's did."""
        return sum(there == -math.inf for _, there in self.pairs)

    @property
    def gains(self) -> tuple[float, float]:
        """Mean differences on the scorer's data and on the holdout."""
        here, there = zip(*self.pairs, strict=True)
        return inference.mean(here), -math.inf if self.failed else inference.mean(there)


class Reading(Struct, frozen=True):
    """The overfitting monitor: what so many keeps gained on the scorer's data and on the holdout, and the share that carries
    over, with its interval (None: too few keeps to tell)."""

    keeps: int
    here: float
    there: float
    share: float | None
    interval: tuple[float, float] | None


@dataclass(slots=True)
class OverfittingMonitor:
    """Every question that was put to the holdout, oldest first."""

    asked: list[Asked] = field(default_factory=list)

    @property
    def denied(self) -> int:
        """How often the answer was no."""
        return sum(not a.kept for a in self.asked)

    def forget(self, experiments: set[int]) -> None:
        """What was kept of these was taken back."""
        self.asked = [a for a in self.asked if a.experiment not in experiments]

    def read(self) -> Reading:
        """What the keeps so far amount to."""
        return read([a for a in self.asked if a.kept])


def read(kept: Sequence[Asked]) -> Reading:
    """Sums over keeps; the interval is Student's, for a ratio of sums, from the spread over seeds within each keep."""
    here, there = (math.fsum(a.gains[side] for a in kept) for side in (0, 1))
    share = there / here if here > 0 else None
    freedom = sum(len(a.pairs) - 1 for a in kept)
    if share is None or len(kept) < FEWEST_KEEPS or any(len(a.pairs) < 2 for a in kept):
        return Reading(len(kept), here, there, share, None)
    spread = math.sqrt(math.fsum(_doubt([y - share * x for x, y in a.pairs]) for a in kept))
    radius = student_quantile(0.5 + LEVEL / 2, freedom) * spread / here
    return Reading(len(kept), here, there, share, (share - radius, share + radius))


def _doubt(values: Sequence[float]) -> float:
    """Variance of the mean of at least two values."""
    return inference.squares(values) / (len(values) - 1) / len(values)
