"""What a journal takes to keep records, in a file of SQLite and in PostgreSQL on the same disk, which take turns.

Each append is durable before it returns: the file is synced, and the server, started for this, writes its log to the disk. A
record is that of a run, some 300 bytes. Then what it takes to read them again with every hash checked, to copy a journal from
one into the other, and how long after an append a follower has its bell.
"""

from __future__ import annotations

import select
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from bench.kit import Bench, Cell, Row, median, ratio
from overnight.contracts import Journal, RingsBell
from overnight.journal import copying
from overnight.journal import open as open_journal
from overnight.lab.events import Event, Faulted
from overnight.testing.postgres import PostgresServer

TURNS, APPENDS, READ, BELLS = 15, 40, 20_000, 50
RECORD = Faulted(0.0, "measure", "x" * 250)


def seconds(act: Callable[[], object]) -> float:
    """What it takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def append(journal: Journal[Event], count: int) -> None:
    """Append so many records, each by itself."""
    for _ in range(count):
        journal.extend([RECORD])


def rung(journal: Journal[Event], follower: Journal[Event]) -> float:
    """Seconds from the beginning of an append to the bell of a follower."""
    assert isinstance(follower, RingsBell)
    with closing(follower.bell()) as bell:
        writer = threading.Thread(target=journal.extend, args=([RECORD],))
        began = time.perf_counter()
        writer.start()
        select.select([bell], [], [], 10)
        took = time.perf_counter() - began
        writer.join()
    return took


def compared(turns: int, appends: int, read: int, bells: int) -> Iterator[Row]:
    """The figures of both."""
    with tempfile.TemporaryDirectory() as folder, PostgresServer(durable=True) as server:
        places = {"SQLite": Path(folder, "journal.db"), "PostgreSQL": server.url()}
        with closing(open_journal(places["SQLite"])) as file, closing(open_journal(places["PostgreSQL"])) as there:
            took: dict[str, list[float]] = {"SQLite": [], "PostgreSQL": []}
            for _ in range(turns):
                for name, journal in (("SQLite", file), ("PostgreSQL", there)):
                    took[name].append(seconds(partial(append, journal, appends)) / appends)
            for name, values in took.items():
                yield median(f"appends a second, {name}", [1 / each for each in values])
            yield ratio("time of an append, PostgreSQL over SQLite", took["PostgreSQL"], took["SQLite"])
            yield from _read(file, there, read)
            with closing(open_journal(Path(folder, "copy.db"))) as copy:
                took_to_copy = seconds(partial(copying.copy, there, copy))
                yield median("records copied a second, PostgreSQL to SQLite", [copy.head[0] / took_to_copy])
            with closing(open_journal(server.url(), only_to_read=True)) as follower:
                waits = [1000 * rung(there, follower) for _ in range(bells)]
                yield median("from an append to a follower's bell", waits, unit="ms")


def _read(file: Journal[Event], there: Journal[Event], count: int) -> Iterator[Row]:
    """How many records a second are read, after so many were added to both."""
    for name, journal in (("SQLite", file), ("PostgreSQL", there)):
        journal.extend([RECORD] * count)
        rates = [journal.head[0] / seconds(partial(list, journal.replay())) for _ in range(3)]
        yield median(f"records read a second, {name}", rates)


def cells(quick: bool) -> list[Cell]:
    """All of it at once: the two take turns."""
    size = (3, 10, 1000, 5) if quick else (TURNS, APPENDS, READ, BELLS)
    return [Cell("journals", partial(compared, *size))]


BENCH = Bench("journal", "Appends, reads and copies of journals in SQLite and PostgreSQL, a second.", cells, timed=True)
