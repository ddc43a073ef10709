"""Files beneath a folder that another person may have filled, opened without following a link on the way.

Covered: every part of a path is opened beneath the one before it and may be no link, so that nothing outside the folder is
read, moved or removed, whatever lies in it; a pipe or a device is no file. Not covered: hard links, which git does not carry.
Source: openat(2) with O_NOFOLLOW for each part, which does what RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS of openat2(2) does.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from overnight.errors import TrackError

FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe does not block
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def _parent(root: Path, path: str) -> Iterator[tuple[int, str]]:
    """A descriptor of the folder that a path's last part lies in, and that part. Raises TrackError for a path that leaves the
    root or leads through a link, OSError where a part is missing."""
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts or "\0" in path:
        raise TrackError(f"{path[:200]!r} is no path below {root}.")
    above = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = _open(part, FOLDER, above, path)
            os.close(above)
            above = below
        yield above, parts[-1]
    finally:
        os.close(above)


def _open(part: str, flags: int, above: int, path: str) -> int:
    try:
        return os.open(part, flags, dir_fd=above)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) or (error.errno == errno.ENOTDIR and _is_link(part, above)):
            raise TrackError(f"{path} lies behind a link ({part}): put the file or folder itself in its place.") from error
        raise


def _is_link(part: str, above: int) -> bool:
    return stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode)


def read(root: Path, path: str, most: int) -> bytes:
    """The bytes of a plain file, `most` of them at most. Raises TrackError for what is none or lies behind a link, OSError
    where it cannot be read."""
    with _parent(root, path) as (above, name), open(_open(name, FILE, above, path), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise TrackError(f"{path} is no plain file: put one in its place.")
        return file.read(most)


def present(root: Path, path: str) -> bool:
    """Whether there is a file or folder of that path. Raises TrackError where it is a link or lies behind one."""
    try:
        with _parent(root, path) as (above, name):
            if _is_link(name, above):
                raise TrackError(f"{path} is a link: put the file or folder itself in its place.")
            return True
    except (FileNotFoundError, NotADirectoryError):
        return False


def remove(root: Path, path: str) -> None:
    """Remove a file, a link or a folder that may be there. Raises TrackError where it lies behind a link."""
    try:
        with _parent(root, path) as (above, name):
            if stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=above)
            else:
                os.unlink(name, dir_fd=above)
    except (FileNotFoundError, NotADirectoryError):
        return
