"""A work tree, read: which files differ from the commit, and what git would commit of them.

git looks at the tree with a copy of its index and a git folder of ours. Line ends, `ident` and encodings are git's own work and
are done; a file that goes through a program of the user's (a filter) is known by its attributes, and is refused where git
itself could not tell without that program that it is unchanged.
Covered: the user's index stays as it is; files that may be committed are opened without following links, and git is given
copies of them; what a filter would have hidden is never stored.
Not covered: of a file that goes through a filter, a change within the second in which git last wrote its index; it is not
taken. """

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from overnight import files
from overnight.errors import EditError, Fault, OvernightError, TrackError
from overnight.repo import lfs, settings
from overnight.repo.gitdirs import GitDirs
from overnight.repo.store import Store
from overnight.track.spec import Track, covers

MOST_FILES, MOST_TEXT_BYTES = 1000, 8 << 20  # files that one change may name, and bytes of text in all
_UNMERGED = frozenset(("DD", "AU", "UD", "UA", "DU", "AA", "UU"))
_NEW = "??"
READ_BY_GIT = frozenset((".gitattributes", ".gitignore", ".gitmodules"))  # opened before it is known what they are
_TREE = "--ignore-submodules=dirty"  # git would look into a submodule by that one's own settings, which may run programs


class Look(NamedTuple):
    """What a work tree holds: `tree`, what git would commit of it, the changes of files that may not be edited left out; those
    files are in `outside`, and those of them that git does not know in `new`."""

    tree: str
    outside: tuple[str, ...]
    new: tuple[str, ...] = ()


class WorkTree:
    """The work tree of a repository. `prefix`: the folder in it that counts."""

    def __init__(self, dirs: GitDirs, store: Store, prefix: str) -> None:
        self._dirs, self._store, self._prefix = dirs, store, prefix

    def dirty(self, scratch: Path | None) -> list[str]:
        """Tracked files of the folder that differ from the commit, and a track.toml or program.md outside it. Raises TrackError
        where a filter keeps git from telling."""
        with self._view(scratch) as view:
            found = view.status("no", TrackError)
            own = [self._prefix + n for n in ("track.toml", "program.md") if (self._dirs.root / self._prefix / n).exists()]
            missing = view.git("ls-files", "-z", "--others", "--", *own).split("\0") if own else []
            changed = [path for path, state in found.items() if state.strip()]
            return changed + [name.removeprefix(self._prefix) for name in missing if name]

    def look(self, track: Track, scratch: Path | None) -> Look:
        """What git would commit of the folder. Raises EditError where that is nothing that can be tried."""
        with self._view(scratch) as view:
            found = view.status("all", EditError)
            for path, state in found.items():
                if state in _UNMERGED:
                    raise EditError(f"{path} is not merged: settle that first.")
            differing = [path for path, state in found.items() if state[1] != " "]
            may = {path for path in differing if any(covers(p, path.removeprefix(self._prefix)) for p in track.track.editable)}
            if inner := next((path for path in may if path.endswith("/")), None):
                raise EditError(f"{inner} is a repository of its own, and no plain file: move it away.")
            view.refuse_filters([path for path in may if found[path] == _NEW], EditError)
            view.stage(sorted(may))
            others = [path for path in differing if path not in may]
            new = tuple(path for path in others if found[path] == _NEW)
            return Look(view.git("write-tree", "--missing-ok"), tuple(path for path in others if path not in new), new)

    def bring(self, old: str, new: str, scratch: Path | None) -> None:
        """Bring index and files from one commit to another, as a merge does. Raises Fault where a file is in the way,
        TrackError where one goes through a filter."""
        with self._view(scratch) as view:
            names = view.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new).split("\0")
            view.refuse_filters([name for name in names if name], TrackError)
            files.check(self._dirs.own, "index")
            view.git("read-tree", "-m", "-u", old, new, env={"GIT_INDEX_FILE": str(self._dirs.own / "index")})

    @contextmanager
    def _view(self, scratch: Path | None) -> Iterator[_View]:
        """The work tree as git sees it with our git folder and a copy of its index."""
        store, dirs = self._store, self._dirs
        settings.refuse_lists(store.pairs, store.users)
        _refuse_pipes(dirs.root)
        own = settings.chosen(store.users, settings.WORK_TREE) | settings.chosen(store.pairs, settings.WORK_TREE)
        with tempfile.TemporaryDirectory(prefix="overnight-", dir=scratch) as name:
            folder = Path(name, "git")
            store.folder  # noqa: B018 - whether the repository may be read at all
            store.lay_out(folder, dirs.head(), own | settings.users_lists(store.users))
            (folder / "info").mkdir()
            for place, part in ((dirs.common, "attributes"), (dirs.common, "exclude"), (dirs.own, "sparse-checkout")):
                if content := files.read(place, f"info/{part}"):
                    (folder / "info" / part).write_bytes(content)
            _copy_index(dirs.own, folder)
            yield _View(dirs, store, self._prefix, folder)


