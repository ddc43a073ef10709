"""How the journal and the Lab bear a great many experiments: replay, and one decision, at that size.

    python bench/scale.py [--experiments 100000]

Builds a real SqliteJournal in a temporary folder by driving the Lab with a fake world (patches of 2 KB, as real ones
are), then measures: opening and replaying it, chain of hashes included (target: 10 s); `ask` and `tell` at that size
(targets: 2 ms each, median and 99th percentile),
and with a thousand open candidates (target: 1 ms); and writing one result durably, which is up to the disk.
"""

import argparse
import gc
import random
import sys
import tempfile
import time
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fakes import FakeWorld, Idea, Night, lots_of, referee_world
from overnight.journal.database import SqliteJournal
from overnight.lab.events import Proposed, Started
from overnight.lab.lab import Lab
from overnight.lab.proposing import Budget

PATCH = "".join(f"-LEARNING_RATE = {i}e-3\n+LEARNING_RATE = {i}.5e-3\n" for i in range(45))
NOTE = {"knobs": {f"train.py:KNOB_{i}": [0.1 * i, 0.2 * i] for i in range(3)}, "kind": "constant"}


def rare(lots: random.Random) -> Idea:
    """The reference world, but improvements get rarer: one proposal in a thousand, as on a long track."""
    idea = referee_world(lots)
    return Idea(min(0.0, idea.gain), idea.correlation) if idea.gain > 0 and lots.random() > 1 / 30 else idea


def build(path: Path, experiments: int) -> tuple[FakeWorld, float]:
    """Write the journal; returns the world that it tells of, and the seconds that it took."""
    start = time.perf_counter()
    night = Night(FakeWorld(1, rare), benches=4)
    journal, written = SqliteJournal(path), 0

    def watch(night: Night) -> None:
        nonlocal written
        if len(night.batches) - written >= 5000 or night.lab.finished(night.now):
            journal.extend([fuller(e) for batch in night.batches[written:] for e in batch])
            written = len(night.batches)

    night.go(experiments=experiments, watch=watch)
    rest = [fuller(e) for batch in night.batches[written:] for e in batch]
    if rest:
        journal.extend(rest)
    journal.close()
    return night.world, time.perf_counter() - start


def fuller(event):
    """A proposal with a patch and a note of the usual size."""
    return msgspec.structs.replace(event, patch=PATCH, note=NOTE) if isinstance(event, Proposed) else event


def replay(path: Path) -> tuple[Lab, float, int]:
    """(the Lab, seconds, records) from opening the file to the whole state."""
    start = time.perf_counter()
    journal, lab, count = SqliteJournal(path), Lab(("r",), 4), 0
    for count, event in enumerate(journal.replay(), 1):  # noqa: B007
        lab.apply(event)
    journal.close()
    return lab, time.perf_counter() - start, count


def decide(lab: Lab, journal: SqliteJournal, world: FakeWorld, results: int) -> dict[str, list[float]]:
    """Seconds of each `ask`, `tell` and write while so many results come in."""
    lab.apply(Started(0.0, 4, "fake", "0"))
    lab.begin(Budget(), 0.0)
    spent: dict[str, list[float]] = {"ask": [], "tell": [], "write": []}

    def timed(name: str, action, *given):
        start = time.perf_counter()
        value = action(*given)
        spent[name].append(time.perf_counter() - start)
        return value

    idle, flying = ["bench"] * 4 + ["desk"], []
    for number in range(results):
        while idle and (job := timed("ask", lab.ask, 0.0, idle)):
            idle.remove(job.place)
            flying.append(job)
        job = flying.pop(lots_of(number).randrange(len(flying)))
        idle.append(job.place)
        events = timed("tell", lab.tell, world.answer(job), 0.0)
        timed("write", journal.extend, events)
    return spent


class Crowded(Lab):
    """A Lab that lets a thousand proposals wait."""

    def _proposals(self, waiting, wanted):
        yield from super()._proposals(waiting, 1000)


def crowd(results: int) -> tuple[int, dict[str, list[float]]]:
    """(open experiments, seconds of each `ask` and `tell`) with a thousand open candidates and 16 benches."""
    spent: dict[str, list[float]] = {"ask": [], "tell": []}

    class Timed(Crowded):
        def ask(self, now, idle):
            start = time.perf_counter()
            job = super().ask(now, idle)
            spent["ask"].append(time.perf_counter() - start)
            return job

        def tell(self, result, at):
            start = time.perf_counter()
            events = super().tell(result, at)
            spent["tell"].append(time.perf_counter() - start)
            return events

    night = Night(FakeWorld(1, referee_world), benches=16, desks=16, lab=Timed)
    night.go(runs=800)
    for times in spent.values():
        times.clear()
    night.go(runs=800 + results)
    return len(night.lab.open), spent


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=100_000)
    parser.add_argument("--results", type=int, default=4000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "journal.db")
        world, built = build(path, options.experiments)
        gc.collect()
        lab, seconds, records = replay(path)
        kept, size, count, runs = lab.counts["keep"], path.stat().st_size / 1e6, len(lab.experiments), lab.runs
        journal = SqliteJournal(path)
        spent = decide(lab, journal, world, options.results)
        journal.close()
        print(f"{count} experiments ({kept} kept, {runs} runs), {records} records, {size:.0f} MB, "
              f"built in {built:.0f} s\n")
        print("| what | median | 99th percentile | target |\n|---|---|---|---|")
        print(f"| replay, chain checked | {seconds:.2f} s | | 10 s |")
        for name, target in (("ask", "2 ms"), ("tell", "2 ms"), ("write", "")):
            print(timed(name, spent[name], target))
        left, spent = crowd(500)
        for name in ("ask", "tell"):
            print(timed(f"{name}, {left} open", spent[name], "1 ms"))


def timed(name: str, spent: list[float], target: str) -> str:
    """A line of the table."""
    times = sorted(spent)
    median, high = times[len(times) // 2], times[len(times) * 99 // 100]
    return f"| {name} | {1e3 * median:.3f} ms | {1e3 * high:.3f} ms | {target} |"


if __name__ == "__main__":
    main()
