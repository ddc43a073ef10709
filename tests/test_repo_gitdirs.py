"""Which repository a folder belongs to: a file that names one is believed only where that one knows it."""

import os
import shutil

import pytest

from conftest import LITTLE, git, repository, write
from overnight.errors import TrackError
from overnight.night import dispatch
from overnight.night.session import Session
from overnight.repo import Repo

NEEDS = "git"


@pytest.fixture
def private(tmp_path):
    """A repository of the user's that a stranger would like to read."""
    return repository(tmp_path / "private", {"key": "the key\n", **LITTLE})


@pytest.fixture
def linked(little, tmp_path):
    git(little, "worktree", "add", "-q", "--detach", tmp_path / "linked")
    return tmp_path / "linked"


def test_the_folder_of_a_track_is_found_wherever_it_lies(tmp_path):
    root = repository(tmp_path / "r", {"a b/ü/x": "x"})
    repo = Repo(root / "a b/ü")
    assert (repo.root, repo.prefix, repo.common) == (root, "a b/ü/", root / ".git")
    (tmp_path / "way").symlink_to(root / "a b")
    assert Repo(tmp_path / "way/ü").prefix == "a b/ü/"


def test_a_git_folder_that_is_none_is_passed_over_as_git_does(little):
    (little / "sub/.git").mkdir(parents=True)
    assert Repo(little / "sub").root == little
    assert git(little / "sub", "rev-parse", "--show-toplevel") == str(little)


def test_inside_a_git_folder_there_is_no_work_tree(little):
    with pytest.raises(TrackError, match="is a bare repository"):
        Repo(little / ".git/hooks")


def test_a_bare_repository_within_a_tree_is_not_taken_for_one_with_a_tree(little):
    git(little, "init", "-q", "--bare", "data")
    with pytest.raises(TrackError, match="is a bare repository"):
        Repo(little / "data")


def test_a_link_to_a_git_folder_is_refused(tmp_path, private):
    (tmp_path / "track").mkdir()
    (tmp_path / "track/.git").symlink_to(private / ".git")
    with pytest.raises(TrackError, match=r"\.git is a link"):
        Repo(tmp_path / "track")


@pytest.mark.parametrize("name", ["{private}/.git", "../private/.git"])
def test_a_file_that_lays_claim_to_another_repository_is_refused(tmp_path, private, name):
    write(tmp_path / "track", {".git": f"gitdir: {name.format(private=private)}\n"})
    with pytest.raises(TrackError, match="does not name .*/track as its work tree"):
        Repo(tmp_path / "track")
    assert git(tmp_path / "track", "show", "HEAD:key") == "the key"  # as plain git would


def test_a_file_that_lays_claim_to_another_work_tree_is_refused(tmp_path, little, linked):
    write(tmp_path / "track", {".git": (linked / ".git").read_text()})
    with pytest.raises(TrackError, match="is no work tree that the repository .* knows: .*git worktree repair"):
        Repo(tmp_path / "track")


def test_a_git_folder_that_borrows_another_repository_is_refused(tmp_path, private):
    track = tmp_path / "track"
    write(track, {".git": "gitdir: evil\n", "evil/HEAD": git(private, "rev-parse", "HEAD") + "\n",
                  "evil/commondir": f"{private}/.git\n", "evil/gitdir": f"{track}/.git\n"})
    assert git(track, "show", "HEAD:key") == "the key"  # as plain git would
    with pytest.raises(TrackError, match="is no work tree that the repository .* knows"):
        Repo(track)
    (private / ".git/worktrees").mkdir()
    (private / ".git/worktrees/evil").symlink_to(track / "evil")
    write(track, {".git": f"gitdir: {private}/.git/worktrees/evil\n"})
    with pytest.raises(TrackError, match="is no work tree that the repository .* knows"):
        Repo(track)


@pytest.mark.parametrize("text", ["", "gitdir: \n", "nonsense\n", "gitdir: /nowhere\n", "gitdir: a\0b\n"])
def test_a_file_that_names_nothing_is_said(tmp_path, text):
    write(tmp_path / "track", {".git": text})
    with pytest.raises(TrackError, match="names no git folder: mend it"):
        Repo(tmp_path / "track")


