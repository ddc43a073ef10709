"""A work tree: a change is what git would commit, or a sentence; the index and the files stay as they are."""

import os
import time

import pytest

from conftest import LITTLE, commit, git, repository, write
from overnight.errors import EditError, TrackError
from overnight.repo import Repo
from overnight.track import spec

NEEDS = "git"
TRACK = spec.parse(LITTLE["track.toml"].replace('["settings.py"]', '["settings.py", "lib/**"]'))
CRLF = "A = 1\r\nB = 2\r\n"


def test_the_work_trees_of_a_bare_repository_have_no_main_one(little, tmp_path):
    git(tmp_path, "clone", "-q", "--bare", str(little), "bare/.git")
    git(tmp_path / "bare", "worktree", "add", "-q", "tree")
    here = Repo(tmp_path / "bare/tree")
    assert here.home() == here.folder and here.dirty() == []


def  present(folder):
    repo = Repo(folder)
    return repo.present(repo.head(), TRACK)


def would_commit(folder, *paths):
    """What plain git commits of these files, or of all: path -> text. It leaves no trace."""
    index = folder / ".git/index"
    before = index.read_bytes()
    git(folder, "add", *(paths or ("-A",)))
    names = git(folder, "diff", "--cached", "--name-only", "--diff-filter=d", "HEAD").splitlines()
    found = {name: git(folder, "show", f":{name}") + "\n" for name in names}
    index.write_bytes(before)
    return found


def touch(folder, *names):
    for name in names:
        os.utime(folder / name, (1, 1))


def settled(folder):
    """Let the second pass in which git wrote its index, so that git believes what is noted there."""
    time.sleep(1.1)
    git(folder, "update-index", "--refresh")
    git(folder, "status")


# ---- conversions -----------------------------------------------------------------------------------------------

CONVERSIONS = {
    "eol": ("* text=auto eol=crlf\n", {}, b"A = 1\r\nB = 2\r\n"),
    "text": ("*.py text\n", {}, b"A = 1\r\nB = 2\r\n"),
    "autocrlf": ("", {"core.autocrlf": "true"}, b"A = 1\r\nB = 2\r\n"),
    "input": ("", {"core.autocrlf": "input"}, b"A = 1\r\nB = 2\r\n"),
    "ident": ("*.py ident\n", {}, b"A = 1\nB = 2\n# $Id: 0123 $\n"),
    "encoding": ("settings.py text working-tree-encoding=UTF-16\n", {}, "A = 1\nB = 2\n".encode("utf-16")),
}


@pytest.mark.parametrize("kind", CONVERSIONS)
def test_what_git_converts_is_taken_as_git_commits_it(little, kind):
    attributes, settings, content = CONVERSIONS[kind]
    plain = "A = 1\nB = 2\n" + ("# $Id$\n" if kind == "ident" else "")
    commit(little, {".gitattributes": attributes, "settings.py": content if kind == "encoding" else plain})
    for name, value in settings.items():
        git(little, "config", name, value)
    write(little, {"settings.py": content})
    assert present(little) == {} and Repo(little).dirty() == []
    more = content.decode("utf-16").replace("1", "10").encode("utf-16") if kind == "encoding" else content.replace(b"1", b"10")
    write(little, {"settings.py": more})
    assert present(little) == would_commit(little) and present(little)["settings.py"].startswith("A = 10\nB = 2\n")
    assert Repo(little).dirty() == ["settings.py"]


def test_line_ends_that_were_committed_stay_under_automatic_conversion(little):
    commit(little, {"settings.py": CRLF})
    git(little, "config", "core.autocrlf", "input")
    touch(little, "settings.py")
    assert present(little) == {} and Repo(little).dirty() == []
    write(little, {"settings.py": CRLF + "C = 3\r\n"})
    repo = Repo(little)
    made = repo.commit(repo.head(), repo.present(repo.head(), TRACK), "m")
    git(little, "add", "settings.py")
    assert git(little, "rev-parse", f"{made}:settings.py") == git(little, "rev-parse", ":settings.py")


