"""Ladders of which the truth is known, and what climbing finds on them; what is foretold of a size, and what is measured there.

A simulated ladder has four rungs of 1, 2, 4 and 8 times the size. Of the changes that were kept on the lowest, half help at
every size, the others at the lowest only: a third of these do nothing above it, the rest harm there. Two more help at the
largest size only, and are handed in there. A change is worth between one and three standard deviations of a run.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from functools import partial

import msgspec

import fakes
from bench.kit import Bench, Cell, Row, in_parallel, mean, share
from fakes import CONTRACT, FakeWorld, Night
from overnight.lab.climbing import BY, Climb, Climber, Step
from overnight.lab.jobs import Job, Order, Proposal, Result, Try, Veto
from overnight.referee.scaling import Sized, foretell

SIZES = (1, 2, 4, 8)
LADDER = CONTRACT.replace('"minimize"', '"minimize"\nworthwhile = 0.25')
CHANGES, LARGE = 6, 2  # that were kept on the lowest rung, and that help at the largest size only
RIGHT = (">= 0.95", ">= 0.5")


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a change is worth on the lowest rung, and above it."""

    low: float
    high: float

    @property
    def words(self) -> tuple[str, ...]:
        """What may be said of it above the lowest rung."""
        return ("holds",) if self.high > 0 else ("vanishes", "reverses")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A night: how many words were right, how many changes there were, and its runs as multiples of one on the lowest rung,
    beside those of a night that tries each change by itself at the top alone."""

    right: int
    whole: int
    cost: float
    top: float

    @property
    def all_right(self) -> bool:
        """Whether nothing false was said."""
        return self.right == self.whole


def truths(lots: random.Random, good: int) -> list[Truth]:
    """What the changes of a ladder really do, of which so many help at every size."""
    made = list[Truth]()
    for number in range(CHANGES):
        worth = lots.uniform(1.0, 3.0)
        made.append(Truth(worth, worth if number < good else lots.choice((0.0, -worth, -worth))))
    lots.shuffle(made)
    return made


class World(FakeWorld):
    """Changes that are handed in differ."""

    def answer(self, job: Job) -> Result:
        """Carry out one job."""
        made = super().answer(job)
        return msgspec.structs.replace(made, patch=made.commit) if isinstance(made, Proposal) else made


class Rung:
    """A rung, simulated."""

    def __init__(self, seed: int, size: int, changes: dict[str, Truth]) -> None:
        self.size, self.changes, self.lots = size, changes, random.Random(f"{seed} {size}")
        self.world = World(seed * 100 + size)
        self.night = Night(self.world, contract=LADDER, researchers=(), measure_slots=2, key=f"ladder {seed} {size}")

    @property
    def runs(self) -> float:
        """What its runs cost, as multiples of one on the lowest rung."""
        return float(self.size * self.night.lab.state.runs)

    def hand_in(self, gain: float, request: str) -> None:
        """A change that is worth so much on this rung, on its frontier."""
        state = self.night.lab.state
        idea = dataclasses.replace(fakes.single(gain, self.lots), correlation=0.8)
        commit = self.world.made(idea, state.commit or "c0", request)
        self.send(Try(request, state.commit or "c0", commit, request, BY))

    def send(self, order: Order) -> None:
        """Give an order, whose record is a part of the night's."""
        self.night.batches.append(self.night.lab.hear(order, self.night.now))

    def climb(self, climbers: list[Climber], together: int = 1 << 30) -> Climb:
        """Try these changes until nothing is left to try."""
        while steps := (climb := Climb(climbers, self.night.lab.state)).steps(together):
            for step in steps:
                request = step.request(climb.since)
                if step.kind == "back":
                    self.send(Veto(request, climb.trials[Step(step.members)].id))
                else:
                    self.hand_in(sum(self.changes[key].high for key in step.members), request)
            self.night.go()
        return climb