def test_a_work_tree_elsewhere_is_refused(little, tmp_path):
    git(little, "config", "core.worktree", str(tmp_path))
    with pytest.raises(TrackError, match="does not name .*/little as its work tree"):
        Repo(little)
    git(little, "config", "core.worktree", "..")
    assert Repo(little).root == little


def test_a_git_folder_beside_its_work_tree_is_known_when_it_says_so(tmp_path):
    (tmp_path / "tree").mkdir()
    git(tmp_path / "tree", "init", "-q", "--separate-git-dir", tmp_path / "store")
    with pytest.raises(TrackError, match="does not name"):
        Repo(tmp_path / "tree")
    git(tmp_path / "tree", "config", "core.worktree", "../tree")
    assert Repo(tmp_path / "tree").common == tmp_path / "store"


def test_a_work_tree_of_a_bare_repository_works(little, tmp_path):
    git(tmp_path, "clone", "-q", "--bare", str(little), "bare.git")
    git(tmp_path / "bare.git", "worktree", "add", "-q", tmp_path / "tree", "main")
    repo = Repo(tmp_path / "tree")
    assert repo.branch() == "main" and repo.dirty() == [] and repo.home() == repo.folder


def test_a_work_tree_that_was_moved_says_how_to_mend_it(little, linked, tmp_path):
    linked.rename(tmp_path / "moved")
    with pytest.raises(TrackError, match="git worktree repair"):
        Repo(tmp_path / "moved")
    git(little, "worktree", "repair", tmp_path / "moved")
    assert Repo(tmp_path / "moved").same(Repo(little))


@pytest.mark.parametrize("text", ["", "ref: ../../../etc/passwd\n", "ref: refs/heads/../../x\n", "ref: refs/heads/a^{/x}\n",
                                  "ref: refs/heads/.a\n", "--all\n", "ref: refs/heads/a.lock\n", "f" * 41 + "\n"])
def test_a_head_that_is_none_is_said(little, text):
    write(little, {".git/HEAD": text})
    with pytest.raises(TrackError, match="HEAD is damaged"):
        Repo(little).head()


def test_branches_of_every_name_that_git_allows_are_read(little):
    for name in ("a/b.c", "ü", "x{y", "-", "a@b", "lock"):
        git(little, "update-ref", f"refs/heads/{name}", "HEAD")
        git(little, "symbolic-ref", "HEAD", f"refs/heads/{name}")
        assert Repo(little).branch() == name and Repo(little).head()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("trusted", ["{root}", "*", "{above}/*"])
def test_a_repository_of_another_user_is_read_where_the_user_trusts_it(little, tmp_path, monkeypatch, trusted):
    for path in [little, *little.rglob("*")]:
        os.chown(path, 12345, 12345)
    git(little, "config", "--file", ".git/config", "safe.directory", "*")  # that of the repository itself does not count
    with pytest.raises(TrackError, match="belongs to another user: run as that user, or run `git config --global"):
        Repo(little)
    write(tmp_path, {"global": f"[safe]\n\tdirectory = {trusted.format(root=little, above=little.parent)}\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    assert Repo(little).root == little


# ---- a work tree that a caller names -----------------------------------------------------------------------------


def test_a_change_is_taken_from_work_trees_of_the_same_repository_alone(little, linked, tmp_path):
    shutil.copytree(little, tmp_path / "copy")
    for folder in (linked, tmp_path / "copy"):
        write(folder, {"settings.py": "X = 2\n"})
    assert dispatch.change(Session(little), linked, "m", "me").commit
    with pytest.raises(TrackError, match="/copy is no work tree of .*/little"):
        dispatch.change(Session(little), tmp_path / "copy", "m", "me")
    # The copy has the same commits, so nothing but its git folder tells it apart


def test_a_work_tree_that_turns_into_another_repository_is_refused(little, linked, tmp_path):
    evil = repository(tmp_path / "evil", LITTLE)
    git(evil, "config", "core.fsmonitor", f"touch {tmp_path}/sung")
    git(evil, "config", "core.worktree", str(linked))
    write(linked, {".git": f"gitdir: {evil}/.git\n", "settings.py": "X = 2\n"})
    with pytest.raises(TrackError, match="/linked is no work tree of .*/little"):
        dispatch.change(Session(little), linked, "m", "me")
    assert not (tmp_path / "sung").exists()
    git(linked, "status")
    assert (tmp_path / "sung").exists()
