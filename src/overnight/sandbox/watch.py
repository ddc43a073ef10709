"""What every backend needs besides starting a process: reading its output, watching its size, taking its artefacts.

Covered: output is bounded while it is read; artefacts are regular files with one link, copied by descriptor, never
followed. Not covered: isolation itself, which is the backend's.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import select
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from overnight.errors import Fault

TAIL = 64 << 10  # bytes of each stream that are kept, its end
MOST_FILES = 20_000  # names that may be left behind, a bound on memory of the kernel and of this process
MOST_DEPTH = 32  # folders within folders
MOST_PATH_BYTES = 1024  # below the folder: with the folder's own path it must stay below the kernel's 4096
_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36


class Drain(threading.Thread):
    """Reads two pipes to their end, closes them and keeps the last TAIL bytes of each. Calls `end` with "output" once past
    `limit` bytes, and with "behind" when `heard`, which is called with each piece of stdout, returns True. The first line of
    stderr that begins with `awaited` is not kept: `announced` is called with the rest of it."""

    def __init__(self, out: IO[bytes] | None, err: IO[bytes] | None, limit: int, end: Callable[[str], None],
                 heard: Callable[[bytes], bool] | None = None, awaited: bytes = b"",
                 announced: Callable[[bytes], None] = lambda said: None) -> None:
        super().__init__(daemon=True)
        self._streams = {stream.fileno(): (name, stream) for name, stream in (("out", out), ("err", err)) if stream}
        self._kept = {"out": b"", "err": b""}
        self._left = limit
        self._end, self._heard = end, heard
        self._awaited, self._announced = awaited, announced
        self.start()

    def run(self) -> None:
        """Read until every process that held the two pipes has closed them."""
        poll = select.poll()
        for fd in self._streams:
            poll.register(fd, select.POLLIN)
        while self._streams:
            for fd, _ in poll.poll():
                name, stream = self._streams[fd]
                if chunk := os.read(fd, 1 << 16):
                    self._take(name, chunk)
                else:
                    poll.unregister(fd)
                    del self._streams[fd]
                    stream.close()

    def _take(self, name: str, chunk: bytes) -> None:
        self._kept[name] = (self._kept[name] + chunk)[-TAIL:]
        if name == "err" and self._awaited and self._awaited in self._kept[name]:
            before, _, after = self._kept[name].partition(self._awaited)
            said, ended, rest = after.partition(b"\n")
            if ended:
                self._kept[name], self._awaited = before + rest, b""
                self._announced(said)
        had, self._left = self._left, self._left - len(chunk)
        if self._left < 0 <= had:
            self._end("output")
        if name == "out" and self._heard is not None and self._heard(chunk):
            self._heard = None
            self._end("behind")

    def result(self) -> tuple[bytes, bytes]:
        """The last bytes of stdout and stderr; to be called when every writer is dead."""
        self.join(timeout=5.0)
        return self._kept["out"], self._kept["err"]


def reason(killed: str, code: int) -> str:
    """The reason for which a command was killed; "" where it ended by itself before it could be stopped for its output."""
    return "" if killed == "behind" and code >= 0 else killed


def adopt_orphans() -> None:
    """Become the parent of processes whose parent died, so that their use of CPU and memory can be read."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dead(pidfd: int, seconds: float) -> bool:
    """Wait at most `seconds` for a process to end; whether it has ended."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def slay(pidfd: int) -> None:
    """SIGKILL by descriptor; a process that is gone already is no error."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


# ---- size of a tree of processes -------------------------------------------------------------------------------


def tree(pid: int) -> Iterator[int]:
    """A process and all its descendants, as far as they can be seen at this moment; however deep they are."""
    return (here for here, _ in _branches(pid))


