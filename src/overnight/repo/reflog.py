"""git's own diary of where a branch stood, continued when the user merges, so that `git reset --hard HEAD@{1}` takes it
back."""

from __future__ import annotations

import os
import time

from overnight import files
from overnight.errors import TrackError
from overnight.repo.gitdirs import GitDirs


def note(dirs: GitDirs, ref: str, old: str, new: str, who: str, reason: str) -> None:
    """Append a line to the diaries of a branch and of HEAD, where there are some. Nothing is written through a link."""
    line = f"{old} {new} {who} {int(time.time())} +0000\t{reason}\n".encode()
    for root, name in ((dirs.own, "logs/HEAD"), (dirs.common, f"logs/{ref}")):
        try:
            fd = files.opened(root, name, TrackError, os.O_WRONLY | os.O_APPEND)
        except TrackError:
            continue
        if fd is not None:
            with open(fd, "ab") as file:
                file.write(line)
