"""Constants that cannot matter: defaults that every call overrides, and settings that only steer what is printed."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from overnight.researchers.knobs.edit import name_of


def overridden(tree: ast.Module) -> set[str]:
    """Defaults that nothing uses: `setup(lr=)` of a function, `Config.depth` of a class with typed fields."""
    calls: dict[str, list[ast.Call]] = defaultdict(list)
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            calls[name_of(call.func)].append(call)
    dead: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            dead |= _unused(calls[node.name], _arguments(node), f"{node.name}(%s=)")
        elif isinstance(node, ast.ClassDef):
            fields = [item.target.id for item in node.body
                      if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)]
            dead |= _unused(calls[node.name], fields, f"{node.name}.%s")
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    name = node.name if item.name == "__init__" else item.name
                    dead |= _unused(calls[name], _arguments(item)[1:], f"{node.name}.{item.name}(%s=)")
    return dead


def reporting(tree: ast.Module) -> set[str]:
    """Names that are read only by a print, or to decide whether to print."""
    read = _loads([tree])
    return {name for name, times in _loads(_quiet(tree)).items() if times >= read[name]}


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
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and name_of(node.value.func) == "print"


def _loads(nodes: Iterable[ast.AST]) -> Counter[str]:
    """How often each name is read."""
    return Counter(part.id for node in nodes for part in ast.walk(node)
                   if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load))


def _arguments(node: ast.FunctionDef) -> list[str]:
    return [spot.arg for spot in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]


def _unused(calls: list[ast.Call], names: list[str], where: str) -> set[str]:
    """Of these names the ones that every call gives, by place or by keyword; none where a call hides what it gives."""
    given = [{*names[: len(call.args)], *(keyword.arg for keyword in call.keywords)} for call in calls]
    hidden = any(isinstance(item, ast.Starred) for call in calls for item in call.args) or any(None in each for each in given)
    return set() if hidden or not calls else {where % name for name in names if all(name in each for each in given)}
