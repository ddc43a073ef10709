"""How long the light commands take, each in a process of its own: the interpreter's start, the imports, the answer.

The commands take turns, so that other work on the machine slows all alike. `status` is asked of a track with a night of fifteen
experiments.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.ground import track_in
from bench.kit import Bench, Cell, Row, median, ratio, seconds

BARE, EXPERIMENTS = "python -c pass", 15
ASKED = {"--version": "<= 0.2", "--help": "<= 0.2", "status": "<= 0.4"}  # seconds


def started(*words: str) -> None:
    """Run Python with these words to its end. Raises CalledProcessError where it fails."""
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)


def rows(rounds: int) -> Iterator[Row]:
    """Each command's time, and how many times that of a bare interpreter it is."""
    command = ("-m", "overnight.cli")
    with tempfile.TemporaryDirectory() as folder:
        track = str(track_in(Path(folder), "synthetic"))
        started(*command, "run", track, "--experiments", str(EXPERIMENTS), "--sandbox", "none")
        calls = {BARE: ("-c", "pass"), "--version": (*command, "--version"), "--help": (*command, "--help"),
                 "status": (*command, "status", track)}
        turns = [{name: seconds(partial(started, *words))[0] for name, words in calls.items()} for _ in range(rounds)]
    bare = [turn[BARE] for turn in turns]
    yield median(BARE, bare, unit="s")
    for name, asked in ASKED.items():
        took = [turn[name] for turn in turns]
        yield median(f"overnight {name}", took, asked, "s")
        yield ratio(f"  / {BARE}", took, bare)


def cells(quick: bool) -> Iterator[Cell]:
    """All as one cell."""
    yield Cell("commands", partial(rows, 7 if quick else 30))


BENCH = Bench("light", "Commands that answer at once: --version and --help <= 0.2 s, status <= 0.4 s on a small track.",
              cells, timed=True)
