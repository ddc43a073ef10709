"""A folder of patches as proposals: for tests, for demonstrations, and to judge a night again under another referee.

Covered: a patch is applied by git itself, whole or not at all, in a folder of its own without any user's settings; links,
modes and what is no text never leave that folder.
Not covered: whether a patch is worth anything, which is the referee's to find out.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from email.header import Header
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.contracts import Brief, Change
from overnight.errors import EditError, TrackError
from overnight.lab.events import Event, Opened, Proposed
from overnight.track.spec import covers

NOTE = "patch"  # the key in a change's note under which its patch is named
MOST_PATCH_BYTES = 1 << 20  # bytes of a patch
MOST_PATCHES = 10_000  # patches in a folder
CUT = 64 << 10  # characters of a diff from which on the journal has not all of it
GIT_SECONDS = 60.0  # that git may take for one patch
SHOWN = 5  # patches named in one sentence
_GIT = ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.quotePath=false", "-c", "core.symlinks=true"]


class Replay:
    """Proposes the patches of a folder, in the order of their names. Those that do not apply today are passed over, and
    tried again when the files have changed."""

    def __init__(self, folder: Path, name: str = "replay") -> None:
        self.folder, self.name = folder, name
        self._lock = threading.Lock()
        self._given: dict[str, int] = {}  # patch -> seed of the brief that it answered; verdicts may be far away
        self._stuck: dict[str, tuple[str, str]] = {}  # patch -> (files, why it does not apply to them)

    def propose(self, brief: Brief) -> Change | None:
        """The next patch that applies. Raises EditError when none of those that are left does, TrackError without a folder."""
        if brief.draft is not None:
            return brief.draft
        if brief.again is not None:
            again = [name for name in names(self.folder) if name == brief.again.note.get(NOTE)]
            return next((tried for _, tried in _tried(self.folder, again, brief) if isinstance(tried, Change)), None)
        with self._lock:
            return self._next(brief)

    def _next(self, brief: Brief) -> Change | None:
        left = [name for name in names(self.folder) if self._free(name, brief)]
        digest = hashlib.sha256(msgspec.json.encode(sorted(brief.files.items()))).hexdigest()
        fresh = [name for name in left if self._stuck.get(name, ("",))[0] != digest]
        for name, tried in _tried(self.folder, fresh, brief):
            if isinstance(tried, Change):
                self._given[name] = brief.seed
                return tried
            self._stuck[name] = (digest, tried)
        if not left:
            return None
        shown = "; ".join(f"{name} {self._stuck[name][1]}" for name in left[:SHOWN])
        more = f"; and {len(left) - SHOWN} more" if len(left) > SHOWN else ""
        raise EditError(f"no patch that is left can be proposed on today's files: {shown}{more}.")

    def _free(self, name: str, brief: Brief) -> bool:
        """Whether a patch was not proposed yet, or in answer to this very brief. A history that was cut off at its old end
        began with patches of lower names."""
        used = [str(past.note[NOTE]) for past in brief.history
                if past.researcher == self.name and NOTE in past.note]
        cut = bool(brief.history) and brief.history[0].id > 1
        before = cut and bool(used) and name < used[0]
        return name not in used and not before and self._given.get(name, brief.seed) == brief.seed


def patched(patch: str, before: Mapping[str, str]) -> dict[str, str | None]:
    """The files that a diff changes, with it; None for one that it removes. Raises EditError."""
    with tempfile.TemporaryDirectory(prefix="overnight-") as scratch:
        tree, diff = Path(scratch, "tree"), patch.encode()
        try:
            _lay(tree, before)
            _, level = _paths(diff, tree)
            if _git(["apply", "--whitespace=nowarn", f"-p{level}"], tree, diff).returncode:
                raise _Stuck("does not apply")
            return _changes(tree, before)
        except _Stuck as stuck:
            raise EditError(f"the patch {stuck}.") from stuck


def names(folder: Path) -> list[str]:
    """The patches of a folder. Raises TrackError."""
    try:
        found = sorted(p.name for p in folder.iterdir() if p.suffix in (".patch", ".diff"))
    except OSError as error:
        raise TrackError(f"the folder of patches {folder} cannot be read ({error.strerror}): make it, or name "
                         "another.") from error
    if len(found) > MOST_PATCHES:
        raise TrackError(f"the folder {folder} has {len(found):,} patches: {MOST_PATCHES:,} are the most; use several folders.")
    return found


# ---- one patch -------------------------------------------------------------------------------------------------


class _Stuck(Exception):
    """A patch cannot be proposed; the words go on after its name."""


def _tried(folder: Path, wanted: Iterable[str], brief: Brief) -> Iterator[tuple[str, Change | str]]:
    """Each patch as a change, or why it is none; nothing more after the first change."""
    with tempfile.TemporaryDirectory(prefix="overnight-") as scratch:
        tree = Path(scratch, "tree")
        for name in wanted:
            try:
                message, diff = _read(folder / name, Path(scratch))
                _lay(tree, brief.files)
                _apply(diff, brief, tree)
                yield name, Change(_changes(tree, brief.files), message or name, {NOTE: name})
                return
            except _Stuck as stuck:
                yield name, str(stuck)


def _lay(tree: Path, files: Mapping[str, str]) -> None:
    """Make the tree hold these files and nothing else, byte for byte."""
    if tree.exists():
        shutil.rmtree(tree)
    tree.mkdir()
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(text.encode())


def _git(arguments: list[str], cwd: Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """git in a folder that belongs to no repository and is none, whatever files lie in it, without any user's settings."""
    env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(cwd), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8",
           "GIT_CONFIG_GLOBAL": os.devnull, "GIT_DIR": os.devnull, "GIT_ATTR_NOSYSTEM": "1"}
    try:
        return subprocess.run([*_GIT, *arguments], cwd=cwd, env=env, input=given, capture_output=True, check=False,
                              start_new_session=True, timeout=GIT_SECONDS)
    except subprocess.TimeoutExpired:
        raise _Stuck(f"takes git more than {GIT_SECONDS:g} seconds") from None


