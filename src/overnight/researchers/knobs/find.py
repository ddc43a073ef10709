"""Finds what can be turned in a Python file: constants first, defaults next, numbers inside expressions last.

Every knob has an identity that survives edits elsewhere in the file: `train.py:LEARNING_RATE`, `train.py:Config.width`,
`train.py:adam(beta1=)`, `train.py:train:momentum#2` (the second literal of the statement that sets `momentum`).
"""

from __future__ import annotations

import ast
import io
import math
import re
import tokenize
from collections import Counter
from collections.abc import Iterator, Mapping

from overnight.errors import TrackError
from overnight.researchers.knobs import scales, texts, words
from overnight.researchers.knobs.clues import Calls, alternatives, called, is_world, overridden, reporting
from overnight.researchers.knobs.edit import Source, name_of, sources
from overnight.researchers.knobs.knob import ASKED_FOR, CAPITALS, LOCAL, TOP, Knob, structure
from overnight.researchers.knobs.parts import Ruler
from overnight.researchers.knobs.reports import shows
from overnight.researchers.knobs.ruler import of
from overnight.researchers.knobs.scales import Scale, Value

DEFAULT, OPTION, KEYWORD, INNER = 0.75, 0.75, 0.5, 0.25
TABLE = 6  # a longer row of numbers is data
PLAIN = (0, 1, -1, 2)  # inside an expression these are structure

NAMELESS = ("", "if", "for", "while", "expr", "return", "with", "assign", "decorator")  # of a statement, not of a value
MOST_WRITTEN = 50  # characters of a line in a title
OPTIONS = ("add_argument", "option", "Option")  # of argparse, click and typer

UNTURNED = ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.Delete | ast.Match | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


def find(files: Mapping[str, str | None], ruler: Ruler | None = None) -> list[Knob]:
    """The knobs of all files, the most promising first, without those of the ruler: of what the files themselves tell of it
    where it is not given. Python that does not parse has none. Raises TrackError for a bad comment."""
    found: list[Knob] = []
    ruler = of(files) if ruler is None else ruler
    parsed = [*sources(files)]
    calls = called(source.tree for _, source in parsed)
    for path, source in parsed:
        finder = _Finder(path, source, ruler, calls)
        finder.body(source.tree.body, "", CAPITALS)
        found += finder.knobs
    may = [knob for knob in (*found, *texts.find(files, ruler.settings)) if not ruler.bars(knob.path, knob.span)]
    return sorted(may, key=lambda knob: -knob.worth)


def comments(path: str, source: Source) -> dict[int, Scale | None]:
    """What the `# knob:` comments ask for, by line; None: that nothing is turned there. Raises TrackError for a bad one."""
    if not re.search(r"#\s*knob:", source.text):
        return {}
    asked = {}
    lines = io.StringIO(source.text[source.starts[0] :], newline=None)
    for token in tokenize.generate_tokens(lines.readline):
        match = scales.KNOB.search(token.string) if token.type == tokenize.COMMENT else None
        if match:
            asked[token.start[0]] = scales.comment(match.group(1), f"{path}:{token.start[0]}")
    return asked


# ---- the walk --------------------------------------------------------------------------------------------------