def _branches(pid: int, proc: Path = Path("/proc")) -> Iterator[tuple[int, list[str]]]:
    """The same, each with the numbers of its threads; none where it is gone."""
    left = [pid]
    while left:
        here, tasks = left.pop(), list[str]()
        with suppress(OSError), os.scandir(f"{proc}/{here}/task") as found:
            tasks = [entry.name for entry in found]
        yield here, tasks
        for task in tasks:
            with suppress(OSError):
                left += map(int, text(f"{proc}/{here}/task/{task}/children").split())


def waits(pid: int, proc: Path = Path("/proc")) -> Iterator[tuple[int, int]]:
    """For each thread of such a tree its number, and the nanoseconds that it was ready to run and had no core."""
    for here, tasks in _branches(pid, proc):
        for task in tasks:
            with suppress(OSError, ValueError, IndexError):
                yield int(task), int(text(f"{proc}/{here}/task/{task}/schedstat").split()[1])


def children(pid: int) -> list[int]:
    """The children of a process's first thread; none where it is gone."""
    try:
        return [int(each) for each in text(f"/proc/{pid}/task/{pid}/children").split()]
    except OSError:
        return []


def waits_for(pid: int, other: str) -> bool:
    """Whether a process sleeps and has a child that runs another program. Raises OSError when one is gone."""
    children = text(f"/proc/{pid}/task/{pid}/children").split()
    others = [c for c in children if text(f"/proc/{c}/comm") != f"{other}\n"]
    return bool(others) and _stat(pid)[0] == "S"


def name_of(pid: int | str) -> str:
    """A name that no other process ever has, from its number and start time; "" when it is gone."""
    try:
        return f"overnight-{pid}-{_stat(pid)[19]}"
    except OSError:
        return ""


def is_gone(name: str) -> bool:
    """Whether the process that `name_of` gave this name has ended; where nothing can be read just now, it has not."""
    try:
        return name != f"overnight-{name.split('-')[1]}-{_stat(name.split('-')[1])[19]}"
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/<pid>/stat from the third, its state, on. Raises OSError."""
    return text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def text(file: str) -> str:
    """A file of the kernel's; the name of a process in it may be any bytes. Raises OSError."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 1 << 16):
            parts.append(part)
    finally:
        os.close(fd)
    return b"".join(parts).decode(errors="replace")


def memory_of(pid: int, enough: int = 0) -> int:
    """Resident bytes of a tree of processes that are its own: anonymous and shared memory and the tables of pages, not
    mapped files. Where the sum passes `enough`, pages that several of them share are counted once."""
    pids = list(tree(pid))
    total = sum(_bytes(f"/proc/{each}/status", "RssAnon:", "RssShmem:", "VmPTE:") for each in pids)
    if total <= enough or len(pids) == 1:
        return total
    try:
        return sum(_bytes(f"/proc/{each}/smaps_rollup", "Pss_Anon:", "Pss_Shmem:") + _bytes(f"/proc/{each}/status", "VmPTE:")
                   for each in pids)
    except PermissionError:
        return total


def _bytes(path: str, *names: str) -> int:
    """The sum of some lines of a file in /proc; nothing when the process is gone. Raises PermissionError."""
    try:
        lines = text(path).split("\n")  # and not where a name holds what else ends a line
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(names)) << 10


def bounds(**limits: int) -> list[str]:
    """Options for the program prlimit."""
    return [f"--{name}={allowed(_number(name), wanted)}" for name, wanted in limits.items()]


def limit(pid: int, **limits: int) -> None:
    """Bound a process and those that it will start. Raises OSError."""
    for name, wanted in limits.items():
        resource.prlimit(pid, _number(name), (allowed(_number(name), wanted),) * 2)


def _number(name: str) -> int:
    return int(getattr(resource, f"RLIMIT_{name.upper()}"))


def allowed(number: int, wanted: int) -> int:
    """The wanted limit, or this process's own hard limit where that is lower."""
    most = resource.getrlimit(number)[1]
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def cpu_of(pid: int) -> float:
    """CPU seconds of a tree of processes up to now, with what its waited-for children took."""
    total = 0
    for each in tree(pid):
        with suppress(OSError):
            total += sum(map(int, _stat(each)[11:15]))
    return total / _TICKS