def test_the_users_own_settings_count(little, tmp_path, monkeypatch):
    write(tmp_path, {"global": "[include]\n\tpath = more\n", "more": "[core]\n\tautocrlf = input\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    write(little, {"settings.py": LITTLE["settings.py"].replace("\n", "\r\n")})
    assert present(little) == {} == would_commit(little)


def test_settings_that_are_no_plain_words_are_not_passed_on(little, tmp_path):
    git(little, "config", "core.autocrlf", f"input\n[core]\n\tfsmonitor = touch {tmp_path}/sung")
    write(little, {"settings.py": CRLF})
    assert present(little) == {"settings.py": CRLF} and not (tmp_path / "sung").exists()


@pytest.mark.parametrize("name", ["settings.py", "run.py"])
def test_a_file_that_was_only_touched_is_no_change(little, name):
    touch(little, name)
    before = (little / ".git/index").read_bytes()
    assert present(little) == {} and Repo(little).dirty() == [] and (little / ".git/index").read_bytes() == before


def test_the_changes_of_a_work_tree_are_those_that_git_would_commit(little):
    commit(little, {"lib/a.py": "A = 1\n", "lib/gone.py": "G = 1\n", ".gitignore": "*.tmp\n"})
    write(little, {"lib/a.py": "A = 2\n", "lib/deep/new.py": "N = 1\n", "lib/x.tmp": "no\n", "lib/gone.py": None, "stray": "s"})
    write(little, {".git/info/exclude": "lib/own.py\n", "lib/own.py": "mine\n"})
    git(little, "add", "lib/a.py")
    expected = would_commit(little, "lib")
    assert present(little) == {**expected, "lib/gone.py": None} and set(expected) == {"lib/a.py", "lib/deep/new.py"}


def test_what_is_staged_counts_and_what_lies_in_the_file_counts_more(little):
    write(little, {"settings.py": "X = 2\n"})
    git(little, "add", "settings.py")
    assert present(little) == {"settings.py": "X = 2\n"}
    write(little, {"settings.py": "X = 3\n"})
    assert present(little) == {"settings.py": "X = 3\n"}


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda f: (f / "settings.py").chmod(0o755), "settings.py has a kind or mode of its own"),
    (lambda f: ((f / "settings.py").unlink(), (f / "settings.py").symlink_to("/etc/passwd")), "settings.py is no plain file"),
    (lambda f: ((f / "settings.py").unlink(), os.mkfifo(f / "settings.py")), "settings.py is no plain file"),
    (lambda f: write(f, {"settings.py": b"\xff"}), "settings.py is no text in UTF-8"),
    (lambda f: write(f, {"settings.py": "x" * (9 << 20)}), "settings.py is larger than 8 MiB"),
    (lambda f: write(f, {"score.py": "cheat"}), "score.py is changed and may not be edited"),
    (lambda f: write(f, {"score.py": None}), "score.py is changed and may not be edited"),
    (lambda f: (write(f, {"score.py": "cheat"}), git(f, "add", "score.py")), "score.py is changed and may not be edited"),
    (lambda f: repository(f / "lib/inner", {"a": "a"}), "no plain file"),
], ids=["mode", "link", "pipe", "bytes", "large", "scorer", "scorer gone", "scorer staged", "a repository"])
def test_what_cannot_be_tried_is_a_sentence(little, spoil, why):
    spoil(little)
    with pytest.raises(EditError, match=why):
        present(little)


def test_a_mode_that_the_file_system_does_not_keep_is_no_change(little):
    git(little, "config", "core.fileMode", "false")
    (little / "settings.py").chmod(0o755)
    assert present(little) == {} and Repo(little).dirty() == []


def test_a_merge_that_is_not_settled_is_a_sentence(little):
    base = git(little, "rev-parse", "HEAD")
    commit(little, {"settings.py": "X = 2\n"})
    git(little, "checkout", "-q", "-b", "side", base)
    commit(little, {"settings.py": "X = 3\n"})
    with pytest.raises(AssertionError):
        git(little, "merge", "main")
    with pytest.raises(EditError, match="settings.py is not merged"):
        present(little)


def test_a_changed_file_behind_a_link_is_not_read(little, tmp_path):
    commit(little, {"lib/key": "harmless\n"})
    write(tmp_path, {"secrets/key": "the key\n"})
    (little / "lib/key").unlink()
    (little / "lib").rmdir()
    (little / "lib").symlink_to(tmp_path / "secrets")
    with pytest.raises(EditError, match="lib/key lies behind a link"):
        present(little)


# ---- filters ---------------------------------------------------------------------------------------------------

SECRET = "TOKEN = 'hidden from history'\n"


def filtered(little, tmp_path, attributes=".gitattributes"):
    """settings.py goes through a filter that takes the secret out, set up as git-crypt and nbstripout do."""
    git(little, "config", "filter.hide.clean", "sed s/hidden.from.history/PUBLIC/")
    git(little, "config", "filter.hide.smudge", "sed 's/PUBLIC/hidden from history/'")
    write(little, {attributes: "settings.py filter=hide\n", "settings.py": SECRET})
    head = commit(little, {})
    assert git(little, "show", "HEAD:settings.py") == "TOKEN = 'PUBLIC'"
    return head


