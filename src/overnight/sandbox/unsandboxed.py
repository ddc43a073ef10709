"""No sandbox: only by name (`--sandbox none`), for code that its user trusts. Every result is marked `unsandboxed`.

Covered: an empty environment, a private copy of the tree, wall time, output, artefacts as data, the process group dies
with the run. Not covered: everything else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from overnight.contracts import Accounting, Command, Ended
from overnight.errors import Fault
from overnight.sandbox import watch, world
from overnight.sandbox.supervised import Supervised
from overnight.sandbox.warm.cold import launched


class Unsandboxed:
    """Runs commands as plain processes of the user."""

    name = identity = "none"
    findings: dict[str, str] = {}
    accounting: Accounting = "estimate"

    def start(self, command: Command) -> PlainProcess:
        """Start a command. Raises Fault."""
        try:
            return PlainProcess(launched(command))
        except OSError as error:
            raise Fault(f"the command could not be started: {error}.") from error


def _bounds(command: Command) -> list[str]:
    """A command prefix of util-linux that sets some limits, where it is installed."""
    prefix = []
    if found := shutil.which("setpriv"):
        prefix += [found, "--pdeathsig", "KILL"]
    if found := shutil.which("prlimit"):
        prefix += [found, *watch.bounds(data=command.limits.memory, fsize=command.limits.disk, core=world.NO_CORE)]
    return prefix


class PlainProcess(Supervised):
    """One command as a plain process group."""

    def __init__(self, command: Command) -> None:
        super().__init__(command)
        self._reaped = False
        beside = command.harvest or command.inputs
        self._folder = Path(tempfile.mkdtemp(prefix="overnight-", dir=beside.parent if beside else None))
        shutil.copytree(command.tree, self._folder / "work", symlinks=True)
        (self._folder / "out").mkdir()
        places = (self._folder, self._folder / "out", command.inputs, command.secret, self._folder / "work")
        given = world.environment(command, *map(str, places))
        began = time.monotonic()
        self._process = subprocess.Popen(
            [*_bounds(command), *world.words(command, given)], cwd=self._folder / "work" / command.cwd, env=given,
            start_new_session=True, pass_fds=command.fds, stdin=subprocess.DEVNULL if command.stdin is None else command.stdin,
            stdout=subprocess.PIPE if command.stdout is None else command.stdout, stderr=subprocess.PIPE)
        self._begun(self._process.pid)
        self._started = began  # it runs already
        self._drain = watch.Drain(self._process.stdout, self._process.stderr, command.limits.output, self._end, command.heard,
                                  command.announces, self._announced)

    def _slay(self) -> None:
        if not self._reaped:  # as long as the number of the group is its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _used(self) -> tuple[float, int]:
        return watch.cpu_of(self._process.pid), watch.memory_of(self._process.pid, self._limits.memory)

    def wait(self) -> Ended:
        """Block until the process has ended, then end what it left behind and take its artefacts."""
        fd = os.pidfd_open(self._process.pid)
        while not watch.dead(fd, self._patience()):
            self._look()
        self._over()
        os.close(fd)
        self._end("")  # before it is reaped, and its number is reused
        with self._ending:
            self._reaped = True
        status, usage = os.wait4(self._process.pid, 0)[1:]
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self._cpu = max(self._cpu, usage.ru_utime + usage.ru_stime)
        self._peak = self._peak or usage.ru_maxrss << 10
        self._take()
        return self._ended(self._process.returncode)

    def _take(self) -> None:
        if self._command.harvest is not None:
            out = os.open(self._folder / "out", os.O_RDONLY | os.O_DIRECTORY)
            try:
                watch.harvest(out, self._command.harvest, self._command.limits.disk)
            finally:
                os.close(out)
        shutil.rmtree(self._folder, ignore_errors=True)
