"""What others' changes turn: a change that does nothing but turn knobs is one more configuration, whoever made it."""

from __future__ import annotations

import ast
from collections.abc import Mapping

import msgspec

from overnight.contracts import TURNED, Change
from overnight.errors import TrackError
from overnight.researchers.knobs.edit import parse, splice
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.parts import Ruler


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


def _by_id(files: Mapping[str, str]) -> dict[str, Knob]:
    return {knob.id: knob for knob in find(files, Ruler(frozenset()))}


def _rest(text: str, path: str, knobs: Mapping[str, Knob]) -> str:
    """A file without the values of its knobs, and of Python without comments and blanks."""
    bare = splice(text, [(knob.span, "0") for knob in knobs.values() if knob.path == path])
    source = parse(bare) if path.endswith(".py") else None
    return bare if source is None else ast.dump(source.tree)
