"""Edits that do nothing: whether they move the baseline's number, so that every run is made under one of its own. Pure.

The referee compares commits, and what is meant is an edit. Where the text alone moves the number (reordered draws, compilers,
the order of sums), each commit is off by something for good, which no seed shows. So the baseline is run a few times with
edits that do nothing. Where one of them moves its number, every run from then on has such an edit, drawn with its seed: what
was off for good is drawn anew with each run, and is noise like any other, for which there are pairs.
"""

from __future__ import annotations

import math

from msgspec import Struct

from overnight.lab.events import Measured
from overnight.lab.experiment import Metrics

USUAL = 8  # edits that do nothing where the contract names no number
LONG = 200  # runs from which on a session is long enough for them, where the metric varies with the seed
RACED = {"screen", "race", "confirm"}


class Nulls(Struct):
    """The baseline's runs with edits that do nothing.

    done         what their edits were drawn from
    differences  by how much each that ended well was better than the baseline as it is, on the same seed
    metrics      seed -> what the first that ended well there measured
    moving       one of them moved the number: every run has an edit now
    over         a candidate was measured: it is too late for them
    draws        edits may draw lots in vain too, because the baseline as it is gave one number whatever the seed
    """

    done: set[int] = set()
    differences: list[float] = []
    metrics: dict[int, Metrics] = {}
    moving: bool = False
    over: bool = False
    draws: bool = False

    def heard(self, event: Measured) -> None:
        """A run of the track ended."""
        self.over = self.over or event.stage in RACED

    def add(self, event: Measured, metrics: Metrics, difference: float | None) -> None:
        """One of these ended; `difference` is None, and `metrics` empty, where it failed. One that was under way when
        others had moved the number is compared with nothing."""
        self.done.add(event.edit or 0)
        if difference is not None and not self.moving:
            self.differences.append(difference)
            self.metrics.setdefault(event.seed, metrics)

    def moved(self, floor: float) -> int:
        """How many of them moved the number by more than the root of this."""
        return sum(abs(difference) > math.sqrt(floor) for difference in self.differences)

    @property
    def spread(self) -> float:
        """Standard deviation of what they moved it by, about nothing; 0 where there are none."""
        count = len(self.differences)
        return math.sqrt(math.fsum(d * d for d in self.differences) / count) if count else 0.0


def edit_of(seed: int) -> int:
    """What the edit is drawn from with which a run on a seed is made, whatever its commit."""
    return seed or 1


def unseen(count: int, doubt: float = 0.05) -> float:
    """The share of edits that may move a number although none of so many did, but for this chance."""
    return 1 - doubt ** (1 / count) if count else 1.0


def enough(share: float, doubt: float = 0.05) -> int:
    """How many edits must leave a number where it is to show that at most this share of all moves it, but for this chance."""
    return math.ceil(math.log(doubt) / math.log(1 - share))

