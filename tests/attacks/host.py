"""The host as an attacker would like it: bait of every kind, and what must be the same after each run as before."""

import contextlib
import ctypes
import gc
import hashlib
import os
import secrets
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from conftest import write

SETTINGS = ("kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "kernel/domainname", "kernel/randomize_va_space",
            "kernel/sysrq", "vm/overcommit_memory", "vm/drop_caches", "net/ipv4/ip_forward")
SHARED = ("/", "/tmp", "/var/tmp", "/dev/shm", "/etc", "/usr", "/usr/bin", "/opt", "/run", "/dev")
OURS = ("state/overnight", ".git/objects", ".git/refs/overnight", ".git/refs/heads/overnight", ".git/logs", ".git/packed-refs")
ENGINES = ("/containers/", "/docker/", "/netns")  # whose mounts come and go without us
STRANGERS = 200_000  # user ids from here on are those of sandboxed code


class Bait:
    """Things on the host that no run may see, reach or change. Every secret holds `flag`, which the attackers do not know.

    `names` is what they are told instead: where everything lies. It becomes `bait.py` of the track.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.flag, self.mark = folder, f"flag-{secrets.token_hex(16)}", f"mark{secrets.token_hex(6)}"
        self._leave = contextlib.ExitStack()
        folder.chmod(0o755)
        self._plant_files()
        self._plant_environment()
        self._plant_sockets()
        self._plant_process()
        self._plant_descriptors()
        self.names = self._names()

    def _plant_files(self) -> None:
        (self.folder / "state").mkdir()
        secret = f"{self.flag}\n"
        write(self.folder, {"host/secret.txt": secret, "host/other/run.py": secret, "home/.ssh/id_ed25519": secret,
                            "home/.config/key": secret, "data/words.txt": "some data\n", "data/deeper/more.txt": "more\n"})
        self.shm = Path(f"/dev/shm/{self.mark}-bait")
        self.tmp = Path(tempfile.gettempdir(), f"{self.mark}-bait")
        for path in (self.shm, self.tmp):
            path.write_text(secret)
            self._leave.callback(path.unlink, missing_ok=True)

    def _plant_environment(self) -> None:
        wanted = {"OPENAI_API_KEY": self.flag, "AWS_SECRET_ACCESS_KEY": self.flag, "HOME": str(self.folder / "home"),
                  "PYTHONSTARTUP": str(self.folder / "host/secret.txt"), "XDG_STATE_HOME": str(self.folder / "state")}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        self._leave.callback(_restore, before)

    def _plant_sockets(self) -> None:
        self.sockets = [socket.socket(family, kind) for family, kind in (
            (socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM),
            (socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_UNIX, socket.SOCK_STREAM))]
        self.path = tempfile.mkdtemp(prefix=f"{self.mark}-") + "/socket"  # a short name: sockets have room for 108 bytes
        self._leave.callback(Path(self.path).parent.rmdir)
        self._leave.callback(Path(self.path).unlink)
        places = (("127.0.0.1", 0), ("127.0.0.1", 0), f"\0{self.mark}", self.path)
        for each, place in zip(self.sockets, places, strict=True):
            self._leave.enter_context(each)
            each.bind(place)
            each.setblocking(False)
            if each.type == socket.SOCK_STREAM:
                each.listen()

    def _plant_process(self) -> None:
        self.victim = subprocess.Popen(["sleep", "900"], env={"PATH": os.environ["PATH"], "SECRET": self.flag},
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self._leave.callback(self.victim.wait)
        self._leave.callback(self.victim.kill)

    def _plant_descriptors(self) -> None:
        self.file = os.open(self.folder / "host/secret.txt", os.O_RDONLY)
        self.root = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        for fd in (self.file, self.root):
            os.set_inheritable(fd, True)
            self._leave.callback(os.close, fd)

    def _names(self) -> dict[str, object]:
        """What the attackers are told."""
        tcp, udp = (s.getsockname()[1] for s in self.sockets[:2])
        return {
            "MARK": self.mark, "SECRET": str(self.folder / "host/secret.txt"), "OTHER": str(self.folder / "host/other"),
            "HOST": str(self.folder), "HOST_HOME": str(self.folder / "home"), "REPO": str(self.folder / "target"),
            "DATA": str(self.folder / "data"), "STATE": str(self.folder / "state/overnight"), "SHM": str(self.shm), "TMP": str(self.tmp), "TCP": tcp, "UDP": udp,
            "ABSTRACT": f"\0{self.mark}", "SOCKET": self.path, "VICTIM": self.victim.pid, "HARNESS": os.getpid(),
            "SECRET_FD": self.file, "ROOT_FD": self.root,
        }

    def module(self) -> str:
        """The text of `bait.py`."""
        return "".join(f"{name} = {value!r}\n" for name, value in self.names.items())

    def taken(self) -> list[str]:
        """What somebody has touched who should not have."""
        found = [] if self.victim.poll() is None else ["the victim is dead"]
        for each in self.sockets:
            with contextlib.suppress(BlockingIOError):
                each.accept() if each.type == socket.SOCK_STREAM else each.recv(1)
                found.append(f"somebody came to {each.getsockname()!r}")
        found += [f"{p} was changed" for p in (self.shm, self.tmp) if p.read_text().strip() != self.flag]
        return found

    def clear(self) -> None:
        """Take everything away."""
        self._leave.close()


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


# ---- what must stay as it is -----------------------------------------------------------------------------------


def state(bait: Bait) -> dict[str, Any]:
    """The host outside the run's own folder, as far as it can be seen."""
    gc.collect()  # what other tests left open in cycles closes now, not between two looks
    return {
        "processes": _processes(os.getpid()),
        "mounts": [line for line in _read("/proc/self/mountinfo").splitlines() if not any(e in line for e in ENGINES)],
        "descriptors": _descriptors(),
        "settings": {name: _read(f"/proc/sys/{name}") for name in SETTINGS},
        "ipc": {kind: [line.split()[:2] for line in _read(f"/proc/sysvipc/{kind}").splitlines()] for kind in
                ("shm", "sem", "msg")},
        "interfaces": sorted(line.split(":")[0].strip() for line in _read("/proc/self/net/dev").splitlines()[2:]),
        "keys": _keys(),
        "places": sorted(_marked(bait)),
        "ground": dict(_ground(bait.folder)),
        "cgroups": sorted(_cgroups()),
        "bait": bait.taken(),
    }


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What changed, a sentence each. A process that was there before may end by itself: another test left it, and the one that
    no run may end is the bait's victim."""
    alive = after["processes"]
    before = {**before, "processes": {pid: what for pid, what in before["processes"].items() if pid in alive}}
    return [f"{name}: {_shown(before[name], after[name])}" for name in before if before[name] != after[name]]


