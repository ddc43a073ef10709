"""The loop."""

from __future__ import annotations

import time
from collections.abc import Callable

from overnight.contracts import Journal, Workers
from overnight.events import Event
from overnight.jobs import Job, Result
from overnight.lab import Lab

TICK = 0.25  # seconds after which the view is drawn again even if nothing happened


class Pace:
    """How long the loop itself takes: means over results, in seconds."""

    def __init__(self) -> None:
        self.results, self.deciding, self.writing = 0, 0.0, 0.0

    def means(self) -> tuple[float, float]:
        """(deciding, writing) for one result."""
        count = max(1, self.results)
        return self.deciding / count, self.writing / count


def run(lab: Lab, workers: Workers[Job, Result], journal: Journal[Event], follow: Callable[[Event], None],
        watch: Callable[[list[Event]], None], clock: Callable[[], float] = time.monotonic) -> Pace:
    """Ask, start, wait, tell, record, until the Lab is finished. `follow` acts on what was recorded."""
    pace = Pace()
    while not lab.stopping and not lab.finished(clock()):
        since = time.perf_counter()
        while (idle := workers.idle()) and (job := lab.ask(clock(), idle)):
            workers.start(job)
        pace.deciding += time.perf_counter() - since
        result = workers.next(TICK)
        events = [] if result is None else _tell(lab, result, journal, pace)
        for event in events:
            follow(event)
        watch(events)
    return pace


def _tell(lab: Lab, result: Result, journal: Journal[Event], pace: Pace) -> list[Event]:
    start = time.perf_counter()
    events = lab.tell(result, time.time())
    told = time.perf_counter()
    if events:
        journal.extend(events)
    pace.results += 1
    pace.deciding += told - start
    pace.writing += time.perf_counter() - told
    return events
