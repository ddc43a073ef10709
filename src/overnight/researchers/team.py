"""Who is on the team: roles become researchers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from overnight.contracts import Researcher
from overnight.errors import TrackError
from overnight.researchers.knobs import Knobs
from overnight.researchers.placebo import Placebo
from overnight.researchers.replay import Replay
from overnight.roles import Role

KNOWN: dict[str, Callable[[Role, Path], Researcher]] = {
    "knobs": lambda role, folder: Knobs(),
    "placebo": lambda role, folder: Placebo(),
    "replay": lambda role, folder: Replay(_patches(role, folder), role.name),
}


def team(roles: Iterable[Role], folder: Path) -> dict[str, Researcher]:
    """A researcher for each role, by its name; `folder` is that of the track. Raises TrackError for a kind that cannot be
    had."""
    found = {}
    for role in (each for each in roles if each.proposes):
        if role.kind not in KNOWN:
            raise TrackError(f"there is no researcher of the kind '{role.kind}': choose among {', '.join(KNOWN)}.")
        found[role.name] = KNOWN[role.kind](role, folder)
    return found


def _patches(role: Role, folder: Path) -> Path:
    if not role.folder:
        raise TrackError("replay needs a folder of patches: name a role for it in program.md, like "
                         "`again: {kind: replay, folder: patches}`.")
    return folder / role.folder
