"""Control groups: the kernel counts and bounds a whole tree of processes, for what each backend starts.

Covered: memory (private, shared, tmpfs files, sockets, page tables: whatever the tree makes the kernel hold), the count
of processes and threads, CPU time even of processes that nobody waited for, death of everything in the group. Version 1
(controllers `memory`, `pids`, `cpuacct`) and version 2, as root or in a part of the tree that is the user's.
Not covered: isolation; how fast disks and CPUs may be used. A group is never made outside a limit on memory that
somebody set for us. Swap is forbidden where the kernel counts it, else only discouraged (version 1 without `memsw`).

About the peak of memory. The kernel's own mark (`memory.peak`, `memory.max_usage_in_bytes`) counts the pages of files
that were read from disk as well, for whoever reads them first: a data set of 1 GB would cost the first run 1 GB and the
second nothing. So those pages are taken off: the peak is the kernel's mark less the file pages found at the first look
after the mark rose, and never less than a look itself found. A peak between two looks is therefore seen. It is exact to
within what the kernel books in advance (256 KiB a CPU) and the file pages read between two looks, with two exceptions:
a tree that filled its limit with file pages is known by the looks alone, and before Linux 5.19 version 2 has no mark.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from overnight.errors import Fault
from overnight.sandbox import watch

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
LAUNCHER = 2  # processes of the backend's own that may be in a group: bwrap's monitor and the first process inside
KILL_WITHIN = 5.0  # seconds after which a process that outlives SIGKILL is a fault
CLOSE_WITHIN = 2.0  # seconds for which an empty group may still be busy
NEEDED = ("memory", "pids")  # version 2 counts CPU without its `cpu` controller
SELF = "overnight"  # the group in which version 2 wants us ourselves; in version 1 a folder that root made for a user
_OURS = re.compile(r"(overnight-(\d+)-\d+)-(\d+)-.+")  # a group's name: its owner, the owner's pid namespace, its own


class Version(Struct, frozen=True):
    """What the kernel's files are called.

    bounds   file -> what is written to it; all of them must be there
    wishes   the same, where the kernel has them
    mark     the most memory that was ever held, bytes
    current  the memory held now, bytes
    files    lines of memory.stat: pages of files, and those among them that are the tree's own (tmpfs, shared memory)
    oom      where the line `oom_kill` counts
    cpu      file, line ("" where the file is one number) and how many of its units make a second
    """

    bounds: dict[str, str]
    wishes: dict[str, str]
    mark: str
    current: str
    files: tuple[str, str]
    oom: str
    cpu: tuple[str, str, float]


V1 = Version(
    bounds={"memory.limit_in_bytes": "{memory}", "pids.max": "{processes}"},
    wishes={"memory.memsw.limit_in_bytes": "{memory}", "memory.swappiness": "0"},
    mark="memory.max_usage_in_bytes", current="memory.usage_in_bytes", files=("total_cache", "total_shmem"),
    oom="memory.oom_control", cpu=("cpuacct.usage", "", 1e9))
V2 = Version(
    bounds={"memory.max": "{memory}", "pids.max": "{processes}"},
    wishes={"memory.swap.max": "0", "memory.oom.group": "1"},
    mark="memory.peak", current="memory.current", files=("file", "shmem"),
    oom="memory.events", cpu=("cpu.stat", "usage_usec", 1e6))


class Usage(Struct, frozen=True):
    """What a tree of processes took: CPU in seconds, the peak of its memory in bytes, how many the kernel killed for memory."""

    cpu: float
    peak_memory: int
    killed: int


class Group:
    """One tree of processes. `folders` is where each controller has it; in version 2 that is one folder."""

    def __init__(self, version: Version, folders: dict[str, Path], remove: Callable[[Path], None]) -> None:
        self.version, self.folders, self._remove = version, folders, remove
        self._places: list[Path] = []
        self._mark = self._peak = 0

    def open(self, memory: int, processes: int) -> None:
        """Make it, with its bounds. Raises OSError."""
        for place in dict.fromkeys(self.folders.values()):
            place.mkdir()
            self._places.append(place)
        values = {"memory": memory, "processes": processes + LAUNCHER}
        for name, value in self.version.bounds.items():
            self._file(name).write_text(value.format(**values))
        for name, value in self.version.wishes.items():
            if self._file(name).exists():
                with suppress(OSError):
                    self._file(name).write_text(value.format(**values))

    def add(self, pid: int) -> None:
        """Put a process in, before it has children; what it held already stays on the bill of its old group. Raises Fault."""
        try:
            for place in self._places:
                (place / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            raise Fault(f"process {pid} could not be put under its limits: {error}.") from error

    def usage(self) -> Usage:
        """What it took up to now; the last look is best taken when everything in it is dead. Raises Fault."""
        name, line, units = self.version.cpu
        try:
            self._look()
            return Usage(_number(self._file(name), line) / units, self._peak, self._kills())
        except OSError as error:
            raise Fault(f"the account of a run could not be read: {error}.") from error

    def out_of_memory(self) -> bool:
        """Whether the kernel has killed anything in it for memory; notes the peak besides. Version 1 kills one process and
        lets the rest go on, so ask often (a look takes some 0.1 ms) and `kill`. False when the group is gone."""
        try:
            self._look()
            return self._kills() > 0
        except OSError:
            return False

    def kill(self) -> None:
        """End everything in it and return when it is dead. Raises Fault when something outlives that."""
        _kill(self._places)

    def close(self) -> None:
        """Remove it; one that is gone already is no error. Raises Fault when something still lives in it."""
        _close(self._places, self._remove)

    def _look(self) -> None:
        """Note the peak: the kernel's mark if it rose since the last look, else what is held now, less the files read."""
        marked = self._file(self.version.mark)
        mark = _number(marked) if marked.exists() else 0
        top = mark if mark > self._mark else _number(self._file(self.version.current))
        stat = self._file("memory.stat")
        read, own = (_number(stat, line) for line in self.version.files)
        self._mark, self._peak = max(self._mark, mark), max(self._peak, top - (read - own))

    def _kills(self) -> int:
        return _number(self._file(self.version.oom), "oom_kill")

    def _file(self, name: str) -> Path:
        return self.folders[name.partition(".")[0]] / name


