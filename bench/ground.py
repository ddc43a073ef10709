"""Grounds that benches run on: a ready track in a git repository of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from bench import ROOT


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
