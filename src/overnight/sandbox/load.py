"""How much other work there was on the cores of a command while it ran, read from /proc.

Covered: what every process got of these cores and what a virtual machine's host took from them; for how long the command's own
threads were ready to run and had no core; whether the machine slept. Each can be missing: in a container that hides it, on
another system than Linux.
Not covered: what slows a command that has its core for itself (memory, caches, a sibling thread of the core, heat).
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from overnight.contracts import Load
from overnight.sandbox import watch

PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
SELDOM = 50  # times as long as a look took, until the next: one at a large tree must not be a load by itself
WORK, STOLEN = (1, 2, 3, 6, 7), 8  # fields of a core in /proc/stat: user, nice, system, irq, softirq; steal


class Meter:
    """What a command found on its cores, from the making of this object on. `top` is the process from which all others of the
    command descend; its cores are the command's. Where it is None, because it is not known, they are those of this thread.
    `proc` is a folder like /proc."""

    def __init__(self, top: int | None, proc: Path = PROC, cores: frozenset[int] | None = None) -> None:
        self.top, self._proc = top, proc
        self._cores = _cores(top) if cores is None else cores
        self._before, self._asleep = self._read(), _asleep()
        self._first = self._waiting()  # of the sandbox's own setup
        self._waits: dict[int, int] = {}  # thread -> nanoseconds
        self._began = self._looked = self._due = time.monotonic()

    def look(self) -> None:
        """Note how long the threads have waited up to now, unless that was done just before; what one that ends before the next
        look waits after it is lost."""
        began = time.monotonic()
        if self.top is None or self._before is None or began < self._due:
            return
        self._waits |= {thread: waited - self._first.get(thread, 0) for thread, waited in self._waiting().items()}
        self._looked = time.monotonic()
        self._due = self._looked + SELDOM * (self._looked - began)

    def _waiting(self) -> dict[int, int]:
        return {} if self.top is None else dict(watch.waits(self.top, self._proc))

    def load(self) -> Load | None:
        """What was found up to now; None where nothing can be read."""
        before, after = self._before, self._read()
        if before is None or after is None:
            return None
        lasted, seen = time.monotonic() - self._began, self._looked - self._began
        waited = sum(self._waits.values()) / 1e9 * lasted / seen if self._waits and seen > 0 else None
        return Load(len(self._cores), max(0.0, after[0] - before[0]), max(0.0, after[1] - before[1]),
                    waited)

    def slept(self) -> float:
        """Seconds that the machine slept since then; 0 where that cannot be told."""
        return max(0.0, _asleep() - self._asleep)

    def _read(self) -> tuple[float, float] | None:
        """Seconds that the cores have worked, and those that were stolen, since the machine was started."""
        lines = []
        with suppress(OSError):
            lines = [line.split() for line in watch.text(f"{self._proc}/stat").splitlines() if line.startswith("cpu")]
        cores = [list(map(int, words[1:])) for words in lines if words[0][3:].isdigit() and int(words[0][3:]) in self._cores]
        if not cores or any(len(core) < STOLEN for core in cores):
            return None
        worked = sum(core[field - 1] for core in cores for field in WORK)
        return worked / _TICKS, sum(core[STOLEN - 1] for core in cores) / _TICKS


def _cores(top: int | None) -> frozenset[int]:
    """The cores that a process may use, or this thread where there is none."""
    if not hasattr(os, "sched_getaffinity"):
        return frozenset()
    with suppress(OSError):  # it is gone already
        return frozenset(os.sched_getaffinity(top or 0))
    return frozenset(os.sched_getaffinity(0))


def _asleep() -> float:
    """Seconds that the machine has slept since it was started: one of the two clocks goes on meanwhile."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)