class Cgroups:
    """A place where groups can be made. `homes` is where each controller has it; `remove` is for trees of plain files."""

    def __init__(self, version: Version, homes: dict[str, Path], remove: Callable[[Path], None] = Path.rmdir) -> None:
        self.version, self.homes, self._remove = version, homes, remove
        self._space = Path("/proc/self/ns/pid").stat().st_ino
        self._owner = f"{watch.name_of(os.getpid())}-{self._space}"

    def make(self, name: str, memory: int, processes: int) -> Group:
        """A new group, bounded to so many bytes and processes. `name` is used once in the life of ours. Raises Fault."""
        folders = {controller: home / f"{self._owner}-{name}" for controller, home in self.homes.items()}
        group = Group(self.version, folders, self._remove)
        try:
            group.open(memory, processes)
        except OSError as error:
            with suppress(Fault):
                group.close()
            raise Fault(f"a control group could not be made: {error}.") from error
        return group

    def sweep(self) -> None:
        """Remove the groups of an Overnight that was killed, with everything in them: here and, as it may have been started
        from another terminal or service, in the groups beside ours."""
        homes = set(self.homes.values())
        beside = {other for home in homes if not home.is_mount() for other in _folders(home.parent)}
        for folder in sorted(f for home in homes | beside for f in _folders(home) if self._is_left(f.name)):
            with suppress(Fault):
                _kill([folder])
                _close([folder], self._remove)

    def works(self) -> bool:
        """Whether a process can really be put under limits here."""
        try:
            group = self.make("probe", 64 << 20, 8)
        except Fault:
            return False
        process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        try:
            group.add(process.pid)
            group.usage()
        except Fault:
            return False
        finally:
            process.communicate()
            group.close()
        return True

    def _is_left(self, name: str) -> bool:
        """Whether a group's owner is gone. One of another pid namespace cannot be judged from here."""
        found = _OURS.fullmatch(name)
        return found is not None and int(found[3]) == self._space and watch.name_of(found[2]) != found[1]


