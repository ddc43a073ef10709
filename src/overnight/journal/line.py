"""One connection to PostgreSQL, made anew where it was lost, and the lock that goes with it.

Covered: a server that restarts, ends or hangs, a network that breaks: what was asked is asked again until a time is over. A
lock that is held is taken again on each new connection before anything else, also from a connection of our own that the
server has not yet given up. Not covered: a pool of connections between (pgbouncer in transaction mode), which knows no locks
and no news.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import Connection

from overnight.errors import Busy, busy
from overnight.journal import faults
from overnight.journal.urls import masked

Answer = TypeVar("Answer")
CONNECTING = 10  # seconds
ANSWERING = 30.0  # seconds for one answer; a server that takes longer is taken for lost
PAUSE, MOST_PAUSE = 0.05, 2.0  # seconds between two attempts, at first and at most
ALIVE = {"keepalives_idle": 15, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
FREED = 5.0  # seconds for which a lock of our own is waited for that the server has not yet given up
_HOLDER = """SELECT pid, application_name FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'
    AND granted AND objsubid = 1 AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32 | objid::bigint) = %s"""
_DURABLE = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
_READ = "SET default_transaction_read_only = on"


class Patient(Connection[Any]):
    """A connection that waits for an answer ANSWERING seconds, and no longer."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """What comes of a request. Raises psycopg.OperationalError."""
        return super().wait(gen, interval, ANSWERING if timeout is None else timeout)


class Line:
    """The connection of one journal, for any thread.

    url      of the database; it may hold a password, so `masked` shows it
    lock     the number of the lock that `hold` takes
    prepare  does what each new connection needs
    """

    def __init__(self, url: str, lock: int, prepare: Callable[[Connection[Any]], None], only_to_read: bool = False) -> None:
        self.url, self.shown, self._lock, self._prepare, self._only_to_read = url, masked(url), lock, prepare, only_to_read
        self._name = f"overnight {os.getpid()} on {socket.gethostname()}"[:63]
        self._alone = threading.RLock()
        self._kept: Connection[Any] | None = None
        self._held = self._locked = False
        self._backend = 0  # the server's process of the latest connection

    def ask(self, done: str, act: Callable[[Connection[Any]], Answer], seconds: float = 0.0) -> Answer:
        """What `act` makes of the connection. Where that was lost it is called again, for so many seconds. Raises what it
        raises, and for errors of PostgreSQL JournalError: the journal cannot be `done`."""
        until, pause = time.monotonic() + seconds, PAUSE
        while True:
            try:
                with self._alone:
                    return act(self._opened())
            except psycopg.Error as error:
                self._let_go_if_lost(error)
                if not faults.passing(error) or time.monotonic() + pause > until:
                    raise faults.sentence(error, self.url, done) from error
            time.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE)

    def hold(self) -> None:
        """Take the lock, and keep it until `close`. Raises Busy, JournalError."""
        with self._alone:
            self._held = True
            try:
                self.ask("opened", lambda connection: None, FREED)
            except BaseException:
                self._held = False
                raise

    def connect(self) -> Connection[Any]:
        """A new connection, in which each statement is a transaction. Raises psycopg.Error."""
        known = psycopg.conninfo.conninfo_to_dict(self.url)
        more: dict[str, Any] = {"connect_timeout": CONNECTING, **ALIVE, **known}
        more |= {"application_name": self._name, "client_encoding": "utf8"}
        return Patient.connect("", autocommit=True, **more)

    def close(self) -> None:
        """Let go of the connection and the lock."""
        with self._alone:
            self._held = False
            self._drop()

    def _opened(self) -> Connection[Any]:
        if self._kept is None or self._kept.closed:
            self._drop()
            coming = self.connect()
            try:
                coming.execute(_READ if self._only_to_read else _DURABLE)
                self._prepare(coming)
            except BaseException:
                coming.close()
                raise
            self._kept = coming
        if self._held and not self._locked:
            self._take_lock(self._kept)
        self._backend = self._kept.info.backend_pid
        return self._kept

    def _take_lock(self, connection: Connection[Any]) -> None:
        """Raise Busy where another process has it."""
        self._locked = bool(connection.execute("SELECT pg_try_advisory_lock(%s)", (self._lock,)).fetchone()[0])  # type: ignore[index]
        if self._locked:
            return
        pid, name = connection.execute(_HOLDER, (self._lock,)).fetchone() or (0, "")
        if name and (pid, name) != (self._backend, self._name):
            raise _busy(name)
        if pid:  # ours, which the server has not yet noticed to be gone
            connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
        raise psycopg.errors.LockNotAvailable("the lock is about to be free")

    def _let_go_if_lost(self, error: psycopg.Error) -> None:
        with self._alone:
            if isinstance(error, psycopg.OperationalError) or (self._kept is not None and self._kept.broken):
                self._drop()

    def _drop(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept, self._locked = None, False


def _busy(name: str) -> Busy:
    return busy(name.removeprefix("overnight "))
