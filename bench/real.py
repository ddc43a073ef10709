"""Real tracks at equal wall time: a session of `overnight run --for` on two workers, and Optuna's TPE with two evaluations at a
time. What both deploy is measured on seeds that neither used, each paired with the baseline. Cells of `python -m bench search`.

One track and night alone: `python -m bench search --cells "real, packing, night 0"`.
"""

from __future__ import annotations

import math
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.ground import measured, track_in
from bench.kit import Cell, Row, exact, mean, median, ratio
from bench.tuned import Tuned, Tuning, space
from overnight import sandbox
from overnight.execution.runner import Runner
from overnight.night.session import Session
from overnight.workers.cores import available

TRACKS = ("microgpt", "packing", "digits")
NIGHTS, SECONDS, SEEDS, WORKERS = 5, 300, 12, 2
ASKED = ">= 1.2"
OURS, TPE = "ours", "TPE"


def rows(name: str, seconds: int, seeds: int, night: int) -> Iterator[Row]:
    """One night of both on a track, and what each is worth on fresh seeds."""
    what = f"real, {name}, night {night}"
    with tempfile.TemporaryDirectory(prefix="overnight-real-") as place:
        here = track_in(Path(place), name)
        subprocess.run([sys.executable, "-m", "overnight.cli", "run", here, "--for", f"{seconds}s", "--workers", str(WORKERS)],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        session = Session(here)
        lab = session.read()
        assert lab.opened is not None
        runner = Runner(lab.track, session.repo, sandbox.choose("bubblewrap"), lab.opened.commit, session.home)
        with session.scratch():
            theirs = tuned(runner, lab.opened.contract, seconds, night)
            ends = fresh(runner, (lab.opened.commit, lab.commit, theirs.commit), seeds)
        unit = lab.track.metric.unit
        for arm, commit in ((OURS, lab.commit), (TPE, theirs.commit)):
            pairs = zip(ends[lab.opened.commit], ends[commit], strict=True)
            gains = [gain for before, after in pairs if not math.isnan(gain := lab.track.oriented(after - before))]
            yield mean(f"{what}, {arm}: gain on {seeds} fresh seeds", gains, unit=unit)
            yield exact(f"{what}, {arm}: fresh seeds on which it failed", seeds - len(gains))
        yield exact(f"{what}, {OURS}: gain that it claimed", lab.levels.gain, unit=unit)
        yield exact(f"{what}, {OURS}: runs", lab.runs)
        yield exact(f"{what}, {OURS}: wall", lab.usage.seconds, unit="s")
        yield exact(f"{what}, {TPE}: runs, of which {theirs.runs - theirs.explored} measured again", theirs.runs)
        yield exact(f"{what}, {TPE}: wall", theirs.seconds, unit="s")


def tuned(runner: Runner, contract: str, seconds: float, night: int) -> Tuned:
    """A night of Optuna on the contract's commit."""
    searched = space(runner, contract, runner.contract)
    return Tuning(runner, searched, runner.contract, seconds, available()[:WORKERS], night).go()


def fresh(runner: Runner, commits: Iterable[str], seeds: int) -> dict[str, list[float]]:
    """The metric of each commit on the same new seeds, nan where it failed, run in turn on all cores."""
    drawn, every = [secrets.randbits(31) for _ in range(seeds)], dict.fromkeys(commits)
    found = measured(runner, [(commit, seed) for seed in drawn for commit in every])
    return {commit: [found[commit, seed] for seed in drawn] for commit in every}


def compared(found: Sequence[Row]) -> Iterator[Row]:
    """The gain of ours over that of TPE, by the medians of the nights on a track; nothing where no night was measured."""
    for name in TRACKS:
        mine = [row for row in found if row.what.startswith(f"real, {name}, night ")]
        gains = {arm: [row.value for row in mine if f", {arm}: gain on " in row.what] for arm in (OURS, TPE)}
        if gains[OURS]:
            row = ratio(f"real, {name}: gain of ours over that of TPE, medians", gains[OURS], gains[TPE], ASKED)
            yield replace(row, least=NIGHTS)  # nan where TPE gained nothing, so the difference is there too
            ahead = [ours - theirs for ours, theirs in zip(gains[OURS], gains[TPE], strict=True)]
            yield median(f"real, {name}: gain of ours less that of TPE, median", ahead)


def cells(quick: bool) -> Iterator[Cell]:
    """A cell for each track and night (quick: one of a second, of which nothing can be judged)."""
    if quick:
        yield Cell("real, packing, night 0", partial(rows, "packing", 1, 1, 0))
        return
    for name in TRACKS:
        for night in range(NIGHTS):
            yield Cell(f"real, {name}, night {night}", partial(rows, name, SECONDS, SEEDS, night))
