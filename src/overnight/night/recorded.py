"""Where a track's journal lies: a file in its state folder, or a database that the user named for all tracks.

Covered: a track whose journal is in one place is not begun anew in another, because a variable was not set that day. No address
with a password is written down.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from overnight import journal as journals
from overnight.contracts import HoldsTrack, Journal
from overnight.errors import TrackError
from overnight.journal.urls import masked
from overnight.lab.events import Event
from overnight.night import settings

NOTE = "journal.url"  # in the state folder: the address of the database that the journal was last written in, without passwords


class RecordPlace:
    """The place of one track's journal.

    home   its state folder
    url    of the database; "" for a file in that folder
    track  its name in a database that other tracks share: that of the state folder, which no other has
    """

    def __init__(self, home: Path) -> None:
        """Raises TrackError where the user's configuration file is wrong."""
        self.home, self.url = home, settings.journal_url(os.environ)
        self.track = f"{home.parent.name}/{home.name}"
        self.file = home / "journal.db"

    @property
    def shown(self) -> str:
        """The place, for people."""
        return masked(self.url) if self.url else str(self.file)

    def open(self, only_to_read: bool = False) -> Journal[Event]:
        """The journal, made where there is none unless it is `only_to_read`. Raises JournalError."""
        return journals.open(self.url, self.track, only_to_read) if self.url else journals.open(self.file, "", only_to_read)

    def hold(self, journal: Journal[Event]) -> None:
        """Be its one writer, where the database has a lock for that, and note where it is. Raises Busy, JournalError."""
        if isinstance(journal, HoldsTrack):
            journal.hold()
        with suppress(OSError):
            if self.url:
                (self.home / NOTE).write_text(f"{self.shown}\n", encoding="utf-8")
            else:
                (self.home / NOTE).unlink(missing_ok=True)

    def other(self) -> str:
        """Where else the journal of this track lies, as far as is known here, in a sentence; "": nowhere."""
        if self.url:
            found, back = str(self.file) if self.file.is_file() else "", f"go on without {settings.VARIABLE}"
        else:
            found, back = self._noted(), f"set {settings.VARIABLE} to that address"
        return f"The journal of this track lies in {found}, and there is none in {self.shown}: {back}, or take it along with " \
               "`overnight journal copy`." if found else ""

    def _noted(self) -> str:
        try:
            return (self.home / NOTE).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def refuse_other(self) -> None:
        """Raise TrackError where a track that has no journal in this place has one elsewhere."""
        if said := self.other():
            raise TrackError(said)
