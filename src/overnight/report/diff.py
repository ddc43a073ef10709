"""A change as HTML: its lines with their numbers, the colours of its language, and what differs within a line marked. Pure.

Covered: a patch of any length and content is bounded, escaped and cleaned. Not covered: two lines are taken for one that was
changed by their order alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from pygments.lexer import Lexer
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.special import TextLexer
from pygments.token import Token, _TokenType
from pygments.util import ClassNotFound

from overnight.report.svg.axes import MINUS, escape
from overnight.untrusted import visible

MOST_LINES, MOST_CHARACTERS = 2000, 1000  # lines of a patch that are shown, and characters of a line
MOST_WORDS = 400  # of a line that are compared with those of another
LEAST_ALIKE = 0.4  # share of two lines that is the same, from which on what differs is marked
HUNK = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
WORD = re.compile(r"\w+(?:\.\w+)?|\s+|.")
KINDS = ((Token.Comment, "c"), (Token.Literal.String, "s"), (Token.Literal.Number, "m"), (Token.Keyword, "k"))

Spans = Sequence[tuple[int, int]]  # from where to where in a line


class Line(NamedTuple):
    """A line of a patch: its number in the new file, or in the old one where it was taken out; its sign (+, -, space, or f for
    the name of a file and @ for the beginning of a part), its text, and what of it differs."""

    number: int
    sign: str
    text: str
    marked: Spans = ()


def diff(patch: str, context: bool = True, label: str = "The change") -> str:
    """The patch as HTML; "" where it is empty. Without `context` what changed alone."""
    lines = list(parsed(patch))
    shown = [line for line in lines if context or line.sign in "+-f"]
    if not shown:
        return ""
    rows, lexer = "", _lexer("")
    for line in shown[:MOST_LINES]:
        lexer = _lexer(line.text) if line.sign == "f" else lexer
        rows += _row(line, lexer)
    if len(shown) > MOST_LINES:
        rows += f'<div class="more"><span></span><span></span><code>{len(shown) - MOST_LINES:,} more lines</code></div>'
    tall = " tall" if len(shown) > 40 else ""
    return f'<div class="diff{tall}" tabindex="0" role="region" aria-label="{escape(label)}">{rows}</div>'


def changed(patch: str) -> tuple[int, int]:
    """How many lines a patch adds, and how many it takes out."""
    signs = [line.sign for line in parsed(patch)]
    return signs.count("+"), signs.count("-")


# ---- reading ---------------------------------------------------------------------------------------------------


def parsed(patch: str) -> Iterator[Line]:
    """The lines of a patch that say something."""
    old = new = 0
    taken, added = list[Line](), list[Line]()
    inside = False
    for text in patch.split("\n"):
        hunk = HUNK.match(text)
        sign = text[:1]
        if inside and not hunk and sign in ("-", "+"):
            (taken if sign == "-" else added).append(Line(old if sign == "-" else new, sign, _clean(text[1:])))
            old, new = old + (sign == "-"), new + (sign == "+")
            continue
        yield from _paired(taken, added)
        taken, added = [], []
        if hunk:
            old, new, inside = int(hunk[1]), int(hunk[2]), True
            yield Line(new, "@", f"line {new}")
        elif inside and sign == " ":
            yield Line(new, " ", _clean(text[1:]))
            old, new = old + 1, new + 1
        elif not inside or sign not in ("", "\\"):
            inside = False
            if name := _name(text):
                yield Line(0, "f", name)
    yield from _paired(taken, added)


def _clean(text: str) -> str:
    """A line without what cannot be seen, and without more of it than is shown."""
    shown = visible(text[:MOST_CHARACTERS], keep="\t")
    return shown + "\u2026" if len(text) > MOST_CHARACTERS else shown


def _name(text: str) -> str:
    """The file that a line of the head names: the new one, or of one that was removed the old one."""
    if text.startswith("+++ ") and not text.startswith("+++ /dev/null"):
        return _clean(text[4:].removeprefix("b/").split("\t")[0])
    if text.startswith(("deleted file", "Binary files", "rename to ")):
        return _clean(text)
    return ""


def _paired(taken: Sequence[Line], added: Sequence[Line]) -> Iterator[Line]:
    """Neighbours that were taken out and added, with what differs between those at the same place."""
    marks = [differing(old.text, new.text) for old, new in zip(taken, added, strict=False)]
    for lines, side in ((taken, 0), (added, 1)):
        for place, line in enumerate(lines):
            yield line._replace(marked=marks[place][side]) if place < len(marks) else line


def differing(old: str, new: str) -> tuple[Spans, Spans]:
    """The places of two lines where they differ, by words; nothing where they have little in common."""
    before, after = WORD.findall(old), WORD.findall(new)
    if max(len(before), len(after)) > MOST_WORDS:
        return (), ()
    match = difflib.SequenceMatcher(None, before, after, autojunk=False)
    if match.ratio() < LEAST_ALIKE:
        return (), ()
    sides: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for kind, a, b, c, d in match.get_opcodes():
        for words, begin, end, side in ((before, a, b, sides[0]), (after, c, d, sides[1])):
            if kind != "equal" and begin < end:
                start = sum(map(len, words[:begin]))
                side.append((start, start + sum(map(len, words[begin:end]))))
    return sides


# ---- drawing ---------------------------------------------------------------------------------------------------


def _row(line: Line, lexer: Lexer) -> str:
    if line.sign in "f@":
        kind = "h" if line.sign == "f" else "more"
        return f'<div class="{kind}"><span class="no"></span><span></span><code>{escape(line.text)}</code></div>'
    kind = {"+": ' class="a"', "-": ' class="d"'}.get(line.sign, "")
    sign = {"+": "+", "-": MINUS}.get(line.sign, "")
    return (f'<div{kind}><span class="no">{line.number}</span><span>{sign}</span>'
            f"<code>{_coloured(line, lexer)}</code></div>")


def _coloured(line: Line, lexer: Lexer) -> str:
    """A line in the colours of its language, what differs in <b>."""
    shown, at = "", 0
    for kind, token in lexer.get_tokens(line.text + "\n"):
        text = token.removesuffix("\n")
        ends = sorted({0, len(text), *(end - at for span in line.marked for end in span if 0 < end - at < len(text))})
        for begin, end in pairwise(ends):
            part = escape(text[begin:end])
            colour = _colour(kind)
            part = f'<span class="{colour}">{part}</span>' if colour else part
            differs = any(low <= at + begin < high for low, high in line.marked)
            shown += f"<b>{part}</b>" if differs else part
        at += len(text)
    return shown


def _colour(kind: _TokenType) -> str:
    return next((colour for family, colour in KINDS if family in kind.split()), "")


@lru_cache(maxsize=64)
def _lexer(name: str) -> Lexer:
    """What knows the language of a file by its name."""
    try:
        found: Lexer = get_lexer_for_filename(name.rpartition("/")[2])
    except ClassNotFound:
        found = TextLexer()
    found.stripnl = found.ensurenl = False
    return found
