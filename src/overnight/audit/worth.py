"""What each part of a kept change is worth: what is lost when it alone is left out. Pure: the arithmetic and the verdicts.

The keep and the keep without each part are run on the same seeds. Everything is oriented so that positive is better.
Covered: a part without which every run fails has no number.
Not covered: parts of which either would do show nothing each, so what is worth nothing is taken out as an experiment, which
the referee judges; and of many 95 % intervals some miss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from overnight.audit.arithmetic import Run
from overnight.contracts import Direction
from overnight.referee.distributions import student_quantile
from overnight.referee.estimates import LEVEL, Estimate, estimate

MOST_PAIRS = 1 << 20  # at most, to tell what a part is worth
LEAST_SEEDS = 2  # on which each commit runs where numbers scatter

Word = Literal["worth it", "worth little", "worth nothing", "harmful", "in doubt", "needed", "not measured"]
TO_TAKE_OUT: tuple[Word, ...] = ("worth nothing", "harmful")


class KeptPart(Struct, frozen=True):
    """A part of a kept change.

    title    what it changes
    path     the file, and `line` where it stands there, from 1 on
    without  the commit of the keep without it
    """

    title: str
    path: str
    line: int
    without: str


class Division(Struct, frozen=True):
    """A kept change, divided: the experiment, its commit and title, the track's metric, the parts, and the seeds.

    exact  the metric has no noise, so that one run of each commit tells
    fixed_seeds  where the program fixes its own seed, if the baseline gave one number on every seed
    edits  every run has an edit that does nothing, because such edits move the number; they may draw lots in vain where
           `draws` is true
    """

    track: str
    experiment: int
    title: str
    commit: str
    metric: str
    unit: str
    direction: Direction
    worthwhile: float
    parts: tuple[KeptPart, ...]
    seeds: tuple[int, ...]
    exact: bool = False
    marks: tuple[str, ...] = ()
    fixed_seeds: tuple[str, ...] = ()
    edits: bool = False
    draws: bool = False

    @property
    def commits(self) -> tuple[str, ...]:
        """Every commit to run, the keep first."""
        return tuple(dict.fromkeys([self.commit, *(part.without for part in self.parts)]))

    @property
    def owners(self) -> dict[str, int]:
        """The experiment that each commit is of."""
        return dict.fromkeys(self.commits, self.experiment)

    @property
    def reference(self) -> str:
        """The commit that the others are compared with."""
        return self.commit


class Worth(Struct, frozen=True):
    """What came out for one part.

    worth   what is lost without it, in the metric's unit, with its 95 % interval; None where it has no number
    verdict "worth it"; "worth little": something, but less than is worthwhile; "worth nothing": not worth as much as is
            worthwhile, and perhaps nothing; "harmful": it is better without; "in doubt": so many runs do not tell;
            "needed": no run without it ends well; "not measured"
    reason  why runs without it failed, of which there were `runs` and `failed`
    wanted  about how many runs of all commits together would tell; None where it is told, or no number of runs would
    """

    part: KeptPart
    verdict: Word
    worth: Estimate | None = None
    reason: str = ""
    runs: int = 0
    failed: int = 0
    wanted: int | None = None


class Explanation(Struct, frozen=True):
    """What each part of a kept change is worth, with every run, so that any reader can calculate it again.

    proposed  the experiment in which the parts that are not worth having are taken out of the frontier, and `came` its verdict
    """

    plan: Division
    at: float
    parts: tuple[Worth, ...]
    runs: tuple[Run, ...]
    proposed: int | None = None
    came: str = ""

    @property
    def to_take_out(self) -> tuple[int, ...]:
        """The numbers of the parts that are not worth having, from 0 on."""
        return tuple(number for number, each in enumerate(self.parts) if each.verdict in TO_TAKE_OUT)


def least(parts: int, exact: bool) -> int:
    """The fewest runs that a keep of so many parts takes."""
    return (parts + 1) * (1 if exact else LEAST_SEEDS)


def conclude(plan: Division, runs: Sequence[Run], at: float) -> Explanation:
    """What these runs amount to."""
    return Explanation(plan, at, tuple(_worth(plan, part, runs) for part in plan.parts), tuple(runs))


def word(worth: Estimate, worthwhile: float) -> Word:
    """What an interval says, by where zero lies and whether it reaches what is worthwhile."""
    low, high = worth.interval
    if low > 0:
        return "worth little" if high < worthwhile else "worth it"
    if high < 0:
        return "harmful"
    return "worth nothing" if high < worthwhile or high == 0 else "in doubt"


def wanted(worth: Estimate, worthwhile: float) -> int | None:
    """On about how many seeds such an interval would say something; None: on no number that is within reach."""
    low, high = worth.interval
    spread = (high - low) / 2 * math.sqrt(worth.pairs) / student_quantile(0.5 + LEVEL / 2, worth.pairs - 1)
    gap = max(worth.effect, worthwhile - worth.effect)  # to zero from above, or to what is worthwhile from below
    below, above = 1, 2
    while above <= MOST_PAIRS and _radius(spread, above) >= gap:
        below, above = above, 2 * above
    while above - below > 1 and above <= MOST_PAIRS:
        middle = (below + above) // 2
        below, above = (middle, above) if _radius(spread, middle) >= gap else (below, middle)
    return above if above <= MOST_PAIRS else None


def _radius(spread: float, pairs: int) -> float:
    """Half the width of the interval of so many pairs."""
    return student_quantile(0.5 + LEVEL / 2, pairs - 1) * spread / math.sqrt(pairs)


def _worth(plan: Division, part: KeptPart, runs: Sequence[Run]) -> Worth:
    sign = -1.0 if plan.direction == "minimize" else 1.0
    mine = [run for run in runs if run.commit == part.without]
    keep = {run.seed: run.value for run in runs if run.commit == plan.commit and run.value is not None}
    failed = [run for run in mine if run.value is None]
    lost = [run for run in failed if run.seed in keep]
    pairs = [(keep[run.seed], run.value) for run in mine if run.value is not None and run.seed in keep]
    found = _estimate(plan, [sign * (whole - without) for whole, without in pairs])
    verdict: Word = "not measured" if found is None else word(found, plan.worthwhile)
    more = wanted(found, plan.worthwhile) if found and verdict == "in doubt" else None
    if lost and len(failed) == len(mine):
        verdict = "needed"
    elif lost and verdict in TO_TAKE_OUT:
        verdict = "in doubt"  # without it there are runs that fail, and they have no number that would say how bad that is
    return Worth(part, verdict, found, failed[0].reason if failed else "", len(mine), len(failed),
                 None if more is None else more * len(plan.commits))


def _estimate(plan: Division, differences: Sequence[float]) -> Estimate | None:
    """Their mean with its interval; where the metric has no noise, one is all there is to know."""
    if plan.exact and differences:
        return Estimate(differences[0], (differences[0], differences[0]), 1)
    return estimate(differences)
