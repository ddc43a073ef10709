"""Tracks made for measuring what lies around a run, and single runs of them, timed.

Their files lie in bench/small: `noop` leaves one number, `prototype` is a small GPT in torch, `hostile` says what it sees.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import ROOT
from bench.ground import committed
from overnight import sandbox
from overnight.contracts import Sandbox
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure, Measurement, sealed
from overnight.repo import Repo
from overnight.track.spec import parse

SMALL = ROOT / "bench" / "small"
CONTRACT = """\
[track]
name = "made"
editable = ["train.py"]
[metric]
name = "{metric}"
direction = "minimize"
[score]
command = ["python", "score.py"]
private = [{private}]
[run]
command = ["python", "train.py"]
"""


@dataclass(frozen=True)
class Timed:
    """One run: when it was asked for, by the monotonic clock, how many seconds it took in all, and what came of it."""

    began: float
    wall: float
    run: Measurement

    @property
    def harness(self) -> float:
        """Seconds that were not the payloads' own."""
        return self.wall - self.run.busy


def contract(metric: str = "number", oracle: str = "", preload: Iterable[str] = (), private: str = "", **run: str) -> str:
    """A contract. `oracle`: the words of its command; `preload`: modules that are imported before a run begins; `private`: a
    file that the scorer alone sees; `run`: further keys of [run]."""
    text = CONTRACT.format(metric=metric, private=f'"{private}"' if private else "")
    keys = "".join(f'{key} = "{value}"\n' for key, value in run.items())
    named = ", ".join(f'"{module}"' for module in preload)
    words = ", ".join(f'"{word}"' for word in oracle.split())
    return text + keys + (f"preload = [{named}]\n" if named else "") + (f"[oracle]\ncommand = [{words}]\n" if words else "")


def files(name: str, **more: str) -> dict[str, str]:
    """The files of a small track by name, and others beside them or in their place: `files("noop", **{"train.py": "..."})`."""
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((SMALL / name).glob("*.py"))} | more


@functools.cache
def box() -> Sandbox:
    """The sandbox, examined once."""
    return sandbox.choose("bubblewrap")


def written(folder: Path, texts: Mapping[str, str]) -> Repo:
    """A repository in a folder with these files, committed; again with others when it is called again."""
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return Repo(committed(folder))


@contextmanager
def runner_on(text: str, texts: Mapping[str, str]) -> Iterator[Runner]:
    """What measures a track of this contract and these files, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as place:
        repo = written(Path(place, "track"), {**texts, "track.toml": text})
        with closing(Runner(parse(text), repo, box(), repo.head(), Path(place, "state"))) as runner:
            yield runner


def run(runner: Runner, number: int, commit: str = "", good: bool = True) -> Timed:
    """One run, on a seed that is its number. Raises AssertionError where it ends badly, unless `good` is False."""
    job = sealed(Measure(number, 0, commit or runner.contract, number, "race"), "key")
    began = time.monotonic()
    done = runner.measure(job)
    wall = time.monotonic() - began
    assert done.outcome == "ok" or not good, f"{done.reason}\n{done.logs['run'].decode(errors='replace')[-4000:]}"
    return Timed(began, wall, done)


def parts(runs: Sequence[Timed]) -> dict[str, list[float]]:
    """What the harness took in each run by part, in milliseconds, the rest last."""
    names = dict.fromkeys(name for each in runs for name in each.run.overhead)
    found = {name: [1e3 * each.run.overhead.get(name, 0.0) for each in runs] for name in names}
    return found | {"the rest": [1e3 * (each.harness - sum(each.run.overhead.values())) for each in runs]}


def home_with(module: str, variable: str) -> Path | None:
    """The environment that has a module: the one that a variable names, or this one; None where neither is there."""
    if variable in os.environ:
        return Path(os.environ[variable])
    return Path(sys.prefix) if importlib.util.find_spec(module) else None


def in_turn(turns: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each of several actions says of itself, round after round, so that a busy moment meets all alike."""
    found: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            found[name].append(turn())
    return found
