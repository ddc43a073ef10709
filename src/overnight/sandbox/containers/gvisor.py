"""Sandbox by gVisor: a kernel of its own, in user space, between the payload and this machine's.

Covered: what bubblewrap covers, and besides the payload never calls the machine's kernel, so that a hole there does not help
it: `runsc` answers its system calls, reads its files and has no network.
Not covered: GPUs; side channels; `network = "none"` still lets a payload talk to itself through its own network stack.
"""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from overnight.contracts import Command, Limits
from overnight.errors import Fault
from overnight.sandbox import watch
from overnight.sandbox.containers import init
from overnight.sandbox.containers.process import ContainerProcess, Engine
from overnight.sandbox.containers.rootfs import Mount, Rootfs
from overnight.sandbox.world import TMP


class Gvisor(Engine):
    """Runs commands under `runsc`, as root or as an ordinary user."""

    name, program, title, install = "gvisor", "runsc", "gVisor", "sudo apt-get install -y runsc"
    slot = 0  # runsc hands over the three standard descriptors alone

    def launch(self, command: Command) -> ContainerProcess:
        """Start a command. Raises Fault, OSError."""
        if command.gpus:
            raise Fault("gVisor shows no GPU to what it runs: choose `--sandbox bubblewrap` for this track.")
        return super().launch(command)

    def argv(self, command: Command, rootfs: Rootfs) -> list[str]:
        """`runsc run`, with a bundle in the container's folder."""
        (rootfs.folder / "config.json").write_text(json.dumps(_bundle(command, rootfs)))
        return [*self._options(rootfs), "run", "--bundle", str(rootfs.folder), rootfs.folder.name]

    def _options(self, rootfs: Rootfs) -> list[str]:
        user = [] if os.geteuid() == 0 else ["--rootless"]
        return [self.path, "--root", str(rootfs.folder / "state"), "--platform=ptrace", "--network=none", "--host-fifo=open",
                "--ignore-cgroups", *user]

    def top(self, rootfs: Rootfs, monitor: int) -> int | None:
        """The process `runsc run`: the kernel in user space and its processes for each process inside descend from it."""
        return monitor

    def memory(self, top: int, enough: int) -> int:
        """The size of the file in memory from which gVisor serves all that is inside."""
        return max((_served(pid) for pid in watch.tree(top)), default=0)

    def tasks(self, limits: Limits) -> int:
        """Each process inside is several tasks outside, on top of those of the kernel in user space."""
        return 256 + 8 * limits.processes

    def remove(self, rootfs: Rootfs) -> None:
        """End a container by force."""
        subprocess.run([*self._options(rootfs), "delete", "--force", rootfs.folder.name], stdin=subprocess.DEVNULL,
                       capture_output=True, check=False)


def _bundle(command: Command, rootfs: Rootfs) -> dict[str, Any]:
    """The container as the Open Container Initiative describes one."""
    capabilities = dict.fromkeys(("bounding", "effective", "permitted"), tuple(f"CAP_{name}" for name in init.CAPABILITIES))
    shared = max(TMP, command.limits.memory // 4)
    mounts = [Mount("/dev", size=4096), Mount("/dev/shm", size=shared), Mount("/sys", size=4096), *rootfs.mounts]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0}, "cwd": "/", "noNewPrivileges": True, "capabilities": capabilities,
            "env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "args": ["/bin/bash", "-c", init.script(command, rootfs, Gvisor.slot), rootfs.name],
        },
        "root": {"path": str(rootfs.root), "readonly": True},
        "hostname": "sandbox",
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, *map(_mount, mounts)],
        "linux": {"namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")]},
    }


def _mount(mount: Mount) -> dict[str, Any]:
    if mount.source is None:
        options = [f"size={mount.size}", "mode=0755" if mount.place in ("/dev", "/sys") else "mode=1777"]
        return {"destination": mount.place, "type": "tmpfs", "source": "tmpfs", "options": options}
    return {"destination": mount.place, "type": "bind", "source": str(mount.source),
            "options": ["rbind", "rw" if mount.writable else "ro"]}


def _served(pid: int) -> int:
    """Bytes of a process's file called runsc-memory; 0 where it has none, or may not be read."""
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if "runsc-memory" in str(fd.readlink()):
                    return fd.stat().st_blocks * 512
    return 0
