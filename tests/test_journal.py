"""The journal: what is acknowledged is never lost, what was altered is seen."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from overnight.errors import JournalError
from overnight.journal import open as open_journal
from overnight.journal.chain import START, link
from overnight.lab.events import Faulted
from overnight.testing.journal import JournalSuite, some

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


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.db"


def alter(path, statement, *values):
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


class TestSqlite(JournalSuite):
    """The conformance suite on a file."""

    def open(self, folder, track=""):
        return open_journal(folder / "journal.db", track)

    def records(self, folder):
        return [(body, said) for _, body, said in rows(folder / "journal.db")]

    def rewrite(self, folder, records):
        alter(folder / "journal.db", "delete from events")
        for number, record in enumerate(records, 1):
            alter(folder / "journal.db", "insert into events values ('', ?, ?, ?)", number, *record)

    def outdate(self, folder):
        alter(folder / "journal.db", "update schema set version = 99")


@pytest.fixture
def format_1(path):
    """A journal of format 1, which knew no tracks; its rows."""
    open_journal(path).extend(some(3))
    alter(path, "create table old as select seq, body, hash from events")
    alter(path, "drop table events")
    alter(path, "create table events (seq integer primary key, body blob not null, hash varchar(64) not null)")
    alter(path, "insert into events select * from old")
    alter(path, "drop table old")
    alter(path, "update schema set version = 1")
    return rows(path)


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("select seq, body, hash from events order by seq").fetchall()


def version(path):
    with sqlite3.connect(path) as connection:
        return connection.execute("select version from schema").fetchone()[0]


def test_a_journal_of_format_1_is_read_as_it_is(path, format_1):
    journal = open_journal(path)
    assert list(journal.replay()) == some(3) and list(journal.replay(after=2)) == some(1, 3)
    assert journal.head == (3, format_1[-1][2]) and list(open_journal(path, "other").replay()) == []
    assert version(path) == 1 and rows(path) == format_1


def test_a_journal_of_format_1_is_migrated_when_it_is_first_written(path, format_1):
    follower = open_journal(path)
    open_journal(path, "other").extend(some(1))
    open_journal(path).extend(some(1, 4))
    assert version(path) == 2 and list(follower.replay()) == some(4)
    assert list(open_journal(path, "other").replay()) == some(1)


def test_a_migration_that_fails_leaves_format_1(path, format_1):
    alter(path, "create table events_1 (seq integer)")
    with pytest.raises(JournalError, match="cannot be written"):
        open_journal(path).extend(some(1, 4))
    assert version(path) == 1 and rows(path) == format_1


def test_a_url_names_the_same_file_and_another_backend_is_a_sentence(path):
    open_journal(f"sqlite:///{path}").extend(some(1))
    assert list(open_journal(path).replay()) == some(1)
    with pytest.raises(JournalError, match="mysql yet"):
        open_journal("mysql://ada:secret@host/name")


def test_each_hash_covers_the_record_before(path):
    journal = open_journal(path)
    journal.extend(some(2))
    rows = sqlite3.connect(path).execute("select body, hash from events order by seq").fetchall()
    assert rows[0][1] == link(START, rows[0][0]) and rows[1][1] == link(rows[0][1], rows[1][0])


@pytest.mark.parametrize("statement", ["delete from events where seq = 2", "update events set seq = -seq where seq in (2, 3)"])
def test_a_number_that_is_missing_is_seen(path, statement):
    journal = open_journal(path)
    journal.extend(some(4))
    journal.close()
    alter(path, statement)
    with pytest.raises(JournalError, match="altered"):
        list(open_journal(path).replay())


def test_a_file_that_is_no_journal_is_a_sentence(path):
    path.write_bytes(b"no database at all, only words" * 100)
    with pytest.raises(JournalError, match="cannot be opened"):
        open_journal(path)


def test_a_full_disk_loses_nothing_and_goes_on_when_there_is_room(path):
    journal = open_journal(path)
    journal.extend(some(3))
    full = [Faulted(0.0, "measure", "x" * 200_000)]
    pages = journal._kept.execute("pragma page_count").fetchone()[0]
    journal._kept.execute(f"pragma max_page_count = {pages + 2}")
    with pytest.raises(JournalError, match="nothing is lost, make room"):
        journal.extend(full)
    journal.close()
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
        with closing(open_journal(tmp_path / "journal.db")) as journal:
            return journal.head

    with ThreadPoolExecutor(8) as many:
        assert list(many.map(begin, range(8))) == [(0, START)] * 8
