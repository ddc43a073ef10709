"""A newcomer's walk: what the README and the tutorial say, typed in a home with nothing in it, on a repository of another kind.

The program is one in C that its user would write: a round trip through cities, in three commits. The walk clones this checkout,
sets it up from the package index in an environment of its own (`--quick`: the environment that is there), and does what the
tutorial does, from `doctor` to `merge`. Each step is a row with its time; the last row is the minutes to the first keep.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench import ROOT
from bench.kit import Bench, Cell, Row, exact

PROGRAM = ROOT / "bench" / "met" / "c"
KEPT = ("PATH", "LANG", "SSL_CERT_FILE", "PIP_CERT", "PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy")  # to reach one
INIT = "overnight init --metric 'tour length' --direction minimize --seed"
COMMITS = ("git add Makefile && git commit -qm 'A Makefile'", "git add src/anneal.c src/anneal.h && git commit -qm 'Annealing'",
           "git add -A && git commit -qm 'A tour'")
MOST_NIGHTS = 5  # until something is kept
MINUTES = "<= 10"  # to the first keep, which the tutorial promises
NONE_YET = 2  # the exit status of `audit` and `merge` where nothing was kept


@dataclass
class Walk:
    """A home, what was typed in it, and how that ended.

    took    seconds of each step, in the order in which they were done
    failed  what a step that failed printed, by its name
    """

    home: Path
    began: float = field(default_factory=time.time)
    took: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def types(self, step: str, lines: str, allowed: tuple[int, ...] = (0,)) -> str:
        """Run lines as a step; what they print."""
        began = time.monotonic()
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", lines], cwd=self.home, env=self._surroundings(),
                              capture_output=True, text=True, check=False)
        self.took[step] = self.took.get(step, 0) + time.monotonic() - began
        if done.returncode not in allowed:
            self.failed[step] = (done.stdout + done.stderr)[-2000:]
            print(f"failed: {step}\n{self.failed[step]}", file=sys.stderr)
        return done.stdout

    def _surroundings(self) -> Mapping[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), "PATH": f"{self.home}/overnight/.venv/bin:{kept['PATH']}", "GIT_PAGER": "cat"}


def walked(home: Path, quick: bool) -> Walk:
    """The walk, step by step."""
    walk = Walk(home)
    (home / ".gitconfig").write_text("[user]\nname = Wanda\nemail = wanda@localhost\n")
    if quick:
        _as_it_is(home)
    else:
        walk.types("clone", f"git clone -q {ROOT} overnight")
        walk.types("make setup", "cd overnight && make -s setup")
    walk.types("doctor", "overnight doctor")
    walk.types("a program", f"cp -r {PROGRAM} tour && cd tour && git init -q && {' && '.join(COMMITS)}")
    walk.types("init", f"cd tour && {INIT} && git add -A && git commit -qm 'A track'")
    walk.types("check", "cd tour && overnight check")
    for _ in range(1 if quick else MOST_NIGHTS):
        walk.types("run", f"cd tour && overnight run --for {'3s' if quick else '2min'}")
        if kept_at(walk):
            break
    walk.types("look", "cd tour && overnight status && overnight log && overnight show 1", (0, NONE_YET))
    if not quick:
        walk.types("report", "cd tour && overnight report")
    walk.types("audit", "cd tour && overnight audit --seeds 4", (0, NONE_YET) if quick else (0,))
    walk.types("merge", "cd tour && overnight merge", (0, NONE_YET) if quick else (0,))
    return walk


def _as_it_is(home: Path) -> None:
    """The command `overnight` of this checkout, where the clone's would lie."""
    command = home / "overnight" / ".venv" / "bin" / "overnight"
    command.parent.mkdir(parents=True)
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT / "src"} exec {sys.executable} -m overnight "$@"\n')
    command.chmod(0o755)


def kept_at(walk: Walk) -> float:
    """When the first keep was judged, in seconds since 1970; 0 where there is none."""
    said = walk.types("log", "cd tour && overnight log --json")
    experiments = map(json.loads, said.splitlines())
    return next((each["judged_at"] for each in experiments if (each["verdict"] or {}).get("verdict") == "keep"), 0.0)


def rows(quick: bool) -> Iterator[Row]:
    """Each step with its time, and the first keep."""
    with tempfile.TemporaryDirectory(prefix="overnight-walk-") as home:
        walk = walked(Path(home), quick)
        first = kept_at(walk)
    for step, took in walk.took.items():
        yield exact(step, took, unit="s")
    yield exact("steps that failed", len(walk.failed), "== 0")
    if first or not quick:
        yield exact("minutes to the first keep", (first - walk.began) / 60 if first else float("inf"), "" if quick else MINUTES)


BENCH = Bench("walk", "A newcomer's walk from an empty home to a merged keep on a program in C: no step fails, <= 10 minutes "
              "to the first keep.", lambda quick: [Cell("walk", lambda: rows(quick))])
