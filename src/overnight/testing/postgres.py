"""A PostgreSQL server of one's own for a while: the system's programs, in a new folder, reached by a socket in it alone.

    with PostgresServer() as server:
        journal = overnight.journal.open(server.url(), "track")

Root starts it as the user `nobody`, for PostgreSQL does not run as root. It is not made to survive a power loss.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from overnight.errors import NotFound

PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin")  # where systems have the server's programs
USER, PASSWORD, DATABASE = "ada", "s3cret/w:rd", "overnight"
STARTS = 30.0  # seconds within which it has to answer
SMALL = ("listen_addresses=", "max_connections=40", "shared_buffers=16MB")


def programs() -> Path | None:
    """The folder of the newest server on this machine; None where there is none."""
    found = [path.parent for place in PLACES for path in Path("/").glob(f"{place[1:]}/initdb")]
    if named := shutil.which("initdb"):
        found.append(Path(named).resolve().parent)
    return max(found, key=lambda path: [int(part) for part in path.parent.name.split(".") if part.isdecimal()], default=None)


class PostgresServer:
    """One such server. As a context it has the database DATABASE, and is gone when the context ends."""

    def __init__(self, durable: bool = False) -> None:
        """`durable`: what is committed is on the disk, which takes longer. Raises NotFound where PostgreSQL is not
        installed."""
        found = programs()
        if found is None:
            raise NotFound("PostgreSQL is not installed: apt-get install postgresql.")
        self._programs, self._settings = found, (*SMALL, f"fsync={'on' if durable else 'off'}")
        self.folder = Path(tempfile.mkdtemp(prefix="overnight-pg-"))
        self.process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self.folder, "nobody")
        self.folder.chmod(0o755)
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        password.chmod(0o644)
        subprocess.run([self._programs / "initdb", "-D", "data", "-U", USER, "--auth=scram-sha-256", f"--pwfile={password}",
                        "-E", "UTF8", "--locale=C", "--wal-segsize=1", "--no-sync"],
                       stdout=subprocess.DEVNULL, check=True, **self._as_user())
        self.start()
        self.sql(f"CREATE DATABASE {DATABASE}", "postgres")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = DATABASE, user: str = USER, password: str = PASSWORD) -> str:
        """The address of a database."""
        return f"postgresql://{user}:{quote(password, safe='')}@/{database}?host={quote(str(self.folder), safe='')}"

    def start(self, room: int = 0) -> None:
        """Begin to serve, and return when it answers. Raises TimeoutError. `room`: no file may become larger than so many
        bytes, as on a disk that is full; 0: any may."""
        with (self.folder / "log").open("ab") as log:
            settings = (*self._settings, f"unix_socket_directories={self.folder}")
            words: list[str | Path] = ["prlimit", f"--fsize={room}:"] if room else []
            words += [self._programs / "postgres", "-D", "data"]
            words += (word for each in settings for word in ("-c", each))
            self.process = process = subprocess.Popen(words, stdout=log, stderr=log, **self._as_user())
        until = time.monotonic() + STARTS
        while time.monotonic() < until and process.poll() is None:
            ready = subprocess.run([self._programs / "pg_isready", "-q", "-h", self.folder], check=False)
            if ready.returncode == 0:
                return
            time.sleep(0.05)
        self.stop()
        raise TimeoutError((self.folder / "log").read_text(encoding="utf-8", errors="replace")[-2000:])

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End it: at once and in order (SIGINT), or as a power loss does (SIGQUIT)."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
            self.process.wait(timeout=STARTS)
            self.process = None

    def restart(self, number: signal.Signals = signal.SIGINT, away: float = 0.0, room: int = 0) -> None:
        """End it, and start it again after so many seconds."""
        self.stop(number)
        time.sleep(away)
        self.start(room)

    def sql(self, statement: str, database: str = DATABASE, values: tuple[Any, ...] = ()) -> list[Any]:
        """What a statement finds; [] for one that finds nothing."""
        import psycopg
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def _as_user(self) -> dict[str, Any]:
        drop = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self.folder, **drop}
