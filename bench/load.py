"""A/A nights on tracks/sorting, a time, while the bench itself loads every core in bursts. Every keep is false.

Beside them the same nights with `[referee] may_starve = 1`, where whatever was measured counts. Each night is a cell of its
own, so that as many are run as there is time for:

    python -m bench load --cells "short night"      20 nights of 200 changes with small lists
    python -m bench load --cells "long night"       the same on the track as it is
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import ROOT
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact, share
from overnight.night.session import Session
from overnight.views.experiment import history
from overnight.views.track import track

NIGHTS, EXPERIMENTS = 20, 200
BURNER = """
import os, random, sys, time
lots, parent = random.Random(sys.argv[1]), os.getppid()
while os.getppid() == parent:
    for mean, busy in ((float(sys.argv[2]), True), (float(sys.argv[3]), False)):
        until = time.monotonic() + lots.expovariate(1 / mean)
        while busy and time.monotonic() < until and os.getppid() == parent:
            sum(range(100_000))
        time.sleep(max(0.0, until - time.monotonic()))
"""
BURST = {"long": (20.0, 20.0), "short": (4.0, 4.0)}  # mean seconds for which all cores are loaded, and for which none is
SMALL = ("sizes=(300, 3000, 20_000), trials=7", "sizes=(3000,), trials=5")
FREE = "\n[referee]\nmay_starve = 1\n"
KEEPS, ZERO, JUDGED, LOST = "keeps", "keeps whose interval contains zero", "changes judged", "runs that did not count"


@contextmanager
def bursts(seed: int, burst: float, lull: float, each: int = 2) -> Iterator[None]:
    """So many processes for each core of this machine that work and rest by turns, all at the same times."""
    burners = [subprocess.Popen([sys.executable, "-c", BURNER, str(seed), str(burst), str(lull)])
               for _ in range(each * (os.cpu_count() or 1))]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def edited(length: str, free: bool) -> dict[str, str]:
    """The files of the track that are not as they are."""
    folder, files = ROOT / "tracks" / "sorting", dict[str, str]()
    if length == "short":
        files["score.py"] = (folder / "score.py").read_text(encoding="utf-8").replace(*SMALL)
    if free:
        files["track.toml"] = (folder / "track.toml").read_text(encoding="utf-8") + FREE
    return files


def night(name: str, length: str, free: bool, seed: int, words: Sequence[str]) -> Iterator[Row]:
    """One night under bursts, with these options of `overnight run`."""
    with tempfile.TemporaryDirectory() as folder:
        here = track_in(Path(folder), "sorting", **edited(length, free))
        with bursts(seed, *BURST[length]):
            subprocess.run([sys.executable, "-m", "overnight.cli", "run", str(here), "--researcher", "placebo", *words],
                           check=True, stdout=subprocess.DEVNULL)
        state = Session(here).read()
    found, kept = track(state), [each.verdict.interval for each in history(state).kept]
    yield exact(f"{name}: {KEEPS}", len(kept))
    yield exact(f"{name}: {ZERO}", sum(interval is not None and interval[0] <= 0 for interval in kept))
    yield exact(f"{name}: {JUDGED}", found.experiments - found.open, count=found.runs)
    yield exact(f"{name}: {LOST}", found.lost_to_load, count=found.runs)


def sums(rows: Sequence[Row]) -> Iterator[Row]:
    """Over all nights of a sort: the share that ends with a keep, keeps whose interval contains zero, runs that were lost."""
    sorts = dict.fromkeys(re.sub(r" \d+: .*", "", row.what) for row in rows)
    for sort in sorts:
        def of(what: str, sort: str = sort) -> list[float]:
            return [row.value for row in rows if re.fullmatch(rf"{sort} \d+: {what}", row.what)]

        asked = ("", "") if "whatever" in sort else ("<= 0.05", "== 0")
        yield share(f"{sort}: share that ends with a keep", sum(keeps > 0 for keeps in of(KEEPS)), len(of(KEEPS)), asked[0])
        yield exact(f"{sort}: {ZERO}, in all", sum(of(ZERO)), asked[1], count=len(of(ZERO)))
        yield exact(f"{sort}: {JUDGED}, in all", sum(of(JUDGED)), count=len(of(JUDGED)))
        yield exact(f"{sort}: {LOST}, in all", sum(of(LOST)), count=len(of(LOST)))


def cells(quick: bool) -> Iterator[Cell]:
    """A cell for each night; quick: one that ends after a few seconds."""
    if quick:
        yield Cell("short night", partial(night, "short night 00", "short", False, 0, ("--for", "8s")))
        return
    for length in BURST:
        for free in (False, True):
            sort = f"{length} night{', whatever the load,' * free}"
            for seed in range(1, NIGHTS + 1):
                name = f"{sort} {seed:02}"
                yield Cell(name, partial(night, name, length, free, seed, ("--experiments", str(EXPERIMENTS))))


BENCH = Bench("load", "Real nights of a time in which nothing is better, on cores that are loaded in bursts: at most 5 % of "
              "them end with a keep.", cells, long=True, sums=sums, uses=("overnight.cli", "overnight.researchers.placebo"))
