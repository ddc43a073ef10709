"""Reads two fences, one with the lines of today and one with the new ones, each below its name: "Before:", "After:". Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from overnight.researchers.llm.edits.form import Edit
from overnight.researchers.llm.edits.spot import BLOCK, FENCE, Read, Spot, dedented

SHORT = 60  # characters of a name
WHAT = r"(?: (?:this|code|text|lines|version|part))?"
OLD = re.compile(rf"(?:search|original|before|old|find|current|replace|from){WHAT}", re.IGNORECASE)
NEW = re.compile(rf"(?:replace|replacement|replace with|updated?|after|new|with|to|by){WHAT}", re.IGNORECASE)


def read(here: Spot) -> Read | None:
    """The pair of fences that begins on a line with the first one's name."""
    old = _fence(here.lines, here.at, OLD)
    new = old and _fence(here.lines, _further(here.lines, old[1]), NEW)
    if old is None or new is None or not old[0]:
        return None
    path, line = (here.head.path, here.head.line) if here.head else ("", 0)
    return Read((Edit(path, "edit", old[0], new[0], line if here.head and here.head.fresh else 0),), new[1])


def _fence(lines: Sequence[str], at: int, named: re.Pattern[str]) -> tuple[tuple[str, ...], int] | None:
    """What the fence below such a name holds, and the number of the line after it."""
    if at >= len(lines) or len(lines[at]) > SHORT or not named.fullmatch(lines[at].strip(" \t#*:_`")):
        return None
    begin = _further(lines, at + 1)
    opens = FENCE.fullmatch(lines[begin]) if begin < len(lines) else None
    end = next((n for n in range(begin + 1, len(lines)) if opens and lines[n].strip() == opens[2]), None)
    if opens is None or end is None or any(BLOCK.fullmatch(line) for line in lines[begin + 1:end]):
        return None
    return dedented(lines[begin + 1:end], opens[1]), end + 1


def _further(lines: Sequence[str], at: int) -> int:
    """The next line that is not blank."""
    while at < len(lines) and not lines[at].strip():
        at += 1
    return at
