"""Grounds that benches run on: a ready track in a git repository of its own."""

from __future__ import annotations

import math
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from bench import ROOT
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.workers.cores import available

Made = TypeVar("Made")


def track_in(folder: Path, name: str, **edited: str) -> Path:
    """A copy of tracks/NAME below a folder, committed without any git settings; `edited` gives files other texts, as in
    `track_in(folder, "microgpt", **{"track.toml": "..."})`."""
    here = folder / name
    shutil.copytree(ROOT / "tracks" / name, here, ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in edited.items():
        (here / file).write_text(text, encoding="utf-8")
    return committed(here)


def committed(folder: Path) -> Path:
    """A folder with all its files committed in a repository of its own, without any git settings."""
    who = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "init.defaultBranch=main")
    git = ("git", "-C", str(folder), *who)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "--allow-empty", "-m", "The files as they are")):
        subprocess.run([*git, *words], check=True)
    return folder


def at_once(cores: Sequence[int], work: Callable[[int], Made]) -> list[Made]:
    """What comes of something that is done on each core at the same time. Raises what the first of them raised."""
    with ThreadPoolExecutor(len(cores)) as pool:
        return list(pool.map(work, cores))


def measured(runner: Runner, jobs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], float]:
    """The metric of commits on seeds, run in this order, one at a time on each core; nan where a run failed."""
    found, todo, lock = dict[tuple[str, int], float](), iter(jobs), threading.Lock()

    def taken() -> tuple[str, int] | None:
        with lock:
            return next(todo, None)

    def work(core: int) -> None:
        while (job := taken()) is not None:
            run = runner.measure(Measure(0, 0, *job, "confirm"), (core,))
            found[job] = run.metrics[runner.track.metric.name] if run.outcome == "ok" else math.nan

    at_once(available(), work)
    return found
