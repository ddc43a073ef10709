"""Very many knobs: what a suggestion then takes, and whether the few that matter are found among them."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from bench.deployed import deployed
from bench.kit import Row, in_parallel, mean, median
from bench.landscapes import Landscape
from bench.programs import Values
from overnight.contracts import Brief, Change
from overnight.researchers.knobs.propose import Knobs

MATTER = 20  # knobs, whatever the number of the others
RUNS = (60, 200, 1_000)
TIME, MEMORY = 100.0, 300.0  # milliseconds of a processor for a suggestion; MiB that it takes


def wide(seed: int, knobs: int) -> Landscape:
    """Knobs of alike names, a few of which matter, as much as one another."""
    lots = random.Random(f"wide {seed}")
    names = [f"KNOB_{number}" for number in range(knobs)]
    lines = [f"{name} = {lots.uniform(0.2, 0.8):.2f}  # knob: linear 0..1" for name in names]
    best = {name: lots.random() for name in lots.sample(names, min(MATTER, knobs))}

    def loss(values: Values) -> float:
        return sum((float(values[name]) - place) ** 2 for name, place in best.items())

    return Landscape("\n".join([*lines, "", "", "def train():", f"    return {', '.join(names)}", ""]), loss, 0.1)


class Timed:
    """Knobs, with the CPU milliseconds of each suggestion."""

    name = "knobs"

    def __init__(self) -> None:
        self.knobs, self.took = Knobs(), list[float]()
        self.last: Brief | None = None

    def propose(self, brief: Brief) -> Change | None:
        """What knobs propose."""
        self.last = brief
        began = time.process_time()
        change = self.knobs.propose(brief)
        self.took.append(1000 * (time.process_time() - began))
        return change


class Suggested(NamedTuple):
    """What a night left: the true regret of what is deployed, CPU milliseconds of each of the last suggestions, MiB that one
    takes."""

    regret: float
    took: list[float]
    memory: float


def suggested(knobs: int, runs: int, seed: int) -> Suggested:
    """A night of so many runs."""
    landscape, timed = wide(seed, knobs), Timed()
    night = deployed(landscape, runs, seed, researcher=timed)
    took = timed.took[-len(timed.took) // 4 :]
    return Suggested(landscape.regret(night.values), took, _memory(timed.last))


def _memory(brief: Brief | None) -> float:
    """MiB that a suggestion takes at most, beside its brief. The simulated night would count every brief there was."""
    tracemalloc.start()
    if brief is not None:
        Knobs().propose(brief)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / (1 << 20)


def large(knobs: int, budgets: tuple[int, ...], seeds: int) -> Iterator[Row]:
    """What suggestions take on a text of so many knobs, towards the end of each budget, and what comes of them."""
    for runs in budgets:
        nights = in_parallel(partial(suggested, knobs, runs), range(seeds))
        what = f"{knobs} knobs, {runs} runs"
        last = runs == max(budgets)
        yield mean(f"{what}: regret", [night.regret for night in nights])
        every = [took for night in nights for took in night.took]
        yield median(f"{what}: CPU of a suggestion, of the last quarter", every, f"<= {TIME:g}" if last else "", "ms")
        asked = f"<= {MEMORY:g}" if last else ""
        yield mean(f"{what}: memory of a suggestion", [night.memory for night in nights], asked, "MiB")
