"""What each role has tried so far: how often it was asked, what it had, how long it took, what came of it. Pure; told by the
state what is recorded."""

from __future__ import annotations

from msgspec import Struct

from overnight.lab import allocation
from overnight.lab.events import Passed, Probed, Proposed

WINDOW = 50  # attempts that are looked back on, to see which role is ahead of its share
RECENT = 0.3  # weight of the newest change in what a role is thought to take

News = tuple[int, int, int]  # what changes when there is something new to go by: verdicts, the frontier, ideas


class Attempts(Struct):
    """The record of the roles that propose, by name.

    asked    how often each was asked
    lately   the names of those asked last, oldest first
    seconds  how long each takes for a change, the newest counting most
    records  what came of their changes, for the allocation
    unusable how often in a row each wrote something that cannot be used, and why it could not the last time
    """

    asked: dict[str, int] = {}
    lately: list[str] = []
    seconds: dict[str, float] = {}
    records: dict[str, allocation.Record] = {}
    unusable: dict[str, tuple[int, str]] = {}
    _passes: dict[str, tuple[News, int]] = {}

    def times(self, name: str) -> int:
        """How often one was asked."""
        return self.asked.get(name, 0)

    def begin(self) -> None:
        """A session begins: what a role passed on before does not count."""
        self._passes.clear()
        self.unusable.clear()

    def passes(self, name: str, news: News) -> int:
        """How often in a row a role had nothing while nothing else was known than `news`."""
        since, times = self._passes.get(name, (None, 0))
        return times if since == news else 0

    def proposed(self, event: Proposed | Probed) -> None:
        """A role made a change; one that was handed in unasked is no role's."""
        if isinstance(event, Probed) or not event.request:
            self._passes.pop(event.researcher, None)
            self.unusable.pop(event.researcher, None)
            self._was_asked(event.researcher, event.thinking)

    def passed(self, event: Passed, news: News) -> None:
        """A role had nothing. That it was away, or wrote what cannot be used, says nothing of the frontier."""
        if event.away:
            return
        if event.unusable:
            self.unusable[event.researcher] = self.unusable.get(event.researcher, (0, ""))[0] + 1, event.reason
        else:
            self._passes[event.researcher] = (news, self.passes(event.researcher, news) + 1)
        self._was_asked(event.researcher, event.thinking)
        self.ended(event.researcher, event.thinking)

    def ended(self, name: str, cost: float, gain: float | None = None) -> None:
        """An attempt came to its end: seconds of runs and of thinking, and what it gained if it was kept."""
        self.records = allocation.ended(self.records, name, cost, gain)

    def _was_asked(self, name: str, seconds: float) -> None:
        self.asked[name] = self.times(name) + 1
        self.lately = [*self.lately, name][-WINDOW:]
        before = self.seconds.get(name, seconds)
        self.seconds[name] = before + RECENT * (seconds - before)
