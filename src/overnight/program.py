"""`program.md`: how the research is done, in markdown. Its optional front matter (TOML between `+++` lines) names the
team; the prose is for researchers that read. It may be competed over, so nothing in it can widen the contract."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any

from msgspec import Struct

from overnight.errors import TrackError

FENCE = "+++"
THINKERS = frozenset({"llm", "agent"})  # kinds of researchers that read
ADVISERS = frozenset({"scientist", "critic", "standup"})  # kinds of roles that do not propose


class Role(Struct, frozen=True):
    """One on the team.

    kind     a researcher's ("knobs", "llm", "agent", "replay", "placebo"), or "scientist", "critic", "standup"
    model    "provider:name"; "" is the one that the command line names
    prose    the text of its own file, below that of program.md
    share    of the attempts; None ("auto"): what its verified gain per cost earns it
    every    experiments between two standups
    below    open ideas below which a scientist is asked
    agent    the recipe or the command of an agent
    folder   of patches, for "replay"
    timeout  seconds for one change of an agent
    """

    name: str
    kind: str
    model: str = ""
    prose: str = ""
    share: float | None = None
    every: int = 20
    below: int = 3
    agent: str = ""
    folder: str = ""
    timeout: float = 900.0

    @property
    def proposes(self) -> bool:
        """Whether it makes changes."""
        return self.kind not in ADVISERS

    @property
    def thinks(self) -> bool:
        """Whether it reads: it is given ideas, takes its time, and has a place of its own to do so."""
        return self.kind in THINKERS


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
    if text.partition("\n")[0].rstrip() != FENCE:
        return Program(prose=text)
    found = re.fullmatch(r"\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n(.*))?", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise TrackError(f"{name}: the front matter opened by {FENCE} on line 1 is never closed.")
    try:
        fields = tomllib.loads(found[1])
    except tomllib.TOMLDecodeError as error:
        raise TrackError(f"{name}: the front matter is not TOML: {error}.") from error
    _check(fields, found[1], name)
    return Program(tuple(fields.get("researchers", ("knobs",))), found[2] or "")


def _check(fields: dict[str, Any], head: str, name: str) -> None:
    for key, value in fields.items():
        named = re.compile(rf"\s*{re.escape(key)}\b")
        number = next((n for n, line in enumerate(head.splitlines(), 2) if named.match(line)), 1)
        if key != "researchers":
            meant = " (did you mean 'researchers'?)" if difflib.get_close_matches(key, ["researchers"]) else ""
            raise TrackError(f"{name} (line {number}): unknown key '{key}' in the front matter{meant}.")
        if not isinstance(value, list) or not value or not all(isinstance(v, str) for v in value):
            raise TrackError(f'{name} (line {number}): researchers is a list of names, like ["knobs"].')
