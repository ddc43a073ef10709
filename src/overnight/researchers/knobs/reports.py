"""Where a program reports its metric."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from overnight.researchers.knobs import words
from overnight.researchers.knobs.edit import name_of
from overnight.researchers.knobs.scopes import Scope

REPORTS = words.among("print info warning debug log write writelines write_text dump dumps echo secho writerow log_metric "
                      "log_metrics report summary save savetxt")
Sink = tuple[Scope, ast.stmt, list[ast.expr]]


def plain(text: str) -> str:
    """A text without its case and signs, in which names are looked for."""
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _texts(node: ast.AST) -> Iterator[str]:
    return (part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))


def shows(statement: ast.stmt) -> bool:
    """Whether all that a statement does is to report."""
    return (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
            and name_of(statement.value.func) in REPORTS)


def reported(scope: Scope, metric: str) -> Iterator[Sink]:
    """What is reported in a scope: all of it, or what stands behind the metric's name where one is given."""
    for statement, _ in scope.statements:
        headers = [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.expr)]
        for node in (part for header in headers for part in ast.walk(header)):
            if isinstance(node, ast.Call) and name_of(node.func) in REPORTS:
                yield scope, statement, _behind([*node.args, *(item.value for item in node.keywords)], metric)
            elif isinstance(node, ast.Dict) and metric:
                yield scope, statement, [value for name, value in zip(node.keys, node.values, strict=True)
                                         if name is not None and any(metric in plain(text) for text in _texts(name))]
        match statement:
            case ast.Assign(targets=[ast.Subscript(slice=spot)], value=value) if metric and metric in map(plain, _texts(spot)):
                yield scope, statement, [value]


def _behind(given: Sequence[ast.expr], metric: str) -> list[ast.expr]:
    """The parts of a report that stand behind the metric's name; all of them where no metric is given."""
    parts = [part for argument in given for part in (argument.values if isinstance(argument, ast.JoinedStr) else [argument])]
    if not metric:
        return parts
    first = next((place for place, part in enumerate(parts) if any(metric in plain(text) for text in _texts(part))), None)
    return parts[first:] if first is not None else []
