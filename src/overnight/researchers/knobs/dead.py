"""Constants that cannot matter: defaults that every call overrides, and settings that only steer what is printed."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator


def overridden(tree: ast.Module) -> set[str]:
    """Defaults that nothing uses: `setup(lr=)` of a function, `Config.depth` of a class with typed fields."""
    calls = _calls(tree)
    dead: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            dead |= _unused(calls[node.name], _arguments(node), f"{node.name}(%s=)")
        elif isinstance(node, ast.ClassDef):
            dead |= _unused(calls[node.name], list(_fields(node)), f"{node.name}.%s")
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    name = node.name if item.name == "__init__" else item.name
                    dead |= _unused(calls[name], _arguments(item)[1:], f"{node.name}.{item.name}(%s=)")
    return dead


def reporting(tree: ast.Module) -> set[str]:
    """Names that are read only by a print, or to decide whether to print."""
    read = _loads(tree)
    quiet: dict[str, int] = defaultdict(int)
    for node in _quiet(tree):
        for name, times in _loads(node).items():
            quiet[name] += times
    return {name for name, times in quiet.items() if times >= read[name]}


def _quiet(node: ast.AST) -> Iterator[ast.AST]:
    """The outermost statements that do nothing but report."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.stmt) and _reports(part):
            yield part
        else:
            yield from _quiet(part)


def _reports(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return all(_reports(item) for item in [*node.body, *node.orelse])
    call = node.value if isinstance(node, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name | ast.Attribute) and _called(call) == "print"


def _loads(tree: ast.AST) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            counts[node.id] += 1
    return counts


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id


def _arguments(node: ast.FunctionDef) -> list[str]:
    return [spot.arg for spot in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _calls(tree: ast.Module) -> dict[str, list[ast.Call]]:
    calls: dict[str, list[ast.Call]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            calls[_called(node)].append(node)
    return calls


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _unused(calls: list[ast.Call], names: list[str], where: str) -> set[str]:
    """Of these names the ones that every call gives, by place or by keyword."""
    if not calls or any(_opaque(call) for call in calls):
        return set()
    given = [{*names[: len(call.args)], *(keyword.arg for keyword in call.keywords)} for call in calls]
    return {where % name for name in names if all(name in each for each in given)}


def _opaque(call: ast.Call) -> bool:
    """Whether a call hides what it gives behind * or **."""
    return any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords)
