"""Where states lie: outside every repository, one for all of its work trees, and never one that came with a tree."""

import json
import os
import shutil
from pathlib import Path

import pytest

from conftest import CONTRACT, LITTLE, commit, git, home, overnight, repository, sentence, write
from overnight import journal as journals
from overnight.errors import TrackError
from overnight.lab.events import Judged, Opened, Proposed
from overnight.night import place
from overnight.night.session import Session

NEEDS = "night"


@pytest.fixture
def own_state(tmp_path, monkeypatch):
    """A state home for one test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def ran(folder):
    """The folder, after a night of two experiments."""
    done = overnight("run", folder, "--experiments", 2, "--researcher", "knobs", "--workers", 1)
    assert done.returncode == 0, done.stderr
    return folder


def journal(folder):
    """Number and head of the records of a folder's track."""
    return Session(folder).journal.head


# ---- where it lies ---------------------------------------------------------------------------------------------


def test_nothing_is_written_into_the_work_tree_and_clean_takes_nothing(little, own_state):
    before = sorted(p for p in little.rglob("*") if ".git" not in p.parts)
    ran(little)
    git(little, "clean", "-fdxq")
    assert sorted(p for p in little.rglob("*") if ".git" not in p.parts) == before
    where = Path(overnight("where", little).stdout.strip())
    assert where.is_relative_to(own_state / "overnight") and (where / "journal.db").exists()
    assert overnight("log", "--verify", little).returncode == 0
    shutil.rmtree(own_state / "overnight")
    done = overnight("run", little, "--experiments", 1, "--researcher", "knobs", "--workers", 1)
    assert done.returncode == 0 and "overnight/little had results of which no journal is left" in done.stderr, done.stderr
    assert git(little, "rev-parse", "overnight/little-1")


def test_only_its_owner_can_look_into_it(little, own_state):
    path = home(little)
    assert [p.stat().st_mode & 0o777 for p in (path, path.parent, path.parent.parent)] == [0o700] * 3


def test_where_says_it_in_json_and_before_a_night(little, own_state):
    said = json.loads(overnight("where", little, "--json").stdout)
    assert said["begun"] is False and said["earlier"] == "" and not Path(said["state"]).exists()


def test_without_a_home_the_state_lies_where_the_password_file_says(little, monkeypatch):
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    done = overnight("where", little)
    assert done.returncode == 0 and done.stdout.startswith(os.path.expanduser("~"))


