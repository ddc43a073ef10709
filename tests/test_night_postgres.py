"""Nights whose journal is in PostgreSQL: what commands say of them, a server that restarts, a second night, and pages that follow."""

import os
import re
import select
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import LITTLE, command, commit, home, overnight, repository, sentence, stop
from databases import database, postgres  # noqa: F401, fixtures
from overnight.errors import TrackError
from overnight.journal import open as open_journal
from overnight.journal.postgres import PostgresJournal
from overnight.lab.events import Measured
from overnight.night import settings
from overnight.night.recorded import RecordPlace
from overnight.night.session import Session
from overnight.testing.journal import some
from overnight.testing.postgres import PASSWORD
from overnight.track import spec
from overnight.web.follow import Follower

NEEDS = "services"
NONE = ("--sandbox", "none")
ENDLESS = {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.05)\n",
           "program.md": "---\nresearchers: [knobs, placebo]\n---\n"}


@pytest.fixture
def named(database, monkeypatch):  # noqa: F811
    """The address of a database, which the user named for journals."""
    monkeypatch.setenv("OVERNIGHT_JOURNAL", database)
    return database


def stored(database, folder):  # noqa: F811
    """The journal of a folder's track."""
    return open_journal(database, RecordPlace(home(folder)).track, only_to_read=True)


def quiet(folder, *texts):
    """Nothing that was written or printed holds the password."""
    whole = "".join(texts) + "".join(path.read_text(errors="replace") for path in home(folder).rglob("*") if path.is_file())
    assert PASSWORD not in whole and "s3cret" not in whole


def test_a_night_is_recorded_shown_copied_and_gone_on_with(little, named, tmp_path):
    done = overnight("run", little, "--experiments", 3, *NONE)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    told = [overnight(*words, little) for words in (("status",), ("show", 1), ("log", "--verify"), ("report",), ("where",))]
    assert all(each.returncode == 0 for each in told), [each.stderr for each in told]
    assert not (home(little) / "journal.db").exists()
    quiet(little, done.stdout, *(each.stdout + each.stderr for each in told))
    records, head = re.search(r"(\d+) records, chain whole, branch agrees; head (\w+)", told[2].stdout).groups()
    file = tmp_path / "copy.db"
    there, back = overnight("journal", "copy", named, file, little), overnight("journal", "copy", file, named, little)
    assert f"{records} records copied" in there.stdout and "0 records copied" in back.stdout
    assert f"head {head}" in there.stdout and f"head {head}" in back.stdout and PASSWORD not in back.stdout
    assert overnight("run", little, "--experiments", 1, *NONE).returncode == 0
    journal = stored(named, little)
    assert journal.head[0] > int(records) and journal.hash_of(int(records)) == head
    journal.close()


def test_a_server_that_restarts_in_the_middle_of_a_night_loses_nothing(tmp_path, named, postgres):  # noqa: F811
    folder = repository(tmp_path / "little", LITTLE | ENDLESS)
    night = subprocess.Popen(command("run", folder, *NONE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        _wait(lambda: _measured(named, folder) >= 4)
        before = stored(named, folder)
        second = overnight("run", folder, *NONE)
        assert f"(process {night.pid}) is at work on this track" in sentence(second)
        elsewhere = overnight("run", folder, *NONE, env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "other")})
        assert f"(process {night.pid} on " in sentence(elsewhere)  # another state folder, so the database's lock tells
        postgres.restart(signal.SIGQUIT, away=1.0)
        _wait(lambda: _measured(named, folder) >= 12)
        night.send_signal(signal.SIGINT)
        out, err = night.communicate(timeout=60)
    finally:
        if night.poll() is None:
            stop(night)
    assert night.returncode == 0 and "stopped by SIGINT" in out, err
    after = stored(named, folder)
    events = list(after.replay())
    assert after.hash_of(before.head[0]) == before.head[1]
    runs = [event.run for event in events if isinstance(event, Measured)]
    assert len(runs) == len(set(runs)) and "chain whole, branch agrees" in overnight("log", folder, "--verify").stdout
    quiet(folder, out, err)
    for each in (before, after):
        each.close()


def _measured(named, folder):
    journal = stored(named, folder)
    try:
        return sum(isinstance(event, Measured) for event in journal.replay())
    finally:
        journal.close()


def _wait(come, seconds=60.0):
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_server_that_is_down_is_one_sentence_of_every_command(little, named, postgres):  # noqa: F811
    assert overnight("run", little, "--experiments", 1, *NONE).returncode == 0
    postgres.stop()
    try:
        for words in (("status",), ("run", *NONE), ("log",)):
            said = sentence(overnight(words[0], little, *words[1:]))
            assert "postgresql://ada:***@" in said and "PostgreSQL does not answer" in said
    finally:
        postgres.start()


