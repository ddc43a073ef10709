"""Following journals: what is new is read as it comes, and whatever becomes of a journal is one sentence."""

import os
import sqlite3
import time

import pytest

from bench import long
from conftest import LITTLE, home, repository
from overnight.errors import NotFound, TrackError
from overnight.journal import open as open_journal
from overnight.lab.events import Noted, Opened
from overnight.lab.state import State
from overnight.night.session import Session, opened
from overnight.testing.journals import LongNight
from overnight.views.experiment import detail, history
from overnight.views.program import program
from overnight.web import answers, follow, fragments
from overnight.web.follow import Follower, held
from web import BEARER, client

NEEDS = "git"


def following(folder):
    found = Follower("long", lambda: opened(folder))
    found.load()
    return found


def caught_up(follower):
    while follower.look():
        pass
    return follower


@pytest.fixture
def track(tmp_path):
    return long.write(tmp_path / "long", 30).repo.folder


def more(folder, experiments=5):
    """Let a night go on by so many experiments."""
    long.write(folder, experiments)


def test_a_follower_knows_what_a_replay_knows_as_it_comes(track):
    follower = following(track)
    for _ in range(3):
        more(track)
        caught_up(follower)
        state = Session(track).read()
        assert follower.seq == state.records and follower.head == Session(track).journal.head[1]
        assert follower.seen(True, ()).history == history(state)


def test_a_journal_is_read_ahead_a_part_at_a_time(track, monkeypatch):
    monkeypatch.setattr(follow, "AHEAD", 100)
    follower, parts = following(track), 1
    while follower.prepare():
        parts += 1
    session = Session(track)
    state = session.read()
    assert parts == state.records // 100 + 1 and not follower.shelf.prepare(follower.session, 1)
    chosen = state.chain()[-1]
    assert follower.seen(True, ()).detail(chosen.id) == detail(state, chosen, list(session.journal.replay()), session.log)
    more(track)
    while caught_up(follower).prepare():
        pass
    assert not follower.shelf.prepare(follower.session, 1)
    assert follower.shelf.versions(follower.session).view() == program(Session(track).journal.replay())


def test_what_is_costly_is_made_once_at_a_record(track):
    follower = following(track)
    first, public = (fragments.chart(follower.seen(full, ())) for full in (True, False))
    assert fragments.chart(follower.seen(True, ())) is first and public is not first
    more(track)
    assert fragments.chart(caught_up(follower).seen(True, ())) != first


def test_an_audit_is_seen_though_it_is_no_record(track):
    follower = following(track)
    before = answers.found(follower.seen(True, ()))
    session = Session(track)
    session.read()
    long.audited(session)
    assert answers.found(follower.seen(True, ())) != before


def test_what_is_remembered_of_experiments_is_what_would_be_made_anew(track):
    follower = following(track)
    follower.seen(True, ()).history  # noqa: B018
    for event in Session(track).journal.replay(after=follower.seq):
        raise AssertionError(event)
    with Session(track).writing() as state:
        session_events = LongNight(state, lambda base, message, number: (f"{number:040x}", f"+{message}"), 3)
        journal = open_journal(home(track) / "journal.db")
        for number, event in enumerate(session_events.go(40)):
            journal.extend([event])
            if number % 17 == 0:
                caught_up(follower)
                assert follower.seen(True, ()).history == history(follower.state), number
        journal.close()


def test_a_detail_is_made_anew_when_a_record_touches_it(track):
    follower = following(track)
    kept = follower.state.chain()[-1].id
    first = follower.seen(True, ()).detail(kept)
    assert follower.seen(True, ()).detail(kept) is first
    more(track, 2)
    assert caught_up(follower).seen(True, ()).detail(kept).verdict == first.verdict
    with pytest.raises(NotFound):
        follower.seen(True, ()).detail(99999)


def test_a_detail_from_the_records_that_concern_it_is_that_from_all_of_them(tmp_path):
    folder = long.write(tmp_path / "long", 150).repo.folder
    follower, session = following(folder), Session(folder)
    state, every = session.read(), list(session.journal.replay())
    for number, chosen in state.experiments.items():
        assert follower.seen(True, ()).detail(number) == detail(state, chosen, every, session.log), number


def test_nothing_is_written_and_no_lock_is_taken(track):
    def files():
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home(track).rglob("*")
                if path.is_file() and not path.name.endswith(("-wal", "-shm")) and path.parent.name != "git"}

    before = files()
    follower = caught_up(following(track))
    follower.watch()
    assert files() == before
    with Session(track).writing():
        assert held(home(track) / "lock")
        caught_up(follower)
        follower.watch()
        assert follower.live
    follower.watch()
    assert not follower.live


def test_a_track_that_is_not_begun_yet_is_empty_and_begins_while_it_is_served(tmp_path):
    folder = repository(tmp_path / "little", LITTLE)
    with client(folder) as ask:
        assert "Nothing was run here yet" in ask.get("/t/little/").text
        assert ask.get("/api/v1/tracks/little").status_code == 404 and ask.get("/api/v1/tracks/little/journal").json()["items"] == []
        home(folder)
        with Session(folder).writing():
            pass
        assert _until(lambda: ask.get("/api/v1/tracks/little").status_code == 200)
        assert ask.get("/t/little/").status_code == 200


def _until(holds, seconds=20.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.05)
    return False


