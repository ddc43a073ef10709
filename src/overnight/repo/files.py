"""Files of a work tree or a git folder, opened as data.

Covered: no link is followed, on the way or at the end; a pipe or a device never blocks; nothing is read without a bound.
Not covered: what the user's own processes put in a file's place between two calls; each call sees one file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from overnight.errors import EditError, OvernightError, TrackError

MOST_METADATA_BYTES = 4 << 20  # bytes of a file by which git keeps house: a configuration, attributes, the name of a branch


def opened(root: Path, name: str, error: type[OvernightError] = EditError, flags: int = os.O_RDONLY) -> int | None:
    """A descriptor of the regular file `name` beneath a folder, to read unless `flags` say otherwise; None where there is none.
    Raises `error` for anything else, and for what a link on the way leads to."""
    *folders, last = name.split("/")
    above = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            try:
                below = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            except NotADirectoryError:
                if stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode):
                    raise error(f"{name} lies behind a link: put a folder in its place.") from None
                return None
            os.close(above)
            above = below
        fd = os.open(last, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as trouble:
        raise error(f"{name} is no plain file ({trouble.strerror}): put a file in its place.") from trouble
    finally:
        os.close(above)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise error(f"{name} is no plain file: put a file in its place.")
    return fd


def read(root: Path, name: str, most: int = MOST_METADATA_BYTES, error: type[OvernightError] = TrackError) -> bytes | None:
    """What a regular file beneath a folder holds; None where there is none. Raises `error` for anything else, and for a file of
    more than `most` bytes."""
    fd = opened(root, name, error)
    if fd is None:
        return None
    with open(fd, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise error(f"{name} is larger than {most >> 20} MiB.")
    return content


def check(root: Path, name: str) -> None:
    """Raise TrackError where `name` beneath a folder is there and is no regular file, or lies behind a link."""
    fd = opened(root, name, TrackError)
    if fd is not None:
        os.close(fd)


def refuse_links(folder: Path) -> None:
    """Raise TrackError where anything below a folder is neither a folder nor a regular file."""
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif not entry.is_file(follow_symlinks=False):
                    raise TrackError(f"{entry.path} is a link or a device, which may lead out of the repository: clone the "
                                     "repository anew and run in the clone.")
