"""Journals: where the record of a track lives. `open` picks the backend by the URL's scheme."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from overnight.contracts import Journal
from overnight.errors import JournalError
from overnight.journal.database import DatabaseJournal, check_schema
from overnight.lab.events import Event

__all__ = ["JOURNALS", "check_schema", "open"]

# scheme -> what opens the journal of a track, given the URL, the track's name and whether it is only read
JOURNALS: dict[str, Callable[[str, str, bool], Journal[Event]]] = {
    "sqlite": lambda url, track, only_to_read: DatabaseJournal(Path(url.removeprefix("sqlite:///")), track, only_to_read),
}


def open(where: str | Path, track: str = "", only_to_read: bool = False) -> Journal[Event]:
    """The journal of a track at a path or a URL (sqlite:///PATH), made where there is none; `only_to_read`: nothing is made or
    changed, and where there is none it is a JournalError. Raises JournalError."""
    url = where if isinstance(where, str) and "://" in where else f"sqlite:///{where}"
    scheme = url.partition("://")[0]
    if scheme not in JOURNALS:
        known = " or ".join(f"{each}:///PATH" for each in JOURNALS)
        raise JournalError(f"a journal cannot be kept in {scheme} yet: give a path or {known}.")
    return JOURNALS[scheme](url, track, only_to_read)
