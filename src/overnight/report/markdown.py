"""Markdown: words from outside as data in it, tables, counts. Pure.

Words from candidates (titles, reasons) are one bounded line each, inside a code span, where no markdown or HTML has a meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from overnight.report.tables import TITLE, plain
from overnight.views.track import TrackView


def code(text: str, most: int = TITLE) -> str:
    """Words from outside as a code span that they cannot leave; a pipe, which would cut a table's cell, becomes ¦."""
    line = plain(text, most).replace("|", "¦")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`" if line else "–"


def prose(text: str, most: int = 300) -> str:
    """Words of the contract as text: without markup or HTML of their own."""
    line = plain(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\\`*{}\[\]#|~!]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a column whose name begins with a letter is set to the left."""
    lines = [head, ["---" if name[:1].isalpha() else "---:" for name in head], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def count(number: int, noun: str) -> str:
    """So many of something."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def unit(track: TrackView) -> str:
    """The metric's unit behind a number; "" where it has none."""
    return f" {prose(track.unit, 24)}" if track.unit else ""


def rounded(shown: str) -> str:
    """An effect with its interval in round brackets, which markdown does not take for a link, and with a true minus."""
    return shown.replace("[", "(").replace("]", ")").replace("-", "−")
