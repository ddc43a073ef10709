"""Where a track fixes its own seed: in a commit, or in the files on disk, which are changed on request alone.

Covered: bounded in files and bytes; nothing is executed, and nothing read or written through a link.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from overnight import files
from overnight.errors import TrackError
from overnight.repo import Repo
from overnight.track import seeding
from overnight.track.load import text_of
from overnight.track.seeding.place import VARIABLE, Place
from overnight.track.spec import Track

MOST_ENTRIES = 50_000  # files of a folder that are looked at by their names


def at(repo: Repo, commit: str, track: Track, contract: str) -> tuple[list[Place], dict[str, str]]:
    """The places at a commit where what the candidate runs fixes a seed, and the texts of the files that were looked at."""
    texts = repo.texts(commit, partial(seeding.readable, track), seeding.MOST_FILE_BYTES, seeding.MOST_BYTES)
    return seeding.places(track, texts, contract), texts


def on_disk(folder: Path, track: Track) -> tuple[list[Place], dict[str, str]]:
    """The same of a folder's files as they are."""
    texts = texts_of(folder, partial(seeding.readable, track))
    return seeding.places(track, texts, text_of(folder)), texts


def texts_of(folder: Path, wanted: Callable[[str], bool]) -> dict[str, str]:
    """The texts of the files of a folder that are wanted by their paths in it."""
    texts, left = dict[str, str](), seeding.MOST_BYTES
    for path in islice(paths(folder, wanted), seeding.MOST_FILES):
        try:
            content = files.read(folder, path, min(left, seeding.MOST_FILE_BYTES)) or b""
            texts[path] = content.decode()
        except (TrackError, UnicodeDecodeError):
            continue  # a link, no text, or too long to be a program
        left -= len(content)
    return texts


def paths(folder: Path, wanted: Callable[[str], bool]) -> Iterator[str]:
    """The files of a folder that are wanted by their paths in it, of so many that are looked at."""
    seen = 0
    for root, folders, names in os.walk(folder):
        below = Path(root).relative_to(folder).as_posix() if Path(root) != folder else ""
        folders[:] = sorted(name for name in folders if wanted(f"{below}/{name}/x.py".lstrip("/")) and not (
            Path(root, name, "pyvenv.cfg")).exists())
        for path in (Path(root, name).relative_to(folder).as_posix() for name in sorted(names)):
            seen += 1
            if seen > MOST_ENTRIES:
                return
            if wanted(path):
                yield path


def connect(folder: Path, found: list[Place], texts: dict[str, str]) -> list[str]:
    """Write the changes that connect the seeds to $OVERNIGHT_SEED into the files; what was done and what is left to do, in
    sentences. Raises TrackError where a file cannot be written."""
    made, said = seeding.connected(found, texts), []
    for path, text in made.items():
        fd = files.opened(folder, path, TrackError, os.O_WRONLY)
        if fd is None:
            continue
        with open(fd, "wb") as file:
            file.truncate()
            file.write(text.encode())
        lines = ", ".join(str(place.number) for place in found if place.path == path and place.edit)
        said.append(f"wrote {folder / path}: the seed of line {lines} comes from ${VARIABLE} where that is set")
    return [*said, *(f"by hand: {sentence}" for sentence in seeding.by_hand(found, texts))]
