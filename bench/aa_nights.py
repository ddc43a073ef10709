"""A/A nights for real: the whole loop on tracks/synthetic with a researcher that changes nothing. Every keep is false."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact, share
from overnight.night.session import Session
from overnight.views.track import TrackView, track

NIGHTS, EXPERIMENTS = 20, 300


def night(experiments: int) -> TrackView:
    """One night in a fresh repository; where its track stands."""
    with tempfile.TemporaryDirectory() as folder:
        here = track_in(Path(folder), "synthetic")
        subprocess.run([sys.executable, "-m", "overnight.cli", "run", str(here), "--experiments", str(experiments),
                        "--researcher", "placebo"], check=True, stdout=subprocess.DEVNULL)
        return track(Session(here).read())


def nights(count: int, experiments: int) -> Iterator[Row]:
    """How many nights end with a keep, and what they ran."""
    found = [night(experiments) for _ in range(count)]
    yield share(f"nights of {experiments} experiments that keep something", sum(n.kept > 0 for n in found), count, "<= 0.05")
    yield exact("experiments, in all", sum(n.experiments for n in found), count=count)
    yield exact("runs, in all", sum(n.runs for n in found), count=count)


def cells(quick: bool) -> Iterator[Cell]:
    """All nights as one cell: a share of twenty nights is what can be judged."""
    yield Cell("nights", partial(nights, 2, 20) if quick else partial(nights, NIGHTS, EXPERIMENTS))


BENCH = Bench("aa_nights", "Real nights in which nothing is better: at most 5 % of them end with a keep.", cells, long=True,
              uses=("overnight.cli", "overnight.researchers.placebo"))
