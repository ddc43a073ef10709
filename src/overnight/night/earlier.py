"""What earlier tracks of this machine taught of knobs: a small file in the state of each, read where a new session begins.

Covered: a file holds words of names, kinds of scales and numbers, and no value, path or text of its track; one that is too
long, or no such data is left out, and nothing else is lost by it; a file is written whole or not at all. Not covered: what the
user's own processes write there.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from overnight.contracts import Mattered
from overnight.errors import OvernightError
from overnight.files import opened

NAME = "mattered.json"
MOST_BYTES, MOST_KNOBS, MOST_TRACKS = 64 << 10, 400, 40  # of a file; in it; and how many files are read, the newest
KINDS = ("log", "near1", "fraction", "linear", "size", "int", "choice")
MOST_CHARACTERS, MOST_SHARE, MOST_WAY = 48, 1000.0, 4.0


def keep(home: Path, taught: Sequence[Mattered]) -> None:
    """Note what a track teaches, in its state; where that cannot be written, the older note stays."""
    most = sorted(taught, key=lambda each: (-each.share, each.name))[:MOST_KNOBS]
    coming = home / f"{NAME}.new"
    with suppress(OSError):
        coming.write_bytes(msgspec.json.encode(most))
        coming.replace(home / NAME)


def tracks(root: Path, but: Path) -> Iterator[list[Mattered]]:
    """What each of the newest other tracks taught, in the order of their folders."""
    found = [(_written(path), path) for path in root.glob(f"*/*/{NAME}") if path.parent != but]
    for path in sorted(path for _, path in sorted(found)[-MOST_TRACKS:]):
        if taught := _read(root, path):
            yield taught


def merged(tracks: Iterable[Iterable[Mattered]]) -> tuple[Mattered, ...]:
    """The beliefs of several tracks as one: their means, and of how many tracks."""
    found: dict[tuple[str, str], list[Mattered]] = defaultdict(list)
    for track in tracks:
        for one in {(each.name, each.kind): each for each in track}.values():
            found[one.name, one.kind].append(one)
    return tuple(Mattered(name, kind, _mean([e.share for e in every]), _mean([e.way for e in every]), len(every))
                 for (name, kind), every in sorted(found.items()))


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _written(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return -math.inf


def _read(root: Path, path: Path) -> list[Mattered]:
    """What a file says, without what is out of bounds; nothing where it is no such file."""
    try:
        fd = opened(root, str(path.relative_to(root)))
        if fd is None:
            return []
        with open(fd, "rb") as content:
            data = content.read(MOST_BYTES + 1)
        found = msgspec.json.decode(data, type=list[Mattered]) if len(data) <= MOST_BYTES else []
    except (OSError, OvernightError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [each for each in found[:MOST_KNOBS] if _sane(each)]


def _sane(each: Mattered) -> bool:
    words = each.name.replace(" ", "")
    named = words.isascii() and words.isalnum() and len(each.name) <= MOST_CHARACTERS
    return named and each.kind in KINDS and 0 <= each.share <= MOST_SHARE and abs(each.way) <= MOST_WAY and each.tracks == 1
