"""What a scorer does with what a candidate left, as far as its own text tells.

Covered: Python: the script of `[score] command` and the track's modules that it imports; names through which artefacts or an
oracle's answers flow.
Not covered: other languages, installed packages, names that are put together while it runs.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Callable, Iterator
from itertools import chain

from overnight import syntax
from overnight.track.spec import Track

Read = Callable[[str], str | None]  # the text of a file of the track by its path, None where there is none
MOST_TOLERANCE = 0.1  # a larger number that something is compared with is no tolerance
_PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
_DOES = {
    **dict.fromkeys(("exec", "eval", "compile", "runpy.run_path", "runpy.run_module", "os.system", "os.popen"), "executes"),
    **dict.fromkeys(("__import__", "importlib.import_module", "importlib.util.spec_from_file_location",
                     "importlib.machinery.SourceFileLoader", "sys.path.append", "sys.path.insert", "ctypes.CDLL",
                     "ctypes.cdll.LoadLibrary"), "imports"),
    **dict.fromkeys(("pandas.read_pickle", "yaml.unsafe_load"), "unpickles")}
_SOURCES = {"artifact", "numbers", "array", "tensors", "Oracle", "fresh"}  # of overnight.scoring: what a candidate left or says
_STARTS = re.compile(r"subprocess\.(run|call|check_call|check_output|Popen)|os\.(exec|spawn|posix_spawn)\w*")
_INTERPRETER = re.compile(r"(.*/)?(python[\d.]*|bash|sh|node|perl|ruby|julia|Rscript)")
_TOLERANCE = re.compile(r"tol|eps|slack", re.IGNORECASE)
Trees = dict[str, ast.Module]


def parsed(track: Track, read: Read) -> Trees:
    """The scorer's files by path, those that are Python and can be parsed."""
    waiting = [word for word in (track.score.command if track.score else ()) if word.endswith(".py")]
    found: Trees = {}
    while waiting:
        path = posixpath.normpath(waiting.pop())
        text = None if path in found else read(path)
        if text is None:
            continue
        try:
            found[path] = syntax.module(text)
        except (SyntaxError, ValueError, RecursionError):
            continue
        for name in imports(found[path]).values():
            parts = name.split(".")
            waiting += [posixpath.join(posixpath.dirname(path), *parts[:n]) + ".py" for n in range(1, len(parts) + 1)]
    return found


