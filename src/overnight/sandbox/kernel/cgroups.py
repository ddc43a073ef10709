"""Where control groups can be made on this machine, and what to do where they cannot.

Covered: version 1 (controllers `memory`, `pids`, `cpuacct`) and version 2, as root or in a part of the tree that is the
user's; what an Overnight that was killed left behind. A group is never made outside a limit on memory that is set for
this process. Not covered: version 2 with controllers that are bound to version 1 (hybrid systems use version 1).
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from overnight.errors import Fault
from overnight.sandbox import watch
from overnight.sandbox.kernel.group import V1, V2, Group, Version, members

ROOT, OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
NEEDED = ("memory", "pids")  # version 2 counts CPU without its `cpu` controller
SELF = "overnight"  # in version 2 the group of this process; in version 1 a folder that root made for a user
_NAME = re.compile(r"(overnight-\d+-\d+)-(\d+)-.+")  # a group's name: its owner, the owner's pid namespace, a number
_NUMBERS = itertools.count(1)  # of the groups that this process made


class Cgroups:
    """A place where groups can be made. `homes` is where each controller has it; `own`: these are the groups of this process;
    `remove` is for trees of plain files."""

    def __init__(self, version: Version, homes: dict[str, Path], remove: Callable[[Path], None] = Path.rmdir,
                 own: bool = False) -> None:
        self.version, self.homes, self._remove = version, homes, remove
        files = [home / version.threads for home in homes.values()] if own and version.threads else []
        self._bears = bool(files) and all(os.access(file, os.W_OK) for file in files)
        self._space = Path("/proc/self/ns/pid").stat().st_ino
        self._owner = f"{watch.name_of(os.getpid())}-{self._space}"

    def make(self, memory: int, processes: int) -> Group:
        """A new group, bounded to so many bytes and processes. Raises Fault."""
        name = f"{self._owner}-{next(_NUMBERS)}"
        folders = {controller: home / name for controller, home in self.homes.items()}
        group = Group(self.version, folders, self._remove, self._bears)
        try:
            group.open(memory, processes)
        except OSError as error:
            with suppress(Fault):
                group.close()
            raise Fault(f"a control group could not be made: {error}.") from error
        return group

    def sweep(self) -> None:
        """Remove the groups of an Overnight that was killed, with everything in them: here and, as it may have been started
        from another terminal or service, in the groups beside its own."""
        homes = set(self.homes.values())
        beside = {other for home in homes if not home.is_mount() for other in _folders(home.parent)}
        for folder in sorted(f for home in homes | beside for f in _folders(home) if self._is_left(f)):
            group = Group(self.version, {}, self._remove)
            group.places.append(folder)
            with suppress(Fault):
                group.kill()
                group.close()

    def works(self) -> bool:
        """Whether a process can really be put under limits here. Finds out, besides, whether it can be born under them."""
        with suppress(Fault), ExitStack() as leave:
            group = self.make(64 << 20, 8)
            leave.callback(group.close)
            process = leave.enter_context(subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL))
            group.add(process.pid)
            group.usage()
            try:
                with group.bearing():
                    pass
            except OSError:
                self._bears = False
            return True
        return False

    def _is_left(self, folder: Path) -> bool:
        """Whether a group is one whose owner is gone. An owner in another pid namespace cannot be judged from here."""
        found = _NAME.fullmatch(folder.name)
        left = found is not None and int(found[2]) == self._space and watch.is_gone(found[1])
        return left and os.access(folder, os.W_OK)


# ---- where there is one ----------------------------------------------------------------------------------------


def find(root: Path = ROOT, own: Path = OWN) -> Cgroups | None:
    """A place where groups can be made, proven to work; None when there is none, and then `advice` says what to do. In
    version 2 this may move this process, with all others in its group, into a group below it: the kernel wants processes
    only in leaves."""
    return next((found for found in candidates(root, own) if found.works()), None)


def candidates(root: Path = ROOT, own: Path = OWN) -> Iterator[Cgroups]:
    """Where groups might be made, the best first; whether they can is not tried."""
    if not own.exists():
        return
    if (root / "cgroup.controllers").exists():
        yield from (Cgroups(V2, homes) for homes in _second(root, own))
        return
    mine = {name: _mine(root / name, own, name) for name in (*NEEDED, "cpuacct")}
    yield Cgroups(V1, mine, own=True)
    yield from (Cgroups(V1, homes) for homes in _given(root, mine))


def _given(root: Path, mine: dict[str, Path]) -> Iterator[dict[str, Path]]:
    """Version 1: the groups called `overnight` that root made and gave to a user, in those of this process or above."""
    given = {name: [up / SELF for up in _upwards(root / name, home) if (up / SELF).is_dir()] for name, home in mine.items()}
    if all(given.values()):
        yield {name: found[0] for name, found in given.items()}


def _second(root: Path, own: Path) -> Iterator[dict[str, Path]]:
    """Version 2: in the group of this process if it may divide it, else in the nearest above it that is divided already."""
    mine = _mine(root, own, "")
    for home in _upwards(root, mine.parent if mine.name == SELF else mine):
        if _divided(home, home == mine):
            yield dict.fromkeys((*NEEDED, "cpu"), home)
        if (home / "memory.max").exists() and (home / "memory.max").read_text().strip() != "max":
            return  # what lies above is outside a limit that is set for this process


def _mine(mount: Path, own: Path, controller: str) -> Path:
    """The group of this process in one hierarchy; the hierarchy's root where that cannot be seen, as in a container."""
    for line in own.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(",") and ".." not in path and (mount / path[1:]).is_dir():
            return mount / path[1:]
    return mount


