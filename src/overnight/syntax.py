"""Python texts as syntax trees. Pure."""

from __future__ import annotations

import ast

TRIES = 20


def module(text: str) -> ast.Module:
    """The tree of a text, in whichever thread. Raises what `ast.parse` raises. Until CPython 3.11.8 and 3.12.2 all threads
    share one count of the depth of trees, so that two which parse at once may both be told of a mismatch (gh-106905): that
    says nothing of the text."""
    for _ in range(TRIES):
        try:
            return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)


def expression(text: str) -> ast.expr:
    """The tree of a text that is one expression. Raises what `ast.parse` raises."""
    return ast.parse(text, mode="eval").body
