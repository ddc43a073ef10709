"""A copy of tracks/microgpt in a git repository of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from measure import TRACK

WORTHWHILE = 0.005  # less than the least of the ten improvements is worth on top of the others


def contract() -> str:
    """The track's contract, with a smaller improvement being worthwhile, and with room for the noise of a machine that is not
    alone: it is the metric that is on trial here, and together the ten cost 1.09 times the baseline's CPU time."""
    text = (TRACK / "track.toml").read_text(encoding="utf-8")
    text = text.replace("worthwhile = 0.01 ", f"worthwhile = {WORTHWHILE} ")
    return text.replace('at_most = "1.25x"', 'at_most = "1.6x"')


def copy_track(folder: Path) -> None:
    """Copy the track and commit it, as somebody who never set git up."""
    shutil.copytree(TRACK, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "track.toml").write_text(contract(), encoding="utf-8")
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "baseline"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
