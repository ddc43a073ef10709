"""Stacks: several edits on top of one another in one run, where most of them are worth nothing. Pure.

A stack that does not beat the frontier is dropped as a whole; one that does is halved, by a run of its lower half, until
single edits are left, and each of those then races alone (adaptive group testing, after Dorfman 1943). The runs of one
stack are all on one seed, so that each tells two differences: that of what lies below it and that of what lies above.

How many edits go into a stack is chosen by the night, from what its stacks showed: see `size`. Not covered: edits that
help only together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from msgspec import Struct

MOST_EDITS = 5  # edits in one stack
FIRST_SINGLE_EDITS = 25  # single edits that are looked at before anything is stacked
ENOUGH_STACKS = 25  # stacks of a size after which it is judged by its own outcomes alone
MOST_OUTCOMES = 200  # outcomes of each size
OUTCOMES_BETWEEN_CHOICES = 10  # outcomes after which the size is chosen anew
PART = 0.2  # by how many standard deviations a part of a stack must win
REALS = ((0.75, 0.2), (1.25, 0.33), (1.75, 0.47))  # improvements that are hoped for, in standard deviations; their worth
COST = 0.3  # runs that a true improvement's race costs, as a share of those that screening spends on it
SUMS, STEPS = 300, (7919, 6007)  # how many sums stand for a size that was hardly tried, and which: primes mix well
PASSING = 0.3  # standard deviations that a single edit must win by


@dataclass(slots=True)
class Stack:
    """Edits of several experiments on top of one base.

    commits  commits[j] holds the edits of members[:j + 1]
    standard what the base measured on the seed; empty where it is run beside each
    sigma    standard deviation of one run, as known when the stack was made
    gains    position -> by how much the first so many edits beat the base on the seed; None: that run failed; minus
             infinity: it fell behind
    settled  members that need no further run of this stack
    """

    members: tuple[int, ...]
    commits: tuple[str, ...]
    base_commit: str
    seed: int
    standard: dict[str, float]
    sigma: float
    gains: dict[int, float | None] = field(default_factory=lambda: {0: 0.0})
    settled: set[int] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The commit that holds all of it."""
        return self.commits[-1]

    def position(self, commit: str) -> int:
        """How many edits a commit of the stack holds."""
        return self.commits.index(commit) + 1


class Verdict(Struct, frozen=True):
    """What a stack says of its members: position of the next run (None: no more is needed); gains of those that go on
    alone; what those are part of that are dropped, with the gain of that part; those that must be tried in smaller company.
    """

    wanted: int | None
    alone: dict[int, float]
    dropped: dict[int, tuple[int, float]]
    apart: tuple[int, ...]


def read(stack: Stack) -> Verdict:
    """What the runs so far amount to."""
    wanted: int | None = None
    alone: dict[int, float] = {}
    dropped: dict[int, tuple[int, float]] = {}
    apart: list[int] = []
    parts = [(0, len(stack.members))]
    while parts:
        low, high = parts.pop()
        members = stack.members[low:high]
        if any(place not in stack.gains for place in (low, high)):
            wanted = high
            continue
        below, above = stack.gains[low], stack.gains[high]
        if below is None or above is None or below == -math.inf:
            apart += members
        elif above == -math.inf:
            dropped |= dict.fromkeys(members, (len(members), above))
        elif high - low == 1:
            alone[members[0]] = above - below
        elif above - below < (0.0 if len(members) == len(stack.members) else PART) * stack.sigma:
            dropped |= dict.fromkeys(members, (len(members), above - below))
        elif (middle := (low + high) // 2) not in stack.gains:
            wanted = middle
        else:
            parts += [(low, middle), (middle, high)]
    return Verdict(wanted, alone, dropped, tuple(apart))


def dropped(count: int, gain: float) -> str:
    """Why a part of a stack was dropped that holds so many edits and came out so, minus infinity where it fell behind."""
    if gain == -math.inf:
        return f"no sign of an improvement: together with {count - 1} more it fell behind the frontier's curve"
    return f"no sign of an improvement: together with {count - 1} more it came out {gain:+.3g} on one seed"


# ---- how many edits --------------------------------------------------------------------------------------------


def size(outcomes: Mapping[int, Sequence[float]], most: int = MOST_EDITS) -> int:
    """How many edits to stack, given by how many standard deviations stacks of each size beat the frontier.

    A size that was hardly tried is judged by what the next smaller one and single edits would add up to.
    """
    single = list(outcomes.get(1, ()))[-MOST_OUTCOMES:]
    if len(single) < FIRST_SINGLE_EDITS:
        return 1
    worth: dict[int, float] = {}
    for count in range(1, most + 1):
        seen = list(outcomes.get(count, ()))[-MOST_OUTCOMES:]
        if len(seen) < ENOUGH_STACKS:
            smaller = list(outcomes.get(count - 1, ()))[-MOST_OUTCOMES:]
            if len(smaller) < ENOUGH_STACKS:
                break
            seen += [smaller[STEPS[0] * i % len(smaller)] + single[STEPS[1] * i % len(single)] for i in range(SUMS)]
        worth[count] = use(seen, count, sum(single) / len(single))
    return max(worth, key=lambda count: worth[count])


def use(outcomes: Sequence[float], count: int, typical: float) -> float:
    """True improvement found per run, up to a factor, with stacks of so many edits that came out like this.

    One of the edits is thought to be a true improvement instead of a typical one; the stack must still win for it to be
    found. A stack that wins costs about one more run for each of its edits, and each improvement its race.
    """
    bar = PASSING if count == 1 else 0.0
    wins = sum(d > bar for d in outcomes) / len(outcomes)
    found = sum(weight * sum(d - typical + gain > bar for d in outcomes) / len(outcomes) for gain, weight in REALS)
    return count * found / (1 + count * wins + COST * count * found)


@dataclass(slots=True)
class Sizes:
    """The outcomes of the stacks of a track and the size that follows from them."""

    outcomes: dict[int, list[float]] = field(default_factory=dict)
    size: int = 1
    seen: int = 0

    def saw(self, count: int, gain: float, sigma: float) -> None:
        """A stack of so many edits beat the frontier by `gain`."""
        if sigma > 0:
            outcomes = self.outcomes.setdefault(count, [])
            outcomes.append(max(-100.0, min(100.0, gain / sigma)))
            del outcomes[:-MOST_OUTCOMES]
            self.seen += 1
            if self.seen % OUTCOMES_BETWEEN_CHOICES == 0 or (count == 1 and len(outcomes) == FIRST_SINGLE_EDITS):
                self.size = size(self.outcomes)