class _Finder:
    """Walks a module and collects its knobs, in the order in which they stand there."""

    def __init__(self, path: str, source: Source, ruler: Ruler, calls: Calls) -> None:
        self.knobs: list[Knob] = []
        self._path, self._source, self._ruler = path, source, ruler
        self._asked, self._choices = comments(path, source), alternatives(source.tree)
        self._dead = overridden(source.tree, calls) | reporting(source.tree)
        self._names: Counter[str] = Counter()

    # -- statements

    def body(self, statements: list[ast.stmt], context: str, worth: float) -> None:
        """The statements of a module, a class, a function or a block."""
        for statement in statements:
            self.statement(statement, context, worth)

    def statement(self, node: ast.stmt, context: str, worth: float) -> None:
        """One statement; `worth` is that of a plain assignment here."""
        if isinstance(node, Function):
            self._function(node, context)
        elif isinstance(node, ast.ClassDef) and not is_world(node):
            self.body(node.body, _spot(context, node.name, "."), DEFAULT)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            self._assign(node, context, worth)
        elif isinstance(node, ast.AugAssign):
            self.expression(node.value, context, _target(node.target), INNER)
        elif isinstance(node, ast.If) and not node.orelse and all(map(shows, node.body)):
            return  # when to report
        elif not isinstance(node, UNTURNED):
            self._compound(node, context, type(node).__name__.lower(), LOCAL if worth == CAPITALS else worth)

    def _compound(self, node: ast.AST, context: str, kind: str, worth: float) -> None:
        """Whatever holds expressions, blocks or both."""
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                self.expression(part, context, kind, INNER)
            elif isinstance(part, ast.stmt):
                self.statement(part, context, worth)
            elif isinstance(part, ast.withitem):
                self.expression(part.context_expr, context, kind, INNER)
            elif isinstance(part, ast.ExceptHandler):
                self.body(part.body, context, worth)

    def _function(self, node: Function | ast.Lambda, context: str, name: str = "") -> None:
        where = _spot(context, name or getattr(node, "name", "lambda"), ".")
        spots = [*node.args.posonlyargs, *node.args.args]
        with_default = [*spots[len(spots) - len(node.args.defaults) :], *node.args.kwonlyargs]
        for arg, value in zip(with_default, [*node.args.defaults, *node.args.kw_defaults], strict=True):
            if value is not None:
                self._value(value, f"{where}({arg.arg}=)", arg.arg, DEFAULT)
        for decorator in getattr(node, "decorator_list", []):
            self.expression(decorator, where, "decorator", INNER)
        if isinstance(node, ast.Lambda):
            self.expression(node.body, where, "return", INNER)
        else:
            self.body(node.body, where, LOCAL)

    def _assign(self, node: ast.Assign | ast.AnnAssign, context: str, worth: float) -> None:
        target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
        for spot, value in _pairs(target, node.value):
            name = _target(spot)
            if isinstance(value, ast.Lambda):
                self._function(value, context, name)
            elif isinstance(spot, ast.Subscript):
                self._value(value, _spot(context, name), name, KEYWORD)
            else:
                rank = worth if worth != CAPITALS or name.isupper() else TOP
                self._value(value, _spot(context, name, "."), name, rank)

    # -- values: a literal with a name of its own

    def _value(self, node: ast.expr, where: str, name: str, worth: float) -> None:
        """What a name is set to: a literal, a row or a table of them, or an expression."""
        value = literal(node)
        if value is not None:
            self._see(node, where, name, value, 0.0 if structure(name, value, worth) else worth)
        elif isinstance(node, ast.Tuple | ast.List):
            few = len(node.elts) <= TABLE and not any(isinstance(item, ast.Tuple | ast.List) for item in node.elts)
            for place, item in enumerate(node.elts):
                self._value(item, f"{where}[{place}]", name, worth if few else 0.0)
        elif isinstance(node, ast.Dict):
            for key, item in zip(node.keys, node.values, strict=True):
                self._value(item, f"{where}[{_key(key)}]", _key(key).strip("'") or name, worth * 0.9)
        else:
            context, _, label = where.rpartition(".") if "(" not in where else ("", "", where)
            self.expression(node, context, label, INNER if worth else 0.0)

    def _see(self, node: ast.expr, where: str, name: str, value: Value, worth: float) -> None:
        """Make a knob of a literal with a name of its own, if it is worth turning (0: only if a comment asks for it)."""
        self._names[where] += 1
        if self._names[where] > 1:
            where = f"{where}#{self._names[where]}"
        text, line, (start, end) = self._source.cut(node), node.lineno, self._source.span(node)
        if text[:1] in "\"'" and not isinstance(value, str):  # a number in quotes
            text, start, end = text[1:-1], start + 1, end - 1
        dull = where in self._dead or words.never(name) or words.world(where) or text[:2].lower() in ("0x", "0b", "0o")
        worth = 0.0 if dull or self._ruler.holds(self._path, node) else worth * words.promise(name)
        scale = scales.guess(name, value, text, self._options(name, value))
        if line in self._asked:
            wanted = self._asked[line]
            if wanted is None:
                return
            if not scales.suits(wanted, value):
                raise TrackError(f"{self._path}:{line}: `# knob:` asks for {wanted.kind}, but {text} stands there")
            scale, worth = wanted, ASKED_FOR
        if worth > 0 and scales.finite(scale, value) and scales.moves(scale, value):
            self.knobs.append(Knob(f"{self._path}:{where}", self._path, self._label(where, line), (start, end), text, value,
                                   scale, worth, line))

    def _options(self, name: str, value: Value) -> tuple[str, ...]:
        """What a string may be besides. A text of several words is none of the options of a namesake, unless it is listed."""
        found = self._choices.get(name.lower(), ())
        return () if isinstance(value, str) and len(value.split()) > 1 and value not in found else found

    def _label(self, where: str, line: int) -> str:
        """What to call it: its name, or the line that it stands in where it has none."""
        name, _, place = where.rpartition("#")
        if "(" in where or not place.isdigit():
            return where
        if name.rpartition(":")[2] in NAMELESS:
            written = " ".join(self._source.text[slice(*self._source.line(line))].split())
            return f"`{written if len(written) <= MOST_WRITTEN else written[:MOST_WRITTEN - 3] + '...'}`:"
        return name if place == "1" else f"{name} (number {place})"

    # -- expressions: literals without a name

    def expression(self, node: ast.expr, context: str, label: str, worth: float) -> None:
        """Literals inside an expression, called after the statement that they belong to."""
        value = literal(node)
        if value is not None:
            spot = _spot(context, label)
            self._names[spot + "#"] += 1
            plain = isinstance(value, str | bool) or value in PLAIN
            self._see(node, f"{spot}#{self._names[spot + '#']}", label, value, 0.0 if plain else worth)
        elif isinstance(node, ast.Call):
            self._call(node, context, label, worth)
        elif isinstance(node, ast.Lambda):
            self._function(node, context, label)
        elif isinstance(node, ast.Dict):
            self._value(node, _spot(context, label), label, KEYWORD if worth else 0.0)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            self.expression(node.left, context, label, worth)
            self.expression(node.right, context, label, 0.0 if literal(node.right) in (2, 3, 0.5, -0.5) else worth)
        elif isinstance(node, ast.Compare):
            for part in (node.left, *node.comparators):
                self.expression(part, context, label, worth * 0.5)
        elif not isinstance(node, ast.JoinedStr):
            for part in _operands(node):
                self.expression(part, context, label, worth)

    def _call(self, node: ast.Call, context: str, label: str, worth: float) -> None:
        """The arguments of a call; those with a keyword have a name. Quiet calls (print, seed) have no knobs."""
        name = _target(node.func)
        quiet = name in words.QUIET_CALLS or words.plots(node)
        inner, keyword = (0.0, 0.0) if quiet or not worth else (worth, KEYWORD)
        if not worth and name[:1].isupper() and not quiet:
            inner, keyword = INNER, KEYWORD  # a model that is built inside a report
        named = [str(spot.value) for spot in node.args if isinstance(spot, ast.Constant) and str(spot.value)[:1] == "-"]
        named = named or [str(spot.value) for spot in node.args[:1] if isinstance(spot, ast.Constant)]
        option = max(named, key=len, default="") if name in OPTIONS else ""  # `--lr` of `add_argument("-l", "--lr", ...)`
        if worth and self._environment(node, name):
            return
        if isinstance(node.func, ast.Attribute):
            self.expression(node.func, context, label, inner)
        for argument in node.args:
            self.expression(argument, context, label, inner)
        for given in node.keywords:
            if option and given.arg == "default" and not words.ruler(option):
                self._value(given.value, option, option.lstrip("-"), OPTION)
            elif not option and given.arg:
                self._value(given.value, _spot(context, f"{name}({given.arg}=)"), given.arg, keyword)


    def _environment(self, node: ast.Call, name: str) -> bool:
        """`int(os.getenv("WIDTH", "64"))`, or the same without quotes: whether it was that, with the default as its knob."""
        inner = node.args[0] if name in ("int", "float") and len(node.args) == 1 else node
        match inner:
            case ast.Call(func=ast.Attribute(attr="getenv") | ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                          args=[ast.Constant(value=str() as variable), default]):
                value = scales.number(default.value) if isinstance(default, ast.Constant) else None
                if value is not None and not (isinstance(literal(default), str) and inner is node):
                    self._see(default, variable, variable, value, OPTION)
                return True
        return False