# ---- the tree that a payload works in --------------------------------------------------------------------------


def lay_out(tree: Path, folder: int, name: str, owner: int | None) -> None:
    """Copy a clean tree into a folder descriptor, links as links, for another user where `owner` is given. No other process
    may use that folder yet. Raises OSError."""
    os.mkdir(name, 0o755, dir_fd=folder)
    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(tree) as found:
            entries = list(found)  # and close it: a deep tree must not take two descriptors a level
        for entry in entries:
            if entry.is_symlink():
                os.symlink(Path(entry).readlink(), entry.name, dir_fd=below)
            elif entry.is_dir():
                lay_out(Path(entry), below, entry.name, owner)
            else:
                _lay_file(entry, below, owner)
        if owner is not None:
            os.fchown(below, owner, owner)
    finally:
        os.close(below)


def _lay_file(entry: os.DirEntry[str], folder: int, owner: int | None) -> None:
    source = os.open(entry, os.O_RDONLY | os.O_CLOEXEC)
    try:
        what = os.fstat(source)
        target = os.open(entry.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=folder)
        try:
            _send(source, target, what.st_size)
            os.fchmod(target, what.st_mode & 0o777)
            os.utime(target, ns=(what.st_mtime_ns, what.st_mtime_ns))
            if owner is not None:
                os.fchown(target, owner, owner)
        finally:
            os.close(target)
    finally:
        os.close(source)


def _send(source: int, target: int, count: int) -> None:
    while count > 0 and (sent := os.sendfile(target, source, None, count)):
        count -= sent


# ---- harvest ---------------------------------------------------------------------------------------------------


def harvest(folder: int, to: Path, limit: int) -> None:
    """Copy the regular files below a folder descriptor, at most `limit` bytes; links, devices and odd names stay
    behind. Raises Fault when this machine's disk fails."""
    budget = [limit, MOST_FILES]
    try:
        to.mkdir(parents=True, exist_ok=True)
        to.chmod(0o755)
        _copy_folder(folder, to, budget, MOST_DEPTH, MOST_PATH_BYTES)
    except OSError as error:
        raise Fault(f"the artefacts could not be kept: {error}.") from error


def _copy_folder(folder: int, to: Path, budget: list[int], deeper: int, longer: int) -> None:
    for name in os.listdir(folder):
        budget[1] -= 1
        left = longer - len(os.fsencode(name)) - 1
        if budget[1] < 0 or left < 0 or not plain(name):
            continue
        try:
            fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.EACCES, errno.ENOENT, errno.ENODEV):
                continue  # a link, a socket, something unreadable: not an artefact
            raise
        try:
            _copy_one(fd, to / name, budget, deeper, left)
        finally:
            os.close(fd)


def _copy_one(fd: int, to: Path, budget: list[int], deeper: int, longer: int) -> None:
    what = os.fstat(fd)
    if stat.S_ISDIR(what.st_mode) and deeper:
        to.mkdir(exist_ok=True)
        to.chmod(0o755)  # whatever the umask: the scorer reads it as another user
        _copy_folder(fd, to, budget, deeper - 1, longer)
    elif stat.S_ISREG(what.st_mode) and what.st_nlink == 1 and what.st_size <= budget[0]:
        budget[0] -= what.st_size
        with to.open("wb") as out:
            os.fchmod(out.fileno(), 0o755 if what.st_mode & 0o100 else 0o644)
            _send(fd, out.fileno(), what.st_size)


def plain(name: str) -> bool:
    """Names of at most 128 printable characters, not starting with a dot."""
    return name.isprintable() and len(name) <= 128 and not name.startswith(".") and "/" not in name


def folder_is_full(folder: int) -> bool:
    """Whether a tmpfs holds more names than are allowed (it has no limit of its own on them)."""
    room = os.fstatvfs(folder)
    return room.f_files - room.f_ffree > MOST_FILES
