"""Sandboxes: where code from a candidate runs. `choose` finds the one that works on this machine."""

from __future__ import annotations

from overnight.contracts import Sandbox
from overnight.errors import Fault, SandboxMissing
from overnight.sandbox import cgroups, gpus, selftest
from overnight.sandbox.bubblewrap import Bubblewrap
from overnight.sandbox.unsandboxed import Unsandboxed

NAMES = ("bubblewrap", "none")


def choose(name: str, needs_gpus: bool = False) -> Sandbox:
    """The sandbox of that name, proven to work and to hold here. Raises SandboxMissing; never falls back to a weaker one."""
    if needs_gpus and not gpus.devices():
        raise SandboxMissing("[run] gpus asks for a GPU and this machine shows none (/dev/nvidia*, /dev/kfd): load its driver, "
                             "or leave the key out.")
    if name == "none":
        return Unsandboxed()
    if name != "bubblewrap":
        raise SandboxMissing(f"there is no sandbox called '{name}': choose one of {', '.join(NAMES)}.")
    sandbox = Bubblewrap()
    sandbox.probe()
    try:
        sandbox.findings = selftest.examine(sandbox)
    except Fault as fault:
        raise SandboxMissing(f"{fault} Choose another sandbox with --sandbox.") from fault
    sandbox.identity = f"{sandbox.name} {selftest.fingerprint(sandbox.findings)}"
    return sandbox


def advice(sandbox: Sandbox) -> str:
    """How to get exact limits and accounts on this machine; "" where they are exact, or cannot be."""
    return cgroups.advice() if isinstance(sandbox, Bubblewrap) and not sandbox.counts else ""
