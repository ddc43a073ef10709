"""At which second the first keep of `overnight demo` stands on the screen, on a machine that is idle and on one whose cores all
have other work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from bench.kit import Cell, Row, exact
from bench.load import bursts
from overnight.errors import OvernightError

DEMOS = 5
ASKED = {"idle": 180, "loaded": 360}  # seconds
KEEP = re.compile(r"^#\d+ keep\b")


def demo(how: str, number: int) -> Iterator[Row]:
    """One demo; it is stopped, as by Ctrl-C, when its first keep is on the screen. Raises OvernightError where none came."""
    load = bursts(number, 3600.0, 1e-9, 1) if how == "loaded" else nullcontext()
    with tempfile.TemporaryDirectory(prefix="overnight-demo-") as place, load:
        began = time.monotonic()
        shown = subprocess.Popen([sys.executable, "-u", "-m", "overnight.cli", "demo", str(Path(place, "demo"))], text=True,
                                 stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
        assert shown.stdout is not None
        try:
            took = next((time.monotonic() - began for line in shown.stdout if KEEP.match(line)), None)
        finally:
            shown.send_signal(signal.SIGINT)
            shown.communicate()
    if took is None:
        raise OvernightError(f"a demo on a machine that is {how} kept nothing.")
    yield exact(f"demo {number}, {how}: first keep", took, f"<= {ASKED[how]}", "s")


def cells(quick: bool) -> Iterator[Cell]:
    """A cell for each demo (quick: none)."""
    for how in ASKED if not quick else ():
        for number in range(1, DEMOS + 1):
            yield Cell(f"demo {how} {number}", partial(demo, how, number))
