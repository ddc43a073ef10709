"""From a node of the syntax tree to the characters it stands on, and back: edits that touch nothing else.

`ast` counts columns in UTF-8 bytes and lines by the tokenizer's rules; a text is sliced in characters. The one place
that knows the difference is `Source.span`.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence

from overnight import syntax
from overnight.errors import EditError

Span = tuple[int, int]  # first character, one past the last
Spanned = ast.stmt | ast.expr

NEWLINE = re.compile(r"\r\n|\r|\n")  # what the tokenizer calls a line; str.splitlines knows more kinds
BOM = "\ufeff"
DEEPEST = 400  # levels of a tree that is walked through by recursion, of which Python allows about a thousand
FILTERS = threading.Lock()  # warnings.catch_warnings changes the whole process


class Source:
    """A Python text, its tree, and the way from a node to its characters. Raises what `ast.parse` raises for a text that
    does not parse."""

    def __init__(self, text: str) -> None:
        self.text = text
        first = len(BOM) if text.startswith(BOM) else 0
        with FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.tree = syntax.module(text[first:])
        self.starts = [first, *(match.end() for match in NEWLINE.finditer(text)), len(text)]

    def span(self, node: Spanned) -> Span:
        """The characters of a statement or an expression."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.lineno, node.col_offset), self._at(node.end_lineno, node.end_col_offset)

    def cut(self, node: Spanned) -> str:
        """What is written there."""
        start, end = self.span(node)
        return self.text[start:end]

    def line(self, number: int) -> Span:
        """The characters of a line, counted from 1, with its end."""
        return self.starts[number - 1], self.starts[number]

    def _at(self, line: int, column: int) -> int:
        start, end = self.line(line)
        written = self.text[start:end]
        return start + (column if written.isascii() else len(written.encode()[:column].decode()))


def parse(text: str) -> Source | None:
    """The source, or None when it is not Python, or nested so deeply that it cannot be walked through."""
    try:
        source = Source(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    level: list[ast.AST] = [source.tree]
    for _ in range(DEEPEST):
        level = [part for node in level for part in ast.iter_child_nodes(node)]
        if not level:
            return source
    return None


def sources(files: Mapping[str, str | None]) -> Iterator[tuple[str, Source]]:
    """The paths and sources of all Python files that parse, in the order of their paths."""
    for path in sorted(files):
        if path.endswith(".py") and (source := parse(files[path] or "")) is not None:
            yield path, source


def name_of(node: ast.AST | None) -> str:
    """The last name of a name or an attribute: `F.relu` is `relu`; "" for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def splice(text: str, edits: Sequence[tuple[Span, str]]) -> str:
    """The text with each span replaced. Raises EditError when two of them meet."""
    pieces, done = [], 0
    for (start, end), new in sorted(edits):
        if start < done:
            raise EditError(f"two edits of one text overlap at character {start}")
        pieces += [text[done:start], _apart(text, start, end, new)]
        done = end
    return "".join([*pieces, text[done:]])


def _apart(text: str, start: int, end: int, new: str) -> str:
    """The new piece, with a blank where it would grow together with a neighbour: `return-1` to `return 1`."""
    if new == text[start:end] or not new:
        return new
    before = " " if start and _word(text[start - 1]) and _word(new[0]) else ""
    after = " " if end < len(text) and _word(new[-1]) and _word(text[end]) else ""
    return before + new + after


def _word(character: str) -> bool:
    return character.isalnum() or character == "_"
