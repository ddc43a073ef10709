"""What docs/tracks.md says of each ready track, measured in the real sandbox: its baseline, its noise, how long a run takes,
and what the best that was found is worth.

The best is a patch in bench/registry/found/NAME.patch, under a few lines that say who found it, when and how. It counts as
verified because it is measured here again, beside the baseline on seeds that no night used. What is measured is written to
tracks/registry.json; `python scripts/tracks.py > docs/tracks.md` makes the page of it.

    python -m bench registry                        every track anew
    python -m bench registry --cells kernel         one of them, such as one that was just added
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from bench import ROOT
from bench.ground import track_in
from bench.kit import Bench, Cell, Row, exact, student
from bench.runs import home_with
from bench.tracks import AUTHOR, fetch
from overnight import sandbox
from overnight.errors import OvernightError
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, sealed
from overnight.repo import Repo
from overnight.track.load import load
from overnight.workers.cores import available

RECORDS = ROOT / "tracks" / "registry.json"
FOUND = ROOT / "bench" / "registry" / "found"
HEADINGS = ("By", "Date", "Command")  # that a patch begins with
SEEDS, SLOW_SEEDS = 20, 8
SLOW = 20.0  # seconds of the first run from which on a track gets fewer seeds
FIRST_SEED = 1_500_000_000  # nights draw theirs at random from 0 to 2^31
QUICK = "synthetic"  # its runs take milliseconds
Timed = tuple[float, float]  # the metric, and the seconds of the run with all that surrounds it


# ---- what was found --------------------------------------------------------------------------------------------


def headings(patch: Path) -> dict[str, str]:
    """Who found a patch, when, and by which command. Raises OvernightError where it does not say."""
    before = patch.read_text(encoding="utf-8").partition("\ndiff --git ")[0]
    said = {name: text.strip() for name, _, text in (line.partition(":") for line in before.split("\n"))}
    if missing := [name for name in HEADINGS if not said.get(name)]:
        raise OvernightError(f"{patch.name} does not say {', '.join(missing)}: begin it with lines such as 'By: knobs'.")
    return {name: said[name] for name in HEADINGS}


def with_patch(folder: Path, patch: Path) -> str:
    """The commit that a patch makes on top of a track's only one. Raises OvernightError where it does not apply."""
    git = ("git", "-C", str(folder), "-c", "user.name=bench", "-c", "user.email=bench@localhost")
    try:
        subprocess.run([*git, "apply", str(patch)], check=True, capture_output=True, text=True)
        subprocess.run([*git, "commit", "-q", "-a", "-m", "The best that was found"], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        raise OvernightError(f"{patch.name} does not apply to the track as it is: {error.stderr}") from error
    return Repo(folder).head()


def laid_out(name: str, place: Path) -> Path:
    """A track in a repository of its own; one that fetches what it reads has that, and the PyTorch of $OVERNIGHT_TORCH. Raises
    OvernightError."""
    folder = track_in(place, name)
    if not (folder / "fetch.py").exists():
        return folder
    home = home_with("torch", "OVERNIGHT_TORCH")
    if home is None:
        raise OvernightError(f"{name} needs an environment with PyTorch: name it in $OVERNIGHT_TORCH.")
    fetch(home / "bin/python", folder)
    contract = folder / "track.toml"
    contract.write_text(contract.read_text().replace('python = ".venv"', f'python = "{home}"'))
    for words in ("add", "-A"), (*AUTHOR, "commit", "-qm", "what it reads"):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


# ---- measuring -------------------------------------------------------------------------------------------------


def one(runner: Runner, commit: str, seed: int) -> Timed:
    """One run. Raises OvernightError where it does not end well."""
    began = time.perf_counter()
    run = runner.measure(sealed(Measure(seed, 0, commit, seed, "race"), "registry"), available()[:1])
    if run.outcome != "ok":
        raise OvernightError(f"{runner.track.name}: a run ended as {run.outcome} ({run.reason}).")
    return run.metrics[runner.track.metric.name], time.perf_counter() - began


def on_seeds(runner: Runner, commits: Sequence[str], most: int) -> dict[str, list[Timed]]:
    """Runs of each commit on the same seeds, one after the other, and each in turn the first. The first of all only warms up,
    and shows how many seeds there is time for."""
    began = time.perf_counter()
    one(runner, commits[0], FIRST_SEED)
    count = most if time.perf_counter() - began < SLOW else min(most, SLOW_SEEDS)
    found: dict[str, list[Timed]] = {commit: [] for commit in commits}
    for n in range(count):
        for commit in commits if n % 2 else reversed(commits):
            found[commit].append(one(runner, commit, FIRST_SEED + 1 + n))
    return found


def measured(name: str, most: int) -> dict[str, Any]:
    """The record of a track, as tracks/registry.json has it."""
    patch = FOUND / f"{name}.patch"
    with tempfile.TemporaryDirectory(prefix="overnight-registry-") as place:
        folder = laid_out(name, Path(place))
        repo = Repo(folder)
        judge = repo.head()
        commits = [judge, *([with_patch(folder, patch)] if patch.exists() else [])]
        with closing(Runner(load(folder), repo, sandbox.choose("bubblewrap"), judge, Path(place, "state"))) as runner:
            runs = on_seeds(runner, commits, most)
            oriented = runner.track.oriented
    base = [number for number, _ in runs[judge]]
    record: dict[str, Any] = {
        "measured": {"date": f"{datetime.now(UTC):%Y-%m-%d}", "cores": len(available()), "load": round(os.getloadavg()[0], 1),
                     "seeds": len(base)},
        "baseline": interval(base), "spread": rounded(statistics.stdev(base)),
        "seconds": rounded(statistics.median(spent for _, spent in runs[judge])),
    }
    if len(commits) > 1:
        best = [number for number, _ in runs[commits[1]]]
        gains = [oriented(after - before) for before, after in zip(base, best, strict=True)]
        record["pairs"] = rounded(statistics.stdev(gains))
        record["best"] = {"value": rounded(statistics.fmean(best)), "gain": interval(gains),
                          **{key.lower(): text for key, text in headings(patch).items()}}
    return record


def rounded(number: float) -> float:
    """To four digits, so that a table of them can be read."""
    return float(f"{number:.4g}") if math.isfinite(number) else 0.0


def interval(values: Sequence[float]) -> list[float]:
    """A mean and the ends of its 95 % interval."""
    return [rounded(each) for each in (statistics.fmean(values), *student(values))]


# ---- the table, and the records --------------------------------------------------------------------------------


def rows(name: str, record: dict[str, Any]) -> Iterator[Row]:
    """A record as rows."""
    count = record["measured"]["seeds"]
    yield Row(f"{name}: baseline", *record["baseline"], count)
    yield exact(f"{name}: standard deviation over seeds", record["spread"], count=count)
    yield exact(f"{name}: seconds of a run", record["seconds"], unit="s", count=count)
    if "best" in record:
        yield exact(f"{name}: standard deviation of pairs", record["pairs"], count=count)
        yield Row(f"{name}: gain of the best", *record["best"]["gain"], count, ">= 0")


def records(path: Path = RECORDS) -> dict[str, Any]:
    """All that was measured, by track."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def kept(name: str, record: dict[str, Any], path: Path = RECORDS) -> None:
    """Write down what was measured of a track; what is known of the others stays."""
    all_of_them = records(path) | {name: record}
    path.write_text(json.dumps(all_of_them, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def cell(name: str, quick: bool) -> Iterator[Row]:
    """Measure a track; quick: a few seeds, of which nothing is kept."""
    record = measured(name, 4 if quick else SEEDS)
    if not quick:
        kept(name, record)
    yield from rows(name, record)


def cells(quick: bool) -> Iterator[Cell]:
    """One for each ready track."""
    for path in sorted(ROOT.glob("tracks/*/track.toml")):
        if not quick or path.parent.name == QUICK:
            yield Cell(path.parent.name, partial(cell, path.parent.name, quick))


BENCH = Bench("registry", "Each ready track: its baseline, its noise, the seconds of a run, and the best that was found, "
              "measured again; written to tracks/registry.json.", cells)
