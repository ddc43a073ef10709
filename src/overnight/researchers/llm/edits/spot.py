"""A line of an answer with what was said before it, and what readers of forms need of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from msgspec import Struct

from overnight.researchers.llm.edits.form import Edit, Kind

# Each takes the rest of a line as it is: a pattern that also looked for its end would take hours for some lines.
HEAD = re.compile(r"(?:(NEW|CREATE|ADD|DELETE|REMOVE|UPDATE|EDIT|MODIFY|CHANGE)[ \t]+)?(?:FILE(?:[ _]?(?:NAME|PATH))?|PATH)"
                  r"[ \t*`]*:(.+)", re.IGNORECASE)
KINDS: dict[str, Kind] = {"NEW": "new", "CREATE": "new", "ADD": "new", "DELETE": "delete", "REMOVE": "delete"}
BLOCK = re.compile(r"([ \t]*)(<{5,}|-{5,})[ \t]*(?:SEARCH|ORIGINAL|OLD|BEFORE|FIND)\b[ \t:]*(.*)", re.IGNORECASE)
FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})([^`]*)")
TITLE = re.compile(r"[ \t#*>]*TITLE[ \t*]*:", re.IGNORECASE)
PATH = re.compile(r"(?:[\w.-]+/)*[\w-][\w.-]*\.[A-Za-z]\w{0,9}")
REMARK = re.compile(r"[ \t]*\(([^()]{1,60})\)$|"  # of the last characters alone: "train.py (line 3)", "train.py, lines 3-4"
                    r"[ \t]*[,:][ \t]*(lines?[ \t]*\d{1,7}(?:[ \t]*[-–][ \t]*\d{1,7})?)$|:(\d{1,7})$")
LINE = re.compile(r"(?:lines?|L)?[ \t]*~?(\d{1,7})", re.IGNORECASE)
TAIL = 80  # characters at the end of a line that a remark may take
LONGEST_PATH = 400  # characters of a line that may be nothing but a path


class Head(Struct, frozen=True):
    """The file that an answer speaks of from a line on. `fresh`: nothing was read of it yet; `marked`: a word like FILE says
    that it is one."""

    path: str
    kind: Kind = "edit"
    line: int = 0
    fresh: bool = True
    marked: bool = False


class Spot(Struct, frozen=True):
    """A line of an answer. `head`: the file that it is about; `inside`: it stands in a fence that holds no whole file; `files`:
    those that can be edited, by path."""

    lines: Sequence[str]
    at: int
    head: Head | None = None
    inside: bool = False
    files: Mapping[str, str] = {}
    count: int = 1

    @property
    def name(self) -> str:
        """What a reason calls the block that begins here."""
        return f"block {self.count}" + (f" ({self.head.path[:160]})" if self.head else "")


class Read(Struct, frozen=True):
    """What a reader found: the steps, and the number of the line after them."""

    edits: tuple[Edit, ...]
    end: int


def head(line: str, known: Mapping[str, str]) -> Head | None:
    """The file that a line names as a heading: `FILE: x`, or a path and nothing else."""
    bare = re.sub(r"^\d{1,3}[.)][ \t]+", "", line.lstrip(" \t#*>-•+`"))
    if found := HEAD.match(bare):
        path, at = _path(found[2])
        return Head(path, KINDS.get((found[1] or "").upper(), "edit"), at, marked=True) if path else None
    if len(line) > LONGEST_PATH or not bare:
        return None
    path, at = _path(bare)
    return Head(path, "edit", at) if path in known or PATH.fullmatch(path) else None


def mentioned(line: str, known: Mapping[str, str]) -> Head | None:
    """The only known file that a sentence names."""
    words = {word.strip("`'\"*,:;()[].") for word in line[:LONGEST_PATH].split()} & set(known)
    return Head(words.pop()) if len(words) == 1 else None


def _path(text: str) -> tuple[str, int]:
    """A path without the marks and the remark that models put around it, and the line that the remark names."""
    bare, at = text.strip(" \t*").removesuffix(":").rstrip(" \t*"), 0
    if found := REMARK.search(bare[-TAIL:]):
        said = LINE.match(found[1] or found[2] or found[3])
        bare, at = bare[:len(bare) - len(found[0])].rstrip(" \t*:"), int(said[1]) if said else 0
    bare = bare[1:] if bare[:1] in ("`", "'", '"') and len(bare) > 1 else bare
    return bare[:-1] if bare[-1:] in ("`", "'", '"') and len(bare) > 1 else bare, at


def dedented(lines: Sequence[str], by: str) -> tuple[str, ...]:
    """Lines without the indentation of the mark above them, as in a list."""
    return tuple(line.removeprefix(by) for line in lines) if by else tuple(lines)
