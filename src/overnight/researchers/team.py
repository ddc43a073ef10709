"""Who is on the team: researchers by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from overnight.contracts import Researcher
from overnight.errors import TrackError
from overnight.researchers.knobs import Knobs
from overnight.researchers.placebo import Placebo

KNOWN: dict[str, Callable[[], Researcher]] = {"knobs": Knobs, "placebo": Placebo}


def team(names: Sequence[str]) -> dict[str, Researcher]:
    """The researchers of these names. Raises TrackError for a name that nobody bears."""
    for name in names:
        if name not in KNOWN:
            raise TrackError(f"there is no researcher '{name}': choose among {', '.join(KNOWN)}.")
    return {name: KNOWN[name]() for name in names}
