"""What a traced run noted of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from msgspec.structs import replace

from overnight.contracts import Command, Executed

TRACER = Path(__file__).resolve().parent / "tracer"  # with it on PYTHONPATH, Python notes what runs
NOTES = "overnight-lines"  # the file that it leaves
MOST_NOTES = 8 << 20  # bytes of it that are read
MOST_VALUE = 400  # characters of a value that are kept; the program can write there what it will
PYTHON, ISOLATING = re.compile(r"python[\d.]*$"), re.compile(r"-[SEIs]+")


def heeding(command: Command) -> Command:
    """A command that follows its environment where it starts a Python: one that is told to be isolated is no longer told so."""
    options = [*takewhile(lambda word: word[:1] == "-" and word not in ("-m", "-c", "-"), command.argv[1:])]
    kept = [word for word in options if not ISOLATING.fullmatch(word)]
    own = PYTHON.match(Path(command.argv[0]).name)
    return replace(command, argv=(command.argv[0], *kept, *command.argv[1 + len(options):])) if own else command


def traced(command: Command) -> Command:
    """A command that notes what runs, where it starts a Python."""
    paths = ":".join(filter(None, [str(TRACER), command.env.get("PYTHONPATH")]))
    return replace(heeding(command), env={**command.env, "PYTHONPATH": paths}, mounts=(*command.mounts, TRACER))


def read(folder: Path, files: Mapping[str, str]) -> Executed | None:
    """What ran of these files; None where nothing was noted of them, or more than is read. Raises OSError."""
    place = folder / NOTES
    if not place.is_file() or place.is_symlink() or place.stat().st_size > MOST_NOTES:
        return None
    lines: dict[str, set[int]] = {}
    values: dict[str, dict[str, str]] = {}
    for note in place.read_text(encoding="utf-8", errors="replace").split("\n"):
        path, _, what = note.partition("\0")
        name, told, value = what.partition("=")
        if path in files and told:
            values.setdefault(path, {})[name] = value[:MOST_VALUE]
        elif path in files and what.isdecimal():
            lines.setdefault(path, set()).add(int(what))
    return Executed(dict(files), {path: frozenset(found) for path, found in lines.items()}, values) if lines else None