def _upwards(mount: Path, folder: Path) -> Iterator[Path]:
    yield folder
    if folder != mount:
        yield from _upwards(mount, folder.parent)


def _divided(home: Path, own: bool) -> bool:
    """Whether the groups below can be held to limits; sees to it where the group is the own one of this process."""
    switch = home / "cgroup.subtree_control"
    with suppress(OSError):
        if set(NEEDED) <= set(switch.read_text().split()):
            return True
        if own:
            _divide(home, switch)
            return True
    return False


def _divide(home: Path, switch: Path) -> None:
    """Hand the controllers down, out of the way of this process if need be. Raises OSError."""
    try:
        switch.write_text("+memory +pids")
    except OSError as error:
        if error.errno != errno.EBUSY or not _may_move(home):
            raise
        _move(home)
        switch.write_text("+memory +pids")


def _may_move(home: Path) -> bool:
    """Whether all that is in the group of this process may be moved: it was handed over, is a container's or holds it alone."""
    for mark in ("user.delegate", "trusted.delegate"):  # set by systemd
        with suppress(OSError):
            if os.getxattr(home, mark) == b"1":
                return True
    return home.is_mount() or set(members(home)) <= set(watch.tree(os.getpid()))


def _move(home: Path) -> None:
    """Into a leaf of the group of this process, everything that is in it. Raises OSError."""
    leaf = home / SELF
    leaf.mkdir(exist_ok=True)
    for pid in members(home):
        with suppress(ProcessLookupError):
            (leaf / "cgroup.procs").write_text(str(pid))


def _folders(place: Path) -> list[Path]:
    try:
        return [entry for entry in place.iterdir() if entry.is_dir()]
    except OSError:
        return []


# ---- where there is none ---------------------------------------------------------------------------------------


def advice(root: Path = ROOT, booted: Path = Path("/run/systemd/system"), uid: int | None = None) -> str:
    """Where `find` found nothing: what to do about it, in one sentence."""
    second = (root / "cgroup.controllers").exists()
    counted = root / "cgroup.controllers" if second else root / "memory"
    role = "root" if (os.geteuid() if uid is None else uid) == 0 else "user"
    if not root.is_dir() or not any(root.iterdir()):
        case = "unmounted"
    elif not counted.exists() or (second and "memory" not in counted.read_text().split()):
        case = "uncounted"
    elif os.statvfs(counted).f_flag & os.ST_RDONLY or (role == "root" and not booted.is_dir()):
        case = "container"
    elif not second and role == "user":
        case = "version 1"
    else:
        case = f"{role}, systemd" if booted.is_dir() else "user"
    return f"limits and accounts of runs are estimates here: {ADVICE[case]}."


ADVICE = {
    "unmounted": "no control groups are mounted; mount them (`sudo mount -t cgroup2 none /sys/fs/cgroup`)",
    "uncounted": "this kernel does not count memory by control group; boot it with `cgroup_enable=memory`",
    "container": "this container may not make control groups; start it with `--privileged --cgroupns=private`, or run "
                 "Overnight outside it",
    "version 1": "root must hand control groups over to you; type `sudo sh -c 'for c in memory pids cpuacct; do "
                 "mkdir -p /sys/fs/cgroup/$c/overnight; chown -R $SUDO_UID /sys/fs/cgroup/$c/overnight; done'`",
    "user, systemd": "start it with `systemd-run --user --scope -q -p Delegate=yes -- overnight run`",
    "root, systemd": "start it with `systemd-run --scope -q -p Delegate=yes -- overnight run`",
    "user": "only root may make control groups here; start Overnight as root (what it runs is never root)",
}
