"""Where quoted lines stand in a file, whatever spaces and blank lines were lost on the way. Pure.

Likeness is tried from the strictest to the loosest: as they stand; without spaces at the ends of lines; without blank lines;
without indentation, where one rule turns the quoted indentation into the file's. What the strictest likeness finds counts, and
a place counts only if it is the only one.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence

from msgspec import Struct

from overnight.errors import EditError
from overnight.researchers.llm.edits.form import SHOWN

COUNTED = 100  # places of a search text that are looked for
Key = Callable[[str], str]
LEVELS: tuple[tuple[Key, bool], ...] = ((str, True), (str.rstrip, True), (str.rstrip, False), (str.strip, False))


class Place(Struct, frozen=True):
    """Lines of a file, from `start` to before `end`. `blank`: their blank lines are those that were quoted."""

    start: int
    end: int
    blank: bool = True


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


def alike(search: Sequence[str], lines: Sequence[str]) -> list[Place]:
    """The places where these lines stand, at the strictest likeness at which there is one."""
    for key, blank in LEVELS:
        kept = [n for n, line in enumerate(lines) if blank or line.strip()]
        wanted = [key(line) for line in search if blank or line.strip()]
        rows = places(wanted, [key(lines[n]) for n in kept]) if wanted and (key is str or any(wanted)) else []
        found = [Place(kept[row], kept[row + len(wanted) - 1] + 1, blank) for row in rows]
        if found := [place for place in found if indents(search, lines[place.start:place.end]) is not None]:
            return found
    return []


def only(search: Sequence[str], lines: Sequence[str], name: str, line: int = 0) -> Place:
    """The place where these lines stand; of several the one at the `line` that was named. Raises EditError."""
    found = alike(search, lines)
    if not found:
        raise EditError(f"{name}: the search text is not in the file. {_nearest(search, lines)}")
    if len(found) > 1 and (named := [place for place in found if place.start + 1 == line]):
        return named[0]
    if len(found) > 1:
        where = ", ".join(str(place.start + 1) for place in found[:5])
        often = f"{len(found)} times" if len(found) < COUNTED else f"{COUNTED} times or more"
        raise EditError(f"{name}: the search text is found {often} (lines {where}): quote more lines around it.")
    return found[0]


def adapted(search: Sequence[str], replace: Sequence[str], had: Sequence[str], blank: bool) -> list[str] | None:
    """The lines that take the place of `had`, which was quoted as `search`: lines that stay are the file's own, the others get
    the file's indentation. None where that cannot be told."""
    if list(search) == list(had):
        return list(replace)
    new = list(replace) if blank else _trimmed(search, replace)
    rule, own = indents(search, had) or {}, dict(zip(_full(search), _full(had), strict=True))
    first, quoted = (next((indent(line) for line in each if line.strip()), "") for each in (new, search))
    if first != quoted and any(was != now for was, now in rule.items()):
        if first != rule[quoted]:
            return None
        rule = own = {}  # the new lines already have the file's indentation
    turned = [own[line] if line in own else _indented(line, rule) for line in new]
    return None if None in turned else [line for line in turned if line is not None]


def indent(line: str) -> str:
    """The spaces and tabs that a line begins with."""
    return line[:len(line) - len(line.lstrip())]


def indents(search: Sequence[str], had: Sequence[str]) -> dict[str, str] | None:
    """The file's indentation for each that was quoted; None where one would have to become two."""
    rule: dict[str, str] = {}
    for quoted, line in zip(_full(search), _full(had), strict=True):
        if rule.setdefault(indent(quoted), indent(line)) != indent(line):
            return None
    return rule


def _full(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if line.strip()]


def _trimmed(search: Sequence[str], replace: Sequence[str]) -> list[str]:
    """The new lines without as many blank ones at both ends as were quoted there."""
    begin = min(_blank(search), _blank(replace))
    rest = replace[begin:]
    return list(rest[:len(rest) - min(_blank(search[::-1]), _blank(rest[::-1]))])


def _blank(lines: Sequence[str]) -> int:
    """How many blank lines come first."""
    return next((n for n, line in enumerate(lines) if line.strip()), len(lines))


def _indented(line: str, rule: dict[str, str]) -> str | None:
    """A new line in the file's indentation, by the longest quoted indentation that it begins with; None where it begins with
    none and the rule does not tell."""
    had = indent(line)
    if not line.strip() or all(was == now for was, now in rule.items()):
        return line
    if known := [was for was in rule if had.startswith(was)]:
        most = max(known, key=len)
        return rule[most] + line[len(most):]
    least = min(rule, key=len)
    cut = least.removesuffix(rule[least])
    return line.removeprefix(cut) if least.endswith(rule[least]) and had.startswith(cut) else None


def _nearest(search: Sequence[str], lines: Sequence[str]) -> str:
    """What a model may have meant: the first of its lines that is not there, and the line of the file that is most like it."""
    there = set(lines)
    line = next((s for s in search if s not in there), None)
    if line is None:
        return "Each of its lines is, but not one after another: quote them as they stand."
    same = next((n for n, had in enumerate(lines) if had.strip() == line.strip()), None)
    if same is not None:
        return f"Line {same + 1} differs in its spaces: it is {lines[same][:SHOWN]!r}, not {line[:SHOWN]!r}."
    close = difflib.get_close_matches(line[:SHOWN], [had[:SHOWN] for had in lines[:5_000]], 1, 0.5)
    if not close:
        return f"Nothing in it is like {line[:SHOWN]!r}: quote the file as it is on the page."
    at = next(n for n, had in enumerate(lines) if had[:SHOWN] == close[0])
    return f"It has no line {line[:SHOWN]!r}; line {at + 1} is {close[0]!r}."
