"""What measures, and must never be turned: the ruler.

It is what the metric is calculated from, followed backwards from where the metric is reported, up to but not through what was
trained or optimised; beyond that, what makes, loads and divides data; and whatever a name tells to be one of these. A constant
that goes into a formula without any training in between is an input, not a part of the ruler, unless its name says so.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import PurePosixPath

from overnight.researchers.knobs import scopes, words
from overnight.researchers.knobs.clues import is_world
from overnight.researchers.knobs.edit import name_of, sources
from overnight.researchers.knobs.fields import Call, Known, Settings, fields, handed, known, outside, part_of
from overnight.researchers.knobs.flow import bests, draws, train
from overnight.researchers.knobs.parts import Key, Ruler, calls, key_of, lone
from overnight.researchers.knobs.reports import REPORTS, plain, reported, shows
from overnight.researchers.knobs.scopes import CALLED, EACH, MORE, SET, Definition, Function, Loop, Scope, apart, key, reads
from overnight.researchers.knobs.texts import measured

Same = (ast.ListComp | ast.GeneratorExp | ast.FormattedValue | ast.Attribute | ast.IfExp | ast.Subscript | ast.JoinedStr
        | ast.UnaryOp)  # of the metric, these are the metric itself
THROUGH = words.among("float int str round abs item mean sum format max min dumps loads tolist numpy cpu detach get sqrt")


def of(files: Mapping[str, str | None], metric: str = "", contract: str = "") -> Ruler:
    """The ruler in the Python files among these, where `metric` is reported ("": it is not known, so no report is followed)
    and `contract` is the text of track.toml. Where no report names the metric, and it is read from the output, all are."""
    texts = tuple((path, text) for path, text in sorted(files.items()) if text and path.endswith(".py"))
    others = Ruler(frozenset(), measured(files, metric))
    return others | _of(texts, metric, bool(metric) and (not contract or _from_output(contract)))


@lru_cache(maxsize=4)
def _of(texts: tuple[tuple[str, str], ...], metric: str, printed: bool) -> Ruler:
    slices = _Slice({path: source.tree for path, source in sources(dict(texts))})
    slices.data()
    slices.reports(metric, printed)
    return Ruler(frozenset(slices.found), frozenset(slices.settings))


def _from_output(contract: str) -> bool:
    try:
        return bool(tomllib.loads(contract).get("metric", {}).get("from") == "output")
    except (tomllib.TOMLDecodeError, AttributeError):
        return True


# ---- the slice -----------------------------------------------------------------------------------------------------


class _Slice:
    """Follows values backwards and notes what they are calculated from."""

    def __init__(self, trees: Mapping[str, ast.Module]) -> None:
        self.found, self.settings = set[Key](), set[str]()
        for tree in trees.values():
            apart(tree)
        self._modules = {path: Scope(path, tree, None) for path, tree in trees.items()}
        for module in self._modules.values():
            train(module)
        self._scopes = [scope for module in self._modules.values() for scope in module.all()]
        self._functions: dict[str, list[Scope]] = {}
        for scope in self._scopes:
            if isinstance(scope.node, Function):
                self._functions.setdefault(scope.name, []).append(scope)
        classes = [scope.node for scope in self._scopes if isinstance(scope.node, ast.ClassDef)]
        self._classes, self._worlds = {each.name for each in classes}, {each.name for each in classes if is_world(each)}
        self._imports = {(path, name): told for path, tree in trees.items() for name, told in scopes.imports(tree)}
        whole = {module.rpartition(".")[2] for module, name in self._imports.values() if not name}
        self._known = {path for path in trees if PurePosixPath(path).stem in whole}  # modules that others import whole
        self._callers: dict[str, list[Call]] = {}
        self._readers: dict[Known, list[tuple[Scope, ast.stmt]]] = {}
        for scope, statement in ((each, statement) for each in self._scopes for statement, _ in each.statements):
            for call in calls(statement):
                self._callers.setdefault(name_of(call.func), []).append((scope, statement, call))
            for part in ast.iter_child_nodes(statement):
                for read in known(scope, part) if not isinstance(part, ast.stmt) else ():
                    self._readers.setdefault(read, []).append((scope, statement))
        self._outside = partial(outside, self._imports, self._modules)
        self._fields, self._settings = fields(self._scopes), Settings(self._scopes, self._callers, self._outside)
        self._constants: list[tuple[Scope, ast.expr, Known, bool]] = []  # the last: whether it may be an input
        self._waiting: list[tuple[int, Callable[[], None]]] = []  # what is still to be followed, with how it was counted
        self._counting = 0  # inside what says how often, or how something is drawn
        self._seen: set[tuple[int, str, bool]] = set()
        self._entered: set[tuple[int, bool, int | None]] = set()
        self._clocks: dict[Scope, list[int]] = {}
        self._beyond, self._unset = set[Known](), set[str]()  # what goes into training; what is read and set nowhere here
        self._boundary = False

    # -- what starts it

    def reports(self, metric: str, printed: bool) -> None:
        """Follow all that is reported of the metric."""
        wanted = plain(metric)
        self._boundary = False
        self._seen.clear()
        self._entered.clear()
        sinks = [sink for scope in self._scopes for sink in reported(scope, wanted) if wanted and sink[2]]
        if not sinks and printed:
            sinks = [sink for scope in self._scopes for sink in reported(scope, "")]
        for scope, statement, values in sinks:
            self._note(scope, statement)
            for value in values:
                self._value(scope, value, True)
        self._follow()
        for scope, lines in list(self._clocks.items()):
            self._timed(scope, min(lines), max(lines))
        self._follow()
        self._settle(not (self._boundary or self._clocks))

    def data(self) -> None:
        """Whatever loads, makes or divides data; functions that measure, by their names; drawn values that nothing trains."""
        reporting = {scope for scope in self._scopes if any(True for _ in reported(scope, ""))}
        for scope in self._scopes:
            if scope.parent is not None and scope.parent.name in self._worlds:
                self.found |= {key_of(scope.path, statement) for statement, _ in scope.statements}
            if isinstance(scope.node, Function) and (words.loads(scope.name) or words.named(scope.name, words.METRICS)):
                self._enter(scope)
            drawn = isinstance(scope.node, ast.Module) or scope in reporting
            shown = {name for _, _, values in reported(scope, "") for value in values for name in reads(value)}
            for statement, around in scope.statements:
                if drawn and not any(loop in scope.searches for loop in around):
                    self._made(scope, statement, shown)
                for call in calls(statement):
                    if words.named(name_of(call.func), words.METRICS) or self._loads(name_of(call.func)):
                        self._call(scope, call, False)
                        if isinstance(statement, ast.Assign) and call in getattr(statement.value, "elts", [statement.value]):
                            self._note(scope, statement)
        self._follow()
        self._settle(False)

    def _made(self, scope: Scope, statement: ast.stmt, shown: set[str]) -> None:
        """What is drawn at random and neither trained nor reported is data."""
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            return
        target = key(statement.targets[0] if isinstance(statement, ast.Assign) else statement.target)
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Tuple):
            target = key(statement.targets[0].elts[0]) if statement.targets[0].elts else None
        begins = target is None or scope.is_trained(target) or words.named(target, words.BEGINS)
        if target not in shown and not begins and draws(statement.value):
            self._note(scope, statement)
            self._value(scope, statement.value, False)

    def _follow(self) -> None:
        """Follow what was found, and what is found then, to the end."""
        while self._waiting:
            self._counting, action = self._waiting.pop()
            action()
        self._counting = 0

    def _settle(self, inputs: bool) -> None:
        """Constants that were met: those of the ruler alone are a part of it, and those that are named so. `inputs`: without
        training in between, they are what is to be chosen."""
        for scope, node, read, chosen in self._constants:
            name = read[1]
            shared = words.promise(name) >= 1 and self._used(read)
            if words.ruler(name) or not ((inputs and chosen) or shared):
                self._note(scope, node)
        if not inputs:
            self.settings |= {name for name in self._unset if not self._used(("", name))}
        self._constants.clear()

    def _used(self, read: Known) -> bool:
        """Whether a name is read outside the ruler too: by what trains, or in a function that serves both."""
        named = [read, ("", read[1])] if read[0] in self._known else [read]  # of a module, its names are attributes too
        return any(each in self._beyond for each in named) or any(
            self._free(other, statement) or (other.name and self._serves(other))
            for each in named for other, statement in self._readers.get(each, ()))

    def _free(self, scope: Scope, statement: ast.stmt) -> bool:
        return not shows(statement) and key_of(scope.path, statement) not in self.found

    def _serves(self, function: Scope) -> bool:
        """Whether a function that was followed is called outside the ruler too."""
        followed = any(entered == id(function) for entered, _, _ in self._entered)
        return followed and not words.named(function.name, words.METRICS) and any(
            self._free(other, statement) for other, statement, _ in self._callers.get(function.name, ()))

    def _timed(self, scope: Scope, first: int, last: int) -> None:
        """Between two readings of a clock: how often, and on how much."""
        for statement, around in scope.statements:
            if first <= statement.lineno <= last:
                for loop in (each for each in (statement, *around) if isinstance(each, Loop) and each.lineno >= first):
                    self._value(scope, loop.iter if not isinstance(loop, ast.While) else loop.test, False)
                for call in calls(statement):
                    for argument in call.args:
                        if isinstance(argument, ast.Name | ast.Constant):
                            self._value(scope, argument, False)

    # -- values

    def _note(self, scope: Scope, node: ast.AST) -> None:
        self.found.add(key_of(scope.path, node))

    def _value(self, scope: Scope, node: ast.AST, direct: bool) -> None:
        """Everything that a value is calculated from; `direct` while it is the metric itself."""
        if isinstance(node, ast.Constant | ast.UnaryOp | ast.BinOp | ast.Compare):
            self._note(scope, node)
        if isinstance(node, ast.Name):
            self._name(scope, node.id, direct)
        elif (taken := part_of(node)) is not None and self._field(scope, *taken):
            return
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in scope.modules:
            self._imported(scope, node.value.id, node.attr)
        elif isinstance(node, ast.Attribute) and key(node) and key(node) != key(node.value):
            self._name(scope, str(key(node)), direct)
        elif isinstance(node, ast.Call):
            self._call(scope, node, direct)
        elif isinstance(node, ast.Lambda):
            self._value(scope, node.body, False)
        else:
            scaled = isinstance(node, ast.BinOp) and any(isinstance(part, ast.Constant) for part in (node.left, node.right))
            same = scaled or isinstance(node, Same)
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.expr):
                    self._value(scope, part, direct and same)
                elif isinstance(part, ast.comprehension):
                    for each in (part.iter, *part.ifs):
                        self._value(scope, each, False)

    def _field(self, scope: Scope, whole: ast.expr, name: str) -> bool:
        """What gives an attribute its value; whether it is one of settings, which are not followed themselves."""
        given, token = self._fields.get(name, ()), (self._counting, f".{name}", True)
        self._unset |= set() if given else {name}
        inside = isinstance(scope.node, Function) and scope.name not in ("main", "run") and words.promise(name) < 1
        for home, value in given if token not in self._seen else ():
            self._seen.add(token)
            if lone(value):
                self._constants.append((home, value, ("", name), not (self._counting or inside)))
            elif isinstance(value, ast.Name):
                self._name(home, value.id, False)
        return bool(given) and self._settings.are(scope, whole)

    def _name(self, scope: Scope, name: str, direct: bool) -> None:
        found = scope.find(name)
        if found is None:
            self._imported(scope, name)
            return
        home, places = found
        if (id(home), name, direct) in self._seen:
            return
        self._seen.add((id(home), name, direct))
        set_again = any(name in reads(place.value) or place.kind == MORE for place in places if place.kind != EACH)
        if name in home.trained and not (direct and not set_again):
            self._boundary = True
            return
        if name in home.arguments:
            self._waiting.append((0, partial(self._argument, home, name)))
        far = isinstance(home.node, ast.Module) and scope is not home and words.promise(name) < 1
        for place in places:  # a constant that a function reads from outside is no input of it
            self._waiting.append((self._counting + far, partial(self._place, home, name, place, direct, len(places) == 1)))

    def _place(self, home: Scope, name: str, place: Definition, direct: bool, alone: bool) -> None:
        """One of the places where a name is set."""
        if alone and place.kind == SET and lone(place.value):
            if not direct or words.ruler(name):
                self._constants.append((place.scope, place.value, (place.scope.path, name), not self._counting))
            return
        if isinstance(place.statement, Loop) and place.statement in place.scope.searches:
            self._data(place.scope, place.value)
            return
        self._note(place.scope, place.statement)
        since = [set(each.around) for each in home.definitions[name] if each.kind == SET]
        added = isinstance(place.statement, ast.AugAssign)
        self._around(place, [loop for loop in place.around if added and since and not any(loop in each for each in since)])
        value = place.value
        if place.place is not None and isinstance(value, ast.Call):
            self._call(place.scope, value, direct, place.place)
        elif place.kind == CALLED and isinstance(value, ast.Call):
            if words.named(name_of(value.func), words.TRAINS):
                self._boundary = True
                self._beyond |= known(place.scope, value)
            for argument in value.args:
                self._value(place.scope, argument, False)
        else:
            self._value(place.scope, value, direct and place.kind != EACH)

    def _around(self, place: Definition, sums: Sequence[ast.stmt] = ()) -> None:
        """The conditions and loops around a place, but for those that train or search and over which nothing is summed."""
        for block in place.around:
            if isinstance(block, Loop) and (block not in place.scope.searches or block in sums):
                self._note(place.scope, block)
                self._counting += 1
                self._value(place.scope, block.test if isinstance(block, ast.While) else block.iter, False)
                self._counting -= 1
            elif isinstance(block, ast.If) and not any(True for _ in bests(block)):
                self._note(place.scope, block)
                self._value(place.scope, block.test, False)
            elif isinstance(block, ast.If):
                self._note(place.scope, block)

    def _argument(self, home: Scope, name: str) -> None:
        """An argument: its default, and what the calls of the function hand over for it."""
        default = home.arguments.get(name)
        if default is not None:
            if words.named(home.name, words.TRAINS) or home.name in ("main", "run"):
                self._constants.append((home, default, (home.path, name), True))
            else:
                self._value(home, default, False)
        for scope, value in handed(home, name, self._callers.get(home.name, ())):
            if lone(value):
                self._constants.append((scope, value, (scope.path, name), True))
            else:
                self._value(scope, value, False)

    def _imported(self, scope: Scope, name: str, inside: str = "") -> None:
        """A name that another of the files sets; `inside`: the one that is read there, where the name is that of a module."""
        token = (0, f"{scope.path}:{name}.{inside}", True)
        if token not in self._seen:
            self._seen.add(token)
            for other, told in self._outside(scope, name, inside):
                self._name(other, told, False)

    # -- calls

    def _call(self, scope: Scope, node: ast.Call, direct: bool, place: int | None = None) -> None:
        """A call: it is followed into its function, unless it trains, applies or builds what is trained."""
        name = name_of(node.func)
        if name in words.CLOCKS:
            self._clocks.setdefault(scope, []).append(node.lineno)
        measures, loads = words.named(name, words.METRICS), self._loads(name)
        local = self._functions.get(name, []) if name not in scope.arguments else []
        if not (measures or loads) and self._stops(scope, node, name, direct and bool(local)):
            self._boundary = True
            self._beyond |= known(scope, node)
            self._data(scope, node)
            return
        for function in local:
            self._waiting.append((self._counting, partial(self._enter, function, direct, place)))
        goes_on = direct and name in THROUGH
        if isinstance(node.func, ast.Attribute):
            self._value(scope, node.func.value, goes_on or (direct and name in REPORTS))
        self._counting += name in words.DRAWS
        for argument in [*node.args, *(item.value for item in node.keywords)]:
            if local and not isinstance(argument, ast.Name):
                switch = isinstance(argument, ast.Constant) and isinstance(argument.value, bool)  # how it measures
                self._value(scope, argument, False) if measures or loads or switch else self._data(scope, argument)
            elif not local:
                self._value(scope, argument, goes_on)
        self._counting -= name in words.DRAWS

    def _loads(self, name: str) -> bool:
        """Whether a call makes, loads or divides data, or builds the world that something is measured in."""
        return words.loads(name) or name in self._worlds

    def _stops(self, scope: Scope, node: ast.Call, name: str, entered: bool) -> bool:
        """Whether what comes out of a call was trained, or is what a trained thing says."""
        if isinstance(node.func, ast.Attribute) and name in words.FITS:
            return True
        if entered:
            return False
        if name[:1].isupper() or name in self._classes:
            return not words.named(name, words.METRICS | words.among("loss criterion random generator rng path counter"))
        root = key(node.func)
        if root is not None and scope.is_trained(root) and not isinstance(node.func, ast.Name):
            return name not in THROUGH
        if root is not None and isinstance(node.func, ast.Name) and scope.is_trained(root):
            return True
        if words.named(name, words.TRAINS) or words.named(name, words.APPLIES):
            return True
        functions = self._functions.get(name, [])
        handed = any(scope.is_trained(each) for argument in node.args for each in [key(argument)] if each)
        used = any(function.is_trained(each) for function in functions for each in function.free())
        return bool(functions) and (handed or used)

    def _enter(self, function: Scope, direct: bool = False, place: int | None = None) -> None:
        """What a function gives back."""
        token = (id(function), direct, place)
        if token in self._entered:
            return
        self._entered.add(token)
        measures = words.named(function.name, words.METRICS) or words.loads(function.name)
        if measures:
            for default in function.arguments.values():
                if default is not None:
                    self._value(function, default, False)
        for statement, around in function.statements:
            plainly = not any(isinstance(part, ast.stmt) for part in ast.iter_child_nodes(statement))
            given = [part.value for part in ast.walk(statement) if isinstance(part, ast.Yield)] if plainly else []
            if isinstance(statement, ast.Return):
                given.append(statement.value)
            for value in (value for value in given if value is not None):
                if isinstance(value, ast.Tuple) and place is not None and place < len(value.elts):
                    value = value.elts[place]
                self._note(function, statement)
                self._around(Definition(value, statement, function, around, SET))
                self._value(function, value, direct)

    # -- beyond what is trained: only data

    def _data(self, scope: Scope, node: ast.AST, depth: int = 0) -> None:
        """Look in the arguments of a call for what loads, makes or divides data, and leave the rest alone."""
        if depth > 12:
            return
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and words.loads(name_of(part.func)):
                self._call(scope, part, False)
            elif isinstance(part, ast.Name):
                found = scope.find(part.id)
                token = (id(found[0]), part.id + " data", True) if found else None
                if found is None or token is None or token in self._seen or part.id in found[0].trained:
                    continue
                self._seen.add(token)
                for place in found[1]:
                    self._data(place.scope, place.value, depth + 1)
