"""Which modules a program imports, and how long each takes, as Python itself notes it."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path

from msgspec.structs import replace

from overnight.contracts import Command
from overnight.execution.executed import heeding

_LINE = re.compile(r"^import time:\s+\d+ \|\s+(\d+) \| ( *)([\w.]+)", re.MULTILINE)  # microseconds, its depth, its name
_STARTS = ("site",)  # what Python imports as it starts, with all that .pth files name: it did so when a warm one was made


def timed(command: Command) -> Command:
    """A command that notes on its standard error how long each import takes, where it starts a Python."""
    return replace(heeding(command), env={**command.env, "PYTHONPROFILEIMPORTTIME": "1"})


def own(tree: Path) -> set[str]:
    """What a candidate's own modules may be called."""
    return {part for path in tree.rglob("*.py") for part in path.relative_to(tree).with_suffix("").parts}


def read(notes: str, mine: Container[str]) -> dict[str, float]:
    """Seconds that each module took which a program imports itself and which is in no package of `mine`, with all that it
    imported in its turn, private ones as part of what they are in, but for what Python starts with. Each stands behind what it
    imported, one step less deep."""
    found: dict[str, float] = {}
    within: int | None = None  # the depth of a module that was counted, with all that is in it
    for micros, depth, module in reversed(_LINE.findall(notes)):
        if within is not None and len(depth) > within:
            continue
        within = None
        if module in _STARTS:
            within = len(depth)
        elif module.partition(".")[0] not in mine:
            within = len(depth)
            public = module[:1] + module[1:].partition("._")[0]
            found[public] = found.get(public, 0.0) + int(micros) / 1e6
    return found
