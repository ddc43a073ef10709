"""The demo, measured: how many experiments, how much better on seeds that the loop never used, how busy, what overhead.

It runs `scripts/demo.sh` anew and leaves its folder under runs/. One demo is one night: the interval of its improvement is over
seeds, and another night finds other improvements.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import ROOT
from bench.ground import measured, track_in
from bench.kit import Bench, Cell, Row, exact, mean
from overnight import sandbox
from overnight.cli.demo import TRACK
from overnight.execution.runner import Runner
from overnight.lab.events import Measured
from overnight.lab.state import State
from overnight.night.session import Session
from overnight.views import track

SOON, EARLY = 60, ">= 0.25"  # runs, and what they are to have gained, in bits a character


def demo(lasting: str) -> Path:
    """Run the demo and return its folder."""
    os.environ["XDG_STATE_HOME"] = str(ROOT / "runs" / "state")  # where the script keeps its states
    subprocess.run([ROOT / "scripts" / "demo.sh", lasting], check=True, stdout=subprocess.DEVNULL)
    return max((ROOT / "runs").glob("demo-*"), key=lambda path: path.stat().st_mtime)


def begun(lasting: str) -> Path:
    """The folder of a night on the demo's track that ends whether it kept anything or not."""
    here = track_in(Path(tempfile.mkdtemp()), TRACK)
    os.environ["XDG_STATE_HOME"] = str(here.parent / "state")
    words = ("-m", "overnight.cli", "run", here, "--for", lasting)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    return here


def frontier_after(session: Session, runs: int) -> str:
    """The commit of the frontier after so many runs of the night."""
    lab, made = State(), 0
    for event in session.journal.replay():
        made += isinstance(event, Measured)
        if made > runs:
            break
        lab.apply(event)
    return lab.commit


def remeasure(session: Session, commits: Sequence[str], seeds: Sequence[int]) -> list[list[float]]:
    """The metric of each commit on the same seeds, run in turn, one at a time on each core."""
    lab = session.state
    assert lab.opened is not None
    runner = Runner(lab.track, session.repo, sandbox.choose("bubblewrap"), lab.opened.commit, session.home)
    found = measured(runner, dict.fromkeys((commit, seed) for seed in seeds for commit in commits))
    return [[found[commit, seed] for seed in seeds] for commit in commits]


def rows(run: Callable[[str], Path], lasting: str, count: int, experiments: str, gain: str) -> Iterator[Row]:
    """The night, then its two ends on fresh seeds."""
    session = Session(run(lasting))
    lab = session.read()
    assert lab.opened is not None
    commits = (lab.opened.commit, frontier_after(session, SOON), lab.commit)
    with session.scratch():
        before, soon, after = remeasure(session, commits, [secrets.randbits(31) for _ in range(count)])
    state = track.track(lab)
    yield exact(f"points and experiments in {lasting}", state.experiments + state.explored, experiments)
    for name in ("runs", "kept", "discarded", "crashed", "fouled"):
        yield exact(name, getattr(state, name))
    gains, early = ([lab.track.oriented(b - a) for a, b in zip(before, later, strict=True)] for later in (after, soon))
    yield mean(f"improvement on {count} fresh seeds", gains, gain, state.unit)
    yield mean(f"improvement of the frontier after {SOON} runs, on the same seeds", early, gain and EARLY, state.unit)
    yield exact("improvement that the night claimed", lab.levels.gain)
    yield mean("baseline", before)
    yield mean("frontier", after)
    yield exact("share of the time in which workers were busy", state.busy_share)
    yield exact("harness for a run (median)", state.overhead_ms, unit="ms")
    for part, spent in state.overhead_parts_ms.items():
        yield exact(f"  {part}", spent, unit="ms")


def cells(quick: bool) -> Iterator[Cell]:
    """The demo as it is (quick: its track for two seconds, of which nothing is asked)."""
    yield Cell("demo", partial(rows, begun, "2s", 1, "", "") if quick else partial(rows, demo, "3min", 20, ">= 40", ">= 0.15"))


BENCH = Bench("demo", "`make demo` on an idle machine: >= 40 points and experiments, >= .15 bits/char better on fresh "
              "seeds, >= .25 after 60 runs.",
              cells, timed=True)