def night(together: int, good: int, seed: int) -> Outcome:
    """One climb to the top, and the changes that help only there."""
    lots = random.Random(f"ladder {seed}")
    known = {str(number): truth for number, truth in enumerate(truths(lots, good), 1)}
    climbers = [Climber(int(key), key, "", "", truth.low) for key, truth in known.items()]
    said, cost, top = dict[str, str](), 0.0, Rung(seed, SIZES[-1], known)
    for size in SIZES[1:]:
        rung = top if size == SIZES[-1] else Rung(seed, size, known)
        carried = rung.climb(climbers, together).carried() if climbers else []
        said |= {str(each.experiment): each.word for each in carried}
        held = {each.experiment for each in carried if each.word == "holds"}
        climbers, cost = [each for each in climbers if each.number in held], cost + rung.runs
    for number in range(LARGE):
        top.hand_in(lots.uniform(1.0, 3.0), f"large {number}")
    top.night.go()
    large = [each for each in top.night.lab.state.experiments.values() if each.request.startswith("large")]
    right = sum(said[key] in truth.words for key, truth in known.items()) + sum(each.verdict == "keep" for each in large)
    alone = Rung(seed + 1_000_000, SIZES[-1], known)
    alone.climb([Climber(int(key), key, "", "", truth.low) for key, truth in known.items()], 1)
    return Outcome(right, len(known) + len(large), cost, alone.runs)


def _nights(what: str, together: int, good: int, count: int) -> Iterator[Row]:
    done = in_parallel(partial(night, together, good), range(500, 500 + count))
    yield share(f"{what}: nights in which every word is right", sum(one.all_right for one in done), count, RIGHT[count < 50])
    yield share(f"{what}: words that are right", sum(one.right for one in done), sum(one.whole for one in done))
    yield mean(f"{what}: cost of a climb, in runs of the lowest rung", [one.cost for one in done])
    yield mean(f"{what}: the same beside trying each by itself at the top alone", [one.cost / one.top for one in done])


def line(seed: int) -> list[bool]:
    """Eight changes whose effects go with size by a line and scatter, measured on three rungs: whether the interval that is
    foretold covers what is measured on the fourth, and whether it excludes zero."""
    lots = random.Random(f"line {seed}")
    changes, last = list[list[Sized]](), list[float]()
    for _ in range(8):
        level, slope = lots.gauss(0.0, 1.0), lots.gauss(0.0, 0.25)
        seen = [level + slope * place + lots.gauss(0.0, 0.2) + lots.gauss(0.0, 0.1) for place in range(4)]
        changes.append([Sized(2**place, seen[place], (seen[place] - 0.2, seen[place] + 0.2)) for place in range(3)])
        last.append(seen[3])
    found = [foretell(changes, which, 8) for which in range(8)]
    pairs = zip(found, last, strict=True)
    covers = [each is not None and each.interval[0] <= value <= each.interval[1] for each, value in pairs]
    return covers + [each is not None and (each.interval[0] > 0 or each.interval[1] < 0) for each in found]


def _lines(count: int) -> Iterator[Row]:
    done = in_parallel(line, range(count))
    yield share("what is foretold covers what is measured", sum(sum(one[:8]) for one in done), 8 * count, ">= 0.9")
    yield share("what is foretold excludes zero", sum(sum(one[8:]) for one in done), 8 * count, ">= 0.2")


def cells(quick: bool) -> Iterator[Cell]:
    """Simulated climbs, and lines."""
    for good in (CHANGES // 2, CHANGES):
        for what, together in ("together", 1 << 30), ("one by one", 1):
            name = f"{good} of {CHANGES} help at every size, {what}"
            yield Cell(name, partial(_nights, name, together, good, 3 if quick else 100))
    yield Cell("lines", partial(_lines, 20 if quick else 200))


BENCH = Bench("ladder", "Simulated ladders: every word right in >= 95 of 100 nights; what is foretold of a size covers it.",
              cells)
