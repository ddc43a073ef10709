"""What the referee promises, measured through the Lab: false keeps on nights with nothing to find, and the true gain.

    python bench/referee_nights.py [--nights 40] [--runs 2000] [--processes 2]

A/A nights: 300 changes that change nothing, each with noise of its own, two benches; how many nights end with a keep.
The other worlds are REFEREE.md's (3 % improvements of U[.5, 2] standard deviations, the rest without effect or
harmful), at a fixed number of runs on one bench: true gain of the frontier, false share of the keeps, what is claimed
to what is true, and how often the 95 % interval of a keep covers the truth. "diverging": each run of each candidate
blows up with probability .02.
"""

import argparse
import dataclasses
import random
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fakes import FakeWorld, Idea, Night, no_op, referee_world


def diverging(lots: random.Random) -> Idea:
    """The world of REFEREE.md where one run in fifty of every candidate diverges."""
    return dataclasses.replace(referee_world(lots), wild=0.02)


def without_improvement(lots: random.Random) -> Idea:
    """The world of REFEREE.md without its improvements, correlated as it is."""
    idea = referee_world(lots)
    return dataclasses.replace(idea, gain=min(0.0, idea.gain))


def null_night(job: tuple[Callable[[random.Random], Idea], int, int]) -> tuple[int, int]:
    """(keeps, runs) of a night in which nothing can be better."""
    ideas, seed, experiments = job
    lab = Night(FakeWorld(seed, ideas), benches=2, key=str(seed)).go(experiments=experiments).lab
    return lab.counts["keep"], lab.runs


def climb(job: tuple[Callable[[random.Random], Idea], int, int]) -> tuple[float, int, int, float, float, int]:
    """(true gain, keeps, false keeps, claimed, true, covered) of a night of so many runs."""
    ideas, seed, runs = job
    night = Night(FakeWorld(seed, ideas), benches=1, key=str(seed)).go(runs=runs)
    keeps = [e for e in night.lab.experiments.values() if e.verdict == "keep"]
    truth = [night.world.gain(e.commit, e.base_commit) for e in keeps]
    covered = sum(e.interval[0] <= t <= e.interval[1] for e, t in zip(keeps, truth, strict=True))
    return (night.world.worth[night.lab.commit], len(keeps), sum(t <= 1e-12 for t in truth),
            sum(e.effect for e in keeps), sum(truth), covered)


def share(part: float, whole: float) -> str:
    """A share with its standard error."""
    p = part / max(1, whole)
    return f"{p:.3f} ± {(p * (1 - p) / max(1, whole)) ** 0.5:.3f}"


def spread(values: list[float]) -> str:
    """A mean with its standard error."""
    middle = sum(values) / len(values)
    error = (sum((v - middle) ** 2 for v in values) / max(1, len(values) - 1) / len(values)) ** 0.5
    return f"{middle:.1f} ± {error:.1f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nights", type=int, default=40)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    with ProcessPoolExecutor(options.processes) as pool:
        print("| nights with nothing to find | nights | with any keep | keeps | runs a night |\n|---|---|---|---|---|")
        for name, ideas, changes in (("A/A, 300 changes, independent noise", no_op, 300),
                                     ("harm or nothing, 700 changes, REFEREE.md's noise", without_improvement, 700)):
            nights = list(pool.map(null_night, [(ideas, seed, changes) for seed in range(options.nights)]))
            print(f"| {name} | {len(nights)} | {share(sum(k > 0 for k, _ in nights), len(nights))} "
                  f"| {sum(k for k, _ in nights)} | {spread([r for _, r in nights])} |", flush=True)
        print(f"\n| {options.runs} runs | nights | true gain | keeps a night | FDP | claimed / true | 95 % covers |")
        print("|---|---|---|---|---|---|---|")
        for name, ideas in (("REFEREE.md's world", referee_world), ("the same, diverging", diverging)):
            jobs = [(ideas, 10_000 + seed, options.runs) for seed in range(options.nights)]
            gain, keeps, false, claimed, true, covered = zip(*pool.map(climb, jobs), strict=True)
            kept = sum(keeps)
            print(f"| {name} | {len(gain)} | {spread(list(gain))} | {spread(list(keeps))} | {share(sum(false), kept)} "
                  f"| {sum(claimed) / sum(true):.3f} | {share(sum(covered), kept)} |", flush=True)


if __name__ == "__main__":
    main()
