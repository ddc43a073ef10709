"""The journal in SQLite, through SQLAlchemy. docs/journal.md gives the format.

One table, only ever appended to. Each row's hash covers the row before it, so that nothing can be changed, dropped or
slipped in unseen: hash = sha256(previous hash + body). Covered: kill -9 and power loss at any instant (each append is
one transaction, synced before it returns), edits of the past. Not covered: someone who rewrites the whole chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, String, Table, create_engine, event, inspect, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from overnight.errors import JournalError
from overnight.lab.events import Event

VERSION = 1
START = "0" * 64
_tables = MetaData()
_events = Table(
    "events", _tables,
    Column("seq", Integer, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("hash", String(64), nullable=False),
)
_version = Table("schema", _tables, Column("version", Integer, primary_key=True))


class SqliteJournal:
    """An append-only file. One process writes at a time; many may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder(Event)
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        event.listen(self._engine, "connect", _configure)
        try:
            self._seq, self._hash = self._open()
        except SQLAlchemyError as error:
            raise JournalError(f"the journal {path} cannot be opened: {_cause(error)}.") from error

    def _open(self) -> tuple[int, str]:
        """Number and hash of the last record, in tables that are made where there are none."""
        with self._engine.connect() as connection:
            if not inspect(connection).has_table(_version.name) or self._format(connection) is None:
                connection.rollback()
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # another process may be about to do the same
                self._make(connection)
                connection.commit()
            return self._last(connection)

    def _make(self, connection: Connection) -> None:
        _tables.create_all(connection)
        if self._format(connection) is None:
            connection.execute(_version.insert().values(version=VERSION))

    def _format(self, connection: Connection) -> int | None:
        """The format's version, None where there is none yet. Raises JournalError for a newer one."""
        found = connection.execute(select(_version.c.version)).scalar()
        if found is not None and found > VERSION:
            raise JournalError(f"the journal {self.path} was written by a newer Overnight (format {found}): upgrade this one.")
        return found

    @staticmethod
    def _last(connection: Connection) -> tuple[int, str]:
        row = connection.execute(select(_events.c.seq, _events.c.hash).order_by(_events.c.seq.desc()).limit(1)).first()
        return (row.seq, row.hash) if row else (0, START)

    def extend(self, events: Sequence[Event]) -> None:
        """Make events durable, all or none of them. Raises JournalError; then nothing was written."""
        if not events:
            return
        seq, chain, rows = self._seq, self._hash, []
        for each in events:
            body = self._encoder.encode(each)
            seq, chain = seq + 1, link(chain, body)
            rows.append({"seq": seq, "body": body, "hash": chain})
        try:
            with self._engine.begin() as connection:
                connection.execute(_events.insert(), rows)
        except IntegrityError as error:
            raise JournalError(f"another process has written to the journal {self.path} meanwhile: nothing is lost, "
                               "run again when it is done.") from error
        except SQLAlchemyError as error:
            raise JournalError(f"the journal {self.path} cannot be written ({_cause(error)}): nothing is lost, "
                               "make room and run again.") from error
        self._seq, self._hash = seq, chain

    def replay(self) -> Iterator[Event]:
        """All events, oldest first, each checked against the chain. Raises JournalError."""
        seq, chain = 0, START
        try:
            with self._engine.connect() as connection:
                rows = connection.execution_options(yield_per=5000).execute(select(_events).order_by(_events.c.seq))
                for number, body, said in rows:
                    seq, chain = seq + 1, link(chain, body if isinstance(body, bytes) else b"")
                    if number != seq or said != chain:
                        raise JournalError(f"the journal {self.path} was altered: record {number} does not fit the chain.")
                    yield self._decoder.decode(body)
        except SQLAlchemyError as error:
            raise JournalError(f"the journal {self.path} cannot be read: {_cause(error)}.") from error
        except msgspec.ValidationError as error:
            raise JournalError(f"the journal {self.path} holds a record that this version does not know: {error}.") from error

    def after(self, seq: int) -> list[tuple[int, Event]]:
        """The events behind a number, each with its own, for those who look on while another process writes; the chain is not
        checked again. Raises JournalError."""
        try:
            with self._engine.connect() as connection:
                wanted = select(_events.c.seq, _events.c.body).where(_events.c.seq > seq).order_by(_events.c.seq)
                return [(number, self._decoder.decode(body)) for number, body in connection.execute(wanted)]
        except (SQLAlchemyError, msgspec.ValidationError) as error:
            raise JournalError(f"the journal {self.path} cannot be read: {error}.") from error

    @property
    def head(self) -> tuple[int, str]:
        """Number and hash of the last record: quote it to pin the whole past."""
        return self._seq, self._hash

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()


def link(before: str, body: bytes) -> str:
    """The hash of a record: sha256 over the previous hash and the body."""
    return hashlib.sha256(before.encode() + body).hexdigest()


def _configure(connection: object, _record: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error)


