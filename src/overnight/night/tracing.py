"""The one run of a night that is traced, so that researchers turn only what runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from overnight.contracts import Executed, Place
from overnight.errors import Fault

MOST_SECONDS = 120.0  # of the traced run, and that a researcher waits for it


class Tracing:
    """Traces the commit that a night began with, at the place and before the first of its runs. Runs that come to other places
    meanwhile wait until it is over, so that it runs beside nothing that is measured; only where it is wanted first in the midst
    of a night do runs that began earlier go on beside it. `trace` runs it on a place's cores, and is told what gets hold of the
    process. `awaited`: such a run comes before anything is worth proposing."""

    def __init__(self, trace: Callable[[tuple[int, ...], Callable[[Any], None]], Executed | None], awaited: bool) -> None:
        self.wanted = False  # whether a researcher of the team asks for it
        self._trace, self._awaited = trace, awaited
        self._lock, self._begun, self._over = threading.Lock(), False, threading.Event()
        self._found: Executed | None = None

    def before_a_run(self, place: Place) -> None:
        """Trace, if that is wanted and was not done yet, or wait for the end of that."""
        with self._lock:
            begins = self.wanted and not self._begun
            self._begun = self._begun or begins
        if begins:
            try:
                with suppress(Fault):  # the runs that are measured say what is wrong with the machine
                    self._found = self._trace(place.cores, place.running)
            finally:
                self._over.set()
        elif self._begun:
            self._over.wait()

    def executed(self) -> Executed | None:
        """What ran; None where it is not known, or not known yet and not about to be."""
        if self._begun or self._awaited:
            self._over.wait(MOST_SECONDS)
        return self._found

    def close(self) -> None:
        """End the waiting for it."""
        self._over.set()
