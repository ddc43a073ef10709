"""Where the night's word goes: the user's addresses, hooks and time of the morning. Never what a track says.

Covered: an address is a secret, for it holds tokens: it is shown by its scheme alone, and never written; a hook must belong
to the user or to root, no other user may write to it, and it lies outside the repository and its state. Not covered: what a
hook does, which is the user's own program.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from overnight.errors import TrackError
from overnight.untrusted import line

VARIABLE = "OVERNIGHT_NOTIFY"
FOLDER, ADDRESSES, HOOKS = "overnight", "notify", "hooks"  # below the folder of the user's configuration
MOST_ADDRESSES, MOST_HOOKS, MOST_ADDRESS_CHARACTERS = 16, 16, 4096
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}(?=://)")
CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
IGNORED = re.compile(r"^\.|~$|\.(?:sample|md|txt|bak|disabled)$")  # files beside hooks that are none


class Address:
    """One of apprise's addresses. Only what sends reads `secret`."""

    def __init__(self, secret: str) -> None:
        """Raises TrackError for what is no address."""
        found = SCHEME.match(secret)
        if not found or len(secret) > MOST_ADDRESS_CHARACTERS:
            raise TrackError("an address to notify is none of apprise's: it begins with what it is for, like "
                             "slack://, mailto:// or json://.")
        self.secret, self.scheme = secret, found[0].lower()

    def __repr__(self) -> str:
        return f"{self.scheme}://…"


def configuration(environ: Mapping[str, str]) -> Path:
    """The folder of the user's own configuration of Overnight, there or not."""
    named = environ.get("XDG_CONFIG_HOME") or ""
    return Path(named if named.startswith("/") else Path(environ.get("HOME") or "/") / ".config") / FOLDER


def addresses(given: Sequence[str], environ: Mapping[str, str], root: Path) -> list[Address]:
    """Those of the command line, of $OVERNIGHT_NOTIFY and of the user's file `notify`, each once. `root` is the work tree,
    from which none is read. Raises TrackError."""
    path = configuration(environ) / ADDRESSES
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if _own_file(path, root) else []
    written = [text.strip() for text in lines if text.strip() and not text.strip().startswith("#")]
    every = dict.fromkeys([*given, *environ.get(VARIABLE, "").split(), *written])
    if len(every) > MOST_ADDRESSES:
        raise TrackError(f"there are {len(every)} addresses to notify, and {MOST_ADDRESSES} are the most: leave some out.")
    return [Address(each) for each in every]


def _own_file(path: Path, root: Path) -> bool:
    """Whether there is such a file. Raises TrackError where it is not the user's alone to write, or in the repository."""
    if not path.is_file():
        return False
    if wrong := unsafe(path, root):
        raise TrackError(f"{path} is not read, for it {wrong}.")
    return True


def unsafe(path: Path, root: Path) -> str:
    """Why a file is not taken for the user's own, as the end of a sentence; "" where it is."""
    real = path.resolve()
    if real.is_relative_to(root.resolve()):
        return "lies in the repository, so it may be another person's"
    for place in (real, *real.parents):
        status = place.stat()
        if status.st_uid not in (os.geteuid(), 0):
            return f"is another user's ({place})"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (place.is_dir() and status.st_mode & stat.S_ISVTX):
            return f"can be changed by others ({place}: chmod go-w)"
    return ""


def hooks(given: Sequence[Path], environ: Mapping[str, str], root: Path) -> list[Path]:
    """The programs that get events: those of the command line, then those of the user's folder `hooks` by their names. Raises
    TrackError for one that may not be used."""
    folder = configuration(environ) / HOOKS
    beside = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [*given, *(path for path in beside if path.is_file() and not IGNORED.search(path.name))]
    for path in found:
        if wrong := _no_hook(path, root):
            raise TrackError(f"the hook {line(str(path), 300)} {wrong}.")
    if len(found) > MOST_HOOKS:
        raise TrackError(f"there are {len(found)} hooks, and {MOST_HOOKS} are the most: leave some out.")
    return list(dict.fromkeys(path.resolve() for path in found))


def _no_hook(path: Path, root: Path) -> str:
    if not path.is_file():
        return "is no file"
    if not os.access(path, os.X_OK):
        return f"cannot be run: chmod u+x {line(str(path), 300)}"
    return unsafe(path, root)


def clock(text: str) -> tuple[int, int]:
    """A time of day like 07:00, as hours and minutes. Raises TrackError."""
    found = CLOCK.fullmatch(text.strip())
    if not found:
        raise TrackError(f"{line(text, 20)!r} is no time of day: write one like 07:00.")
    return int(found[1]), int(found[2])


def next_morning(now: float, at: tuple[int, int]) -> float:
    """When that time of day comes next after `now`, by the machine's own clock and zone; seconds since 1970."""
    return next(moment for moment in _mornings(now, at) if moment > now)


def _mornings(now: float, at: tuple[int, int]) -> Iterator[float]:
    today = datetime.fromtimestamp(now).replace(hour=at[0], minute=at[1], second=0, microsecond=0)
    for days in range(3):
        yield (today + timedelta(days=days)).timestamp()
