"""The tracks kernel, binpacking and policy: what the baseline measures, and what nights keep of edits whose worth is known.

    python -m bench ready --cells policy                    one track: its baseline, its planted edit, its nights
    python -m bench ready --cells "load 0"                  nights of placebos on kernel, on cores that are loaded in bursts

A night is given one edit that is better, nine that change nothing and the cheats of bench/tracks_classic.py, and has two
minutes. Each night is a cell of its own, so that as many are run as there is time for.
"""

from __future__ import annotations

import heapq
import importlib.util
import random
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import ModuleType

from bench import ROOT
from bench import tracks_classic as classic
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact, mean, share
from bench.load import bursts
from overnight import sandbox
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.night.session import Session
from overnight.repo import Repo
from overnight.track.load import load
from overnight.views.experiment import history

SEEDS, NIGHTS, LOADED, PLACEBOS = 20, 5, 20, 40
MOST_SECONDS = 3  # of a run
BURST = 4.0  # mean seconds for which all cores are loaded, and for which none is
KEPT, FALSE, CHEATED = "nights that keep what is better", "changes of no effect that are kept", "cheats that are kept"
LEFT = "edits that the time did not suffice for"  # a time waits while the machine is overloaded
A_KEEP, JUDGED = "ends with a keep", "placebos judged"
# of nights; in the second sort what was measured counts, however long it waited for a core
LOAD, FREE = "kernel under load", "kernel, whatever the load"
Measured = Callable[[Mapping[str, str], int], tuple[float, float]]  # a track with other files, a seed -> metric, seconds


def measuring(name: str, folder: Path) -> tuple[Runner, Measured]:
    """Runs of a track in the sandbox."""
    here, scratch = track_in(folder, name), folder / "scratch"
    scratch.mkdir()
    repo = Repo(here, scratch)
    judge, commits = repo.head(), dict[str, str]()
    runner = Runner(load(here), repo, sandbox.choose("bubblewrap"), judge, folder / "home")

    def measured(changed: Mapping[str, str], seed: int) -> tuple[float, float]:
        key = repr(sorted(changed.items()))
        if key not in commits:
            commits[key] = repo.commit(judge, dict(changed), "an edit") if changed else judge
        began = time.monotonic()
        run = runner.measure(sealed(Measure(seed, 1, commits[key], seed, "race"), "bench"))
        if run.outcome != "ok":
            raise SystemExit(f"a run of {name} ended as {run.outcome}: {run.reason}")
        return run.metrics[runner.track.metric.name], time.monotonic() - began

    return runner, measured


def baseline(name: str, seeds: int) -> Iterator[Row]:
    """What runs of the track as it is give, and by how much the planted edit is better on the same seeds."""
    with tempfile.TemporaryDirectory() as folder:
        runner, measured = measuring(name, Path(folder))
        better = classic.swapped(classic.texts(name), classic.PLANTED[name].better)
        with closing(runner):
            measured({}, 0)  # compiles, where something is to be compiled
            pairs = [(measured({}, seed), measured(better, seed)) for seed in range(1, 1 + seeds)]
    metric, unit = runner.track.metric.name, runner.track.metric.unit or ""
    values, gains = [old for (old, _), _ in pairs], [old - new for (old, _), (new, _) in pairs]
    yield mean(f"{name}: {metric}", values, unit=unit)
    if seeds > 1:
        yield exact(f"{name}: its standard deviation over seeds", statistics.stdev(values), unit=unit, count=seeds)
        yield exact(f"{name}: that of a paired gain", statistics.stdev(gains), unit=unit, count=seeds)
    yield mean(f"{name}: gain of the planted edit", gains, ">= 0", unit)
    yield mean(f"{name}: seconds a run", [took for (_, took), _ in pairs], f"<= {MOST_SECONDS}", "s")


