"""A control group: the kernel counts and bounds one whole tree of processes.

Covered: memory (private, shared, tmpfs files, sockets, page tables: whatever the tree makes the kernel hold), the count
of processes and threads, CPU time even of processes that were never waited for, death of everything in the group.
Not covered: isolation; how fast disks and CPUs may be used. Swap is forbidden where the kernel counts it, else only
discouraged (version 1 without `memsw`).

About the peak of memory. The kernel's own mark (`memory.peak`, `memory.max_usage_in_bytes`) counts the pages of files
that were read from disk as well, for the process that reads them first: a data set of 1 GB would cost the first run 1 GB
and the second nothing. So those pages are taken off: the peak is the kernel's mark less the file pages found at the first look
after the mark rose, and never less than a look itself found. A peak between two looks is therefore seen. It is exact to
within what the kernel books in advance (256 KiB a CPU) and the file pages read between two looks, with two exceptions:
a tree that filled its limit with file pages is known by the looks alone, and before Linux 5.19 version 2 has no mark.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from overnight.errors import Fault
from overnight.sandbox import watch

LAUNCHER = 2  # processes of the backend's own that may be in a group: bwrap's monitor and the first process inside
KILL_WITHIN = 5.0  # seconds after which a process that outlives SIGKILL is a fault
CLOSE_WITHIN = 2.0  # seconds for which an empty group may still be busy
STALLED = re.compile(r"^some .*\btotal=(\d+)", re.MULTILINE)  # microseconds, in a file of pressure stall information


class Version(Struct, frozen=True):
    """What the kernel's files are called.

    bounds   file -> what is written to it; all of them must be there
    wishes   the same, where the kernel has them
    mark     the most memory that was ever held, bytes
    current  the memory held now, bytes
    files    lines of memory.stat: pages of files, and those among them that are the tree's own (tmpfs, shared memory)
    oom      where the line `oom_kill` counts
    cpu      file, line ("" where the file is one number) and how many of its units make a second
    pressure says for how long something in the group was ready to run and had no core; "" where no file does
    threads  takes single threads; "" where a group holds whole processes alone
    """

    bounds: dict[str, str]
    wishes: dict[str, str]
    mark: str
    current: str
    files: tuple[str, str]
    oom: str
    cpu: tuple[str, str, float]
    pressure: str = ""
    threads: str = ""


V1 = Version(
    bounds={"memory.limit_in_bytes": "{memory}", "pids.max": "{processes}"},
    wishes={"memory.memsw.limit_in_bytes": "{memory}", "memory.swappiness": "0",
            "memory.kmem.tcp.limit_in_bytes": "{memory}"},  # else TCP's buffers are in no account
    mark="memory.max_usage_in_bytes", current="memory.usage_in_bytes", files=("total_cache", "total_shmem"),
    oom="memory.oom_control", cpu=("cpuacct.usage", "", 1e9), threads="tasks")
V2 = Version(
    bounds={"memory.max": "{memory}", "pids.max": "{processes}"},
    wishes={"memory.swap.max": "0", "memory.oom.group": "1"},
    mark="memory.peak", current="memory.current", files=("file", "shmem"),
    oom="memory.events", cpu=("cpu.stat", "usage_usec", 1e6), pressure="cpu.pressure")


class GroupUsage(Struct, frozen=True):
    """What a tree of processes took: CPU in seconds, the peak of its memory in bytes, how often the kernel
    killed for memory; and the seconds that it was ready to run and had no core, None where the kernel does not count those."""

    cpu: float
    peak_memory: int
    killed: int
    waited: float | None = None


class Group:
    """One tree of processes. `folders` is where each controller has it; in version 2 that is one folder. `bears`: a thread may
    go into it and back, so that what it starts meanwhile is born in it."""

    def __init__(self, version: Version, folders: dict[str, Path], remove: Callable[[Path], None],
                 bears: bool = False) -> None:
        self.version, self.folders, self._remove, self._bears = version, folders, remove, bears
        self.places: list[Path] = []  # the folders that are made
        self._mark = self._peak = 0
        self._before = 0.0  # CPU seconds that do not count

    def open(self, memory: int, processes: int) -> None:
        """Make it, with its bounds. Raises OSError."""
        for place in dict.fromkeys(self.folders.values()):
            place.mkdir()
            self.places.append(place)
        values = {"memory": memory, "processes": processes + LAUNCHER}
        for name, value in self.version.bounds.items():
            _put(self._file(name), value.format(**values))
        for name, value in self.version.wishes.items():
            with suppress(OSError):
                _put(self._file(name), value.format(**values))

    def add(self, pid: int) -> None:
        """Put a process in, before it has children; what it held already stays on its old group's bill. Raises Fault."""
        try:
            for place in self.places:
                (place / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise Fault(f"process {pid} could not be put under its limits: {error}.") from error

    @contextmanager
    def bearing(self) -> Iterator[bool]:
        """Have this thread in it for a block, so that what it starts there is born in it; whether that can be done. To put in
        a process that lives already makes the kernel wait for all of its cores (RCU): some 8 ms. Raises Fault where the thread
        cannot go back, OSError where it cannot go in."""
        places = self.places if self._bears else []
        try:
            for place in places:
                _put(f"{place}/{self.version.threads}", "0")
            yield self._bears
        finally:
            try:
                for place in places:
                    _put(f"{place.parent}/{self.version.threads}", "0")
            except OSError as error:
                raise Fault(f"Overnight could not leave the control group of a run ({error}): start it again.") from error

    def doors(self) -> list[int]:
        """Descriptors through which a process enters it that writes "0" to each; its caller closes them. Raises OSError."""
        return [os.open(place / (self.version.threads or "cgroup.procs"), os.O_WRONLY | os.O_CLOEXEC) for place in self.places]

    def begin(self) -> None:
        """Count from now on: what was taken before is not the run's. Raises Fault."""
        try:
            with suppress(OSError):  # a kernel may lack it, or keep it as it is
                _put(self._file(self.version.mark), "0")
            with suppress(FileNotFoundError):
                self._mark = _numbers(self._file(self.version.mark))[""]
            self._before = self._spent()
        except OSError as error:
            raise _unread(error) from error

    def usage(self) -> GroupUsage:
        """What it took up to now; the last look is best taken when everything in it is dead. Raises Fault."""
        try:
            self._look()
            return GroupUsage(self._spent() - self._before, self._peak, self._kills(), self._waited())
        except OSError as error:
            raise _unread(error) from error

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed anything in it for memory; notes the peak besides. Version 1 kills one process and
        lets the rest go on, so ask often (a look takes some 0.1 ms) and `kill`. False when the group is gone."""
        try:
            self._look()
            return self._kills() > 0
        except OSError:
            return False

    def kill(self) -> None:
        """End everything in it, for good, and return when it is dead. Raises Fault when something outlives that."""
        for file, value in (("pids.max", "0"), ("cgroup.kill", "1")):  # nothing forks faster than it is killed
            for place in self.places:
                with suppress(OSError):
                    (place / file).write_text(value)
        until = time.monotonic() + KILL_WITHIN
        while sum(_slay(place) for place in self.places):
            if time.monotonic() > until:
                raise Fault("a process of a run cannot be killed: restart this machine.")
            time.sleep(0.001)

    def close(self) -> None:
        """Remove it; one that is gone already is no error. Raises Fault when something still lives in it."""
        until = time.monotonic() + CLOSE_WITHIN
        for place in self.places:
            while place.exists():
                with suppress(OSError):
                    self._remove(place)
                    continue
                if time.monotonic() > until:
                    raise Fault(f"a control group could not be removed, something in it lives: {place}.")
                time.sleep(0.001)

    def _look(self) -> None:
        """Note the peak: the kernel's mark if it rose since the last look, else what is held now, less the files read."""
        mark = 0
        with suppress(FileNotFoundError):
            mark = _numbers(self._file(self.version.mark))[""]
        top = mark if mark > self._mark else _numbers(self._file(self.version.current))[""]
        held = _numbers(self._file("memory.stat"))
        read, own = (held.get(line, 0) for line in self.version.files)
        self._mark, self._peak = max(self._mark, mark), max(self._peak, top - (read - own))

    def _spent(self) -> float:
        name, line, units = self.version.cpu
        return _numbers(self._file(name))[line] / units

    def _waited(self) -> float | None:
        with suppress(OSError):  # a kernel may lack it, or have it switched off
            if self.version.pressure and (found := STALLED.search(watch.text(self._file(self.version.pressure)))):
                return int(found[1]) / 1e6
        return None

    def _kills(self) -> int:
        return _numbers(self._file(self.version.oom)).get("oom_kill", 0)

    def _file(self, name: str) -> str:
        return f"{self.folders[name.partition('.')[0]]}/{name}"


# ---- the kernel's files ----------------------------------------------------------------------------------------


def _slay(place: Path) -> bool:
    """SIGKILL to all that is in a group; whether there was anything. By descriptor, and only to what is in the group once
    the descriptor is open: a number may have become another process's."""
    held = {}
    for pid in members(place):
        with suppress(OSError):
            held[pid] = os.pidfd_open(pid)
    still = set(members(place))
    for pid, fd in held.items():
        if pid in still:
            watch.slay(fd)
        os.close(fd)
    return bool(still)


def members(place: Path) -> list[int]:
    """The processes in a group; none when it is gone. Those of a pid namespace that this process cannot see are 0: not told."""
    try:
        return [pid for pid in map(int, (place / "cgroup.procs").read_text().split()) if pid]
    except OSError:
        return []


def _unread(error: OSError) -> Fault:
    return Fault(f"the account of a run could not be read: {error}.")


def _put(file: str, text: str) -> None:
    """Write a file of the kernel's. Raises OSError."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _numbers(file: str) -> dict[str, int]:
    """The lines of a file, each a name and a number; a number alone has the name "". Raises OSError."""
    lines = [line.split() for line in watch.text(file).splitlines()]
    return {words[0] if words[1:] else "": int(words[-1]) for words in lines}
