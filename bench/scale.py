"""How the journal and the Lab bear a great many experiments: opening, memory, and one decision at that size.

A real journal is written by driving the Lab with a fake world (patches of 2 KB, as real ones are). It is opened in fresh
processes, as a command that looks opens it: from the snapshot that the last session left, with a last session's records behind
it, and without one, which replays all and checks every hash. Their growth is the memory of the experiments. Then what it
takes to write the snapshot, `ask`, `tell` and the durable writing of one result, which is up to the disk; and `ask` and
`tell` with a thousand open candidates.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import msgspec

from bench.kit import Bench, Cell, Row, exact, median
from fakes import FakeWorld, Idea, Night, lots_of, referee_world, team
from overnight.journal import open as open_journal
from overnight.lab.events import Event, Proposed, Started
from overnight.lab.flight import Budget
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.night.snapshot import BEHIND, Snapshot

FULL, RESULTS, OPEN = 100_000, 2000, 1000
PATCH = "".join(f"-LEARNING_RATE = {i}e-3\n+LEARNING_RATE = {i}.5e-3\n" for i in range(45))
NOTE = {"knobs": {f"train.py:KNOB_{i}": [0.1 * i, 0.2 * i] for i in range(3)}, "kind": "constant"}
PLACES = ("measure",) * 4 + ("edit",)
OPENED = {FULL: "<= 3"}  # seconds, asked at that size alone
HELD = {FULL: "<= 2"}  # KiB, the same


def rare(lots: random.Random) -> Idea:
    """The reference world, but improvements get rarer: one proposal in a thousand, as on a long track."""
    idea = referee_world(lots)
    return Idea(min(0.0, idea.gain), idea.correlation) if idea.gain > 0 and lots.random() > 1 / 30 else idea


def build(path: Path, experiments: int) -> FakeWorld:
    """Write the journal; returns the world that it tells of."""
    night = Night(FakeWorld(1, rare), measure_slots=4).go(experiments=experiments)
    journal = open_journal(path)
    for events in batched(map(fuller, night.events)):
        journal.extend(events)
    journal.close()
    return night.world


def batched(events: Iterable[Event]) -> Iterator[list[Event]]:
    """As many at a time as are written in one transaction."""
    left = iter(events)
    while batch := list(islice(left, 5000)):
        yield batch


def fuller(event: Event) -> Event:
    """A proposal with a patch and a note of the usual size."""
    return msgspec.structs.replace(event, patch=PATCH, note=NOTE) if isinstance(event, Proposed) else event


def opened(path: Path) -> State:
    """The state as a command that looks opens it."""
    journal = open_journal(path)
    state = Snapshot(path.with_name("state.snapshot")).open(journal, {})
    journal.close()
    return state


def remember(path: Path) -> float:
    """Have a session that ends BEHIND records before the journal's last one leave its snapshot; seconds that it took."""
    last, part = open_journal(path), path.with_name("part.db")
    journal, left = open_journal(part), max(0, last.head[0] - BEHIND)
    for events in batched(islice(last.replay(), left)):
        journal.extend(events)
    kept = Snapshot(path.with_name("state.snapshot"), behind=0)
    state, began = kept.open(journal, {}), time.perf_counter()
    kept.keep(state, journal)
    took = time.perf_counter() - began
    last.close()
    journal.close()
    part.unlink()
    return took


def opening(path: Path) -> tuple[float, float]:
    """Seconds that it takes to open the journal, and KiB for each experiment."""
    before, began = resident(), time.perf_counter()
    state = opened(path)
    return time.perf_counter() - began, (resident() - before) / len(state.experiments) / 1024


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
            replayed = list(zip(*pool.map(opening, [path] * openings, chunksize=1), strict=True))
            wrote = pool.apply(remember, [path])
            took, held = zip(*pool.map(opening, [path] * openings, chunksize=1), strict=True)
        lab, journal = Lab(opened(path), team("r"), 4), open_journal(path)
        yield exact("experiments", len(lab.state.experiments))
        yield exact("size of the journal", path.stat().st_size / 1e6, unit="MB")
        yield exact("size of the snapshot", path.with_name("state.snapshot").stat().st_size / 1e6, unit="MB")
        yield exact("writing the snapshot", wrote, unit="s")
        yield median("opening", took, OPENED.get(experiments, ""), "s")
        yield median("memory for an experiment", held, HELD.get(experiments, ""), "KiB")
        yield median("opening without a snapshot, whole chain checked", replayed[0], unit="s")
        yield median("memory for an experiment after that", replayed[1], HELD.get(experiments, ""), "KiB")
        spent = decide(lab, world, results, journal.extend)
        journal.close()
    for name in ("ask", "tell"):
        yield median(f"{name}, {experiments:,} experiments", [1e3 * s for s in spent[name]], "<= 2", "ms")
    yield median("writing a result", [1e3 * s for s in spent["write"]], unit="ms")


def crowded(results: int) -> Iterator[Row]:
    """`ask` and `tell` with a thousand open candidates."""
    night = Night(FakeWorld(1, referee_world), measure_slots=4).go(experiments=10)
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
    """At 100,000 experiments (quick: 2,000), then with many open candidates."""
    yield Cell("size", partial(at_size, 2000 if quick else FULL, 300 if quick else RESULTS, 6))
    yield Cell("crowd", partial(crowded, 100 if quick else 500))


BENCH = Bench("scale", "100,000 experiments: opened in 3 s, 2 KiB of memory for each, ask and tell in 2 ms.", cells, timed=True)