def forgeable(trees: Trees) -> str:
    """Where a scorer imports, executes or unpickles what a candidate left, so that it can forge its score; "" if nowhere."""
    flowing = _flowing(trees)
    for path, tree in trees.items():
        names = imports(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (does := _does(node, dotted(node.func, names), flowing)):
                return f"{path}, line {node.lineno}, {does} what a candidate left ({dotted(node.func, names)})"
    return ""


def tolerances(trees: Trees) -> list[tuple[float, str]]:
    """Small numbers that something is compared with or that are called so, the largest first, each with its file."""
    found = set()
    for path, tree in trees.items():
        compared = [node for each in ast.walk(tree) if isinstance(each, ast.Compare) for node in ast.walk(each)]
        names = {node.id for node in compared if isinstance(node, ast.Name)}
        named = ((node.targets[0], node.value) for node in ast.walk(tree) if isinstance(node, ast.Assign))
        given = (node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and _TOLERANCE.search(node.arg or ""))
        values = (value for target, value in named
                  if isinstance(target, ast.Name) and (target.id in names or _TOLERANCE.search(target.id)))
        found |= {(node.value, path) for node in chain(compared, given, values)
                  if isinstance(node, ast.Constant) and isinstance(node.value, float) and 0 < node.value <= MOST_TOLERANCE}
    return sorted(found, reverse=True)


def imports(tree: ast.Module) -> dict[str, str]:
    """The names that imports bind, and what each stands for."""
    found = dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {n.asname: n.name for n in node.names if n.asname}
            found |= {root: root for n in node.names if not n.asname for root in [n.name.partition(".")[0]]}
        elif isinstance(node, ast.ImportFrom):
            found |= {n.asname or n.name: f"{node.module or ''}.{n.name}".lstrip(".") for n in node.names}
    return found


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    """A function's full name; "" where it has none."""
    if isinstance(node, ast.Attribute):
        return f"{before}.{node.attr}" if (before := dotted(node.value, names)) else ""
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def _flowing(trees: Trees) -> set[str]:
    """The names that may hold what a candidate left."""
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    found = {bound for tree in trees.values() for bound, name in imports(tree).items()
             if name.startswith("overnight.scoring.") and name.rpartition(".")[2] in _SOURCES}
    functions = {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}
    before = -1
    while len(found) > before:
        before = len(found)
        for node in nodes:
            found.update(_bound(node, found, functions))
    return found


def _bound(node: ast.AST, flowing: set[str], functions: dict[str, ast.FunctionDef]) -> Iterator[str]:
    """The names to which a node hands on what flows."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value is not None and _meets(node.value, flowing):
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            yield from _named(target)
    elif isinstance(node, ast.For | ast.comprehension) and _meets(node.iter, flowing):
        yield from _named(node.target)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None and _meets(node.context_expr, flowing):
        yield from _named(node.optional_vars)
    elif isinstance(node, ast.FunctionDef):
        if any(isinstance(each, ast.Return) and each.value and _meets(each.value, flowing) for each in ast.walk(node)):
            yield node.name
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions and _given(node, flowing):
        yield from (argument.arg for argument in functions[node.func.id].args.args)


def _named(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Attribute):
        yield target.attr
    elif isinstance(target, ast.Subscript | ast.Starred):
        yield from _named(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        yield from (name for each in target.elts for name in _named(each))


def _meets(node: ast.AST, flowing: set[str]) -> bool:
    """Whether an expression holds something that a candidate left."""
    return any((isinstance(each, ast.Name) and each.id in flowing) or (isinstance(each, ast.Attribute) and each.attr in flowing)
               or (isinstance(each, ast.Constant) and isinstance(each.value, str) and "OVERNIGHT_ARTIFACTS" in each.value)
               for each in ast.walk(node))


def _given(call: ast.Call, flowing: set[str]) -> bool:
    """Whether a call is given something that a candidate left."""
    return any(_meets(each, flowing) for each in (*call.args, *(k.value for k in call.keywords)))


def _does(call: ast.Call, name: str, flowing: set[str]) -> str:
    """What a call does with what a candidate left, if it is dangerous: a verb."""
    if not _given(call, flowing):
        return ""
    said = {k.arg: ast.unparse(k.value) for k in call.keywords}
    package, _, verb = name.rpartition(".")
    guarded = {"torch.load": said.get("weights_only") == "True", "numpy.load": said.get("allow_pickle", "False") == "False",
               "yaml.load": "Safe" in "".join((*map(ast.unparse, call.args[1:]), said.get("Loader", "")))}
    if (package in _PICKLES and verb in ("load", "loads", "open", "Unpickler")) or not guarded.get(name, True):
        return "unpickles"
    return "executes" if _STARTS.fullmatch(name) and call.args and _runs(call.args[0], flowing) else _DOES.get(name, "")


def _runs(command: ast.expr, flowing: set[str]) -> bool:
    """Whether the program of a command, or the script of an interpreter, is what a candidate left."""
    if not isinstance(command, ast.List | ast.Tuple):
        return _meets(command, flowing)
    words = [each for each in command.elts if not (isinstance(each, ast.Constant) and str(each.value).startswith("-"))]
    program = ast.unparse(words[0]).strip("'\"") if words else ""
    interpreter = program == "sys.executable" or _INTERPRETER.fullmatch(program)
    return any(_meets(each, flowing) for each in (words[:2] if interpreter else words[:1]))
