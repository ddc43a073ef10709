"""Edits that do nothing: texts that mean what the given ones mean, and are others.

Python is edited through its syntax tree, with all of these that a file has a place for: local variables of another name, an
assignment that nothing reads, constants at the top of a module in another order, `x + -0.0` for a number x with a point, and,
where `draws` allows it, lots drawn in vain from a generator that was just seeded. The text is that of the tree, without its
comments, and is taken only where it parses to that very tree. C gets a function that nothing calls, others a comment.

Covered: names that the module looks up by their text (`locals`, `eval` and the like) stay as they are.
Not covered: a program that reads its own source. Lots drawn in vain change what a program draws next, as another seed does:
what it means is the same only where no single draw matters.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy

from overnight import syntax

MOST_BYTES = 512 << 10  # of a file; larger ones stay as they are
MOST_NAMES = 4  # that are changed in one file
MOST_DRAWS = 1000  # in vain
COMMENTS = {
    **dict.fromkeys(("jl", "r", "R", "sh", "rb", "pl", "toml", "yaml", "yml"), "#"),
    **dict.fromkeys(("rs", "go", "js", "ts", "java", "kt", "swift", "cs", "zig", "h", "hpp"), "//"),
    **dict.fromkeys(("lua", "hs", "sql"), "--")}
FUNCTIONS = {"c", "cc", "cpp", "cxx", "cu"}
_BY_TEXT = {"locals", "globals", "vars", "dir", "eval", "exec", "inspect", "getattr", "setattr", "__dict__"}
# how a generator is seeded, and how one lot is drawn from what is so called
_SEEDED = {"random.seed": "random.random()", "np.random.seed": "np.random.random()",
           "numpy.random.seed": "numpy.random.random()", "torch.manual_seed": "torch.rand(1)"}
_MADE = {"Random": "random()", "default_rng": "random()", "RandomState": "random_sample()"}


def edited(texts: Mapping[str, str], edit: int, draws: bool = False) -> dict[str, str]:
    """The files that an edit changes, of these texts by path, and what it makes of them; the same `edit` gives the same."""
    found = {}
    for path, text in texts.items():
        if len(text) <= MOST_BYTES and (made := _edited(path, text, random.Random(f"{edit} {path}"), draws)) != text:
            found[path] = made
    return found


def _edited(path: str, text: str, lots: random.Random, draws: bool) -> str:
    kind, mark = path.rpartition(".")[2], f"{lots.getrandbits(32):08x}"
    if kind == "py":
        return python(text, lots, draws)
    if kind in FUNCTIONS:
        return f"{text.rstrip()}\n\nstatic inline int unused_{mark}(int x) {{ return x; }}\n"
    return f"{text.rstrip()}\n{COMMENTS[kind]} {mark}\n" if kind in COMMENTS else text


def python(text: str, lots: random.Random, draws: bool = False) -> str:
    """Another text of the same module; the same one where it cannot be read, or no other means surely the same."""
    try:
        before = syntax.module(text)
        tree = deepcopy(before)
        for step in (_rename, _swap, _unused, _zero):
            step(tree, lots)
        if draws:
            _draw(tree, lots)
        made = ast.unparse(ast.fix_missing_locations(tree)) + "\n"
        if ast.dump(syntax.module(made)) != ast.dump(tree):
            return text
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    first, _, _ = text.partition("\n")
    return f"{first}\n{made}" if first.startswith("#!") else made


# ---- the edits -------------------------------------------------------------------------------------------------


def _rename(tree: ast.Module, lots: random.Random) -> None:
    """Some local variables get other names."""
    every = list(ast.walk(tree))
    if _names(every) & _BY_TEXT:
        return
    places = [(node, name) for node in every if isinstance(node, ast.FunctionDef) for name in sorted(_locals(node))]
    for function, name in lots.sample(places, min(MOST_NAMES, len(places))):
        new = _unused_name(every, lots, f"{name}_")
        for node in ast.walk(function):
            if isinstance(node, ast.Name) and node.id == name:
                node.id = new


def _locals(function: ast.FunctionDef) -> set[str]:
    """Names that a function assigns to, and that nothing in it or around it has but as a plain name."""
    inside = list(ast.walk(function))
    if any(isinstance(node, ast.ClassDef | ast.Global | ast.Nonlocal | ast.ListComp | ast.SetComp | ast.DictComp
                      | ast.GeneratorExp | ast.Lambda) or (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                                                             and node is not function) for node in inside):
        return set()  # another scope: what a name means there is not looked into
    heads = (function.args, *function.decorator_list, *filter(None, [function.returns]))
    outside = {name for head in heads for node in ast.walk(head) for name in _called(node)}
    bound = {name for node in inside if not isinstance(node, ast.Name | ast.Attribute) for name in _called(node)}
    stored = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return {name for name in stored - outside - bound if not name.startswith("__")}


def _called(node: ast.AST) -> Iterator[str]:
    """The names that a node bears as text."""
    for field in ("id", "arg", "name", "asname", "rest", "attr"):
        if isinstance(value := getattr(node, field, None), str):
            yield value.partition(".")[0]


def _names(nodes: Sequence[ast.AST]) -> set[str]:
    return {name for node in nodes for name in _called(node)}


def _unused_name(nodes: Sequence[ast.AST], lots: random.Random, start: str) -> str:
    """A name that nothing has."""
    taken = _names(nodes)
    return next(name for name in iter(lambda: f"{start}{lots.getrandbits(16):04x}", "") if name not in taken)


def _first(body: Sequence[ast.stmt]) -> int:
    """How many statements must stay first: a docstring, and imports from the future."""
    count = 0
    for node in body:
        said = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if not said and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        count += 1
    return count


def _unused(tree: ast.Module, lots: random.Random) -> None:
    """A constant at the top of the module that nothing reads."""
    if not _names(list(ast.walk(tree))) & _BY_TEXT:
        name = _unused_name(list(ast.walk(tree)), lots, "_unused_")
        made = ast.Assign([ast.Name(name, ast.Store())], ast.Constant(lots.randrange(100)))
        tree.body.insert(lots.randint(_first(tree.body), len(tree.body)), made)


def _swap(tree: ast.Module, lots: random.Random) -> None:
    """Two constants that are assigned one after the other change places."""
    def constant(node: ast.stmt) -> str:
        plain = isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and len(node.targets) == 1
        return node.targets[0].id if plain and isinstance(node.targets[0], ast.Name) else ""  # type: ignore[attr-defined]

    body = tree.body
    places = [n for n in range(_first(body), len(body) - 1)
              if constant(body[n]) and constant(body[n + 1]) and constant(body[n]) != constant(body[n + 1])]
    if places:
        n = lots.choice(places)
        body[n], body[n + 1] = body[n + 1], body[n]


class _Zeros(ast.NodeTransformer):
    """Adds -0.0 to some numbers with a point, which changes none."""

    def __init__(self, lots: random.Random) -> None:
        self.lots = lots

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """A number."""
        if type(node.value) is not float or self.lots.random() < 0.5:
            return node
        return ast.BinOp(node, ast.Add(), ast.UnaryOp(ast.USub(), ast.Constant(0.0)))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """Text stays as it is."""
        return node

    def visit_Match(self, node: ast.Match) -> ast.stmt:
        """Patterns are no expressions."""
        return node


def _zero(tree: ast.Module, lots: random.Random) -> None:
    _Zeros(lots).visit(tree)


def _draw(tree: ast.Module, lots: random.Random) -> None:
    """Lots are drawn in vain after each statement that seeds a generator."""
    for node in list(ast.walk(tree)):
        for body in (getattr(node, field, None) for field in ("body", "orelse", "finalbody")):
            if isinstance(body, list):
                for place in range(len(body) - 1, -1, -1):
                    if lot := _lot(body[place]):
                        vain = syntax.module(f"[{lot} for _ in range({lots.randint(1, MOST_DRAWS)})]").body
                        body[place + 1:place + 1] = vain


def _lot(node: ast.stmt) -> str:
    """How a lot is drawn from what a statement seeds; "" where it seeds nothing."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return _SEEDED.get(ast.unparse(node.value.func), "")
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1 \
            and isinstance(node.targets[0], ast.Name | ast.Attribute):
        lot = _MADE.get(ast.unparse(node.value.func).rpartition(".")[2], "")
        return f"{ast.unparse(node.targets[0])}.{lot}" if lot else ""
    return ""