def literal(node: ast.expr) -> Value | None:
    """The value of a number, boolean or string that is written out; `-3`, `2**19` and `1 << 19` count as written out."""
    match node:
        case ast.Constant(value=bool() | int() | float() | str() as value):
            return None if isinstance(value, float) and not math.isfinite(value) else value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant() as operand):
            number = literal(operand)
            return None if number is None or isinstance(number, bool | str) else -number
        case ast.BinOp(left=ast.Constant(value=int() as base), op=op, right=ast.Constant(value=int() as exponent)):
            power = (isinstance(op, ast.Pow) and base == 2) or (isinstance(op, ast.LShift) and base == 1)
            return 1 << exponent if power and 3 <= exponent <= 62 else None
    return None


def _pairs(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Which target gets which value: `lr, beta = 0.1, 0.9` is two assignments."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for spot, item in zip(target.elts, value.elts, strict=True):
            yield from _pairs(spot, item)
    elif value is not None:
        yield target, value


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    """The parts of an expression that can hold a knob: what is looked up, not where."""
    if isinstance(node, ast.Subscript):
        yield node.value
        return
    for part in ast.iter_child_nodes(node):
        if isinstance(part, ast.expr):
            yield part
        elif isinstance(part, ast.comprehension):
            yield part.iter
            yield from part.ifs


def _target(node: ast.expr) -> str:
    """The name of what is set: `self.lr` is `lr`, `group['lr']` is `lr`."""
    if isinstance(node, ast.Subscript):
        return _key(node.slice).strip("'") or _target(node.value)
    return name_of(node)


def _key(node: ast.expr | None) -> str:
    return repr(node.value) if isinstance(node, ast.Constant) and isinstance(node.value, str | int) else ""


def _spot(context: str, label: str, mark: str = ":") -> str:
    return f"{context}{mark}{label}" if context else label
