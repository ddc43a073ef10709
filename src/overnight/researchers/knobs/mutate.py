"""Small structural edits: leave a statement out, put a sibling in the place of a function or an operator.

An edit is known by what it does to which statement, never by its line, so that one which failed is not tried again
after edits elsewhere. Covered: edits that still parse and leave no name undefined in an obvious manner. Not covered:
whether they make sense; that is what the referee is for.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from overnight.researchers.knobs import words
from overnight.researchers.knobs.dead import reporting
from overnight.researchers.knobs.edit import Source, Span, parse, splice

SIBLINGS: dict[str, tuple[str, ...]] = {  # what can stand in, where the same module offers it
    "relu": ("gelu", "silu", "leaky_relu", "tanh"),
    "gelu": ("silu", "relu", "mish"),
    "silu": ("gelu", "relu", "mish"),
    "tanh": ("gelu", "relu"),
    "sigmoid": ("tanh",),
    "leaky_relu": ("relu", "gelu", "silu"),
    "ReLU": ("GELU", "SiLU", "LeakyReLU"),
    "GELU": ("SiLU", "ReLU", "Mish"),
    "SiLU": ("GELU", "ReLU", "Mish"),
    "Tanh": ("GELU", "ReLU"),
    "LayerNorm": ("RMSNorm",),
    "RMSNorm": ("LayerNorm",),
    "rms_norm": ("layer_norm",),
    "layer_norm": ("rms_norm",),
    "Adam": ("AdamW", "NAdam"),
    "AdamW": ("Adam", "NAdam"),
    "SGD": ("Adam", "AdamW"),
    "RMSprop": ("Adam", "AdamW"),
    "xavier_uniform_": ("orthogonal_", "kaiming_uniform_", "xavier_normal_"),
    "xavier_normal_": ("orthogonal_", "kaiming_normal_", "xavier_uniform_"),
    "kaiming_uniform_": ("orthogonal_", "xavier_uniform_"),
    "kaiming_normal_": ("orthogonal_", "xavier_normal_"),
    "quicksort": ("mergesort", "heapsort"),
    "list": ("deque",),
    "mean": ("median",),
    "median": ("mean",),
    "gauss": ("uniform",),
    "sqrt": ("cbrt",),
    "floor": ("ceil",),
    "ceil": ("floor",),
}
PLAIN_MATHS = words.among("mean median gauss sqrt floor ceil list sigmoid")
OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
}
SIBLING, REFINED, CALLED, SWAPPED, ODD, CALCULATED, COMPARED = 1.0, 0.5, 0.3, 0.15, 0.1, 0.05, 0.03  # how promising
ASIDE = words.among("serve save load report log print plot main test tests eval evaluate estimate flops parse repr")
FEEDS = words.among("append extend add appendleft push heappush update setdefault backward step start join close")
LIBRARIES = words.among("F nn torch jnp jax np numpy math init optim functional random statistics tf keras")
MOST_IDENTITY_CHARACTERS = 160  # characters of a statement in an identity


class Mutation(Struct, frozen=True):
    """A structural edit.

    id     what it does to which statement
    path   the file
    span   what is replaced, in characters
    new    by what
    title  what changed, in words
    why    why it may help
    worth  how promising this kind of edit is
    """

    id: str
    path: str
    span: Span
    new: str
    title: str
    why: str
    worth: float


def pick(
    files: Mapping[str, str | None], tried: Mapping[str, object], lots: random.Random
) -> tuple[Mutation, str] | None:
    """A mutation that was not tried, and the file as it then reads; the more promising kinds more often."""
    fresh = [edit for edit in mutations(files) if edit.id not in tried]
    drawn = sorted(fresh, key=lambda edit: lots.random() ** (1 / edit.worth), reverse=True)
    for edit in drawn:
        text = splice(files[edit.path] or "", [(edit.span, edit.new)])
        if compiles(text):
            return edit, text
    return None


def compiles(text: str) -> bool:
    """Whether a text is a Python module; it is not run."""
    source = parse(text)
    try:
        return source is not None and compile(source.tree, "candidate", "exec", dont_inherit=True) is not None
    except (SyntaxError, ValueError):
        return False


def mutations(files: Mapping[str, str | None]) -> list[Mutation]:
    """Every mutation of every Python file that parses, each identity once."""
    found: dict[str, Mutation] = {}
    for path in sorted(files):
        source = parse(files[path] or "") if path.endswith(".py") else None
        if source is not None:
            for edit in _in_source(path, source):
                found.setdefault(edit.id, edit)
    return list(found.values())


def _in_source(path: str, source: Source) -> Iterator[Mutation]:
    functions = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
    shown = reporting(source.tree)
    for block in _blocks(_Block(source.tree.body, "", source.tree, _bound(source.tree))):
        for place, statement in enumerate(block.body):
            if not _quiet(statement) and not _only_for(statement, shown):
                yield from _left_out(path, source, block, place)
                for node in _expressions(statement):
                    for swap in _swaps(source, node, functions):
                        yield _swap(path, source, statement, block.where, swap)


class _Block(Struct, frozen=True):
    """Statements that stand together, the qualified name of what holds them, their function and its names."""

    body: list[ast.stmt]
    where: str
    scope: ast.AST
    bound: dict[str, int]

    def bound_before(self, line: int) -> set[str]:
        """The names that the function has given a value above a line, its arguments among them."""
        return {name for name, first in self.bound.items() if first < line}


def _bound(scope: ast.AST) -> dict[str, int]:
    """The line where a function first gives each name a value; 0 for its arguments."""
    lines: dict[str, int] = {}
    for node in ast.walk(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            lines[node.id] = min(lines.get(node.id, node.lineno), node.lineno)
        elif isinstance(node, ast.arg):
            lines[node.arg] = 0
    return lines


def _blocks(block: _Block) -> Iterator[_Block]:
    """A block and those inside it, without what serves to report, to save or to test."""
    if not isinstance(block.scope, ast.ClassDef):
        yield block
    for statement in block.body:
        where, scope, bound = block.where, block.scope, block.bound
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            where, scope = f"{where}.{statement.name}" if where else statement.name, statement
            if words.named(statement.name, ASIDE):
                continue
            bound = _bound(statement)
        elif _is_main(statement):
            continue
        parts = [getattr(statement, field, []) for field in ("body", "orelse", "finalbody")]
        for part in [*parts, *(handler.body for handler in getattr(statement, "handlers", []))]:
            if part:
                yield from _blocks(_Block(part, where, scope, bound))


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself, without its blocks, annotations, indices and f-strings."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    skip = {id(getattr(statement, "annotation", None))}
    todo = [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.expr) and id(part) not in skip]
    while todo:
        node = todo.pop(0)
        yield node
        if isinstance(node, ast.Subscript):
            todo.append(node.value)
        elif not isinstance(node, ast.JoinedStr) and not _silent(node):
            todo += _parts(node)


def _parts(node: ast.expr) -> list[ast.expr]:
    """The expressions directly inside another, through keywords and comprehensions."""
    inside: list[ast.AST] = []
    for part in ast.iter_child_nodes(node):
        inside += ast.iter_child_nodes(part) if isinstance(part, ast.comprehension | ast.keyword) else [part]
    return [part for part in inside if isinstance(part, ast.expr)]


# ---- siblings --------------------------------------------------------------------------------------------------

_Swap = tuple[Span, str, str, float]


def _swaps(source: Source, node: ast.expr, functions: set[str]) -> Iterator[_Swap]:
    """(span, new text, in words, worth) of what can stand in for this expression or its operator."""
    if isinstance(node, ast.Name | ast.Attribute):
        yield from _renamed(source, node, functions)
    elif isinstance(node, ast.BinOp) and not _text(node.left) and not _text(node.right):
        yield from _operator(source, node.op, node.left, node.right, CALCULATED)
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _operator(source, node.ops[0], node.left, node.comparators[0], COMPARED)
    elif isinstance(node, ast.BoolOp) and len(node.values) == 2:
        yield from _operator(source, node.op, node.values[0], node.values[1], COMPARED)
    elif isinstance(node, ast.Call):
        yield from _called(source, node)


def _renamed(source: Source, node: ast.Name | ast.Attribute, functions: set[str]) -> Iterator[_Swap]:
    """A function by its sibling, where the module or the file is known to have it."""
    name = node.id if isinstance(node, ast.Name) else node.attr
    library = isinstance(node, ast.Attribute) and _root(node.value) in LIBRARIES
    _, end = source.span(node)
    for other in SIBLINGS.get(name, ()):
        if library or other in functions:
            yield (end - len(name), end), other, f"{name} -> {other}", ODD if name in PLAIN_MATHS else SIBLING
    swapped = {"max": "min", "min": "max"}.get(name)
    if swapped and isinstance(node, ast.Name):
        yield (end - len(name), end), swapped, f"{name} -> {swapped}", SWAPPED


def _called(source: Source, node: ast.Call) -> Iterator[_Swap]:
    """`sorted(x)` the other way round; the square of an activation."""
    name = _called_name(node)
    start, end = source.span(node)
    if name == "sorted" and node.args and not any(item.arg == "reverse" for item in node.keywords):
        yield (end - 1, end), ", reverse=True)", "sorted the other way round", SWAPPED
    if name == "relu":
        yield (start, end), f"({source.text[start:end]} ** 2)", "relu squared", SIBLING


def _operator(source: Source, op: ast.AST, left: ast.expr, right: ast.expr, worth: float) -> Iterator[_Swap]:
    """An operator by its sibling; it stands between the two, beside brackets and blanks."""
    if type(op) not in OPERATORS:
        return
    old, new = OPERATORS[type(op)]
    start, end = source.span(left)[1], source.span(right)[0]
    match = re.fullmatch(rf"[\s)]*({re.escape(old)})[\s(]*", source.text[start:end])
    if match:
        yield (start + match.start(1), start + match.end(1)), new, f"{old} -> {new}", worth


def _swap(path: str, source: Source, statement: ast.stmt, where: str, swap: _Swap) -> Mutation:
    (start, end), new, kind, worth = swap
    head = _head(source, statement)
    at = source.span(statement)[0]
    after = head[: start - at] + new + head[end - at :]
    title = f"{kind} in `{_short(head)}` ({path})"
    known = f"{path}:{where}:{_plain(head)} => {_plain(after)}"
    return Mutation(known, path, (start, end), new, title, "Its nearest relative, in its place.", worth)


# ---- leaving out -----------------------------------------------------------------------------------------------


def _left_out(path: str, source: Source, block: _Block, place: int) -> Iterator[Mutation]:
    """The file without this statement, if what follows it can do without."""
    statement = block.body[place]
    worth = _loss(statement, block)
    if not worth or len(block.body) == 1 or _leaves(statement):
        return
    span, new = _whole_lines(source, statement)
    said = source.cut(statement)
    title = f"leave out `{_short(said)}` ({path})"
    yield Mutation(f"{path}:{block.where}:{_plain(said)} => ", path, span, new, title, "Is it needed at all?", worth)


def _loss(statement: ast.stmt, block: _Block) -> float:
    """How promising it is to leave a statement out; 0 where something later would surely miss it.

    Without `x = norm(x)` or `x += y` there still is an x; without a call its effect is missing, which may be a gain.
    """
    if isinstance(statement, ast.Expr):
        name = _called_name(statement.value)
        return CALLED if name and name not in FEEDS and not _silent(statement.value) else 0.0
    if isinstance(statement, ast.AugAssign):
        return (
            REFINED if not isinstance(statement.value, ast.Constant) and isinstance(statement.target, ast.Name) else 0.0
        )
    if isinstance(statement, ast.If):
        settings = any(isinstance(node, ast.Name) and node.id.isupper() for node in ast.walk(statement.test))
        parts = [_loss(part, block) for part in (*statement.body, *statement.orelse)]
        return 0.0 if settings else min(parts)
    if isinstance(statement, ast.Assign):
        bound, read = _given(statement), _names(statement.value, ast.Load)
        before = bound <= block.bound_before(statement.lineno)
        return (REFINED if bound & read else ODD) if bound and before else 0.0
    return 0.0


def _given(statement: ast.stmt) -> set[str]:
    """The names that an assignment gives a value to, without those of comprehensions inside it."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", statement)]
    plain = isinstance(statement, ast.Assign | ast.AugAssign)
    return {name for target in targets for name in _names(target, ast.Store)} if plain else set()


