"""Which names of a Python file are trained or optimised.

A name is trained where a loop feeds it back to itself, as in `w = w - rate * slope(w)`, where what is best so far is held in
it, or where a method like `fit` was called on it. A sum over a loop is fed back too, but nothing else in the loop reads it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from overnight.researchers.knobs import words
from overnight.researchers.knobs.edit import name_of
from overnight.researchers.knobs.scopes import CALLED, EACH, MORE, SET, Definition, Function, Loop, Scope, key, reads

ORDERING = words.among("shuffle sort reverse seed manual_seed print write info debug close flush zero_grad eval backward")
TAKES_BEST = words.among("max min maximum minimum")


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
        counted = isinstance(place.statement, ast.AugAssign) and isinstance(place.value, ast.Constant)
        built = place.kind in (MORE, CALLED) and not counted
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
        if not isinstance(statement, ast.Assign):
            continue
        for target in statement.targets:
            if isinstance(target, ast.Tuple) and isinstance(statement.value, ast.Tuple):
                yield from zip(target.elts, statement.value.elts, strict=False)
            else:
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
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Name(id=called), args=[first, *_])) if words.named(called, words.TRAINS):
                scope.trained |= {name for name in [key(first)] if name}


def _trains(scope: Scope, loop: ast.stmt) -> bool:
    """Whether a loop trains or searches: it feeds back, holds the best, or calls what trains."""
    names = {name for name, places in scope.definitions.items() for each in places
             if loop in each.around and each.kind != EACH}
    called = {name_of(part.func) for part in ast.walk(loop) if isinstance(part, ast.Call)}
    fits = any(name in words.FITS or words.named(name, words.TRAINS) for name in called)
    home = scope.parent
    held = home.definitions.items() if home is not None and isinstance(home.node, ast.ClassDef) else ()
    selves = {name for name, places in held
              if home and name in home.trained and any(loop in each.around for each in places)}
    return fits or bool(names & scope.trained) or bool(selves) or any(True for _ in bests(loop))
