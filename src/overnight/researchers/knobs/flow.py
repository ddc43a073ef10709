"""How values flow through a Python file: what each name is set from, and which names are trained or optimised.

A name is trained where a loop feeds it back to itself, as in `w = w - rate * slope(w)`, where what is best so far is held in it,
or where a method like `fit` was called on it. A sum over a loop is fed back too, but nothing else in the loop reads it.
"""

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
ORDERING = words.among("shuffle sort reverse seed manual_seed print write info debug append_log close flush zero_grad eval backward")
SHOWS = words.among("print write writelines flush info debug warning error dump close exit append_log savefig show")
TAKES_BEST = words.among("max min maximum minimum")


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
        self.modules = parent.modules if parent is not None else _imported(node)
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
                if root := key(part.func.value):
                    self.trained.add(root)
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
            partly = kind == SET and (isinstance(target, ast.Subscript) or (isinstance(target, ast.Attribute) and name[:5] != "self."))
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


# ---- what is trained -----------------------------------------------------------------------------------------------


def train(module: Scope) -> None:
    """Note in every scope of a module what is trained there, and which of its loops train or search."""
    changed = {scope.name: _changed(scope) for scope in module.all() if isinstance(scope.node, Function)}
    for scope in module.all():
        loops = [statement for statement, _ in scope.statements if isinstance(statement, Loop)]
        for loop in loops:
            _loop(scope, loop, changed)
        if isinstance(scope.node, Function) and (own := _fed_back(scope, _within(scope, None, changed), only_self=True)):
            scope.trained |= own
        _handed(scope)
    for scope in module.all():
        for name in [name for name in scope.trained if name.startswith("self.")]:
            if (found := scope.find(name)) is not None:
                found[0].trained.add(name)
    for scope in module.all():
        scope.searches |= {loop for loop, _ in scope.statements if isinstance(loop, Loop) and _trains(scope, loop)}


def _changed(scope: Scope) -> set[int]:
    """The places of the arguments that a function changes."""
    touched = {name for name, places in scope.definitions.items() if any(each.kind in (MORE, CALLED) for each in places)}
    return {place for place, name in enumerate(scope.arguments) if name in touched}


_Edges = dict[str, set[str]]
_Places = list[tuple[str, Definition]]


def _within(scope: Scope, loop: ast.stmt | None, changed: dict[str, set[int]]) -> _Places:
    """(name, place) of what is set inside a loop, or anywhere in a scope, without calls that change nothing that is known."""
    homes = [scope, *([scope.parent] if scope.parent is not None and isinstance(scope.parent.node, ast.ClassDef) else [])]
    found = [(name, each) for home in homes for name, places in home.definitions.items() for each in places
             if each.scope is scope and (loop is None or loop in each.around)]
    return [(name, each) for name, each in found if each.kind != CALLED or _changes(name, each, changed)]


def _changes(name: str, place: Definition, changed: dict[str, set[int]]) -> bool:
    """Whether the call of a statement can change what is handed to it under this name."""
    call = place.value
    assert isinstance(call, ast.Call)
    called = name_of(call.func)
    if called in ORDERING or called in words.QUIET_CALLS:
        return False
    if called in changed and isinstance(call.func, ast.Name):
        return any(key(argument) == name for spot, argument in enumerate(call.args) if spot in changed[called])
    return isinstance(call.func, ast.Attribute) and key(call.func) == name


def _loop(scope: Scope, loop: ast.stmt, changed: dict[str, set[int]]) -> None:
    places = _within(scope, loop, changed)
    scope.trained |= _fed_back(scope, places) | _held(loop)
    for name, place in places:  # what is built up by looking at what is there already
        own = [test for test in place.around if isinstance(test, ast.If) and name in reads(test.test)]
        built = place.kind in (MORE, CALLED) and not isinstance(place.statement, ast.AugAssign)
        if own and built:
            scope.trained.add(name)
    if any(True for _ in bests(loop)) and not _fed_back(scope, places):  # a search at random: what is drawn is tried
        scope.trained |= {name for name, place in places if place.kind == SET and draws(place.value)}


def draws(node: ast.AST) -> bool:
    """Whether an expression draws at random."""
    return any(isinstance(part, ast.Call) and name_of(part.func) in words.DRAWS for part in ast.walk(node))


