"""The form in which a model writes a change: a title, why, and search/replace blocks that must apply exactly. Pure.

    TITLE: Warm the learning rate up
    The first steps diverge on two seeds of five.

    FILE: train.py
    <<<<<<< SEARCH
    RATE = 0.1
    =======
    RATE = 0.05
    >>>>>>> REPLACE

    NEW FILE: schedule.py       (a block without search lines)
    DELETE FILE: old.py         (no block)

Blocks hold whole lines and apply in order, each on what the ones before left. Where the text itself has such marks, all
three of a block are made longer alike.
Covered: a block that fits nowhere or twice, a path outside the boundary, Python that does not parse, a change of nothing; for
each a reason that a model can act on. Not covered: whether the change makes sense.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from overnight.contracts import Brief, Change
from overnight.errors import EditError
from overnight.track.spec import covers

TITLE = 120  # characters
WHY = 2_000
SHOWN = 160  # characters of a line that a reason shows
MOST_ANSWER_CHARACTERS = 1 << 20  # characters of an answer
MOST_BLOCKS = 200  # blocks of it
COUNTED = 100  # places of a search text that are looked for
BLOCK = re.compile(r"(<{5,})[ \t]*SEARCH[ \t]*")
# Both take the rest of a line as it is: a pattern that also looked for its end would take hours for some lines.
HEAD = re.compile(r"[ \t]*(?:[#*]+[ \t]*)?(NEW FILE|DELETE FILE|FILE)[ \t]*:(.+)", re.IGNORECASE)
MARKS = re.compile(r"[ \t]*(?:[#*]+[ \t]*)?(TITLE[ \t]*:)?", re.IGNORECASE)  # before the words of a title

Lines = tuple[str, ...]
Kind = Literal["edit", "new", "delete"]
KINDS: dict[str, Kind] = {"FILE": "edit", "NEW FILE": "new", "DELETE FILE": "delete"}


class Edit(Struct, frozen=True):
    """One step of a change: lines of a file that others replace; a new file; or a file's end."""

    path: str
    kind: Kind = "edit"
    search: Lines = ()
    replace: Lines = ()


class ParsedAnswer(Struct, frozen=True):
    """An answer, taken apart."""

    title: str
    why: str
    edits: tuple[Edit, ...]

    @property
    def message(self) -> str:
        """As a commit's message: the title, and why below it."""
        return f"{self.title}\n\n{self.why}" if self.why else self.title


def change(text: str, brief: Brief) -> Change:
    """The change that an answer asks for. Raises EditError with a reason for the model."""
    written = parse(text)
    return Change(applied(written.edits, brief.files, brief.editable), written.message)


# ---- reading ---------------------------------------------------------------------------------------------------


def parse(text: str) -> ParsedAnswer:
    """Take an answer apart. Raises EditError where it is no change."""
    if len(text) > MOST_ANSWER_CHARACTERS:
        raise EditError(f"the answer is longer than {MOST_ANSWER_CHARACTERS:,} characters: make a smaller change.")
    lines = unix(text).split("\n")
    edits: list[Edit] = []
    prose: list[str] = []
    head: tuple[Kind, str] | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        if found := BLOCK.fullmatch(line):
            edit, number = _block(lines, number, len(found[1]), head, len(edits) + 1)
            edits.append(edit)
        else:
            number += 1
            if (found := HEAD.fullmatch(line)) and (path := _path(found[2])):
                head = (KINDS[found[1].upper()], path)
                edits += [Edit(path, "delete")] if head[0] == "delete" else []
            elif head is None:
                prose.append(line)
        if len(edits) > MOST_BLOCKS:
            raise EditError(f"the answer has more than {MOST_BLOCKS} blocks: make a smaller change.")
    if not edits:
        raise EditError("there is no edit in the answer: write 'FILE: path' and a SEARCH/REPLACE block below it.")
    return _titled(prose, edits)


def _path(text: str) -> str:
    """A path without the marks that models put around it."""
    bare = text.strip(" \t*")
    bare = bare[1:] if bare[:1] in ("`", "'", '"') and len(bare) > 1 else bare
    return bare[:-1] if bare[-1:] in ("`", "'", '"') and len(bare) > 1 else bare


