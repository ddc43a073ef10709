"""What a track has used: runs, time, and what the harness took of it. Pure; told by the Lab what is recorded."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from overnight.events import Measured, Started, Stopped


@dataclass(slots=True)
class Tally:
    """Sums over all sessions of a track. `last` is the time of the newest record."""

    runs: int = 0
    busy: float = 0.0
    sandboxes: set[str] = field(default_factory=set)
    accounting: set[str] = field(default_factory=set)
    parts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    last: float = 0.0
    _seconds: float = 0.0
    _capacity: float = 0.0
    _since: float = 0.0
    _workers: int = 0

    @property
    def seconds(self) -> float:
        """How long the track was at work; a session that was killed lasted until its last record."""
        return self._seconds + self._under_way()

    @property
    def capacity(self) -> float:
        """Seconds that its benches had for runs."""
        return self._capacity + self._under_way() * self._workers

    def _under_way(self) -> float:
        return max(0.0, self.last - self._since) if self._workers else 0.0

    def started(self, event: Started) -> None:
        """A session begins; one that was killed ended with its last record."""
        if self._workers:
            self.stopped(Stopped(self.last, self._under_way()))
        self._since, self._workers = event.at, event.workers
        self.sandboxes.add(event.sandbox)

    def stopped(self, event: Stopped) -> None:
        """A session ended."""
        self._seconds += event.seconds
        self._capacity += event.seconds * self._workers
        self._workers = 0
        for part, seconds in (("decision", event.deciding), ("journal", event.writing)):
            if seconds:
                self.parts[part].append(seconds)

    def measured(self, event: Measured) -> None:
        """A run ended."""
        self.runs += 2 if event.beside else 1
        self.busy += event.busy
        self.accounting.add(event.accounting)
        for part, seconds in event.overhead.items():
            self.parts[part].append(seconds)
