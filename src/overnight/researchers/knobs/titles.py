"""How to call what a change turned, whichever researcher made it: the knobs that differ between two versions of some files."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from overnight.errors import TrackError
from overnight.researchers.knobs.edit import Span
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob


class Turned(Struct, frozen=True):
    """A knob that was turned: where its literal stood in its file and where it stands, in characters, and what it was turned
    from and to, as titles say it."""

    path: str
    was: Span
    now: Span
    title: str


def turned(before: Mapping[str, str], after: Mapping[str, str]) -> list[Turned]:
    """The knobs that are in both and not the same; none where a file has a bad comment."""
    try:
        old: dict[str, Knob] = {knob.id: knob for knob in find(before)}
        pairs = [(old[knob.id], knob) for knob in find(after) if knob.id in old]
    except TrackError:
        return []
    return [Turned(new.path, was.span, new.span, f"{new.label} {was.text} -> {new.text}")
            for was, new in pairs if was.text != new.text]
