"""Processes that are kept warm, a file's worth for each interpreter, list of modules and view of the host.

Covered: one that dies, or cannot be had on this machine, is given up, said once, and what it would have started starts cold;
one whose environment changed on disk is made anew; the memory that it holds is known, for each of its forks uses it.
Not covered: what a fork may do, which is its sandbox's to say.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from msgspec.structs import replace

from overnight.contracts import Command, Ended, Process, Warm
from overnight.errors import Fault, OvernightError, TrackError
from overnight.sandbox.supervised import FILE
from overnight.sandbox.warm import cold
from overnight.sandbox.world import OWN

KEPT = 1e8  # seconds that one may live
ROOM = 1 << 30  # bytes of memory that one may hold besides what a run may
PER_RUN = ("OVERNIGHT_", "PYTHONUNBUFFERED")  # how variables begin that are not the same for all that one starts
MANY = 30_000  # processes of all its forks together, each of which has a bound of its own
ENDED = "what was kept warm for it has ended"
MOST_SAID = 1 << 10  # bytes of a message
MOST_PACKS = 4  # trees that are kept as they are sent
MOST_NUMBER = 200  # of a descriptor that a fork can be given under its own number


class Kept(Process, Protocol):
    """A process that is kept warm."""

    def held(self) -> int:
        """Bytes of memory that are its own."""


Start = Callable[[Command], Kept]


class Zygote:
    """One Python that has imported. Raises TrackError where that fails, Fault where the machine does. Safe to use from several
    threads at once."""

    def __init__(self, start: Start, command: Command) -> None:
        """`start` starts it, in a sandbox whose processes may make others; `command` is one that it is for."""
        assert command.warm is not None
        self.environment = _environment(command)
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock, self._packing = threading.Lock(), threading.Lock()
        self._packs: dict[tuple[Any, ...], Pack] = {}
        self._started, self._over = Future[Kept](), Future[Ended]()
        said = cold.token()
        told = {"modules": command.warm.modules, "token": said, "line": theirs.fileno()}
        most = command.warm.most
        limits = replace(most, wall=KEPT, memory=most.memory + most.disk + ROOM, processes=MANY)
        wanted = replace(command, argv=(command.argv[0], str(cold.INSIDE), "warm", json.dumps(told)), cwd=".",
                         env=_constant(command), limits=limits, fds=(theirs.fileno(),), announces=said.encode(),
                         mounts=(*_mounts(command), *command.warm.sees, cold.INSIDE), imports=(), inputs=None, secret=None,
                         harvest=None, stdin=None, stdout=None, heard=None, before=())
        try:
            with theirs, tempfile.TemporaryDirectory() as empty:
                threading.Thread(target=self._kept, args=(start, replace(wanted, tree=Path(empty))), daemon=True).start()
                self._started.result()
            self._await_warm(most.wall)
        except BaseException:
            self.close()
            raise
        self.held = self._started.result().held()

    def _kept(self, start: Start, command: Command) -> None:
        """Start it and wait for its end, on a thread of its own: the thread that starts a process must outlive it."""
        try:
            self._started.set_result(start(command))
            self._over.set_result(self._started.result().wait())
        except BaseException as error:  # noqa: BLE001  the edge of the thread: raised again by `result`
            for future in (self._started, self._over):
                if not future.done():
                    future.set_exception(error)

    def _await_warm(self, most: float) -> None:
        self._line.settimeout(most)
        name = ""
        try:
            while (said := self._line.recv(MOST_SAID)) != b"warm":
                if not said:
                    raise self._failed(name)
                name = said.decode().removeprefix("imports ")
        except TimeoutError:
            raise Fault(f"importing took more than {most:g} s") from None
        except ConnectionError as error:
            raise Fault(str(error)) from error

    def _failed(self, name: str) -> OvernightError:
        """Why it ended while it imported a module. Raises TrackError where it said so itself."""
        ended = self._over.result()
        if name and not ended.killed and ended.code:
            how = f"signal {-ended.code}" if ended.code < 0 else f"status {ended.code}"
            return TrackError(f"`preload` in {FILE}: importing '{name}' ends Python ({how}): take it out.")
        return Fault(ended.stderr.decode(errors="replace").strip()[-300:] or f"it ended with status {ended.code}")

    @property
    def lives(self) -> bool:
        """Whether it can still fork."""
        return not self._over.done()

    @property
    def changed(self) -> bool:
        """Whether the environment on disk is another than the one it imported."""
        return self.environment != [(path, _time(path)) for path, _ in self.environment]

    def ask(self, given: Sequence[int]) -> None:
        """Let it fork for a request with these descriptors. Raises OSError where it is gone."""
        with self._lock:
            socket.send_fds(self._line, [b"fork"], list(given))

    def pack(self, tree: Path, most: int) -> Pack:
        """A tree as it is sent, up to so many bytes; made once as long as it is in use and stays as it is."""
        key = (most, *_seen(tree))
        with self._packing:
            found = self._packs.pop(key, None) or Pack(tree, most)
            self._packs[key] = found
            while len(self._packs) > MOST_PACKS:
                self._packs.pop(next(iter(self._packs)))
        return found

    def retire(self) -> None:
        """Let it end when all that it started has."""
        with self._lock:
            self._line.close()

    def close(self) -> None:
        """End it, and with it all that it started."""
        self._line.close()
        if self._started.done() and self._started.exception() is None:
            self._started.result().kill()
            wait([self._over])


class Pack:
    """A tree as one file in memory and a list: of each entry its path, kind, mode, time in nanoseconds, and size or target.
    `full`: it holds more than so many bytes, and the rest was left out."""

    def __init__(self, tree: Path, most: int) -> None:
        self.entries: list[tuple[str, str, int, int, int | str]] = []
        self.full, self._left = False, most
        with open(os.memfd_create("overnight-tree"), "wb", buffering=0) as self._making:
            self._add(tree, "")
            self.file = os.open(f"/proc/self/fd/{self._making.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self.file)  # with the last that needs it

    def _add(self, folder: Path, above: str) -> None:
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in entries:
            what = entry.stat(follow_symlinks=False)
            path, mode = f"{above}{entry.name}", what.st_mode & 0o777
            if entry.is_symlink():
                self.entries.append((path, "link", 0, 0, str(Path(entry).readlink())))
            elif entry.is_dir():
                self.entries.append((path, "folder", mode, 0, 0))
                self._add(Path(entry), f"{path}/")
            else:
                self._left -= what.st_size
                self.full |= self._left < 0
                size = 0 if self.full else self._copied(entry)
                self.entries.append((path, "file", mode, what.st_mtime_ns, size))

    def _copied(self, entry: os.DirEntry[str]) -> int:
        total = 0
        with open(entry, "rb") as source:
            while sent := os.sendfile(self._making.fileno(), source.fileno(), None, 1 << 30):
                total += sent
        return total


class Zygotes:
    """All of one sandbox. `start` starts one; `say` is told what a user should hear."""

    def __init__(self, start: Start, say: Callable[[str], None]) -> None:
        self._start, self._say = start, say
        self._lock = threading.Lock()
        self._all: dict[Any, Future[Zygote]] = {}
        self._given_up = set[Any]()

    def one_for(self, command: Command) -> Zygote | None:
        """The one that a command is forked from; None where it has to start cold. Raises TrackError where what it names cannot
        be imported."""
        if not _reaches(command):
            return None
        key = _key(command)
        with self._lock:
            if key in self._given_up:
                return None
            made = self._usable(key)
            if key in self._given_up:
                return None
            if new := made is None:
                made = self._all[key] = Future()
        if new:
            self._make(key, made, command)
        try:
            return made.result()
        except Fault:  # reported by its maker
            return None

    def _usable(self, key: Any) -> Future[Zygote] | None:
        """The one that there is or that is being made, unless it has ended or imported another environment."""
        made = self._all.get(key)
        if made is None or not made.done():
            return made
        found = made.result()
        if not found.lives:
            self._give_up(key, ENDED)
        elif found.changed:
            self._say("the environment of this track has changed on disk: what is kept warm begins anew with it, and "
                      "numbers from before may not compare.")
            found.retire()
        else:
            return made
        return None

    def _make(self, key: Any, made: Future[Zygote], command: Command) -> None:
        """Make one; others wait for it, and for no other one meanwhile."""
        try:
            made.set_result(Zygote(self._start, command))
        except Fault as fault:
            with self._lock:
                self._all.pop(key, None)
                self._give_up(key, str(fault).rstrip("."))
            made.set_exception(fault)
        except BaseException as error:  # noqa: BLE001  raised by `result`, here and wherever it is waited for
            with self._lock:
                self._all.pop(key, None)
            made.set_exception(error)

    def lost(self, command: Command, zygote: Zygote, why: str) -> None:
        """One could not fork: what it is for starts cold from now on, unless there is another by now."""
        with self._lock:
            made = self._all.get(_key(command))
            if made is not None and made.done() and made.result() is zygote:
                self._give_up(_key(command), why)

    def _give_up(self, key: Any, why: str) -> None:
        if key not in self._given_up:
            self._given_up.add(key)
            self._say(f"warm starts are not to be had here ({why}): runs start cold.")
        if (made := self._all.pop(key, None)) is not None:
            made.result().retire()

    def close(self, warm: Iterable[Warm] | None = None) -> None:
        """End those that are for these; None: all."""
        wanted = None if warm is None else set(warm)
        with self._lock:
            for key in [key for key in self._all if wanted is None or key[0] in wanted]:
                self._all.pop(key).add_done_callback(_closed)


def _closed(made: Future[Zygote]) -> None:
    if made.exception() is None:
        made.result().close()


def _seen(tree: Path) -> Iterator[tuple[str, int, int, int]]:
    """Of each entry of a tree its path and what changes when it does."""
    with os.scandir(tree) as found:
        for entry in found:
            what = entry.stat(follow_symlinks=False)
            yield entry.path, what.st_ino, what.st_mtime_ns, what.st_size
            if entry.is_dir(follow_symlinks=False):
                yield from _seen(Path(entry))


def _reaches(command: Command) -> bool:
    """Whether a fork can have all that a command is to find."""
    assert command.warm is not None
    shown = [*filter(None, [command.inputs, command.secret])]
    return all(number < MOST_NUMBER for number in command.fds) and all(_below(path, command.warm) for path in shown)


def _below(path: Path, warm: Warm) -> bool:
    return any(path.is_relative_to(folder) for folder in warm.sees)


def _mounts(command: Command) -> tuple[Path, ...]:
    """What is mounted for all that is like a command."""
    return tuple(path for path in command.mounts if command.warm is None or not _below(path, command.warm))


def _key(command: Command) -> tuple[Any, ...]:
    """What two commands have in common that may be forked from one process."""
    return (command.warm, command.argv[0], tuple(sorted(_constant(command).items())), _mounts(command), command.home,
            command.network, command.gpus)


def _constant(command: Command) -> dict[str, str]:
    return {name: value.replace("$OVERNIGHT_OUT", f"{OWN}/out") for name, value in command.env.items()
            if not name.startswith(PER_RUN)}


def _environment(command: Command) -> list[tuple[Path, int]]:
    """What changes where an environment does: its interpreter and its folders of packages, with their times."""
    packages = (path for mount in command.mounts for path in mount.glob("lib/python*/site-packages"))
    return [(path, _time(path)) for path in (Path(command.argv[0]).resolve(), *packages)]


def _time(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
