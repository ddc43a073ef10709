"""The journal: what is acknowledged is never lost, what was altered is seen."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from overnight.errors import JournalError
from overnight.journal import open as open_journal
from overnight.journal.database import START, link
from overnight.lab.events import Faulted, Passed

WRITER = """
import sys
from pathlib import Path
from overnight.lab.events import Faulted
from overnight.journal import open as open_journal
journal = open_journal(Path(sys.argv[1]))
number = journal.head[0]
while True:
    number += 1
    journal.extend([Faulted(0.0, "measure", str(number))])
    print(number, flush=True)
"""


def some(count):
    return [Faulted(float(i), "measure", f"reason {i}") for i in range(count)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def alter(path, statement, *values):
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


def test_what_is_written_is_read_back_in_order(path):
    journal = open_journal(path)
    journal.extend(some(5))
    journal.extend([Passed(9.0, "knobs", 0)])
    assert list(open_journal(path).replay()) == [*some(5), Passed(9.0, "knobs", 0)]


def test_nothing_to_write_is_nothing_written(path):
    journal = open_journal(path)
    journal.extend([])
    assert journal.head == (0, START)


def test_each_hash_covers_the_record_before(path):
    journal = open_journal(path)
    journal.extend(some(2))
    rows = sqlite3.connect(path).execute("select body, hash from events order by seq").fetchall()
    assert rows[0][1] == link(START, rows[0][0]) and rows[1][1] == link(rows[0][1], rows[1][0])


@pytest.mark.parametrize(("statement", "values"), [
    ("update events set body = replace(body, 'reason 2', 'reason x') where seq = 3", ()),
    ("delete from events where seq = 2", ()),
    ("update events set seq = -seq where seq in (2, 3)", ()),
    ("update events set hash = ? where seq = 3", ("0" * 64,)),
])
def test_an_altered_past_is_seen(path, statement, values):
    journal = open_journal(path)
    journal.extend(some(5))
    journal.close()
    alter(path, statement, *values)
    with pytest.raises(JournalError, match="altered"):
        list(open_journal(path).replay())


def test_swapped_records_are_seen(path):
    journal = open_journal(path)
    journal.extend(some(4))
    journal.close()
    for old, new in ((2, 99), (3, 2), (99, 3)):
        alter(path, "update events set seq = ? where seq = ?", new, old)
    with pytest.raises(JournalError, match="altered"):
        list(open_journal(path).replay())


def test_a_journal_of_a_newer_overnight_is_refused(path):
    open_journal(path).close()
    alter(path, "update schema set version = 99")
    with pytest.raises(JournalError, match="newer"):
        open_journal(path)


def test_a_file_that_is_no_journal_is_a_sentence(path):
    path.write_bytes(b"no database at all, only words" * 100)
    with pytest.raises(JournalError, match="cannot be opened"):
        open_journal(path)


def test_a_second_writer_cannot_fork_the_chain(path):
    first, second = open_journal(path), open_journal(path)
    first.extend(some(1))
    with pytest.raises(JournalError):
        second.extend(some(1))
    assert len(list(open_journal(path).replay())) == 1


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(path):
    journal = open_journal(path)
    journal.extend(some(3))
    with journal._engine.connect() as connection:
        pages = connection.exec_driver_sql("pragma page_count").scalar()
    alter(path, "select 1")
    journal._engine.dispose()
    full = [Faulted(0.0, "measure", "x" * 200_000)]

    def cap(connection, _record):
        connection.execute(f"pragma max_page_count = {pages + 2}")

    from sqlalchemy import event
    event.listen(journal._engine, "connect", cap)
    with pytest.raises(JournalError, match="nothing is lost, make room"):
        journal.extend(full)
    event.remove(journal._engine, "connect", cap)
    journal._engine.dispose()
    journal.extend(full)
    assert list(open_journal(path).replay()) == [*some(3), *full]


@pytest.mark.sandbox
def test_what_was_acknowledged_survives_kill_minus_nine(path):
    said = 0
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as process:
            until = time.monotonic() + 20
            while time.monotonic() < until and (line := process.stdout.readline()):
                said = int(line)
                if said % 40 == 0:
                    break
            os.kill(process.pid, 9)
        found = list(open_journal(path).replay())
        assert len(found) >= said
        assert [e.reason for e in found] == [str(i + 1) for i in range(len(found))]
        said = len(found)


@pytest.mark.parametrize("_", range(8))
def test_many_may_open_a_new_journal_at_the_same_moment(tmp_path, _):
    together = threading.Barrier(8)

    def begin(_):
        together.wait()
        return open_journal(tmp_path / "journal.db").head

    with ThreadPoolExecutor(8) as many:
        assert list(many.map(begin, range(8))) == [(0, START)] * 8
