"""The file that says what a night is doing now: its process writes it, whatever shows the night reads it.

Covered: it is a whole file or none, small, in the state folder that its user alone can read; nothing that goes wrong with it,
like a full disk, is an error of the night; what a killed night left is not read, for its process does not hold the track.
Not covered: it is no record, and may lag by a quarter of a second.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from overnight.lab.lab import Lab
from overnight.views import jobs
from overnight.views.jobs import BudgetView, NowView

FILE = "now.json"  # in the state folder
LEAST_SECONDS = 0.25  # between two versions of the file


class Now:
    """The file of one session, which begins now."""

    def __init__(self, home: Path, lab: Lab, clock: Callable[[], float] = time.monotonic,
                 wall: Callable[[], float] = time.time) -> None:
        self.path, self.lab, self._clock, self._wall = home / FILE, lab, clock, wall
        self._started, self._written = wall(), -LEAST_SECONDS
        self._began: dict[int, float] = {}
        self._until: tuple[float | None, float | None] = (None, None)  # on the night's clock, and on the wall
        self._last = b""

    def tell(self) -> None:
        """Write what has changed; at most a few times a second, the rest at a later call."""
        since = self._clock()
        tickets = {job.ticket for job in self.lab.flight.jobs}
        self._began = {ticket: self._began.get(ticket) or round(self._wall(), 2) for ticket in tickets}
        if since - self._written < LEAST_SECONDS:
            return
        content = jobs.encode(jobs.now(self.lab, os.getpid(), self._began, self._budget(since)))
        if content != self._last:
            self._last, self._written = content, since
            with suppress(OSError):
                _replace(self.path, content)

    def end(self) -> None:
        """The session is over: there is nothing to say."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def _budget(self, now: float) -> BudgetView:
        budget, flight, used = self.lab.flight.budget, self.lab.flight, self.lab.state.usage.session
        if self._until[0] != budget.until:  # once: the two clocks drift apart
            self._until = budget.until, None if budget.until is None else round(self._wall() + budget.until - now, 1)
        return BudgetView(
            round(self._started, 1), self._until[1],
            None if budget.experiments is None else max(0, budget.experiments - flight.proposed),
            None if budget.tokens is None else max(0, budget.tokens - used.tokens),
            None if budget.dollars is None else round(max(0.0, budget.dollars - used.dollars), 6),
            used.tokens, round(used.dollars, 6))


def read(home: Path) -> NowView | None:
    """What the night that holds the track is doing; None where none does, or it has said nothing yet."""
    try:
        found = jobs.decode(_content(home / FILE))
        holder = (home / "lock").read_bytes()[:32].strip()
    except OSError:
        return None
    return found if found is not None and holder == str(found.process).encode() and _alive(found.process) else None


def _alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists() or not Path("/proc/self").exists()


def _content(path: Path) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        return file.read(jobs.MOST_BYTES + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else b""


def _replace(path: Path, content: bytes) -> None:
    """Put a file where there was another or none, whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(fd, "wb") as file:
        file.write(content)
    new.replace(path)
