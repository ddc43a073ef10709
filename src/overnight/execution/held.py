"""Commands that are set up before they begin, so that their sandboxes cost no time when they are wanted.

Covered: a sandbox that cannot hold a command starts it when it would be released. What is given to a command (descriptors) must
stay open until then.
"""

from __future__ import annotations

from overnight.contracts import Command, Held, Prepares, Process, Sandbox
from overnight.errors import Fault


def prepared(sandbox: Sandbox, command: Command) -> Held:
    """A command that waits to be released. The calling thread must outlive it. Raises Fault."""
    return sandbox.prepare(command) if isinstance(sandbox, Prepares) else Later(sandbox, command)


class Later:
    """A command that starts when it is released."""

    def __init__(self, sandbox: Sandbox, command: Command) -> None:
        self._sandbox, self._command = sandbox, command
        self._process: Process | None = None
        self._over = False

    def release(self) -> Process:
        """Start it. Raises Fault."""
        if self._over:
            raise Fault("a command was stopped from outside before it began.")
        self._process = self._sandbox.start(self._command)
        return self._process

    def kill(self) -> None:
        """End it, or see to it that it does not start."""
        self._over = True
        if self._process is not None:
            self._process.kill()

    def discard(self) -> None:
        """See to it that it does not start."""
        self._over = True
