"""What is said of a change that was not kept: worse, no different, or promising but not proven. Pure.

A verdict is a test with a level; a finding is a description. It comes from the posterior of the effect under a sceptical
prior, in standard deviations of a pair: one change in five improves, half of them harm (half-Cauchy either way), the others
do nothing. Not covered: what a stack says of its members together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from overnight.referee.inference import mean, pooled_spread

Word = Literal["", "worse", "no different", "promising"]
IMPROVES, HARMS = 0.2, 0.5  # shares of changes; the rest do nothing
SCALE = 1.0  # of either's effects (half-Cauchy), in standard deviations of a pair
SMALLEST = 0.25  # standard deviations of a pair below which an effect is called none, where no `worthwhile` is greater
SURE = 0.9  # chance with which the effect lies within what is named
PROMISING = 0.25  # chance from which on a change is called promising
STEPS, FARTHEST = 240, 8.0  # of the grid that the posterior is summed on, for each side
MANY = 50.0  # standard deviations beyond which it makes no difference how many


class Finding(Struct, frozen=True):
    """What the pairs of a change say of it.

    word    worse, no different or promising, whichever is likeliest; promising from a chance of one in four
    chance  that the effect is at least what is worthwhile
    effect  posterior mean, in the metric's unit
    within  by how much it may differ with nine chances in ten, in the metric's unit; at least what is called no different
    pairs   further fresh pairs that a proof would take, were the effect as large as it seems (0: not promising)
    """

    word: Word
    chance: float
    effect: float
    within: float
    pairs: int = 0

    @property
    def runs(self) -> int:
        """Those further pairs as runs, of the change and of what it is compared with."""
        return 2 * self.pairs


def find(values: Sequence[float], variance: float, worthwhile: float, alpha: float, prior_pairs: float = 3.0) -> Finding:
    """What at least one paired difference says, positive is better; `variance` of one as known from other changes, worth
    `prior_pairs`; `alpha` the level at which a claim may be made."""
    freedom, spread = pooled_spread(values, variance, prior_pairs)
    spread = max(spread, abs(mean(values)) / MANY, worthwhile / MANY)
    middle, count = mean(values) / spread, len(values)
    least = max(worthwhile / spread, SMALLEST)
    effects, weights = _posterior(middle, count, freedom, least)
    total = math.fsum(weights)
    better, worse = (
        math.fsum(w for d, w in zip(effects, weights, strict=True) if side * d >= least) / total for side in (1, -1))
    centre = math.fsum(d * w for d, w in zip(effects, weights, strict=True)) / total
    word: Word = "promising" if better >= PROMISING else "worse" if worse > 1 - better - worse else "no different"
    gained = [(d, w) for d, w in zip(effects, weights, strict=True) if d >= least]
    seems = math.fsum(d * w for d, w in gained) / max(1e-300, math.fsum(w for _, w in gained))
    within = max(least, _bound(effects, weights))
    return Finding(word, better, centre * spread, within * spread, proof_pairs(seems, alpha) if word == "promising" else 0)


def _bound(effects: Sequence[float], weights: Sequence[float]) -> float:
    """The size that the effect does not exceed with the chance SURE."""
    left = SURE * math.fsum(weights)
    for size, weight in sorted((abs(d), w) for d, w in zip(effects, weights, strict=True)):
        if (left := left - weight) <= 0:
            return size
    return abs(effects[-1])


def proof_pairs(effect: float, alpha: float) -> int:
    """Pairs by which a wager on this effect, in standard deviations of a pair, grows to 1/alpha: each adds half its square to
    the logarithm, and one goes on the unknown spread."""
    return 1 + math.ceil(2 * math.log(1 / alpha) / max(effect, SMALLEST) ** 2)


def _posterior(middle: float, count: int, freedom: float, least: float) -> tuple[list[float], list[float]]:
    """Effects and their weights: a point at 0, and a grid on either side of it that ends far beyond what was seen."""
    farthest = max(FARTHEST, 2 * abs(middle), 2 * least)
    step = farthest / STEPS
    effects, weights = [0.0], [(1 - IMPROVES - HARMS) * _likelihood(middle, count, freedom)]
    for side, share in ((1, IMPROVES), (-1, HARMS)):
        for number in range(STEPS):
            size = (number + 0.5) * step
            density = share * step * 2 / (math.pi * SCALE * (1 + (size / SCALE) ** 2))
            effects.append(side * size)
            weights.append(density * _likelihood(middle - side * size, count, freedom))
    return effects, weights


def _likelihood(off: float, count: int, freedom: float) -> float:
    """Student's likelihood of a mean that lies so many standard deviations of a pair off."""
    return float((1 + count * off * off / freedom) ** (-(freedom + 1) / 2))
