"""Guards: what must not get worse. Pure arithmetic on what runs measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from msgspec import Struct

from overnight.track import Guard, bound

Runs = Sequence[dict[str, float]]


class Strain(Struct, frozen=True):
    """One guard as some runs meet it: `share` of the bound that they use, above 1 is broken."""

    share: float
    metric: str
    number: float
    limit: float
    said: str

    @property
    def sentence(self) -> str:
        """What is broken, for people."""
        return f"breaks the guard on {self.metric}: {self.number:.4g} where {self.limit:.4g} ({self.said}) is the bound"


def worst(guards: Sequence[Guard], runs: Runs, baseline: Runs) -> Strain | None:
    """The guard nearest its bound, or farthest beyond it; None without guards or runs."""
    return max(_strains(guards, runs, baseline), key=lambda s: s.share, default=None) if runs and baseline else None


def _strains(guards: Sequence[Guard], runs: Runs, baseline: Runs) -> Iterator[Strain]:
    for guard in guards:
        number = _median(guard.metric, runs)
        text = guard.at_most if guard.at_most is not None else guard.at_least
        if number is None or text is None:
            continue
        limit, relative = bound(text)
        limit *= (_median(guard.metric, baseline) or 0.0) if relative else 1.0
        over, under = (number, limit) if guard.at_most is not None else (limit, number)
        yield Strain(over / under if under > 0 else float(over > under) * 2, guard.metric, number, limit, str(text))


def _median(name: str, runs: Runs) -> float | None:
    numbers = [run[name] for run in runs if name in run]
    return statistics.median(numbers) if numbers else None
