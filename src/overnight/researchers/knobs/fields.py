"""Constants that are read as attributes: fields of classes, options of a command, and what gives either another value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from overnight.researchers.knobs import words
from overnight.researchers.knobs.edit import name_of
from overnight.researchers.knobs.parts import calls
from overnight.researchers.knobs.scopes import SET, Definition, Scope, reads

Known = tuple[str, str]  # a file and a name in it; "" and the name of an attribute, which may stand in any
Given = tuple[Scope, ast.expr]  # a value and where it stands
Call = tuple[Scope, ast.stmt, ast.Call]  # a call and where it stands
Outside = Callable[[Scope, str, str], Iterator[tuple[Scope, str]]]  # where a name that is imported is set, and its name there
OPTIONS = words.among("add_argument add_option option Option")
GIVES = words.among("set_defaults SimpleNamespace Namespace replace _replace evolve")
SETTLED = words.among("parse_args parse_known_args parse_intermixed_args SimpleNamespace Namespace EasyDict")
SEEN_AS = words.among("vars asdict dict deepcopy copy")  # of settings, these are the same settings
READS = words.among("int float str bool abs getenv get Path join dict list tuple")  # calls that calculate nothing in a table
MOST_DEEP = 6  # calls over which settings are handed on


def fields(scopes: Sequence[Scope]) -> Mapping[str, Sequence[Given]]:
    """What each name is worth as an attribute of what these scopes define, and where that stands."""
    found: dict[str, list[Given]] = {}
    classes = {scope.name: _order(scope) for scope in scopes if isinstance(scope.node, ast.ClassDef)}
    for scope in scopes:
        for name, places in scope.definitions.items() if isinstance(scope.node, ast.ClassDef) else ():
            plain = name.removeprefix("self.")
            for place in places if f"self.{plain}" not in scope.trained else ():
                if place.kind == SET and place.place is None:
                    found.setdefault(plain, []).append((place.scope, place.value))
        for statement, _ in scope.statements:
            for name, value in _said(statement, classes):
                found.setdefault(name, []).append((scope, value))
    return found


def _said(statement: ast.stmt, classes: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, ast.expr]]:
    """(name, value) of each attribute that a statement gives a value: as an option, by a keyword, in a table, or by setting
    it."""
    for call in calls(statement):
        called = name_of(call.func)
        if called in OPTIONS:
            value = next((item.value for item in call.keywords if item.arg == "default"), None)
            if (name := option(call)) and value is not None:
                yield name, value
        elif called in classes or called in GIVES:
            yield from ((item.arg, item.value) for item in call.keywords if item.arg)
            yield from zip(classes.get(called, ()), call.args, strict=False)
    if isinstance(statement, ast.Assign):
        told = (part_of(target) for target in statement.targets)
        yield from ((part[1], statement.value) for part in told if part is not None)
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Return) and statement.value is not None:
        for table in ast.walk(statement.value):
            yield from entries(table) or ()


def entries(node: ast.AST) -> list[tuple[str, ast.expr]] | None:
    """(name, value) of each entry of a table whose keys are written out, as `{"lr": 1}` and `dict(lr=1)`; None for no table."""
    match node:
        case ast.Dict(keys=[_, *_] as keys, values=values):
            told = [key.value if isinstance(key, ast.Constant) else None for key in keys]
            found = [(key, value) for key, value in zip(told, values, strict=True) if isinstance(key, str)]
            return found if len(found) == len(keys) else None
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=[_, *_] as given) if all(item.arg for item in given):
            return [(item.arg or "", item.value) for item in given]
    return None


def _order(scope: Scope) -> list[str]:
    """What a class calls the values that it is built from, one after the other."""
    for inner in scope.inner:
        if inner.name == "__init__":
            return list(inner.arguments)[1:]
    return [name for name in scope.definitions if not name.startswith("self.")]


def option(call: ast.Call) -> str:
    """The attribute under which an option of a command is read; "" where it is not known."""
    named = next((item.value for item in call.keywords if item.arg == "dest"), None)
    told = [part.value for part in (named, *call.args) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
    long = [text for text in told if not text.startswith("-") or text.startswith("--")]
    return (long or told or [""])[0].lstrip("-").replace("-", "_")


def names(call: ast.Call) -> set[str]:
    """The attributes that a call may make: an option, what it names in a text, or a keyword of what sets some."""
    told = {part.value.lstrip("-").replace("-", "_") for part in call.args
            if isinstance(part, ast.Constant) and isinstance(part.value, str)}
    keywords = {item.arg for item in call.keywords if item.arg} if name_of(call.func) in GIVES else set()
    return (told | keywords | {option(call)}) - {""}


class Settings:
    """Tells whether a name holds settings and nothing that is calculated. `callers`: the calls of functions by name."""

    def __init__(self, scopes: Sequence[Scope], callers: Mapping[str, Sequence[Call]], outside: Outside) -> None:
        self._callers, self._outside = callers, outside
        self._told: dict[tuple[int, str], bool] = {}  # what was found of a name
        self._classes = {scope.name for scope in scopes if isinstance(scope.node, ast.ClassDef) and not _acts(scope)}

    def are(self, scope: Scope, node: ast.expr, deep: int = 0) -> bool:
        """Whether an expression, as seen from a scope, is settings."""
        if (table := entries(node)) is not None:
            return deep <= MOST_DEEP and all(self._plain(scope, value, deep + 1) for _, value in table)
        if isinstance(node, ast.Call) and not isinstance(part_of(node), tuple):
            if name_of(node.func) in SEEN_AS and node.args:
                return self.are(scope, node.args[0], deep + 1)
            return name_of(node.func) in SETTLED or name_of(node.func) in self._classes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
            name = f"self.{node.attr}"
        elif isinstance(node, ast.Name):
            name = node.id
        else:
            return self._part(scope, node, deep)
        found = scope.find(name)
        if name in self._classes or found is None or deep > MOST_DEEP:
            return name in self._classes or self._imported(scope, name, "", deep)
        token = (id(found[0]), name)
        if token not in self._told:
            self._told[token] = True  # where it goes round, the other ways decide
            self._told[token] = self._named(found[0], name, found[1], deep)
        return self._told[token]

    def _part(self, scope: Scope, node: ast.expr, deep: int) -> bool:
        """Whether an expression is settings that are a part of settings, or a name in a module that is imported whole."""
        part = part_of(node)
        if part is None or deep > MOST_DEEP:
            return False
        whole = part[0].id if isinstance(part[0], ast.Name) else ""
        return self.are(scope, part[0], deep + 1) or (whole in scope.modules and self._imported(scope, whole, part[1], deep))

    def _imported(self, scope: Scope, name: str, inside: str, deep: int) -> bool:
        places = [*self._outside(scope, name, inside)] if deep <= MOST_DEEP else []
        return bool(places) and all(self.are(other, ast.Name(told, ast.Load()), deep + 1) for other, told in places)

    def _plain(self, scope: Scope, value: ast.expr, deep: int) -> bool:
        """Whether an entry of a table is written out, or read from what surrounds the program: not calculated."""
        called = {name_of(call.func) for call in ast.walk(value) if isinstance(call, ast.Call)}
        named = [found for name in reads(value) if (found := scope.find(name)) is not None]
        lonely = all(isinstance(place.value, ast.Constant) for _, places in named for place in places)
        return (called <= READS and lonely) or self.are(scope, value, deep)

    def _named(self, home: Scope, name: str, places: Sequence[Definition], deep: int) -> bool:
        """Whether all that a name is set from, or is handed, is settings."""
        places = [place for place in places if place.kind == SET]
        given = [*self._handed(home, name)] if name in home.arguments else []
        return bool(places or given) and all(self._place(place, deep) for place in places) and all(
            self.are(caller, value, deep + 1) for caller, value in given)

    def _place(self, place: Definition, deep: int) -> bool:
        return place.place in (None, 0) and self.are(place.scope, place.value, deep + 1)

    def _handed(self, function: Scope, name: str) -> Iterator[Given]:
        """What the calls of a function, or of its class, hand over for an argument."""
        built = function.name == "__init__" and function.parent is not None
        called = function.parent.name if built and function.parent is not None else function.name
        return handed(function, name, self._callers.get(called, ()))


def handed(function: Scope, name: str, callers: Sequence[Call]) -> Iterator[Given]:
    """What these calls of a function hand over for an argument."""
    place = list(function.arguments).index(name) - ("self" in function.arguments)
    for scope, _, call in callers:
        for value in (*(item.value for item in call.keywords if item.arg == name), *call.args[place:place + 1]):
            yield scope, value
        for item in call.keywords:
            if item.arg is None:  # `**settings` hands over each of them by its name
                yield scope, ast.Attribute(item.value, name, ast.Load())


def outside(imports: Mapping[Known, tuple[str, str]], modules: Mapping[str, Scope], scope: Scope, name: str,
            inside: str) -> Iterator[tuple[Scope, str]]:
    """The modules that may set a name which a scope imports, and its name there; `inside`: the one that is read there, where
    the name is that of a module."""
    module, told = imports.get((scope.path, name), ("", ""))
    for path, other in modules.items():
        if module and PurePosixPath(path).stem == module.rpartition(".")[2]:
            yield other, inside or told


def part_of(node: ast.AST) -> tuple[ast.expr, str] | None:
    """What an expression takes a part of, and the name of that: of `x.name`, `x["name"]` and `getattr(x, "name")`."""
    match node:
        case ast.Attribute(value=whole, attr=name) | ast.Subscript(value=whole, slice=ast.Constant(value=str(name))):
            return whole, name
        case ast.Call(func=ast.Name(id="getattr"), args=[whole, ast.Constant(value=str(name)), *_]):
            return whole, name
        case ast.Call(func=ast.Attribute(value=whole, attr="get"), args=[ast.Constant(value=str(name)), *_]):
            return whole, name
    return None


def known(scope: Scope, node: ast.AST) -> set[Known]:
    """The names and the attributes that an expression reads."""
    loaded = (part_of(part) for part in ast.walk(node) if isinstance(getattr(part, "ctx", ast.Load()), ast.Load))
    return {(scope.path, name) for name in reads(node)} | {("", part[1]) for part in loaded if part is not None}


def _acts(scope: Scope) -> bool:
    """Whether a class does more than hold values: it has a method of its own that is not one of an object's usual ones."""
    return any(isinstance(inner.node, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.name.startswith("__")
               and not inner.node.decorator_list for inner in scope.inner)