def stored(folder, text):
    names = git(folder, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)").splitlines()
    return any(text in git(folder, "cat-file", "-p", line.split()[0]) for line in names if line.endswith("blob"))


@pytest.mark.parametrize("attributes", [".gitattributes", ".git/info/attributes"])
def test_a_secret_behind_a_filter_is_never_stored(little, tmp_path, attributes):
    filtered(little, tmp_path, attributes)
    assert present(little) == {} and Repo(little).dirty() == []  # within git's own second, too
    settled(little)
    assert present(little) == {} and Repo(little).dirty() == []
    write(little, {"settings.py": SECRET + "MORE = 1\n"})
    with pytest.raises(EditError, match="settings.py goes through the filter 'hide', which Overnight does not run"):
        present(little)
    with pytest.raises(TrackError, match="goes through the filter 'hide'.*git status"):
        Repo(little).dirty()
    assert not stored(little, "hidden")
    git(little, "commit", "-qam", "by git")
    settled(little)
    assert present(little) == {} and Repo(little).dirty() == []


def test_a_new_file_that_a_filter_would_change_is_not_stored(little, tmp_path):
    filtered(little, tmp_path)
    write(little, {"lib/.gitattributes": "* filter=hide\n", "lib/secret.py": SECRET})
    with pytest.raises(EditError, match="goes through the filter 'hide'"):
        present(little)
    assert not stored(little, "hidden")


