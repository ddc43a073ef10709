"""One track, opened: the lock, what a killed run left, a full disk, a clock that jumps, beginning anew."""

import inspect
import json
import os
import shutil
import sqlite3
import subprocess
import time

import msgspec
import pytest

from conftest import LITTLE, command, commit, git, home, overnight, repository, sentence, stop, write
from fakes import FakeWorld, Night, referee_world, team
from fakes import held as held_state
from overnight import loop
from overnight.errors import Busy, TrackError
from overnight.journal import open as open_journal
from overnight.lab.events import Faulted, Judged, Measured, Opened, Probed, Proposed, Started, Stopped
from overnight.lab.flight import Budget
from overnight.lab.jobs import Measure
from overnight.lab.lab import Lab
from overnight.lab.state import State
from overnight.night import keys
from overnight.night.session import Session
from overnight.night.snapshot import Snapshot

NEEDS = "night"


def events(folder):
    journal = open_journal(home(folder) / "journal.db")
    found = list(journal.replay())
    journal.close()
    return found


def state(folder):
    done = overnight("status", folder, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until_there(path, seconds=20):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert path.exists()


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A short night in which something is kept; only to look at."""
    folder = repository(tmp_path_factory.mktemp("night") / "little", LITTLE)
    assert overnight("run", folder, "--experiments", 8).returncode == 0
    return folder


@pytest.fixture
def held(little):
    """A track on which `overnight run` is at work, in runs of a second."""
    commit(little, {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(1)\n"})
    process = subprocess.Popen(command("run", little), stdout=subprocess.DEVNULL)
    until_there(home(little) / "journal.db")
    while Session(little).look().opened is None:  # its first record comes a moment later
        assert process.poll() is None
        time.sleep(0.02)
    yield little
    stop(process)


# ---- the lock --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["run", "check"])
def test_a_track_that_is_at_work_is_left_to_it(held, verb):
    assert "is at work on this track" in sentence(overnight(verb, held))


def test_looking_needs_no_lock(held):
    assert overnight("status", held).returncode == 0 and overnight("log", held).returncode == 0


def test_a_lock_dies_with_its_process(little):
    holder = Session(little)
    with holder.scratch(), pytest.raises(Busy, match=f"process {os.getpid()}"), Session(little).scratch():
        pass
    with Session(little).scratch():
        pass


def test_two_tracks_of_one_repository_can_run_at_the_same_time(tmp_path):
    two = {f"two/{k}": v.replace('name = "little"', 'name = "other"') for k, v in LITTLE.items()}
    root = repository(tmp_path / "r", {f"one/{k}": v for k, v in LITTLE.items()} | two)
    processes = [subprocess.Popen(command("run", root / name, "--experiments", 3), stdout=subprocess.DEVNULL)
                 for name in ("one", "two")]
    assert [p.wait(timeout=60) for p in processes] == [0, 0]
    assert git(root, "branch", "--list", "overnight/*").split() == ["overnight/little", "overnight/other"]


# ---- what a killed run left ------------------------------------------------------------------------------------


def test_what_a_killed_run_left_is_swept_up(little):
    write(home(little), {f"{n}/left/over": "x" for n in ("trees", "artifacts", "scratch")})
    with Session(little).scratch():
        pass
    assert [p.name for n in ("trees", "artifacts", "scratch") for p in home(little).glob(f"{n}/*")] == []


def test_what_a_killed_process_had_half_written_is_swept_up_when_it_is_old(little):
    names = ("inbox/.00001-ab", "git/tmpab12cd34", "git/refs.0123abcd")
    write(home(little), dict.fromkeys(names, "half"))
    os.utime(home(little) / names[0])
    for name in names[1:]:
        os.utime(home(little) / name, (0, 0))
    with Session(little).scratch():
        pass
    assert [(home(little) / name).exists() for name in names] == [True, False, False]


def test_nothing_is_written_into_the_repository(night):
    assert git(night, "status", "--porcelain", "--untracked-files=all") == ""


def test_a_branch_that_was_left_behind_is_brought_into_agreement(tmp_path):
    folder = repository(tmp_path / "little", LITTLE)
    assert overnight("run", folder, "--experiments", 8).returncode == 0
    tip = git(folder, "rev-parse", "overnight/little")
    assert tip != git(folder, "rev-parse", "HEAD")
    git(folder, "update-ref", "refs/heads/overnight/little", git(folder, "rev-parse", "HEAD"))
    assert "`overnight run` puts it right" in sentence(overnight("log", folder, "--verify"))
    assert overnight("run", folder, "--experiments", 1, "--researcher", "placebo").returncode == 0
    assert git(folder, "rev-parse", "overnight/little") == tip


def test_a_branch_that_somebody_looks_at_does_not_end_the_night(little, tmp_path):
    commit(little, {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.1)\n"})
    process = subprocess.Popen(command("run", little, "--experiments", 8), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    until_there(little / ".git/refs/heads/overnight/little")
    git(little, "worktree", "add", "-q", tmp_path / "look", "overnight/little")
    _, wrong = process.communicate(timeout=100)
    assert process.returncode == 2 and "overnight/little is checked out" in wrong and len(wrong.splitlines()) == 1
    assert state(little)["experiments"] == 8 and state(little)["kept"] > 0
    assert git(tmp_path / "look", "status", "--porcelain") == ""
    git(little, "worktree", "remove", "--force", tmp_path / "look")
    assert overnight("run", little, "--experiments", 1, "--researcher", "placebo").returncode == 0
    assert overnight("log", little, "--verify").returncode == 0


# ---- a full disk -----------------------------------------------------------------------------------------------


def test_a_disk_that_is_full_stops_the_night_and_loses_nothing(synthetic):
    bounded = ["prlimit", "--fsize=70000:", *command("run", synthetic)]
    full = subprocess.run(bounded, capture_output=True, text=True, timeout=60, check=False)
    assert "nothing is lost, make room and run again" in sentence(full)
    before = events(synthetic)
    assert any(isinstance(e, Measured | Proposed | Probed) for e in before)  # whichever came first
    assert overnight("run", synthetic, "--experiments", 2).returncode == 0
    assert events(synthetic)[:len(before)] == before and overnight("log", synthetic, "--verify").returncode == 0


# ---- clocks ----------------------------------------------------------------------------------------------------


def replayed(folder, records):
    lab = Lab(State(keys.found(home(folder))), team("placebo"))
    for record in records:
        lab.apply(record)
    lab.begin(Budget(), 0.0)
    return lab


@pytest.mark.parametrize("jump", [lambda n: -float(n), lambda n: 0.0, lambda n: 1e12 * (-1) ** n, lambda n: n % 7 - 3.5])
def test_a_clock_that_jumps_changes_nothing_in_what_is_decided(night, jump):
    records = events(night)
    jumped = [msgspec.structs.replace(r, at=jump(n)) for n, r in enumerate(records)]
    plain, other = replayed(night, records), replayed(night, jumped)
    for name in ("commit", "frontier", "counts", "runs", "noise"):
        assert getattr(plain.state, name) == getattr(other.state, name)
    verdicts = [[(e.id, e.commit, e.verdict, e.effect, e.interval) for e in lab.state.experiments.values()] for lab in (plain, other)]
    assert verdicts[0] == verdicts[1]
    assert plain.ask(0.0, ["measure", "edit"]) == other.ask(0.0, ["measure", "edit"])


def test_deadlines_are_kept_by_the_clock_that_cannot_jump():
    assert inspect.signature(loop.run).parameters["clock"].default is time.monotonic


def test_a_night_ends_when_its_time_is_over(little):
    assert overnight("run", little, "--for", "1s").returncode == 0
    (ended,) = [e for e in events(little) if isinstance(e, Stopped)]
    assert ended.seconds >= 1 and ended.reason == "the time is over"


def test_after_its_time_a_night_begins_nothing_and_waits_for_what_runs():
    begun = []
    done = Night(FakeWorld(1, referee_world), measure_slots=1, run=1.0).go(until=10.0, watch=lambda night: begun.append((night.now, len(night.jobs))))
    in_time = max(jobs for now, jobs in begun if now < 10.0)
    assert len(done.jobs) == in_time and 10.0 <= done.now < 11.2  # a run lasts between 0.9 and 1.1 s
    assert done.lab.why(done.now) == "the time is over"


# ---- the snapshot ----------------------------------------------------------------------------------------------


@pytest.fixture
def remembered(night, tmp_path):
    """A track with a snapshot of its last record, and one old record that was altered since."""
    folder = tmp_path / "little"
    shutil.copytree(night, folder, symlinks=True)
    session = Session(folder)
    session.adopt(home(night))
    writer = Snapshot(session.snapshot.path, behind=1)
    writer.keep(writer.open(session.journal, session.state.keys), session.journal)
    session.journal.close()
    assert state(folder) == state(night) and overnight("log", folder, "--verify").returncode == 0
    with sqlite3.connect(home(folder) / "journal.db") as database:
        database.execute("UPDATE events SET body = replace(body, '\"at\"', '\"at\" ') WHERE seq = 4")
    database.close()
    return folder


def test_an_altered_record_is_found_by_those_who_must_although_a_snapshot_covers_it(remembered, night):
    assert state(remembered) == state(night)  # it was opened from the snapshot
    for verb in (("log", remembered, "--verify"), ("merge", remembered)):
        assert "record 4 does not fit the chain" in sentence(overnight(*verb))


def test_those_who_look_write_no_snapshot(night):
    session = Session(night)
    session.snapshot.behind = 1
    assert session.read().records > session.snapshot.behind and not session.snapshot.path.exists()


def test_a_session_that_was_long_leaves_a_snapshot_and_the_next_one_goes_on_from_it(little):
    session = Session(little)
    session.snapshot.behind = 50
    with session.writing() as lab:
        session.record([Faulted(float(n), "measure", "a full disk") for n in range(60)])
        before = held_state(lab)
    with sqlite3.connect(home(little) / "journal.db") as database:
        database.execute("UPDATE events SET body = replace(body, 'full', 'FULL') WHERE seq = 9")
    database.close()
    with Session(little).writing() as lab:
        assert held_state(lab) == before and lab.counts["fault"] == 60


def test_a_session_that_broke_off_leaves_none(little):
    session = Session(little)
    session.snapshot.behind = 50
    with pytest.raises(KeyError), session.writing():
        session.record([Faulted(float(n), "measure", "a full disk") for n in range(60)])
        raise KeyError
    assert not session.snapshot.path.exists()
    again = Session(little)
    again.snapshot.behind = 50
    with pytest.raises(KeyError), again.writing():  # it had to replay all of it, so it wrote one at once
        raise KeyError
    assert again.snapshot.path.exists()


# ---- beginning, and beginning anew -----------------------------------------------------------------------------


def test_a_track_begins_once_and_goes_on_from_there(little):
    for _ in range(2):
        assert overnight("run", little, "--experiments", 1).returncode == 0
    kinds = [type(e) for e in events(little)]
    assert (kinds.count(Opened), kinds.count(Started), kinds.count(Stopped)) == (1, 2, 2)


def test_the_seeds_key_is_new_with_each_beginning(little):
    for _ in range(2):
        assert overnight("run", little, "--restart", "--experiments", 1).returncode == 0
    opened = [e for e in events(little) if isinstance(e, Opened)]
    assert {e.key for e in opened} == {""} and len({e.key_hash for e in opened}) == 2
    assert keys.found(home(little)).keys() == {e.key_hash for e in opened}


def test_a_track_whose_key_is_lost_can_be_read_and_begun_anew_but_not_gone_on_with(little):
    assert overnight("run", little, "--experiments", 1).returncode == 0
    shown = {what: overnight(what, little, "--json").stdout for what in ("status", "log")}
    path = next((home(little) / "keys").iterdir())
    key = path.read_text()
    for found, wrong in ((None, "is missing"), ("another", "is not the one of this journal")):
        path.unlink() if found is None else path.write_text(found)
        assert {what: overnight(what, little, "--json").stdout for what in shown} == shown
        assert overnight("show", 1, little).returncode == overnight("report", little).returncode == 0
        before = events(little)
        said = sentence(overnight("run", little, "--experiments", 1))
        assert f"{path} {wrong}" in said and "`overnight run --restart`" in said and events(little) == before
    path.write_text(key)
    assert overnight("run", little, "--experiments", 1).returncode == 0
    path.unlink()
    assert overnight("run", little, "--restart", "--experiments", 1).returncode == 0


def test_commits_of_the_user_meanwhile_do_not_disturb_the_track(little):
    assert overnight("run", little, "--experiments", 1).returncode == 0
    commit(little, {"notes.txt": "went on"})
    write(little, {"score.py": "print('not committed')\n"})
    assert overnight("run", little, "--experiments", 1).returncode == 0
    assert [type(e) for e in events(little)].count(Opened) == 1


def test_a_baseline_that_is_mended_after_ideas_were_proposed_begins_anew(little):
    commit(little, {"run.py": "import time\ntime.sleep(1)\nraise SystemExit('no data')\n"})
    said = sentence(overnight("run", little))
    assert "the baseline fails" in said and "no data" in said
    assert any(isinstance(e, Proposed | Probed) for e in events(little))
    commit(little, {"run.py": LITTLE["run.py"]})
    assert overnight("run", little, "--experiments", 2).returncode == 0
    assert state(little)["experiments"] == 2 and state(little)["baseline"] is not None


def test_beginning_anew_puts_the_old_branch_aside_with_all_its_commits(tmp_path):
    folder = repository(tmp_path / "little", LITTLE)
    assert overnight("run", folder, "--experiments", 8).returncode == 0
    old = git(folder, "rev-parse", "overnight/little")
    assert overnight("run", folder, "--restart", "--experiments", 1, "--researcher", "placebo").returncode == 0
    assert git(folder, "rev-parse", "overnight/little-1") == old
    assert git(folder, "rev-parse", "overnight/little") == git(folder, "rev-parse", "HEAD")
    assert any(isinstance(e, Judged) and e.verdict == "keep" for e in events(folder))  # the record keeps its past


def test_nothing_was_run_is_a_sentence(little):
    with pytest.raises(TrackError, match="nothing was run here yet"):
        Session(little).read()


def test_a_session_with_another_team_goes_on_with_the_same_record(little):
    assert overnight("run", little, "--experiments", 1, "--researcher", "placebo").returncode == 0
    assert overnight("run", little, "--experiments", 1, "--researcher", "knobs").returncode == 0
    assert [e.researcher for e in events(little) if isinstance(e, Proposed)] == ["placebo", "knobs"]


def test_results_do_not_depend_on_the_umask(little):
    done = subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", *command("run", little, "--experiments", 2)],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert state(little)["crashed"] == 0


def test_what_a_place_is_asked_is_a_run_with_a_seed(night):
    job = replayed(night, events(night)).ask(0.0, ["measure"])
    assert job is None or isinstance(job, Measure)
