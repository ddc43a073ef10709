"""The loops that people run instead, each around the same `python train.py`: by hand in a shell, Optuna, Ray Tune.

A turn of a loop gives its whole seconds: the program, and what is around it. None of them puts a program into a sandbox, judges
what it leaves, or keeps a record that could be checked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from bench.ground import committed
from overnight.errors import extra

RAY = Path(__file__).parent / "small" / "ray_loop.py"
SHELL = """\
while read -r number; do
    echo "# $number" >> train.py
    git commit -qam "trial $number" && OVERNIGHT_OUT=. "$1" train.py && read -r found < number; echo "$found"
done
"""
Turn = Callable[[], float]


def program(folder: Path) -> float:
    """The number of one run of a folder's program. Raises CalledProcessError."""
    subprocess.run([sys.executable, "train.py"], cwd=folder, env=os.environ | {"OVERNIGHT_OUT": str(folder)}, check=True)
    return float((folder / "number").read_text())


@contextmanager
def bare(text: str) -> Iterator[Turn]:
    """The program and nothing around it."""
    with _folder(text) as folder:
        yield lambda: _timed(lambda: program(folder))


@contextmanager
def shell(text: str) -> Iterator[Turn]:
    """A loop in a shell: a change, `git commit`, the program, its number."""
    with _folder(text) as folder:
        names = {"GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@localhost"}
        names |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in names.items()}
        loop = subprocess.Popen(["/bin/sh", "-c", SHELL, "sh", sys.executable], cwd=folder, env=os.environ | names, text=True,
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert loop.stdin and loop.stdout
        try:
            yield lambda: _timed(lambda: _answered(loop))
        finally:
            loop.communicate()


def _answered(loop: subprocess.Popen[str]) -> float:
    assert loop.stdin and loop.stdout
    loop.stdin.write(f"{time.monotonic_ns()}\n")
    loop.stdin.flush()
    return float(loop.stdout.readline())


@contextmanager
def optuna(text: str) -> Iterator[Turn]:
    """A study of Optuna in SQLite, whose objective is the program."""
    with extra("dev", "comparing with Optuna"):
        import optuna as package
    package.logging.set_verbosity(package.logging.ERROR)
    with _folder(text) as folder:
        storage = package.storages.RDBStorage(f"sqlite:///{folder}/study.db")
        study = package.create_study(storage=storage)

        def objective(trial: package.Trial) -> float:
            trial.suggest_float("x", 0.0, 1.0)
            return program(folder)

        try:
            yield lambda: _timed(lambda: study.optimize(objective, n_trials=1))
        finally:
            storage.remove_session()
            storage.engine.dispose()


def ray(text: str, home: Path, trials: int, reuse: bool) -> list[float]:
    """The seconds from the beginning of each trial of Ray Tune to that of the next; `reuse`: its processes go on with the next
    trial, which is not how it comes. Raises CalledProcessError."""
    with _folder(text) as folder:
        words = [str(home / "bin" / "python"), str(RAY), str(folder), sys.executable, str(trials), "reuse" if reuse else ""]
        said = subprocess.run(words, check=True, capture_output=True, text=True)
    return [later - sooner for sooner, later in pairwise(sorted(json.loads(said.stdout.splitlines()[-1])))]


@contextmanager
def _folder(text: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="overnight-bench-") as name:
        folder = Path(name)
        (folder / "train.py").write_text(text, encoding="utf-8")
        (folder / ".gitignore").write_text("number\nstudy.db*\n", encoding="utf-8")
        yield committed(folder)


def _timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began
