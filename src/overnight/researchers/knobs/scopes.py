"""The scopes of a Python file: what is set where, and from what."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from msgspec import Struct

from overnight.researchers.knobs import words
from overnight.researchers.knobs.edit import name_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
Inner = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp | ast.Lambda
Loop = ast.For | ast.AsyncFor | ast.While
SET, MORE, CALLED, EACH = "set", "more", "called", "each"
SHOWS = words.among("print write writelines flush info debug warning error dump close exit append_log savefig show")


class Definition(Struct, frozen=True):
    """One place that gives a name its value.

    value      what it is set from
    statement  where that is
    scope      in which scope that is
    around     the blocks around it, the outermost first
    kind       "set"; "more": a part or a sum of it; "called": by a call that it is handed to; "each": by a loop or a `with`
    place      which item of the value it is, or None for the whole
    """

    value: ast.expr
    statement: ast.stmt
    scope: Scope
    around: tuple[ast.stmt, ...]
    kind: str
    place: int | None = None


class Scope:
    """A module, a class or a function: the names that are set there, and what is trained there."""

    def __init__(self, path: str, node: ast.Module | ast.ClassDef | Function, parent: Scope | None) -> None:
        self.path, self.node, self.parent = path, node, parent
        self.definitions: dict[str, list[Definition]] = {}
        self.statements: list[tuple[ast.stmt, tuple[ast.stmt, ...]]] = []
        self.inner: list[Scope] = []
        self.trained: set[str] = set()
        self.searches: set[ast.stmt] = set()
        self.modules: set[str] = parent.modules if parent is not None else _imported(node)
        self.arguments = _arguments(node) if isinstance(node, Function) else {}
        self._collect(node.body, ())

    @property
    def name(self) -> str:
        """The name of the function or the class; "" of a module."""
        return "" if isinstance(self.node, ast.Module) else self.node.name

    def all(self) -> Iterator[Scope]:
        """This scope and those inside it."""
        yield self
        for scope in self.inner:
            yield from scope.all()

    def find(self, name: str) -> tuple[Scope, list[Definition]] | None:
        """The scope that knows a name, and where it is set there; no places for an argument alone."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.definitions or name in scope.arguments:
                return scope, scope.definitions.get(name, [])
            scope = scope.parent
        return None

    def free(self) -> set[str]:
        """The names that are read here and set elsewhere."""
        return reads(self.node) - self.definitions.keys() - self.arguments.keys()

    def is_trained(self, name: str) -> bool:
        """Whether a name, as seen from here, holds what was trained or optimised."""
        found = self.find(name)
        return found is not None and name in found[0].trained

    # -- what is set where

    def _collect(self, body: list[ast.stmt], around: tuple[ast.stmt, ...]) -> None:
        for statement in body:
            if isinstance(statement, Function | ast.ClassDef):
                self.inner.append(Scope(self.path, statement, self))
                continue
            self.statements.append((statement, around))
            self._sets(statement, around)
            for part in _own(statement):
                self._inside(part, statement, around)
            for block in _blocks(statement):
                self._collect(block, (*around, statement))

    def _sets(self, node: ast.stmt, around: tuple[ast.stmt, ...]) -> None:
        """The names that a statement itself sets."""
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                self._target(target, node.value, node, around, SET)
        elif isinstance(node, ast.AugAssign):
            self._target(node.target, node.value, node, around, MORE)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self._target(node.target, node.iter, node, (*around, node), EACH)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if item.optional_vars is not None:
                    self._target(item.optional_vars, item.context_expr, node, around, EACH)

    def _inside(self, node: ast.AST, statement: ast.stmt, around: tuple[ast.stmt, ...]) -> None:
        """What the expressions of a statement set: comprehensions, `:=`, and calls that change what they are handed."""
        for part in ast.walk(node):
            if isinstance(part, ast.comprehension):
                self._target(part.target, part.iter, statement, around, EACH)
            elif isinstance(part, ast.NamedExpr):
                self._target(part.target, part.value, statement, around, SET)
            elif isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in words.FITS:
                self.trained |= {root for root in [key(part.func.value)] if root}
        if isinstance(statement, ast.Expr) and node is statement.value and isinstance(node, ast.Call):
            receiver = key(node.func.value) if isinstance(node.func, ast.Attribute) else None
            changed = {name for name in [receiver, *map(key, node.args)] if name and name not in self.modules}
            for name in changed if name_of(node.func) not in SHOWS else ():
                self._add(name, node, statement, around, CALLED)

    def _target(self, target: ast.expr, value: ast.expr, node: ast.stmt, around: tuple[ast.stmt, ...], kind: str) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            items = value.elts if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts) else None
            for place, part in enumerate(target.elts):
                if items and kind == SET:
                    self._target(part, items[place], node, around, kind)
                elif name := key(part):
                    self._add(name, value, node, around, kind, place if kind == SET else None)
                else:
                    self._target(part, value, node, around, kind)
        elif isinstance(target, ast.Starred):
            self._target(target.value, value, node, around, kind)
        elif name := key(target):
            inside = isinstance(target, ast.Subscript) or (isinstance(target, ast.Attribute) and name[:5] != "self.")
            partly = kind == SET and inside
            self._add(name, value, node, around, MORE if partly else kind)

    def _add(self, name: str, value: ast.expr, node: ast.stmt, around: tuple[ast.stmt, ...], kind: str,
             place: int | None = None) -> None:
        home = self
        while name.startswith("self.") and home.parent is not None and not isinstance(home.node, ast.ClassDef):
            home = home.parent
        home.definitions.setdefault(name, []).append(Definition(value, node, self, around, kind, place))


