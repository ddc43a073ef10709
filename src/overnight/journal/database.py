"""The journal in a database of SQLite's, in plain SQL. docs/journal.md gives the format.

One table, only ever appended to. Each row's hash covers the row before it in its track, so that nothing can be changed, dropped
or slipped in unseen: hash = sha256(previous hash + body). Covered: kill -9 and power loss at any instant (each append is
one transaction, synced before it returns), edits of the past. Not covered: a writer that replaces the whole chain.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from overnight.errors import Conflict, JournalError
from overnight.journal.chain import AT_A_TIME, START, Record, decoded, encoded, linked, verified
from overnight.lab.events import Event

ATTEMPTS, PAUSE = 300, 0.1  # to change a new file's mode; seconds between two of them
WAIT = 30.0  # seconds for another process that writes
VERSION = 2
_EVENTS = """CREATE TABLE events (track VARCHAR(255) NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
    hash VARCHAR(64) NOT NULL, PRIMARY KEY (track, seq))"""
_SCHEMA = "CREATE TABLE schema (version INTEGER NOT NULL, PRIMARY KEY (version))"


class DatabaseJournal:
    """The record of one track in a file that other tracks may share. One process writes a track, many read; one that is opened
    `only_to_read` changes nothing in the file, and shows an empty file as an empty journal."""

    def __init__(self, path: Path, track: str = "", only_to_read: bool = False) -> None:
        """Raises JournalError."""
        self.path, self.track, self._only_to_read = path, track, only_to_read
        self._alone = threading.RLock()  # of the threads that use the connection
        self._kept: sqlite3.Connection | None = None
        self._migrated = False
        with self._connected("opened") as connection:
            if self._format(connection) is None and not only_to_read:
                with _transaction(connection):  # another process may be about to do the same
                    if self._format(connection) is None:
                        self._make(connection)
            self._head = self._last(connection)

    @contextmanager
    def _connected(self, done: str) -> Iterator[sqlite3.Connection]:
        """The connection; a JournalError of one that fails says that the journal cannot be `done`."""
        try:
            with self._alone:
                self._kept = self._kept or self._connection()
                yield self._kept
        except sqlite3.Error as error:
            raise JournalError(f"the journal {self.path} cannot be {done}: {error}.") from error

    def _connection(self) -> sqlite3.Connection:
        return _only_read(self.path) if self._only_to_read else _connection(self.path)

    def _format(self, connection: sqlite3.Connection) -> int | None:
        """The format's version, None where there is none yet. Raises JournalError for a newer one."""
        found = connection.execute("SELECT version FROM schema").fetchone() if _has(connection, "schema") else None
        if found is not None and found[0] > VERSION:
            raise JournalError(f"the journal {self.path} was written by a newer Overnight (format {found[0]}): upgrade this.")
        return found and int(found[0])

    def _make(self, connection: sqlite3.Connection) -> None:
        """The tables that are missing, and the format."""
        for name, statement in (("events", _EVENTS), ("schema", _SCHEMA)):
            if not _has(connection, name):
                connection.execute(statement)
        connection.execute("INSERT INTO schema VALUES (?)", (VERSION,))

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring a journal of format 1 to the present format in one transaction; its records belong to the track ""."""
        if self._format(connection) == VERSION:
            return
        with _transaction(connection):
            if self._format(connection) != VERSION:
                connection.execute("ALTER TABLE events RENAME TO events_1")
                connection.execute(_EVENTS)
                connection.execute("INSERT INTO events SELECT '', seq, body, hash FROM events_1")
                connection.execute("DROP TABLE events_1")
                connection.execute("UPDATE schema SET version = ?", (VERSION,))

    def _rows(self, connection: sqlite3.Connection, more: str, *values: int) -> sqlite3.Cursor:
        """This track's records, in whichever format they are: number, body, hash. `more`: what else is asked of them."""
        found = self._format(connection)
        if found == VERSION:
            return connection.execute(f"SELECT seq, body, hash FROM events WHERE track = ? {more}", (self.track, *values))
        if found is None:
            return connection.execute("SELECT 0, x'', '' WHERE 0")
        return connection.execute(f"SELECT seq, body, hash FROM events WHERE ? = '' {more}", (self.track, *values))

    def _last(self, connection: sqlite3.Connection) -> tuple[int, str]:
        row = self._rows(connection, "ORDER BY seq DESC LIMIT 1").fetchone()
        return (row[0], row[2]) if row else (0, START)

    def extend(self, events: Sequence[Event], expected_seq: int | None = None) -> None:
        """Make events durable, all or none of them, behind record `expected_seq`; None: behind the last one that is known
        here. Raises Conflict where that is not the last record, JournalError for the rest; then nothing was written."""
        self.append(encoded(events), expected_seq)

    def append(self, bodies: Sequence[bytes], expected_seq: int | None = None) -> None:
        """The same with records as they are stored, whose hashes follow from those before them."""
        if not bodies and expected_seq is None:
            return
        try:
            with self._connected("written") as connection:
                if not self._migrated:
                    self._migrate(connection)
                    self._migrated = True
                with _transaction(connection):
                    head = self._appended(connection, bodies, expected_seq)
        except JournalError as error:
            if not isinstance(error.__cause__, sqlite3.Error):
                raise
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                raise self._conflict() from error
            raise JournalError(f"the journal {self.path} cannot be written ({error.__cause__}): nothing is lost, "
                               "make room and run again.") from error
        self._head = head  # at once, for other threads quote it

    def _appended(self, connection: sqlite3.Connection, bodies: Sequence[bytes], expected_seq: int | None) -> tuple[int, str]:
        """Write records within a transaction; the head that follows. Raises Conflict, sqlite3.Error."""
        # where nothing else is expected than what is known, the primary key finds a quicker writer
        head = self.head if expected_seq in (None, self.head[0]) else self._last(connection)
        if expected_seq not in (None, head[0]):
            raise self._conflict()
        rows = [(self.track, *record) for record in linked(head, bodies)]
        connection.executemany("INSERT INTO events (track, seq, body, hash) VALUES (?, ?, ?, ?)", rows)
        return (rows[-1][1], rows[-1][3]) if rows else head

    def _conflict(self) -> Conflict:
        return Conflict(f"another process has written to the journal {self.path} meanwhile: nothing is lost, "
                        "run again when it is done.")

    def replay(self, after: int = 0) -> Iterator[Event]:
        """The events behind record `after`, oldest first, each checked against the chain. Their numbers have no gaps, so that a
        follower counts what it read and asks for what comes after. Raises JournalError."""
        return decoded(self.bodies(after), str(self.path))

    def bodies(self, after: int = 0) -> Iterator[bytes]:
        """The same as they are stored."""
        chain = START
        try:
            with closing(self._connection()) as connection:  # its own: others write meanwhile
                rows = self._rows(connection, "AND seq >= ? ORDER BY seq", after or -sys.maxsize)
                if after and (known := rows.fetchone()):  # the record that the next is linked to
                    chain = known[2] if known[0] == after else ""
                yield from verified(_each(rows), (after, chain), str(self.path))
        except sqlite3.Error as error:
            raise JournalError(f"the journal {self.path} cannot be read: {error}.") from error

    def hash_of(self, number: int) -> str | None:
        """The hash of a record; None where there is none of that number. Raises JournalError."""
        with self._connected("read") as connection:
            row = self._rows(connection, "AND seq = ?", number).fetchone()
        return row[2] if row else None

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record: quote it to pin the whole past."""
        return self._head

    def latest(self) -> tuple[int, str]:
        """Number and hash of the last record as it is stored now, whichever process wrote it. Raises JournalError."""
        with self._connected("read") as connection:
            return self._last(connection)

    def close(self) -> None:
        """Let go of the file."""
        with self._alone:
            if self._kept is not None:
                self._kept.close()
                self._kept = None


def check_schema(path: Path) -> None:
    """Raise JournalError where a database of another person's holds more than tables and indexes: a view or a trigger is a
    program, which may run without an end."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found = database.execute("SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')").fetchone()
    except sqlite3.Error as error:
        raise JournalError(f"the journal {path} cannot be read: {error}.") from error
    if found:
        raise JournalError(f"the journal {path} holds a view or a trigger, which no journal has: it is not read.")


