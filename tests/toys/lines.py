"""The journal in JSON lines: a file for each track, a line for each append."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from overnight.errors import Conflict, JournalError
from overnight.journal.chain import START, link
from overnight.lab.events import Event

VERSION = "1"


class LinesJournal:
    """The record of one track in the folder of a URL `lines:///FOLDER`. A line that a kill cut short was never written."""

    def __init__(self, url: str, track: str = "") -> None:
        self.folder = Path(url.removeprefix("lines:///"))
        self.folder.mkdir(parents=True, exist_ok=True)
        version = self.folder / "version"
        if version.exists() and version.read_text() > VERSION:
            raise JournalError(f"the journal {self.folder} was written by a newer Overnight: upgrade this one.")
        version.write_text(VERSION)
        self.path = self.folder / f"track-{track}.jsonl"
        self.path.touch()
        self._head = self._last(self._whole())

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record that is known here."""
        return self._head

    def latest(self) -> tuple[int, str]:
        """Number and hash of the last record as it is stored now."""
        return self._last(self._whole())

    def extend(self, events: Sequence[Event], expected_seq: int | None = None) -> None:
        """Make events durable, all or none of them. Raises Conflict where another process wrote meanwhile."""
        if not events and expected_seq is None:
            return
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            whole = self._whole()
            seq, chain = self._last(whole)
            if seq != (self._head[0] if expected_seq is None else expected_seq):
                raise Conflict(f"another process has written to {self.path} meanwhile: run again when it is done.")
            records = []
            for event in events:
                body = msgspec.json.encode(event)
                seq, chain = seq + 1, link(chain, body)
                records.append((chain, body.decode()))
            file.truncate(len(whole))
            file.write(msgspec.json.encode(records) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._head = seq, chain

    def replay(self, after: int = 0) -> Iterator[Event]:
        """The events behind record `after`. Raises JournalError where one was altered."""
        chain = START
        for seq, (said, text) in enumerate(_records(self._whole()), 1):
            chain = link(chain, text.encode())
            if said != chain:
                raise JournalError(f"record {seq} of {self.path} was altered.")
            if seq > after:
                yield msgspec.json.decode(text, type=Event)

    def hash_of(self, number: int) -> str | None:
        """The hash of a record; None where there is none of that number."""
        return dict(enumerate([said for said, _ in _records(self._whole())], 1)).get(number)

    def close(self) -> None:
        """Nothing is held."""

    def _whole(self) -> bytes:
        """The lines that were written to their end."""
        data = self.path.read_bytes()
        return data[:data.rfind(b"\n") + 1]

    def _last(self, whole: bytes) -> tuple[int, str]:
        records = _records(whole)
        return (len(records), records[-1][0]) if records else (0, START)


def _records(whole: bytes) -> list[tuple[str, str]]:
    """(hash, body) of each."""
    return [record for line in whole.splitlines() for record in msgspec.json.decode(line, type=list[tuple[str, str]])]
