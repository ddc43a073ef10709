"""The journal in a database of PostgreSQL's. docs/postgres.md says how it is set up, docs/journal.md gives the format.

One table in the schema `overnight`, only ever appended to, in which each track has its own numbers and its own chain of hashes.
Covered: kill -9 and power loss at any instant (each append is one statement, durable before it returns); a connection that
is lost at any moment (number and hash of the last record say whether an append had been committed, so that none is lost or
doubled); a second writer; a standby that took over without the latest records. Not covered: a writer that replaces the whole
chain.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import Connection

from overnight.errors import Conflict, JournalError
from overnight.journal import faults
from overnight.journal.chain import AT_A_TIME, START, Record, decoded, encoded, linked, verified
from overnight.journal.line import Line
from overnight.lab.events import Event

VERSION = 2
HEALS = 60.0  # seconds for which a writer waits for a connection that was lost
HEALS_FOR_READERS = 5.0  # the same for one that only reads
_MAKE = f"""CREATE SCHEMA IF NOT EXISTS overnight;
    CREATE TABLE IF NOT EXISTS overnight.schema (version INTEGER NOT NULL PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS overnight.events (track VARCHAR(255) NOT NULL, seq BIGINT NOT NULL, body BYTEA NOT NULL,
        hash VARCHAR(64) NOT NULL, PRIMARY KEY (track, seq));
    INSERT INTO overnight.schema SELECT {VERSION} WHERE NOT EXISTS (SELECT 1 FROM overnight.schema)"""
_HAS = "SELECT 1 FROM pg_tables WHERE schemaname = 'overnight' AND tablename = 'schema'"
# nothing is written where the record that it follows is not there; those that listen are told in the same transaction
_ADD = """WITH added AS (
        INSERT INTO overnight.events (track, seq, body, hash)
        SELECT %(track)s::text, * FROM unnest(%(seqs)s::bigint[], %(bodies)s::bytea[], %(hashes)s::text[])
        WHERE %(before)s::bigint = 0 OR EXISTS (
            SELECT 1 FROM overnight.events WHERE track = %(track)s::text AND seq = %(before)s::bigint AND hash = %(link)s::text)
        RETURNING seq)
    SELECT count(*), pg_notify(%(channel)s::text, coalesce(max(seq), 0)::text) FROM added"""


class PostgresJournal:
    """The record of one track in a database that other tracks share. One process writes a track, many read; one that is opened
    `only_to_read` changes nothing, and shows a database without a journal as an empty one."""

    def __init__(self, url: str, track: str = "", only_to_read: bool = False) -> None:
        """Raises JournalError."""
        digest = hashlib.sha256(b"overnight\0" + track.encode()).digest()
        self.track, self._only_to_read = track, only_to_read
        self._channel = f"overnight_{digest.hex()[:32]}"
        self._line = Line(url, int.from_bytes(digest[:8], signed=True), self._check_format, only_to_read)
        self.shown = self._line.shown
        self._there = self._hurt = False
        self._heals = HEALS_FOR_READERS
        self._unsure: Record | None = None  # the last record of an append that may have been committed
        self._head = self._line.ask("opened", self._last)

    def _check_format(self, connection: Connection[Any]) -> None:
        """Note whether there is a journal. Raises JournalError for one of another version."""
        self._there = connection.execute(_HAS).fetchone() is not None
        found = connection.execute("SELECT version FROM overnight.schema").fetchone() if self._there else None
        if found is not None and found[0] != VERSION:
            newer = found[0] > VERSION
            raise JournalError(f"the journal {self.shown} was written by a{' newer' if newer else 'n older'} Overnight (format "
                               f"{found[0]}): {'upgrade this' if newer else 'go on with that one, or name another database'}.")

    def _make(self, connection: Connection[Any]) -> None:
        """The tables, unless another process makes them."""
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(0)")
            connection.execute(_MAKE)
        self._there = True

    def _rows(self, connection: Connection[Any], more: str, *values: int) -> list[Record]:
        """This track's records: number, body, hash. `more`: what else is asked of them."""
        if not self._there:
            self._check_format(connection)
        if not self._there:
            return []
        with connection.cursor(binary=True) as cursor:
            return cursor.execute(f"SELECT seq, body, hash FROM overnight.events WHERE track = %s {more}",
                                  (self.track, *values)).fetchall()

    def _last(self, connection: Connection[Any]) -> tuple[int, str]:
        rows = self._rows(connection, "ORDER BY seq DESC LIMIT 1")
        return (rows[0][0], rows[0][2]) if rows else (0, START)

    # -- writing --

    def hold(self) -> None:
        """Be the one writer of the track until it is closed. Raises Busy where another process is, else JournalError."""
        self._line.hold()
        self._heals = HEALS

    def extend(self, events: Sequence[Event], expected_seq: int | None = None) -> None:
        """Make events durable, all or none of them, behind record `expected_seq`; None: behind the last one that is known
        here. Raises Conflict where that is not the last record, JournalError for the rest; then nothing was written, but where
        the connection was lost and did not come back: what was written then is found when it does."""
        self.append(encoded(events), expected_seq)

    def append(self, bodies: Sequence[bytes], expected_seq: int | None = None) -> None:
        """The same with records as they are stored, whose hashes follow from those before them."""
        if not bodies and expected_seq is None:
            return
        head = self._before(expected_seq)
        if not bodies:
            return
        rows, attempts = linked(head, bodies), itertools.count()
        try:
            self._ask_to_write(lambda connection: self._write(connection, head, rows, next(attempts) > 0))
        except JournalError as error:
            if isinstance(error.__cause__, psycopg.Error) and faults.passing(error.__cause__):
                self._unsure = rows[-1]
            raise
        self._head = (rows[-1][0], rows[-1][2])  # at once, for other threads quote it

    def _ask_to_write(self, act: Any) -> Any:
        """As of the line; after a connection that did not come back in time, the next request waits no more."""
        try:
            found = self._line.ask("written", act, 0.0 if self._hurt else self._heals)
        except JournalError:
            self._hurt = True
            raise
        self._hurt = False
        return found

    def _before(self, expected_seq: int | None) -> tuple[int, str]:
        """The head behind which is written. Raises Conflict where it is another than expected."""
        if unsure := self._unsure:
            if self._ask_to_write(lambda connection: self._stored(connection, unsure)):
                self._head = (unsure[0], unsure[2])
            self._unsure = None
        head = self.head if expected_seq in (None, self.head[0]) else self.latest()
        if expected_seq not in (None, head[0]):
            raise self._conflict()
        return head

    def _write(self, connection: Connection[Any], head: tuple[int, str], rows: Sequence[Record], again: bool) -> None:
        """Append, unless an attempt before this one did. Raises Conflict, JournalError, psycopg.Error."""
        if again and self._stored(connection, rows[-1]):
            return
        if not self._there:
            self._make(connection)
        seqs, bodies, hashes = (list(column) for column in zip(*rows, strict=True))
        try:
            added = connection.execute(_ADD, {"track": self.track, "seqs": seqs, "bodies": bodies, "hashes": hashes,
                                              "before": head[0], "link": head[1], "channel": self._channel}).fetchone()
        except psycopg.errors.UniqueViolation as error:
            if again and self._stored(connection, rows[-1]):  # it was still under way when this attempt looked
                return
            raise self._conflict() from error
        if added is None or added[0] != len(rows):
            raise self._missing(connection, head)

    def _stored(self, connection: Connection[Any], record: Record) -> bool:
        rows = self._rows(connection, "AND seq = %s", record[0])
        return bool(rows) and rows[0][2] == record[2]

    def _conflict(self) -> Conflict:
        return Conflict(f"another process has written to the journal {self.shown} meanwhile: nothing is lost, "
                        "run again when it is done.")

    def _missing(self, connection: Connection[Any], head: tuple[int, str]) -> JournalError:
        """What is wrong where the record that is known as the last one is not there."""
        last = self._last(connection)[0]
        if last >= head[0]:
            return self._conflict()
        return JournalError(f"the journal {self.shown} has lost records: it ends with {last}, and {head[0]} were written. Put "
                            "the database back as it was, or begin anew with `overnight run --restart`.")

    # -- reading --

    def replay(self, after: int = 0) -> Iterator[Event]:
        """The events behind record `after`, oldest first, each checked against the chain. Their numbers have no gaps, so that a
        follower counts what it read and asks for what comes after. Raises JournalError."""
        return decoded(self.bodies(after), self.shown)

    def bodies(self, after: int = 0) -> Iterator[bytes]:
        """The same as they are stored."""
        chain, records = START, self._records(after or -sys.maxsize)
        if after and (known := next(records, None)):  # the record that the next is linked to
            chain = known[2] if known[0] == after else ""
        yield from verified(records, (after, chain), self.shown)

    def _records(self, first: int) -> Iterator[Record]:
        """The records from a number on, by thousands, so that no transaction stays open and a lost connection heals between."""
        while rows := self._read(f"AND seq >= %s ORDER BY seq LIMIT {AT_A_TIME}", first):
            yield from rows
            first = rows[-1][0] + 1

    def _read(self, more: str, *values: int) -> list[Record]:
        return self._line.ask("read", lambda connection: self._rows(connection, more, *values), self._heals)

    def hash_of(self, number: int) -> str | None:
        """The hash of a record; None where there is none of that number. Raises JournalError."""
        rows = self._read("AND seq = %s", number)
        return rows[0][2] if rows else None

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record: quote it to pin the whole past."""
        return self._head

    def latest(self) -> tuple[int, str]:
        """Number and hash of the last record as it is stored now, whichever process wrote it. Raises JournalError."""
        return self._line.ask("read", self._last, self._heals)

    def bell(self) -> PostgresBell:
        """A bell that rings when any process appends to the track. Raises JournalError."""
        try:
            return PostgresBell(self._line, self._channel)
        except psycopg.Error as error:
            raise faults.sentence(error, self._line.url, "followed") from error

    def close(self) -> None:
        """Let go of the connection, and of the lock."""
        self._line.close()
        self._heals = HEALS_FOR_READERS


class PostgresBell:
    """A connection that listens, and does nothing else."""

    def __init__(self, line: Line, channel: str) -> None:
        """Raises psycopg.Error."""
        self._url, self._connection = line.url, line.connect()
        try:
            self._connection.execute(f'LISTEN "{channel}"')
        except BaseException:
            self._connection.close()
            raise

    def fileno(self) -> int:
        """The descriptor, for `select`."""
        return self._connection.fileno()

    def clear(self) -> bool:
        """Whether it rang since the last time; then it waits for the next. Raises JournalError where it rings no more."""
        try:
            return sum(1 for _ in self._connection.notifies(timeout=0)) > 0
        except psycopg.Error as error:
            raise faults.sentence(error, self._url, "followed") from error

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(psycopg.Error):
            self._connection.close()
