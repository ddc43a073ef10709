"""The score of an optimisation problem: the answer's raw numbers, evaluated again without rounding in its favour.

    PROBLEM = Problem((26, 3), objective=sum_of_radii, constraints=slacks, direction="maximize", inside=without_radii)
    main(lambda: {"sum_of_radii": evaluate(PROBLEM, numbers("circles.json"), tolerance=Fraction(1, 10**9)).value})

A number is what was written, exactly: a whole number, a float's binary value, a decimal in quotes. Objective and
constraints compute with fractions, or with intervals where there are roots. What is scored is always a point at which every
constraint holds exactly, and of the objective the end of its interval that is worse for the candidate. An answer that breaks
a constraint by no more than the tolerance is pulled inwards until it breaks none, and pays for the way; one that breaks it by
more is no answer. So tolerance forgives rounding and is worth nothing to a candidate that seeks it.

Covered: slack, claimed values (none is read), NaN, infinity, numbers too large or too long, the wrong number of numbers,
truth values and text for numbers, tours that visit twice, choices that choose twice.
Not covered: a formula that says something else than was meant; an optimum that the candidate was given in its source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from overnight.scoring.answer import Broken
from overnight.scoring.interval import Interval

Value = int | Fraction | Interval
Point = Any  # numbers as in Problem.shape: a tuple of Fractions, or a tuple of such tuples

DIGITS = 100  # of a whole number or of a decimal
EXPONENT = 400  # of a decimal: beyond what a float can be
STEPS = 60  # halvings of the way inwards: the first step is 1e-18 of it
_DECIMAL = re.compile(r"[+-]?\d+(\.\d*)?([eE]([+-]?\d{1,4}))?", re.ASCII)


@dataclass(frozen=True)
class Problem:
    """What is to be found.

    shape        how many numbers an answer has: (n,), or (rows, columns)
    objective    of a point: a whole number, Fraction or Interval, never a float
    constraints  of a point: pairs of a name and a slack, which must not be negative
    direction    "minimize" or "maximize"
    inside       of a point: one that breaks no constraint and lies in the direction to pull to; None: nothing is pulled
    """

    shape: tuple[int, ...]
    objective: Callable[[Point], Value]
    constraints: Callable[[Point], Iterable[tuple[str, Value]]]
    direction: Literal["minimize", "maximize"]
    inside: Callable[[Point], Point] | None = None


@dataclass(frozen=True)
class Evaluated:
    """What an answer is worth.

    value   of the objective at the point that was scored, rounded against the candidate
    broken  by how much the answer broke a constraint before it was pulled inwards
    point   the numbers that were scored; every constraint holds at them
    """

    value: float
    broken: float
    point: Point


def evaluate(problem: Problem, answer: object, tolerance: int | Fraction = 0) -> Evaluated:
    """The worth of raw numbers. Raises Broken where they are no answer, or break a constraint by more than the tolerance."""
    if tolerance and problem.inside is None:
        raise ValueError("a tolerance needs somewhere to pull to: give the problem an `inside`, or allow nothing.")
    point = exacts(answer, *problem.shape)
    name, short = _worst(problem, point)
    if short > tolerance:
        raise Broken(f"the answer breaks '{name}' by {float(Interval.of(short).high):.3g}.")
    if short > 0:
        point = _pulled(problem, point)
    return Evaluated(against(problem.objective(point), problem.direction), Interval.of(short).high, point)


def against(value: Value, direction: Literal["minimize", "maximize"]) -> float:
    """An exact value or an interval as one float, rounded against the candidate. Raises Broken where it is too large."""
    if isinstance(value, bool) or not isinstance(value, int | Fraction | Interval):
        raise TypeError(f"an objective is a whole number, a Fraction or an Interval, not {type(value).__name__}")
    bounds = Interval.of(value)
    return bounds.high if direction == "minimize" else bounds.low


# ---- reading an answer -----------------------------------------------------------------------------------------


def exact(value: object) -> Fraction:
    """A number without any rounding: a whole number, a float, or a decimal in quotes. Raises Broken."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Broken(f"the answer holds {type(value).__name__} where a number should be.")
    if isinstance(value, str):
        return _decimal(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Broken(f"the answer holds {value}.")
    if isinstance(value, int) and abs(value) >= 10**DIGITS:
        raise Broken(f"the answer holds a number of more than {DIGITS} digits.")
    return Fraction(value)


def exacts(answer: object, *shape: int) -> Point:
    """A list of exactly so many numbers, or a list of such lists, as tuples of Fractions. Raises Broken."""
    items = _items(answer, shape[0])
    return tuple(exacts(item, *shape[1:]) if shape[1:] else exact(item) for item in items)


def permutation(answer: object, count: int) -> tuple[int, ...]:
    """A list in which each number from 0 to count - 1 comes exactly once. Raises Broken."""
    return _indices(_items(answer, count), count)


def choice(answer: object, count: int) -> tuple[int, ...]:
    """A list of different numbers from 0 to count - 1, as many as it likes. Raises Broken."""
    if not isinstance(answer, list | tuple):
        raise Broken(f"the answer is {type(answer).__name__}, not a list.")
    if len(answer) > count:
        raise Broken(f"the answer chooses {len(answer)} times out of {count}.")
    return _indices(answer, count)


def _items(answer: object, count: int) -> Sequence[object]:
    if not isinstance(answer, list | tuple):
        raise Broken(f"the answer holds {type(answer).__name__} where a list should be.")
    if len(answer) != count:
        raise Broken(f"the answer has a list of {len(answer)} where {count} should be.")
    return answer


def _indices(items: Sequence[object], count: int) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for item in items:
        if isinstance(item, bool) or not isinstance(item, int) or not 0 <= item < count:
            raise Broken(f"the answer names {str(item)[:40]}, which is not a whole number from 0 to {count - 1}.")
        if item in found:
            raise Broken(f"the answer names {item} twice.")
        found[item] = None
    return tuple(found)


def _decimal(text: str) -> Fraction:
    if len(text) > DIGITS + 8:
        raise Broken(f"the answer holds a number of more than {DIGITS} digits.")
    written = _DECIMAL.fullmatch(text)
    if not written:
        raise Broken(f"the answer holds '{text[:40]}', which is not a decimal number.")
    if abs(int(written[3] or 0)) > EXPONENT:
        raise Broken(f"the answer holds '{text[:40]}', whose exponent is beyond {EXPONENT}.")
    return Fraction(text)


# ---- constraints -----------------------------------------------------------------------------------------------


def _short(slack: Value) -> Fraction:
    """By how much a slack is, or may be, under zero."""
    if isinstance(slack, bool) or not isinstance(slack, int | Fraction | Interval):
        raise TypeError(f"a slack is a whole number, a Fraction or an Interval, not {type(slack).__name__}")
    return max(Fraction(0), -Fraction(slack.low if isinstance(slack, Interval) else slack))


def _worst(problem: Problem, point: Point) -> tuple[str, Fraction]:
    """The constraint that is broken most, and by how much: 0 where none is."""
    shorts = ((name, _short(slack)) for name, slack in problem.constraints(point))
    return max(shorts, key=lambda pair: pair[1], default=("", Fraction(0)))


def _pulled(problem: Problem, point: Point) -> Point:
    """The point, moved inwards in steps that double until every constraint holds: at most twice as far as is needed."""
    assert problem.inside is not None
    inside = problem.inside(point)
    for step in range(STEPS, -1, -1):
        moved = _between(point, inside, Fraction(1, 2**step))
        if not any(_short(slack) for _, slack in problem.constraints(moved)):
            return moved
    raise Broken("the answer breaks a constraint and cannot be mended.")


def _between(point: Point, inside: Point, share: Fraction) -> Point:
    if isinstance(point, tuple):
        return tuple(_between(a, b, share) for a, b in zip(point, inside, strict=True))
    return point + (inside - point) * share
