"""A sandbox in which every Python starts warm, so that what must hold of a sandbox can be tried on warm starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from overnight.contracts import Accounting, Command, Limits, Process, Warm

MODULES = ("json", "socket")
ISOLATING = ("-S", "-E", "-I")  # options of Python that no warm start has


class AlwaysWarm:
    """Another sandbox, which must have `prepare` and `cool`, with all commands that start Python made warm. `used`: how many
    they were."""

    def __init__(self, sandbox: Any) -> None:
        self._sandbox, self.used = sandbox, 0
        self.name, self.identity, self.findings = sandbox.name, sandbox.identity, sandbox.findings
        self._warm = set[Warm]()

    @property
    def accounting(self) -> Accounting:
        """That of the other."""
        accounting: Accounting = self._sandbox.accounting
        return accounting

    def start(self, command: Command) -> Process:
        """Start a command, warm where it starts Python."""
        process: Process = self._sandbox.start(self._warmed(command))
        return process

    def prepare(self, command: Command) -> Any:
        """Set a command up, warm where it starts Python."""
        return self._sandbox.prepare(self._warmed(command))

    def cool(self, those: Iterable[Warm] = ()) -> None:
        """End all that this has kept warm."""
        self._sandbox.cool({*self._warm, *those})
        self._warm.clear()

    def _warmed(self, command: Command) -> Command:
        python, *words = command.argv
        if command.warm is not None or not Path(python).name.startswith("python"):
            return command
        while words[0] in ISOLATING:
            words.pop(0)
        shown = (path.parent for path in (command.inputs, command.secret) if path is not None)
        most = Limits(memory=2 << 30, disk=1 << 30, processes=512)
        warm = Warm(MODULES, tuple(dict.fromkeys(shown)), most)
        self._warm.add(warm)
        self.used += 1
        return replace(command, argv=(python, *words), warm=warm)
