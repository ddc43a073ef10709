"""A file that is there whole or not at all: it is written beside its place and takes it when it is done.

Covered: a full disk, an error on the way and a process that is killed leave what was there before; what killed ones left is
removed an hour later by the next that writes there. Not covered: a folder that another user may write to.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from overnight.errors import TrackError

LEFT = 3600.0  # seconds since it was last written to after which a part is one that a killed process left


@contextmanager
def whole(place: Path) -> Iterator[Path]:
    """The path to write to; when the block ends well, what is there takes the place. Raises TrackError where it cannot."""
    check(place)
    for left in place.parent.glob(f".{_escaped(place.name)}.*.part"):
        with suppress(OSError):
            if time.time() - left.lstat().st_mtime > LEFT:
                left.unlink()
    part = place.with_name(f".{place.name}.{secrets.token_hex(6)}.part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        yield part
        _settle(part)
        part.replace(place)
    except OSError as error:
        raise TrackError(f"{place} cannot be written ({error.strerror or error}): make room, or name another file.") from error
    finally:
        with suppress(OSError):
            part.unlink()


def check(place: Path) -> None:
    """Raise TrackError where no file can take this place."""
    if not place.parent.is_dir():
        raise TrackError(f"there is no folder {place.parent}: make it first, or name another file.")
    if os.path.lexists(place) and (place.is_symlink() or not place.is_file()):
        raise TrackError(f"{place} is no plain file, so it is not replaced: name another file.")


def _escaped(name: str) -> str:
    """A name as a pattern of glob."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _settle(part: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