def _read(path: Path, scratch: Path) -> tuple[str, bytes]:
    """The message and the diff of a file as `git format-patch` or `diff` writes it."""
    try:
        regular = stat.S_ISREG(path.lstat().st_mode)
        content = path.read_bytes() if regular and path.stat().st_size <= MOST_PATCH_BYTES else None
    except OSError as error:
        raise _Stuck(f"cannot be read ({error.strerror})") from error
    if content is None:
        raise _Stuck(f"is no regular file of at most {MOST_PATCH_BYTES >> 10} KiB")
    done = _git(["mailinfo", "-k", "--encoding=UTF-8", "message", "diff"], scratch, content)
    if done.returncode:
        raise _Stuck("is no patch")
    title = re.search(rb"^Subject: (?:\s*\[PATCH[^]]*\])?(.*)$", done.stdout, re.MULTILINE)
    subject = title[1].decode(errors="replace") if title else ""
    body = (scratch / "message").read_bytes().decode(errors="replace").strip("\n")
    return "\n\n".join(part for part in (subject.strip(), body) if part), (scratch / "diff").read_bytes()


def _apply(diff: bytes, brief: Brief, tree: Path) -> None:
    """Apply a diff to the tree. Paths may begin in a folder above that of the track, or with nothing put before them."""
    paths, level = _paths(diff, tree)
    deepest = min(path.count("/") for path in paths)
    fits = (n for n in range(deepest + 1) if all(_editable(path.split("/", n)[-1], brief) for path in paths))
    if (more := next(fits, None)) is None:
        outside = next(path for path in paths if not _editable(path, brief))
        raise _Stuck(f"touches {outside[:200]!r}, which is not editable")
    if _git(["apply", "--whitespace=nowarn", f"-p{level + more}"], tree, diff).returncode:
        raise _Stuck("does not apply")


def _paths(diff: bytes, tree: Path) -> tuple[list[str], int]:
    """The files that a diff names, and how many leading folders were taken off them: the `a` and `b` of git, or none."""
    for level in (1, 0):
        done = _git(["apply", "--numstat", "-z", f"-p{level}"], tree, diff)
        lines = [line.split("\t", 2) for line in done.stdout.decode(errors="surrogateescape").split("\0") if line]
        if done.returncode or not lines:
            continue
        if any(line[0] == "-" for line in lines):
            raise _Stuck("changes a file that is no text")
        return [line[2] for line in lines], level
    raise _Stuck("is no patch")


def _editable(path: str, brief: Brief) -> bool:
    return path in brief.files or not brief.editable or any(covers(pattern, path) for pattern in brief.editable)


def _changes(tree: Path, files: Mapping[str, str]) -> dict[str, str | None]:
    """What is different in the tree now."""
    found: dict[str, str | None] = {}
    there = {path.relative_to(tree).as_posix(): path for path in tree.rglob("*") if path.is_symlink() or not path.is_dir()}
    for name, path in there.items():
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _Stuck(f"makes a link of {name[:200]!r}")
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            raise _Stuck(f"leaves {name[:200]!r} as no text") from None
        if files.get(name) != text:
            found[name] = text
    found.update(dict.fromkeys(files.keys() - there.keys()))
    if not found:
        raise _Stuck("changes no text")
    return found


# ---- patches from a journal ------------------------------------------------------------------------------------


class ExportedPatches(Struct, frozen=True):
    """What `patches` made.

    files  in the order of the experiments
    left   experiments whose diff the journal does not hold as a whole
    """

    files: tuple[Path, ...]
    left: tuple[int, ...]


def patches(events: Iterable[Event], folder: Path) -> ExportedPatches:
    """Write each experiment of a night, as it was proposed, as NNNN-title.patch with its message. Raises TrackError where
    the folder is not empty or cannot be written."""
    proposed: list[Proposed] = []
    for event in events:
        if isinstance(event, Opened):
            proposed.clear()
        elif isinstance(event, Proposed):
            proposed.append(event)
    whole = [event for event in proposed if event.patch and len(event.patch) < CUT]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise TrackError(f"the folder {folder} is not empty: name a new one.")
        files = tuple(_write(event, folder) for event in whole)
    except OSError as error:
        raise TrackError(f"the patches cannot be written to {folder} ({error.strerror}): name another folder.") from error
    return ExportedPatches(files, tuple(event.experiment for event in proposed if event not in whole))


def _write(event: Proposed, folder: Path) -> Path:
    """Write a patch as git writes and reads it."""
    title, _, body = event.message.strip().partition("\n")
    body = body.strip("\n")
    slug = re.sub(r"[^a-z0-9.]+", "-", title.lower())[:50].strip("-.") or "change"
    path = folder / f"{event.experiment:04}-{slug}.patch"
    subject = title if title.isascii() else Header(title, "utf-8").encode()
    head = (f"From {event.commit} Mon Sep 17 00:00:00 2001\nFrom: Overnight <overnight@localhost>\nSubject: [PATCH] {subject}\n"
            "MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n")
    mail = f"{head}{_CUTS.sub(' ', body)}\n---\n{event.patch}\n-- \nOvernight, experiment {event.experiment}\n"
    path.write_bytes(mail.encode(errors="replace"))
    return path


# Lines of a message at which git would think that the diff, another header or another letter begins.
_CUTS = re.compile(r"^(?=---|diff -|Index: |From |>From |From:|Date:|Subject:)", re.MULTILINE)