def test_attributes_of_the_user_name_filters_too(little, tmp_path, monkeypatch):
    write(tmp_path, {"global": f"[core]\n\tattributesFile = {tmp_path}/attributes\n", "attributes": "settings.py filter=hide\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    write(little, {"settings.py": SECRET})
    with pytest.raises(EditError, match="goes through the filter 'hide'"):
        present(little)
    assert not stored(little, "hidden")


@pytest.mark.parametrize("name", ["core.attributesFile", "core.excludesFile"])
def test_lists_that_a_repository_names_are_a_sentence(little, name):
    git(little, "config", name, "/etc/passwd")
    with pytest.raises(TrackError, match=f"sets {name.lower()}, which Overnight does not follow"):
        present(little)


def test_another_filtered_file_is_no_obstacle_until_it_changes(little, tmp_path):
    filtered(little, tmp_path, ".git/info/attributes")
    write(little, {".git/info/attributes": "notes.txt filter=hide\n", "notes.txt": SECRET})
    commit(little, {})
    write(little, {"lib/a.py": "A = 1\n"})
    assert present(little) == {"lib/a.py": "A = 1\n"}
    write(little, {"notes.txt": SECRET + "x"})
    with pytest.raises(EditError, match="notes.txt goes through the filter"):
        present(little)


@pytest.mark.parametrize("path", ["settings.py", "track.toml", "score.py"])
def test_a_filter_on_what_is_edited_or_judges_is_refused_at_the_start(little, path):
    head = commit(little, {".gitattributes": f"{path} filter=hide\n"})
    with pytest.raises(TrackError, match=f"{path} goes through the filter 'hide' .*take it out of the filter"):
        Repo(little).refuse_filters(head, TRACK)
    Repo(little).refuse_filters(commit(little, {".gitattributes": "notes.txt filter=hide\n"}), TRACK)


def test_the_committed_bytes_of_a_filtered_file_are_what_candidates_see(little, tmp_path):
    head = filtered(little, tmp_path)
    Repo(little).checkout(head, tmp_path / "tree")
    assert (tmp_path / "tree/settings.py").read_text() == "TOKEN = 'PUBLIC'\n"


# ---- kinds of work trees -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [(), ("--sparse-index",)], ids=["", "with a sparse index"])
def test_a_sparse_work_tree_lacks_nothing(little, more):
    commit(little, {"lib/a.py": "A = 1\n", "far/b.txt": "b\n", "kept/c.txt": "c\n"})
    git(little, "sparse-checkout", "set", "--cone", *more, "kept")
    assert not (little / "lib").exists() and present(little) == {} and Repo(little).dirty() == []
    write(little, {"settings.py": "X = 2\n"})
    assert present(little) == {"settings.py": "X = 2\n"}
    git(little, "checkout", "-q", "settings.py")
    repo = Repo(little)
    repo.move("overnight/little", repo.commit(repo.head(), {"lib/a.py": "A = 2\n", "settings.py": "X = 5\n"}, "m"), set())
    repo.merge("overnight/little")
    assert git(little, "status", "--porcelain") == "" and not (little / "lib").exists()
    assert git(little, "show", "HEAD:lib/a.py") == "A = 2" and (little / "settings.py").read_text() == "X = 5\n"


def test_a_split_index_is_read(little):
    git(little, "update-index", "--split-index")
    write(little, {"settings.py": "X = 2\n"})
    assert present(little) == {"settings.py": "X = 2\n"}


def test_a_linked_work_tree_has_changes_of_its_own(little, tmp_path):
    git(little, "worktree", "add", "-q", "--detach", tmp_path / "linked")
    write(tmp_path / "linked", {"settings.py": "X = 2\n"})
    here, main = Repo(tmp_path / "linked"), Repo(little)
    assert here.present(here.head(), TRACK) == {"settings.py": "X = 2\n"} and main.dirty() == []
    assert here.same(main) and here.home() == little and here.branch() is None and main.branch() == "main"


def test_a_submodule_is_a_repository_of_its_own(little, tmp_path):
    outer = repository(tmp_path / "outer", {"a": "a"})
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(little), "inner")
    write(outer / "inner", {"settings.py": "X = 2\n"})
    repo = Repo(outer / "inner")
    assert repo.root == outer / "inner" and repo.home() == repo.folder
    assert repo.present(repo.head(), TRACK) == {"settings.py": "X = 2\n"}


# ---- the merge -------------------------------------------------------------------------------------------------


def kept(folder, changes=None):
    repo = Repo(folder)
    repo.move("overnight/little", repo.commit(repo.head(), changes or {"settings.py": "X = 2.0\n"}, "X up"), set())
    return repo


def test_a_merge_goes_on_from_where_the_user_is(little):
    repo = kept(little)
    mine = commit(little, {"notes.txt": "the branch went on\n"})
    git(little, "config", "user.name", "Ada")
    git(little, "config", "user.email", "ada@localhost")
    said = Repo(little).merge("overnight/little")
    assert "settings.py" in said and git(little, "log", "-1", "--format=%P %an %s") == (
        f"{mine} {repo.tip('overnight/little')} Ada Merge branch 'overnight/little' into main")
    assert git(little, "status", "--porcelain") == "" and (little / "settings.py").read_text() == "X = 2.0\n"
    assert git(little, "rev-parse", "main@{1}") == mine == git(little, "rev-parse", "HEAD@{1}")
    assert repo.merge("overnight/little") == "Already up to date."
    git(little, "fsck", "--strict")


def test_a_merge_makes_and_removes_files_and_writes_them_as_git_does(little):
    commit(little, {"lib/old.py": "O = 1\n", ".gitattributes": "*.py text eol=crlf\n"})
    kept(little, {"lib/old.py": None, "lib/new.py": "N = 1\n"}).merge("overnight/little")
    assert not (little / "lib/old.py").exists() and (little / "lib/new.py").read_bytes() == b"N = 1\r\n"
    assert git(little, "status", "--porcelain") == ""


@pytest.mark.parametrize(("spoil", "why"), [
    (lambda f: write(f, {"lib/new.py": "mine\n"}), "does not merge by itself .*lib/new.py"),
    (lambda f: write(f, {".git/index.lock": ""}), "does not merge by itself .*index.lock"),
    (lambda f: write(f, {".git/MERGE_HEAD": git(f, "rev-parse", "HEAD") + "\n"}), "a merge of yours is not finished"),
    (lambda f: write(f, {".git/info/attributes": "lib/** filter=hide\n"}), "lib/new.py goes through the filter 'hide'"),
    (lambda f: (write(f, {".git/elsewhere": (f / ".git/index").read_bytes()}), (f / ".git/index").unlink(),
                (f / ".git/index").symlink_to("elsewhere")), "index is no plain file"),
], ids=["a file in the way", "a lock", "a merge", "a filter", "a link"])
def test_a_merge_that_cannot_be_leaves_everything_as_it_is(little, spoil, why):
    repo = kept(little, {"lib/new.py": "N = 1\n"})
    head = repo.head()
    spoil(little)
    with pytest.raises(TrackError, match=why):
        repo.merge("overnight/little")
    assert repo.head() == head and not git(little, "diff", "--cached", "--name-only", head)


def test_a_diary_that_is_a_link_is_not_continued(little, tmp_path):
    repo = kept(little)
    (little / ".git/logs/HEAD").unlink()
    (little / ".git/logs/HEAD").symlink_to(tmp_path / "outside")
    (tmp_path / "outside").write_text("mine\n")
    repo.merge("overnight/little")
    assert (tmp_path / "outside").read_text() == "mine\n"
