"""Orders from outside: changes that are tried, ideas, words to the night at work, vetoes; with a night at work and without."""

import json
import signal
import subprocess
import time

import pytest

from conftest import LITTLE, command, commit, git, home, overnight, repository, sentence, stop, write
from overnight.journal import open as open_journal
from overnight.lab.jobs import AddIdea, Steer, Try
from overnight.night.inbox import MOST_ORDER_BYTES, Inbox, request

NEEDS = "night"


def settings(folder, x):
    write(folder, {"settings.py": f"X = {x}\n"})


def tried(folder, *more, **options):
    done = overnight("try", folder, "--json", *more, **options)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def records(folder, *kinds):
    if not (home(folder) / "journal.db").exists():
        return []
    journal = open_journal(home(folder) / "journal.db")
    found = [e for e in journal.replay() if type(e).__name__.lower() in kinds]
    journal.close()
    return found


def wait_for(happened, seconds=60):
    end = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < end:
        time.sleep(0.1)
    assert found
    return found


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A track on which a change by hand was kept; only to look at."""
    folder = repository(tmp_path_factory.mktemp("kept") / "little", LITTLE)
    settings(folder, 2.0)
    assert tried(folder, "-m", "X to 2")[0] == 0
    return folder


@pytest.fixture
def night(little):
    """A track on which a night is at work, in runs of half a second, with nothing to propose that changes anything."""
    commit(little, {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.5)\n"})
    process = subprocess.Popen(command("run", little, "--researcher", "placebo", "--for", "5min"), stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: records(little, "started"))
        yield little, process
    finally:
        if process.poll() is None:
            stop(process, signal.SIGTERM)


# ---- a change that is tried ------------------------------------------------------------------------------------


def test_a_change_by_hand_gets_the_whole_referee(kept):
    found = json.loads(overnight("show", 1, kept, "--json").stdout)
    assert (found["verdict"]["verdict"], found["researcher"], found["message"]) == ("keep", "person", "X to 2")
    assert found["verdict"]["fresh_pairs"] > 0 and found["verdict"]["effect"] > 2
    assert git(kept, "show", "overnight/little:settings.py") == "X = 2.0"


def test_neither_the_files_nor_the_branch_of_the_user_are_touched(kept):
    assert git(kept, "status", "--porcelain") == "M settings.py"
    assert git(kept, "log", "-1", "--format=%s", "main") == "the beginning"


@pytest.mark.parametrize(("files", "verdict", "status"), [
    ({"settings.py": "X = 9.0\n"}, "discard", 10), ({"settings.py": "X = 1 / 0\n"}, "crash", 11)])
def test_the_exit_status_is_the_verdict(little, files, verdict, status):
    write(little, files)
    assert [(code, found["verdict"]["verdict"]) for code, found in [tried(little)]] == [(status, verdict)]


@pytest.mark.parametrize(("files", "said"), [
    ({}, "nothing is changed"),
    ({"settings.py": b"\xff\xfe\x00"}, "is no text"),
])
def test_what_cannot_be_tried_is_a_sentence_and_costs_nothing(little, files, said):
    write(little, files)
    assert said in sentence(overnight("try", little))
    assert not (home(little) / "journal.db").exists()


def test_a_change_of_what_may_not_be_edited_is_a_foul_and_costs_nothing(little):
    write(little, {"run.py": "pass\n", "settings.py": "X = 2.0\n"})
    done = overnight("try", little)
    assert done.returncode == 12 and "run.py is changed and may not be edited" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (home(little) / "journal.db").exists()


def test_a_changed_ignore_list_is_no_foul(little):
    commit(little, {".gitignore": "runs/\n"})
    write(little, {".gitignore": "runs/\n*.pt\n", "settings.py": "X = 2.0\n"})
    assert tried(little)[0] == 0


def test_a_link_in_place_of_the_file_is_not_followed(little, tmp_path):
    (tmp_path / "secret").write_text("X = 3\n")
    (little / "settings.py").unlink()
    (little / "settings.py").symlink_to(tmp_path / "secret")
    assert "no plain file" in sentence(overnight("try", little))


def test_a_change_that_was_committed_is_tried_as_well(kept, tmp_path):
    copy = tmp_path / "work"
    git(kept, "worktree", "add", "-q", "--detach", copy, "overnight/little")
    commit(copy, {"settings.py": "X = 2.9\n"}, "mine")
    status, found = tried(copy, "--by", "claude")
    assert (status, found["researcher"]) == (0, "claude")
    git(kept, "worktree", "remove", "--force", copy)


def test_who_took_the_frontiers_files_is_compared_with_the_frontier(tmp_path):
    folder = repository(tmp_path / "little", LITTLE | {"settings.py": "X = 1.0\n\n\n\nY = 1\n"})
    write(folder, {"settings.py": "X = 2.0\n\n\n\nY = 1\n"})
    assert tried(folder)[0] == 0
    write(folder, {"settings.py": "X = 2.0\n\n\n\nY = 2\n"})
    found = tried(folder)[1]
    assert found["verdict"]["verdict"] == "discard" and "+Y = 2" in found["patch"] and "X" not in found["patch"].replace(" X = 2.0", "")


def test_a_conflict_is_said_before_anything_is_paid(tmp_path):
    lines = "X = 1.0\nA = 1\nB = 1\nC = 1\n"
    folder = repository(tmp_path / "little", LITTLE | {"settings.py": lines})
    write(folder, {"settings.py": lines.replace("1.0", "2.0")})
    assert tried(folder)[0] == 0
    before = len(records(folder, "proposed"))
    write(folder, {"settings.py": lines.replace("1.0", "9.0").replace("A = 1\nB = 1\n", "")})
    done = overnight("try", folder)
    if done.returncode == 2:  # else it was nearer to the frontier, and measured there
        assert "git checkout overnight/little" in sentence(done) and len(records(folder, "proposed")) == before


def test_a_night_at_work_tries_it_and_goes_on(night):
    folder, process = night
    settings(folder, 3.0)
    status, found = tried(folder, "-m", "X to 3", timeout=120)
    assert (status, found["verdict"]["verdict"]) == (0, "keep") and process.poll() is None
    assert [o.name for o in (home(folder) / "inbox").iterdir()] == []


@pytest.fixture
def scattered(tmp_path):
    """The little track, where seeds scatter by 1 and a change to 1.05 always improves by .2: no quick rule sees that."""
    score = LITTLE["score.py"].replace("% 7 / 100", "% 7 / 2")
    return repository(tmp_path / "little", LITTLE | {"score.py": score})


def test_a_promising_change_goes_on_and_its_sender_is_told(scattered):
    settings(scattered, 1.05)
    quick = overnight("try", scattered, "-m", "X to 1.05", "--patient", "0")
    assert quick.returncode == 10 and ", not proven: its time is over; hand the same change in again" in quick.stdout
    assert "going on" not in quick.stderr
    done = overnight("try", scattered, "-m", "X to 1.05")
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", going on: #1 X to 1.05 (worth having with a chance of" in done.stderr and "#1 keep" in done.stdout
    assert [e.experiment for e in records(scattered, "reopened")] == [1] and len(records(scattered, "proposed")) == 1


def test_the_time_of_a_change_is_bounded(scattered):
    settings(scattered, 1.05)
    done = overnight("try", scattered, "-m", "X to 1.05", "--patient", "10ms")
    assert done.returncode == 10 and "its time is over" in done.stdout
    assert "is not a duration" in overnight("try", scattered, "--patient", "soon").stderr


def test_two_who_try_at_once_both_get_their_verdict(little, tmp_path):
    other = tmp_path / "other"
    git(little, "worktree", "add", "-q", "--detach", other)
    settings(little, 3.0)
    settings(other, -5.0)
    both = [subprocess.Popen(command("try", f, "--json"), stdout=subprocess.PIPE, text=True) for f in (little, other)]
    said = [json.loads(p.communicate(timeout=120)[0]) for p in both]
    assert [s["verdict"]["verdict"] for s in said] == ["keep", "discard"] and [p.returncode for p in both] == [0, 10]
    assert len(records(little, "proposed")) == 2


def test_a_try_that_is_killed_is_taken_up_by_the_next_who_works(little):
    commit(little, {"run.py": LITTLE["run.py"] + "import time\ntime.sleep(0.3)\n"})
    settings(little, 3.0)
    process = subprocess.Popen(command("try", little), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: records(little, "proposed"))
    stop(process)
    git(little, "checkout", "-q", "settings.py")
    assert overnight("run", little, "--experiments", 1, "--researcher", "placebo").returncode == 0
    verdicts = {e.experiment: e.verdict for e in records(little, "judged")}
    assert verdicts[1] == "keep" and len(records(little, "proposed")) == 2


# ---- ideas -----------------------------------------------------------------------------------------------------


def test_an_idea_is_kept_with_what_came_of_it(little):
    assert overnight("idea", "add", "set X to three", little).returncode == 0
    settings(little, 3.0)
    assert tried(little, "--idea", 1)[0] == 0
    (found,) = [json.loads(line) for line in overnight("idea", "list", little, "--json").stdout.splitlines()]
    assert (found["state"], found["tried"]) == ("tried", [1]) and found["outcome"].startswith("#1 keep +4")


def test_ideas_outlive_a_new_beginning(little):
    assert overnight("idea", "add", "wider", little).returncode == 0
    commit(little, {"settings.py": "X = 0.5\n"})
    assert overnight("run", little, "--restart", "--experiments", 1).returncode == 0
    assert "wider" in overnight("idea", "list", little).stdout


def test_an_idea_can_be_dropped(kept):
    assert overnight("idea", "add", "nonsense", kept).returncode == 0
    assert overnight("idea", "drop", 1, kept).returncode == 0
    assert "dropped" in overnight("idea", "list", kept).stdout
    assert "there is no idea 77" in sentence(overnight("idea", "drop", 77, kept))


@pytest.mark.parametrize("title", ["", "  \n"])
def test_an_idea_without_words_is_a_sentence(little, title):
    assert "the idea is empty" in sentence(overnight("idea", "add", title, little))


# ---- words to the night ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["pause", "resume", "stop"])
def test_nobody_is_there_to_be_told(little, verb):
    assert "nothing is at work" in sentence(overnight(verb, little))


def test_a_night_pauses_goes_on_and_stops(night):
    folder, process = night
    wait_for(lambda: len(records(folder, "measured")) > 2)
    assert overnight("pause", folder).returncode == 0
    time.sleep(2)  # what runs goes on to its end
    before = len(records(folder, "measured"))
    time.sleep(2)
    assert len(records(folder, "measured")) == before and process.poll() is None
    assert overnight("resume", folder).returncode == 0
    wait_for(lambda: len(records(folder, "measured")) > before)
    assert overnight("stop", folder).returncode == 0
    assert process.wait(timeout=30) == 0
    assert records(folder, "stopped")[-1].reason.startswith("stopped by `overnight stop`")


# ---- veto ------------------------------------------------------------------------------------------------------


def test_a_veto_moves_the_frontier_back_and_what_came_later_is_confirmed_anew(tmp_path):
    folder = repository(tmp_path / "little", LITTLE | {"settings.py": "X = 1.0\n\n\n\nY = 2\n",
                                                       "score.py": LITTLE["score.py"].replace("int(os", "Y + int(os").replace(
                                                           'x = float(', 'x, Y = map(float, ').replace(".read())", ".read().split())"),
                                                       "run.py": LITTLE["run.py"].replace("str(settings.X)", 'f"{settings.X} {settings.Y}"')})
    write(folder, {"settings.py": "X = 2.0\n\n\n\nY = 2\n"})
    assert tried(folder)[0] == 0
    write(folder, {"settings.py": "X = 2.0\n\n\n\nY = 1\n"})
    assert tried(folder)[0] == 0
    begin = git(folder, "rev-parse", "main")
    done = overnight("veto", 1, folder, "-m", "I do not like twos")
    assert done.returncode == 0 and "1 later ones are confirmed anew" in done.stdout
    assert git(folder, "rev-parse", "overnight/little") == begin
    assert overnight("run", folder, "--experiments", 1, "--researcher", "placebo").returncode == 0
    log = [json.loads(line) for line in overnight("log", folder, "--json").stdout.splitlines()]
    assert (log[0]["verdict"]["verdict"], log[0]["verdict"]["reason"]) == ("discard", "vetoed by a person: I do not like twos")
    assert log[1]["verdict"]["verdict"] == "keep" and log[1]["verdict"]["fresh_pairs"] > 0
    assert git(folder, "show", "overnight/little:settings.py").split("\n")[::4] == ["X = 1.0", "Y = 1"]
    assert overnight("log", folder, "--verify").returncode == 0


def test_only_what_is_kept_can_be_vetoed(kept):
    assert "not among what is kept" in sentence(overnight("veto", 99, kept))


# ---- the inbox -------------------------------------------------------------------------------------------------


def test_orders_come_out_once_and_in_order(tmp_path):
    inbox = Inbox(tmp_path / "inbox")
    wishes = [AddIdea(request(), f"idea {n}") for n in range(5)]
    for wish in wishes:
        inbox.put(wish)
    assert inbox.new() == wishes and inbox.new() == []
    assert Inbox(tmp_path / "inbox").new() == wishes  # until they are answered
    inbox.clear([w.request for w in wishes[:3]])
    assert Inbox(tmp_path / "inbox").new() == wishes[3:]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"order": "rm"}', b'{"order": "drop", "request": "../../x", "idea": 1}',
                                  b'{"order": "steer", "request": "1-a", "what": "explode"}', b"x" * (MOST_ORDER_BYTES + 9)])
def test_what_is_no_order_is_put_aside(tmp_path, body):
    inbox = Inbox(tmp_path)
    (tmp_path / "1-a.json").write_bytes(body)
    good = Steer(request(), "pause")
    inbox.put(good)
    assert inbox.new() == [good]
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".json", ".refused"]


@pytest.mark.parametrize("wish", [AddIdea("1-a", "x" * (MOST_ORDER_BYTES + 1)), Try("1-a", "b", "c", "m", "\x1b[31mred")])
def test_what_is_too_much_is_refused_at_the_door(tmp_path, wish):
    from overnight.errors import TrackError
    with pytest.raises(TrackError):
        Inbox(tmp_path).put(wish)
