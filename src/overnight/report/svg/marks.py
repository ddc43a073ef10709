"""The marks of verdicts: a word, a shape and a colour each, never a colour alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from overnight.report.svg.axes import escape

WORDS = {"keep": "kept", "discard": "discarded", "open": "open", "crash": "crashed", "foul": "out of bounds",
         "barred": "broke a guard", "explored": "explored"}
SHAPES = {
    "keep": '<circle class="m-keep" cx="50%" cy="50%" r="5.5"/>',
    "discard": '<circle class="m-discard" cx="50%" cy="50%" r="3"/>',
    "open": '<circle class="m-open" cx="50%" cy="50%" r="4"/>',
    "explored": '<circle class="m-explored" cx="50%" cy="50%" r="2.5"/>',
    "crash": '<path class="m-crash" d="M2 2l7 7M9 2l-7 7"/>',
    "foul": '<path class="m-foul" d="M5.5 1v9M1 5.5h9"/>',
    "barred": '<rect class="m-barred" x="2" y="2" width="7" height="7"/>',
    "far": '<path class="far" d="M5.5 0v11"/>',
    "night": '<circle class="m-keep" cx="50%" cy="50%" r="5"/>',
    "audit": '<rect class="m-audit" x="1" y="1" width="9" height="9"/>',
}


def shape(kind: str) -> str:
    """The shape of a kind as a small picture; "" where it has none."""
    return f'<svg class="mark" aria-hidden="true">{SHAPES[kind]}</svg>' if kind in SHAPES else ""


def verdict(kind: str, word: str = "") -> str:
    """A verdict with its shape and its word, or another one."""
    return f'<span class="v {escape(kind)}">{shape(kind)}{escape(word or WORDS.get(kind, kind))}</span>'


def legend(rows: Iterable[tuple[str, str]]) -> str:
    """A list of shapes with what they stand for; "" where there are none."""
    items = "".join(f"<li>{drawn}{escape(words)}</li>" for drawn, words in rows)
    return f'<ul class="legend">{items}</ul>' if items else ""
