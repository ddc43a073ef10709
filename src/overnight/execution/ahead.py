"""A scorer and its oracle that are set up in a thread of their own while the run that they will judge runs.

Covered: they wait, whatever becomes of the run, and nothing of them stays when they are not wanted. Their sandboxes live no
longer than the thread that set them up, which ends with `close`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from overnight.contracts import Ended
from overnight.errors import Fault
from overnight.execution.oracle import Judging


class Ahead:
    """One judging, which `make` sets up: when it is begun, or else when it is run. `running` is told of it."""

    def __init__(self, make: Callable[[], Judging], running: Callable[[Any], None]) -> None:
        self._make, self._running = make, running
        self._beside = ThreadPoolExecutor(1)
        self._made: Future[Judging] | None = None

    def begin(self) -> None:
        """Set it up, while something else goes on."""
        self._made = self._beside.submit(self._make)

    def run(self) -> tuple[Ended, Ended | None]:
        """Have them judge. Raises Fault."""
        made, self._made = self._made, None
        judging = self._make() if made is None else made.result()
        self._running(judging)
        return judging.run(self._running)

    def close(self) -> None:
        """Leave nothing behind."""
        with suppress(Fault):  # it could not be set up, and was not wanted
            if self._made is not None:
                self._made.result().discard()
        self._beside.shutdown()