def test_a_state_home_that_is_not_absolute_is_no_state_home(little, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert place.root() == Path.home() / ".local/state/overnight"


@pytest.mark.parametrize("words", [("run", "--experiments", "1"), ("check",), ("idea", "add", "an idea")])
def test_a_state_home_that_cannot_be_made_is_a_sentence(little, tmp_path, monkeypatch, words):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert "lies behind a link or a file" in sentence(overnight(*words, little))


def test_a_state_folder_that_others_may_write_to_is_refused(little, own_state):
    home(little).parent.chmod(0o777)
    assert "not yours alone" in sentence(overnight("status", little))


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_link_on_the_way_is_not_followed(little, own_state, tmp_path, level):
    path = home(little)
    at = [path, path.parent, path.parent.parent][level]
    shutil.move(at, tmp_path / "elsewhere")
    at.symlink_to(tmp_path / "elsewhere")
    for words in (("run", little, "--experiments", 1), ("status", little)):
        assert "behind a link" in sentence(overnight(*words))


# ---- what came with a tree ---------------------------------------------------------------------------------------


def test_a_state_that_came_with_the_tree_is_never_read(little, own_state, tmp_path):
    shutil.copytree(home(ran(little)), tmp_path / "old")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", little, clone)
    shutil.copytree(tmp_path / "old", clone / ".overnight")
    for words in (("status", clone), ("log", clone), ("report", clone)):
        said = sentence(overnight(*words))
        assert "nothing was run here yet" in said and f"`overnight where --adopt {clone / '.overnight'}`" in said


def test_names_in_a_journal_lead_nowhere_else(little, tmp_path):
    (tmp_path / "id").write_text("secret")
    for name in ("../id", "../../id", str(tmp_path / "id"), "..", ".", "a/b", ""):
        assert Session(little).log(name) == ""


# ---- work trees, tracks, names -----------------------------------------------------------------------------------


def test_all_work_trees_of_a_repository_share_one_state(little, own_state, tmp_path):
    ran(little)
    git(little, "worktree", "add", "-q", "--detach", tmp_path / "linked")
    assert home(tmp_path / "linked") == home(little)
    before = journal(little)[0]
    ran(tmp_path / "linked")
    assert journal(little)[0] > before and len(list(own_state.glob("overnight/*/*/journal.db"))) == 1


def test_two_tracks_of_one_name_in_one_repository_never_meet(tmp_path, own_state):
    folder = repository(tmp_path / "both", {f"{side}/{name}": text for side in ("a", "b") for name, text in LITTLE.items()})
    ran(folder / "a"), ran(folder / "b")
    branches = {side: Session(folder / side) for side in ("a", "b")}
    for session in branches.values():
        session.read()
    names = {side: session.branch for side, session in branches.items()}
    assert names["a"] == "overnight/little" and names["b"].startswith("overnight/little-")
    for side, session in branches.items():
        assert git(folder, "rev-parse", names[side]) == session.state.commit
        changed = git(folder, "diff", "--name-only", "HEAD", names[side]).split()
        assert all(path.startswith(f"{side}/") for path in changed)
    assert overnight("status", folder / "b").stdout.count(names["b"]) >= 1


@pytest.mark.git
def test_a_name_that_is_another_track_s_branch_of_last_resort_is_no_way_to_meet(tmp_path, own_state):
    folder = repository(tmp_path / "three", {f"{side}/{name}": text for side in ("a", "b", "c") for name, text in LITTLE.items()})
    last = Session(folder / "c")
    taken = ["overnight/little", f"overnight/little-{last.place.number}"]
    for side, branch in zip("ab", taken, strict=True):
        write(home(folder / side), {"branch": branch})
    assert last._free("little") not in taken


def test_a_repository_of_the_same_name_elsewhere_has_another_state(tmp_path, own_state):
    one, other = (repository(tmp_path / side / "little", LITTLE) for side in ("a", "b"))
    assert home(one) != home(other)


# ---- states of earlier places --------------------------------------------------------------------------------------


def test_a_moved_repository_names_its_earlier_state_and_takes_it_over_once(little, own_state, tmp_path):
    old, before = home(ran(little)), journal(little)
    moved = little.rename(tmp_path / "moved")
    assert f"`overnight where --adopt {old}`" in sentence(overnight("status", moved))
    assert overnight("where", moved, "--adopt", old).returncode == 0
    assert journal(moved) == before and overnight("log", "--verify", moved).returncode == 0
    ran(moved)
    assert "has a state already" in sentence(overnight("where", moved, "--adopt", old))


def test_a_state_beside_the_track_as_earlier_versions_kept_it_is_taken_over(little, own_state):
    shutil.move(home(ran(little)), little / ".overnight")
    done = overnight("where", little, "--adopt", little / ".overnight")
    assert done.returncode == 0 and Path(done.stdout.strip()) == home(little)
    assert overnight("log", "--verify", little).returncode == 0 and overnight("show", 1, little).returncode == 0


@pytest.mark.parametrize("name", ["logs/1.log", "journal.db", "keys", "notes.md"])
def test_an_old_state_with_a_link_in_it_is_not_taken_over(little, own_state, tmp_path, name):
    shutil.move(home(ran(little)), little / ".overnight")
    path = little / ".overnight" / name
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    (tmp_path / "secret").write_text("secret")
    path.symlink_to(tmp_path / "secret")
    assert "is no plain file" in sentence(overnight("where", little, "--adopt", little / ".overnight"))
    assert not (home(little) / "journal.db").exists() and (tmp_path / "secret").read_text() == "secret"


def test_the_state_of_another_repository_is_not_taken_over(little, own_state, tmp_path):
    other = repository(tmp_path / "other", LITTLE | {"more": "x"})
    ran(other)
    assert "another repository" in sentence(overnight("where", little, "--adopt", home(other)))
    write(tmp_path / "empty", {"x": ""})
    assert "no journal" in sentence(overnight("where", little, "--adopt", tmp_path / "empty"))


def test_a_state_whose_journal_was_altered_is_not_taken_over(little, own_state):
    import sqlite3
    shutil.move(home(ran(little)), little / ".overnight")
    with sqlite3.connect(little / ".overnight/journal.db") as database:
        database.execute("UPDATE events SET body = replace(body, 'knobs', 'knobz') WHERE seq = 3")
    assert "altered" in sentence(overnight("where", little, "--adopt", little / ".overnight"))
    assert not (home(little) / "journal.db").exists()


def test_a_state_that_is_committed_in_the_repository_is_neither_named_nor_taken_over(little, own_state):
    shutil.move(home(ran(little)), little / ".overnight")
    git(little, "add", "-A", "-f", ".overnight")
    git(little, "commit", "-qm", "a stranger's night")
    assert "adopt" not in sentence(overnight("status", little))
    assert "part of the repository" in sentence(overnight("where", little, "--adopt", little / ".overnight"))


def test_an_adopted_track_keeps_its_branch_from_other_tracks(little, own_state):
    shutil.move(home(ran(little)), little / ".overnight")
    (little / ".overnight/branch").unlink()  # as in states of before there was one
    assert overnight("where", little, "--adopt", little / ".overnight").returncode == 0
    assert (home(little) / "branch").read_text() == "overnight/little"


@pytest.mark.parametrize(("events", "said"), [
    (lambda h: [Opened(0.0, "little", h, CONTRACT, branch="main")], "names branches or commits"),
    (lambda h: [Opened(0.0, "little", h, CONTRACT),
                Proposed(0.0, 1, 0, "--output=x", "a", "m", commit=h)], "names branches or commits"),
    (lambda h: [Opened(0.0, "little", h, CONTRACT), Judged(0.0, 7, "keep", "r")], "cannot have been"),
])
def test_a_journal_that_no_night_wrote_is_not_taken_over(little, own_state, tmp_path, events, said):
    (tmp_path / "old").mkdir()
    forged = journals.open(tmp_path / "old/journal.db")
    forged.extend(events(git(little, "rev-parse", "HEAD")))
    forged.close()
    assert said in sentence(overnight("where", little, "--adopt", tmp_path / "old"))
    assert not (home(little) / "journal.db").exists()


def test_another_repository_in_the_place_of_the_first_is_not_shown_its_night(little, own_state, monkeypatch):
    """An inode that is given again, as file systems do, must not lead to a stranger's state."""
    ran(little)
    elsewhere = home(little)
    git_folder = little / ".git"
    shutil.rmtree(git_folder)
    git(little, "init", "-q")
    commit(little, {"track.toml": LITTLE["track.toml"], "other": "x"}, "another one")
    session = Session(little)
    session.place.make()
    if session.home != elsewhere:
        for path in elsewhere.iterdir():
            shutil.copytree(path, session.home / path.name) if path.is_dir() else shutil.copy(path, session.home / path.name)
    with pytest.raises(TrackError, match="of a repository that has the commit"):
        Session(little).read()
    assert "overnight run --restart" in sentence(overnight("status", little))
