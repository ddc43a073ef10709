"""Which repository a folder belongs to, found without git: its configuration is never asked, and runs nothing.

Covered: a `.git` file is believed only where what it names knows it: a linked work tree lies among those of its repository and
names this very file, a submodule's git folder names this work tree. A repository of another user is refused, as git does.
Not covered: what stands in the repository, which is its maker's; store.py reads it as data.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

from overnight import files
from overnight.errors import TrackError

HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REF = re.compile(r"refs(?:/(?!\.)(?:(?!\.\.|@\{|\.lock(?:/|$))[^\x00-\x20\x7f~^:?*\[\\/])+)+")


class GitDirs(NamedTuple):
    """Where a work tree and its repository lie, all of them real paths.

    root    the top folder of the work tree
    own     the git folder of this work tree: its HEAD, its index
    common  the git folder that all work trees of the repository share: objects, branches
    """

    root: Path
    own: Path
    common: Path

    @property
    def identity(self) -> tuple[int, int]:
        """What two work trees of one repository have in common, by device and inode."""
        status = self.common.stat()
        return status.st_dev, status.st_ino

    @property
    def linked(self) -> bool:
        """Whether this is a linked work tree, and not the repository's main one."""
        return self.own != self.common

    def head(self) -> str:
        """What HEAD says: `refs/heads/<branch>`, or a commit. Raises TrackError."""
        return _head(self.own)

    def checked_out(self) -> set[str]:
        """The refs that are checked out in any work tree of the repository."""
        folder = self.common / "worktrees"
        others = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
        return {_head(place) for place in (self.common, *(each for each in others if (each / "HEAD").exists()))}


def discover(folder: Path) -> GitDirs:
    """The work tree and the repository that a folder belongs to, which is a real path. Raises TrackError. Whether another
    user's repository may be read is for the caller to ask (`foreign`)."""
    for place in (folder, *folder.parents):
        entry = place / ".git"
        try:
            mode = entry.lstat().st_mode
        except OSError:
            if _is_git_folder(place):
                raise TrackError(f"{folder} is a bare repository: clone it and run in the clone.") from None
            continue
        if stat.S_ISREG(mode):
            return _named(place, folder)
        if not stat.S_ISDIR(mode):
            raise TrackError(f"{entry} is a link, and only a folder or a file of git's own is followed: clone the repository "
                             "and run in the clone.")
        if _is_git_folder(entry):
            return GitDirs(place, entry, entry)
        if any((entry / name).is_symlink() for name in ("HEAD", "objects", "refs")):
            raise TrackError(f"{entry} is made of links, which Overnight does not follow: clone the repository and run "
                             "in the clone.")
    raise TrackError(f"{folder} is not in a git repository: run `git init` there and commit your files first.")


def foreign(dirs: GitDirs) -> bool:
    """Whether a repository belongs to another user than the one that runs this: git's own rule, for objects and branches
    too."""
    users = {os.geteuid()}
    if os.geteuid() == 0 and os.environ.get("SUDO_UID", "").isdecimal():
        users.add(int(os.environ["SUDO_UID"]))
    places = {dirs.root, dirs.root / ".git", dirs.own, dirs.common, dirs.common / "objects", dirs.common / "refs"}
    return any(place.lstat().st_uid not in users for place in places)


def _is_git_folder(place: Path) -> bool:
    return (place / "HEAD").is_file() and all((place / name).is_dir() and not (place / name).is_symlink()
                                              for name in ("objects", "refs"))


def _named(root: Path, folder: Path) -> GitDirs:
    """The repository that a `.git` file names. Raises TrackError where that one does not know the file."""
    own = _path(root, ".git", root, "gitdir: ")
    if own is None or not own.is_dir():
        raise TrackError(f"{root / '.git'} names no git folder: mend it (`git worktree repair` in the main work tree), or "
                         "clone the repository anew.")
    common = _path(own, "commondir", own)
    if common is None:
        return _submodule(root, own)
    back = _path(own, "gitdir", own)
    known = common / "worktrees" == own.parent and _is_git_folder(common) and back is not None
    if not known or back is None or not _same(back.parent / ".git", root / ".git"):
        raise TrackError(f"{folder} is no work tree that the repository {common} knows: make it there with `git worktree add`, "
                         "or mend it with `git worktree repair`.")
    return GitDirs(root, own, common)


def _submodule(root: Path, own: Path) -> GitDirs:
    """A git folder elsewhere than in its work tree. That its configuration names the work tree is seen to in store.py, which
    reads configurations."""
    if not _is_git_folder(own):
        raise TrackError(f"{root / '.git'} names {own}, which is no git folder: clone the repository anew.")
    return GitDirs(root, own, own)


def _path(place: Path, name: str, base: Path, prefix: str = "") -> Path | None:
    """The real path that a file of git's own holds, relative to a folder; None where it holds none."""
    text = (files.read(place, name) or b"").decode(errors="surrogateescape").rstrip("\r\n")
    if not text.startswith(prefix) or not text[len(prefix):] or "\0" in text:
        return None
    path = base / text[len(prefix):]
    return (path.parent.resolve() / ".git") if path.name == ".git" and name == "gitdir" else path.resolve()


def _same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _head(place: Path) -> str:
    text = (files.read(place, "HEAD") or b"").decode(errors="surrogateescape").strip()
    ref = text.removeprefix("ref:").strip()
    if not (HASH.fullmatch(text) or (text.startswith("ref:") and _REF.fullmatch(ref))):
        raise TrackError(f"{place / 'HEAD'} is damaged: check out a branch (git checkout BRANCH) and run again.")
    return ref
