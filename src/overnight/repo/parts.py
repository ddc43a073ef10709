"""The parts of a change: what can be left out of it by itself. Pure but for `taken_out`, which makes a commit.

A part is a run of changed lines; each line, where as many came as went or nothing in it but constants differs; of a line with
several such constants, each of them. Python lines that only parse together are one part.
Covered: any text. Not covered: lines that parse apart and only run together, which a run shows.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from overnight import syntax
from overnight.repo.repository import Repo
from overnight.track.spec import Track

SIGN = r"(?:(?:(?<=[=(,\[:])|(?<=[=(,\[:]\s))-)?"  # of a number, rather than a minus between two
TOKEN = re.compile(SIGN + r"""\d[\w.]*(?:(?<=[eE])[-+]\d+)?|\w+|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\s+|.""", re.DOTALL)
CONSTANT = re.compile(r"""(?:-?\d|["']).*|(?:True|False|None|true|false|null)""", re.DOTALL)
Pair = tuple[str, str]  # what stood there, and what stands there now; equal where nothing changed


class Part(Struct, frozen=True):
    """One part of a change.

    path      the file
    line      where it stands in the file as it is now, from 1 on
    old, new  what stood there, and what stands there now; None where there was or is no such file
    was, now  the first character of each in its file
    """

    path: str
    line: int
    old: str | None
    new: str | None
    was: int = 0
    now: int = 0

    @property
    def title(self) -> str:
        """What it changes, by its text alone."""
        if self.old is None or self.new is None:
            return f"the whole file, which is {'new' if self.old is None else 'gone'}"
        old, new = self.old.strip(), self.new.strip()
        if not old or not new:
            return f"{'+' if new else '-'} {_first(new or old)}"
        return f"{_first(old)} -> {_first(new)}"


class Parts:
    """A change from some files to others (path -> text), divided."""

    def __init__(self, before: Mapping[str, str], after: Mapping[str, str]) -> None:
        self.before, self.after = before, after
        changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
        self._pieces = {path: [*_pieces(path, before.get(path), after.get(path))] for path in changed}
        self.parts = tuple(part for pieces in self._pieces.values() for part in pieces if part.old != part.new)

    def without(self, some: Collection[int]) -> dict[str, str | None]:
        """The files that differ when the parts of these numbers, from 0 on, are left out: path -> text, None: there is none."""
        out = {self.parts[number] for number in some}
        return {path: _joined([piece.old if piece in out else piece.new for piece in pieces])
                for path, pieces in self._pieces.items() if out.intersection(pieces)}


def of(repo: Repo, track: Track, keep: tuple[str, str]) -> Parts:
    """The parts of a change, given as the commits before and after it."""
    return Parts(repo.editable(keep[0], track), repo.editable(keep[1], track))


def taken_out(repo: Repo, track: Track, keep: tuple[str, str], some: Collection[int], onto: str,
              message: str = "Without") -> str:
    """A commit on top of another, which is that change's or stands on it, in which the parts of these numbers are as they were
    before the change; "" where later changes are in the way, nothing of them is left, or there are no such parts."""
    parts = of(repo, track, keep)
    if not set(some) <= set(range(len(parts.parts))):
        return ""
    made = repo.commit(keep[1], parts.without(some), message)
    if made == keep[1]:
        return ""
    return made if onto == keep[1] else repo.rebase(made, keep[1], onto)


def _first(text: str) -> str:
    """The first line of a text, with how many more there are."""
    first, *more = text.splitlines()
    return f"{first.strip()}{f' (and {len(more)} more)' * bool(more)}"


def _joined(texts: Sequence[str | None]) -> str | None:
    return None if texts == [None] else "".join(text or "" for text in texts)


def _pieces(path: str, before: str | None, after: str | None) -> Iterator[Part]:
    """A file from its beginning to its end, what changed in it and what did not."""
    if before is None or after is None:
        yield Part(path, 1, before, after)
        return
    was, now, line = 0, 0, 1
    for old, new in _pairs(path, before.splitlines(keepends=True), after.splitlines(keepends=True), after):
        yield Part(path, line, old, new, was, now)
        was, now, line = was + len(old), now + len(new), line + new.count("\n")


def _pairs(path: str, before: Sequence[str], after: Sequence[str], text: str) -> Iterator[Pair]:
    at, python = 0, path.endswith(".py") and _parses(text)  # characters of the text before the hunk
    for kind, i, j, k, n in difflib.SequenceMatcher(None, before, after).get_opcodes():
        if kind == "equal":
            yield "".join(before[i:j]), "".join(after[k:n])
        else:
            lines = [*_lines(before[i:j], after[k:n])]
            for group in _groups(text, at, lines) if python else [[line] for line in lines]:
                yield from _constants(*group[0]) if len(group) == 1 else [_whole(group)]
        at += sum(map(len, after[k:n]))


def _lines(before: Sequence[str], after: Sequence[str]) -> Iterator[Pair]:
    """A run of changed lines: line by line where they are as many, or differ in nothing but constants."""
    if len(before) == len(after):
        yield from zip(before, after, strict=True)
        return
    for kind, i, j, k, n in difflib.SequenceMatcher(None, [*map(_shape, before)], [*map(_shape, after)]).get_opcodes():
        if kind == "equal":
            yield from zip(before[i:j], after[k:n], strict=True)
        else:
            yield "".join(before[i:j]), "".join(after[k:n])


def _shape(line: str) -> str:
    """A line without its constants."""
    return "".join("0" if CONSTANT.fullmatch(token) else token for token in TOKEN.findall(line))


def _groups(text: str, at: int, lines: Sequence[Pair]) -> list[list[Pair]]:
    """Changed lines of a Python text, from a character of it on, in the smallest groups that may be left out alone as far as
    syntax tells."""
    groups: list[list[Pair]] = []
    group: list[Pair] = []
    for line in lines:
        group.append(line)
        old, new = _whole(group)
        if _parses(text[:at] + old + text[at + len(new):]):
            groups.append(group)
            group, at = [], at + len(new)
    if group:
        groups[-1:] = [[*(groups[-1] if groups else []), *group]]  # a run tells whether these can be left out
    return groups


def _whole(group: Sequence[Pair]) -> Pair:
    return "".join(old for old, _ in group), "".join(new for _, new in group)


def _parses(text: str) -> bool:
    try:
        syntax.module(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _constants(old: str, new: str) -> Iterator[Pair]:
    """A changed line; of one in which several constants differ and nothing else, what stands between and each of them."""
    pairs = [*zip(mine, theirs, strict=True)] if len(mine := TOKEN.findall(old)) == len(theirs := TOKEN.findall(new)) else []
    differ = [pair for pair in pairs if pair[0] != pair[1]]
    if len(differ) > 1 and all(CONSTANT.fullmatch(token) for pair in differ for token in pair):
        yield from pairs
    else:
        yield old, new
