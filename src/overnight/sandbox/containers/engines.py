"""Sandbox by Podman or Docker: containers on an empty root, without any image to download.

Covered: what bubblewrap covers; the engine's own filter of system calls, and less than that; on Podman user namespaces, so
that not even the container's root is one of this machine.
Not covered: what Docker adds of its own (its daemon is root, and its containers have no user namespace); kernel bugs; side
channels. Folders mounted within a mounted folder are not shown.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

from overnight.contracts import Command
from overnight.errors import Fault
from overnight.sandbox import gpus, watch
from overnight.sandbox.containers import init
from overnight.sandbox.containers.process import Engine
from overnight.sandbox.containers.rootfs import Mount, Rootfs
from overnight.sandbox.world import NO_CORE, TMP

INSTALL = {"podman": "sudo apt-get install -y podman runc uidmap", "docker": "sudo apt-get install -y docker.io"}
FIRST_UID, UIDS, RANGES = 1 << 30, 1 << 16, 1 << 14  # user numbers of containers that root starts, a range for each
IMAGE = "overnight-empty"  # Docker's, made here of nothing: places to mount on
PROFILE = Path("/usr/share/containers/seccomp.json")  # Podman's own filter of system calls
DENIED = {"unshare", "setns", "clone3", "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen",
          "fsmount", "fsconfig", "fspick", "pivot_root", "chroot", "ptrace", "process_vm_readv", "process_vm_writev", "keyctl",
          "add_key", "request_key", "io_uring_setup", "io_uring_enter", "io_uring_register", "pidfd_getfd", "kcmp",
          "name_to_handle_at", "inotify_init", "inotify_init1", "io_setup", "shmget", "msgget", "semget", "personality",
          "socket"}  # allowed by that filter, and not needed by a payload
NEW_NAMESPACES = 0x7E020000  # flags of clone
_FILES = ("etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", "run/.containerenv")  # engines mount on these
_FAMILIES = {"none": (1,), "loopback": (1, 2, 10)}  # of sockets: AF_UNIX, AF_INET, AF_INET6

_REASONS = {
    "hybrid mode": "install runc (`sudo apt-get install -y runc`)",
    "cgroups=disabled": "containers of an ordinary user need control groups of version 2: run Overnight as root, or boot with "
    "`systemd.unified_cgroup_hierarchy=1`",
    "newuidmap": "install uidmap (`sudo apt-get install -y uidmap`) and give yourself numbers "
    "(`sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER`)",
    "Cannot connect to the Docker daemon": "start its daemon (`sudo systemctl start docker`)",
    "permission denied while trying to connect": "join the group docker (`sudo usermod -aG docker $USER`) and log in again",
}


class Containers(Engine):
    """Runs commands in containers of one engine, "podman" or "docker"."""

    reasons = _REASONS

    def __init__(self, name: str = "podman") -> None:
        self.name = self.program = self.title = name
        self.install, self.slot = INSTALL[name], 3 if name == "podman" else None
        super().__init__()
        self._ranges = itertools.cycle(range(RANGES))

    def owner(self) -> int | None:
        """The first host user of the container's own range, where Overnight is root and the engine makes user namespaces."""
        if os.geteuid() != 0:
            return None
        return FIRST_UID + (os.getpid() * 64 + next(self._ranges)) % RANGES * UIDS if self.name == "podman" else 0

    def argv(self, command: Command, rootfs: Rootfs) -> list[str]:
        """`podman run` on an empty root filesystem, or `docker run` on an image of it."""
        (rootfs.folder / "seccomp.json").write_text(json.dumps(_filter(command)))
        first = ["/bin/bash", "-c", init.script(command, rootfs, self.slot), rootfs.name]
        for name in _FILES:
            (rootfs.root / name).touch()
        if self.name == "podman":
            return [self.path, *_manager(), "run", *_common(command, rootfs, True), *_podman(rootfs),
                    "--rootfs", str(rootfs.root), *first]
        return [self.path, "run", *_common(command, rootfs, False), "--pull=never", self._image(rootfs), *first]

    def top(self, rootfs: Rootfs, monitor: int) -> int | None:
        """The process number on the host of the container's init."""
        if self.name == "podman":
            return int((rootfs.folder / "pid").read_text())
        said = self._do("inspect", "--format", "{{.State.Pid}}", rootfs.folder.name)
        return int(said) if said.isdigit() and int(said) else None

    def remove(self, rootfs: Rootfs) -> None:
        """End a container by force."""
        self._do("rm", "--force", rootfs.folder.name)

    def _do(self, *arguments: str) -> str:
        return subprocess.run([self.path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=False).stdout.strip()

    def _image(self, rootfs: Rootfs) -> str:
        """Docker's image of an empty root, imported once for each that differs. Raises Fault."""
        archive = _archive(rootfs.root)
        image = f"{IMAGE}:{hashlib.sha256(archive).hexdigest()[:16]}"
        if not self._do("images", "--quiet", image):
            done = subprocess.run([self.path, "import", "-", image], input=archive, capture_output=True, check=False)
            if done.returncode:
                raise Fault(f"the sandbox could not be started: {done.stderr.decode(errors='replace').strip()}")
        return image


def _common(command: Command, rootfs: Rootfs, podman: bool) -> list[str]:
    """Options that both engines know."""
    limits, processes = command.limits, watch.allowed(resource.RLIMIT_NPROC, 4096)
    shared = max(TMP, limits.memory // 4)
    return [
        "--rm", "--name", rootfs.folder.name, "--hostname", "sandbox", "--user", "0:0", "--workdir", "/", "--read-only",
        "--network", "none", "--ipc", "private", "--log-driver", "none", "--shm-size", str(shared),
        "--memory", str(limits.memory), "--memory-swap", str(limits.memory), "--pids-limit", str(limits.processes + 2),
        "--ulimit", "nofile=1024:1024", "--ulimit", f"nproc={processes}:{processes}", "--ulimit", f"core={NO_CORE}:{NO_CORE}",
        "--cap-drop", "ALL", *itertools.chain.from_iterable(("--cap-add", name) for name in init.CAPABILITIES),
        "--security-opt", "no-new-privileges", "--security-opt", "label=disable",
        *(["--security-opt", f"seccomp={rootfs.folder / 'seccomp.json'}"] if PROFILE.exists() else []),
        *itertools.chain.from_iterable(_mount(mount, podman) for mount in rootfs.mounts),
        *itertools.chain.from_iterable(("--device", str(path)) for path in gpus.devices() if command.gpus),
    ]


def _podman(rootfs: Rootfs) -> list[str]:
    """Options that only Podman knows."""
    ids = [] if rootfs.owner is None else ["--uidmap", f"0:{rootfs.owner}:{UIDS}", "--gidmap", f"0:{rootfs.owner}:{UIDS}"]
    given = [] if rootfs.socket is None else ["--preserve-fds", "1"]
    return [*ids, *given, "--pidfile", str(rootfs.folder / "pid"), "--read-only-tmpfs=false", "--passwd=false", "--no-hosts",
            "--http-proxy=false", "--security-opt", "mask=/sys:/run"]


def _manager() -> list[str]:
    """Podman's own options: its defaults want control groups of version 2 and systemd."""
    pure = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    runtime = [] if pure else ["--runtime", "runc"]
    manager = [] if pure and Path("/run/systemd/system").is_dir() else ["--cgroup-manager", "cgroupfs"]
    return [*runtime, *manager, "--events-backend", "none"]


def _mount(mount: Mount, podman: bool) -> list[str]:
    if mount.source is None:
        more = ",notmpcopyup" if podman else ""
        return ["--tmpfs", f"{mount.place}:rw,exec,nosuid,nodev,size={mount.size},mode=1777{more}"]
    fields = [f"src={mount.source}", f"dst={mount.place}"]  # in quotes, as in a line of CSV
    quoted = [f'"{field.replace(chr(34), chr(34) * 2)}"' for field in fields]
    return ["--mount", ",".join(["type=bind", *quoted, "bind-nonrecursive=true", *([] if mount.writable else ["readonly"])])]


def _filter(command: Command) -> dict[str, Any]:
    """Podman's filter of system calls, less the calls that no payload needs."""
    profile: dict[str, Any] = json.loads(PROFILE.read_text()) if PROFILE.exists() else {"syscalls": []}
    rules = [rule | {"names": left} for rule in profile["syscalls"]
             if (left := [name for name in rule["names"] if name not in DENIED | {"clone"}])]
    families = [_rule("socket", 0, "SCMP_CMP_EQ", family) for family in _FAMILIES[command.network]]
    if command.network == "loopback":  # routes can be asked for, as some libraries do
        route = _rule("socket", 0, "SCMP_CMP_EQ", 16)
        families.append(route | {"args": [*route["args"], *_rule("socket", 2, "SCMP_CMP_EQ", 0)["args"]]})
    same = _rule("clone", 0, "SCMP_CMP_MASKED_EQ", NEW_NAMESPACES)
    asked = _rule("personality", 0, "SCMP_CMP_EQ", 0xFFFFFFFF)
    return profile | {"syscalls": [*rules, *families, same, asked]}


def _rule(name: str, index: int, operator: str, value: int) -> dict[str, Any]:
    """Allow a system call where one argument is as it says."""
    return {"names": [name], "action": "SCMP_ACT_ALLOW",
            "args": [{"index": index, "value": value, "valueTwo": 0, "op": operator}]}


def _archive(root: Path) -> bytes:
    """A folder as a tar archive without times and owners, so that equal folders give equal archives."""
    equal = ("--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner")
    return subprocess.run(["tar", "-C", root, *equal, "-c", "."], capture_output=True, check=True).stdout
