"""What others' changes turn: a change that does nothing but turn knobs is one more configuration, whatever its author."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping

import msgspec

from overnight.contracts import TURNED, Change
from overnight.errors import TrackError
from overnight.researchers.knobs.edit import parse, splice
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.parts import Ruler
from overnight.researchers.knobs.scales import Value, write

WAYS = (0.5, 0.25, -0.5)  # of a turn that did no good, how far the next tries go
ZERO = 0.3  # of the way from zero, for each try: such constants are usually turned by ratios


def noted(files: Mapping[str, str], change: Change) -> Change:
    """The change to these files, whose note says which knobs it turns, {knob: [before, after]}, where it does nothing else but
    rewrite comments and blanks."""
    if change.note.get("kind") or TURNED in change.note or any(text is None for text in change.files.values()):
        return change
    new = {path: text for path, text in change.files.items() if text is not None}
    if not new.keys() <= files.keys():
        return change
    try:
        before, after = _by_id({path: files[path] for path in new}), _by_id(new)
        other = before.keys() != after.keys() or any(_rest(files[path], path, before) != _rest(text, path, after)
                                                     for path, text in new.items())
    except TrackError:  # a bad comment
        return change
    if other:
        return change
    turned = {knob: [before[knob].value, after[knob].value] for knob in before if before[knob].value != after[knob].value}
    return msgspec.structs.replace(change, note=change.note | {TURNED: turned}) if turned else change


def turned_to(files: Mapping[str, str], values: Mapping[str, Value]) -> dict[str, str | None] | None:
    """The files that change when constants get these values; None where one of them is gone."""
    knobs, edits = _by_id(files), dict[str, list[tuple[tuple[int, int], str]]]()
    if not values.keys() <= knobs.keys():
        return None
    for name, value in values.items():
        if (knob := knobs[name]).value != value:
            edits.setdefault(knob.path, []).append((knob.span, write(value, knob.text)))
    return {path: splice(files[path], found) for path, found in edits.items()}


def another(old: Value, new: Value, nth: int) -> Value | None:
    """The nth value to try for a number that did no good where it was turned from one value to another: half of the way, a
    quarter of it, and as far to the other side; by ratios where both are of one sign, and from zero by tenths. None where that
    is nothing new."""
    if isinstance(old, bool | str) or isinstance(new, bool | str) or not math.isfinite(old) or not math.isfinite(new):
        return None
    share = WAYS[nth - 1]
    made = new * ZERO**nth if old == 0 and share > 0 else old + share * (new - old)
    if old and new / old > 0:
        made = old * (new / old) ** share
    found = round(made) if isinstance(old, int) and isinstance(new, int) else float(f"{made:.3g}")
    return None if found in (old, new) or old == 0 > found * new else found


def _by_id(files: Mapping[str, str]) -> dict[str, Knob]:
    return {knob.id: knob for knob in find(files, Ruler(frozenset()))}


def _rest(text: str, path: str, knobs: Mapping[str, Knob]) -> str:
    """A file without the values of its knobs, and of Python without comments and blanks."""
    bare = splice(text, [(knob.span, "0") for knob in knobs.values() if knob.path == path])
    source = parse(bare) if path.endswith(".py") else None
    return bare if source is None else ast.dump(source.tree)
