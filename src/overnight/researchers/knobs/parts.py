"""Parts of files by where they stand, and what is asked of them."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

Key = tuple[str, int, int, int, int]  # path, first line, column, last line, column


class Ruler:
    """The parts of files that measure; `settings`: names that only these read, and that no Python file sets; `regions`: of some
    files, the spans of characters that alone may be edited."""

    def __init__(self, found: frozenset[Key], settings: frozenset[str] = frozenset(),
                 regions: Mapping[str, Sequence[tuple[int, int]]] | None = None) -> None:
        self._found, self.settings, self._regions = found, settings, regions or {}

    def __or__(self, other: Ruler) -> Ruler:
        """What either of two holds, one after the other."""
        return Ruler(self._found | other._found, self.settings | other.settings, {**self._regions, **other._regions})

    def bars(self, path: str, span: tuple[int, int]) -> bool:
        """Whether a span of a file lies outside all that may be edited there."""
        regions = self._regions.get(path)
        return regions is not None and not any(begin <= span[0] and span[1] <= end for begin, end in regions)

    def holds(self, path: str, node: ast.AST) -> bool:
        """Whether a node is a part of what measures, or has one."""
        return any(key_of(path, part) in self._found for part in ast.walk(node) if isinstance(part, ast.expr | ast.stmt))

    def is_part(self, path: str, node: ast.AST) -> bool:
        """Whether this very node is a part of what measures."""
        return key_of(path, node) in self._found


def key_of(path: str, node: ast.AST) -> Key:
    """Where a node stands, as what tells it apart."""
    return (path, getattr(node, "lineno", 0), getattr(node, "col_offset", 0), getattr(node, "end_lineno", 0) or 0,
            getattr(node, "end_col_offset", 0) or 0)


def calls(statement: ast.stmt) -> list[ast.Call]:
    """The calls of a statement itself, without those of its blocks."""
    blocks = ast.stmt | ast.ExceptHandler | ast.match_case
    own = [part for part in ast.iter_child_nodes(statement) if not isinstance(part, blocks)]
    return [node for part in own for node in ast.walk(part) if isinstance(node, ast.Call)]


def lone(node: ast.expr) -> bool:
    """Whether an expression is nothing but numbers and signs."""
    return all(isinstance(part, ast.Constant | ast.UnaryOp | ast.BinOp | ast.operator | ast.unaryop) for part in ast.walk(node))
