"""What a repository or an environment sets up for git: each canary sings for plain git, and for no method of ours."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import LITTLE, commit, git, repository, write
from overnight.errors import OvernightError, TrackError
from overnight.repo import Repo
from overnight.track import spec

NEEDS = "git"
LINES = "".join(f"L{n} = {n}\n" for n in range(20))
BRANCH = "overnight/little"
HOOKS = ("reference-transaction", "post-index-change", "post-checkout", "pre-commit", "commit-msg", "prepare-commit-msg", "post-commit",
         "pre-merge-commit", "post-merge", "post-rewrite", "fsmonitor-watchman", "pre-auto-gc")


class Canary:
    """A program that leaves a file when it runs."""

    def __init__(self, place):
        self.sung, self.program = place / "sung", place / "canary.sh"
        self.program.write_text(f"#!/bin/sh\ntouch {self.sung}\ncat 2>/dev/null </dev/null\n")
        self.program.chmod(0o755)


@pytest.fixture
def canary(tmp_path):
    return Canary(tmp_path)


def laid_out(folder):
    """A track whose user and whose result branch both went on, in the same file."""
    repository(folder, {**LITTLE, "settings.py": LINES, "notes.txt": "n\n",
                        ".gitattributes": "settings.py filter=evil merge=evil diff=evil\n"})
    base = git(folder, "rev-parse", "HEAD")
    result = commit(folder, {"settings.py": LINES.replace("L1 = 1\n", "L1 = 100\n")})
    git(folder, "branch", BRANCH, result)
    git(folder, "reset", "-q", "--hard", base)
    commit(folder, {"settings.py": LINES.replace("L18 = 18", "L18 = 180")})
    git(folder, "config", "user.name", "Ada")
    git(folder, "config", "user.email", "ada@localhost")
    return folder


@pytest.fixture
def ground(tmp_path):
    return laid_out(tmp_path / "ground")


def everything(folder, scratch):
    """Each method of a repository, a touched file and a changed one before it; a sentence is as good as an answer."""
    track = spec.parse(LITTLE["track.toml"])
    for step in ("touched", "changed", "clean"):
        if step == "touched":
            os.utime(folder / "settings.py", (1, 1))
            os.utime(folder / "notes.txt", (1, 1))
        with suppress(OvernightError):
            one(Repo(folder), track, scratch / step)
        content = LINES.replace("L18 = 18", "L18 = 180") + ("CHANGED = 1\n" if step == "touched" else "")
        write(folder, {"settings.py": content, "notes.txt": "n\n"})


def one(repo, track, scratch):
    head, tip = repo.head(), repo.tip(BRANCH)
    base = repo.ancestor(head, tip)
    made = repo.commit(head, {"run.py": "print(1)\n"}, "m")
    acts = [repo.branch, repo.dirty, repo.home, lambda: repo.look(track), lambda: repo.present(head, track),
            lambda: repo.distance(base, tip), lambda: repo.editable(head, track), lambda: repo.text(head, "settings.py"),
            lambda: repo.patch(base, tip), lambda: repo.foul(base, tip, track), lambda: repo.rebase(tip, base, head),
            lambda: repo.combine([(base, tip)], head), lambda: repo.transplant(base, tip, head, "m", finely=True),
            lambda: repo.checkout(head, scratch / "a"), lambda: repo.refuse_filters(head, track),
            lambda: repo.hold("little", 1, made), lambda: repo.unpack(repo.pack(made, [base]), made), lambda: repo.has("1" * 40),
            lambda: repo.text("1" * 40, "settings.py"), lambda: repo.release("little"), lambda: repo.move(BRANCH, tip, {tip}),
            lambda: repo.move("overnight/other", made, set()), lambda: repo.put_aside("overnight/other"),
            lambda: repo.merge(BRANCH)]
    for act in acts:
        with suppress(OvernightError):
            act()


def plainly(folder, *arguments, **options):
    """Plain git as a user runs it, however it ends."""
    subprocess.run(["git", *arguments], cwd=folder, check=False, stdin=subprocess.DEVNULL,
                   **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **options})


def dirtied(folder):
    write(folder, {"settings.py": LINES + "DIRTY = 1\n"})


# ---- the canaries: each lays itself out, and gives back what makes it sing for plain git --------------------------


def clean(folder, canary):
    git(folder, "config", "filter.evil.clean", canary.program)
    return lambda: (dirtied(folder), plainly(folder, "add", "settings.py"))


def smudge(folder, canary):
    git(folder, "config", "filter.evil.smudge", canary.program)
    return lambda: ((folder / "settings.py").unlink(), plainly(folder, "checkout", "--", "settings.py"))


def process(folder, canary):
    git(folder, "config", "filter.evil.process", canary.program)
    return lambda: (dirtied(folder), plainly(folder, "add", "settings.py"))


def attributes_file(folder, canary):
    write(folder, {".git/lists": "*.txt filter=other\n"})
    git(folder, "config", "core.attributesFile", folder / ".git/lists")
    git(folder, "config", "filter.other.clean", canary.program)
    return lambda: (write(folder, {"notes.txt": "more\n"}), plainly(folder, "add", "notes.txt"))


def info_attributes(folder, canary):
    write(folder, {".git/info/attributes": "*.txt filter=other\n"})
    git(folder, "config", "filter.other.clean", canary.program)
    return lambda: (write(folder, {"notes.txt": "more\n"}), plainly(folder, "add", "notes.txt"))


def fsmonitor(folder, canary):
    git(folder, "config", "core.fsmonitor", canary.program)
    return lambda: plainly(folder, "status")


def include(folder, canary):
    write(folder, {"harmless.txt": f"[core]\n\tfsmonitor = {canary.program}\n"})
    git(folder, "config", "include.path", "../harmless.txt")
    return lambda: plainly(folder, "status")


def worktree_config(folder, canary):
    git(folder, "config", "core.repositoryformatversion", "1")
    git(folder, "config", "extensions.worktreeConfig", "true")
    git(folder, "config", "--worktree", "core.fsmonitor", canary.program)
    return lambda: plainly(folder, "status")


def lost(folder):
    """Remove the one object of notes.txt."""
    name = git(folder, "rev-parse", "HEAD:notes.txt")
    (folder / ".git/objects" / name[:2] / name[2:]).unlink()
    return name


def promisor(folder, canary):
    git(folder, "config", "core.repositoryformatversion", "1")
    git(folder, "config", "extensions.partialClone", "origin")
    git(folder, "config", "remote.origin.url", f"ext::{canary.program} %G")
    git(folder, "config", "remote.origin.promisor", "true")
    git(folder, "config", "protocol.ext.allow", "always")
    name = lost(folder)
    return lambda: plainly(folder, "cat-file", "-p", name)


def ssh_command(folder, canary):
    promisor(folder, canary)
    git(folder, "config", "remote.origin.url", "ssh://localhost/nothing")
    git(folder, "config", "core.sshCommand", canary.program)
    return lambda: plainly(folder, "cat-file", "-p", git(folder, "rev-parse", "HEAD:notes.txt"))


def upload_pack(folder, canary):
    promisor(folder, canary)
    git(folder, "config", "remote.origin.url", folder)
    git(folder, "config", "remote.origin.uploadpack", canary.program)
    return lambda: plainly(folder, "cat-file", "-p", git(folder, "rev-parse", "HEAD:notes.txt"))


def alternate_refs(folder, canary):
    other = repository(folder.parent / "other", {"a": "a"})
    write(folder, {".git/objects/info/alternates": f"{other}/.git/objects\n"})
    git(folder, "config", "core.alternateRefsCommand", canary.program)
    third = repository(folder.parent / "third", {"b": "b"})
    return lambda: plainly(folder, "fetch", third)


def hooks(folder, canary):
    for name in HOOKS:
        (folder / ".git/hooks" / name).symlink_to(canary.program)
    return lambda: (dirtied(folder), plainly(folder, "commit", "-am", "m"))


def hooks_path(folder, canary):
    for name in HOOKS:
        (folder.parent / "hooks").mkdir(exist_ok=True)
        (folder.parent / "hooks" / name).symlink_to(canary.program)
    git(folder, "config", "core.hooksPath", folder.parent / "hooks")
    return lambda: plainly(folder, "update-ref", "refs/heads/new", "HEAD")


def index_hook(folder, canary):
    (folder / ".git/hooks/post-index-change").symlink_to(canary.program)
    return lambda: plainly(folder, "read-tree", "HEAD")


def merge_driver(folder, canary):
    git(folder, "config", "merge.evil.driver", f"{canary.program} %A")
    return lambda: (plainly(folder, "checkout", "-f", "-q", "main"), plainly(folder, "merge", "--no-edit", git(folder, "rev-parse", BRANCH)))


def external_diff(folder, canary):
    git(folder, "config", "diff.external", canary.program)
    return lambda: plainly(folder, "diff", "HEAD~1")


def diff_command(folder, canary):
    git(folder, "config", "diff.evil.command", canary.program)
    return lambda: plainly(folder, "diff", "HEAD~1")


def textconv(folder, canary):
    git(folder, "config", "diff.evil.textconv", canary.program)
    return lambda: plainly(folder, "log", "-p")


def pager(folder, canary):
    git(folder, "config", "core.pager", canary.program)

    def paged():
        ours, theirs = os.openpty()
        plainly(folder, "log", stdout=theirs, env={**os.environ, "TERM": "xterm"})
        os.close(ours), os.close(theirs)
    return paged


def signed(folder, canary):
    git(folder, "config", "gpg.program", canary.program)
    git(folder, "config", "commit.gpgSign", "true")
    return lambda: plainly(folder, "commit", "--allow-empty", "-m", "m")


def editor(folder, canary):
    git(folder, "config", "core.editor", canary.program)
    return lambda: plainly(folder, "commit", "--allow-empty")


CANARIES = [clean, smudge, process, attributes_file, info_attributes, fsmonitor, include, worktree_config, promisor, ssh_command,
            upload_pack, alternate_refs, hooks, hooks_path, index_hook, merge_driver, external_diff, diff_command, textconv, pager,
            signed, editor]


@pytest.mark.parametrize("lay", CANARIES, ids=lambda lay: lay.__name__)
def test_nothing_that_a_repository_sets_up_runs(ground, canary, tmp_path, lay):
    sing = lay(ground, canary)
    canary.sung.unlink(missing_ok=True)
    everything(ground, tmp_path / "scratch")
    assert not canary.sung.exists()
    sing()
    assert canary.sung.exists()


ENVIRONMENT = {
    "GIT_EXTERNAL_DIFF": ("diff", "HEAD~1"),
    "GIT_SSH_COMMAND": ("fetch", "ssh://localhost/nothing"),
    "GIT_SSH": ("fetch", "ssh://localhost/nothing"),
    "GIT_EDITOR": ("commit", "--allow-empty"),
    "EDITOR": ("commit", "--allow-empty"),
}


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_nothing_that_the_environment_sets_up_runs(ground, canary, tmp_path, monkeypatch, name):
    monkeypatch.setenv(name, str(canary.program))
    everything(ground, tmp_path / "scratch")
    assert not canary.sung.exists()
    plainly(ground, *ENVIRONMENT[name], env={**os.environ, "TERM": "xterm"})
    assert canary.sung.exists()


def test_settings_in_the_environment_are_not_followed(ground, canary, tmp_path, monkeypatch):
    for name, value in (("COUNT", "1"), ("KEY_0", "core.fsmonitor"), ("VALUE_0", str(canary.program))):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    everything(ground, tmp_path / "scratch")
    assert not canary.sung.exists()
    plainly(ground, "status")
    assert canary.sung.exists()


def test_programs_of_the_users_own_settings_do_not_run_either(ground, canary, tmp_path, monkeypatch):
    write(tmp_path, {"global": f"[core]\n\tfsmonitor = {canary.program}\n[filter \"evil\"]\n\tclean = {canary.program}\n"})
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "global"))
    everything(ground, tmp_path / "scratch")
    assert not canary.sung.exists()
    plainly(ground, "status")
    assert canary.sung.exists()


def test_a_git_that_lies_in_the_repository_is_not_run(little, tmp_path, monkeypatch):
    write(little, {"bin/git": f"#!/bin/sh\ntouch {tmp_path / 'sung'}\n"})
    (little / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{little / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert Repo(little).head() and not (tmp_path / "sung").exists()
    subprocess.run([little / "bin/git"], check=True)
    assert (tmp_path / "sung").exists()


# ---- nothing leads out of the repository, or to another branch ----------------------------------------------------


def test_objects_borrowed_from_elsewhere_are_refused(little, tmp_path):
    other = repository(tmp_path / "private", {"key": "the key\n"})
    secret = git(other, "rev-parse", "HEAD")
    write(little, {".git/objects/info/alternates": f"{other}/.git/objects\n"})
    with pytest.raises(TrackError, match="borrows objects from elsewhere .*git repack -a -d"):
        Repo(little).head()
    git(little, "update-ref", "refs/heads/main", secret)
    assert git(little, "show", "HEAD:key") == "the key"  # as plain git would


@pytest.mark.parametrize("place", ["objects/ab", "refs/heads/overnight", "refs/overnight", "refs/heads/other", "objects/pack/x.pack"])
def test_links_among_objects_and_branches_are_refused(little, tmp_path, place):
    (tmp_path / "outside").mkdir()
    link = little / ".git" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(tmp_path / "outside")
    with pytest.raises(TrackError, match="is a link or a device.*clone the repository anew"):
        Repo(little).move("overnight/x", "1" * 40, set())
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("name", ["packed-refs", "config", "HEAD"])
def test_a_file_of_the_git_folder_that_is_a_link_is_refused(little, tmp_path, name):
    (little / ".git" / name).unlink(missing_ok=True)
    (little / ".git" / name).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").write_text("ref: refs/heads/main\n" if name == "HEAD" else "")
    with pytest.raises(TrackError, match=f"{name} is no plain file"):
        Repo(little).head()


def test_a_result_branch_that_stands_for_the_users_branch_leaves_that_one_alone(little):
    git(little, "symbolic-ref", f"refs/heads/{BRANCH}", "refs/heads/main")
    repo, head = Repo(little), git(little, "rev-parse", "main")
    made = repo.commit(head, {"settings.py": "X = 2\n"}, "m")
    repo.move(BRANCH, made, {head})
    assert git(little, "rev-parse", "main") == head and git(little, "rev-parse", BRANCH) == made


def test_a_replaced_commit_is_read_as_it_is(little):
    head = git(little, "rev-parse", "HEAD")
    other = commit(little, {"settings.py": "FORGED = 1\n"})
    git(little, "replace", head, other)
    assert git(little, "show", f"{head}:settings.py") == "FORGED = 1"
    assert Repo(little).text(head, "settings.py") == LITTLE["settings.py"]


def test_packed_branches_are_moved_held_and_released(little):
    repo, head = Repo(little), git(little, "rev-parse", "HEAD")
    made = repo.commit(head, {"settings.py": "X = 2\n"}, "m")
    repo.move(BRANCH, head, set())
    repo.hold("little", 1, made)
    repo.hold("little", "stack/2", made)
    git(little, "pack-refs", "--all")
    repo.move(BRANCH, made, {head})
    repo.release("little", 1)
    assert git(little, "for-each-ref", "--format=%(refname)", "refs/overnight") == "refs/overnight/little/stack/2"
    repo.put_aside(BRANCH)
    assert git(little, "rev-parse", f"{BRANCH}-1") == made and repo.tip(BRANCH) is None
    repo.release("little")
    assert not git(little, "for-each-ref", "refs/overnight") and not (little / ".git/packed-refs").is_symlink()
    git(little, "fsck", "--strict")


def test_what_is_held_outlives_git_s_garbage_collection(little):
    repo = Repo(little)
    held, loose = (repo.commit(repo.head(), {"settings.py": f"X = {n}\n"}, "m") for n in (2, 3))
    repo.hold("little", 1, held)
    git(little, "gc", "-q", "--prune=now")
    assert repo.has(held) and not repo.has(loose)


# ---- our git folder ----------------------------------------------------------------------------------------------


def test_our_git_folder_goes_with_its_repository_and_comes_back_when_it_is_gone(little):
    repo = Repo(little)
    folder = repo._store.folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    assert repo.head() == git(little, "rev-parse", "HEAD")
    folder = repo._store.folder
    del repo
    assert not folder.exists()


def test_our_git_folder_may_stay_and_is_set_right_each_time(little, tmp_path, canary):
    kept = tmp_path / "state/git"
    for place in ("nowhere/git", "state/git"):
        repo = Repo(little)
        repo.keep(tmp_path / place)
        assert repo.head() and kept.exists() == (tmp_path / "state").exists()
        (tmp_path / "state").mkdir(exist_ok=True)
    write(kept, {"config": f"[core]\n\tfsmonitor = {canary.program}\n"})
    repo = Repo(little)
    repo.keep(kept)
    assert repo.head() and str(canary.program) not in (kept / "config").read_text()


def test_nothing_of_ours_is_left_in_the_git_folder(little):
    before = {str(path.relative_to(little)) for path in (little / ".git").iterdir()}
    repo = Repo(little)
    repo.dirty(), repo.look(spec.parse(LITTLE["track.toml"])), repo.head()
    assert {str(path.relative_to(little)) for path in (little / ".git").iterdir()} == before


# ---- other kinds of repositories ---------------------------------------------------------------------------------


def test_a_repository_of_sha_256_works(tmp_path):
    folder = tmp_path / "wide"
    folder.mkdir()
    git(folder, "init", "-q", "--object-format=sha256")
    head = commit(folder, {**LITTLE, "lib/a.py": "A = 1\n"})
    repo, track = Repo(folder), spec.parse(LITTLE["track.toml"])
    write(folder, {"settings.py": "X = 2\n"})
    assert len(head) == 64 and repo.head() == head and repo.dirty() == ["settings.py"]
    made = repo.commit(head, repo.present(head, track), "m")
    gone = repo.commit(made, {"lib/a.py": None}, "m")
    repo.move(BRANCH, made, set())
    repo.checkout(gone, tmp_path / "tree")
    assert (tmp_path / "tree/settings.py").read_text() == "X = 2\n" and not (tmp_path / "tree/lib").exists()
    git(folder, "checkout", "-q", "--", ".")
    assert repo.merge(BRANCH) and git(folder, "rev-parse", "HEAD") == made and not git(folder, "status", "--porcelain")


def test_a_shallow_clone_works(little, tmp_path):
    commit(little, {"settings.py": "X = 2\n"})
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{little}", "shallow")
    repo = Repo(tmp_path / "shallow")
    made = repo.commit(repo.head(), {"settings.py": "X = 3\n"}, "m")
    repo.unpack(repo.pack(made, [repo.head()]), made)
    repo.checkout(made, tmp_path / "tree")
    assert repo.ancestor(made, repo.head()) == repo.head()


def test_a_partial_clone_works_with_what_it_has_and_names_what_it_lacks(little, tmp_path):
    old = git(little, "rev-parse", "HEAD")
    commit(little, {"settings.py": "X = 2\n"})
    git(little, "config", "uploadpack.allowFilter", "true")
    git(tmp_path, "clone", "-q", "--filter=blob:none", f"file://{little}", "partial")
    repo = Repo(tmp_path / "partial")
    repo.checkout(repo.head(), tmp_path / "tree")
    assert repo.dirty() == [] and repo.look(spec.parse(LITTLE["track.toml"])).outside == ()
    with pytest.raises(OvernightError, match="partial clone, and Overnight fetches nothing: clone it whole"):
        repo.checkout(old, tmp_path / "old")
    git(tmp_path / "partial", "cat-file", "-p", f"{old}:settings.py")  # plain git fetches it
    repo.checkout(old, tmp_path / "old")


@pytest.mark.parametrize(("settings", "why"), [
    ({"core.repositoryformatversion": "1", "extensions.refStorage": "reftable"}, "as a reftable.*git refs migrate"),
    ({"core.repositoryformatversion": "1", "extensions.future": "1"}, "a format that Overnight does not know .*'future'"),
    ({"core.repositoryformatversion": "2"}, "a format that Overnight does not know"),
    ({"core.bare": "true"}, "is a bare repository"),
], ids=str)
def test_a_repository_that_cannot_be_read_says_why(little, settings, why):
    for name, value in settings.items():
        subprocess.run(["git", "config", "--file", little / ".git/config", name, value], check=True)
    with pytest.raises(TrackError, match=why):
        Repo(little)


def test_a_configuration_that_git_cannot_read_is_said(little):
    write(little, {".git/config": "[core\n"})
    with pytest.raises(TrackError, match="the configuration .* cannot be read"):
        Repo(little)


def test_shared_repositories_stay_shared(little):
    git(little, "config", "core.sharedRepository", "group")
    repo = Repo(little)
    made = repo.commit(repo.head(), {"settings.py": "X = 2\n"}, "m")
    assert (little / ".git/objects" / made[:2] / made[2:]).stat().st_mode & 0o040 and Path(little).exists()
