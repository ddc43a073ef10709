"""Which folders of a repository an environment imports from, since the project was installed there in place (`pip install -e`).

Covered: lines of `.pth` files that name a folder, as most tools write them, and the table of setuptools' finders. Nothing of
the environment is run.
Not covered: packages whose folder has another name than they have; loaders that build when they are imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from overnight import files
from overnight.errors import TrackError

MOST_FILES, MOST_BYTES = 200, 256 << 10  # that are looked at, and of each


def folders(python: Path, root: Path) -> tuple[str, ...]:
    """The folders below a repository's root that the environment of an interpreter imports from, by their paths there."""
    found: dict[str, None] = {}
    for place in (place for site in _sites(python) for place in _named(site)):
        with suppress(OSError, ValueError, RuntimeError):  # no path, or none below the root
            if place.is_absolute() and place.is_dir():
                found[place.resolve().relative_to(root).as_posix()] = None
    return tuple(found)


def _sites(python: Path) -> Iterator[Path]:
    for libraries in ("lib", "lib64"):
        yield from (python.parent.parent / libraries).glob("python3*/*-packages")


def _named(site: Path) -> Iterator[Path]:
    """What the files of an environment name as places to import from."""
    for path in sorted(site.glob("*.pth"))[:MOST_FILES]:
        for line in _text(site, path.name).splitlines():
            if line.strip() and not line.startswith(("#", "import ", "import\t")):
                yield Path(line.strip())
    for path in sorted(site.glob("__editable__*finder.py"))[:MOST_FILES]:
        yield from _of_finder(_text(site, path.name))


def _text(site: Path, name: str) -> str:
    try:
        return (files.read(site, name, MOST_BYTES) or b"").decode(errors="replace")
    except TrackError:  # a link, too long
        return ""


def _of_finder(text: str) -> Iterator[Path]:
    """The folders that hold the packages of a finder's table, by the names that these have."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id="MAPPING"), value=ast.Dict(keys, values)) | ast.Assign(
                    targets=[ast.Name(id="MAPPING")], value=ast.Dict(keys, values)):
                for pair in zip(keys, values, strict=True):
                    match pair:
                        case ast.Constant(value=str() as name), ast.Constant(value=str() as where):
                            yield from _holder(name, Path(where))


def _holder(name: str, where: Path) -> Iterator[Path]:
    parts = name.split(".")
    if [*where.parts[-len(parts):-1], where.name.removesuffix(".py")] == parts:
        yield Path(*where.parts[:-len(parts)])
