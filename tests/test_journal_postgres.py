"""The journal in PostgreSQL: what is true of one in SQLite, and what else can happen between two machines."""

import hashlib
import os
import random
import select
import signal
import sqlite3
import threading
import time
from urllib.parse import quote

import psycopg
import pytest

from databases import database, postgres  # noqa: F401, fixtures
from overnight.errors import OvernightError
from overnight.journal import copying
from overnight.journal import open as open_journal
from overnight.journal.chain import START
from overnight.journal.urls import masked, scrubbed
from overnight.lab.events import Faulted
from overnight.testing.journal import JournalSuite, some
from overnight.testing.postgres import PASSWORD

NEEDS = "services"


@pytest.fixture
def opens(postgres):  # noqa: F811
    """Opens journals, and lets go of them at the end."""
    opened = []

    def opens(url, track="", **more):
        opened.append(open_journal(url, track, **more))
        return opened[-1]

    yield opens
    for each in opened:
        each.close()


class TestPostgres(JournalSuite):
    """The conformance suite on a server."""

    @pytest.fixture(autouse=True)
    def _server(self, postgres, opens):  # noqa: F811
        self.server, self.opens = postgres, opens

    def database(self, folder):
        name = f"d{hashlib.sha256(str(folder).encode()).hexdigest()[:20]}"
        if not self.server.sql("SELECT 1 FROM pg_database WHERE datname = %s", values=(name,)):
            self.server.sql(f"CREATE DATABASE {name}")
        return name

    def open(self, folder, track=""):
        return self.opens(self.server.url(self.database(folder)), track)

    def records(self, folder):
        found = self.server.sql("SELECT body, hash FROM overnight.events WHERE track = '' ORDER BY seq", self.database(folder))
        return [(bytes(body), said) for body, said in found]

    def rewrite(self, folder, records):
        name = self.database(folder)
        self.server.sql("DELETE FROM overnight.events", name)
        for number, record in enumerate(records, 1):
            self.server.sql("INSERT INTO overnight.events VALUES ('', %s, %s, %s)", name, (number, *record))

    def outdate(self, folder):
        self.server.sql("UPDATE overnight.schema SET version = 99", self.database(folder))


def tables(database):  # noqa: F811
    """A connection behind the journal's back."""
    return psycopg.connect(database, autocommit=True)


def fails(opens, url):
    """The one sentence with which a journal is not opened; it shows no password."""
    return shown(lambda: opens(url))


def shown(act):
    with pytest.raises(OvernightError) as caught:
        act()
    said = str(caught.value)
    assert "\n" not in said and said.endswith(".") and PASSWORD not in said and quote(PASSWORD, safe="") not in said
    return said


# ---- what is wrong from the beginning --------------------------------------------------------------------------


def test_each_thing_that_is_wrong_is_one_sentence(postgres, database, opens):  # noqa: F811
    assert "refuses the user or the password" in fails(opens, postgres.url(password="wr0ng"))
    assert "refuses the user" in fails(opens, postgres.url(user="eve"))
    assert "no database of that name" in fails(opens, postgres.url("nowhere"))
    assert "does not answer" in fails(opens, f"postgresql://ada:{quote(PASSWORD, safe='')}@/x?host=/nowhere")
    assert "is none: write postgresql://" in fails(opens, f"postgresql://ada:{PASSWORD}@host/name")
    assert "is none: write postgresql://" in fails(opens, f"postgresql://ada:{quote(PASSWORD, safe='')}@host:port/name")
    assert "postgresql://ada:***@" in fails(opens, postgres.url("nowhere"))


@pytest.mark.parametrize(("version", "words"), [(99, "newer Overnight (format 99): upgrade"), (1, "older Overnight (format 1): go on with that one")])
def test_another_version_of_the_schema_is_refused(database, opens, version, words):  # noqa: F811
    opens(database).extend(some(2))
    with tables(database) as behind:
        behind.execute("UPDATE overnight.schema SET version = %s", (version,))
    assert words in fails(opens, database)


