"""Files beneath a folder that another person may have filled, opened as data.

Covered: every part of a path is opened beneath the one before it and may be no link, so that nothing outside the folder is
read, moved or removed, whatever lies in it; a pipe or a device never blocks; nothing is read without a bound.
Not covered: hard links, which git does not carry; what the user's own processes put in a file's place between two calls.
Source: openat(2) with O_NOFOLLOW for each part, which does what RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS of openat2(2) does.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from overnight.errors import EditError, OvernightError, TrackError

MOST_METADATA_BYTES = 4 << 20  # bytes of a file by which git keeps house: a configuration, attributes, the name of a branch
FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def _above(root: Path, name: str, error: type[OvernightError]) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that the last part of a path lies in, and that part. Raises `error` for a path that leaves the
    root or leads through a link, FileNotFoundError where a folder is missing."""
    *folders, last = name.rstrip("/").split("/")
    if last in ("", ".") or ".." in (*folders, last) or "\0" in name or name.startswith("/"):
        raise error(f"{name[:200]!r} is no path below {root}.")
    above = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in folders:
            try:
                below = os.open(part or ".", FOLDER, dir_fd=above)
            except NotADirectoryError:
                if _is_link(part, above):
                    raise error(f"{name} lies behind a link: put a folder in its place.") from None
                raise FileNotFoundError(name) from None
            os.close(above)
            above = below
        yield above, last
    finally:
        os.close(above)


def _is_link(part: str, above: int) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode)


def opened(root: Path, name: str, error: type[OvernightError] = EditError, flags: int = os.O_RDONLY) -> int | None:
    """A descriptor of the regular file `name` beneath a folder, to read unless `flags` say otherwise; None where there is none.
    Raises `error` for anything else, and for what a link on the way leads to."""
    try:
        with _above(root, name, error) as (above, last):
            fd = os.open(last, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=above)
    except FileNotFoundError:
        return None
    except OSError as trouble:
        raise error(f"{name} is no plain file ({trouble.strerror}): put a file in its place.") from trouble
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
        raise error(f"{name} is larger than {most / (1 << 20):g} MiB.")
    return content


def check(root: Path, name: str) -> None:
    """Raise TrackError where `name` beneath a folder is there and is no regular file, or lies behind a link."""
    fd = opened(root, name, TrackError)
    if fd is not None:
        os.close(fd)


def present(root: Path, name: str) -> bool:
    """Whether there is a file or a folder of that path. Raises TrackError where it is a link or lies behind one."""
    try:
        with _above(root, name, TrackError) as (above, last):
            if _is_link(last, above):
                raise TrackError(f"{name} is a link: put the file or folder itself in its place.")
            return True
    except FileNotFoundError:
        return False
    except OSError as trouble:
        raise TrackError(f"{name[:200]} cannot be looked at ({trouble.strerror}): put a file in its place.") from trouble


def remove(root: Path, name: str) -> None:
    """Remove a file, a link or a folder that may be there. Raises TrackError where it lies behind a link."""
    try:
        with _above(root, name, TrackError) as (above, last):
            if stat.S_ISDIR(os.stat(last, dir_fd=above, follow_symlinks=False).st_mode):
                shutil.rmtree(last, dir_fd=above)
            else:
                os.unlink(last, dir_fd=above)
    except FileNotFoundError:
        return


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
