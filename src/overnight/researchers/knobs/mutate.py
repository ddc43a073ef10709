"""Small structural edits: leave a statement out, put a sibling in the place of a function or an operator.

An edit is known by what it does to which statement, never by its line, so that one which failed is not tried again
after edits elsewhere. Covered: edits that still parse and leave no name undefined in an obvious manner. Not covered:
whether they make sense; that is what the referee is for.
"""

from __future__ import annotations

import ast
import math
import random
import re
import statistics
from collections.abc import Iterator, Mapping

import numpy as np
from msgspec import Struct

from overnight.researchers.knobs import words
from overnight.researchers.knobs.clues import is_world, reporting
from overnight.researchers.knobs.edit import Source, Span, name_of, parse, sources, splice
from overnight.researchers.knobs.fields import names, part_of
from overnight.researchers.knobs.find import comments
from overnight.researchers.knobs.parts import Ruler
from overnight.researchers.knobs.ruler import of

FAMILIES = (  # what can stand in the place of what, where the same module offers it
    ("relu", "gelu silu leaky_relu tanh"),
    ("gelu silu", "silu gelu relu mish"),
    ("tanh leaky_relu", "gelu relu"),
    ("sigmoid", "tanh"),
    ("ReLU", "GELU SiLU LeakyReLU"),
    ("GELU SiLU", "SiLU GELU ReLU Mish"),
    ("Tanh", "GELU ReLU"),
    ("LayerNorm RMSNorm", "RMSNorm LayerNorm"),
    ("rms_norm layer_norm", "layer_norm rms_norm"),
    ("Adam AdamW", "AdamW Adam NAdam"),
    ("SGD RMSprop", "Adam AdamW"),
    ("xavier_uniform_ kaiming_uniform_", "orthogonal_ kaiming_uniform_ xavier_uniform_"),
    ("xavier_normal_ kaiming_normal_", "orthogonal_ kaiming_normal_ xavier_normal_"),
    ("quicksort", "mergesort heapsort"),
    ("list", "deque"),
    ("mean median", "median mean"),
    ("gauss", "uniform"),
    ("sqrt", "cbrt"),
    ("floor ceil", "ceil floor"),
)
SIBLINGS = {name: [other for other in others.split() if other != name] for names, others in FAMILIES for name in names.split()}
PLAIN_MATHS = words.among("mean median gauss sqrt floor ceil list sigmoid")
OPERATORS = {"+": "-", "-": "+", "*": "/", "/": "*", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "and": "or", "or": "and"}
SIBLING, REFINED, CALLED, SWAPPED, ODD, CALCULATED, COMPARED = 1.0, 0.5, 0.3, 0.15, 0.1, 0.05, 0.03  # how promising
ASIDE = words.among("serve save load report log print plot main test tests eval evaluate estimate flops parse repr")
FEEDS = words.among("append extend add appendleft push heappush update setdefault backward step start join close")
LIBRARIES = words.among("F nn torch jnp jax np numpy math init optim functional random statistics tf keras")
OFFERS = {"np": np, "numpy": np, "jnp": np, "math": math, "random": random, "statistics": statistics}  # what we can look into
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


def pick(files: Mapping[str, str | None], tried: Mapping[str, object], lots: random.Random,
         ruler: Ruler | None = None) -> tuple[Mutation, str] | None:
    """A mutation that was not tried, and the file as it then reads; the more promising kinds more often."""
    fresh = [edit for edit in mutations(files, ruler) if edit.id not in tried]
    for edit in sorted(fresh, key=lambda edit: lots.random() ** (1 / edit.worth), reverse=True):
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


def mutations(files: Mapping[str, str | None], ruler: Ruler | None = None) -> list[Mutation]:
    """Every mutation of every Python file that parses, each identity once; none that touches a line with `# knob: off`, or the
    ruler, which is what the files themselves tell of it where it is not given. Raises TrackError for a bad comment."""
    found: dict[str, Mutation] = {}
    ruler = of(files) if ruler is None else ruler
    parsed = [*sources(files)]
    taken = {part[1] for _, source in parsed for node in ast.walk(source.tree) if (part := part_of(node)) is not None}
    for path, source in parsed:
        off = [source.line(line) for line, wanted in comments(path, source).items() if wanted is None]
        for edit in _in_source(path, source, ruler, taken):
            if not ruler.bars(path, edit.span) and not any(_overlap(edit.span, line) for line in off):
                found.setdefault(edit.id, edit)
    return list(found.values())


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _in_source(path: str, source: Source, ruler: Ruler, taken: set[str]) -> Iterator[Mutation]:
    functions = {node.name for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef)}
    shown = reporting(source.tree)
    for block in _blocks(_Block(source.tree.body, "", source.tree, _bound(source.tree))):
        for statement in block.body:
            given = _given(statement)
            if _quiet(statement) or (given and given <= shown):  # or all that it does is to set what is only printed
                continue
            nodes = list(_expressions(statement))
            measures = any(map(words.ruler, given)) or any(map(_measures, nodes))
            alone = statement.value if isinstance(statement, ast.Expr) else None
            missed = isinstance(alone, ast.Call) and names(alone) & taken
            if not (measures or missed or ruler.holds(path, statement)):
                yield from _left_out(path, source, block, statement)
            if ruler.is_part(path, statement):
                continue
            for node in (node for node in nodes if not ruler.is_part(path, node) and not measures):
                for swap in _swaps(source, node, functions):
                    yield _swap(path, source, statement, block.where, swap)