def _each(rows: sqlite3.Cursor) -> Iterator[Record]:
    """What a query finds, fetched by thousands."""
    while found := rows.fetchmany(AT_A_TIME):
        yield from found


# ---- connections -----------------------------------------------------------------------------------------------


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written within it, or nothing; no other process writes meanwhile. Raises sqlite3.Error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _has(connection: sqlite3.Connection, table: str) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)).fetchone() is not None


def _connection(path: Path) -> sqlite3.Connection:
    """A connection for any thread, in which nothing begins a transaction by itself. Raises sqlite3.Error."""
    if path.is_file() and not os.access(path.parent, os.W_OK):
        return _only_read(path)
    connection = sqlite3.connect(path, timeout=WAIT, isolation_level=None, check_same_thread=False)
    try:
        _configure(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _only_read(path: Path) -> sqlite3.Connection:
    """A connection to a journal in a folder that cannot be written to. SQLite wants to make two files beside a journal even to
    read it; where they are not there, nothing is written to it either. Raises sqlite3.Error, OSError."""
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    with suppress(sqlite3.OperationalError), ExitStack() as unless_read:
        connection = sqlite3.connect(place, uri=True, check_same_thread=False)
        unless_read.callback(connection.close)
        connection.execute("SELECT 1 FROM sqlite_master")
        unless_read.pop_all()
        return connection
    newer = path.with_name(f"{path.name}-wal")
    if not newer.exists() or not newer.stat().st_size:
        return sqlite3.connect(f"{place}&immutable=1", uri=True, check_same_thread=False)
    copy = sqlite3.connect(":memory:", check_same_thread=False)  # a killed process left records beside the journal
    with tempfile.TemporaryDirectory(prefix="overnight-journal-") as folder:
        for each in (path, newer):
            shutil.copyfile(each, Path(folder, each.name))
        with closing(sqlite3.connect(Path(folder, path.name))) as whole:
            whole.backup(copy)
    return copy


def _configure(connection: sqlite3.Connection) -> None:
    """Records go to a file beside the journal first, and each is on the disk before it counts. Raises sqlite3.Error."""
    for attempt in range(ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:  # several make the same new file, and SQLite does not wait for this lock
            if attempt == ATTEMPTS - 1 or "locked" not in str(error):
                raise
            time.sleep(PAUSE)
    connection.execute("PRAGMA synchronous=FULL")
