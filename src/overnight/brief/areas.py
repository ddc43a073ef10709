"""Parts of the code, one for each of several researchers that think at the same time, so that their changes seldom collide.
Pure.

Covered: parts of about the same length, which begin where a definition or a block does, where one is near.
Not covered: what belongs together across files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

NEAR = 0.25  # of a part's length, within which a better place to begin is looked for


class Stretch(Struct, frozen=True):
    """Lines of one file, counted from 1, both ends included."""

    path: str
    first: int
    last: int


def areas(files: Mapping[str, str], count: int, taken: Mapping[str, Sequence[int]] = {}) -> list[list[Stretch]]:
    """The code in so many parts, in the order of paths and lines; fewer where there are fewer lines with anything on them that
    are not `taken`."""
    gone = {path: frozenset(numbers) for path, numbers in taken.items()}
    rows = [(path, number, line) for path in sorted(files) for number, line in enumerate(files[path].split("\n"), 1)
            if line.strip() and not line.lstrip().startswith("#") and number not in gone.get(path, ())]
    count = max(1, min(count, len(rows)))
    bounds = [0, *(_begin(rows, place * len(rows) // count, len(rows) / count) for place in range(1, count)), len(rows)]
    return [_joined(rows[start:end]) for start, end in pairwise(bounds) if start < end]


def _begin(rows: list[tuple[str, int, str]], place: int, length: float) -> int:
    """Where a part best begins near a place: at a file, at a definition, at a line that is not set in, or just there."""
    reach = int(NEAR * length)
    near = range(max(1, place - reach), min(len(rows), place + reach + 1))
    return min(near, key=lambda i: (_inside(rows, i), abs(i - place)), default=place)


def _inside(rows: list[tuple[str, int, str]], at: int) -> int:
    path, _, line = rows[at]
    if path != rows[at - 1][0]:
        return 0
    head = line.split(maxsplit=1)[0]
    return 1 if head in ("def", "class", "async", "fn", "func", "function", "struct", "impl") else 3 if line[0].isspace() else 2


def _joined(rows: list[tuple[str, int, str]]) -> list[Stretch]:
    """Rows as one stretch for each file that they lie in."""
    spans: dict[str, tuple[int, int]] = {}
    for path, number, _ in rows:
        spans[path] = (spans.get(path, (number, number))[0], number)
    return [Stretch(path, first, last) for path, (first, last) in spans.items()]
