"""Reads a search/replace block: `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`, or with the words of others. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from overnight.errors import EditError
from overnight.researchers.llm.edits.form import Edit
from overnight.researchers.llm.edits.spot import BLOCK, Read, Spot, dedented

CLOSES = {"<": ">", "-": r"\+"}
WORD = r"[ \t]*(?:REPLACE|REPLACEMENT|UPDATED?|NEW|AFTER)\b[ \t]*"
MIDDLE = re.compile(r"[ \t]*={5,}[ \t]*")


def read(here: Spot) -> Read | None:
    """The block that opens on a line. Raises EditError where it is not whole."""
    found = BLOCK.fullmatch(here.lines[here.at])
    if found is None:
        return None
    indent, mark, path = found[1], found[2], found[3].strip(" \t`*")
    head = here.head
    if head is not None and head.kind == "delete":
        raise EditError(f"block {here.count} belongs to no file: write 'FILE: path' on the line above it.")
    end = _end(here, mark)
    middle = _middle(here, end, len(mark))
    search, new = (dedented(here.lines[a + 1:b], indent) for a, b in ((here.at, middle), (middle, end)))
    named = path or (head.path if head else "")
    line = head.line if head and head.fresh and not path else 0
    return Read((Edit(named, head.kind if head and not path else "edit", search, new, line),), end + 1)


def _end(here: Spot, mark: str) -> int:
    """The line that closes a block: with as many marks as opened it, or else with any number before the next one opens."""
    sign, width = CLOSES[mark[0]], len(mark)
    ways = (rf"[ \t]*{sign}{{{width}}}{WORD}", rf"[ \t]*{sign}{{5,}}(?:{WORD})?")
    for way in ways:
        for n in range(here.at + 1, len(here.lines)):
            if re.fullmatch(way, here.lines[n], re.IGNORECASE):
                return n
            if way == ways[-1] and BLOCK.fullmatch(here.lines[n]):
                break
    raise EditError(f"{here.name} is never closed: end it with '{sign.strip(chr(92)) * width} REPLACE'.")


def _middle(here: Spot, end: int, width: int) -> int:
    """The line between search and replacement: of as many marks, or else the only one of any number."""
    exact = [n for n in range(here.at + 1, end) if here.lines[n].strip() == "=" * width]
    rows: Sequence[int] = exact or [n for n in range(here.at + 1, end) if MIDDLE.fullmatch(here.lines[n])]
    if len(rows) != 1:
        raise EditError(f"{here.name} has {len(exact)} lines of {width} '=' between its search and its replacement where one "
                        "must be: if the text itself has such a line, make all three marks longer.")
    return rows[0]
