"""Files that Git LFS keeps: a commit holds a pointer, and the content lies in the git folder under its own hash.

Covered: a content is used only where it has the hash and the size that the pointer names; no link is followed; no program of
LFS runs and nothing is fetched.
Not covered: storage in another place than `<git folder>/lfs` (lfs.storage).
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from overnight import files
from overnight.errors import TrackError

MOST_POINTER_BYTES = 1024  # bytes
_POINTER = re.compile(rb"version https://git-lfs\.github\.com/spec/v1\n(?:ext-[^\n]*\n)*"
                      rb"oid sha256:([0-9a-f]{64})\nsize ([0-9]{1,19})\n")
_BLOCK_BYTES = 1 << 20


class Pointer(NamedTuple):
    """What a commit holds in place of a file's content."""

    sha256: str
    size: int


def pointer(content: bytes | None) -> Pointer | None:
    """The pointer that a file holds; None where it is a content of its own."""
    found = _POINTER.fullmatch(content or b"")
    return Pointer(found[1].decode(), int(found[2])) if found else None


def content_pointer(root: Path, name: str) -> Pointer | None:
    """The pointer that LFS would make of a file beneath a folder; None where there is no file."""
    fd = files.opened(root, name)
    if fd is None:
        return None
    with open(fd, "rb") as file:
        return _copied(file, None)


def fill(root: Path, name: str, common: Path) -> None:
    """Put a file's content in the place of its pointer, beneath a folder of ours. Raises TrackError where it is not here."""
    fd = files.opened(root, name, TrackError)
    if fd is None:
        return
    with open(fd, "rb") as file:
        mode, wanted = os.fstat(fd).st_mode, pointer(file.read(MOST_POINTER_BYTES + 1))
    if wanted is None:
        return
    stored = f"lfs/objects/{wanted.sha256[:2]}/{wanted.sha256[2:4]}/{wanted.sha256}"
    source = files.opened(common, stored, TrackError)
    if source is None:
        raise TrackError(f"{name} is kept in Git LFS and its content is not here: run `git lfs pull` and run again.")
    making = root / f"{name}.lfs-{os.urandom(4).hex()}"
    with open(source, "rb") as content, open(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 0o777), "wb") as copy:
        found = _copied(content, copy)
    making.chmod(mode & 0o777)
    if found != wanted:
        making.unlink()
        raise TrackError(f"the content of {name} in Git LFS is damaged: remove .git/{stored}, run `git lfs pull` "
                         "and run again.")
    making.replace(root / name)


def _copied(content: BinaryIO, copy: BinaryIO | None) -> Pointer:
    digest, size = hashlib.sha256(), 0
    while block := content.read(_BLOCK_BYTES):
        digest.update(block)
        size += len(block)
        if copy is not None:
            copy.write(block)
    return Pointer(digest.hexdigest(), size)
