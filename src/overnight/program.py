"""`program.md`: how the research is done, in markdown. Its optional front matter (TOML between `+++` lines) names the
team; the prose is for researchers that read. It may be competed over, so nothing in it can widen the contract."""

from __future__ import annotations

import tomllib
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.errors import TrackError

FENCE = "+++"


class Program(Struct, frozen=True, forbid_unknown_fields=True):
    """The team and its instructions.

    researchers  names, asked in turn
    prose        the markdown below the front matter
    """

    researchers: tuple[str, ...] = ("knobs",)
    prose: str = ""


def load(path: Path) -> Program:
    """Read `program.md`; a folder without one gets the default team. Raises TrackError."""
    if not path.exists():
        return Program()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrackError(f"{path.name} cannot be read: {error}.") from error
    return parse(text, path.name)


def parse(text: str, name: str = "program.md") -> Program:
    """Split front matter and prose. Raises TrackError."""
    if not text.startswith(FENCE + "\n"):
        return Program(prose=text)
    head, closed, prose = text.removeprefix(FENCE + "\n").partition("\n" + FENCE + "\n")
    if not closed:
        raise TrackError(f"{name}: the front matter opened by {FENCE} on line 1 is never closed.")
    try:
        fields = tomllib.loads(head)
        return msgspec.convert({**fields, "prose": prose}, Program)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise TrackError(f"{name}: front matter: {error}.") from error
