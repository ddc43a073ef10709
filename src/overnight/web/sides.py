"""What is compared: all of a track, or what one of its researchers did there."""

from __future__ import annotations

from overnight.report import audit
from overnight.views import rows
from overnight.views.compare import SideView, side, took
from overnight.web.seen import Seen


def begun(seen: Seen) -> SideView | None:
    """A track as one side of a comparison; None where nothing was run there."""
    return whole(seen) if seen.state.opened is not None else None


def whole(seen: Seen) -> SideView:
    """All of a track, as one side of a comparison."""
    return side(seen.state, seen.name, "", audit.load(seen.session.home / audit.FILE, seen.state))


def team(seen: Seen) -> list[str]:
    """The researchers of a track that have a name."""
    return [name for name in rows.team(seen.history.experiments) if name]


def sides(seen: Seen, one: str = "", other: str = "") -> list[SideView]:
    """Both sides: the track and the one beside it, where there is one, else two researchers, the first two where these are no
    two of the team. [] where there are no two."""
    if seen.beside is not None:
        return [whole(seen), seen.beside]
    names = team(seen)
    chosen = [name for name in (one, other) if name in names]
    chosen = chosen if len(set(chosen)) == 2 else names[:2]
    if len(chosen) != 2:
        return []
    spent = took(seen.state)
    return [side(seen.state, seen.name, name, spent=spent) for name in chosen]
