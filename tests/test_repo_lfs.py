"""Git LFS without its programs: pointers are filled from the git folder, by their own hash."""

import hashlib
import os
import time

import pytest

from conftest import LITTLE, commit, git, write
from overnight.errors import EditError, TrackError
from overnight.repo import Repo
from overnight.track import spec

NEEDS = "git"
CONTENT = b"\0\1weights" * 1000
TRACK = spec.parse(LITTLE["track.toml"].replace('["settings.py"]', '["settings.py", "lib/**"]'))


def pointer(content):
    name = hashlib.sha256(content).hexdigest()
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{name}\nsize {len(content)}\n"


def stored(folder, content):
    name = hashlib.sha256(content).hexdigest()
    write(folder, {f".git/lfs/objects/{name[:2]}/{name[2:4]}/{name}": content})
    return folder / ".git/lfs/objects" / name[:2] / name[2:4] / name


@pytest.fixture
def weights(little):
    """A track with a file that LFS keeps, as a clone with LFS has it."""
    commit(little, {".gitattributes": "*.bin filter=lfs -text\n", "data.bin": pointer(CONTENT)})
    stored(little, CONTENT)
    write(little, {"data.bin": CONTENT})
    return little


def checked_out(folder, to, raw=()):
    repo = Repo(folder)
    repo.checkout(repo.head(), to, raw)
    return to


def test_a_tree_holds_the_content_and_no_pointer(weights, tmp_path):
    tree = checked_out(weights, tmp_path / "tree")
    assert (tree / "data.bin").read_bytes() == CONTENT and {p.name for p in tree.iterdir()} == {*LITTLE, "data.bin", ".gitattributes"}
    assert not os.path.samefile(tree / "data.bin", stored(weights, CONTENT))


def test_a_content_that_is_not_here_is_one_sentence(weights, tmp_path):
    stored(weights, CONTENT).unlink()
    with pytest.raises(TrackError, match="data.bin is kept in Git LFS and its content is not here: run `git lfs pull`"):
        checked_out(weights, tmp_path / "tree")
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("spoiled", [CONTENT[:-1], CONTENT + b"x", b""])
def test_a_content_of_another_hash_is_not_taken(weights, tmp_path, spoiled):
    stored(weights, CONTENT).write_bytes(spoiled)
    with pytest.raises(TrackError, match="the content of data.bin in Git LFS is damaged"):
        checked_out(weights, tmp_path / "tree")


def test_a_content_behind_a_link_is_not_read(weights, tmp_path):
    place = stored(weights, CONTENT)
    place.rename(tmp_path / "secret")
    place.symlink_to(tmp_path / "secret")
    with pytest.raises(TrackError, match="is no plain file"):
        checked_out(weights, tmp_path / "tree")
    place.unlink()
    place.parent.rmdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "secret").rename(tmp_path / "folder" / place.name)
    place.parent.symlink_to(tmp_path / "folder")
    with pytest.raises(TrackError, match="lies behind a link"):
        checked_out(weights, tmp_path / "tree")


def test_a_candidate_cannot_ask_for_a_content_by_its_hash(weights, tmp_path):
    stored(weights, b"the holdout")
    repo = Repo(weights)
    made = repo.commit(repo.head(), {"lib/new.bin": pointer(b"the holdout")}, "m")
    repo.checkout(made, tmp_path / "tree", TRACK.track.editable)
    assert (tmp_path / "tree/lib/new.bin").read_text() == pointer(b"the holdout")
    assert (tmp_path / "tree/data.bin").read_bytes() == CONTENT
    repo.checkout(made, tmp_path / "open")
    assert (tmp_path / "open/lib/new.bin").read_bytes() == b"the holdout"  # what the boundary keeps back


def test_a_pointer_that_no_attribute_gives_to_lfs_is_a_file_like_others(weights, tmp_path):
    commit(weights, {"note.txt": pointer(CONTENT)})
    assert (checked_out(weights, tmp_path / "tree") / "note.txt").read_text() == pointer(CONTENT)


@pytest.mark.parametrize("kind", ["content", "touched", "pointer"])
def test_a_file_of_lfs_that_is_unchanged_is_no_change(weights, kind):
    if kind == "pointer":
        write(weights, {"data.bin": pointer(CONTENT)})
    if kind == "touched":
        time.sleep(1.1)
        os.utime(weights / "data.bin")
    write(weights, {"settings.py": "X = 2\n"})
    repo = Repo(weights)
    assert repo.present(repo.head(), TRACK) == {"settings.py": "X = 2\n"} and repo.dirty() == ["settings.py"]


def test_a_changed_file_of_lfs_is_a_sentence(weights):
    write(weights, {"data.bin": CONTENT[:-1] + b"!"})
    repo = Repo(weights)
    with pytest.raises(EditError, match="data.bin goes through the filter 'lfs'"):
        repo.present(repo.head(), TRACK)
    with pytest.raises(TrackError, match="data.bin goes through the filter 'lfs'"):
        repo.dirty()


def test_what_is_edited_may_not_lie_in_lfs_and_what_is_read_may(weights):
    Repo(weights).refuse_filters(git(weights, "rev-parse", "HEAD"), TRACK)
    head = commit(weights, {"lib/a.bin": pointer(CONTENT)})
    with pytest.raises(TrackError, match="lib/a.bin goes through the filter 'lfs'"):
        Repo(weights).refuse_filters(head, TRACK)