class _View:
    """git on a work tree, by a git folder of ours."""

    def __init__(self, dirs: GitDirs, store: Store, prefix: str, folder: Path) -> None:
        self._dirs, self._store, self._prefix, self._folder = dirs, store, prefix, folder

    def git(self, *arguments: str, given: Iterable[str] = (), tree: Path | None = None,
            env: dict[str, str] | None = None) -> str:
        """What git prints; `given`: paths that it reads. Raises Fault."""
        place = tree or self._dirs.root
        names = "".join(f"{path}\0" for path in given).encode(errors="surrogateescape")
        env = {"GIT_DIR": str(self._folder), "GIT_WORK_TREE": str(place), **(env or {})}
        return self._store.git(*arguments, given=names, env=env, cwd=place)

    def status(self, untracked: str, error: type[OvernightError]) -> dict[str, str]:
        """What differs: path -> git's two letters, of the index and of the file. Raises `error` where a filter keeps git from
        telling."""
        listing = self.git("status", "--porcelain", "-z", "--no-renames", f"--untracked-files={untracked}", _TREE, "--",
                           self._prefix or ".")
        found = {entry[3:]: entry[:2] for entry in listing.split("\0") if entry}
        if any(state[1] == "M" for state in found.values()):  # git calls a file of another length changed, whatever it converts
            listing = self.git("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", _TREE)
            same = {path for path, state in found.items() if state[1] == "M"} - {*listing.split("\0")}
            found |= {path: found[path][0] + " " for path in same}
        for path, name in self._filters([path for path, state in found.items() if state[1] in "MA"]).items():
            if not (self._same_content(path) if name == "lfs" else not self._touched(path)):
                raise error(_refusal(path, name))
            found[path] = found[path][0] + " "
        return found

    def refuse_filters(self, paths: list[str], error: type[OvernightError]) -> None:
        """Raise `error` where one of these goes through a filter."""
        for path, name in self._filters(paths).items():
            raise error(_refusal(path, name))

    def _filters(self, paths: list[str]) -> dict[str, str]:
        listing = self.git("check-attr", "-z", "--stdin", "filter", given=paths) if paths else ""
        return named_filters(listing)

    def _same_content(self, path: str) -> bool:
        """Whether a file that LFS keeps has the content to which the index points."""
        content = self._store.call(["cat-file", "blob", f":{path}"], env={"GIT_DIR": str(self._folder)}).stdout
        return lfs.pointer(content) == lfs.content_pointer(self._dirs.root, path)

    def _touched(self, path: str) -> bool:
        """Whether a file differs in size or time from what git noted when it last read it."""
        index = self._folder / "index"
        os.utime(index, (later := time.time() + 3600, later))  # git would read what was written in its index's own second
        return bool(self.git("diff-files", "--name-only", _TREE, "--", path))

    def stage(self, paths: list[str]) -> None:
        """Take the files into the index as `git add` does, from copies of them. Raises EditError."""
        if len(paths) > MOST_FILES:
            raise EditError(f"the change is more than {MOST_FILES:,} files.")
        copies = self._folder.parent / "tree"
        copies.mkdir()
        folders = {parent for path in paths for parent in Path(path).parents}
        for name in [*paths, *(str(folder / ".gitattributes") for folder in folders)]:
            _copy(self._dirs.root, name, copies)
        if paths:
            try:
                self.git("update-index", "--add", "--remove", "-z", "--stdin", given=paths, tree=copies)
            except Fault as fault:
                raise EditError(f"git does not take the change ({fault}).") from fault


def _refuse_pipes(root: Path) -> None:
    """Raise TrackError where git would wait for a pipe or a device, because a file that it reads for itself is one."""
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in READ_BY_GIT.intersection(names):
            mode = Path(folder, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
                raise TrackError(f"{Path(folder, name)} is no plain file: put a file in its place, or remove it.")


def named_filters(listing: str) -> dict[str, str]:
    """The filters that `git check-attr -z filter` names: path -> name."""
    fields = listing.split("\0")
    none = ("unspecified", "unset", "set", "")
    return {path: value for path, value in zip(fields[::3], fields[2::3], strict=False) if value not in none}


def _refusal(path: str, name: str) -> str:
    return (f"{path} goes through the filter {name[:64]!r}, which Overnight does not run: see `git status`, commit the file "
            "with git where it is changed, and try that commit.")


def _copy_index(own: Path, folder: Path) -> None:
    """Copy the index with its time, by which git knows the files that it has to read, and the parts that it refers to."""
    fd = files.opened(own, "index", TrackError)
    if fd is None:
        return
    with open(fd, "rb") as source, (folder / "index").open("wb") as copy:
        shutil.copyfileobj(source, copy)
    status = (own / "index").lstat()
    os.utime(folder / "index", ns=(status.st_atime_ns, status.st_mtime_ns))
    for part in own.glob("sharedindex.*"):
        if not part.is_symlink() and part.is_file():
            shutil.copyfile(part, folder / part.name)


def _copy(root: Path, name: str, to: Path) -> None:
    """Copy a file of a work tree, whether it may be run included; nothing where there is none. Raises EditError."""
    fd = files.opened(root, name)
    if fd is None:
        return
    with open(fd, "rb") as file:
        content, mode = file.read(MOST_TEXT_BYTES + 1), os.fstat(fd).st_mode
    if len(content) > MOST_TEXT_BYTES:
        raise EditError(f"{name} is larger than {MOST_TEXT_BYTES >> 20} MiB.")
    place = to / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(0o755 if mode & 0o100 else 0o644)
