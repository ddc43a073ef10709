"""A change that waits for its verdict, on a thread of its own, so that no client has to stay connected.

Covered: an attempt that breaks off leaves the change in the inbox or the journal, where the next night finds it.
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

GRACE_SECONDS = 5.0  # in which a run under way has to end


class PendingTry(threading.Thread):
    """Brings a submitted change to its verdict: waits for the night at work, or measures here where there is none.

    problem     why there is no verdict, when it is over; "" if there is one
    experiment  the one that has it; 0 until then
    notes       what is to be said beside the verdict
    final       a promising discard with which idle measure slots go on is not waited for alone
    """

    def __init__(self, folder: Path, order: Try, sandbox_name: str, workers: int | None, final: bool = False) -> None:
        super().__init__(name=f"try {order.request}", daemon=True)
        self.order, self.problem, self.experiment, self.final = order, "", 0, final
        self.notes: list[str] = []
        self._folder, self._sandbox, self._workers = folder, sandbox_name, workers
        self._measures = self._stopping = False

    def run(self) -> None:
        """Wait for the verdict, or measure the change; `problem` then says how it ended."""
        self.problem = "it broke off inside Overnight, and the change is not lost: the server's own output says more."
        try:
            self.experiment = dispatch.verdict(opened(self._folder), self.order, self._sandbox, self._workers, self._watch,
                                               self.final).experiment
            self.problem = ""
        except OvernightError as error:
            self.problem = str(error)

    def _watch(self, lab: Lab, events: Sequence[Event]) -> None:
        self._measures = True
        if self._stopping:
            lab.stop("the server ended")

    def stop(self) -> None:
        """Stop measuring here, and return when the run has ended; a wait for another night ends with the process."""
        self._stopping = True
        if self._measures:
            self.join(GRACE_SECONDS)
