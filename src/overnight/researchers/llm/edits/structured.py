"""A change as JSON: the schema that a server may hold a model to, and the reader of what comes of it. Pure."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from overnight.errors import EditError
from overnight.researchers.llm.edits.form import MOST_BLOCKS, Edit, ParsedAnswer, unix

TITLE, WHY = 120, 2_000  # characters
TRIES = 50  # places of an answer at which an object may begin
MOST_STEPS, MOST_QUOTED, MOST_NEW = 8, 40, 120  # steps of a change that is held to a schema, and lines of each
MOST_LINES, MOST_CHARACTERS = 300, 12_000  # of files whose lines a schema spells out
_TEXT: dict[str, Any] = {"type": "string"}
_TITLE, _WHY = _TEXT | {"maxLength": 80}, _TEXT | {"maxLength": 160}  # a small model may find no end
_LINES = {"type": "array", "items": _TEXT, "maxItems": MOST_NEW}
TITLES, WHYS = ("title", "summary"), ("why", "reason", "explanation", "description")
STEPS = ("edits", "changes", "edit", "blocks", "files")
PATHS = ("file", "path", "filename", "file_path", "filepath")
SEARCHES = ("search", "original", "old", "old_string", "old_str", "old_text", "find", "before")
REPLACES = ("replace", "replacement", "updated", "new", "new_string", "new_str", "new_text", "after")
WHOLES = ("content", "code", "text")


def schema(files: Mapping[str, str], editable: Sequence[str], simple: bool = False) -> dict[str, Any]:
    """The JSON that a change of these files is, for a server that holds a model to it. Of files that are not too long, lines
    can be quoted only as they are; `simple`: one line of one file gives way to another."""
    one = simple and _short(files.values())
    steps = [_step([path], _once(text), 1) for path, text in files.items() if _once(text)] if one else []
    if not steps:
        wild = any(sign in glob for glob in editable for sign in "*?")  # then a new file may be made
        known = list(dict.fromkeys(line for text in files.values() for line in unix(text).split("\n")))
        steps = [_step([] if wild else list(files), known if _short(files.values()) else [], 0)]
    edits = {"type": "array", "minItems": 1, "maxItems": 1 if one else MOST_STEPS,
             "items": steps[0] if len(steps) == 1 else {"anyOf": steps}}
    return _object({"title": _TITLE, "why": _WHY, "edits": edits})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}


def _step(paths: list[str], known: list[str], exactly: int) -> dict[str, Any]:
    """One step: in one of these files, or any; on lines that are known, or any."""
    search: dict[str, Any] = {"type": "array", "items": _TEXT | ({"enum": known} if known else {}), "maxItems": MOST_QUOTED}
    search |= {"minItems": exactly, "maxItems": exactly} if exactly else {}
    new = _LINES | ({"minItems": exactly, "maxItems": exactly} if exactly else {})
    return _object({"file": _TEXT | ({"enum": paths} if paths else {}), "search": search, "replace": new})


def _short(texts: Iterable[str]) -> bool:
    """Whether a schema can spell out all the lines of some files."""
    held = "\n".join(texts)
    return held.count("\n") < MOST_LINES and len(held) <= MOST_CHARACTERS


def _once(text: str) -> list[str]:
    """The lines of a file that stand in it once and say something."""
    return [line for line, times in Counter(unix(text).split("\n")).items() if times == 1 and line.strip(" \t()[]{},;:")]


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
    path, search, new = _first(step, PATHS), _lines(step, SEARCHES), _lines(step, REPLACES)
    if new is None and path is not None and (whole := _lines(step, WHOLES)) is not None:
        return Edit(path, "whole", (), whole)
    if new is None or search is None:
        return None
    return Edit(path or "", "edit", search, new)


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these that is a text."""
    return next((said[name] for name in names if isinstance(said.get(name), str)), None)


def _lines(said: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, ...] | None:
    """The first of these that is there, as lines: a text, or a list of them."""
    value = next((said[name] for name in names if isinstance(said.get(name), str | list)), None)
    if isinstance(value, str):
        text = value.replace("\r\n", "\n").removesuffix("\n")
        return tuple(text.split("\n")) if text else ()
    if value is None or not all(isinstance(each, str) for each in value):
        return None
    return tuple(line for each in value for line in each.replace("\r\n", "\n").removesuffix("\n").split("\n"))