def _fed_back(scope: Scope, places: _Places, only_self: bool = False) -> set[str]:
    """The names that read themselves on the way round: through others, or by more than a sum."""
    edges: _Edges = {}
    for name, place in places:
        edges.setdefault(name, set()).update(reads(place.value))
        if place.kind in (MORE, CALLED):
            for each in [each for other, each in places if other == name and each.kind == EACH]:
                for source in reads(each.value):  # a part of it was changed, so it was
                    edges.setdefault(source, set()).add(name)
    names = [name for name in edges if not only_self or name.startswith("self.")]
    itself = {name for name, place in places if _turns(name, place)}
    return {name for name in names if name in itself or _round(name, edges)}


def _round(start: str, edges: _Edges) -> bool:
    """Whether a name is read, over others, by what it is set from."""
    seen, waiting = {start}, [name for name in edges[start] if name != start]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in edges:
            continue
        seen.add(name)
        if start in edges[name]:
            return True
        waiting += edges[name]
    return False


def _turns(name: str, place: Definition) -> bool:
    """Whether a name is set from itself by more than adding to it, averaging it or holding its best."""
    own = name in reads(place.value)
    if place.kind == MORE and isinstance(place.statement, ast.AugAssign):
        return own
    if place.kind == CALLED and isinstance(call := place.value, ast.Call):
        return isinstance(call.func, ast.Name) or any(name in reads(argument) for argument in call.args)
    if place.kind not in (SET, MORE) or not own:
        return False
    times = sum(isinstance(part, ast.Name) and part.id == name for part in ast.walk(place.value))
    return times > 1 or not _sums(place.value, name)


def _sums(node: ast.expr, name: str) -> bool:
    """Whether a name stands in an expression only as a part of sums, products, the best of some, or a choice."""
    if isinstance(node, ast.BinOp):
        return any(_sums(part, name) for part in (node.left, node.right) if name in reads(part))
    if isinstance(node, ast.Call) and name_of(node.func) in TAKES_BEST:
        return all(_sums(part, name) for part in node.args if name in reads(part))
    return isinstance(node, ast.Name | ast.IfExp | ast.Attribute)


def bests(loop: ast.stmt) -> Iterator[tuple[ast.If, str, ast.expr]]:
    """(if, name, value) of each `if value < best: best = value`."""
    for node in ast.walk(loop):
        if not isinstance(node, ast.If):
            continue
        for test in [part for part in ast.walk(node.test) if isinstance(part, ast.Compare) and len(part.comparators) == 1]:
            sides = (test.left, test.comparators[0])
            for mine, other in (sides, sides[::-1]):
                for spot, value in _assigned(node.body):
                    if key(spot) == key(mine) and key(spot) and ast.dump(value) == ast.dump(other):
                        yield node, key(spot) or "", other


def _assigned(body: list[ast.stmt]) -> Iterator[tuple[ast.expr, ast.expr]]:
    for statement in body:
        for target in statement.targets if isinstance(statement, ast.Assign) else ():
            if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                yield from zip(target.elts, statement.value.elts, strict=False)
            elif isinstance(statement, ast.Assign):
                yield target, statement.value


def _held(loop: ast.stmt) -> set[str]:
    """What is held beside the best value so far, and what that came from: solutions."""
    found: set[str] = set()
    for block, best, _ in bests(loop):
        for spot, value in _assigned(block.body):
            if key(spot) not in (best, None) and not isinstance(value, ast.Constant):
                found |= {str(key(spot)), *([str(key(value))] if key(value) else [])}
    return found


def _handed(scope: Scope) -> None:
    """What is handed to an optimiser that takes steps, or to a function that trains, is trained too."""
    for name in list(scope.trained):
        for place in scope.definitions.get(name, []):
            for call in [part for part in ast.walk(place.value) if isinstance(part, ast.Call)]:
                if name_of(call.func) in ("parameters", "params") and (root := key(call.func)):
                    scope.trained.add(root)
    for statement, _ in scope.statements:
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and words.named(call.func.id, words.TRAINS):
            scope.trained |= {name for name in map(key, call.args[:1]) if name}


def _trains(scope: Scope, loop: ast.stmt) -> bool:
    """Whether a loop trains or searches: it feeds back, holds the best, or calls what trains."""
    names = {name for name, places in scope.definitions.items() for each in places if loop in each.around and each.kind != EACH}
    fits = any(isinstance(part, ast.Call) and (name_of(part.func) in words.FITS or words.named(name_of(part.func), words.TRAINS))
               for part in ast.walk(loop))
    home = scope.parent
    selves = {name for name, places in home.definitions.items() if name in home.trained and any(loop in each.around for each in places)
              } if home is not None and isinstance(home.node, ast.ClassDef) else set()
    return fits or bool(names & scope.trained) or bool(selves) or any(True for _ in bests(loop))
