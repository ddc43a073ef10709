"""Two orders in which runs may be made where many ideas wait: what is worth most first, as the Lab does, and what wanted a run
first. For `python -m bench referee`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from overnight.lab.flight import lease
from overnight.lab.jobs import Job, Measure, Propose
from overnight.lab.lab import Lab
from overnight.lab.measuring import Measuring
from overnight.lab.state import State
from overnight.track.roles import Role

QUEUE = 40  # ideas that wait for each bench


class Queue(Lab):
    """A Lab with a long queue of ideas: a desk that nothing is wanted of proposes until enough of them wait."""

    def ask(self, now: float, idle: Sequence[str]) -> Job | None:
        """A job as ever, or one more proposal."""
        job = super().ask(now, idle)
        coming = len(self.measuring.waiting()) + sum(1 for _ in self.flight.of(Propose))
        short = self.state.calibrated and coming < QUEUE * self.flight.measure_slots
        if job is None and "edit" in idle and short and self.proposing.may_propose():
            name = self.roster.proposers[0]
            job = Propose(name, self.state.frontier, self.state.commit, self.briefing.role(name))
            self.flight.give(job, now + lease(job, self.state.track))
        return job


class Served(Measuring):
    """First come, first served: what has wanted a run for longest gets the next one."""

    def __init__(self, measuring: Measuring) -> None:
        super().__init__(measuring.state, measuring.flight, measuring.tower, measuring.campaign)
        self._since: dict[tuple[int, str, int], int] = {}

    def runs(self) -> Iterator[Measure]:
        """Runs that are wanted now, in the order in which they came to be wanted."""
        if not self.state.calibrated:
            yield from super().runs()
            return
        under_way = {(job.commit, job.seed) for job in self.flight.of(Measure)}
        ready = [e for e in self.state.open.values() if e.base_commit == self.state.commit]
        for each in sorted(ready, key=lambda e: (self._since.setdefault((e.id, e.commit, e.pairs), self.state.runs), e.id)):
            yield from self.runs_for(each, under_way)


class InOrder(Queue):
    """The same queue, first come, first served."""

    def __init__(self, state: State, roles: Sequence[Role] = (), measure_slots: int = 1) -> None:
        super().__init__(state, roles, measure_slots)
        self.measuring = Served(self.measuring)


ORDERS: dict[str, type[Lab]] = {"worth most first": Queue, "first come, first served": InOrder}
