"""The tracks that are served, by their names in addresses."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from overnight.errors import NotFound
from overnight.night import session as sessions
from overnight.track.load import load
from overnight.views.experiment import detail, history
from overnight.web.seen import Seen


class Tracks:
    """Several tracks side by side."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises TrackError where a folder holds no track."""
        self._folders: dict[str, Path] = {}
        for folder in folders:
            self._folders[self._free(load(folder).name)] = folder

    def _free(self, name: str) -> str:
        plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "track"
        return next(each for each in (plain, *(f"{plain}-{n}" for n in range(2, 1000))) if each not in self._folders)

    @property
    def names(self) -> tuple[str, ...]:
        """In the order in which they were given."""
        return tuple(self._folders)

    def __iter__(self) -> Iterator[str]:
        return iter(self._folders)

    def seen(self, name: str, full: bool) -> Seen:
        """A track as it stands now. Raises NotFound, TrackError, JournalError."""
        if name not in self._folders:
            raise NotFound(f"there is no track {name}.")
        session = sessions.opened(self._folders[name])
        state = session.look()

        def book() -> object:
            return history(state)

        def shelf(number: int, full: bool) -> object:
            if number not in state.experiments:
                raise NotFound(f"there is no experiment {number}.")
            return detail(state, state.experiments[number], list(session.journal.replay()), session.log)

        seq, head = session.journal.head if session.begun else (0, "0" * 64)
        return Seen(name, state, session, full, session.at_work(), (), time.time(), seq, head, self.names,
                    book, shelf)  # type: ignore[arg-type]