def scorer(name: str) -> ModuleType:
    """The scorer of a track as a module."""
    spec = importlib.util.spec_from_file_location(f"score_of_{name}", ROOT / "tracks" / name / "score.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def least_misses(requests: Sequence[int], capacity: int) -> int:
    """The fewest misses that there can be (Belady, 1966): what is asked for again last leaves, or does not come in."""
    never, following, nexts = len(requests), dict[int, int](), [0] * len(requests)
    for at in range(len(requests) - 1, -1, -1):
        nexts[at] = following.get(requests[at], never)
        following[requests[at]] = at
    held, last, misses = dict[int, int](), list[tuple[int, int]](), 0
    for at, key in enumerate(requests):
        misses += key not in held
        if key not in held and len(held) == capacity:
            while held.get(last[0][1]) != -last[0][0]:
                heapq.heappop(last)
            if -last[0][0] <= nexts[at]:
                continue
            del held[heapq.heappop(last)[1]]
        held[key] = nexts[at]
        heapq.heappush(last, (-nexts[at], key))
    return misses


def belady(seeds: int) -> Iterator[Row]:
    """What no policy can beat, on traces like those of the track."""
    score = scorer("policy")
    traces = [score.trace(random.Random(seed)) for seed in range(seeds)]
    yield mean("policy: miss_ratio of whoever knows the future", [least_misses(t, score.CAPACITY) / len(t) for t in traces])


def night(name: str, number: int, small: bool = False) -> Iterator[Row]:
    """What one night keeps."""
    with tempfile.TemporaryDirectory() as folder:
        here = classic.laid_out(Path(folder), name, small)
        judged = classic.night(here, "--experiments", len(classic.edits(name)), "--for", "120s")
    kept = [each.message.strip() for each in judged if each.verdict.verdict == "keep"]
    left = len(classic.edits(name)) - sum(each.verdict.verdict != "open" for each in judged)
    said = f"{name} night {number}"
    yield exact(f"{said}: {LEFT}", left, count=len(judged))
    yield exact(f"{said}: {KEPT}", kept.count(classic.BETTER), "" if left else "== 1", count=len(judged))
    yield exact(f"{said}: {FALSE}", sum(title.startswith(classic.NOTHING) for title in kept), "== 0", count=len(judged))
    yield exact(f"{said}: {CHEATED}", len(set(kept) & classic.PLANTED[name].cheats.keys()), "== 0", count=len(judged))


def loaded(sort: str, number: int) -> Iterator[Row]:
    """One night of placebos on kernel, under bursts of load."""
    changed = classic.swapped(classic.texts("kernel"), [classic.PLANTED["kernel"].small])
    if sort == FREE:
        changed["track.toml"] = classic.texts("kernel")["track.toml"] + "\n[referee]\nmay_starve = 1\n"
    with tempfile.TemporaryDirectory() as folder:
        here = track_in(Path(folder), "kernel", **changed)
        with bursts(number, BURST, BURST):
            classic.night(here, "--researcher", "placebo", "--experiments", PLACEBOS, "--for", "120s")
        found = history(Session(here).read())
    yield exact(f"{sort} {number:02}: {A_KEEP}", bool(found.kept))
    yield exact(f"{sort} {number:02}: {JUDGED}", sum(each.verdict.verdict != "open" for each in found.experiments))


def sums(rows: Sequence[Row]) -> Iterator[Row]:
    """Over all nights."""
    for name in classic.PLANTED:
        for what in (KEPT, FALSE, CHEATED):
            found = [row.value for row in rows if row.asked and re.fullmatch(rf"{name} night \d+: {what}", row.what)]
            if found:
                yield exact(f"{name}: {what}, in all", sum(found), f"== {len(found) if what == KEPT else 0}", count=len(found))
    for sort, asked in ((LOAD, "<= 0.05"), (FREE, "")):
        if kept := [row.value for row in rows if re.fullmatch(rf"{sort} \d+: {A_KEEP}", row.what)]:
            yield share(f"{sort}: nights that end with a keep", sum(kept), len(kept), asked)
        if judged := [row.value for row in rows if re.fullmatch(rf"{sort} \d+: {JUDGED}", row.what)]:
            yield exact(f"{sort}: {JUDGED}, in all", sum(judged), count=len(judged))


def cells(quick: bool) -> Iterator[Cell]:
    """Of each track its runs, then its nights; quick: one seed of each, and one night of short runs."""
    for name in classic.PLANTED:
        yield Cell(f"{name} as it is", partial(baseline, name, 1 if quick else SEEDS))
    if quick:
        yield Cell("binpacking night", partial(night, "binpacking", 0, True))
        return
    yield Cell("policy at best", partial(belady, 60))
    for number in range(1, 1 + NIGHTS):
        for name in classic.PLANTED:
            yield Cell(f"{name} night {number}", partial(night, name, number))
    for sort in (LOAD, FREE):
        for number in range(1, 1 + LOADED):
            yield Cell(f"{sort} {number:02}", partial(loaded, sort, number))


BENCH = Bench("ready", "The tracks kernel, binpacking and policy: nights keep what is better, and neither what changes nothing "
              "nor a cheat.", cells, long=True, sums=sums,
              uses=("overnight.cli", "overnight.researchers.replay", "overnight.researchers.placebo"))
