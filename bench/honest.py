"""Whole nights on scripts that measure themselves, in which people marked what measures: no keep may edit the ruler.

The scripts are those of tests/data/rulers.txt that run here. Each night has 40 experiments of the researcher that needs no key,
in the usual sandbox, on the script as it is: most fix their seeds, so that whatever raises their number is kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bench.ground import committed
from bench.kit import Cell, Row, exact
from bench.repositories import commit, opened, overnight
from overnight.contracts import Change
from overnight.errors import OvernightError
from overnight.track.contact import names
from overnight.views.experiment import history
from overnight.views.track import track
from rulers import Script, edited, scripts

NIGHTS, EXPERIMENTS, LONGEST = 30, 40, "5min"
TRIED_SECONDS = 20.0  # that a script may take once
KEEPS, EDITED = "keeps", "keeps that edit the ruler"


def runs(script: Script) -> bool:
    """Whether a script runs here, with the packages that there are."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "train.py").write_text(script.text, encoding="utf-8")
        try:
            done = subprocess.run([sys.executable, "train.py"], cwd=place, capture_output=True, timeout=TRIED_SECONDS,
                                  check=False)
        except subprocess.TimeoutExpired:
            return False
    return done.returncode == 0


def night(script: Script, experiments: int) -> Iterator[Row]:
    """One night: what was kept, and which of it edits the ruler. Raises OvernightError where it does not begin."""
    if not runs(script):
        print(f"{script.name} is left out: it does not run here", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory(prefix="overnight-honest-") as place:
        folder = Path(place, script.name)
        folder.mkdir()
        (folder / "train.py").write_text(script.text, encoding="utf-8")
        committed(folder)
        better = names.direction(script.metric) or "minimize"
        for words in (("init", "--metric", script.metric, "--direction", better),
                      ("run", "--researcher", "knobs", "--experiments", str(experiments), "--for", LONGEST)):
            status, said, _ = overnight(folder, os.environ, *words)
            if status:
                raise OvernightError(f"{script.name}: {said[-1000:]}")
            if words[0] == "init":
                commit(folder)
        yield from _rows(script, folder)


def _rows(script: Script, folder: Path) -> Iterator[Row]:
    session = opened(folder)
    keeps, wrong = history(session.state).kept, []
    for each in keeps:
        shown = subprocess.run(["git", "-C", folder, "show", f"{each.commit}:train.py"], capture_output=True, check=True)
        if lines := edited(script, Change({"train.py": shown.stdout.decode()}, "")):
            wrong.append(each)
            print(f"{script.name}: {each.title} edits {lines}", file=sys.stderr)
    count = track(session.state).experiments
    yield exact(f"night of {script.name}: {KEEPS}", len(keeps), count=count)
    yield exact(f"night of {script.name}: {EDITED}", len(wrong), count=count)


def cells(quick: bool) -> Iterator[Cell]:
    """A cell for each night (quick: none)."""
    for script in scripts() if not quick else ():
        yield Cell(f"night of {script.name}", partial(night, script, EXPERIMENTS))


def sums(found: Sequence[Row]) -> Iterator[Row]:
    """Over all nights: keeps, and those that edit the ruler."""
    nights = [row for row in found if row.what.startswith("night of ")]
    for what, asked in ((KEEPS, ""), (EDITED, "== 0")):
        rows = [row for row in nights if row.what.endswith(f": {what}")]
        if len(rows) >= NIGHTS:
            yield exact(f"{what}, in {len(rows)} nights", sum(row.value for row in rows), asked,
                        count=sum(row.count for row in rows))