def test_a_track_that_begins_anew_is_followed_on(track):
    follower = following(track)
    edition = follower.edition
    with Session(track).writing(again=True):
        pass
    caught_up(follower)
    assert follower.edition > edition and not follower.state.experiments
    assert follower.seen(True, ()).history.experiments == ()


def test_a_journal_in_anothers_place_is_read_anew(track, tmp_path):
    follower = following(track)
    other = tmp_path / "other.db"
    journal = open_journal(other)
    journal.extend([each for each in Session(track).journal.replay() if isinstance(each, Opened)])
    journal.close()
    for beside in home(track).glob("journal.db-*"):
        beside.unlink()
    (home(track) / "state.snapshot").unlink(missing_ok=True)
    os.replace(other, home(track) / "journal.db")
    assert follower.stale()
    follower.load()
    assert not follower.problem and not follower.state.experiments and follower.seq == 1


def alter(folder, statement):
    with sqlite3.connect(home(folder) / "journal.db") as connection:
        connection.execute(statement)
    connection.close()
    (home(folder) / "state.snapshot").unlink(missing_ok=True)


@pytest.mark.parametrize(("statement", "said"), [
    ("update schema set version = 99", "newer Overnight"),
    ("update events set body = replace(body, '1', '2') where seq = 12", "was altered"),
    ("delete from events where seq = 12", "was altered"),
    ("update events set body = '{\"kind\": \"later\"}' where seq = (select max(seq) from events)", "was altered"),
    ("drop table events", "no such table"),
])
def test_a_journal_that_cannot_be_believed_is_a_sentence_on_the_page_and_in_the_api(track, statement, said):
    alter(track, statement)
    with client(track) as ask:
        page, answer = ask.get("/t/long/"), ask.get("/api/v1/tracks/long")
        assert page.status_code == answer.status_code == 503 and said in answer.json()["detail"]
        assert said in page.text and "Traceback" not in page.text
        assert said in ask.get("/api/v1/tracks").json()[0]["problem"]


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\x00", b"not a database at all" * 100, b"SQLite format 3\x00" + b"\x00" * 4084])
def test_a_journal_that_is_half_written_is_empty_or_a_sentence(track, content):
    for path in home(track).glob("journal.db*"):
        path.unlink()
    (home(track) / "journal.db").write_bytes(content)
    with client(track) as ask:
        assert ask.get("/t/long/").status_code in (200, 503)
        assert ask.get("/api/v1/tracks/long").status_code in (404, 503)
        assert (home(track) / "journal.db").read_bytes() == content


def test_a_journal_that_is_put_right_is_shown_again(track):
    alter(track, "update schema set version = 99")
    with client(track) as ask:
        assert ask.get("/t/long/").status_code == 503
        alter(track, "update schema set version = 2")
        assert _until(lambda: ask.get("/t/long/").status_code == 200)


def test_a_folder_that_is_moved_while_it_is_served_is_a_sentence_until_it_is_back(track):
    with client(track) as ask:
        assert ask.get("/t/long/").status_code == 200
        track.rename(track.with_name("elsewhere"))
        assert _until(lambda: ask.get("/t/long/").status_code == 503)
        assert "not there any more" in ask.get("/api/v1/tracks/long").json()["detail"]
        track.with_name("elsewhere").rename(track)
        assert _until(lambda: ask.get("/t/long/").status_code == 200)


def test_a_journal_that_grows_while_it_is_read_is_told_as_it_was_at_one_moment(track):
    with client(track) as ask:
        for _ in range(3):
            more(track, 4)
            answer = ask.get("/api/v1/tracks/long/experiments?limit=500", headers=BEARER)
            seq = int(answer.headers["etag"][1:].partition("-")[0])
            state = State()
            for event in list(Session(track).journal.replay())[:seq]:
                state.apply(event)
            assert [each["id"] for each in answer.json()["items"]] == sorted(state.experiments, reverse=True)


def test_clocks_that_jump_change_nothing(track, monkeypatch):
    follower = following(track)
    now = time.time()
    for jump in (-1e6, 1e6):
        monkeypatch.setattr("overnight.web.follow.time.time", lambda jump=jump: now + jump)
        journal = open_journal(home(track) / "journal.db")
        journal.extend([Noted(now + jump, follower.state.ideas.next, "an idea", "", "person")])
        journal.close()
        seq = follower.seq
        assert caught_up(follower).seq == seq + 1 and follower.seen(True, ()).history


def test_tracks_of_one_name_and_rungs_have_addresses_of_their_own(tmp_path):
    from overnight.web.tracks import Tracks
    first, second = (repository(tmp_path / name, LITTLE) for name in "ab")
    names = Tracks([first, second, first]).names
    assert names[0] == "little" and names[1].startswith("little-") and len(names) == 2
    assert Tracks([first, second]).names == names
    climbing = LITTLE["track.toml"] + '\n[[ladder.rung]]\nname = "large"\nsize = 2.0\nenvironment = { SIZE = "2" }\n'
    try:
        third = repository(tmp_path / "c", LITTLE | {"track.toml": climbing})
        assert Tracks([third]).names == ("little", "little-large")
    except TrackError as error:
        pytest.fail(str(error))


def test_a_folder_without_a_track_is_refused_with_a_sentence(tmp_path):
    from overnight.web.tracks import Tracks
    with pytest.raises(TrackError, match=r"\.$"):
        Tracks([tmp_path])
    with pytest.raises(TrackError, match=r"track\.toml"):
        Tracks([repository(tmp_path / "bare", {"a.txt": "a\n"})])