def _block(lines: Sequence[str], start: int, width: int, head: tuple[Kind, str] | None, count: int) -> tuple[Edit, int]:
    """The block that opens on a line, and the number of the line after it."""
    if head is None or head[0] == "delete":
        raise EditError(f"block {count} belongs to no file: write 'FILE: path' on the line above it.")
    end = next((n for n in range(start + 1, len(lines)) if re.fullmatch(rf">{{{width}}}[ \t]*REPLACE[ \t]*", lines[n])), None)
    if end is None:
        raise EditError(f"block {count} ({head[1][:SHOWN]}) is never closed: end it with '{'>' * width} REPLACE'.")
    middles = [n for n in range(start + 1, end) if lines[n].rstrip() == "=" * width]
    if len(middles) != 1:
        raise EditError(f"block {count} ({head[1][:SHOWN]}) has {len(middles)} lines of {width} '=' between its search and its "
                        "replacement where one must be: if the text itself has such a line, make all three marks longer.")
    return Edit(head[1], head[0], tuple(lines[start + 1:middles[0]]), tuple(lines[middles[0] + 1:end])), end + 1


def _titled(prose: Sequence[str], edits: Iterable[Edit]) -> ParsedAnswer:
    said = [line for line in prose if not line.lstrip().startswith("```")]
    first = next((n for n, line in enumerate(said) if re.match(r"[ \t#*]*TITLE[ \t]*:", line, re.IGNORECASE)), 0)
    names = ((n, MARKS.sub("", said[n], count=1).strip(" \t*")) for n in range(first, len(said)))
    at, title = next(((n, name) for n, name in names if name), (0, ""))
    if not title:
        raise EditError("the answer has no title: begin with 'TITLE: what the change does'.")
    return ParsedAnswer(title[:TITLE], "\n".join(said[at + 1:]).strip()[:WHY], tuple(edits))


# ---- applying --------------------------------------------------------------------------------------------------


def applied(edits: Iterable[Edit], files: Mapping[str, str], editable: Sequence[str]) -> dict[str, str | None]:
    """The files that the edits leave different, as a Change holds them. Raises EditError."""
    now: dict[str, str | None] = dict(files)
    for count, edit in enumerate(edits, 1):
        _bounded(edit.path, files, editable)
        there = sorted(path for path, text in now.items() if text is not None)
        now[edit.path] = _step(edit, now.get(edit.path), f"block {count} ({edit.path})", there)
    changed = {path: text for path, text in now.items() if text != files.get(path)}
    if not changed:
        raise EditError("the change changes nothing: what it writes is there already.")
    for path, text in changed.items():
        _parses(path, text)
    return changed


def _bounded(path: str, files: Mapping[str, str], editable: Sequence[str]) -> None:
    plain = path.isprintable() and all(part not in ("", ".", "..") for part in path.split("/"))
    if not plain or not (any(covers(pattern, path) for pattern in editable) or (not editable and path in files)):
        may = ", ".join(editable) or ", ".join(sorted(files))
        raise EditError(f"{path[:SHOWN]!r} may not be edited: only {may[:1000]} may.")


def _step(edit: Edit, text: str | None, name: str, there: Sequence[str]) -> str | None:
    """A file after one edit; None: it is gone."""
    if edit.kind == "new" or (edit.kind == "edit" and not edit.search and not text):
        if text:
            raise EditError(f"{name}: the file exists already; change it with 'FILE: path' and search lines.")
        if edit.search:
            raise EditError(f"{name}: a new file has nothing to search for; leave the SEARCH part empty.")
        return "".join(line + "\n" for line in edit.replace)
    if text is None:
        near = difflib.get_close_matches(edit.path, there, 1)
        meant = f" (did you mean {near[0]}?)." if near else "; write 'NEW FILE: path' to make one."
        raise EditError(f"{name}: there is no such file{meant}")
    return None if edit.kind == "delete" else _replaced(edit, text, name)


