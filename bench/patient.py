"""What `overnight try` makes of one change that is handed in where nothing else waits for the benches, on simulated tracks.

A try is a track of its own: a baseline whose runs scatter by one standard deviation, and a change whose runs share its noise,
seed by seed, as changes of the reference world share that of their base (bench/worlds.py). A tenth of it is worthwhile.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from functools import partial

import fakes
from bench.kit import Bench, Cell, Row, in_parallel, median, share
from fakes import CONTRACT, FakeWorld, Night
from overnight.lab.jobs import Try

WORTHWHILE = CONTRACT.replace('"minimize"', '"minimize"\nworthwhile = 0.1')
KEPT, FALSE = ">= 0.9", "<= 0.05"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How one try ended: whether it was kept, after so many pairs of runs, and whether it had a quick verdict before."""

    kept: bool
    pairs: int
    went_on: bool


def attempt(gain: float, seed: int, measure_slots: int = 2) -> Outcome:
    """One try of a change that improves by so many standard deviations of a run."""
    world = FakeWorld(seed)
    traits = fakes.referee_world(random.Random(seed))
    mine = world.made(dataclasses.replace(traits, gain=gain), "c0", "mine")
    night = Night(world, contract=WORTHWHILE, researchers=(), measure_slots=measure_slots, key=f"patient {seed}")
    night.lab.hear(Try("r", "c0", mine, "mine"), 0.0)
    found = night.go().lab.state.experiments[1]
    return Outcome(found.verdict == "keep", found.pairs, found.reopenings > 0)


def cell(what: str, gain: float, tries: int, asked: str = "") -> Cell:
    """A cell of tries of changes that are worth so much."""
    def rows() -> Iterator[Row]:
        done = in_parallel(partial(attempt, gain), range(70_000, 70_000 + tries))
        yield share(f"{what}: kept", sum(one.kept for one in done), tries, asked)
        yield share(f"{what}: went on after a quick verdict", sum(one.went_on for one in done), tries)
        yield median(f"{what}: pairs until a keep", [one.pairs for one in done if one.kept])
        yield median(f"{what}: pairs until it is given up", [one.pairs for one in done if not one.kept])

    return Cell(what, rows)


def cells(quick: bool) -> Iterator[Cell]:
    """Changes that improve, and some that do nothing."""
    tries = 30 if quick else 400
    yield cell("a change of 1 sd", 1.0, tries, KEPT)
    yield cell("a change that does nothing", 0.0, tries, FALSE)
    for gain in () if quick else (0.5, 2.0):
        yield cell(f"a change of {gain:g} sd", gain, tries)


BENCH = Bench("patient", "Simulated tries, benches idle: a change of 1 sd is kept >= 90 %, one of nothing <= 5 %.", cells)
