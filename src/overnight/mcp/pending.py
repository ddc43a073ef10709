"""A change on its way to its verdict, on a thread of its own: nobody has to stay on the line.

Covered: what breaks off leaves the change in the inbox or the journal, and whoever works next takes it up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from overnight.errors import OvernightError
from overnight.lab.events import Event
from overnight.lab.jobs import Try
from overnight.lab.lab import Lab
from overnight.night import dispatch
from overnight.night.session import opened

GRACE = 5.0  # seconds that a run under way has to die in


class Errand(threading.Thread):
    """Brings a change that was handed in to its verdict: waits for the night at work, or measures here where there is none.

    problem  why there is no verdict, when it is over; "" if there is one
    """

    def __init__(self, folder: Path, wish: Try, sandbox_name: str, workers: int | None) -> None:
        super().__init__(name=f"try {wish.request}", daemon=True)
        self.wish, self.problem = wish, ""
        self._folder, self._sandbox, self._workers = folder, sandbox_name, workers
        self._measures = self._stopping = False

    def run(self) -> None:
        """Go."""
        self.problem = "it broke off inside Overnight, and the change is not lost: the server's own output says more."
        try:
            dispatch.verdict(opened(self._folder), self.wish, self._sandbox, self._workers, self._watch)
            self.problem = ""
        except OvernightError as error:
            self.problem = str(error)

    def _watch(self, lab: Lab, events: Sequence[Event]) -> None:
        self._measures = True
        if self._stopping:
            lab.stop("the server ended")

    def stop(self) -> None:
        """End what it measures here, and return when that is dead; what waits for another's night ends with the process."""
        self._stopping = True
        if self._measures:
            self.join(GRACE)
