"""The loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from overnight.contracts import Journal, Workers
from overnight.errors import Declined
from overnight.lab.events import Event
from overnight.lab.jobs import Job, Letter, Result
from overnight.lab.lab import Lab

TICK = 0.25  # seconds after which the view is drawn again even if nothing happened


class LoopTimes:
    """How long the loop itself takes: means over results, in seconds."""

    def __init__(self) -> None:
        self.results, self.deciding, self.writing = 0, 0.0, 0.0

    def means(self) -> tuple[float, float]:
        """(deciding, writing) for one result."""
        count = max(1, self.results)
        return self.deciding / count, self.writing / count


def run(lab: Lab, workers: Workers[Job, Result], journal: Journal[Event], follow: Callable[[Event], None],
        watch: Callable[[list[Event]], None], letters: Callable[[], Iterable[Letter]] = tuple,
        clock: Callable[[], float] = time.monotonic, keep: Callable[[Result], None] = lambda result: None) -> LoopTimes:
    """Ask, start, wait, tell, hear, record, until the Lab is finished. `follow` acts on what was recorded; `letters` is what
    came in meanwhile; `keep` takes from a result that was accepted what the record does not hold.

    A worker that is free gets its next job before anything is acted on or drawn: what is recorded is durable by then, and
    git takes milliseconds for each event."""
    pace, told = LoopTimes(), list[Event]()
    while True:
        told += [event for letter in letters() for event in _record(partial(lab.hear, letter), journal, pace)]
        over = lab.flight.stopping or lab.finished(clock())
        if not over:
            _start(lab, workers, pace, clock)
        for event in told:
            follow(event)
        watch(told)
        if over:
            return pace
        told = []
        if (result := workers.next(TICK)) is not None:
            pace.results += 1
            with suppress(Declined):  # told before, or too late: nothing was changed
                told = _record(partial(_take_result, lab, result, keep), journal, pace)


def _start(lab: Lab, workers: Workers[Job, Result], pace: LoopTimes, clock: Callable[[], float]) -> None:
    """Give jobs to the places that are free, as long as there are any for them."""
    since = time.perf_counter()
    while job := lab.ask(clock(), [kind(place) for place in _free(lab, workers)]):
        workers.start(job, next(place for place in _free(lab, workers) if kind(place) == job.place))
    pace.deciding += time.perf_counter() - since


def _free(lab: Lab, workers: Workers[Job, Result]) -> list[str]:
    """The names of the places that may get a job now."""
    return [place for place in workers.idle() if place not in lab.flight.set_aside]


def kind(place: str) -> str:
    """The kind of a place by its name: "measure" of "measure 2"."""
    return place.partition(" ")[0]


def _take_result(lab: Lab, result: Result, keep: Callable[[Result], None], at: float) -> list[Event]:
    """What follows from a result; what it brings besides is kept before that is recorded. Raises Declined."""
    events = lab.tell(result, at)
    keep(result)
    return events


def _record(take: Callable[[float], list[Event]], journal: Journal[Event], pace: LoopTimes) -> list[Event]:
    """Let the Lab take something, and make durable what follows."""
    start = time.perf_counter()
    events = take(time.time())
    decided = time.perf_counter()
    if events:
        journal.extend(events)
    pace.deciding += decided - start
    pace.writing += time.perf_counter() - decided
    return events
