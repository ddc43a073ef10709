"""Where a Python program fixes its own seed, as its syntax tree tells. Pure.

Covered: calls that seed a generator or make a seeded one, arguments and defaults called so, constants, fields and entries of
that name, options of a command line, variables of the environment, loops over fixed seeds; one name on the way.
Not covered: names that are put together while it runs, a seed that an installed package fixes, results of an earlier run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from itertools import chain

from overnight import syntax
from overnight.track.scorer import dotted, imports
from overnight.track.seeding.place import VARIABLE, Edit, Place, parts, shown, speaks_of_a_seed

_GENERATORS = {"default_rng", "RandomState", "SeedSequence", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "Random",
               "PRNGKey"}
_ENTROPY = {"seed", "entropy", "key", "a", "x", "s", "value"}  # what their first argument is called
_WRAPPERS = {"Option", "Argument", "Field", "field", "int", "attrib"}  # whose first argument or default is the value
_OPTIONS = {"add_argument", "option", "Option", "argument", "add_option"}
_READS = {"get", "getenv", "setdefault"}
_FLAT = ast.Name | ast.Attribute | ast.Constant


Handed = frozenset[tuple[str, str]]  # functions, each with an argument that every call of it hands over


def find(path: str, text: str, given: frozenset[str] = frozenset(), handed: Handed = frozenset()) -> list[Place]:
    """The places in a file's text; `given` are names whose value comes with the command. Raises SyntaxError, ValueError and
    RecursionError where it cannot be read."""
    tree = syntax.module(text)
    source = Source(path, text, tree)
    found = {(node.lineno, node.col_offset): node for node in Finder(tree, given, handed).nodes()}
    return [source.place(node) for _, node in sorted(found.items())]


def handed(texts: Iterable[str]) -> Handed:
    """The arguments of functions in these files whose defaults never count, because each call hands over something that is not
    written out there."""
    functions, calls = dict[str, list[ast.arguments]](), dict[str, list[ast.Call]]()
    for text in texts:
        try:
            every = list(ast.walk(syntax.module(text)))
        except (SyntaxError, ValueError, RecursionError):
            continue
        for node in every:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                functions.setdefault(node.name, []).append(node.args)
            elif isinstance(node, ast.Call):
                calls.setdefault(getattr(node.func, "attr", getattr(node.func, "id", "")), []).append(node)
    return frozenset((name, each.arg) for name, defined in functions.items() if len(defined) == 1 and name in calls
                     for place, each in enumerate([*defined[0].posonlyargs, *defined[0].args, *defined[0].kwonlyargs])
                     if all(_hands_over(call, each.arg, place) for call in calls[name]))


def _hands_over(call: ast.Call, name: str, place: int) -> bool:
    given = [*call.args[place:place + 1], *(word.value for word in call.keywords if word.arg == name)]
    return any(not isinstance(value, ast.Constant | ast.Starred) for value in given)


class Finder:
    """Looks through one file. `free` are the names that hold $OVERNIGHT_SEED, `behind` those that are read where it is not set,
    and `seeds` those that seed a generator."""

    def __init__(self, tree: ast.Module, given: frozenset[str], handed: Handed = frozenset()) -> None:
        self.tree, self.names, self.given, self.handed = tree, imports(tree), given, handed
        self.every = list(ast.walk(tree))
        assigned = [node for node in self.every if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr)]
        self.free = {each.id for node in assigned if node.value and mentions(node.value)
                     for target in targets(node) for each in ast.walk(target) if isinstance(each, ast.Name)}
        self.behind = self._behind()
        calls = [node for node in self.every if isinstance(node, ast.Call)]
        arguments = [argument for call in calls if self._seeds(call) for argument in self._entropy(call)]
        self.seeds = {each.id for argument in arguments if not (mentions(argument) or self._elsewhere(argument))
                      and not list(self._moved(argument)) for each in ast.walk(argument) if isinstance(each, ast.Name)}

    def _behind(self) -> set[str]:
        """The names that are only ever read in the place of $OVERNIGHT_SEED, where that is not set."""
        reads = [node for node in self.every if mentions(node) and (isinstance(node, ast.IfExp | ast.BoolOp) or (
            isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _READS))]
        inside = {id(each) for node in reads for each in ast.walk(node)}
        functions = {id(node.func) for node in self.every if isinstance(node, ast.Call)}
        loaded = [each for each in self.every if isinstance(each, ast.Name | ast.Attribute) and isinstance(each.ctx, ast.Load)
                  and id(each) not in functions]
        elsewhere = {called(each) for each in loaded if id(each) not in inside}
        return {called(each) for each in loaded if id(each) in inside} - elsewhere

    def nodes(self) -> Iterator[ast.expr]:
        """The values that fix a seed: numbers and texts that can be replaced, and others."""
        for node in self.every:
            if isinstance(node, ast.Call):
                yield from self._of_call(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
                yield from self._of_assignment(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from self._of_defaults(node.args, getattr(node, "name", ""))
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str) and self._named(key.value):
                        yield from fixed(value)
            elif isinstance(node, ast.For | ast.comprehension) and isinstance(node.target, ast.Name) \
                    and (node.target.id in self.seeds or speaks_of_a_seed(node.target.id)):
                yield from self._of_loop(node.iter)

    def _named(self, name: str) -> bool:
        plain = name.lower().replace("-", "_")
        return speaks_of_a_seed(name) and plain not in self.given and not {name, plain} & self.behind

    def _seeds(self, call: ast.Call) -> bool:
        """Whether a call seeds a generator or makes a seeded one."""
        name = dotted(call.func, self.names) or (call.func.attr if isinstance(call.func, ast.Attribute) else "")
        last = name.rpartition(".")[2]
        words = parts(last)
        return last in _GENERATORS or name.endswith("random.key") or ("seed" in words and words[0] not in ("get", "n", "num"))

    def _entropy(self, call: ast.Call) -> list[ast.expr]:
        return [*call.args[:1], *(word.value for word in call.keywords if word.arg in _ENTROPY)]

    def _of_call(self, call: ast.Call) -> Iterator[ast.expr]:
        last = getattr(call.func, "attr", getattr(call.func, "id", ""))
        if self._seeds(call):
            for argument in self._entropy(call):
                yield from chain(fixed(argument, words=True), self._moved(argument), fixed_list(argument))
        for word in call.keywords:
            if word.arg and self._named(word.arg):
                yield from chain(fixed(word.value), fixed_list(word.value))
        texts = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        if last in _OPTIONS and texts and any(self._named(text.lstrip("-/")) for text in texts):
            yield from (value for word in call.keywords if word.arg == "default" for value in fixed(word.value))
        if last in _READS and len(call.args) == 2 and texts and texts[0] != VARIABLE and self._named(texts[0]):
            yield from fixed(call.args[1])

    def _moved(self, argument: ast.expr) -> Iterator[ast.expr]:
        """The number in `1337 + rank`."""
        if isinstance(argument, ast.BinOp) and isinstance(argument.op, ast.Add):
            for value, other in ((argument.left, argument.right), (argument.right, argument.left)):
                known = isinstance(other, _FLAT) and not self._elsewhere(other)
                if known:
                    yield from fixed(value)

    def _elsewhere(self, node: ast.expr) -> bool:
        """Whether a name is one whose own value is looked at, or comes from $OVERNIGHT_SEED."""
        names = [each.id if isinstance(each, ast.Name) else each.attr for each in ast.walk(node)
                 if isinstance(each, ast.Name | ast.Attribute)]
        return any(name in self.free or speaks_of_a_seed(name) for name in names)

    def _of_assignment(self, node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> Iterator[ast.expr]:
        if node.value is None:
            return
        for target in targets(node):
            pairs = zip(target.elts, node.value.elts, strict=False) if isinstance(target, ast.Tuple | ast.List) \
                and isinstance(node.value, ast.Tuple | ast.List) else [(target, node.value)]
            for one, value in pairs:
                name = called(one)
                seeds = isinstance(one, ast.Name) and one.id in self.seeds
                if name and name not in self.free and (seeds or self._named(name)):
                    yield from chain(fixed(value), wrapped(value), fixed_list(value))

    def _of_defaults(self, arguments: ast.arguments, function: str) -> Iterator[ast.expr]:
        placed = [*arguments.posonlyargs, *arguments.args]
        for each, value in chain(zip(placed[len(placed) - len(arguments.defaults):], arguments.defaults, strict=True),
                                 zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)):
            if value is not None and self._named(each.arg) and (function, each.arg) not in self.handed:
                yield from chain(fixed(value), wrapped(value))

    def _of_loop(self, over: ast.expr) -> Iterator[ast.expr]:
        if not mentions(over) and not any(isinstance(each, ast.Name) and each.id in self.free for each in ast.walk(over)):
            ranged = isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id in ("range", "enumerate")
            if ranged or list(fixed_list(over)):
                yield over


def targets(node: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> list[ast.expr]:
    """What is assigned to."""
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def called(target: ast.expr) -> str:
    """The name under which something is kept: of a variable, a field, an entry."""
    if isinstance(target, ast.Name):
        return target.id
    if isinstance(target, ast.Attribute):
        return target.attr
    key = target.slice if isinstance(target, ast.Subscript) else None
    if isinstance(key, ast.Constant) and key.value == "PYTHONHASHSEED":
        return "seed"
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def mentions(node: ast.AST) -> bool:
    """Whether an expression reads $OVERNIGHT_SEED."""
    return any(isinstance(each, ast.Constant) and each.value == VARIABLE for each in ast.walk(node))


def fixed(value: ast.expr, words: bool = False) -> Iterator[ast.expr]:
    """The value itself, where it is a number, or a text of digits; `words`: of whatever letters."""
    if isinstance(value, ast.Constant) and (type(value.value) in (int, float) or (
            isinstance(value.value, str | bytes) and (words or value.value.isdigit()))):
        yield value


def fixed_list(value: ast.expr) -> Iterator[ast.expr]:
    """The value itself, where it is a list of numbers."""
    if isinstance(value, ast.List | ast.Tuple | ast.Set) and value.elts and all(list(fixed(each)) for each in value.elts):
        yield value


def wrapped(value: ast.expr) -> Iterator[ast.expr]:
    """The value in `Option(42)` and `field(default=42)`."""
    name = dotted(value.func, {}).rpartition(".")[2] if isinstance(value, ast.Call) else ""
    if isinstance(value, ast.Call) and name in _WRAPPERS:
        inside = [*value.args[:1], *(word.value for word in value.keywords if word.arg == "default")]
        yield from chain.from_iterable(map(fixed, inside))


# ---- the edit --------------------------------------------------------------------------------------------------


class Source:
    """The text of a file, to make edits of it."""

    def __init__(self, path: str, text: str, tree: ast.Module) -> None:
        self.path = path
        self.lines = text.encode().splitlines(keepends=True)
        bound = [alias for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
                 if (alias.asname or alias.name) == "os" and not (isinstance(node, ast.Import) and alias.name == "os")]
        stored = [node for node in ast.walk(tree) if (isinstance(node, ast.Name) and node.id == "os"
                  and not isinstance(node.ctx, ast.Load)) or (isinstance(node, ast.arg) and node.arg == "os")]
        self.ours = not bound and not stored

    def place(self, node: ast.expr) -> Place:
        """The place of a value, with the edit that connects it where one is safe: by hand, without $OVERNIGHT_SEED, it means
        what it meant before."""
        what = shown(self.lines[node.lineno - 1].decode(), (node.end_lineno == node.lineno and node.end_col_offset) or 0)
        whole = isinstance(node, ast.Constant) and type(node.value) in (int, str) and node.lineno == node.end_lineno
        if not (whole and self.ours):
            return Place(self.path, node.lineno, what)
        before = sum(map(len, self.lines[:node.lineno - 1]))
        start, end = before + node.col_offset, before + (node.end_col_offset or 0)
        old = b"".join(self.lines)[start:end].decode()
        read = f'os.environ.get("{VARIABLE}", {old})'
        isolated = isinstance(node, ast.Constant) and isinstance(node.value, str)
        return Place(self.path, node.lineno, what, Edit(start, end, read if isolated else f"int({read})"))


def importing(text: str, first: int) -> Edit | None:
    """The edit that imports `os` before line `first` uses it; None where that is done already. Raises ValueError where there
    is no place for it."""
    body = syntax.module(text).body
    done = [node for node in body if isinstance(node, ast.Import) and any(a.name == "os" and not a.asname for a in node.names)]
    if any(node.lineno < first for node in done):
        return None
    head = [node for node in body if (isinstance(node, ast.ImportFrom) and node.module == "__future__")
            or (node is body[0] and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    after = (head[-1].end_lineno or 0) if head else 0
    following = body[len(head)] if len(body) > len(head) else None
    if following is not None:
        decorators = getattr(following, "decorator_list", [])
        line = min(node.lineno for node in (following, *decorators))
        if line <= after:
            raise ValueError("two statements share a line")
        after = line - 1
    lines = text.encode().splitlines(keepends=True)
    place = sum(map(len, lines[:after]))
    return Edit(place, place, "import os\r\n" if "\r\n" in text else "import os\n")
