"""What a track has used: runs, time, and what the harness took of it. Pure; told by the Lab what is recorded."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from overnight.contracts import Call
from overnight.lab.events import Measured, Ran, Started, Stopped

APART = ("decision", "journal")  # parts of the harness that no run waits for
MOST_TIMES_PER_PART = 1000  # times of each part of the harness that are remembered


class Use(Struct):
    """What calls to language models came to. `unpriced` counts those whose price is not known."""

    calls: int = 0
    failed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    dollars: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """In and out."""
        return self.tokens_in + self.tokens_out

    def add(self, call: Call) -> None:
        """One more."""
        self.calls += 1
        self.failed += call.outcome != "ok"
        self.tokens_in += call.tokens_in
        self.tokens_out += call.tokens_out
        self.dollars += call.dollars or 0.0
        self.unpriced += call.dollars is None and call.outcome == "ok"


class Usage(Struct):
    """Sums over all sessions of a track. `last` is the time of the newest record; `used` is what each role's calls to models
    came to, `session` what all did since the session began, or the killed one that it goes on with, `asked` those for one
    proposal, by its brief's seed; `explored` of the runs were made to learn from, and claim nothing; `spent` is what runs
    took by what it was for, summed over the `told` ones of which that is known."""

    runs: int = 0
    busy: float = 0.0
    sandboxes: set[str] = set()
    accounting: set[str] = set()
    parts: dict[str, list[float]] = {}
    last: float = 0.0
    used: dict[str, Use] = {}
    session: Use = msgspec.field(default_factory=Use)
    asked: dict[int, Use] = {}
    explored: int = 0
    spent: dict[str, float] = {}
    told: int = 0
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
        """Seconds that its measure slots had for runs."""
        return self._capacity + self._under_way() * self._workers

    @property
    def dollars(self) -> float:
        """What calls to models cost, those of a known price."""
        return sum(use.dollars for use in self.used.values())

    @property
    def each(self) -> float:
        """Seconds that a run takes of a measure slot on average, with what the harness takes of it."""
        if not self.runs:
            return 0.0
        return self.busy / self.runs + sum(sum(spent) / len(spent) for part, spent in self.parts.items() if part not in APART)

    @property
    def divided(self) -> dict[str, float]:
        """Seconds of one run on average, by what they were for; {} where no record says."""
        return {what: seconds / self.told for what, seconds in self.spent.items()}

    def _under_way(self) -> float:
        return max(0.0, self.last - self._since) if self._workers else 0.0

    @property
    def carried(self) -> Use:
        """What a session that was killed had used of its budget: the next one goes on with what is left."""
        return self.session if self._workers else Use()

    def started(self, event: Started) -> None:
        """A session begins; one that was killed ended with its last record."""
        self.session = self.carried
        if self._workers:
            self.stopped(Stopped(self.last, self._under_way()))
        self._since, self._workers = event.at, event.workers
        self.sandboxes.add(event.sandbox)

    def stopped(self, event: Stopped) -> None:
        """A session ended."""
        self._seconds += event.seconds
        self._capacity += event.seconds * self._workers
        self._workers = 0
        for part, seconds in zip(APART, (event.deciding, event.writing), strict=True):
            if seconds:
                self._spent(part, seconds)

    def measured(self, event: Measured) -> None:
        """A run ended."""
        runs = 2 if event.paired_metrics else 1
        self.runs += runs
        self.explored += runs * (event.stage == "explore")
        self.busy += event.busy
        self.accounting.add(event.accounting)
        for part, seconds in event.overhead.items():
            self._spent(part, seconds)
        if found := divided(event):
            self.told += 1
            self.spent = {what: self.spent.get(what, 0.0) + found.get(what, 0.0) for what in {**self.spent, **found}}

    def _spent(self, part: str, seconds: float) -> None:
        spent = self.parts.setdefault(part, [])
        spent.append(seconds)
        del spent[:-MOST_TIMES_PER_PART]

    def called(self, call: Call) -> None:
        """A call to a model ended."""
        for use in (self.used.setdefault(call.role, Use()), self.session, self.asked.setdefault(call.asked, Use())):
            use.add(call)


def divided(run: Ran) -> dict[str, float]:
    """The seconds of a run by what they were for, with "harness" for what Overnight took; {} where that was not noted."""
    return {**run.spent, "harness": sum(run.overhead.values())} if run.spent else {}