# ---- where there is one ----------------------------------------------------------------------------------------


def find(root: Path = ROOT, own: Path = OWN) -> Cgroups | None:
    """A place where groups can be made, proven to work; None when there is none, and then `advice` says what to do. In
    version 2 this may move us, with all that shares our group, into a group below it: the kernel wants processes only in
    leaves."""
    return next((found for found in candidates(root, own) if found.works()), None)


def candidates(root: Path = ROOT, own: Path = OWN) -> Iterator[Cgroups]:
    """Where groups might be made, the best first; whether they can is not tried."""
    if not own.exists():
        return
    for version, homes in _second(root, own) if (root / "cgroup.controllers").exists() else _first(root, own):
        yield Cgroups(version, homes)


def _first(root: Path, own: Path) -> Iterator[tuple[Version, dict[str, Path]]]:
    """Version 1: in our own groups; else in those called `overnight` that root made and gave to a user."""
    ours = {name: _ours(root / name, own, name) for name in (*NEEDED, "cpuacct")}
    yield V1, ours
    given = {name: [up / SELF for up in _upwards(root / name, home) if (up / SELF).is_dir()] for name, home in ours.items()}
    if all(given.values()):
        yield V1, {name: found[0] for name, found in given.items()}


def _second(root: Path, own: Path) -> Iterator[tuple[Version, dict[str, Path]]]:
    """Version 2: in our own group if it is ours to divide, else in the nearest above it that is divided already."""
    ours = _ours(root, own, "")
    for home in _upwards(root, ours.parent if ours.name == SELF else ours):
        if _divided(home, home == ours):
            yield V2, dict.fromkeys((*NEEDED, "cpu"), home)
        if (home / "memory.max").exists() and (home / "memory.max").read_text().strip() != "max":
            return  # what lies above is outside a limit that somebody set for us


def _ours(mount: Path, own: Path, controller: str) -> Path:
    """Our own group in one hierarchy; its root where we cannot see so far (a container's view of it begins with ours)."""
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and ".." not in path and (mount / path[1:]).is_dir():
            return mount / path[1:]
    return mount


def _upwards(mount: Path, folder: Path) -> Iterator[Path]:
    yield folder
    if folder != mount:
        yield from _upwards(mount, folder.parent)


def _divided(home: Path, ours: bool) -> bool:
    """Whether the groups below can be held to limits; sees to it if it may."""
    switch = home / "cgroup.subtree_control"
    with suppress(OSError):
        if set(NEEDED) <= set(switch.read_text().split()):
            return True
        try:
            switch.write_text("+memory +pids")
        except OSError as error:
            if error.errno != errno.EBUSY or not ours or not _may_move(home):
                return False
            _move(home)
            switch.write_text("+memory +pids")
        return True
    return False


def _may_move(home: Path) -> bool:
    """Whether all that is in our group may be moved: it was handed over to us, is a container's, or holds us alone."""
    for mark in ("user.delegate", "trusted.delegate"):  # set by systemd
        with suppress(OSError):
            if os.getxattr(home, mark) == b"1":
                return True
    return home.is_mount() or set(_pids(home)) <= set(watch.tree(os.getpid()))


def _move(home: Path) -> None:
    """Into a leaf of our group, everything that is in it. Raises OSError."""
    leaf = home / SELF
    leaf.mkdir(exist_ok=True)
    for pid in _pids(home):
        with suppress(ProcessLookupError):
            (leaf / "cgroup.procs").write_text(str(pid))


