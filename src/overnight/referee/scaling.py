"""How the effect of a change goes with size: what a ladder measured, and what that foretells for the next rung. Pure.

The model: an effect is a straight line in log2(size), off which it scatters from rung to rung by an amount that all changes of
a ladder share, besides what its own measurement leaves open (a random-effects meta-regression; the scatter by the moment
equation of Paule and Mandel, 1982). Two things are thought beforehand, as firmly as PRIOR observations: that the scatter is a
part of a usual effect, and that an effect changes by a part of a usual one with each doubling.
Covered: few rungs (three at least), unequal intervals, effects of either sign.
Not covered: a change that helps up to a size and harms beyond it; such a turn shows only once a rung lies behind it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from overnight.referee.distributions import student_quantile

Word = Literal["waits", "holds", "vanishes", "reverses", "unknown"]
LEVEL = 0.95  # of all intervals
LEAST_RUNGS = 3  # from which on anything is foretold
SCATTER, SLOPE = 0.35, 0.5  # of a usual effect: its scatter from rung to rung, and its change with each doubling
PRIOR = 2.0  # degrees of freedom with which the scatter is thought to be that
NORMAL = 1.96  # standard errors to either side of a 95 % interval
TINY = 1e-12  # of a usual effect, below which a variance counts as none
MOST = 1e150  # in whatever unit, above which an effect or an end of its interval says nothing
HALVINGS = 60  # of the interval in which the scatter is looked for


class Sized(Struct, frozen=True):
    """An effect as it was measured at a size: positive is better, with its 95 % interval, in the metric's unit."""

    size: float
    effect: float
    interval: tuple[float, float]

    @property
    def variance(self) -> float:
        """The square of its standard error."""
        return ((self.interval[1] - self.interval[0]) / (2 * NORMAL)) ** 2

    @property
    def usable(self) -> bool:
        """Whether it can be reckoned with: its numbers are finite, as are their squares."""
        return all(abs(value) < MOST for value in (self.effect, *self.interval))


class Foretold(Struct, frozen=True):
    """What an effect is expected to be measured as at a size, with a 95 % interval; `slope`: its change with each doubling."""

    effect: float
    interval: tuple[float, float]
    slope: float


class Carried(Struct, frozen=True):
    """What is known of a change on a rung.

    experiment  that kept it on the lowest rung
    part        which of the constants that this turned, from 0 on; None: the whole of it
    title       what it changes
    word        "holds": kept there; "vanishes": worth nothing there, or less than half of what it was; "reverses": worse with
                it; "unknown": so many runs do not tell, or it needs a change that did not hold; "waits": not tried yet
    effect      measured there by itself, positive is better, with its 95 % interval; None where it was tried with others
    pairs       paired differences that this rests on
    trial       the experiment on the rung that says so; 0: none
    beside      the experiments with which it was tried together
    reason      why nothing is known
    value       the experiment on the rung that keeps another value of its constants; 0: none
    foretold    what the rungs below had said of it
    """

    experiment: int
    word: Word
    part: int | None = None
    title: str = ""
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    trial: int = 0
    beside: tuple[int, ...] = ()
    reason: str = ""
    value: int = 0
    foretold: Foretold | None = None


def foretell(changes: Sequence[Sequence[Sized]], which: int, size: float) -> Foretold | None:
    """What one of several changes will be measured as at a size, from what all were measured as at smaller ones; None from
    fewer than three of it."""
    changes = [[each for each in change if each.usable] for change in changes]
    mine = changes[which]
    if len(mine) < LEAST_RUNGS:
        return None
    usual = math.sqrt(math.fsum(each.effect**2 for change in changes for each in change) / sum(map(len, changes)))
    scatter, freedom = _scatter([change for change in changes if len(change) >= LEAST_RUNGS], usual)
    line = _Line(mine, scatter, (SLOPE * usual) ** 2)
    effect, variance = line.at(size)
    far = student_quantile(0.5 + LEVEL / 2, freedom) * math.sqrt(
        variance + scatter + math.fsum(each.variance for each in mine) / len(mine))
    return Foretold(effect, (effect - far, effect + far), line.slope)


def _scatter(changes: Sequence[Sequence[Sized]], usual: float) -> tuple[float, float]:
    """The variance from rung to rung that the changes share, and the degrees of freedom with which it is known."""
    freedom = sum(len(change) - 2 for change in changes)
    low, high = 0.0, math.fsum(each.effect**2 for change in changes for each in change)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        seen = math.fsum(_Line(change, max(middle, TINY * usual**2), math.inf).squares for change in changes)
        low, high = (middle, high) if seen > freedom else (low, middle)
    thought = (SCATTER * usual) ** 2
    return max((PRIOR * thought + freedom * low) / (PRIOR + freedom), TINY * usual**2), PRIOR + freedom


class _Line:
    """A straight line in log2(size) through weighted effects; `free` is the variance of its slope beforehand, about zero."""

    def __init__(self, change: Sequence[Sized], scatter: float, free: float) -> None:
        weights = [1 / max(each.variance + scatter, 1e-300) for each in change]
        places = [math.log2(each.size) for each in change]
        self.whole = math.fsum(weights)
        self.centre = math.fsum(w * x for w, x in zip(weights, places, strict=True)) / self.whole
        self.level = math.fsum(w * each.effect for w, each in zip(weights, change, strict=True)) / self.whole
        spread = math.fsum(w * (x - self.centre) ** 2 for w, x in zip(weights, places, strict=True))
        self.known = spread + (0.0 if math.isinf(free) else 1 / max(free, 1e-300))
        self.slope = math.fsum(w * (x - self.centre) * each.effect
                               for w, x, each in zip(weights, places, change, strict=True)) / self.known
        self.squares = math.fsum(w * (each.effect - self.level - self.slope * (x - self.centre)) ** 2
                                 for w, x, each in zip(weights, places, change, strict=True))

    def at(self, size: float) -> tuple[float, float]:
        """What the line says at a size, and the variance of that."""
        off = math.log2(size) - self.centre
        return self.level + self.slope * off, 1 / self.whole + off**2 / self.known
