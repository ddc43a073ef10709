"""From the steps of an answer to the files that they leave: one application for every form. Pure."""

from __future__ import annotations

import ast
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from overnight import syntax
from overnight.contracts import Brief, Change
from overnight.errors import EditError
from overnight.researchers.llm.edits import matching
from overnight.researchers.llm.edits.form import SHOWN, Edit, unix
from overnight.researchers.llm.edits.reading import parse
from overnight.researchers.llm.edits.settling import is_whole, settled
from overnight.track import regions
from overnight.track.spec import covers

TITLE = 120  # characters
COMMENT = r"(?:#+|//+|--|;+|/\*+|<!--|%+)"
REST = r"(?:the\s+)?(?:rest|remainder|remaining|existing|previous|unchanged|same)"
CODE = "(?:code|file|function|class|method|lines?|body|here|above|before|unchanged|same|implementation)"
# A line that stands for code that is not written out.
ELIDED = re.compile(rf"\s*{COMMENT}?\s*(?:\.\.\.|…|\[\.\.\.\])(?!\w).*|"
                    rf"\s*{COMMENT}\s*[\[(<]?\s*{REST}\b.{{0,60}}\b{CODE}\b.*", re.IGNORECASE)
LONGEST_ELIDED = 200  # characters of a line that may be one


def change(text: str, brief: Brief) -> Change:
    """The change that an answer asks for. Raises EditError with a reason for the model."""
    written = parse(text, brief.files)
    edits = settled(written.edits, brief.files)
    files = applied(edits, brief.files, brief.editable)
    for path, after in files.items():
        if brief.region and regions.crossed(brief.files.get(path), after, brief.region):
            first, last = regions.ends(brief.region)
            raise EditError(f"{path}: only the lines between the one with {first} and the one with {last} may change; those "
                            "two and all others must stay as they are.")
    return Change(files, written.message if written.title else _named(edits))


def _named(edits: Sequence[Edit]) -> str:
    """A title for a change without one."""
    edit = edits[-1]
    new = next((line.strip() for line in edit.replace if line.strip() and line not in edit.search), "")
    return " ".join(f"{edit.path}: {new or 'lines removed'}"[:TITLE].split())


def applied(edits: Iterable[Edit], files: Mapping[str, str], editable: Sequence[str]) -> dict[str, str | None]:
    """The files that the edits leave different, as a Change holds them. Raises EditError."""
    now: dict[str, str | None] = dict(files)
    for count, edit in enumerate(edits, 1):
        _bounded(edit.path, files, editable)
        there = sorted(path for path, text in now.items() if text is not None)
        now[edit.path] = _step(edit, now.get(edit.path), f"block {count} ({edit.path})", there)
    changed = {path: text for path, text in now.items() if text != files.get(path)}
    if not changed:
        raise EditError("the change changes nothing: what it writes is there already.")
    for path, text in changed.items():
        _parses(path, text)
    return changed


def _bounded(path: str, files: Mapping[str, str], editable: Sequence[str]) -> None:
    plain = path.isprintable() and all(part not in ("", ".", "..") for part in path.split("/"))
    if not plain or not (any(covers(pattern, path) for pattern in editable) or (not editable and path in files)):
        may = ", ".join(editable) or ", ".join(sorted(files))
        raise EditError(f"{path[:SHOWN]!r} may not be edited: only {may[:1000]} may.")


