"""A change as JSON: the schema that a server may hold a model to, and the reader of what comes of it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from overnight.errors import EditError
from overnight.researchers.llm.edits.form import MOST_BLOCKS, Edit, ParsedAnswer

TITLE, WHY = 120, 2_000  # characters
TRIES = 50  # places of an answer at which an object may begin
_TEXT = {"type": "string"}
_STEP = {"file": _TEXT, "search": _TEXT, "replace": _TEXT}
SCHEMA: dict[str, Any] = {
    "type": "object", "additionalProperties": False, "required": ["title", "why", "edits"],
    "properties": {"title": _TEXT, "why": _TEXT, "edits": {"type": "array", "minItems": 1, "items": {
        "type": "object", "additionalProperties": False, "required": list(_STEP), "properties": _STEP}}},
}
TITLES, WHYS = ("title", "summary"), ("why", "reason", "explanation", "description")
STEPS = ("edits", "changes", "edit", "blocks", "files")
PATHS = ("file", "path", "filename", "file_path", "filepath")
SEARCHES = ("search", "original", "old", "old_string", "old_str", "old_text", "find", "before")
REPLACES = ("replace", "replacement", "updated", "new", "new_string", "new_str", "new_text", "after")
WHOLES = ("content", "code", "text")


def read(text: str) -> ParsedAnswer | None:
    """The last object of an answer that is a change; None where there is none. Raises EditError where it has too many steps."""
    found: ParsedAnswer | None = None
    decoder, past = json.JSONDecoder(strict=False), 0
    starts = [at.start(1) for at in re.finditer(r"(?:^|\n)[ \t]*(?:```json\s*)?(\{)", text)]
    for at in starts[:TRIES]:
        if at < past:
            continue
        try:
            said, past = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            continue
        found = _change(said) or found
    return found


def _change(said: Any) -> ParsedAnswer | None:
    """An object as a change; None where it is none."""
    if not isinstance(said, dict):
        return None
    steps = next((said[name] for name in STEPS if isinstance(said.get(name), list | dict)), [said])
    edits = [_edit(step) for step in (steps if isinstance(steps, list) else [steps])]
    if len(edits) > MOST_BLOCKS:
        raise EditError(f"the answer has more than {MOST_BLOCKS} blocks: make a smaller change.")
    if not edits or None in edits:
        return None
    title, why = (_first(said, names) or "" for names in (TITLES, WHYS))
    return ParsedAnswer(" ".join(title.split())[:TITLE], why.strip()[:WHY], tuple(edit for edit in edits if edit is not None))


def _edit(step: Any) -> Edit | None:
    """One step of an object; None where it is none."""
    if not isinstance(step, dict):
        return None
    path, search, new = (_first(step, names) for names in (PATHS, SEARCHES, REPLACES))
    if new is None and path is not None and (whole := _first(step, WHOLES)) is not None:
        return Edit(path, "whole", (), _lines(whole))
    if new is None or search is None:
        return None
    return Edit(path or "", "edit", _lines(search), _lines(new))


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these that is there, as a text."""
    for name in names:
        value = said.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return "\n".join(value)
    return None


def _lines(text: str) -> tuple[str, ...]:
    text = text.replace("\r\n", "\n").removesuffix("\n")
    return tuple(text.split("\n")) if text else ()
