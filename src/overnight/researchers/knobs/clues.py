"""What the code around a constant says of it: which other strings it could be, and that it cannot matter, because every call
overrides it or it only steers what is printed."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from overnight.researchers.knobs import words
from overnight.researchers.knobs.edit import name_of

SHOWN = ("print", "str", "repr", "round", "format", "len", "float", "int", "abs", "sum", "join")
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


# ---- what cannot matter --------------------------------------------------------------------------------------------


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
    """Names that are read only by a print, or to decide whether to print; what a print hands to a call may matter."""
    read, quiet = _loads([tree]), list(_quiet(tree))
    handed = _loads(argument for statement in quiet for call in ast.walk(statement) if isinstance(call, ast.Call)
                    and name_of(call.func) not in SHOWN for argument in [*call.args, *(item.value for item in call.keywords)])
    return {name for name, times in _loads(quiet).items() if times >= read[name] and not handed[name]}


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


def is_world(node: ast.ClassDef) -> bool:
    """Whether a class is the world that something is measured in, by its name or by what it does: it is reset and takes
    steps."""
    does = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    return {"reset", "step"} <= does or words.named(node.name, words.WORLD)