def apart(tree: ast.AST) -> None:
    """Rename what comprehensions and lambdas bind, so that it is no name of the scope around them; changes the tree."""
    for node in [part for part in ast.walk(tree) if isinstance(part, Inner)][::-1]:
        if isinstance(node, ast.Lambda):
            bound = {spot.arg for spot in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
        else:
            bound = {part.id for each in node.generators for part in ast.walk(each.target) if isinstance(part, ast.Name)}
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id in bound:
                part.id = f"{part.id} of {node.lineno}:{node.col_offset}"


def key(node: ast.expr | None) -> str | None:
    """The name that a target or an expression hangs on: `w` of `w[0]`, `w.data` and `w`; `self.w` of `self.w[0]`."""
    while isinstance(node, ast.Subscript | ast.Attribute | ast.Starred | ast.Call):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            return f"self.{node.attr}"
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def reads(node: ast.AST) -> set[str]:
    """The names that an expression reads."""
    found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
    return found | {f"self.{part.attr}" for part in ast.walk(node)
                    if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"}


def _arguments(node: Function) -> dict[str, ast.expr | None]:
    """A function's arguments with their defaults."""
    spots = [*node.args.posonlyargs, *node.args.args]
    found: dict[str, ast.expr | None] = {spot.arg: None for spot in (*spots, *node.args.kwonlyargs)}
    for spot, value in zip(spots[len(spots) - len(node.args.defaults):], node.args.defaults, strict=True):
        found[spot.arg] = value
    for spot, given in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        found[spot.arg] = given
    found.update({spot.arg: None for spot in (node.args.vararg, node.args.kwarg) if spot is not None})
    return found


def imports(tree: ast.AST) -> Iterator[tuple[str, tuple[str, str]]]:
    """(name, (module, its name there)) of each name that a file imports; "" is the name there of a whole module."""
    for node in ast.walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if isinstance(node, ast.ImportFrom):
                yield alias.asname or alias.name, (node.module or "", alias.name)
            else:
                yield alias.asname or alias.name, (alias.name, "")


def _imported(module: ast.AST) -> set[str]:
    """The names under which a module knows other modules."""
    return {(alias.asname or alias.name).partition(".")[0] for node in ast.walk(module) if isinstance(node, ast.Import)
            for alias in node.names}


def _own(node: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement without its blocks."""
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.expr):
            yield part
        elif isinstance(part, ast.withitem):
            yield part.context_expr


def _blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for holder in [node, *getattr(node, "handlers", []), *getattr(node, "cases", [])]:
        for field in ("body", "orelse", "finalbody"):
            if isinstance(block := getattr(holder, field, None), list) and block:
                yield block
