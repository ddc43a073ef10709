"""Reads a fence that holds the whole text of a file. Whether it does is told where it is applied. Pure."""

from __future__ import annotations

import re

from overnight.errors import EditError
from overnight.researchers.llm.edits.form import Edit
from overnight.researchers.llm.edits.spot import BLOCK, FENCE, LONGEST_PATH, PATH, TITLE, Head, Read, Spot, dedented, head

COMMENT = re.compile(r"[ \t]*(?:#+|//+|--|;+|/\*+|<!--)[ \t]*(?:(?:file(?:name)?|path)[ \t]*:)?[ \t]*(\S+)[ \t]*(?:\*/|-->)?",
                     re.IGNORECASE)
# What stands in a fence that is read line by line.
OTHER = re.compile(rf"^(?:{BLOCK.pattern}$|{TITLE.pattern}|@@ |\*\*\* Begin|--- \S+$|(?:NEW |DELETE )?FILE: )",
                   re.IGNORECASE | re.MULTILINE)
MOST_LINES = 20_000  # of a file that is written out
SHELL = {"bash", "sh", "shell", "console", "zsh", "text", "output", "log", "diff", "patch", "json"}  # no file without a path


def read(here: Spot) -> Read | None:
    """The fence that opens on a line, unless what it holds is read line by line. Raises EditError where it has no end."""
    found = FENCE.fullmatch(here.lines[here.at])
    if found is None or here.inside:
        return None
    indent, mark, info = found.groups()
    end = _end(here, mark)
    content = dedented(here.lines[here.at + 1:end], indent)
    if len(content) > MOST_LINES or OTHER.search("\n".join(content)):
        return None
    named, content = _named(here, info, content)
    if named is None or named.kind == "delete":
        language = info.split()[0].lower() if info.strip() else ""
        return None if language in SHELL else Read((Edit("", "whole", (), content),), end + 1)
    if end == len(here.lines):
        raise EditError(f"{here.name} is cut off: the fence around it is never closed.")
    if not named.path.endswith(".py") and _doubtful(here, end, mark):
        raise EditError(f"{here.name} has a fence in its fence: put a longer one around it, of four or more backticks.")
    return Read((Edit(named.path, "new" if named.kind == "new" else "whole", (), content),), end + 1)


def _named(here: Spot, info: str, content: tuple[str, ...]) -> tuple[Head | None, tuple[str, ...]]:
    """The file that a fence is of, as its first line, its own words or the heading above tell, and its text."""
    for word in re.split(r"[\s:=\"'{}]+", info[:LONGEST_PATH]):
        if word in here.files or PATH.fullmatch(word):
            return Head(word), content
    first = COMMENT.fullmatch(content[0][:LONGEST_PATH]) if content else None
    path = first[1] if first and (first[1] in here.files or PATH.fullmatch(first[1])) else ""
    named = here.head if here.head is not None and here.head.fresh else Head(path) if path else None
    if named and path == named.path and here.files.get(path, "").split("\n", 1)[0] != content[0]:
        return named, content[1:]  # the file itself does not begin with its name
    return named, content


def _end(here: Spot, mark: str) -> int:
    """The line that closes a fence: those that open and close within it are passed over."""
    depth = 1
    for n in range(here.at + 1, min(len(here.lines), here.at + MOST_LINES + 2)):
        found = FENCE.fullmatch(here.lines[n])
        if found and found[2][0] == mark[0] and len(found[2]) >= len(mark):
            depth += 1 if found[3].strip() else -1
            if not depth:
                return n
    return min(len(here.lines), here.at + MOST_LINES + 2)


def _doubtful(here: Spot, end: int, mark: str) -> bool:
    """Whether a bare fence follows before any other file does: then it is not told which of them closes this one."""
    for line in here.lines[end + 1:]:
        found = FENCE.fullmatch(line)
        if found and found[2][0] == mark[0] and len(found[2]) == len(mark):
            return not found[3].strip()
        if TITLE.match(line) or BLOCK.fullmatch(line) or head(line, here.files):
            return False
    return False
