"""Interval arithmetic: two floats between which the true result lies, whatever was rounded on the way.

Covered: the rounding of + - * / ** and square roots; division by what may be zero; numbers too large for a float.
Not covered: other functions, a formula that says something else than was meant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import mul

from overnight.scoring.answer import Broken

Exact = int | Fraction


@dataclass(frozen=True, slots=True)
class Interval:
    """All numbers from `low` to `high`, both finite. It computes with itself, whole numbers and fractions, not with
    floats, whose rounding it cannot know: `Interval.of(0.1)` says that a float's exact value is meant."""

    low: float
    high: float

    @staticmethod
    def of(value: Exact | float | Interval) -> Interval:
        """The narrowest interval that holds a number. Raises Broken where no finite float does."""
        if isinstance(value, Interval):
            return value
        try:
            near = float(value)
        except OverflowError:
            raise Broken("a number is too large to be evaluated.") from None
        if not math.isfinite(near):
            raise Broken(f"a number is {near}.")
        return _finite(math.nextafter(near, -math.inf) if near > value else near,
                       math.nextafter(near, math.inf) if near < value else near)

    def __add__(self, other: Exact | Interval) -> Interval:
        return _outward(self.low + (o := _operand(other)).low, self.high + o.high)

    def __sub__(self, other: Exact | Interval) -> Interval:
        return _outward(self.low - (o := _operand(other)).high, self.high - o.low)

    def __rsub__(self, other: Exact) -> Interval:
        return _operand(other) - self

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low)

    def __abs__(self) -> Interval:
        ends = abs(self.low), abs(self.high)
        return Interval(0.0 if self.low <= 0 <= self.high else min(ends), max(ends))

    def __mul__(self, other: Exact | Interval) -> Interval:
        o = _operand(other)
        ends = [a * b for a in (self.low, self.high) for b in (o.low, o.high)]
        return _outward(min(ends), max(ends))

    def __truediv__(self, other: Exact | Interval) -> Interval:
        o = _operand(other)
        if o.low <= 0 <= o.high:
            raise Broken("a division by what may be zero.")
        ends = [a / b for a in (self.low, self.high) for b in (o.low, o.high)]
        return _outward(min(ends), max(ends))

    def __rtruediv__(self, other: Exact) -> Interval:
        return _operand(other) / self

    def __pow__(self, power: int) -> Interval:
        if not isinstance(power, int) or power < 1:
            raise TypeError("an interval is raised to whole powers from 1 on")
        base = abs(self) if power % 2 == 0 else self
        low, high = (reduce(mul, [Interval(end, end)] * power) for end in (base.low, base.high))
        return Interval(max(low.low, 0.0) if base.low >= 0 else low.low, high.high)

    __radd__ = __add__
    __rmul__ = __mul__

    def sqrt(self) -> Interval:
        """The square root. A low end under zero is taken for the rounding of a zero; raises Broken under zero."""
        if self.high < 0:
            raise Broken("the square root of a negative number.")
        root = _outward(math.sqrt(max(self.low, 0.0)), math.sqrt(self.high))
        return Interval(max(root.low, 0.0), root.high)


def sqrt(value: Exact | float | Interval) -> Interval:
    """The square root of a number or an interval. Raises Broken under zero."""
    return Interval.of(value).sqrt()


def _operand(value: Exact | Interval) -> Interval:
    if isinstance(value, float) or not isinstance(value, int | Fraction | Interval):
        raise TypeError(f"an interval does not compute with {type(value).__name__}: use Fraction or Interval.of")
    return Interval.of(value)


def _outward(low: float, high: float) -> Interval:
    """What was rounded to the nearest float is off by less than the step to the next one."""
    return _finite(math.nextafter(low, -math.inf), math.nextafter(high, math.inf))


def _finite(low: float, high: float) -> Interval:
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Broken("a number is too large to be evaluated.")
    return Interval(low, high)