def _step(edit: Edit, text: str | None, name: str, there: Sequence[str]) -> str | None:
    """A file after one edit; None: it is gone."""
    if edit.kind == "delete":
        if text is None:
            raise _missing(edit, name, there)
        return None
    _written_out(edit, text or "", name)
    near = difflib.get_close_matches(edit.path, there, 1, 0.8)
    if edit.kind == "new" or (not text and not edit.search and (edit.kind == "edit" or text == "" or not near)):
        if text:
            raise EditError(f"{name}: the file exists already; change it with 'FILE: path' and search lines.")
        if edit.search:
            raise EditError(f"{name}: a new file has nothing to search for; leave the SEARCH part empty.")
        return "".join(line + "\n" for line in edit.replace)
    if text is None:
        raise _missing(edit, name, there)
    body = unix(text)
    lines, ends = (body.removesuffix("\n").split("\n") if body else []), body.endswith("\n")
    lines = _rewritten(edit, lines, name) if edit.kind == "whole" else _replaced(edit, lines, name)
    after = "\n".join(lines) + ("\n" if ends and lines else "")
    return after if body == text else after.replace("\n", "\r\n")


def _missing(edit: Edit, name: str, there: Sequence[str]) -> EditError:
    near = difflib.get_close_matches(edit.path, there, 1)
    meant = f" (did you mean {near[0]}?)." if near else "; write 'NEW FILE: path' to make one."
    return EditError(f"{name}: there is no such file{meant}")


def _replaced(edit: Edit, lines: list[str], name: str) -> list[str]:
    if not edit.search:
        raise EditError(f"{name}: the SEARCH part is empty; quote the lines that are to be replaced.")
    place = matching.only(edit.search, lines, name, edit.line)
    had = lines[place.start:place.end]
    new = matching.adapted(edit.search, edit.replace, had, place.blank)
    if new is None:
        raise EditError(f"{name}: line {place.start + 1} differs in its spaces: it is {had[0][:SHOWN]!r}, not "
                        f"{edit.search[0][:SHOWN]!r}.")
    return [*lines[:place.start], *new, *lines[place.end:]]


def _rewritten(edit: Edit, lines: list[str], name: str) -> list[str]:
    """The whole text of a file, if it is that."""
    if not is_whole(edit.replace, lines):
        raise EditError(f"{name}: what stands in the fence is not the whole file: write the lines that change as a "
                        "SEARCH/REPLACE block.")
    if edit.path.endswith(".py") and (lost := _lost("\n".join(lines), "\n".join(edit.replace))):
        raise EditError(f"{name}: the new file uses {lost[0]}, which it no longer defines: write out the whole file.")
    return list(edit.replace)


def _written_out(edit: Edit, text: str, name: str) -> None:
    """Raise EditError where new lines stand for code that is left out."""
    known = Counter(line.strip() for line in [*text.split("\n"), *edit.search])
    for line in edit.replace:
        if len(line) <= LONGEST_ELIDED and ELIDED.fullmatch(line) and line.strip() not in known:
            raise EditError(f"{name}: {line.strip()[:SHOWN]!r} leaves code out: write out every line that shall stand there.")


def _lost(before: str, after: str) -> list[str]:
    """What a Python file used to define or import at its top, no longer does, and still uses."""
    try:
        old, new = syntax.module(before), syntax.module(after)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []  # `_parses` says so
    used = {node.id for node in ast.walk(new) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {name for node in ast.walk(new) for name in _bound(node)}
    return sorted({name for node in old.body for name in _top(node)} & used - bound)


def _top(node: ast.stmt) -> Iterable[str]:
    """The names that a statement at the top of a program binds there."""
    inside = [node] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else ast.walk(node)
    return [name for each in inside for name in _bound(each)]


def _bound(node: ast.AST) -> Iterable[str]:
    """The names that a part of a program binds."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
            return (name,)
        case ast.Name(id=name, ctx=ast.Store()):
            return (name,)
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return tuple((each.asname or each.name).partition(".")[0] for each in names)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return (name,)
    return ()


def _parses(path: str, text: str | None) -> None:
    if text is None or not path.endswith(".py"):
        return
    try:
        syntax.module(text)
    except SyntaxError as error:
        row = error.lineno or 1
        shown = "".join(text.split("\n")[row - 1:row])[:SHOWN]
        raise EditError(f"{path} no longer parses: {error.msg} on line {row}, {shown!r}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise EditError(f"{path} no longer parses: {str(error)[:SHOWN]}.") from error
