"""Journals: where the record of a track lives. `open` picks the backend by the URL's scheme."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from overnight.contracts import Journal
from overnight.errors import JournalError, extra
from overnight.journal.database import DatabaseJournal, check_schema
from overnight.journal.urls import HIDDEN, masked
from overnight.lab.events import Event

__all__ = ["JOURNALS", "check_schema", "open"]


def _postgres(url: str, track: str, only_to_read: bool) -> Journal[Event]:
    with extra("postgres", "a journal in PostgreSQL"):
        from overnight.journal.postgres import PostgresJournal
    if masked(url).endswith(f"://{HIDDEN}"):
        raise JournalError("the address of the journal is none: write postgresql://USER@HOST/DATABASE, and what is special in "
                           "a password as %2F, %40 and so on.")
    return PostgresJournal(url, track, only_to_read)


# scheme -> what opens the journal of a track, given the URL, the track's name and whether it is only read
JOURNALS: dict[str, Callable[[str, str, bool], Journal[Event]]] = {
    "sqlite": lambda url, track, only_to_read: DatabaseJournal(Path(url.removeprefix("sqlite:///")), track, only_to_read),
    "postgresql": _postgres,
    "postgres": _postgres,
}


def open(where: str | Path, track: str = "", only_to_read: bool = False) -> Journal[Event]:
    """The journal of a track at a path or a URL (sqlite:///PATH, postgresql://USER@HOST/DATABASE), made where there is none;
    `only_to_read`: nothing is made or changed, and where there is no file it is a JournalError. Raises JournalError, and
    ExtraMissing where the backend's packages are not installed."""
    url = where if isinstance(where, str) and "://" in where else f"sqlite:///{where}"
    scheme = url.partition("://")[0]
    if scheme not in JOURNALS:
        known = " or ".join(f"{each}:// URL" for each in JOURNALS)
        raise JournalError(f"a journal cannot be kept in {scheme[:40]} yet: give a path, or a {known}.")
    return JOURNALS[scheme](url, track, only_to_read)
