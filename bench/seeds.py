"""Scripts that fix their own seed, as most do, through `init`, `check`, `run`, `status`, `log`, `report` and `audit`.

Each script lies in a repository of its own, and its user says nothing of seeds. No keep may go without the mark, and no audit
may say that anything holds. Then `init --seed` connects the seeds: by hand the program must give what it gave before, and
`check` must see that seeds differ. `--quick` takes one script that needs the standard library alone; of the others those whose
library is not installed are named and left out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from bench.ground import committed
from bench.kit import Bench, Cell, Row, exact
from bench.seeded import SCRIPTS

MARK, FIXES = "one seed only", "fixes its own seed"
EXPERIMENTS, SESSIONS, SEEDS = 4, 4, 3  # of a session; sessions at most until there is a keep; of an audit
QUICK = "a classifier"


class Told:
    """The commands of one user in one folder, with a state of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.env = folder, {**os.environ, "XDG_STATE_HOME": str(folder.parent / "state")}

    def __call__(self, *words: object) -> str:
        """What a command prints. Raises CalledProcessError where it fails."""
        call = [sys.executable, "-m", "overnight.cli", *map(str, words)]
        return subprocess.run([*call, str(self.folder)], check=True, capture_output=True, text=True, env=self.env).stdout

    def by_hand(self) -> str:
        """What the program prints when its user runs it."""
        name = re.findall(r'command = \["python", "(.+)"\]', (self.folder / "track.toml").read_text(encoding="utf-8"))[0]
        return subprocess.run([sys.executable, name], check=True, capture_output=True, text=True, cwd=self.folder).stdout


def seen(folder: Path, files: Mapping[str, str], needs: str) -> Counter[str]:
    """What goes wrong with one script, and how much was kept."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    told, found = Told(committed(folder)), Counter[str]()
    said = {"init": FIXES in told("init", "--edit", next(iter(files)))}  # where drawing in vain moves nothing
    contract = folder / "track.toml"
    text = contract.read_text(encoding="utf-8")
    if needs and "python = " not in text:
        contract.write_text(text.replace("cpus = 1", f'cpus = 1\npython = "{sys.prefix}"'), encoding="utf-8")
        told("trust", "--yes")
    committed(folder)
    said["check"] = MARK in told("check")
    for _ in range(SESSIONS):
        said["run"] = MARK in told("run", "--experiments", EXPERIMENTS)
        kept = [line for line in map(json.loads, told("log", "--json").splitlines()) if line["verdict"]["verdict"] == "keep"]
        if kept:
            break
    said["status"] = MARK in told("status")
    told("report", "--to", folder.parent / "report")
    said["report"] = f"**{MARK}**" in (folder.parent / "report/report.md").read_text(encoding="utf-8")
    found["kept"], found["unmarked"] = len(kept), sum(not each["one_seed"] for each in kept)
    log = told("log")
    found["unmarked"] += log.count(" keep ") - log.count(f"({MARK})")
    if kept:
        audit = json.loads(told("audit", "--json", "--seeds", SEEDS))
        found["holds"] = [audit["claim"], *(each["verdict"] for each in audit["findings"] + audit["groups"])].count("holds")
    found["silent"] = list(said.values()).count(False)
    return found + _connected(told, files)


def _connected(told: Told, files: Mapping[str, str]) -> Counter[str]:
    """What goes wrong when the seeds are connected, where that is done by a command."""
    before = told.by_hand()
    if "by hand: " in told("init", "--seed"):
        return Counter({"left to the user": 1})
    after = told.by_hand()
    committed(told.folder)
    return Counter({"other by hand": before != after, "not connected": MARK in told("check"), "connected": 1})


def rows(quick: bool) -> Iterator[Row]:
    """All scripts, counted."""
    chosen = [QUICK] if quick else list(SCRIPTS)
    missing = [name for name in chosen if (needs := SCRIPTS[name][1]) and importlib.util.find_spec(needs) is None]
    for name in missing:
        print(f"{name}: {SCRIPTS[name][1]} is not installed, so it is left out", flush=True)
    tried, whole = [name for name in chosen if name not in missing], Counter[str]()
    for name in tried:
        with tempfile.TemporaryDirectory() as place:
            found = seen(Path(place) / "script", *SCRIPTS[name])
        print(f"{name}: {', '.join(f'{count} {what}' for what, count in found.items() if count)}", flush=True)
        whole += found
    count = len(tried)
    yield exact("scripts that fix their own seed", count, ">= 1" if quick else ">= 5", count=count)
    yield exact("keeps of them", whole["kept"], f">= {count}", count=count)
    yield exact("keeps without the mark", whole["unmarked"], "== 0", count=count)
    yield exact("verdicts of audits that say `holds`", whole["holds"], "== 0", count=count)
    yield exact("commands that say nothing of it", whole["silent"], "== 0", count=count)
    yield exact("scripts that `init --seed` connects", whole["connected"], ">= 1", count=count)
    yield exact("of them other by hand than before", whole["other by hand"], "== 0", count=count)
    yield exact("of them still on one seed", whole["not connected"], "== 0", count=count)


def cells(quick: bool) -> Iterator[Cell]:
    """All as one cell."""
    yield Cell("scripts", partial(rows, quick))


BENCH = Bench("seeds", "Scripts that fix their own seed: no keep without the mark `one seed only`, no audit that says `holds`; "
              "`init --seed` connects them without changing what they give by hand.", cells)
