"""The traced run of a night: once, at one place, and nothing is measured beside it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from overnight.contracts import Executed, Place
from overnight.errors import Fault
from overnight.night.tracing import Tracing

FOUND = Executed({}, {})


class Slot:
    """A place with one core, which holds nothing back."""

    kind, job, since = "measure", None, 0.0

    def __init__(self, number: int) -> None:
        self.number, self.cores = number, (number,)

    def running(self, process: object) -> None:
        """Nothing is to be ended."""


class Traced:
    """A traced run that ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.ends = threading.Event(), threading.Event()
        self.cores: list[tuple[int, ...]] = []

    def __call__(self, cores: tuple[int, ...], running: Callable[[Any], None]) -> Executed:
        self.cores.append(cores)
        self.begun.set()
        assert self.ends.wait(10)
        return FOUND


def begun(tracing: Tracing, place: Place) -> threading.Thread:
    """A worker that comes to a run."""
    worker = threading.Thread(target=tracing.before_a_run, args=(place,), daemon=True)
    worker.start()
    return worker


def test_runs_at_other_places_wait_until_it_is_over():
    run = Traced()
    tracing = Tracing(run, awaited=True)
    tracing.wanted = True
    first = begun(tracing, Slot(3))
    assert run.begun.wait(10)
    second = begun(tracing, Slot(4))
    second.join(0.2)
    assert second.is_alive()  # nothing is measured yet
    run.ends.set()
    first.join(10)
    second.join(10)
    assert not first.is_alive()
    assert not second.is_alive()
    assert run.cores == [(3,)]
    assert tracing.executed() is FOUND


def test_nothing_waits_where_no_researcher_wants_it():
    run = Traced()
    Tracing(run, awaited=False).before_a_run(Slot(3))
    assert run.cores == []


@pytest.mark.parametrize("error", [Fault("no machine"), ValueError("a defect")])
def test_one_that_fails_lets_the_others_go_on(error):
    def fails(cores: tuple[int, ...], running: Callable[[Any], None]) -> Executed:
        raise error

    tracing = Tracing(fails, awaited=True)
    tracing.wanted = True
    if isinstance(error, Fault):
        tracing.before_a_run(Slot(3))
    else:
        with pytest.raises(ValueError, match="a defect"):
            tracing.before_a_run(Slot(3))
    tracing.before_a_run(Slot(4))
    assert tracing.executed() is None