def advice(root: Path = ROOT, own: Path = OWN, booted: Path = Path("/run/systemd/system"), uid: int | None = None) -> str:
    """Where `find` found nothing: what to do about it, in one sentence."""
    second = (root / "cgroup.controllers").exists()
    counted = root / "cgroup.controllers" if second else root / "memory"
    who = "root" if (os.geteuid() if uid is None else uid) == 0 else "user"
    if not root.is_dir() or not any(root.iterdir()):
        case = "unmounted"
    elif not counted.exists() or (second and "memory" not in counted.read_text().split()):
        case = "uncounted"
    elif os.statvfs(counted).f_flag & os.ST_RDONLY:
        case = "read-only"
    elif not second and who == "user":
        case = "version 1"
    else:
        case = f"{who}, {'systemd' if booted.is_dir() else 'no systemd'}"
    return f"limits and accounts of runs are estimates here: {ADVICE[case]}."


ADVICE = {
    "unmounted": "no control groups are mounted; mount them (`sudo mount -t cgroup2 none /sys/fs/cgroup`)",
    "uncounted": "this kernel does not count memory by control group; boot it with `cgroup_enable=memory`",
    "read-only": "this container may not make control groups; start it with `--privileged --cgroupns=private`, or run "
                 "Overnight outside it",
    "version 1": "root must hand control groups over to you; type `sudo sh -c 'for c in memory pids cpuacct; do "
                 "mkdir -p /sys/fs/cgroup/$c/overnight; chown -R $SUDO_UID /sys/fs/cgroup/$c/overnight; done'`",
    "user, systemd": "start it with `systemd-run --user --scope -q -p Delegate=yes -- overnight run`",
    "root, systemd": "start it with `systemd-run --scope -q -p Delegate=yes -- overnight run`",
    "user, no systemd": "only root may make control groups here; start Overnight as root (what it runs is never root)",
    "root, no systemd": "this container may not make control groups; start it with `--privileged --cgroupns=private`, or run "
                        "Overnight outside it",
}


# ---- the kernel's files ----------------------------------------------------------------------------------------


def _kill(places: list[Path]) -> None:
    for file, value in (("pids.max", "0"), ("cgroup.kill", "1")):  # nothing forks faster than it is killed
        for place in places:
            with suppress(OSError):
                if (place / file).exists():
                    (place / file).write_text(value)
    until = time.monotonic() + KILL_WITHIN
    while sum(_slay(place) for place in places):
        if time.monotonic() > until:
            raise Fault("a process of a run cannot be killed: restart this machine.")
        time.sleep(0.001)


def _slay(place: Path) -> bool:
    """SIGKILL to all that is in a group; whether there was anything. By descriptor, and only to what is in the group once
    the descriptor is open: a number may have become another process's."""
    held = {}
    for pid in _pids(place):
        with suppress(OSError):
            held[pid] = os.pidfd_open(pid)
    still = set(_pids(place))
    for pid, fd in held.items():
        if pid in still:
            watch.slay(fd)
        os.close(fd)
    return bool(still)


def _close(places: list[Path], remove: Callable[[Path], None]) -> None:
    until = time.monotonic() + CLOSE_WITHIN
    for place in places:
        while not _removed(place, remove):
            if time.monotonic() > until:
                raise Fault(f"a control group could not be removed, something in it lives: {place}.")
            time.sleep(0.001)


def _removed(place: Path, remove: Callable[[Path], None]) -> bool:
    with suppress(OSError):
        remove(place)
    return not place.exists()


def _pids(place: Path) -> list[int]:
    """The processes in a group; none when it is gone. Those of a pid namespace that we cannot see are 0: not told."""
    try:
        return [int(pid) for pid in (place / "cgroup.procs").read_text().split() if pid != "0"]
    except OSError:
        return []


def _folders(place: Path) -> list[Path]:
    try:
        return [entry for entry in place.iterdir() if entry.is_dir()]
    except OSError:
        return []


def _number(file: Path, line: str = "") -> int:
    """A file's one number, or that of one line; 0 where there is no such line. Raises OSError."""
    text = file.read_text()
    if not line:
        return int(text)
    return next((int(words[1]) for words in map(str.split, text.splitlines()) if words[0] == line), 0)
