"""The journal in a database, through SQLAlchemy Core. docs/journal.md gives the format.

One table, only ever appended to. Each row's hash covers the row before it in its track, so that nothing can be changed, dropped
or slipped in unseen: hash = sha256(previous hash + body). Covered: kill -9 and power loss at any instant (each append is
one transaction, synced before it returns), edits of the past. Not covered: a writer that replaces the whole chain.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from overnight.errors import Conflict, JournalError
from overnight.lab.events import Event

ATTEMPTS, PAUSE = 300, 0.1  # to change a new file's mode; seconds between two of them
VERSION = 2
START = "0" * 64
_tables = sa.MetaData()
_events = sa.Table(
    "events", _tables,
    sa.Column("track", sa.String(255), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
_version = sa.Table("schema", _tables, sa.Column("version", sa.Integer, primary_key=True))
_format_1 = sa.Table("events_1", sa.MetaData(), *(sa.Column(c.name, c.type) for c in _events.c if c.name != "track"))


class DatabaseJournal:
    """The record of one track in a database that other tracks may share. One process writes a track, many read."""

    def __init__(self, url: str, track: str = "", name: str = "") -> None:
        """`name` is what messages call the journal, the URL where it is empty. Raises JournalError."""
        self.path, self.track = name or url, track
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Event)
        self._engine = _made(url)
        self._migrated = False
        with self._connected("opened") as connection:
            if not sa.inspect(connection).has_table(_version.name) or self._format(connection) is None:
                connection.rollback()
                _lock(connection)  # another process may be about to do the same
                _tables.create_all(connection)
                if self._format(connection) is None:
                    connection.execute(_version.insert().values(version=VERSION))
                connection.commit()
            self._head = self._last(connection)

    @contextmanager
    def _connected(self, done: str) -> Iterator[sa.Connection]:
        """A connection; a JournalError of one that fails says that the journal cannot be `done`."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise JournalError(f"the journal {self.path} cannot be {done}: {_cause(error)}.") from error

    def _format(self, connection: sa.Connection) -> int | None:
        """The format's version, None where there is none yet. Raises JournalError for a newer one."""
        found = connection.execute(sa.select(_version.c.version)).scalar()
        if found is not None and found > VERSION:
            raise JournalError(f"the journal {self.path} was written by a newer Overnight (format {found}): upgrade this one.")
        return found

    def _migrate(self) -> None:
        """Bring a journal of format 1 to the present format in one transaction; its records belong to the track ""."""
        with self._engine.connect() as connection:
            if self._format(connection) == VERSION:
                return
            connection.rollback()
            _lock(connection)
            if self._format(connection) != VERSION:
                connection.exec_driver_sql(f"ALTER TABLE {_events.name} RENAME TO {_format_1.name}")
                _events.create(connection)
                old = sa.select(sa.literal(""), *_format_1.c)
                connection.execute(_events.insert().from_select(["track", "seq", "body", "hash"], old))
                _format_1.drop(connection)
                connection.execute(_version.update().values(version=VERSION))
            connection.commit()

    def _rows(self, connection: sa.Connection) -> sa.Select[Any]:
        """What selects this track's records, in whichever format they are."""
        rows = sa.select(_events.c.seq, _events.c.body, _events.c.hash)
        if self._format(connection) == VERSION:
            return rows.where(_events.c.track == self.track)
        return rows.where(sa.false()) if self.track else rows

    def _last(self, connection: sa.Connection) -> tuple[int, str]:
        row = connection.execute(self._rows(connection).order_by(_events.c.seq.desc()).limit(1)).first()
        return (row.seq, row.hash) if row else (0, START)

    def extend(self, events: Sequence[Event], expected_seq: int | None = None) -> None:
        """Make events durable, all or none of them, behind record `expected_seq`; None: behind the last one that is known
        here. Raises Conflict where that is not the last record, JournalError for the rest; then nothing was written."""
        if not events and expected_seq is None:
            return
        try:
            if not self._migrated:
                self._migrate()
                self._migrated = True
            with self._engine.begin() as connection:
                # where nothing else is expected than what is known, the primary key finds a quicker writer
                seq, chain = self.head if expected_seq in (None, self.head[0]) else self._last(connection)
                if expected_seq not in (None, seq):
                    raise self._conflict()
                rows = []
                for each in events:
                    body = self._encoder.encode(each)
                    seq, chain = seq + 1, link(chain, body)
                    rows.append({"track": self.track, "seq": seq, "body": body, "hash": chain})
                if rows:
                    connection.execute(_events.insert(), rows)
        except IntegrityError as error:
            raise self._conflict() from error
        except SQLAlchemyError as error:
            raise JournalError(f"the journal {self.path} cannot be written ({_cause(error)}): nothing is lost, "
                               "make room and run again.") from error
        self._head = seq, chain  # at once, for other threads quote it

    def _conflict(self) -> Conflict:
        return Conflict(f"another process has written to the journal {self.path} meanwhile: nothing is lost, "
                        "run again when it is done.")

    def replay(self, after: int = 0) -> Iterator[Event]:
        """The events behind record `after`, oldest first, each checked against the chain. Their numbers have no gaps, so that a
        follower counts what it read and asks for what comes after. Raises JournalError."""
        seq, chain = after, START
        try:
            with self._connected("read") as connection:
                wanted = self._rows(connection).order_by(_events.c.seq)
                wanted = wanted.where(_events.c.seq >= after) if after else wanted  # with the record that the next is linked to
                rows = connection.execution_options(yield_per=5000).execute(wanted)
                if after and (known := rows.fetchone()):
                    seq, chain = after, known.hash if known.seq == after else ""
                for number, body, said in rows:
                    seq, chain = seq + 1, link(chain, body if isinstance(body, bytes) else b"")
                    if number != seq or said != chain:
                        raise JournalError(f"the journal {self.path} was altered: record {number} does not fit the chain.")
                    yield self._decoder.decode(body)
        except msgspec.ValidationError as error:
            raise JournalError(f"the journal {self.path} holds a record that this version does not know: {error}.") from error

    def hash_of(self, number: int) -> str | None:
        """The hash of a record; None where there is none of that number. Raises JournalError."""
        with self._connected("read") as connection:
            row = connection.execute(self._rows(connection).where(_events.c.seq == number)).first()
        return row.hash if row else None

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record: quote it to pin the whole past."""
        return self._head

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()


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


def link(before: str, body: bytes) -> str:
    """The hash of a record: sha256 over the previous hash and the body."""
    return hashlib.sha256(before.encode() + body).hexdigest()


# ---- what differs between databases ----------------------------------------------------------------------------


def _made(url: str) -> sa.Engine:
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:") and path.is_file() and not os.access(path.parent, os.W_OK):
        return sa.create_engine("sqlite://", creator=partial(_only_read, path), poolclass=sa.QueuePool)
    engine = sa.create_engine(url, connect_args={"timeout": 30} if url.startswith("sqlite:") else {})
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure)
    return engine


def _only_read(path: Path) -> sqlite3.Connection:
    """A connection to a journal in a folder that cannot be written to. SQLite wants to make two files beside a journal even to
    read it; where they are not there, nothing is written to it either. Raises sqlite3.Error, OSError."""
    place = f"file:{quote(str(path.absolute()))}?mode=ro"
    try:
        connection = sqlite3.connect(place, uri=True, check_same_thread=False)
        connection.execute("SELECT 1 FROM sqlite_master")
        return connection
    except sqlite3.OperationalError:
        connection.close()
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


def _lock(connection: sa.Connection) -> None:
    """Begin a transaction in which no other process makes or migrates tables; a database that locks by itself needs nothing."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _configure(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for attempt in range(ATTEMPTS):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError as error:  # several make the same new file, and SQLite does not wait for this lock
            if attempt == ATTEMPTS - 1 or "locked" not in str(error):
                raise
            time.sleep(PAUSE)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)


