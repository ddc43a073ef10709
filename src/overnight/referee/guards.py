"""Guards: what must not get worse. Pure arithmetic on what runs measured.

A relative bound ("1.25x") is of the baseline's, so that many small steps cannot add up. It is followed from keep to keep
by ratios to the incumbent on the same seeds: a machine that gets slower over the night changes neither side of them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from overnight.referee.distributions import student_quantile
from overnight.track.spec import COUNTED, Guard
from overnight.track.units import bound

SINGLE_PAIR_SLACK = 0.25  # how far beyond a bound one pair may lie by chance; half as far for two, and so on; a keep may not
ESTIMATED = " (estimated)"  # behind the name of a number that nothing could count exactly

Pair = tuple[dict[str, float], dict[str, float]]  # what a candidate and its incumbent measured on one seed


class GuardUsage(Struct, frozen=True):
    """One guard as some runs meet it: the `share` of the bound that they use, above 1 is broken; and the `upper` limit up
    to which it may be, by Student's t at a level of one in twenty: non-inferiority, with the bound as the margin.
    `estimated`: nothing counted the number exactly."""

    share: float
    upper: float
    metric: str
    number: float
    bound_text: str
    relative: bool
    estimated: bool = False

    @property
    def sentence(self) -> str:
        """What is broken, for people."""
        number = f"{self.number:.3g}x of the baseline's" if self.relative else f"{self.number:.4g}"
        breaks = "breaks the guard" if self.share > 1 else "is not shown to keep within the guard"
        return f"{breaks} on {self.metric}{ESTIMATED * self.estimated}: {number} where {self.bound_text} is the bound"


def begin(guards: Sequence[Guard]) -> list[float]:
    """The baseline's own share of each relative bound; 0 for absolute ones, which need none."""
    bounds = [(guard, *bound(_text(guard))) for guard in guards]
    return [0.0 if not relative else 1 / number if guard.at_most is not None else number for guard, number, relative in bounds]


def usage(guards: Sequence[Guard], pairs: Sequence[Pair], standing: Sequence[float], exact: bool = True) -> list[GuardUsage]:
    """Each guard as these pairs meet it, given the incumbent's own shares; empty without pairs. `exact`: the kernel counted."""
    if not pairs:
        return []
    found = [_usage(guard, pairs, stands) for guard, stands in zip(guards, standing, strict=True)]
    return found if exact else [replace(each, estimated=each.metric in COUNTED) for each in found]


def _usage(guard: Guard, pairs: Sequence[Pair], standing: float) -> GuardUsage:
    text, name, most = _text(guard), guard.metric, guard.at_most is not None
    limit, relative = bound(text)
    pairs = [(mine, theirs) for mine, theirs in pairs if name in mine and name in theirs]
    if not pairs:
        return GuardUsage(2.0, 2.0, name, math.nan, str(text), relative)
    numbers = [_ratio(mine[name], theirs[name]) if relative else mine[name] for mine, theirs in pairs]
    middle = statistics.median(numbers)
    if relative:
        share = standing * (middle if most else _ratio(1.0, middle))
        middle = share * limit if most else _ratio(limit, share)
    else:
        share = _ratio(middle, limit) if most else _ratio(limit, middle)
    return GuardUsage(share, share * _room(numbers), name, middle, str(text), relative)


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


def hopeless(usage: GuardUsage, pairs: int) -> bool:
    """Whether a bound is passed by more than chance makes of so many pairs."""
    return usage.share > 1 + SINGLE_PAIR_SLACK / max(1, pairs)
