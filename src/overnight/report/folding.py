"""Long lines on a terminal: broken between words, never within one; what goes to a file or a pipe stays as it is."""

from __future__ import annotations

import os
import re
import textwrap
from typing import Any

NARROWEST = 20  # columns below which nothing is broken
GAP = re.compile(r" *\S+(?: \S+)*?  +")


def width(stream: Any) -> int:
    """Columns of the terminal that a stream writes to; 0 where it is none, or says nothing of its size."""
    try:
        return os.get_terminal_size(stream.fileno()).columns if stream.isatty() else 0
    except (OSError, ValueError, AttributeError):
        return 0


def folded(line: str, columns: int) -> str:
    """A line as several of at most so many columns; the later ones begin where the first does, or below what stands behind its
    first gap of a table. A longer word stays whole. 0 columns: as it is."""
    if columns < NARROWEST or len(line) <= columns:
        return line
    gap = GAP.match(line)
    indent = gap.end() if gap and gap.end() <= columns // 3 else len(line) - len(line.lstrip(" "))
    return "\n".join(textwrap.wrap(line, columns, subsequent_indent=" " * indent, break_long_words=False,
                                   break_on_hyphens=False, replace_whitespace=False))


def short(line: str, columns: int, lines: int = 2) -> str:
    """The same, cut to so many lines."""
    whole = folded(line, columns).split("\n")
    return "\n".join(whole[:lines]) + "…" * (len(whole) > lines)
