"""Reads a unified diff, with line numbers that are right, wrong or missing; each hunk is lines that others replace. Pure."""

from __future__ import annotations

import re

from overnight.errors import EditError
from overnight.researchers.llm.edits.form import Edit
from overnight.researchers.llm.edits.spot import BLOCK, FENCE, Read, Spot

HUNK = re.compile(r"@@(?: -\d{1,7}(?:,(\d{1,7}))? \+(\d{1,7})(?:,(\d{1,7}))? @@)?")
NOWHERE = "/dev/null"


def read(here: Spot) -> Read | None:
    """The hunks of one file that begin on a line."""
    lines, at = here.lines, here.at
    if lines[at].startswith(("rename from ", "copy from ")) and here.inside:
        raise EditError("a diff that renames a file cannot be read: write 'DELETE FILE: path' and 'NEW FILE: path'.")
    old = new = here.head.path if here.head else ""
    if _names(here, at):
        old, new = (line[4:].partition("\t")[0].strip(" \"") for line in lines[at:at + 2])
        if new.startswith("b/") and (old.startswith("a/") or old == NOWHERE):
            old, new = old.removeprefix("a/"), new[2:]
        at += 2
        if new == NOWHERE:
            return Read((Edit(old, "delete"),), _past(here, at))
    elif not lines[at].startswith("@@") and not _added(here):
        return None
    edits: list[Edit] = []
    making = old == NOWHERE or _added(here)
    while at < len(lines) and (lines[at].startswith("@@") or (making and lines[at].startswith("+"))):
        edit, at = _hunk(here, at, new)
        edits.append(edit)
    if making:
        return Read((Edit(new, "new", (), tuple(line for edit in edits for line in edit.replace)),), at)
    return Read(tuple(edit for edit in edits if edit.search != edit.replace), at)


def _names(here: Spot, at: int) -> bool:
    pair = here.lines[at:at + 2]
    return len(pair) == 2 and pair[0].startswith("--- ") and pair[1].startswith("+++ ")


def _added(here: Spot) -> bool:
    """Whether lines of a new file follow, as in a patch that says `*** Add File: path`."""
    return here.head is not None and here.head.kind == "new" and here.head.fresh and here.lines[here.at].startswith("+")


def _past(here: Spot, at: int) -> int:
    """The line after the hunks of a file that is deleted."""
    while at < len(here.lines) and here.lines[at].startswith("@@"):
        at = _hunk(here, at, "")[1]
    return at


def _hunk(here: Spot, at: int, path: str) -> tuple[Edit, int]:
    """One hunk, and the line after it. Its counts tell where it ends only where it is followed by other words."""
    found = HUNK.match(here.lines[at])
    counted = found is not None and found[2] is not None
    most = [int(found[1] or 1), int(found[3] or 1)] if found and counted else [0, 0]
    at += found is not None
    old: list[str] = []
    new: list[str] = []
    blank = 0  # blank lines that are of the hunk only where more of it follows
    while at < len(here.lines) and not _over(here, at):
        line = here.lines[at]
        full = len(old) + blank >= most[0] and len(new) + blank >= most[1]
        at += 1
        if not line.strip():
            blank += 1
        elif not here.inside and full and (blank or line[0] not in "+- "):
            at -= 1
            break
        elif not line.startswith("\\"):
            text = line[1:] if line[0] in "+- " else line
            old += [""] * blank + [text] * (line[0] != "+")
            new += [""] * blank + [text] * (line[0] != "-")
            blank = 0
    start = int(found[2]) if found and counted else 0
    return Edit(path, "edit", tuple(old), tuple(new), start), at


def _over(here: Spot, at: int) -> bool:
    line = here.lines[at]
    ends = line.startswith(("@@", "diff --git ", "*** ")) or line.rstrip() == "--"
    return ends or _names(here, at) or FENCE.fullmatch(line) is not None or BLOCK.fullmatch(line) is not None
