"""From a node of the syntax tree to the characters it stands on, and back: edits that touch nothing else.

`ast` counts columns in UTF-8 bytes and lines by the tokenizer's rules; a text is sliced in characters. The one place
that knows the difference is `Source.span`.
"""

from __future__ import annotations

import ast
import re
import threading
import warnings
from collections.abc import Sequence

from overnight.errors import EditError

Span = tuple[int, int]  # first character, one past the last
Spanned = ast.stmt | ast.expr

NEWLINE = re.compile(r"\r\n|\r|\n")  # what the tokenizer calls a line; str.splitlines knows more kinds
BOM = "\ufeff"
FILTERS = threading.Lock()  # warnings.catch_warnings changes the whole process


class Source:
    """A Python text, its tree, and the way from a node to its characters. Raises EditError when it does not parse."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._skip = len(BOM) if text.startswith(BOM) else 0
        self.tree = _tree(text[self._skip :])
        ends = [match.end() for match in NEWLINE.finditer(text)]
        self.starts = [self._skip, *ends]
        self._lines = [text[start:end] for start, end in zip(self.starts, [*ends, len(text)], strict=True)]

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
        start = self.starts[number - 1]
        return start, start + len(self._lines[number - 1])

    def _at(self, line: int, column: int) -> int:
        written = self._lines[line - 1]
        if not written.isascii():
            column = len(written.encode()[:column].decode())
        return self.starts[line - 1] + column


def parse(text: str) -> Source | None:
    """The source, or None when it is not Python."""
    try:
        return Source(text)
    except EditError:
        return None


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


def _tree(text: str) -> ast.Module:
    try:
        with FILTERS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise EditError(f"this is not Python that can be read: {error}") from error
