"""What the user has granted a track beyond its repository and a sandbox.

The granted needs (needs.py) are kept in the track's state folder, pinned by their hash; a need that is not among them stops
what would run or send anything, until the user grants it with `overnight trust`. A need that goes away asks nothing.
Covered: a file of grants that was damaged or edited grants nothing. Not covered: what the user's own processes write there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.errors import TrackError


class Pinned(Struct, frozen=True):
    """The needs that were granted, and the SHA-256 over them."""

    needs: tuple[str, ...] = ()
    sha256: str = ""


class Trust:
    """The user's grants for one track, in a file of its state folder."""

    def __init__(self, home: Path) -> None:
        self._path = home / "trust.json"

    @property
    def granted(self) -> frozenset[str]:
        """The needs that the user has granted; none where the file is not whole."""
        try:
            pinned = msgspec.json.decode(self._path.read_bytes(), type=Pinned)
        except (OSError, msgspec.DecodeError):
            return frozenset()
        return frozenset(pinned.needs) if pinned.sha256 == _digest(pinned.needs) else frozenset()

    def missing(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Those of the needs that are not granted."""
        wanted = tuple(needs)
        return tuple(sorted(set(wanted) - self.granted)) if wanted else ()

    def require(self, needs: Iterable[str]) -> None:
        """Raise TrackError, with what to do, where one of the needs was not granted."""
        if missing := self.missing(needs):
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise TrackError(f"this track wants what you have not granted: {missing[0]}{more}. `overnight trust` at a terminal "
                             "shows it and asks you; `overnight trust --yes` grants it.")

    def grant(self, needs: Iterable[str]) -> None:
        """Grant these needs, and no others, from now on. Raises TrackError where that cannot be written."""
        granted = tuple(sorted(set(needs)))
        try:
            self._path.write_bytes(msgspec.json.encode(Pinned(granted, _digest(granted))))
        except OSError as error:
            raise TrackError(f"{self._path} cannot be written: {error.strerror}.") from error


def _digest(needs: tuple[str, ...]) -> str:
    return hashlib.sha256(msgspec.json.encode(needs)).hexdigest()
