"""Python texts as syntax trees. Pure.

Covered: what a newer Python than this one reads and this one does not, as far as it can be written in the same number of
characters: `type` statements, parameters in brackets behind the name of a function or a class, quotation marks inside
f-strings.
Not covered: line ends inside the braces of an f-string; other syntax of newer Pythons.
"""

from __future__ import annotations

import ast
import re

TRIES = 20
MOST_PARAMETERS = 1000  # characters of a bracket with parameters of types
_ALIAS = re.compile(r"^([ \t]*type)([ \t]+)(?=[A-Za-z_]\w*[ \t]*(?:\[[^\n]*\][ \t]*)?=)", re.M)
_GENERIC = re.compile(r"^[ \t]*(?:async[ \t]+def|def|class)[ \t]+\w+[ \t]*(?=\[)", re.M)
_STRING = re.compile(r"(?<![\w\"'])([A-Za-z]{0,2})(\"\"\"|'''|\"|')|#[^\n]*")
_MARK = re.compile(r"\"\"\"|'''|\"|'")


def module(text: str) -> ast.Module:
    """The tree of a text, in whichever thread. Raises what `ast.parse` raises. Until CPython 3.11.8 and 3.12.2 all threads
    share one count of the depth of trees, so that two which parse at once may both be told of a mismatch (gh-106905): that
    says nothing of the text."""
    try:
        return _parsed(text)
    except SyntaxError:
        if (older := _older(text)) != text:
            try:
                return _parsed(older)
            except SyntaxError:
                pass
        raise


def _parsed(text: str) -> ast.Module:
    for _ in range(TRIES):
        try:
            return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)


def expression(text: str) -> ast.expr:
    """The tree of a text that is one expression. Raises what `ast.parse` raises."""
    return ast.parse(text, mode="eval").body


# ---- of a newer Python ---------------------------------------------------------------------------------------------


def _older(text: str) -> str:
    """A text with which an older Python does the same, each part of it at its place."""
    text = _ALIAS.sub(lambda found: found[1] + "_" * len(found[2]), text)
    signs, at = list(text), 0
    for found in _GENERIC.finditer(text):
        start, end = found.end(), _closed(text, found.end())
        if "\n" not in (inside := text[start:end]) and inside.isascii():
            signs[start:end] = " " * len(inside)
    while string := _STRING.search(text, at):
        if string[2] and "f" in string[1].lower():
            at = _formatted(text, signs, string.end(), string[2])
        else:
            at = _past(text, string.end(), string[2]) if string[2] else string.end()
    return "".join(signs)


def _closed(text: str, start: int) -> int:
    """One past the bracket that closes the one at `start`; `start` where there is none near it."""
    depth = 0
    for found in re.compile(r"[\[\]]").finditer(text, start, start + MOST_PARAMETERS):
        depth += 1 if found[0] == "[" else -1
        if depth == 0:
            return found.end()
    return start


def _past(text: str, start: int, mark: str) -> int:
    """One past the end of a string whose text begins at `start`."""
    found = re.compile(rf"(?:\\.|(?!{mark})[^\\{'' if len(mark) == 3 else chr(10)}])*+", re.S).match(text, start)
    return min(len(text), (found.end() if found else start) + len(mark))


def _formatted(text: str, signs: list[str], at: int, mark: str) -> int:
    """One past the end of an f-string whose text begins at `at`, of which the strings in braces were given other marks."""
    while at < len(text) and not text.startswith(mark, at) and (len(mark) == 3 or text[at] != "\n"):
        if text.startswith(("{{", "\\"), at):
            at += 2
        else:
            at = _braced(text, signs, at + 1, mark) if text[at] == "{" else at + 1
    return min(len(text), at + len(mark))


def _braced(text: str, signs: list[str], at: int, outer: str) -> int:
    """One past the brace that closes an expression inside an f-string."""
    depth = 1
    while at < len(text) and text[at] != "\n":
        if found := _MARK.match(text, at):
            at = _inner(text, signs, at, found[0], outer)
            continue
        depth += (text[at] in "([{") - (text[at] in ")]}")
        at += 1
        if not depth:
            break
    return at


def _inner(text: str, signs: list[str], at: int, mark: str, outer: str) -> int:
    """One past the end of a string inside an f-string, now with marks that the f-string has not, and without escapes."""
    formatted = text[at - 1] in "fF"
    end = _formatted(text, signs, at + len(mark), mark) if formatted else _past(text, at + len(mark), mark)
    inside = text[at + len(mark):end - len(mark)]
    other = "'" if outer[0] == '"' else '"'
    whole = end - len(mark) > at and text.startswith(mark, end - len(mark))
    if whole and mark == outer and len(mark) == 1 and other not in inside:
        signs[at] = signs[end - 1] = other
    for escape in re.finditer(r"\\.", inside):
        place = at + len(mark) + escape.start()
        signs[place:place + 2] = "  "
    return end
