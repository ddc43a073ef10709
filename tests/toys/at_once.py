"""Workers without a thread: `start` returns when the job is done."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from overnight.contracts import Place, Process
from overnight.errors import Fault
from overnight.lab.jobs import Job, Result, Trouble
from overnight.workers.cores import MACHINE, Cores


@dataclass
class Here:
    """A place in the calling thread. Its run is not pinned."""

    kind: str
    number: int
    cores: tuple[int, ...] = ()
    job: Job | None = None
    since: float = 0.0

    def running(self, process: Process) -> None:
        """Nobody could end it: the thread that would waits for it."""


class AtOnce:
    """Each job is carried out where it is started."""

    def __init__(self, work: Callable[[Job, Place], Result], measure_slots: int, cpus: int = 1, edit_slots: int = 1, think_slots: int = 0,
                 machine: Cores = MACHINE) -> None:
        counts = {"measure": measure_slots, "edit": edit_slots, "think": think_slots}
        self.places = [Here(kind, number + 1) for kind, count in counts.items() for number in range(count)]
        self._work, self._done = work, deque[tuple[Here, Result | Exception]]()

    def idle(self) -> list[str]:
        """The names of the places whose result was fetched."""
        return [f"{place.kind} {place.number}" for place in self.places if place.job is None]

    def start(self, job: Job, place: str) -> None:
        """Carry out a job."""
        here = self.places[[f"{each.kind} {each.number}" for each in self.places].index(place)]
        here.job, here.since = job, time.monotonic()
        try:
            self._done.append((here, self._work(job, here)))
        except Fault as fault:
            self._done.append((here, Trouble(job, str(fault), place)))
        except Exception as error:  # noqa: BLE001  raised again by `next`
            self._done.append((here, error))

    def next(self, timeout: float) -> Result | None:
        """The oldest result; without one, None after the time in which there might have been one elsewhere."""
        if not self._done:
            time.sleep(timeout)
            return None
        here, result = self._done.popleft()
        here.job = None
        if isinstance(result, Exception):
            raise result
        return result

    def close(self) -> None:
        """Nothing is under way."""