def _measures(node: ast.expr) -> bool:
    """Whether a name is read that says of itself that it belongs to the ruler."""
    return isinstance(node, ast.Name) and len(node.id) > 1 and node.id != "best" and words.ruler(node.id)


class _Block(Struct, frozen=True):
    """Statements that stand together, the qualified name of what holds them, their function and the line where it first gives
    each name a value."""

    body: list[ast.stmt]
    where: str
    scope: ast.AST
    bound: dict[str, int]


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
        where, scope, bound, name = block.where, block.scope, block.bound, ""
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = statement.name
            where, scope, bound = f"{where}.{name}".lstrip("."), statement, _bound(statement)
        world = isinstance(statement, ast.ClassDef) and is_world(statement)
        if _is_main(statement) or words.named(name, ASIDE) or world:
            continue
        holders = [statement, *getattr(statement, "handlers", [])]
        for part in (getattr(holder, field, []) for holder in holders for field in ("body", "orelse", "finalbody")):
            if part:
                yield from _blocks(_Block(part, where, scope, bound))


def _expressions(statement: ast.stmt) -> Iterator[ast.expr]:
    """The expressions of a statement itself, without its blocks, annotations, indices and f-strings."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return
    todo = [part for part in ast.iter_child_nodes(statement)
            if isinstance(part, ast.expr) and part is not getattr(statement, "annotation", None)]
    while todo:
        node = todo.pop(0)
        yield node
        if isinstance(node, ast.Subscript):
            todo.append(node.value)
        elif not isinstance(node, ast.JoinedStr) and not _silent(node):
            for part in ast.iter_child_nodes(node):
                inside = ast.iter_child_nodes(part) if isinstance(part, ast.comprehension | ast.keyword) else [part]
                todo += [each for each in inside if isinstance(each, ast.expr)]


# ---- siblings --------------------------------------------------------------------------------------------------

_Swap = tuple[Span, str, str, float]


def _swaps(source: Source, node: ast.expr, functions: set[str]) -> Iterator[_Swap]:
    """(span, new text, in words, worth) of what can stand in for this expression or its operator."""
    match node:
        case ast.Name() | ast.Attribute():
            yield from _renamed(source, node, functions)
        case ast.BinOp(left=left, right=right) if not _text(left) and not _text(right):
            yield from _operator(source, left, right, CALCULATED)
        case ast.Compare(left=left, comparators=[right]) | ast.BoolOp(values=[left, right]):
            yield from _operator(source, left, right, COMPARED)
        case ast.Call():
            yield from _called(source, node)


def _renamed(source: Source, node: ast.expr, functions: set[str]) -> Iterator[_Swap]:
    """A function by its sibling, where the module or the file is known to have it."""
    name, root = name_of(node), node
    while isinstance(root, ast.Attribute):
        root = root.value
    library = root is not node and name_of(root) in LIBRARIES
    _, end = source.span(node)
    for other in SIBLINGS.get(name, ()):
        plain = isinstance(node, ast.Attribute) and node.value is root
        module = OFFERS.get(name_of(root)) if plain else None
        if other in functions or (library and (module is None or hasattr(module, other))):
            yield (end - len(name), end), other, f"{name} -> {other}", ODD if name in PLAIN_MATHS else SIBLING
    swapped = {"max": "min", "min": "max"}.get(name)
    if swapped and isinstance(node, ast.Name):
        yield (end - len(name), end), swapped, f"{name} -> {swapped}", SWAPPED


def _called(source: Source, node: ast.Call) -> Iterator[_Swap]:
    """`sorted(x)` the other way round; the square of an activation."""
    name, (start, end) = name_of(node.func), source.span(node)
    if name == "sorted" and node.args and not any(item.arg == "reverse" for item in node.keywords):
        yield (end - 1, end), ", reverse=True)", "sorted the other way round", SWAPPED
    if name == "relu":
        yield (start, end), f"({source.text[start:end]} ** 2)", "relu squared", SIBLING


def _operator(source: Source, left: ast.expr, right: ast.expr, worth: float) -> Iterator[_Swap]:
    """An operator by its sibling; it stands between the two, beside brackets and blanks."""
    start, end = source.span(left)[1], source.span(right)[0]
    match = re.fullmatch(r"[\s)]*([^\s()]+)[\s(]*", source.text[start:end])
    if match and (new := OPERATORS.get(match[1])):
        yield (start + match.start(1), start + match.end(1)), new, f"{match[1]} -> {new}", worth


def _swap(path: str, source: Source, statement: ast.stmt, where: str, swap: _Swap) -> Mutation:
    (start, end), new, kind, worth = swap
    at, last = source.span(statement)
    body = getattr(statement, "body", None)
    head = source.text[at : source.span(body[0])[0] if isinstance(body, list) and body else last].rstrip()
    known = f"{path}:{where}:{_plain(head)} => {_plain(head[: start - at] + new + head[end - at :])}"
    title = f"{kind} in `{_short(head)}` ({path}, line {statement.lineno})"
    return Mutation(known, path, (start, end), new, title, "Its nearest relative, in its place.", worth)


# ---- leaving out -----------------------------------------------------------------------------------------------


def _left_out(path: str, source: Source, block: _Block, statement: ast.stmt) -> Iterator[Mutation]:
    """The file without this statement, if what follows it can do without."""
    worth = _loss(statement, block)
    if not worth or len(block.body) == 1 or _leaves(statement):
        return
    span, new = _whole_lines(source, statement)
    said = source.cut(statement)
    title = f"leave out `{_short(said)}` ({path}, line {statement.lineno})"
    yield Mutation(f"{path}:{block.where}:{_plain(said)} => ", path, span, new, title, "Is it needed at all?", worth)


def _loss(statement: ast.stmt, block: _Block) -> float:
    """How promising it is to leave a statement out; 0 where something later would surely miss it.

    Without `x = norm(x)` or `x += y` there still is an x; without a call its effect is missing, which may be a gain.
    """
    match statement:
        case ast.Expr(value=ast.Call(func=function) as call):
            return CALLED if (name := name_of(function)) and name not in FEEDS and not _silent(call) else 0.0
        case ast.AugAssign(target=ast.Name(), value=value):
            return 0.0 if isinstance(value, ast.Constant) else REFINED
        case ast.If(test=test, body=body, orelse=orelse):
            settings = any(isinstance(node, ast.Name) and node.id.isupper() for node in ast.walk(test))
            return 0.0 if settings else min(_loss(part, block) for part in (*body, *orelse))
        case ast.Assign(value=value):
            bound, read = _given(statement), _names(value, ast.Load)
            before = all(block.bound.get(name, statement.lineno) < statement.lineno for name in bound)
            return (REFINED if bound & read else ODD) if bound and before else 0.0
    return 0.0


def _given(statement: ast.stmt) -> set[str]:
    """The names that an assignment gives a value to, without those of comprehensions inside it."""
    if not isinstance(statement, ast.Assign | ast.AugAssign):
        return set()
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return {name for target in targets for name in _names(target, ast.Store)}


def _names(node: ast.AST, kind: type[ast.expr_context]) -> set[str]:
    """The names that are bound or read in a statement; what is bound in an attribute or an item has no name here."""
    named = [part for part in ast.walk(node) if isinstance(part, ast.Name | ast.Attribute | ast.Subscript)]
    return {part.id if isinstance(part, ast.Name) else "?" for part in named if isinstance(part.ctx, kind)}


def _leaves(statement: ast.stmt) -> bool:
    """Whether it holds a return or a definition: leaving it out would change what the function is."""
    kinds = (ast.Return, ast.Yield, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Break, ast.Raise)
    return any(isinstance(node, kinds) for node in ast.walk(statement))


def _whole_lines(source: Source, statement: ast.stmt) -> tuple[Span, str]:
    """Its lines with their end, if it has them to itself; else it alone, with one of the semicolons beside it."""
    start, end = source.span(statement)
    first, last = source.line(statement.lineno), source.line(statement.end_lineno or statement.lineno)
    before, after = source.text[first[0] : start], source.text[end : last[1]]
    if not before.strip() and (not after.strip() or after.strip().startswith("#")):
        return (first[0], last[1]), ""
    if follows := re.match(r"\s*;[ \t]*(?=[^\s#])", after):
        return (start, end + follows.end()), ""
    if follows := re.search(r"\s*;\s*$", before):
        return (first[0] + follows.start(), end), ""
    return (start, end), "pass"


# ---- words -----------------------------------------------------------------------------------------------------


def _quiet(statement: ast.stmt) -> bool:
    """Whether a statement is none of a researcher's business: prints, errors, imports, reading the surroundings."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant) or _silent(statement.value)
    kinds = ast.Raise | ast.Assert | ast.Import | ast.ImportFrom | ast.Global | ast.Nonlocal
    return isinstance(statement, kinds) or _is_main(statement)


def _is_main(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "__name__" in ast.dump(statement.test)


def _silent(node: ast.expr) -> bool:
    """A call that reports, reads or writes."""
    name = name_of(node.func) if isinstance(node, ast.Call) else ""
    if isinstance(node, ast.Call) and (words.plots(node) or words.loads(name) or words.named(name, words.METRICS)):
        return True
    return name in words.QUIET_CALLS or name.startswith(("read", "write", "save", "dump", "load", "__"))


def _text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _plain(text: str) -> str:
    """A statement as an identity: numbers and blanks do not tell it apart."""
    return re.sub(r"(?<![\w.])\d[\w.]*", "0", " ".join(text.split()))[:MOST_IDENTITY_CHARACTERS]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:57] + "..."
