"""What cannot matter because it did not run: statements that a traced run never entered, and constants that only those read or
that something else overrides."""

from __future__ import annotations

import ast
import difflib
import types
from collections.abc import Iterator, Mapping

from overnight import syntax
from overnight.contracts import Executed
from overnight.researchers.knobs.edit import Source, parse
from overnight.researchers.knobs.parts import Key, Ruler, key_of
from overnight.researchers.knobs.scopes import Function


def dead(files: Mapping[str, str | None], executed: Executed | None) -> Ruler:
    """The parts of Python files that did not run, as far as that is known; what is new since the traced run counts as run."""
    found: set[Key] = set()
    sources = {path: source for path, text in files.items() if path.endswith(".py") and text and (source := parse(text))}
    if executed is not None:
        for path, source in sources.items():
            if path in executed.files:
                found |= _in_file(path, source, executed)
        found |= _unread(sources, found)
    return Ruler(frozenset(found))


def _in_file(path: str, source: Source, executed: Executed) -> set[Key]:
    before, ran = executed.files[path], executed.lines.get(path, frozenset())
    can, same = _executable(before), _same(before, source.text)
    found: set[Key] = set()
    for statement in (node for node in ast.walk(source.tree) if isinstance(node, ast.stmt)):
        if not _runs(statement, same, can, ran):
            found |= set(_keys(path, statement))
        if isinstance(statement, Function) and not any(_runs(inner, same, can, ran) for inner in statement.body):
            for default in (*statement.args.defaults, *filter(None, statement.args.kw_defaults)):
                found |= set(_keys(path, default))
    return found | set(_overridden(path, source, before, executed.values.get(path, {})))


def _executable(text: str) -> set[int]:
    """The lines of a file that can run."""
    try:
        waiting = [compile(text, "traced", "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return set()
    found: set[int] = set()
    while waiting:
        code = waiting.pop()
        found |= {line for _, _, line in code.co_lines() if line}
        waiting += [part for part in code.co_consts if isinstance(part, types.CodeType)]
    return found


def _same(before: str, now: str) -> dict[int, int]:
    """The lines of today that are those of the traced run, with their numbers then."""
    pairs = difflib.SequenceMatcher(None, before.split("\n"), now.split("\n"), autojunk=False).get_matching_blocks()
    return {block.b + k + 1: block.a + k + 1 for block in pairs for k in range(block.size)}


def _runs(statement: ast.stmt, same: Mapping[int, int], can: set[int], ran: frozenset[int]) -> bool:
    """Whether the head of a statement ran, may have run, or cannot run at all."""
    body = getattr(statement, "body", None)
    last = body[0].lineno - 1 if isinstance(body, list) and body else statement.end_lineno or statement.lineno
    lines = range(statement.lineno, max(last, statement.lineno) + 1)
    then = [same.get(line) for line in lines]
    able = [line for line in then if line in can]
    return None in then or not able or any(line in ran for line in able)


def _keys(path: str, node: ast.AST) -> Iterator[Key]:
    return (key_of(path, part) for part in ast.walk(node) if isinstance(part, ast.stmt | ast.expr))


def _unread(sources: Mapping[str, Source], gone: set[Key]) -> set[Key]:
    """Constants of modules that only what did not run reads; what nothing reads may be read by files that are not here."""
    found: set[Key] = set()
    reads: dict[str, list[bool]] = {}
    for path, source in sources.items():
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                name = node.id if isinstance(node, ast.Name) else node.attr
                reads.setdefault(name, []).append(key_of(path, node) in gone)
    for path, source in sources.items():
        for statement in source.tree.body:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)]) if all(reads.get(name, [False])):
                    found |= set(_keys(path, statement))
    return found


def _overridden(path: str, source: Source, before: str, values: Mapping[str, str]) -> Iterator[Key]:
    """Constants of the program itself that are set once in its text and were worth something else at the end: a file of
    settings, or the command, has the last word. `before` is the text that ran."""
    ran = _constants(parse(before))
    for name, value in _constants(source).items():
        if name in values and name in ran and ast.dump(ran[name]) != _parsed(values[name]):
            yield from _keys(path, value)


def _parsed(text: str) -> str:
    """What a value looks like; "" where it is no expression, or one that is nested too deeply to be one that is meant."""
    try:
        return ast.dump(syntax.expression(text))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""


def _constants(source: Source | None) -> dict[str, ast.expr]:
    """The constants that a module sets once, and nothing in the file sets again."""
    found: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(source.tree) if source else ():
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).append(node.value if isinstance(node.value, ast.Constant) else None)
        for target in ast.walk(node) if isinstance(node, ast.AugAssign | ast.For | ast.Global) else ():
            if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                found.setdefault(target.id, []).append(None)
            elif isinstance(target, ast.Global):
                for name in target.names:
                    found.setdefault(name, []).append(None)
    return {name: values[0] for name, values in found.items() if len(values) == 1 and values[0] is not None}
