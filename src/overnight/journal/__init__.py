"""Journals: where the record of a track lives. `open` picks the backend."""

from __future__ import annotations

from pathlib import Path

from overnight.errors import JournalError
from overnight.journal.database import DatabaseJournal

SQLITE = "sqlite:///"


def open(where: str | Path, track: str = "") -> DatabaseJournal:
    """The journal of a track at a path or a URL (sqlite:///PATH), made where there is none. Raises JournalError."""
    text = str(where)
    if isinstance(where, str) and "://" in text and not text.startswith(SQLITE):
        raise JournalError(f"a journal cannot be kept in {text.partition('://')[0]} yet: give a path or {SQLITE}PATH.")
    path = text.removeprefix(SQLITE)
    return DatabaseJournal(SQLITE + path, track, path)
