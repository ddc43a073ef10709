"""How the journal and the Lab bear a great many experiments: opening, memory, and one decision at that size.

A real journal is written by driving the Lab with a fake world (patches of 2 KB, as real ones are). It is opened and
replayed, chain of hashes included, in fresh processes, whose growth is the memory of the experiments. Then `ask`, `tell`
and the durable writing of one result, which is up to the disk; and `ask` and `tell` with a thousand open candidates.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from bench.kit import Bench, Cell, Row, exact, median
from fakes import FakeWorld, Idea, Night, lots_of, referee_world, team
from overnight.journal import open as open_journal
from overnight.lab.events import Event, Proposed, Started
from overnight.lab.flight import Budget
from overnight.lab.lab import Lab
from overnight.lab.state import State

FULL, RESULTS, OPEN = 100_000, 2000, 1000
PATCH = "".join(f"-LEARNING_RATE = {i}e-3\n+LEARNING_RATE = {i}.5e-3\n" for i in range(45))
NOTE = {"knobs": {f"train.py:KNOB_{i}": [0.1 * i, 0.2 * i] for i in range(3)}, "kind": "constant"}
PLACES = ("bench",) * 4 + ("desk",)
OPENED = {FULL: "<= 3"}  # seconds, asked at that size alone


def rare(lots: random.Random) -> Idea:
    """The reference world, but improvements get rarer: one proposal in a thousand, as on a long track."""
    idea = referee_world(lots)
    return Idea(min(0.0, idea.gain), idea.correlation) if idea.gain > 0 and lots.random() > 1 / 30 else idea


def build(path: Path, experiments: int) -> FakeWorld:
    """Write the journal; returns the world that it tells of."""
    night = Night(FakeWorld(1, rare), benches=4).go(experiments=experiments)
    journal, events = open_journal(path), [fuller(event) for event in night.events]
    for first in range(0, len(events), 5000):
        journal.extend(events[first:first + 5000])
    journal.close()
    return night.world


def fuller(event: Event) -> Event:
    """A proposal with a patch and a note of the usual size."""
    return msgspec.structs.replace(event, patch=PATCH, note=NOTE) if isinstance(event, Proposed) else event


def replay(path: Path) -> Lab:
    """The Lab as the journal tells it."""
    journal, lab = open_journal(path), Lab(State(), team("r"), 4)
    for event in journal.replay():
        lab.apply(event)
    journal.close()
    return lab


def opening(path: Path) -> tuple[float, float]:
    """Seconds that it takes to open the journal, and bytes for each experiment."""
    before, began = resident(), time.perf_counter()
    lab = replay(path)
    return time.perf_counter() - began, (resident() - before) / len(lab.state.experiments)


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


class Timed:
    """Keeps seconds by name."""

    def __init__(self) -> None:
        self.spent: dict[str, list[float]] = {}

    def __call__(self, name: str, action: Callable, *given: object):
        began = time.perf_counter()
        value = action(*given)
        self.spent.setdefault(name, []).append(time.perf_counter() - began)
        return value


def decide(lab: Lab, world: FakeWorld, results: int,
           write: Callable[[list[Event]], None] | None = None) -> dict[str, list[float]]:
    """Seconds of each `ask`, `tell` and write while so many results come in."""
    timed, idle, flying = Timed(), list(PLACES), []
    lab.apply(Started(0.0, 4, "fake", "0", lab.roster.proposers))
    lab.begin(Budget(), 0.0)
    for number in range(results):
        while idle and (job := timed("ask", lab.ask, 0.0, idle)):
            idle.remove(job.place)
            flying.append(job)
        job = flying.pop(lots_of(number).randrange(len(flying)))
        idle.append(job.place)
        events = timed("tell", lab.tell, world.answer(job), 0.0)
        if write:
            timed("write", write, events)
    return timed.spent


def at_size(experiments: int, results: int, openings: int) -> Iterator[Row]:
    """Opening and deciding, at a size."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.db")
        world = build(path, experiments)
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            took, held = zip(*pool.map(opening, [path] * openings, chunksize=1), strict=True)
        lab, journal = replay(path), open_journal(path)
        yield exact("experiments", len(lab.state.experiments))
        yield exact("size of the journal", path.stat().st_size / 1e6, unit="MB")
        yield median("opening, chain checked", took, OPENED.get(experiments, ""), "s")
        yield median("memory for an experiment", [h / 1024 for h in held], "<= 2" if experiments == FULL else "", "KiB")
        spent = decide(lab, world, results, journal.extend)
        journal.close()
    for name in ("ask", "tell"):
        yield median(f"{name}, {experiments:,} experiments", [1e3 * s for s in spent[name]], "<= 2", "ms")
    yield median("writing a result", [1e3 * s for s in spent["write"]], unit="ms")


def crowded(results: int) -> Iterator[Row]:
    """`ask` and `tell` with a thousand open candidates."""
    night = Night(FakeWorld(1, referee_world), benches=4).go(experiments=10)
    lab, world = night.lab, night.world
    for _ in range(OPEN):
        number, idea = lab.state.next_experiment, referee_world(lots_of("crowd", lab.state.next_experiment))
        made = world.made(idea, lab.state.commit, "crowd", number)
        lab.apply(Proposed(night.now, number, lab.state.frontier, lab.state.commit, commit=made, researcher="r",
                           message="crowd", patch=made))
    spent = decide(lab, world, results)
    yield exact("open candidates, at the end", len(lab.state.open))
    for name in ("ask", "tell"):
        yield median(f"{name}, {OPEN:,} open at the beginning", [1e3 * s for s in spent[name]], "<= 1", "ms")


def cells(quick: bool) -> Iterator[Cell]:
    """At 100,000 experiments (quick: 3,000), then with many open candidates."""
    yield Cell("size", partial(at_size, 3000 if quick else FULL, 300 if quick else RESULTS, 6))
    yield Cell("crowd", partial(crowded, 100 if quick else 500))


BENCH = Bench("scale", "100,000 experiments: opened in 3 s, 2 KiB of memory for each, ask and tell in 2 ms.", cells, timed=True)
