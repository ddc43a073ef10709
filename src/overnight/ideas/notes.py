"""Ideas from a markdown file: its list items, and its headings with the paragraphs below them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from overnight.ideas.found import FoundIdea, found

_ITEM = re.compile(r"(?P<indent>\s*)(?:[-*+]|\d{1,4}[.)])\s+(?P<box>\[[ xX]\]\s+)?(?P<words>\S.*)")
_HEADING = re.compile(r"#{1,6}\s+(?P<words>\S.*)")
_FENCE = re.compile(r"\s*(```|~~~)")
_MATTER = re.compile(r"\A(\+\+\+|---)[ \t]*\n.*?^\1[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


def ideas(text: str, source: str) -> Iterator[FoundIdea]:
    """The ideas of a markdown text. What is ticked off is done, and a heading without a paragraph only orders the others."""
    for kind, title, lines in _blocks(_MATTER.sub("", text)):
        below = "\n".join(lines).strip()
        if kind == "item" or (kind == "heading" and below):
            yield found(title, below, source)


def _blocks(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """The items and headings, each with the lines that belong to it."""
    kind, title, lines, code = "", "", list[str](), False
    for each in text.splitlines():
        code ^= bool(_FENCE.match(each))
        item = None if code else _ITEM.fullmatch(each)
        heading = None if code else _HEADING.fullmatch(each)
        if item or heading or (kind == "item" and _leaves(each, lines, code)):
            yield kind, title, lines
            kind, title, lines = _begun(item, heading)
        else:
            lines.append(each.strip() if kind == "item" and not code else each)
    yield kind, title, lines


def _begun(item: re.Match[str] | None, heading: re.Match[str] | None) -> tuple[str, str, list[str]]:
    if item:
        done = item["box"] and item["box"].strip().lower() == "[x]"
        return "done" if done else "item", item["words"], []
    return ("heading", heading["words"].rstrip().rstrip("#").rstrip(), []) if heading else ("", "", [])


def _leaves(each: str, lines: list[str], code: bool) -> bool:
    """Whether a line no longer belongs to the item above it: it is not indented, and a blank line came before."""
    return not code and bool(each.strip()) and not each[0].isspace() and bool(lines) and not lines[-1].strip()
