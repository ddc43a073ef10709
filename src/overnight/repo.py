"""git: clean trees, commits, the boundary, the branch. Plumbing only: the user's index, work tree and hooks are never
touched, except by `merge`, which is the user's own act.

Covered: a change outside the editable globs, a changed mode, a link, a submodule, attributes, names that hide, turn or look
like others are a foul, judged on the commit itself; no hook, filter or setting of the user's runs.
Not covered: what the allowed files do when they run, which is the sandbox's to bound.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from overnight.errors import EditError, Fault, TrackError
from overnight.track.spec import Track, covers

NAME, EMAIL = "Overnight", "overnight@localhost"
MOST_PATCH_BYTES = 64 << 10  # bytes of a diff that are kept
MOST_PATH_BYTES = 1024  # bytes of a path that a change may name
MOST_PATH_PARTS = 64  # parts of it
MOST_FILES, MOST_TEXT_BYTES = 1000, 8 << 20  # that one change may name, and of text in all
MOST_PACK_BYTES = 256 << 20  # bytes of a commit with what it stands on
SEAM = b"\n\x01 overnight: between two lines \x01\n"  # what keeps changes of neighbouring lines apart
_QUIET = ["--no-optional-locks", "--literal-pathspecs", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false",
          "-c", "core.fsmonitor=false",
          "-c", "gc.auto=0", "-c", "core.fsync=loose-object,reference"]
_SHALLOW = ["--ignore-submodules=dirty"]  # git would look into a submodule by that one's own settings, which may run programs
# What a hook or an alias of git hands down; it would lead our git to another repository, index or tree.
_MISLEADING = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR",
                         "GIT_NAMESPACE", "GIT_PREFIX", "GIT_ALTERNATE_OBJECT_DIRECTORIES"})


def _call(arguments: list[str], cwd: Path, env: dict[str, str] | None = None, given: bytes = b"",
          umask: int = -1) -> subprocess.CompletedProcess[bytes]:
    """git, in a session of its own, so that Ctrl-C does not break it off half-way."""
    plain = {name: value for name, value in os.environ.items() if name not in _MISLEADING}
    return subprocess.run(["git", *_QUIET, *arguments], cwd=cwd, env={**plain, **(env or {})}, input=given,
                          capture_output=True, check=False, start_new_session=True, umask=umask)


class Repo:
    """The repository that a folder belongs to. `prefix` is the folder's place in it, "" at its root; `scratch` is where
    short-lived files go."""

    def __init__(self, folder: Path, scratch: Path | None = None) -> None:
        self._scratch = scratch
        if shutil.which("git") is None:
            raise TrackError("git is not installed: install it (sudo apt-get install -y git) and run again.")
        if not folder.is_dir():
            raise TrackError(f"there is no folder {folder}.")
        self.folder = folder.resolve()
        if self._try("rev-parse", "--is-bare-repository") == "true":
            raise TrackError(f"{folder} is a bare repository: clone it and run in the clone.")
        try:
            self.root = Path(self._git("rev-parse", "--show-toplevel"))
        except Fault as fault:
            if "safe.directory" in str(fault):
                raise TrackError(f"git refuses {folder}, because it belongs to another user: run as that user, or run "
                                 f"`git config --global --add safe.directory {self.folder}`.") from fault
            raise TrackError(f"{folder} is not in a git repository: run `git init` there and commit your files "
                             "first.") from fault
        self.prefix = "" if self.folder == self.root else self.folder.relative_to(self.root).as_posix() + "/"

    # -- asking --

    def _git(self, *arguments: str, env: dict[str, str] | None = None, given: bytes = b"") -> str:
        done = _call([*arguments], self.folder, env, given)
        if done.returncode:
            raise Fault(f"git {arguments[0]} failed: {_said(done)}")
        return done.stdout.decode(errors="surrogateescape").rstrip("\n")

    def _try(self, *arguments: str) -> str | None:
        try:
            return self._git(*arguments)
        except Fault:
            return None

    def head(self) -> str:
        """The commit that is checked out. Raises TrackError when there is none."""
        commit = self._try("rev-parse", "--verify", "HEAD^{commit}")
        if commit is None:
            raise TrackError("this repository has no commits yet: commit your files first.")
        return commit

    def branch(self) -> str | None:
        """The branch that is checked out, None on a detached head."""
        return self._try("symbolic-ref", "--short", "-q", "HEAD")

    def dirty(self) -> list[str]:
        """Tracked files of this folder that differ from the commit, and a track.toml or program.md outside it."""
        changed = self._git("status", "--porcelain", "--untracked-files=no", *_SHALLOW, "--", ".").splitlines()
        own = [n for n in ("track.toml", "program.md") if (self.folder / n).exists()]
        missing = self._git("ls-files", "--others", "--", *own).splitlines() if own else []
        return [line[3:] for line in changed] + missing

    def home(self) -> Path:
        """This folder in the repository's main work tree: itself, unless it lies in a linked one."""
        shared = Path(self._git("rev-parse", "--path-format=absolute", "--git-common-dir"))
        return shared.parent / self.prefix if shared.name == ".git" and self._git_dir != shared else self.folder

    def ancestor(self, one: str, other: str) -> str | None:
        """The newest commit that two have in common; None when there is none."""
        return self._try("merge-base", one, other)

    def distance(self, one: str, other: str) -> int:
        """How many lines differ between two commits."""
        counts = (line.split()[:2] for line in self._git("diff-tree", "-r", "--numstat", one, other).splitlines())
        return sum(int(n) for pair in counts for n in pair if n.isdigit())

    def present(self, base: str, track: Track) -> dict[str, str | None]:
        """How the editable files on disk differ from a commit: path in the folder -> text, None where one is gone. Raises
        EditError for what is no text, no plain file, or lies outside the boundary and is changed as well."""
        names = self._git("ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", ".").split("\0")
        there = {n: _read(self.folder, n) for n in sorted(set(names)) if n and any(covers(p, n) for p in track.track.editable)}
        before = self.editable(base, track)
        changed = {n: text for n, text in there.items() if text != before.get(n)} | {n: None for n in before if n not in there}
        for path in self._git("diff-index", "--name-only", "-z", *_SHALLOW, "--relative", base, "--", ".").split("\0"):
            if path and path not in changed and path not in before and not path.endswith(".md"):
                raise EditError(f"{path} is changed and may not be edited: take that back (git checkout {base[:7]} -- {path}).")
        return changed

    def tip(self, branch: str) -> str | None:
        """The commit of a branch, None when there is no such branch."""
        return self._try("rev-parse", "--verify", "-q", f"refs/heads/{branch}^{{commit}}")

    def has(self, commit: str) -> bool:
        """Whether there is such a commit."""
        return not commit.startswith("-") and self._try("cat-file", "-e", f"{commit}^{{commit}}") is not None

    def text(self, commit: str, path: str) -> str | None:
        """A file's text at a commit, by its path in the folder; None when it is absent or no text."""
        try:
            content = self._bytes(commit, self.prefix + path)
            return None if content is None else content.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def editable(self, commit: str, track: Track) -> dict[str, str]:
        """The files that may be edited, as they are at a commit: path in the folder -> text."""
        names = self._git("ls-tree", "-r", "--name-only", "-z", commit, "--", ".").split("\0")
        wanted = [n for n in names if n and any(covers(p, n) for p in track.track.editable)]
        texts = {name: self.text(commit, name) for name in wanted}
        return {name: text for name, text in texts.items() if text is not None}

    def patch(self, base: str, commit: str) -> str:
        """The diff between two commits, its first 64 KiB."""
        text = self._git("diff-tree", "-p", "--no-color", "--no-ext-diff", base, commit)[:MOST_PATCH_BYTES]
        return text.encode(errors="surrogateescape").decode(errors="replace")

    # -- trees --

    def checkout(self, commit: str, to: Path) -> None:
        """Write the files of a commit below a folder. Raises Fault."""
        to.mkdir(parents=True, mode=0o755)
        to.chmod(0o755)
        env = {"GIT_INDEX_FILE": str(to) + ".index", "GIT_WORK_TREE": str(to), "GIT_DIR": str(self._git_dir)}
        done = _call(["checkout", "-q", "-f", commit, "--", "."], to, env, umask=0o022)
        Path(str(to) + ".index").unlink(missing_ok=True)
        if done.returncode:
            shutil.rmtree(to, ignore_errors=True)
            raise Fault(f"{commit[:7]} could not be checked out: {_said(done)}")

    @cached_property
    def _git_dir(self) -> Path:
        return Path(self._git("rev-parse", "--absolute-git-dir"))

    # -- commits --

    def commit(self, base: str, files: dict[str, str | None], message: str) -> str:
        """A commit on top of another with these files changed; its hash, or `base` when nothing changes. Raises
        EditError when that is no change that git can hold."""
        try:
            entries = {self._place(path): None if text is None else text.encode() for path, text in files.items()}
            message.encode()
        except UnicodeEncodeError as error:
            raise EditError(f"the change holds characters that are no text ({error.reason}).") from error
        if len(files) > MOST_FILES or sum(len(content or b"") for content in entries.values()) > MOST_TEXT_BYTES:
            raise EditError(f"the change is more than {MOST_FILES:,} files or {MOST_TEXT_BYTES >> 20} MiB of text.")
        return self._commit(base, base, entries, message.replace("\0", ""))

    def _place(self, path: str) -> str:
        """A path in the folder as one in the repository. Raises EditError for what is none."""
        parts = path.split("/")
        plain = path.isprintable()  # nothing that hides, turns or steers what a person reads
        long = plain and (len(path.encode()) > MOST_PATH_BYTES or any(len(p.encode()) > 255 for p in parts))
        if not plain or long or len(parts) > MOST_PATH_PARTS or any(p in ("", ".", "..") or p.lower() == ".git" for p in parts):
            raise EditError(f"{path[:MOST_PATH_BYTES]!r} is no path inside the repository.")
        return self.prefix + path

    def _commit(self, base: str, parent: str, entries: dict[str, bytes | None], message: str) -> str:
        with tempfile.TemporaryDirectory(prefix="overnight-", dir=self._scratch) as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self._git("read-tree", base, env=env)
            lines = [self._index_line(parent, path, content) for path, content in entries.items()]
            try:
                self._git("update-index", "-z", "--index-info", env=env, given="".join(lines).encode())
            except Fault as fault:
                if "path" in str(fault):  # git knows more names that are dangerous somewhere
                    raise EditError(f"git refuses the paths of the change ({fault})") from fault
                raise
            tree = self._git("write-tree", env=env)
        if tree == self._git("rev-parse", f"{base}^{{tree}}"):
            return base
        who = {"GIT_AUTHOR_NAME": NAME, "GIT_AUTHOR_EMAIL": EMAIL,
               "GIT_COMMITTER_NAME": NAME, "GIT_COMMITTER_EMAIL": EMAIL}
        return self._git("commit-tree", tree, "-p", parent, "-F", "-", env=who, given=message.encode())

    def _index_line(self, commit: str, path: str, content: bytes | None) -> str:
        if content is None:
            return f"0 {'0' * 40}\t{path}\0"
        found = self._git("ls-tree", "--full-tree", commit, "--", path).split()
        if found and found[1] == "tree":
            raise EditError(f"{path!r} is a folder.")
        blob = self._git("hash-object", "-w", "--stdin", given=content)
        return f"{found[0] if found else '100644'} {blob}\t{path}\0"

    def foul(self, base: str, commit: str, track: Track) -> str:
        """What a commit's diff touches outside the boundary, in a sentence; "" if nothing."""
        for old, new, _status, path in self._changes(base, commit):
            inside = path.removeprefix(self.prefix) if path.startswith(self.prefix) else None
            if inside is None or not any(covers(p, inside) for p in track.track.editable):
                return f"touches {path}, which is not editable"
            if Path(path).name.startswith(".git"):
                return f"touches {path}, which steers git"
            if new not in ("100644", "100755", "000000") or (old not in ("000000", new) and new != "000000"):
                return f"changes the kind or mode of {path}"
        return ""

    def _changes(self, base: str, commit: str) -> Iterator[tuple[str, str, str, str]]:
        """(old mode, new mode, status, path) of each difference."""
        fields = self._git("diff-tree", "-r", "-z", "--no-renames", base, commit).split("\0")
        for head, path in zip(fields[::2], fields[1::2], strict=False):
            old, new, _, _, status = head.lstrip(":").split(" ")
            yield old, new, status, path

    def rebase(self, commit: str, base: str, onto: str) -> str:
        """The same change on top of another commit, merged file by file; "" on a conflict. Changes of neighbouring lines
        are no conflict: constants stand side by side, and what comes of it is measured."""
        message = self._git("show", "-s", "--format=%B", commit)
        made = self.transplant(base, commit, onto, message) or self.transplant(base, commit, onto, message, finely=True)
        return "" if made == onto else made

    def combine(self, changes: Sequence[tuple[str, str]], onto: str) -> list[str]:
        """Changes, each (base, commit), on top of one another: the commit after each, "" for one that conflicts and is
        left out."""
        made = []
        for base, commit in changes:
            new = commit if base == onto else self.rebase(commit, base, onto)
            made.append(new)
            onto = new or onto
        return made

    def transplant(self, old: str, new: str, onto: str, message: str, finely: bool = False) -> str:
        """The change from one commit to another, on top of a third, merged file by file; `onto` itself where that changes
        nothing, "" on a conflict. `finely`: changes of neighbouring lines do not conflict."""
        entries: dict[str, bytes | None] = {}
        for _, _, _, path in self._changes(old, new):
            merged = self._merge_file(path, old, new, onto, finely)
            if merged is False:
                return ""
            entries[path] = merged
        return self._commit(onto, onto, entries, message)

    def _merge_file(self, path: str, base: str, commit: str, onto: str, finely: bool) -> bytes | Literal[False] | None:
        """The merged content; None where it is deleted; False on a conflict."""
        before, mine, theirs = (self._bytes(c, path) for c in (base, commit, onto))
        if theirs == before:
            return mine
        if before is None or mine is None or theirs is None:
            return mine if mine == theirs else False
        versions = (mine, before, theirs)
        if not finely or any(SEAM in version for version in versions):
            return self._merge_texts(*versions)
        merged = self._merge_texts(*(version.replace(b"\n", SEAM) for version in versions))
        return merged and merged.replace(SEAM, b"\n")

    def _merge_texts(self, mine: bytes, before: bytes, theirs: bytes) -> bytes | Literal[False]:
        with tempfile.TemporaryDirectory(prefix="overnight-", dir=self._scratch) as folder:
            names = [Path(folder, n) for n in ("mine", "before", "theirs")]
            for name, content in zip(names, (mine, before, theirs), strict=True):
                name.write_bytes(content)
            done = _call(["merge-file", "-p", "-q", *map(str, names)], self.root)
        return done.stdout if done.returncode == 0 else False

    def _bytes(self, commit: str, path: str) -> bytes | None:
        done = _call(["cat-file", "blob", f"{commit}:{path}"], self.root)
        return done.stdout if done.returncode == 0 else None

    # -- journeys --

    def pack(self, commit: str, have: Iterable[str] = ()) -> bytes:
        """A commit with all that it stands on, for a place that has some commits already. Raises Fault."""
        known = [each for each in have if self.has(each)]
        if not self.has(commit):
            raise Fault(f"there is no commit {commit[:40]} to send.")
        done = _call(["pack-objects", "--revs", "--thin", "--stdout", "-q"], self.root,
                     given="\n".join([commit, *(f"^{each}" for each in known), ""]).encode())
        if done.returncode or len(done.stdout) > MOST_PACK_BYTES:
            raise Fault(f"{commit[:7]} cannot be sent: {_said(done) if done.returncode else 'it is too large'}.")
        return done.stdout

    def unpack(self, pack: bytes, commit: str) -> None:
        """Take a commit that came as a pack, whole and well-formed; no name points to it yet. Raises Fault."""
        limit, whole = f"--max-input-size={MOST_PACK_BYTES}", ("rev-list", "--objects", "--quiet", commit, "--not", "--all")
        done = _call(["index-pack", "--stdin", "--fix-thin", "--strict", limit], self.root, given=pack)
        if done.returncode or not self.has(commit) or self._try(*whole) is None:
            raise Fault(f"the commit {commit[:7]} did not arrive whole: {_said(done)}.")

    # -- branches --

    def hold(self, track: str, experiment: int | str, commit: str) -> None:
        """Keep the commit of an open experiment, or of a stack, from git's garbage collection."""
        self._git("update-ref", f"refs/overnight/{track}/{experiment}", commit)

    def release(self, track: str, experiment: int | str | None = None) -> None:
        """Let it go, for what was kept is held by the branch; without a number, let all go."""
        below = f"refs/overnight/{track}/" + ("" if experiment is None else str(experiment))
        for ref in (self._try("for-each-ref", "--format=%(refname)", below) or "").splitlines():
            self._try("update-ref", "-d", ref)

    def move(self, branch: str, to: str, known: set[str]) -> None:
        """Point the result branch at a commit. Raises TrackError when someone else has moved it."""
        tip = self.tip(branch)
        if tip == to:
            return
        if tip is not None and tip not in known:
            raise TrackError(f"the branch {branch} was moved by someone else (to {tip[:7]}): rename it "
                             f"(git branch -m {branch} mine) and run again.")
        self.refuse_checked_out(branch)
        self._git("update-ref", f"refs/heads/{branch}", to, tip or "0" * 40)

    def refuse_checked_out(self, branch: str) -> None:
        """Raise TrackError when a branch is checked out here or in another worktree, for then its files would be left
        behind as it moves."""
        if f"branch refs/heads/{branch}" in self._git("worktree", "list", "--porcelain").splitlines():
            raise TrackError(f"the branch {branch} is checked out: check out your own branch and run again.")

    def put_aside(self, branch: str) -> None:
        """Rename a result branch, where there is one, so that a new one can begin: a number is put behind its name."""
        if self.tip(branch) is not None:
            self.refuse_checked_out(branch)
            number = next(n for n in itertools.count(1) if self.tip(f"{branch}-{n}") is None)
            self._git("branch", "-m", branch, f"{branch}-{number}")

    def merge(self, branch: str) -> str:
        """Merge the result branch into the branch that is checked out. Raises TrackError."""
        if self.branch() is None:
            raise TrackError("you are on a detached head: check out the branch that should get the results.")
        if dirty := self.dirty():
            raise TrackError(f"{dirty[0]} has changes that are not committed: commit or stash them first.")
        if self.tip(branch) is None:
            raise TrackError(f"there is no branch {branch} yet: run `overnight run` first.")
        try:
            return self._git("merge", "--no-edit", branch)
        except Fault as fault:
            self._try("merge", "--abort")
            raise TrackError(f"{branch} does not merge by itself ({fault}): run `git merge {branch}` "
                             "and settle it.") from fault


def _read(folder: Path, name: str) -> str | None:
    """A plain file's text; None where there is no file. Raises EditError for anything else, and for what a link on the way
    leads to."""
    path = folder / name
    if path.parent.resolve() != folder.resolve() / PurePosixPath(name).parent:
        raise EditError(f"{name} lies behind a link: put a folder in its place.")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EditError(f"{path.name} is no plain file ({error.strerror}): put a file in its place.") from error
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise EditError(f"{path.name} is no plain file: put a file in its place.")
        content = file.read(MOST_TEXT_BYTES + 1)
    if len(content) > MOST_TEXT_BYTES:
        raise EditError(f"{path.name} is larger than {MOST_TEXT_BYTES >> 20} MiB.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise EditError(f"{path.name} is no text in UTF-8, and only text can be tried.") from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    """The last line of what git said is wrong."""
    lines = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else f"status {done.returncode}"
