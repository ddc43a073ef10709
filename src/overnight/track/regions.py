"""Regions: the lines of a file between two marks, which alone may be edited where a contract says so. Pure.

Covered: whatever else a file holds, the marks among it, stays as it is, byte by byte; marks that a change adds or takes away
are a change outside.
Not covered: what the lines that may be edited do to the rest when they run: this is a boundary for edits, no fence for code.
"""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[int, int]


def ends(mark: str) -> tuple[str, str]:
    """What the lines before and behind a region hold."""
    return f"{mark}-START", f"{mark}-END"


def spans(text: str, mark: str) -> list[Span] | None:
    """The regions of a text, in characters; None where it has no mark, so that all of it may be edited. A region that is never
    closed ends with the text."""
    start, end = ends(mark)
    found: list[Span] = []
    place, begun = 0, None
    for line in text.split("\n"):
        after = place + len(line) + 1
        if begun is None and start in line:
            begun = min(after, len(text))
        elif begun is not None and end in line:
            found.append((begun, place))
            begun = None
        place = after
    if begun is not None:
        found.append((begun, len(text)))
    return found or None


def crossed(before: str | None, after: str | None, mark: str) -> bool:
    """Whether a change of a file touches what lies outside its regions; None: there is no such file."""
    regions = spans(before, mark) if before is not None and mark else None
    if before is None or regions is None:
        return False
    return after is None or _outside(before, regions) != _outside(after, spans(after, mark) or ())


def _outside(text: str, regions: Sequence[Span]) -> list[str]:
    edges = [0, *(edge for region in regions for edge in region), len(text)]
    return [text[begin:end] for begin, end in zip(edges[::2], edges[1::2], strict=True)]
