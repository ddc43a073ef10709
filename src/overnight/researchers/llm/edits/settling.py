"""Which file each step of an answer means, and which of its steps were only drafts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from overnight.errors import EditError
from overnight.researchers.llm.edits import matching
from overnight.researchers.llm.edits.form import Edit, unix
from overnight.researchers.llm.edits.spot import FENCE

KEPT = 0.5  # share of a file's lines that a new text of the whole file still has
SHORT = 3  # lines of a file that may all be other


def settled(edits: Sequence[Edit], files: Mapping[str, str]) -> list[Edit]:
    """The steps that count, each with the path that it means. Raises EditError."""
    placed = [_placed(count, edit, files) for count, edit in enumerate(edits, 1)
              if edit.path or edit.kind != "whole"]
    if not placed:  # only then is a fence without a path a file: otherwise it shows an example, or how to run it
        placed = [found for edit in edits if (found := _of_some_file(edit, files))]
    if not placed:
        raise EditError("there is no edit in the answer that belongs to a file: write 'FILE: path' and a SEARCH/REPLACE block "
                        "below it.")
    return _last(_fences_aside(placed, files))


def known(path: str, files: Mapping[str, str]) -> str:
    """The file that a path means: itself, or the only one that has this name without `a/` or `b/`, in other letters' case, or
    at its end."""
    if path in files:
        return path
    bare = path.removeprefix("./").replace("\\", "/")
    bare = bare[2:] if bare[:2] in ("a/", "b/") else bare
    if ".." in bare.split("/") or bare.startswith("/"):
        return path
    ways = ([bare] if bare in files else [], [name for name in files if name.casefold() == bare.casefold()],
            [name for name in files if name.endswith(f"/{bare}")])
    return next((found[0] for found in ways if len(found) == 1), path)


def is_whole(new: Sequence[str], old: Sequence[str]) -> bool:
    """Whether lines are a new text of a whole file, and not a part of it."""
    after, before = _full(new), _full(old)
    shared = (Counter(after) & Counter(before)).total()
    ends = bool(after and before) and (after[0], after[-1]) == (before[0], before[-1])
    return (shared >= KEPT * len(before) or len(before) <= SHORT) and (ends or len(after) >= len(before))


def lines(text: str) -> list[str]:
    """The lines of a file."""
    body = unix(text)
    return body.removesuffix("\n").split("\n") if body else []


def _full(some: Sequence[str]) -> list[str]:
    return [line.rstrip() for line in some if line.strip()]


def _placed(count: int, edit: Edit, files: Mapping[str, str]) -> Edit:
    """A step with the file that it means; without a path, the only one in which its lines stand. Raises EditError."""
    if edit.path:
        makes = edit.kind == "new" or (edit.kind == "edit" and not edit.search)
        path = edit.path if makes else known(edit.path, files)
        return _unfenced(replace(edit, path=path), files.get(path, ""))
    found = [path for path, text in files.items() if edit.search and matching.alike(edit.search, lines(text))]
    if len(found) != 1:
        raise EditError(f"block {count} belongs to no file: write 'FILE: path' on the line above it.")
    return replace(edit, path=found[0])


def _unfenced(edit: Edit, text: str) -> Edit:
    """A block without the fences that stand within both of its parts, where its file has none there."""
    parts = (edit.search, edit.replace)
    fenced = all(len(part) > 1 and FENCE.fullmatch(part[0]) and FENCE.fullmatch(part[-1]) for part in parts)
    if edit.kind != "edit" or not fenced or matching.alike(edit.search, lines(text)):
        return edit
    return replace(edit, search=edit.search[1:-1], replace=edit.replace[1:-1])


def _of_some_file(edit: Edit, files: Mapping[str, str]) -> Edit | None:
    """The whole text of a file without a path, with that of the only file of which it is one."""
    found = [path for path, text in files.items() if len(_full(lines(text))) > 1 and is_whole(edit.replace, lines(text))]
    return replace(edit, path=found[0]) if len(found) == 1 else None


def _fences_aside(edits: Sequence[Edit], files: Mapping[str, str]) -> list[Edit]:
    """Without fences that quote a part of a file for which there are blocks as well."""
    blocks = {edit.path for edit in edits if edit.kind != "whole"}
    return [edit for edit in edits if edit.kind != "whole" or edit.path not in blocks
            or is_whole(edit.replace, lines(files.get(edit.path, "")))]


def _last(edits: Sequence[Edit]) -> list[Edit]:
    """Without the earlier versions of a step that replaces the same lines later on."""
    kept: list[Edit] = []
    for edit in reversed(edits):
        anew = any(edit.kind == "edit" == later.kind and (edit.path, edit.search) == (later.path, later.search)
                   and not edit.line and not matching.places(edit.search, edit.replace) for later in kept)
        kept += [] if anew and edit.search else [edit]
    return kept[::-1]
