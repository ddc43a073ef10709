"""Where the state of a track lies: in the user's own state folder, outside every repository.

`$XDG_STATE_HOME/overnight/<repository>/<track>` (`~/.local/state` where that is not set). A repository is named by the real
path and the inode of its git folder, so that all its work trees share one state; a track by its folder's place in the
repository, never by its name alone. The device number is left out: that of btrfs, NFS and overlay changes between mounts.
Covered: nothing that came with a repository is taken for state; each folder is opened beneath its parent without following
links, and must belong to the user alone; an old state is copied only when its user asks for it, only its plain files, and only
where its journal is whole and of this repository.
Not covered: what the user's own processes do in there.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.errors import TrackError

BESIDE_TREE = ".overnight"  # in the track's folder, where earlier versions kept the state
ADOPTED = ("journal.db", "journal.db-wal", "keys", "logs", "notes.md", "audit.json", "head", "branch")
MOST_ADOPTED_FILES = 1_000_000
NUL = "\0"  # which no path holds


class RepositoryRecord(Struct, frozen=True):
    """Which repository a folder of states belongs to: the real path and the inode of its git folder."""

    path: str
    inode: int


class StateFolder:
    """The folder that holds the state of one track, there or not.

    common  the git folder that all work trees of the repository share
    prefix  the track's folder in the repository, "" at its root
    rung    of its ladder, which has a state of its own; "" for the lowest, the track itself
    """

    def __init__(self, common: Path, prefix: str, rung: str = "") -> None:
        common = common.resolve()
        self.root = root()
        self.repository = RepositoryRecord(str(common), common.stat().st_ino)
        name = common.parent.name if common.name == ".git" else common.name.removesuffix(".git")
        self.path = self.root / _named(name, f"{common}\0{self.repository.inode}") / _named(
            f"{prefix or name}{rung and f' {rung}'}", f"{prefix}{rung and f'{NUL}{rung}'}")

    def present(self) -> bool:
        """Whether it is there. Raises TrackError where it is not the user's alone."""
        try:
            with self._opened(make=False):
                return True
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TrackError(f"the state folder {self.path} cannot be read: {error.strerror}.") from error

    def make(self) -> None:
        """Make it where it is missing. Raises TrackError where it cannot be made or is not the user's alone."""
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            with self._opened(make=True):
                record = self.path.parent / "repository.json"
                if not record.exists():
                    record.write_bytes(msgspec.json.encode(self.repository))
        except OSError as error:
            raise TrackError(f"the state folder {self.path} cannot be written ({error.strerror}): make it writable, or set "
                             "XDG_STATE_HOME to a folder that is.") from error

    @contextmanager
    def _opened(self, make: bool) -> Iterator[int]:
        """A descriptor of the folder, reached from its root without following a link."""
        with ExitStack() as stack:
            above = self._descend(None, self.root, make)
            stack.callback(os.close, above)
            for part in (self.path.parent.name, self.path.name):
                above = self._descend(above, part, make)
                stack.callback(os.close, above)
            yield above

    def _descend(self, above: int | None, part: Path | str, make: bool) -> int:
        """A folder in the one above, opened."""
        if make:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=above)
        try:
            fd = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        except NotADirectoryError as error:
            raise TrackError(f"the state folder {self.path} lies behind a link or a file ({part}): remove that.") from error
        status = os.fstat(fd)
        if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            os.close(fd)
            raise TrackError(f"the state folder {self.path} is not yours alone ({part}): run as its owner, and take the right "
                             "to write from others (chmod go-w), or set XDG_STATE_HOME to another folder.")
        return fd

    @property
    def number(self) -> str:
        """What tells the track from others of its repository."""
        return self.path.name.rpartition("-")[2]

    # -- other tracks, and earlier places --

    def branches(self) -> set[str]:
        """The result branches of the repository's other tracks."""
        others = (path for path in self.path.parent.glob("*/branch") if path.parent != self.path)
        return {path.read_text(encoding="utf-8", errors="replace").strip() for path in others}

    def earlier(self, folder: Path) -> Path | None:
        """A state that may be this track's and is not used: of a repository that was moved here or stood here before, or one
        beside the track, as earlier versions kept it."""
        for record in sorted(self.root.glob("*/repository.json")):
            with suppress(OSError, msgspec.DecodeError):
                known = msgspec.json.decode(record.read_bytes(), type=RepositoryRecord)
                alike = known.path == self.repository.path or known.inode == self.repository.inode
                found = sorted(record.parent.glob(f"*-{self.number}/journal.db")) if alike and known != self.repository else []
                if found:
                    return found[0].parent
        old = folder / BESIDE_TREE
        return old if (old / "journal.db").is_file() else None

    def copied(self, old: Path) -> Path:
        """A copy of what an earlier state recorded, in a folder within this one. Raises TrackError."""
        coming = self.path / "adopting"
        shutil.rmtree(coming, ignore_errors=True)
        try:
            coming.mkdir(mode=0o700)
            for path in _plain_files(old):
                (coming / path).parent.mkdir(mode=0o700, exist_ok=True)
                _copy(old / path, coming / path)
        except OSError as error:
            raise TrackError(f"{old} cannot be taken over: {error}.") from error
        return coming

    def take(self, coming: Path) -> None:
        """Let a checked copy be the state, its journal last, so that a kill leaves either no state or a whole one."""
        for path in sorted(coming.iterdir(), key=lambda each: (each.name == "journal.db", each.name)):
            path.rename(self.path / path.name)


def root() -> Path:
    """The folder of all states. Raises TrackError where no home folder is known."""
    named = os.environ.get("XDG_STATE_HOME", "")
    try:
        home = Path(named) if named.startswith("/") else Path.home() / ".local" / "state"
    except RuntimeError as error:
        raise TrackError("there is no home folder to keep the state in: set XDG_STATE_HOME to a folder of yours.") from error
    return home / "overnight"


def _named(name: str, identity: str) -> str:
    """A folder's name that people recognise and that is no other's."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:40] or "track"
    return f"{plain}-{hashlib.sha256(identity.encode(errors='surrogateescape')).hexdigest()[:12]}"


def _plain_files(old: Path) -> Iterator[Path]:
    """The files of an old state that are taken over, by their places in it. Raises TrackError for a link or a device."""
    count = 0
    for name in ADOPTED:
        path = old / name
        inside = sorted(path.iterdir()) if path.is_dir() and not path.is_symlink() else [path]
        for each in inside:
            if each.is_symlink() or (each.exists() and not each.is_file()):
                raise TrackError(f"{each} is no plain file, so {old} is not taken over: remove it first.")
            count += 1
            if count > MOST_ADOPTED_FILES:
                raise TrackError(f"{old} holds more than {MOST_ADOPTED_FILES:,} files, so it is not taken over.")
            if each.is_file():
                yield each.relative_to(old)


def _copy(source: Path, target: Path) -> None:
    fd = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as content, open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
        shutil.copyfileobj(content, copy)