def test_a_user_without_rights_is_a_sentence(postgres, database, opens):  # noqa: F811
    postgres.sql("DROP ROLE IF EXISTS guest", "postgres")
    postgres.sql(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'", "postgres")
    guest = postgres.url("fresh", user="guest")
    assert "let it own the schema" in shown(lambda: opens(guest).extend(some(1)))


def test_a_journal_that_is_only_read_makes_and_changes_nothing(database, opens):  # noqa: F811
    reader = opens(database, only_to_read=True)
    assert reader.head == (0, START) and list(reader.replay()) == []
    with tables(database) as behind:
        assert not behind.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'overnight'").fetchall()
    opens(database).extend(some(2))
    assert list(reader.replay()) == some(2)
    assert "read-only" in shown(lambda: reader.extend(some(1, 3), expected_seq=2))


@pytest.mark.parametrize("url", ["postgresql://ada:se%2Fcret@host/x", "postgresql://host/x?password=se%2Fcret&user=ada",
                                 "postgresql://ada@host/x?sslmode=disable&sslpassword=se%2Fcret", "postgres://ada:se/cret@host/x",
                                 "postgresql://ada:se%2Fcret@host:none/x", "mysql://ada:se%2Fcret@host/x"])
def test_no_password_is_shown(url):
    assert "se%2Fcret" not in masked(url) and "se/cret" not in masked(url) and "cret" not in masked(url)
    assert "cret" not in scrubbed(f"could not connect with {url} or se/cret", url)
    assert masked("postgresql://ada@host/x") == "postgresql://ada@host/x" and masked("/a/file.db") == "/a/file.db"


# ---- what goes wrong on the way --------------------------------------------------------------------------------


def test_a_server_that_is_full_loses_nothing_and_goes_on_when_there_is_room(postgres, database, opens):  # noqa: F811
    journal, lots = opens(database), random.Random(1)
    journal.extend(some(3))
    large = [Faulted(float(number), "measure", lots.randbytes(500_000).hex()) for number in range(12)]  # 1 MB each, not to be packed
    postgres.restart(room=4 * 1024 * 1024 + 4096)
    try:
        assert "is full: nothing is lost, make room" in shown(lambda: [journal.extend([each]) for each in large])
    finally:
        postgres.restart()
    there = journal.head[0] - 3
    assert 0 < there < len(large)
    journal.extend(large[there:])
    assert list(opens(database).replay()) == [*some(3), *large]


def test_a_server_that_becomes_read_only_is_a_sentence(database, opens):  # noqa: F811
    journal = opens(database)
    journal.extend(some(3))
    with tables(database) as behind:
        behind.execute("ALTER DATABASE fresh SET default_transaction_read_only = on")
        journal.close()
        assert "is read-only, as a standby is: nothing is lost" in shown(lambda: journal.extend(some(1, 4)))
        behind.execute("SET default_transaction_read_only = off")
        behind.execute("ALTER DATABASE fresh RESET default_transaction_read_only")
    journal.close()
    journal.extend(some(1, 4))
    assert list(journal.replay()) == some(4)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_restart_in_the_middle_loses_and_doubles_nothing(postgres, database, opens, how):  # noqa: F811
    journal = opens(database)
    journal.hold()
    restart = threading.Thread(target=postgres.restart, args=(how, 1.0))
    for number in range(1, 301):
        journal.extend(some(1, number))
        if number == 100:
            restart.start()
    restart.join()
    assert list(opens(database).replay()) == some(300) and journal.latest() == journal.head


def test_the_lock_is_held_again_after_a_restart(postgres, database, opens):  # noqa: F811
    journal, second = opens(database), opens(database)
    journal.hold()
    postgres.restart()
    journal.extend(some(1))
    assert f"(process {os.getpid()} on " in shown(second.hold)


def test_a_connection_that_is_ended_is_made_anew_with_its_lock(database, opens):  # noqa: F811
    journal = opens(database)
    journal.hold()
    with tables(database) as behind:
        for number in range(1, 6):
            behind.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'overnight %'")
            journal.extend(some(1, number))
    assert list(journal.replay()) == some(5)


class Cut:
    """A journal whose connection breaks right after an append was committed, or right before."""

    def __init__(self, journal, committed):
        self.journal, self.committed, self.cuts = journal, committed, 0
        self.write, journal._write = journal._write, self

    def __call__(self, connection, head, rows, again):
        if self.committed or self.cuts:
            self.write(connection, head, rows, again)
        if not self.cuts:
            self.cuts += 1
            connection.close()
            raise psycopg.OperationalError("the connection is lost")


@pytest.mark.parametrize("committed", [True, False])
def test_an_append_of_which_nothing_was_heard_is_there_once(database, opens, committed):  # noqa: F811
    journal = opens(database)
    journal.extend(some(2))
    cut = Cut(journal, committed)
    journal.extend(some(3, 3))
    assert cut.cuts == 1 and list(opens(database).replay()) == some(5) and journal.head == journal.latest()


def test_a_server_that_stays_away_ends_it_in_time_and_what_was_written_is_found(postgres, database, opens, monkeypatch):  # noqa: F811
    monkeypatch.setattr("overnight.journal.postgres.HEALS", 1.0)
    journal = opens(database)
    journal.hold()
    journal.extend(some(2))
    postgres.stop()
    try:
        began = time.monotonic()
        assert "nothing that was recorded is lost, run again when it is up" in shown(lambda: journal.extend(some(1, 3)))
        first = time.monotonic() - began
        shown(lambda: journal.extend(some(1, 3)))
        assert first < 10 and time.monotonic() - began < first + 1  # the second does not wait again
    finally:
        postgres.start()
    journal.extend(some(1, 3))
    assert list(opens(database).replay()) == some(3)


def test_a_server_that_hangs_is_taken_for_lost(postgres, database, opens, monkeypatch):  # noqa: F811
    monkeypatch.setattr("overnight.journal.line.ANSWERING", 1.0)
    monkeypatch.setattr("overnight.journal.line.CONNECTING", 2)
    journal = opens(database)
    journal.extend(some(2))
    with tables(database) as behind:
        (pid,), = behind.execute("SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'overnight %'").fetchall()
        os.kill(pid, signal.SIGSTOP)
        try:
            journal.extend(some(1, 3))
        finally:
            os.kill(pid, signal.SIGCONT)
    assert list(opens(database).replay()) == some(3)


def test_a_standby_that_lacks_the_latest_records_is_not_written(database, opens):  # noqa: F811
    journal = opens(database)
    journal.extend(some(5))
    with tables(database) as behind:
        behind.execute("DELETE FROM overnight.events WHERE seq > 3")
    assert "has lost records: it ends with 3, and 5 were written" in shown(lambda: journal.extend(some(1, 6)))


def test_a_bell_of_a_server_that_is_gone_is_a_sentence(postgres, database, opens):  # noqa: F811
    bell = opens(database).bell()
    postgres.restart()
    assert select.select([bell], [], [], 10)[0] and not bell.clear()  # the server's farewell
    assert select.select([bell], [], [], 10)[0]
    assert "cannot be followed" in shown(bell.clear)
    bell.close()


# ---- copies ----------------------------------------------------------------------------------------------------


def test_a_copy_there_and_back_has_the_same_head(database, opens, tmp_path):  # noqa: F811
    first, there, back = opens(tmp_path / "one.db"), opens(database, "track"), opens(tmp_path / "two.db")
    first.extend(some(2500))
    assert copying.copy(first, there) == (2500, first.head[1], 2500) and copying.copy(there, back).head == first.head[1]
    assert list(back.replay()) == some(2500)


def test_a_copy_that_broke_off_goes_on(database, opens, tmp_path):  # noqa: F811
    first, there = opens(tmp_path / "one.db"), opens(database, "track")
    first.extend(some(2500))

    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.copy(first, there, stop)
    assert 0 < there.latest()[0] < 2500
    assert copying.copy(first, there).new == 1500 and there.latest() == first.head


def test_what_is_not_the_same_record_is_not_written_over(database, opens, tmp_path):  # noqa: F811
    first, there = opens(tmp_path / "one.db"), opens(database, "track")
    first.extend(some(3))
    there.extend(some(2, 7))
    assert "holds another record" in shown(lambda: copying.copy(first, there))
    there.extend(some(5))
    assert "not made shorter" in shown(lambda: copying.copy(first, there))
    assert "no record of this track" in shown(lambda: copying.copy(opens(tmp_path / "empty.db"), there))


def test_a_copy_of_an_altered_journal_is_refused(database, opens, tmp_path):  # noqa: F811
    first, there = opens(tmp_path / "one.db"), opens(database, "track")
    first.extend(some(5))
    with sqlite3.connect(tmp_path / "one.db") as behind:
        behind.execute("update events set body = ? where seq = 3", (b"{}",))
    behind.close()
    assert "altered: record 3" in shown(lambda: copying.copy(first, there))
