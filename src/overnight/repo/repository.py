"""A repository: clean trees, commits, the boundary, the branch. The user's index, work tree and hooks are never touched, except
by `merge`, which is the user's own act.

Covered: a change outside the editable globs, a changed mode, a link, a submodule, attributes, names that hide, turn or look
like others are a foul, judged on the commit itself; nothing that the repository or the user sets up for git runs (store.py).
Not covered: what the allowed files do when they run, which is the sandbox's to bound. `merge` signs nothing.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from overnight.errors import EditError, Fault, Foul, TrackError
from overnight.repo import lfs, reflog
from overnight.repo.gitdirs import discover
from overnight.repo.store import Store
from overnight.repo.trees import FILES, GONE, Entry, Trees
from overnight.repo.worktree import MOST_FILES, MOST_TEXT_BYTES, Look, WorkTree, named_filters
from overnight.track import regions
from overnight.track.junk import is_junk
from overnight.track.spec import FILE, Track, covers

NAME, EMAIL = "Overnight", "overnight@localhost"
MOST_PATCH_BYTES = 64 << 10  # bytes of a diff that are kept
MOST_PATH_BYTES = 1024  # bytes of a path that a change may name
MOST_PATH_PARTS = 64  # parts of it
_BRANCHES = "refs/heads/"
_OURSELVES = {"GIT_AUTHOR_NAME": NAME, "GIT_AUTHOR_EMAIL": EMAIL, "GIT_COMMITTER_NAME": NAME, "GIT_COMMITTER_EMAIL": EMAIL}


class Repo:
    """The repository that a folder belongs to. `prefix` is the folder's place in it, "" at its root; `scratch` is where
    short-lived files go."""

    def __init__(self, folder: Path, scratch: Path | None = None) -> None:
        if not folder.is_dir():
            raise TrackError(f"there is no folder {folder}.")
        self.scratch, self.folder = scratch, folder.resolve()
        self.dirs = discover(self.folder)
        self.root, self.common = self.dirs.root, self.dirs.common
        self.prefix = "" if self.folder == self.root else self.folder.relative_to(self.root).as_posix() + "/"
        self._store = Store(self.dirs)
        self._work_tree = WorkTree(self.dirs, self._store, self.prefix)
        self._git, self._ask = self._store.git, self._store.ask
        self._trees = Trees(self._store)

    @property
    def _short_lived(self) -> Path | None:
        """Where short-lived files go; None for the system's own place, until there is another one."""
        return self.scratch if self.scratch is not None and self.scratch.is_dir() else None

    def keep(self, place: Path) -> None:
        """Keep our git folder at a place of the user's outside the repository, from one use to the next, where the folder above
        can be written; otherwise it is a temporary one."""
        self._store.kept = place

    # -- asking --

    def head(self) -> str:
        """The commit that is checked out. Raises TrackError when there is none, and where it holds too many files."""
        commit = self._ask("rev-parse", "--verify", "-q", f"{self.dirs.head()}^{{commit}}")
        if commit is None:
            raise TrackError("this repository has no commits yet: commit your files first.")
        self._store.check_size(commit)
        return commit

    def branch(self) -> str | None:
        """The branch that is checked out, None on a detached head."""
        head = self.dirs.head()
        return head.removeprefix(_BRANCHES) if head.startswith(_BRANCHES) else None

    def dirty(self) -> list[str]:
        """Tracked files of this folder that differ from the commit, and a track.toml or program.md outside it. Raises
        TrackError where a filter keeps git from telling."""
        return self._work_tree.dirty(self._short_lived)

    def home(self) -> Path:
        """This folder in the repository's main work tree: itself, unless it lies in a linked one and there is a main one."""
        main = self.common.name == ".git" and self.dirs.linked and not self._store.bare
        return self.common.parent / self.prefix if main else self.folder

    def tracks(self, path: str) -> bool:
        """Whether the commit that is checked out holds a file at or below a path in the repository."""
        return bool(self._git("ls-tree", "--full-tree", "--name-only", self.head(), "--", path))

    def weight(self, commit: str) -> int:
        """Bytes of all files at a commit."""
        entries = self._git("ls-tree", "-r", "--long", "--full-tree", commit).splitlines()
        return sum(int(size) for entry in entries if (size := entry.split()[3]).isdigit())

    def same(self, other: Repo) -> bool:
        """Whether another is the same folder of the same repository, in this work tree or another one."""
        return self.dirs.identity == other.dirs.identity and self.prefix == other.prefix

    def ancestor(self, one: str, other: str) -> str | None:
        """The newest commit that two have in common; None when there is none."""
        return self._ask("merge-base", one, other)

    def distance(self, one: str, other: str) -> int:
        """How many lines differ between two commits."""
        counts = (line.split()[:2] for line in self._git("diff-tree", "-r", "--numstat", one, other).splitlines())
        return sum(int(n) for pair in counts for n in pair if n.isdigit())

    def look(self, track: Track) -> Look:
        """What git would commit of this folder in its work tree. Raises EditError where that cannot be tried."""
        return self._work_tree.look(track, self._short_lived)

    def present(self, base: str, track: Track, look: Look | None = None) -> dict[str, str | None]:
        """How the editable files of the work tree differ from a commit, as git would commit them: path in the folder -> text,
        None where one is gone; `look`: the work tree as it was seen before. Raises EditError for what is no text, no plain
        file, or goes through a filter, Foul for what lies outside the boundary and is changed as well."""
        look = look or self.look(track)
        changed: dict[str, str | None] = {}
        others = list(look.outside)
        for change in self._trees.changes(base, look.tree):
            inside = change.path.removeprefix(self.prefix)
            if change.path.startswith(self.prefix) and any(covers(p, inside) for p in track.track.editable):
                changed[inside] = self._trees.edited(change, inside)
            elif change.path.startswith(self.prefix):
                others.append(change.path)
        for path in others:
            if not path.endswith(".md") and not is_junk(path):
                inside = path.removeprefix(self.prefix)
                raise Foul(f"{inside} is changed and may not be edited: take that back (git checkout {base[:7]} -- "
                                f"{inside}).")
        return changed

    def left_out(self, look: Look) -> list[str]:
        """Files of the work tree that are no part of a change, because they may not be edited and are junk, notes or unknown to
        git; without the new ones that are junk."""
        return [path.removeprefix(self.prefix) for path in (*look.outside, *(path for path in look.new if not is_junk(path)))]

    def differing(self, base: str, look: Look) -> tuple[dict[str, str | None], list[str]]:
        """How the folder's files differ from a commit, as the work tree was seen: path -> text, None where one is gone; and the
        paths of those that are no text or no plain file, or that the look left out."""
        texts: dict[str, str | None] = {}
        passed = [path.removeprefix(self.prefix) for path in look.outside]
        for change in self._trees.changes(base, look.tree):
            inside = change.path.removeprefix(self.prefix)
            try:
                if change.path.startswith(self.prefix):
                    texts[inside] = self._trees.edited(change, inside)
            except EditError:
                passed.append(inside)
        return texts, passed

    def tip(self, branch: str) -> str | None:
        """The commit of a branch, None when there is no such branch."""
        return self._ask("rev-parse", "--verify", "-q", f"{_BRANCHES}{branch}^{{commit}}")

    def has(self, commit: str) -> bool:
        """Whether there is such a commit."""
        return not commit.startswith("-") and self._ask("cat-file", "-e", f"{commit}^{{commit}}") is not None

    def text(self, commit: str, path: str) -> str | None:
        """A file's text at a commit, by its path in the folder; None when it is absent or no text."""
        try:
            return self._store.blob(f"{commit}:{self.prefix}{path}").decode("utf-8")
        except (Fault, UnicodeDecodeError):
            return None

    def reader(self, commit: str) -> Callable[[str], str | None]:
        """What reads the files of a commit, as `text` does: for callers that ask for many that are not there."""
        names = self._trees.names(commit)
        return lambda path: self.text(commit, path) if self.prefix + path in names else None

    def editable(self, commit: str, track: Track) -> dict[str, str]:
        """The files that may be edited, as they are at a commit: path in the folder -> text."""
        return self.texts(commit, lambda path: any(covers(glob, path) for glob in track.track.editable))

    def texts(self, commit: str, wanted: Callable[[str], bool], each: int = 1 << 62, whole: int = 1 << 62) -> dict[str, str]:
        """The texts of the plain files at a commit that are wanted by their paths in the folder: of those of at most so many
        bytes `each`, the first that come to at most a `whole`."""
        return self._trees.texts(commit, self.prefix, wanted, each, whole)

    def patch(self, base: str, commit: str) -> str:
        """The diff between two commits, its first 64 KiB."""
        text = self._git("diff-tree", "-p", "--no-color", "--no-ext-diff", "--no-textconv", base, commit)[:MOST_PATCH_BYTES]
        return text.encode(errors="surrogateescape").decode(errors="replace")

    # -- trees --

    def checkout(self, commit: str, to: Path, raw: Sequence[str] = ()) -> None:
        """Write the files of a commit below a folder, with the content of what Git LFS keeps, except for files of this folder
        that `raw` covers: a candidate must not choose what is taken from LFS. Raises Fault, and TrackError where LFS lacks
        one."""
        to.mkdir(parents=True, mode=0o755)
        to.chmod(0o755)
        index = Path(f"{to}.index")
        env = {"GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(to)}
        try:
            done = self._store.call(["checkout", "-q", "-f", commit, "--", "."], umask=0o022, env=env, cwd=to)
            if done.returncode:
                raise Fault(f"{commit[:7]} could not be checked out: {self._store.said(done)}")
            for path, name in self._filters(index, env, to).items():
                if name == "lfs" and not any(covers(p, path.removeprefix(self.prefix)) for p in raw):
                    lfs.fill(to, path, self.common)
        except (Fault, TrackError):
            shutil.rmtree(to, ignore_errors=True)
            raise
        finally:
            index.unlink(missing_ok=True)

    def _filters(self, index: Path, env: dict[str, str], cwd: Path) -> dict[str, str]:
        """The filters of the files in an index, as its own attributes name them: path -> name."""
        if b".gitattributes\0" not in index.read_bytes():
            return {}
        names = self._git("ls-files", "-z", env=env, cwd=cwd).encode(errors="surrogateescape")
        return named_filters(self._git("check-attr", "--cached", "-z", "--stdin", "filter", env=env, given=names, cwd=cwd))

    def refuse_filters(self, commit: str, track: Track) -> None:
        """Raise TrackError where an editable file, the contract, the program or a file that a command names goes through a
        filter at a commit: candidates and scorers would meet other bytes than the user does."""
        if not any(Path(name).name == ".gitattributes" for name in self._trees.names(commit)):
            return
        named = {FILE, "program.md", *track.private}
        for step in (track.run, track.oracle, track.score):
            named |= set(step.command) if step else set()
        with tempfile.TemporaryDirectory(prefix="overnight-", dir=self._short_lived) as folder:
            index = Path(folder, "index")
            env = {"GIT_INDEX_FILE": str(index)}
            self._git("read-tree", commit, env=env)
            found = self._filters(index, {**env, "GIT_WORK_TREE": folder}, Path(folder))
        for path, name in found.items():
            inside = path.removeprefix(self.prefix) if path.startswith(self.prefix) else ""
            edited = any(covers(p, inside) for p in track.track.editable)
            if edited or (name != "lfs" and inside in named):
                raise TrackError(f"{path} goes through the filter {name[:64]!r} (.gitattributes), which Overnight does not "
                                 "run: take it out of the filter and commit it as it is.")

    # -- commits --

    def commit(self, base: str, files: dict[str, str | None], message: str) -> str:
        """A commit on top of another with these files changed; its hash, or `base` when nothing changes. Raises
        EditError when that is no change that git can hold."""
        try:
            contents = {self._place(path): None if text is None else text.encode() for path, text in files.items()}
            message.encode()
        except UnicodeEncodeError as error:
            raise EditError(f"the change holds characters that are no text ({error.reason}).") from error
        if len(files) > MOST_FILES or sum(len(content or b"") for content in contents.values()) > MOST_TEXT_BYTES:
            raise EditError(f"the change is more than {MOST_FILES:,} files or {MOST_TEXT_BYTES >> 20} MiB of text.")
        there = self._trees.entries(base, contents)
        entries = {path: None if content is None else self._trees.entry(there.get(path), path, content)
                   for path, content in contents.items()}
        return self._commit(base, entries, message.replace("\0", ""))

    def _place(self, path: str) -> str:
        """A path in the folder as one in the repository. Raises EditError for what is none."""
        parts = path.split("/")
        plain = path.isprintable()  # nothing that hides, turns or steers what a person reads
        long = plain and (len(path.encode()) > MOST_PATH_BYTES or any(len(p.encode()) > 255 for p in parts))
        if not plain or long or len(parts) > MOST_PATH_PARTS or any(p in ("", ".", "..") or p.lower() == ".git" for p in parts):
            raise EditError(f"{path[:MOST_PATH_BYTES]!r} is no path inside the repository.")
        return self.prefix + path

    def _commit(self, base: str, entries: dict[str, Entry | None], message: str, parents: Sequence[str] = (),
                who: dict[str, str] | None = None) -> str:
        with tempfile.TemporaryDirectory(prefix="overnight-", dir=self._short_lived) as folder:
            env = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
            self._git("read-tree", base, env=env)
            gone = ("0", self._store.format.zero)
            lines = (" ".join(entry or gone) + f"\t{path}\0" for path, entry in entries.items())
            given = "".join(lines).encode(errors="surrogateescape")
            try:
                self._git("update-index", "-z", "--index-info", env=env, given=given)
            except Fault as fault:
                if "path" in str(fault):  # git knows more names that are dangerous somewhere
                    raise EditError(f"git refuses the paths of the change ({fault})") from fault
                raise
            tree = self._git("write-tree", env=env)
        if not parents and tree == self._git("rev-parse", f"{base}^{{tree}}"):
            return base
        onto = [word for parent in parents or (base,) for word in ("-p", parent)]
        return self._git("commit-tree", tree, *onto, "-F", "-", env=_OURSELVES if who is None else who,
                         given=message.encode(errors="surrogateescape"))

    def foul(self, base: str, commit: str, track: Track) -> str:
        """What a commit's diff touches outside the boundary, in a sentence; "" if nothing."""
        for change in self._trees.changes(base, commit):
            path = change.path
            inside = path.removeprefix(self.prefix) if path.startswith(self.prefix) else None
            if inside is None or not any(covers(p, inside) for p in track.track.editable):
                return f"touches {path}, which is not editable"
            if Path(path).name.startswith(".git"):
                return f"touches {path}, which steers git"
            if change.after not in (*FILES, GONE) or (change.before not in (GONE, change.after) and change.after != GONE):
                return f"changes the kind or mode of {path}"
            mark = track.track.region
            if mark and regions.crossed(self.text(base, inside), self.text(commit, inside), mark):
                return f"touches {path} outside the lines between {' and '.join(regions.ends(mark))}"
        return ""

    def changed(self, base: str, commit: str) -> Iterator[str]:
        """The paths in the folder that differ between two commits."""
        return (change.path.removeprefix(self.prefix) for change in self._trees.changes(base, commit)
                if change.path.startswith(self.prefix))

    def messages(self, commits: Iterable[str]) -> list[str]:
        """The messages of commits."""
        wanted = "\n".join(commits).encode()
        told = self._git("log", "--no-walk=unsorted", "--stdin", "-z", "--format=%B", given=wanted) if wanted else ""
        return told.split("\0")[:-1]

    def rebase(self, commit: str, base: str, onto: str, message: str = "") -> str:
        """The same change on top of another commit, merged file by file; "" on a conflict. Changes of neighbouring lines
        are no conflict: constants stand side by side, and what comes of it is measured. Its message is the old one unless
        another is given."""
        message = message or self.messages([commit])[0]
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

    def transplant(self, old: str, new: str, onto: str, message: str, finely: bool = False, users: bool = False) -> str:
        """The change from one commit to another, on top of a third, merged file by file; `onto` itself where that changes
        nothing, "" on a conflict. `finely`: changes of neighbouring lines do not conflict; `users`: by the user's own name."""
        entries = self._trees.merged(old, new, onto, finely, self._short_lived)
        return "" if entries is None else self._commit(onto, entries, message, who=self._store.identity() if users else None)

    def offer(self, branches: Mapping[str, str]) -> None:
        """Make new branches, all or none: name -> commit. Raises TrackError where one is there."""
        if taken := next((name for name in branches if self.tip(name) is not None), ""):
            raise TrackError(f"the branch {taken} is there already: rename or delete it (git branch -D {taken}) first.")
        self._point(*(f"create {_BRANCHES}{name}\0{commit}\0" for name, commit in branches.items()))

    # -- journeys --

    def pack(self, commit: str, have: Iterable[str] = ()) -> bytes:
        """A commit with all that it stands on, for a place that has some commits already. Raises Fault."""
        if not self.has(commit):
            raise Fault(f"there is no commit {commit[:40]} to send.")
        return self._store.pack(commit, [each for each in have if self.has(each)])

    def unpack(self, pack: bytes, commit: str) -> None:
        """Take a commit that came as a pack, whole and well-formed; no name points to it yet. Raises Fault."""
        self._store.unpack(pack, commit)

    # -- branches --

    def _point(self, *orders: str) -> None:
        """Make, move or remove names of commits, all or none. A name that stands for another one is not followed, for that may
        be the user's own branch. Raises Fault."""
        self._git("update-ref", "--no-deref", "-z", "--stdin", given="".join(orders).encode())

    def hold(self, track: str, experiment: int | str, commit: str) -> None:
        """Keep the commit of an open experiment, or of a stack, from git's garbage collection."""
        self._point(f"update refs/overnight/{track}/{experiment}\0{commit}\0\0")

    def release(self, track: str, experiment: int | str | None = None) -> None:
        """Let it go, for what was kept is held by the branch; without a number, let all go."""
        below = f"refs/overnight/{track}/" + ("" if experiment is None else str(experiment))
        if refs := (self._ask("for-each-ref", "--format=%(refname)", below) or "").splitlines():
            with suppress(Fault):  # what is held too long does no harm
                self._point(*(f"delete {ref}\0\0" for ref in refs))

    def move(self, branch: str, to: str, known: set[str]) -> None:
        """Point the result branch at a commit. Raises TrackError when it is at none of the known ones."""
        tip = self.tip(branch)
        if tip == to:
            return
        self.refuse_unknown(branch, known)
        self.refuse_checked_out(branch)
        self._point(f"update {_BRANCHES}{branch}\0{to}\0{tip or self._store.format.zero}\0")

    def refuse_unknown(self, branch: str, known: set[str]) -> None:
        """Raise TrackError when a result branch is at a commit that is none of the known ones."""
        tip = self.tip(branch)
        if tip is not None and tip not in known:
            raise TrackError(f"the branch {branch} is at {tip[:7]}, which this journal did not judge: rename it (git branch "
                             f"-m {branch} mine) and run again, or put the journal back from a copy.")

    def refuse_checked_out(self, branch: str) -> None:
        """Raise TrackError when a branch is checked out here or in another worktree, for then its files would be left
        behind as it moves; and where one with the name of its first part keeps it from being made."""
        if self.tip(first := branch.partition("/")[0]) is not None:
            raise TrackError(f"a branch `{first}` stands in the way of {branch}: rename it (git branch -m {first} mine) and "
                             "run again.")
        if f"{_BRANCHES}{branch}" in self.dirs.checked_out():
            raise TrackError(f"the branch {branch} is checked out: check out your own branch and run again.")

    def put_aside(self, branch: str) -> str:
        """Rename a result branch, where there is one, so that a new one can begin: a number is put behind its name. The new
        name; "" where there was none."""
        tip = self.tip(branch)
        if tip is None:
            return ""
        self.refuse_checked_out(branch)
        aside = next(name for n in itertools.count(1) if self.tip(name := f"{branch}-{n}") is None)
        self._point(f"create {_BRANCHES}{aside}\0{tip}\0", f"delete {_BRANCHES}{branch}\0{tip}\0")
        return aside

    # -- the user's own act --

    def merge(self, branch: str, judged: str = "") -> str:
        """Merge the result branch, or of it the commit that was judged, into the branch that is checked out; what was done, in
        lines. Raises TrackError."""
        mine, head = self.branch(), self.head()
        if mine is None:
            raise TrackError("you are on a detached head: check out the branch that should get the results.")
        if dirty := self.dirty():
            raise TrackError(f"{dirty[0]} has changes that are not committed: commit or stash them first.")
        if any((self.dirs.own / name).exists() for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD")):
            raise TrackError("a merge of yours is not finished: commit it, or take it back (git merge --abort), first.")
        tip = judged or self.tip(branch)
        if tip is None:
            raise TrackError(f"there is no branch {branch} yet: run `overnight run` first.")
        base = self.ancestor(head, tip)
        if base == tip:
            return "Already up to date."
        try:
            new = tip if base == head else self._joined(head, tip, base, f"Merge branch '{branch}' into {mine}\n")
            self._bring(mine, head, new, f"merge {branch}")
        except (Fault, EditError) as fault:
            raise TrackError(f"{branch} does not merge by itself ({fault}): run `git merge {branch}` "
                             "and settle it.") from fault
        stat = self._git("diff-tree", "--stat", "--no-ext-diff", "--no-textconv", head, new)
        return f"{'Fast-forward' if new == tip else 'Merged'} ({head[:7]}..{new[:7]})\n{stat}"

    def _joined(self, head: str, tip: str, base: str | None, message: str) -> str:
        """A commit that merges another one into the user's, by the user's own name. Raises Fault on a conflict."""
        entries = None if base is None else self._trees.merged(base, tip, head, False, self._short_lived)
        if entries is None:
            raise Fault("both changed the same lines")
        return self._commit(head, entries, message, (head, tip), self._store.identity())

    def _bring(self, branch: str, old: str, new: str, reason: str) -> None:
        """Bring the user's files, index and branch from one commit to another, or leave all three. Raises Fault."""
        self._work_tree.bring(old, new, self._short_lived)
        try:
            self._git("update-ref", f"{_BRANCHES}{branch}", new, old)
        except Fault:
            self._work_tree.bring(new, old, self._short_lived)
            raise
        reflog.note(self.dirs, f"{_BRANCHES}{branch}", old, new, f"{NAME} <{EMAIL}>", reason)
