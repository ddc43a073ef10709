"""Named choices: which other strings a string constant could be, read off the code that looks at it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

MANY = 12  # more alternatives than this are a vocabulary


def alternatives(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """For each name in lower case, the strings it is compared with, looked up by, or declared to be one of."""
    found: dict[str, list[str]] = defaultdict(list)
    rows = _rows(tree)
    for name, options in _uses(tree, rows):
        found[name.lower()] += [option for option in options if option not in found[name.lower()]]
    return {name: tuple(options) for name, options in found.items() if 1 < len(options) <= MANY}


def _uses(tree: ast.Module, rows: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """(name, strings) wherever the code shows what a name may be."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield from _compared(node.left, node.ops[0], node.comparators[0], rows)
        elif isinstance(node, ast.Subscript):
            yield _name(node.slice), _strings(node.value, rows, mapping=True)
        elif isinstance(node, ast.Call):
            yield from _called(node, rows)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Subscript):
            yield _name(node.target), _declared(node.annotation)
        elif isinstance(node, ast.arg) and isinstance(node.annotation, ast.Subscript):
            yield node.arg, _declared(node.annotation)
        elif isinstance(node, ast.Match):
            patterns = [case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)]
            yield _name(node.subject), _texts(patterns)


def _compared(
    left: ast.expr, op: ast.cmpop, right: ast.expr, rows: dict[str, list[str]]
) -> Iterator[tuple[str, list[str]]]:
    if isinstance(op, ast.Eq | ast.NotEq):
        yield _name(left), _texts([right])
        yield _name(right), _texts([left])
    elif isinstance(op, ast.In | ast.NotIn):
        yield _name(left), _strings(right, rows)


def _called(node: ast.Call, rows: dict[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """`TABLE.get(NAME)`, and `add_argument("--name", choices=[...])`."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        yield _name(node.args[0]), _strings(node.func.value, rows, mapping=True)
    for keyword in node.keywords:
        if keyword.arg == "choices" and node.args:
            yield "".join(_texts(node.args[:1])).lstrip("-"), _strings(keyword.value, rows)


def _declared(annotation: ast.Subscript) -> list[str]:
    """The strings of `Literal["a", "b"]`."""
    if _name(annotation.value) != "Literal":
        return []
    return _texts(annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice])


def _rows(tree: ast.Module) -> dict[str, list[str]]:
    """Rows and tables of strings by the name that they were given: `NORMS = ("layer", "rms")`."""
    rows = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            rows[_name(node.targets[0])] = _strings(node.value, {}) or _strings(node.value, {}, mapping=True)
    return rows


def _strings(node: ast.expr, rows: dict[str, list[str]], mapping: bool = False) -> list[str]:
    """The strings of a row (or the keys of a table), written out here or named."""
    if isinstance(node, ast.Name | ast.Attribute):
        return rows.get(_name(node), [])
    if mapping:
        return _texts(key for key in node.keys if key) if isinstance(node, ast.Dict) else []
    return _texts(node.elts) if isinstance(node, ast.Tuple | ast.List | ast.Set) else []


def _texts(nodes: Iterable[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
