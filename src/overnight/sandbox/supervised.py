"""A command under way, in whatever sandbox: its clock, its limits on time and memory, its end, and what it took.

Covered: the first limit that was passed is the one that is told; where a control group holds everything inside, the kernel's
account replaces what polling saw.
Not covered: how a process is started and killed, which is the backend's.
"""

from __future__ import annotations

import threading
import time

from msgspec.structs import replace

from overnight.contracts import Command, Ended, Load
from overnight.errors import TrackError
from overnight.sandbox import watch
from overnight.sandbox.kernel.group import Group
from overnight.sandbox.load import Meter

FILE = "track.toml"
FAILED = "failed: "  # how the announcement of a payload begins that cannot be started
POLL = 0.1  # seconds between two looks at what is used


class Supervised:
    """One command under way. A backend's own class starts it, says in `_slay` how to kill it and in `_used` what it uses, and
    calls `_look` at least every POLL seconds."""

    _drain: watch.Drain
    _meter: Meter
    _load: Load | None

    def __init__(self, command: Command) -> None:
        self._command, self._limits = command, command.limits
        self._killed = ""  # the limit that was passed first
        self._ending = threading.Lock()
        self._group: Group | None = None
        self._cpu, self._peak = 0.0, 0
        self._clock = time.monotonic()  # when its setup began; in the end, when it was over
        self._startup, self._cpu_before, self._refused = 0.0, 0.0, ""

    def _begun(self, top: int | None, setup: float | None = None) -> None:
        """Note that the payload begins now; all its processes descend from `top`, where that is known. `setup`: seconds that
        its setup took, where it was held in between."""
        self._meter, self._load, self._slept = Meter(top), None, 0.0
        self._started = time.monotonic()
        self._setup_seconds = self._started - self._clock if setup is None else setup

    def _announced(self, said: bytes) -> None:
        """Note that the payload's own work begins, and what its start-up took; or why it does not."""
        text = said.decode(errors="replace")
        if text.startswith(FAILED):
            self._refused = text.removeprefix(FAILED)
            return
        cpu, then = map(float, text.split())  # when it was said: a busy thread may hear it late
        now = then if self._started <= then <= time.monotonic() else time.monotonic()  # a kernel of its own has another clock
        self._startup, self._started = now - self._started, now
        self._cpu_before += cpu
        self._meter = Meter(self._meter.top)

    def kill(self) -> None:
        """End the whole tree now; nothing happens when it is dead."""
        self._end("stopped")

    def _end(self, reason: str) -> None:
        with self._ending:
            self._killed = self._killed or reason
            self._slay()

    def _slay(self) -> None:
        """Kill everything; called with the lock held, at any time."""
        raise NotImplementedError

    def _used(self) -> tuple[float, int]:
        """CPU seconds and bytes of memory, as far as they can be seen from outside."""
        raise NotImplementedError

    def _patience(self) -> float:
        """Seconds until the next look is due."""
        return min(POLL, max(0.0, self._started + self._limits.wall - time.monotonic()))

    def _look(self) -> None:
        """Note what is used, where no group counts it, and end what is past its limits."""
        self._meter.look()
        if self._group is None:
            cpu, memory = self._used()
            self._cpu, self._peak = max(self._cpu, cpu), max(self._peak, memory)
            full = memory > self._limits.memory
        else:
            full = self._group.out_of_memory()
        if time.monotonic() >= self._started + self._limits.wall:
            self._end("time")
        elif full:
            self._end("memory")

    def _over(self) -> None:
        """Note that the payload is over now."""
        self._clock, self._load, self._slept = time.monotonic(), self._meter.load(), self._meter.slept()

    def _count(self) -> None:
        """Read the kernel's account, when everything is dead. What it killed for memory is never a success. Raises Fault."""
        if self._group is not None:
            usage = self._group.usage()
            self._cpu, self._peak = usage.cpu, usage.peak_memory
            if self._load is not None and usage.waited is not None:
                self._load = replace(self._load, waited=usage.waited)
            self._killed = self._killed or ("memory" if usage.killed else "")

    def _ended(self, code: int) -> Ended:
        """How it ended, once its artefacts are taken. Raises TrackError where what it was to find imported cannot be."""
        stdout, stderr = self._drain.result()
        if self._refused:
            raise TrackError(f"`preload` in {FILE}: {self._refused}.")
        return Ended(code=code, killed=watch.reason(self._killed, code), wall=self._clock - self._started,
                     cpu=max(0.0, self._cpu - self._cpu_before), peak_memory=self._peak,
                     setup=self._setup_seconds + time.monotonic() - self._clock,
                     stdout=stdout, stderr=stderr, accounting="estimate" if self._group is None else "exact",
                     load=self._load, slept=self._slept, startup=self._startup)
