"""Sandboxes: where code from a candidate runs. `choose` finds the one that works on this machine."""

from __future__ import annotations

from overnight.contracts import Sandbox
from overnight.errors import SandboxMissing
from overnight.sandbox.bubblewrap import Bubblewrap
from overnight.sandbox.unsandboxed import Unsandboxed

NAMES = ("bubblewrap", "none")


def choose(name: str) -> Sandbox:
    """The sandbox of that name, proven to work here. Raises SandboxMissing; never falls back to a weaker one."""
    if name == "none":
        return Unsandboxed()
    if name != "bubblewrap":
        raise SandboxMissing(f"there is no sandbox called '{name}': choose one of {', '.join(NAMES)}.")
    sandbox = Bubblewrap()
    sandbox.probe()
    return sandbox