def test_a_track_whose_journal_lies_elsewhere_is_not_begun_anew(little, named, monkeypatch):
    assert overnight("run", little, "--experiments", 1, *NONE).returncode == 0
    monkeypatch.delenv("OVERNIGHT_JOURNAL")
    for words in (("run", *NONE), ("status",)):
        said = sentence(overnight(words[0], little, *words[1:]))
        assert "The journal of this track lies in postgresql://ada:***@" in said and "set OVERNIGHT_JOURNAL" in said
    assert overnight("journal", "copy", named, home(little) / "journal.db", little).returncode == 0
    assert overnight("run", little, "--experiments", 1, *NONE).returncode == 0
    monkeypatch.setenv("OVERNIGHT_JOURNAL", named.replace("/fresh", "/postgres"))
    assert f"lies in {home(little) / 'journal.db'}, and there is none in postgresql" in sentence(overnight("run", little, *NONE))
    monkeypatch.setenv("OVERNIGHT_JOURNAL", named)  # which ends earlier than the file does by now
    assert "was cut or rewritten" in sentence(overnight("run", little, *NONE))


def test_a_page_is_told_at_once_and_recovers(little, named, postgres):  # noqa: F811
    assert overnight("run", little, "--experiments", 1, *NONE).returncode == 0
    follower = Follower("little", lambda: Session(little))
    follower.load()
    try:
        assert follower.problem == "" and follower.bell is not None and follower.state.records == follower.seq > 0
        while follower.look():
            pass
        writer = PostgresJournal(named, RecordPlace(home(little)).track)
        threading.Timer(0.2, writer.extend, [some(1)]).start()
        began, seq = time.monotonic(), follower.seq
        assert select.select([follower.bell], [], [], 10)[0] and time.monotonic() - began < 2
        assert follower.look() and follower.seq == seq + 1 and not follower.look()
        postgres.restart()
        writer.extend(some(1))
        _wait(lambda: (follower.stale() and follower.load(), follower.look()) and follower.seq == seq + 2, 30)
        _wait(lambda: follower.look() or follower.bell is not None, 30)
        assert follower.problem == ""
        writer.close()
    finally:
        follower.close()


# ---- where the user says it ------------------------------------------------------------------------------------


@pytest.mark.pure
def test_the_variable_goes_before_the_file_and_the_file_before_nothing(tmp_path):
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert settings.journal_url(environ) == ""
    (tmp_path / "overnight").mkdir()
    (tmp_path / settings.FILE).write_text('[journal]\nurl = "postgresql://ada@host/x"\n')
    assert settings.journal_url(environ) == "postgresql://ada@host/x"
    assert settings.journal_url(environ | {settings.VARIABLE: "sqlite:////x"}) == "sqlite:////x"
    assert settings.place({"HOME": "/home/ada"}) == Path("/home/ada/.config/overnight/config.toml")


@pytest.mark.pure
@pytest.mark.parametrize(("text", "words"), [("[journal]\nurl = 3\n", "holds no settings"), ("[journals]\n", "holds no settings"),
                                             ("not toml", "holds no settings"),
                                             ('[journal]\nurl = "postgresql://ada:pw@host/x"\n', "other users can read it: chmod 600")])
def test_a_file_that_is_wrong_or_shows_a_password_is_a_sentence(tmp_path, text, words):
    (tmp_path / "overnight").mkdir()
    (tmp_path / settings.FILE).write_text(text)
    (tmp_path / settings.FILE).chmod(0o644)
    with pytest.raises(TrackError, match=words):
        settings.journal_url({"XDG_CONFIG_HOME": str(tmp_path)})


@pytest.mark.pure
def test_a_contract_that_names_a_journal_is_refused():
    with pytest.raises(TrackError, match=r"\(line \d+\): a contract names no journal"):
        spec.parse(LITTLE["track.toml"] + '\n[journal]\nurl = "postgresql://eve@host/x"\n')


def test_several_tracks_of_one_database_are_apart(tmp_path, named):
    folders = [repository(tmp_path / name, LITTLE) for name in ("one", "two")]
    commit(folders[1], {"settings.py": "X = 2.0\n"})
    for folder in folders:
        assert overnight("run", folder, "--experiments", 1, *NONE).returncode == 0
    heads = [overnight("log", folder, "--verify").stdout for folder in folders]
    assert all("chain whole" in each for each in heads) and heads[0] != heads[1]