def _names(node: ast.AST, kind: type[ast.expr_context]) -> set[str]:
    """The names that are bound or read in a statement; what is bound in an attribute or an item has no name here."""
    named = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute | ast.Subscript)]
    return {part.id if isinstance(part, ast.Name) else "?" for part in named if isinstance(part.ctx, kind)}


def _leaves(statement: ast.stmt) -> bool:
    """Whether it holds a return or a definition: leaving it out would change what the function is."""
    kinds = (ast.Return, ast.Yield, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Break, ast.Raise)
    return any(isinstance(node, kinds) for node in ast.walk(statement))


def _whole_lines(source: Source, statement: ast.stmt) -> tuple[Span, str]:
    """Its lines with their end, if it has them to itself; else its place is taken by `pass`."""
    start, end = source.span(statement)
    first, last = source.line(statement.lineno), source.line(statement.end_lineno or statement.lineno)
    before, after = source.text[first[0] : start], source.text[end : last[1]]
    if before.strip() or (after.strip() and not after.strip().startswith("#")):
        return (start, end), "pass"
    return (first[0], last[1]), ""


# ---- words -----------------------------------------------------------------------------------------------------


def _quiet(statement: ast.stmt) -> bool:
    """Whether a statement is none of a researcher's business: prints, errors, imports, reading the surroundings."""
    if isinstance(statement, ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal):
        return True
    if _is_main(statement):
        return True
    return isinstance(statement, ast.Expr) and (isinstance(statement.value, ast.Constant) or _silent(statement.value))


def _only_for(statement: ast.stmt, shown: set[str]) -> bool:
    """Whether all that a statement does is to give values to names that are only printed."""
    bound = _given(statement)
    return bool(bound) and bound <= shown


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)


def _called_name(node: ast.AST) -> str:
    """The last name of the function that is called; "" when it is no call."""
    function = getattr(node, "func", None)
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _silent(node: ast.expr) -> bool:
    """A call that reports, reads or writes."""
    name = _called_name(node)
    return name in words.QUIET_CALLS or name.startswith(("read", "write", "save", "dump", "load", "__"))


def _text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _head(source: Source, statement: ast.stmt) -> str:
    """A statement without its blocks."""
    start, end = source.span(statement)
    body = getattr(statement, "body", None)
    return source.text[start : source.span(body[0])[0] if isinstance(body, list) and body else end].rstrip()


def _plain(text: str) -> str:
    """A statement as an identity: numbers and blanks do not tell it apart."""
    return re.sub(r"(?<![\w.])\d[\w.]*", "0", " ".join(text.split()))[:MOST_IDENTITY_CHARACTERS]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."
