"""Sandboxes: where code from a candidate runs. `choose` gives the one that is named, if it works and holds on this machine.

Covered: no sandbox is used that did not pass its self-test here, and none is put in another's place.
Not covered: what each of them covers, which its own module says.
"""

from __future__ import annotations

import os

from overnight.contracts import Sandbox
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import gpus, selftest
from overnight.sandbox.backend import Backend
from overnight.sandbox.bubblewrap import Bubblewrap
from overnight.sandbox.containers.engines import Containers
from overnight.sandbox.containers.gvisor import Gvisor
from overnight.sandbox.kernel import cgroups
from overnight.sandbox.unsandboxed import Unsandboxed

NAMES = ("bubblewrap", "podman", "docker", "gvisor", "none")


def choose(name: str, needs_gpus: bool = False) -> Sandbox:
    """The sandbox of that name, proven to work and to hold here. Raises SandboxMissing; never falls back to a weaker one."""
    if name not in NAMES:
        raise SandboxMissing(f"there is no sandbox called '{name}': choose one of {', '.join(NAMES)}.")
    if needs_gpus and not gpus.devices():
        raise SandboxMissing("[run] gpus asks for a GPU and this machine shows none (/dev/nvidia*, /dev/kfd): load its driver, "
                             "or leave the key out.")
    if name == "none":
        return Unsandboxed()
    if os.uname().sysname != "Linux":
        raise SandboxMissing("there is no sandbox for this system yet: run Overnight on Linux (a virtual machine or a "
                             "container will do), or choose `--sandbox none` for code that you trust.")
    made: dict[str, type[Backend]] = {"bubblewrap": Bubblewrap, "gvisor": Gvisor}
    sandbox = made[name]() if name in made else Containers(name)
    sandbox.probe()
    try:
        sandbox.findings = selftest.examine(sandbox, selftest.INNER if isinstance(sandbox, Gvisor) else frozenset())
    except Fault as fault:
        raise SandboxMissing(f"{fault} Choose another sandbox with --sandbox.") from fault
    sandbox.identity = f"{sandbox.name} {selftest.fingerprint(sandbox.findings)}"
    return sandbox


def advice(sandbox: Sandbox) -> str:
    """How to get exact limits and accounts on this machine; "" where they are exact, or cannot be."""
    return cgroups.advice() if isinstance(sandbox, Backend) and not sandbox.counts else ""
