"""What opening a track takes, in this checkout and in another one: `python -m bench trust --against PATH`.

The two take turns on tracks of their own. A first run is over when its first result is in the journal; `check` goes without its
attack on the scorer, which the other checkout may not have. Processor time is told besides, because other work on the machine
moves it less.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench import ROOT
from bench.ground import track_in
from bench.kit import LEAST_VALUES, Row, median
from overnight.errors import OvernightError

Spent = tuple[float, float]  # seconds, and seconds of the processor
MOST = "<= 0.05"  # seconds by which a command may have become slower
COMMANDS = {"check": ("check",), "first result of a first run": ("run", "--experiments", "1", "--first"), "status": ("status",)}
ASKED = {"check": MOST, "first result of a first run": MOST}
SCRIPT = """\
import importlib, os, sys
from overnight.cli import main
from overnight.journal.database import DatabaseJournal
from overnight.lab.events import Measured

if sys.argv[1] == "check":
    try:
        hostile = importlib.import_module("overnight.night.hostile")
        hostile.attack = lambda *given: hostile.Attacked((), 0, 0)
    except ModuleNotFoundError:
        pass
if sys.argv[1] == "run" and "--first" in sys.argv:
    sys.argv.remove("--first")
    extend = DatabaseJournal.extend
    def extended(self, events, *more):
        extend(self, events, *more)
        if any(isinstance(event, Measured) for event in events):
            os._exit(0)
    DatabaseJournal.extend = extended
main()
"""


def compared(other: Path, rounds: int) -> Iterator[Row]:
    """What each command takes in both checkouts, and the median of the differences between turns."""
    with tempfile.TemporaryDirectory() as place:
        took: dict[str, tuple[list[Spent], list[Spent]]] = {name: ([], []) for name in COMMANDS}  # of this, of the other
        for turn in range(-1, rounds):  # the first turn, which writes Python's caches, does not count
            for side in (0, 1) if turn % 2 else (1, 0):
                for name, spent in _turn((ROOT, other)[side], Path(place, f"{side}"), turn):
                    took[name][side].extend([spent] if turn >= 0 else [])
    for name, (here, there) in took.items():
        for part, words in enumerate(("", "  in processor time")):
            yield median(f"{name}, this checkout{words}", [each[part] for each in here], unit="s")
            yield median(f"{name}, the other{words}", [each[part] for each in there], unit="s")
            differences = [mine[part] - theirs[part] for mine, theirs in zip(here, there, strict=True)]
            yield median(f"  slower by, turn by turn{words}", differences, ASKED.get(name, ""), "s")


def alone() -> Iterator[Row]:
    """The figures that are asked, which need another checkout to be judged."""
    for name, asked in ASKED.items():
        yield Row(f"{name}, slower by (needs --against PATH)", float("nan"), 0.0, 0.0, 0, asked, "s", LEAST_VALUES)


def _turn(checkout: Path, place: Path, turn: int) -> Iterator[tuple[str, Spent]]:
    """What each command took on a new track."""
    caches = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ = caches | {"PYTHONPATH": str(checkout / "src"), "XDG_STATE_HOME": str(place / "state"),
                        "PYTHONPYCACHEPREFIX": str(place / "caches")}
    track = str(track_in(place / f"turn{turn}", "synthetic"))

    for name, words in COMMANDS.items():
        began = time.perf_counter()
        command = [sys.executable, "-c", SCRIPT, *words, track]
        process = subprocess.Popen(command, env=environ, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)  # with all its descendants that ended before it
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise OvernightError(f"`overnight {' '.join(words)}` fails in {checkout}.")
        yield name, (time.perf_counter() - began, used.ru_utime + used.ru_stime)
