"""Local slots: a thread a place. Each run is pinned to cores of its own, so that runs disturb each other little.

The threads live as long as the workers do: a sandboxed process dies with the thread that started it.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from overnight.errors import Fault
from overnight.lab.jobs import Job, Result, Trouble
from overnight.workers.cores import MACHINE, Cores, available

CLOSING_SECONDS = {"measure": 10.0, "edit": 1.0, "think": 1.0}  # seconds that closing waits for a place to stop


class Place(threading.Thread):
    """One measure slot, edit slot or think slot.

    job    what it does or is about to do; None while it is free
    cores  those that its run is pinned to
    since  when it got the job, by the monotonic clock
    """

    def __init__(self, kind: str, number: int, work: Callable[[Job, Place], Result],
                 results: queue.SimpleQueue[tuple[Place, Result | BaseException]]) -> None:
        super().__init__(name=f"{kind} {number}", daemon=True)
        self.kind, self.number = kind, number
        self.cores: tuple[int, ...] = ()
        self.job: Job | None = None
        self.since = 0.0
        self.processes: list[Any] = []
        self._work, self._results = work, results
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.start()

    def give(self, job: Job | None) -> None:
        """Begin a job; None ends the thread."""
        self.job, self.since = job, time.monotonic()
        self._jobs.put(job)

    def running(self, process: Any) -> None:
        """The job says which process it waits for, so that it can be ended from outside."""
        self.processes.append(process)

    def run(self) -> None:
        """Carry out jobs until there are no more."""
        while (job := self._jobs.get()) is not None:
            result: Result | BaseException
            try:
                result = self._work(job, self)
            except Fault as fault:
                result = Trouble(job, str(fault), self.name)
            except BaseException as error:  # noqa: BLE001  the edge of the thread: raised again by `next`
                result = error
            self.processes.clear()
            self._results.put((self, result))


class LocalWorkers:
    """Benches, edit slots and think slots on this machine. `work` carries out one job at one place.

    cpus     cores of each run, lent by `machine`. Runs of other nights in this process come before those that are begun later;
             where the measure slots of this one want more cores than there are, those left over run on all of them
    """

    def __init__(self, work: Callable[[Job, Place], Result], measure_slots: int, cpus: int = 1, edit_slots: int = 1,
                 think_slots: int = 0, machine: Cores = MACHINE) -> None:
        self._results: queue.SimpleQueue[tuple[Place, Result | BaseException]] = queue.SimpleQueue()
        self._work, self._machine, self._cpus = work, machine, cpus
        self._crowded, self._closed = measure_slots * cpus > len(machine), False
        self.places = [Place("measure", i + 1, self._pinned, self._results) for i in range(measure_slots)]
        for kind, count in (("edit", edit_slots), ("think", think_slots)):
            self.places += [Place(kind, i + 1, work, self._results) for i in range(count)]

    def _pinned(self, job: Job, place: Place) -> Result:
        """Carry out a run on cores of its own."""
        with self._machine.lent(self._cpus, lambda: self._crowded or self._closed) as place.cores:
            if self._closed:
                raise Fault("the night ended before this run began.")
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(0, place.cores or available())
            return self._work(job, place)

    def idle(self) -> list[str]:
        """The names of the places that are free."""
        return [p.name for p in self.places if p.job is None]

    def start(self, job: Job, place: str) -> None:
        """Begin a job at a free place."""
        next(p for p in self.places if p.name == place and p.job is None).give(job)

    def next(self, timeout: float) -> Result | None:
        """The next result; None when there is none in time. Raises what a job raised, unless it was a Fault."""
        try:
            place, result = self._results.get(timeout=timeout)
        except queue.Empty:
            return None
        place.job = None
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        """Kill what is running and end the threads. One that thinks on is left to end with this process. Does nothing the
        second time."""
        self._closed = True
        self._machine.wake()
        for place in self.places:
            place.give(None)
        since = time.monotonic()
        while any(p.is_alive() and time.monotonic() < since + CLOSING_SECONDS[p.kind] for p in self.places):
            for place in self.places:
                for process in list(place.processes):
                    process.kill()
            for place in self.places:
                place.join(0.05)
