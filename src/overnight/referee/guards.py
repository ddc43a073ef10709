"""Guards: what must not get worse. Pure arithmetic on what runs measured.

A relative bound ("1.25x") is of the baseline's, so that many small steps cannot add up. It is followed from keep to keep
by ratios to the incumbent on the same seeds: a machine that gets slower over the night changes neither side of them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct

from overnight.referee.distributions import student_quantile
from overnight.track.spec import Guard
from overnight.track.units import bound

SLACK = 0.25  # how far beyond a bound a single pair may lie by chance; half as far for two, and so on; a keep may not

Pair = tuple[dict[str, float], dict[str, float]]  # what a candidate and its incumbent measured on one seed


class Strain(Struct, frozen=True):
    """One guard as some runs meet it: the `share` of the bound that they use, above 1 is broken; and the `upper` limit up
    to which it may be, by Student's t at a level of one in twenty: non-inferiority, with the bound as the margin."""

    share: float
    upper: float
    metric: str
    number: float
    said: str
    relative: bool

    @property
    def sentence(self) -> str:
        """What is broken, for people."""
        number = f"{self.number:.3g}x of the baseline's" if self.relative else f"{self.number:.4g}"
        breaks = "breaks the guard" if self.share > 1 else "is not shown to keep within the guard"
        return f"{breaks} on {self.metric}: {number} where {self.said} is the bound"


def begin(guards: Sequence[Guard]) -> list[float]:
    """The baseline's own share of each relative bound; 0 for absolute ones, which need none."""
    return [_standing(guard) for guard in guards]


def _standing(guard: Guard) -> float:
    number, relative = bound(_text(guard))
    return 0.0 if not relative else 1 / number if guard.at_most is not None else number


def strains(guards: Sequence[Guard], pairs: Sequence[Pair], standing: Sequence[float]) -> list[Strain]:
    """Each guard as these pairs meet it, given the incumbent's own shares; empty without pairs."""
    return [_strain(guard, pairs, stands) for guard, stands in zip(guards, standing, strict=True)] if pairs else []


def _strain(guard: Guard, pairs: Sequence[Pair], standing: float) -> Strain:
    limit, relative = bound(_text(guard))
    name, most = guard.metric, guard.at_most is not None
    pairs = [(mine, theirs) for mine, theirs in pairs if name in mine and name in theirs]
    if not pairs:
        return Strain(2.0, 2.0, name, math.nan, str(_text(guard)), relative)
    if relative:
        ratios = [_ratio(mine[name], theirs[name]) for mine, theirs in pairs]
        grown = statistics.median(ratios)
        share = standing * (grown if most else _ratio(1.0, grown))
        return Strain(share, share * _room(ratios), name, share * limit if most else _ratio(limit, share), str(_text(guard)),
                      True)
    numbers = [mine[name] for mine, _ in pairs]
    number = statistics.median(numbers)
    share = _ratio(number, limit) if most else _ratio(limit, number)
    return Strain(share, share * _room(numbers), name, number, str(_text(guard)), False)


def _room(numbers: Sequence[float]) -> float:
    """By which factor the middle of these numbers may be off; 1 for numbers that are not all positive, or too few."""
    if len(numbers) < 3 or min(numbers) <= 0:
        return 1.0
    logs = [math.log(n) for n in numbers]
    return math.exp(min(5.0, student_quantile(0.95, len(logs) - 1) * statistics.stdev(logs) / math.sqrt(len(logs))))


def _ratio(over: float, under: float) -> float:
    """A ratio of costs; where there is none, what is no larger counts as equal."""
    return over / under if under > 0 else 1.0 if over <= under else 2.0


def _text(guard: Guard) -> str | float:
    text = guard.at_most if guard.at_most is not None else guard.at_least
    assert text is not None
    return text


def worst(found: Sequence[Strain]) -> Strain | None:
    """The guard nearest its bound, or farthest beyond it."""
    return max(found, key=lambda s: s.share, default=None)


def hopeless(strain: Strain | None, pairs: int) -> bool:
    """Whether a bound is passed by more than chance makes of so many pairs."""
    return strain is not None and strain.share > 1 + SLACK / max(1, pairs)