def _replaced(edit: Edit, text: str, name: str) -> str:
    if not edit.search:
        raise EditError(f"{name}: the SEARCH part is empty; quote the lines that are to be replaced.")
    body = unix(text)
    lines, ends = (body.removesuffix("\n").split("\n") if body else []), body.endswith("\n")
    at = _only(places(edit.search, lines), edit.search, lines, name)
    lines[at:at + len(edit.search)] = edit.replace
    after = "\n".join(lines) + ("\n" if ends and lines else "")
    return after if body == text else after.replace("\n", "\r\n")


def unix(text: str) -> str:
    """A text whose lines all end with CR LF, with LF alone; any other as it is."""
    return text.replace("\r\n", "\n") if text.count("\r") == text.count("\n") == text.count("\r\n") else text


def places(search: Sequence[str], lines: Sequence[str]) -> list[int]:
    """Where these lines stand among others, by the index of the first; of very many places, the first ones."""
    text, wanted = "\n".join(["", *lines, ""]), "\n".join(["", *search, ""])
    found: list[int] = []
    at, seen, row = text.find(wanted), 0, 0
    while at >= 0 and len(found) < COUNTED:
        row, seen = row + text.count("\n", seen, at), at
        found.append(row)
        at = text.find(wanted, at + 1)
    return found


def _only(at: Sequence[int], search: Sequence[str], lines: Sequence[str], name: str) -> int:
    if not at:
        raise EditError(f"{name}: the search text is not in the file. {_nearest(search, lines)}")
    if len(at) > 1:
        where = ", ".join(str(n + 1) for n in at[:5])
        often = f"{len(at)} times" if len(at) < COUNTED else f"{COUNTED} times or more"
        raise EditError(f"{name}: the search text is found {often} (lines {where}): quote more lines around it.")
    return at[0]


def _nearest(search: Sequence[str], lines: Sequence[str]) -> str:
    """What a model may have meant: the first of its lines that is not there, and the line of the file that is most like it."""
    there = set(lines)
    line = next((s for s in search if s not in there), None)
    if line is None:
        return "Each of its lines is, but not one after another: quote them as they stand."
    alike = next((n for n, had in enumerate(lines) if had.strip() == line.strip()), None)
    if alike is not None:
        return f"Line {alike + 1} differs in its spaces: it is {lines[alike][:SHOWN]!r}, not {line[:SHOWN]!r}."
    close = difflib.get_close_matches(line[:SHOWN], [had[:SHOWN] for had in lines[:5_000]], 1, 0.5)
    if not close:
        return f"Nothing in it is like {line[:SHOWN]!r}: quote the file as it is on the page."
    at = next(n for n, had in enumerate(lines) if had[:SHOWN] == close[0])
    return f"It has no line {line[:SHOWN]!r}; line {at + 1} is {close[0]!r}."


def _parses(path: str, text: str | None) -> None:
    if text is None or not path.endswith(".py"):
        return
    try:
        ast.parse(text)
    except SyntaxError as error:
        row = error.lineno or 1
        shown = "".join(text.split("\n")[row - 1:row])[:SHOWN]
        raise EditError(f"{path} no longer parses: {error.msg} on line {row}, {shown!r}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise EditError(f"{path} no longer parses: {str(error)[:SHOWN]}.") from error


# ---- writing ---------------------------------------------------------------------------------------------------


def render(written: ParsedAnswer) -> str:
    """An answer that `parse` reads as this."""
    parts = [f"TITLE: {written.title}", written.why, *map(_rendered, written.edits)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _rendered(edit: Edit) -> str:
    if edit.kind == "delete":
        return f"DELETE FILE: {edit.path}"
    longest = max((len(run) for line in (*edit.search, *edit.replace) for run in re.findall(r"<+|=+|>+", line)), default=0)
    width = max(7, longest + 1)
    head = "NEW FILE" if edit.kind == "new" else "FILE"
    return "\n".join([f"{head}: {edit.path}", "<" * width + " SEARCH", *edit.search, "=" * width, *edit.replace,
                      ">" * width + " REPLACE"])
