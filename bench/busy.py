"""How busy two workers are in a real night of runs of three seconds, and where the rest of their time goes.

A worker's time is cut at the records of its runs: each piece ends when a run is recorded, and holds its programs' own seconds,
those of the harness by part, and the gap before it, in which the worker had no job (a result that waits to be taken up, what
is decided and recorded of it, a job that is yet to be found). What comes before a worker's first run and after its last is
told apart: a night of hours has the same.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench.kit import Bench, Cell, Row, exact, median, ratio_of_sums
from bench.runs import contract, files, written
from overnight.lab.events import Event, Measured, Started, Stopped
from overnight.night.session import Session
from overnight.views.track import track

BUSY = 0.98  # of the workers' time
WORKERS = 2


@dataclass(frozen=True)
class Piece:
    """A worker's time from the record of one run to that of the next.

    gap    what is neither in `busy` nor in `parts`
    first  whether no run of this worker came before
    """

    worker: int
    stage: str
    gap: float
    busy: float
    parts: dict[str, float]
    first: bool

    @property
    def job(self) -> float:
        """Seconds in which the worker had a job."""
        return self.busy + sum(self.parts.values())

    @property
    def whole(self) -> float:
        """All of its seconds."""
        return self.gap + self.job


def pieces(events: Iterable[Event]) -> Iterator[Piece]:
    """The time of each worker in a night's record, from its beginning to each worker's last run."""
    last, began = dict[int, float](), 0.0
    for event in events:
        if isinstance(event, Started):
            began = event.at
        elif isinstance(event, Measured):
            since = last.get(event.worker)
            took = event.busy + sum(event.overhead.values())
            gap = event.at - (began if since is None else since) - took
            yield Piece(event.worker, event.stage, gap, event.busy, dict(event.overhead), since is None)
            last[event.worker] = event.at


def idle_at_the_end(events: Sequence[Event]) -> float:
    """Seconds of all workers from each one's last run to the end of the session."""
    last = {event.worker: event.at for event in events if isinstance(event, Measured)}
    ended = max(event.at for event in events if isinstance(event, Stopped))
    return sum(ended - at for at in last.values())


def night(seconds: float, lasting: str) -> Path:
    """The folder of a night of placebos on a track whose program computes for so many seconds."""
    place = Path(tempfile.mkdtemp(prefix="overnight-bench-"))
    os.environ["XDG_STATE_HOME"] = str(place / "state")
    program = re.sub(r"\+ [\d.]+\n", f"+ {seconds}\n", files("busy")["train.py"], count=1)
    folder = written(place / "track", files("noop", **{"train.py": program, "track.toml": contract()})).folder
    words = ("run", str(folder), "--workers", str(WORKERS), "--researcher", "placebo", "--for", lasting)
    subprocess.run([sys.executable, "-m", "overnight.cli", *words], check=True, stdout=subprocess.DEVNULL)
    return folder


def rows(seconds: float, lasting: str, asked: str) -> Iterator[Row]:
    """A night, and where its workers' time went."""
    session = Session(night(seconds, lasting))
    events, state = [*session.journal.replay()], session.read()
    every = [*pieces(events)]
    yield from shares([each for each in every if not each.first], asked)
    yield from ends(every, idle_at_the_end(events))
    yield exact("share of the whole session in which programs worked, as `overnight status` has it",
                track(state).busy_share or float("nan"))
    yield exact(f"runs of {seconds:g} s in {lasting}", len(every))


def shares(inner: Sequence[Piece], asked: str) -> Iterator[Row]:
    """Of the workers' time between their first and their last run."""
    yield ratio_of_sums("share in which a run's programs worked", [(each.busy, each.whole) for each in inner], asked)
    yield ratio_of_sums("share in which a worker had a job", [(each.job, each.whole) for each in inner], asked)
    for part in dict.fromkeys(name for each in inner for name in each.parts):
        yield ratio_of_sums(f"  harness: {part}", [(each.parts.get(part, 0.0), each.whole) for each in inner])
    yield ratio_of_sums("  gaps between jobs", [(each.gap, each.whole) for each in inner])
    for stage in dict.fromkeys(each.stage for each in inner):
        gaps = [1e3 * each.gap for each in inner if each.stage == stage]
        yield median(f"  gap before a run of stage {stage}", gaps, unit="ms")
        yield exact(f"    the largest, of {stage}", max(gaps), unit="ms", count=len(gaps))


def ends(every: Sequence[Piece], after: float) -> Iterator[Row]:
    """What a session has besides, for each worker."""
    yield exact("before a worker's first run", statistics.fmean([each.gap for each in every if each.first] or [0.0]), unit="s")
    yield exact("after a worker's last run", after / WORKERS, unit="s")


def cells(quick: bool) -> Iterator[Cell]:
    """One night (quick: of a few short runs, of which nothing is asked)."""
    yield Cell("night", partial(rows, 0.3, "5s", "") if quick else partial(rows, 3.0, "5min", f">= {BUSY:g}"))


BENCH = Bench("busy", "A real night of two workers and runs of 3 s: in >= 98 % of their time a run's programs work.", cells,
              timed=True, uses=("overnight.cli", "overnight.researchers.placebo"))
