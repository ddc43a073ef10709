"""The one run of a night that is traced, so that researchers turn only what runs."""

from __future__ import annotations

import threading
from contextlib import suppress

from overnight.contracts import Executed, Place
from overnight.errors import Fault
from overnight.execution.runner import Runner

MOST_SECONDS = 120.0  # of the traced run, and that a researcher waits for it


class Tracing:
    """Traces the commit that a night began with, at the place and before the first of its runs, so that it runs beside nothing
    that is measured. `awaited`: such a run comes before anything is worth proposing."""

    def __init__(self, runner: Runner, awaited: bool) -> None:
        self.wanted = False  # whether a researcher of the team asks for it
        self._runner, self._awaited = runner, awaited
        self._lock, self._begun, self._over = threading.Lock(), False, threading.Event()
        self._found: Executed | None = None

    def before_a_run(self, place: Place) -> None:
        """Trace, if that is wanted and was not done yet. A program that answers a scorer's questions is not traced: what runs
        only for that would look as if it did not run."""
        with self._lock:
            begins = self.wanted and not self._begun
            self._begun = self._begun or begins
        if begins:
            with suppress(Fault):  # the runs that are measured say what is wrong with the machine
                if self._runner.track.oracle is None:
                    self._found = self._runner.trace(self._runner.contract, MOST_SECONDS, place.running)
            self._over.set()

    def executed(self) -> Executed | None:
        """What ran; None where it is not known, or not known yet and not about to be."""
        if self._begun or self._awaited:
            self._over.wait(MOST_SECONDS)
        return self._found

    def close(self) -> None:
        """End the waiting for it."""
        self._over.set()
