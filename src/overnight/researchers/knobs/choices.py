"""Named choices: which other strings a string constant could be, read off the code that looks at it."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from overnight.researchers.knobs.edit import name_of

MANY = 12  # more alternatives than this are a vocabulary


def alternatives(tree: ast.Module) -> dict[str, tuple[str, ...]]:
    """For each name in lower case, the strings it is compared with, looked up by, or declared to be one of."""
    rows = {name_of(node.targets[0]): _strings(node.value, {}) for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and name_of(node.targets[0])}
    found: dict[str, list[str]] = defaultdict(list)
    for node in ast.walk(tree):
        for name, options in _uses(node, rows):
            found[name.lower()] += [option for option in options if option not in found[name.lower()]]
    return {name: tuple(options) for name, options in found.items() if 1 < len(options) <= MANY}


def _uses(node: ast.AST, rows: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """(name, strings) where a node shows what a name may be. `rows` are rows and tables of strings by their names."""
    match node:
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
            yield name_of(left), _texts([right])
            yield name_of(right), _texts([left])
        case ast.Compare(left=left, ops=[ast.In() | ast.NotIn()], comparators=[right]):
            yield name_of(left), _strings(right, rows)
        case ast.Subscript(value=table, slice=key) | ast.Call(func=ast.Attribute(value=table, attr="get"), args=[key, *_]):
            yield name_of(key), _strings(table, rows)
        case ast.Call(args=[first, *_]):
            for keyword in node.keywords:
                if keyword.arg == "choices":
                    yield "".join(_texts([first])).lstrip("-"), _strings(keyword.value, rows)
        case ast.AnnAssign(target=ast.expr() as spot) | (ast.arg() as spot):
            yield name_of(spot) or getattr(spot, "arg", ""), _declared(node.annotation)
        case ast.Match(subject=subject, cases=cases):
            yield name_of(subject), _texts(case.pattern.value for case in cases if isinstance(case.pattern, ast.MatchValue))


def _declared(annotation: ast.expr | None) -> list[str]:
    """The strings of `Literal["a", "b"]`."""
    if not isinstance(annotation, ast.Subscript) or name_of(annotation.value) != "Literal":
        return []
    return _texts(annotation.slice.elts if isinstance(annotation.slice, ast.Tuple) else [annotation.slice])


def _strings(node: ast.expr, rows: Mapping[str, list[str]]) -> list[str]:
    """The strings of a row or the keys of a table, written out here or named."""
    if isinstance(node, ast.Dict):
        return _texts(key for key in node.keys if key)
    return _texts(node.elts) if isinstance(node, ast.Tuple | ast.List | ast.Set) else rows.get(name_of(node), [])


def _texts(nodes: Iterable[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