def _shown(before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        both = before.keys() | after.keys()
        return ", ".join(f"{k}: {before.get(k)} -> {after.get(k)}" for k in sorted(both, key=str) if before.get(k) != after.get(k))
    if isinstance(before, list) and isinstance(after, list):
        return f"gone {[x for x in before if x not in after]}, new {[x for x in after if x not in before]}"
    return f"{before} -> {after}"[:2000]


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__


def _processes(pid: int) -> dict[int, str]:
    """All that descend from a process: pid -> when it began and what it is. Orphans of sandboxes are adopted by us."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in _children(task):
            about = _read(f"/proc/{child}/stat").rpartition(")")[2].split()
            if about and not (about[0] == "Z" and pid != os.getpid()):  # what is dead is its parent's to bury
                found[child] = f"{about[19]} {_read(f'/proc/{child}/comm').strip()}"
                found |= _processes(child)
    return found


def _children(task: Path) -> list[int]:
    """The children of one thread; none of a thread that ends while we look."""
    try:
        return [int(pid) for pid in (task / "children").read_text().split()]
    except OSError:
        return []


# What a thread of ours opens for a look at what is kept warm, and trees as they are sent to it.
LOOKED_AT = ("/proc/", "/sys/fs/cgroup/", "/memfd:overnight-tree")


def _descriptors() -> dict[str, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/self/fd/{name}")
            if "/state/overnight/" not in target and not target.startswith(LOOKED_AT):
                found[name] = target
    return found


def _keys() -> list[str]:
    """The keys in our own session keyring."""
    libc = ctypes.CDLL(None)
    words = (ctypes.c_int * 256)()
    number = {"x86_64": 250, "aarch64": 219}.get(os.uname().machine, 0)
    size = libc.syscall(number, 11, -3, words, ctypes.sizeof(words)) if number else 0  # KEYCTL_READ, the session's
    return [f"{words[i]:08x}" for i in range(max(0, min(size, 1024)) // 4)]


def _marked(bait: Bait) -> list[str]:
    """Files in places that everybody shares which bear the attackers' mark or belong to a sandbox's user."""
    own = {str(bait.shm), str(bait.tmp), str(Path(bait.path).parent)}
    found = []
    for folder in (*SHARED, os.environ["HOME"], str(Path.cwd())):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                theirs = folder in ("/tmp", "/dev/shm", "/var/tmp") and _owner(entry) >= STRANGERS
                if (bait.mark in entry.name or theirs) and entry.path not in own:
                    found.append(entry.path)
    return found


def _owner(entry: os.DirEntry) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_uid
    except OSError:
        return 0


def _ground(folder: Path) -> list[tuple[str, str]]:
    """Every file of the night's folder but those that the loop itself writes: path -> mode and hash."""
    found = []
    for place, folders, files in os.walk(folder):
        name = os.path.relpath(place, folder) + "/"
        folders[:] = [f for f in folders if not any(f"/{name}{f}".endswith(f"/{part}") for part in OURS)]
        for path in [Path(place, f) for f in (*folders, *files) if not any(f"/{name}{f}".endswith(f"/{p}") for p in OURS)]:
            what = path.lstat()
            content = os.readlink(path) if path.is_symlink() else \
                hashlib.sha256(path.read_bytes()).hexdigest()[:16] if path.is_file() else "no file"
            found.append((str(path), f"{what.st_mode:o} {what.st_uid} {content}"))
    return found


def _cgroups() -> list[str]:
    """Control groups that this very process made."""
    root = Path("/sys/fs/cgroup")
    names = (f"overnight-{os.getpid()}", f"overnight.{os.getpid()}")
    return [folder for folder, _, _ in os.walk(root) if Path(folder).name.startswith(names)]  # others come and go meanwhile
