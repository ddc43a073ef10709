"""One session: the jobs in flight, until when, which places fail, and what the session may use. Pure; nothing of it is in
the record.

A result is taken once, and only for a job that is in flight. A job whose lease has ended counts as lost: it is offered again,
and a result that comes after that is declined.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from overnight.errors import Declined
from overnight.lab.jobs import ANSWERS, Job, Measure, Propose, Result, Try, key
from overnight.track.spec import Track
from overnight.track.units import seconds

MOST_FAULTS_IN_A_ROW = 3  # then a place is set aside, or the night is stopped where it is the last of its kind
LEASE_SECONDS = {"edit": 3600.0, "think": 172_800.0}  # seconds; an agent may be given a day
SLACK_SECONDS = 600.0  # seconds on top of a run's own bounds: a machine that is busy, or a commit that has to be fetched
Kind = TypeVar("Kind", bound=Job)
Answer = TypeVar("Answer", bound=Result)


class Lease(Struct, frozen=True):
    """A job, and the second on the caller's clock at which it counts as lost."""

    job: Job
    until: float


@dataclass(slots=True)
class Budget:
    """What this session may use; None is no bound. `until` is on the caller's clock; tokens and dollars are only told to
    researchers here, and held to where models are called. Of `runs` the caller says how many it will let be made."""

    until: float | None = None
    experiments: int | None = None
    tokens: int | None = None
    dollars: float | None = None
    runs: int | None = None


class Flight:
    """What was given out and has not come back, and the bounds of the session.

    measure slots    how many runs can go on at once
    now        seconds on the caller's clock, as told last
    stopping   why the session is to end, in a sentence; "" while it is to go on
    problem    what is wrong with the machine; nothing can be measured any more
    proposed   experiments that its researchers began
    handed_in  changes from outside that were not looked at yet, by their request
    measure_from  the second before which no run is begun, because the machine is overloaded
    set_aside  names of places that failed again and again
    """

    def __init__(self, measure_slots: int = 1) -> None:
        self.measure_slots, self.now, self.budget = measure_slots, 0.0, Budget()
        self.stopping = self.problem = ""
        self.proposed, self.measure_from, self._pause = 0, 0.0, 0.0
        self.handed_in: dict[str, Try] = {}
        self.set_aside: set[str] = set()
        self._leases: dict[object, Lease] = {}
        self._faults: Counter[str] = Counter()
        self._next_run = self._next_ticket = 1
        self._begun = False

    def begin(self, budget: Budget) -> None:
        """A session begins: nothing is under way, and every place has another chance."""
        self.budget, self.problem, self.proposed = budget, "", 0
        self.stopping = "" if self._begun else self.stopping  # the first may be stopped before it begins
        self._begun = True
        self.measure_from = self._pause = 0.0
        self._leases.clear()
        self._faults.clear()
        self.set_aside.clear()

    def over(self, now: float) -> bool:
        """Whether nothing new is begun any more."""
        return bool(self.stopping or self.problem) or (self.budget.until is not None and now >= self.budget.until)

    @property
    def full(self) -> bool:
        """Whether the budget has no room for another experiment."""
        most = self.budget.experiments
        return most is not None and self.proposed + sum(1 for _ in self.of(Propose)) >= most

    def rest(self, seconds: float) -> None:
        """No run is begun for so long from the next question on."""
        self._pause, self.measure_from = seconds, 0.0

    def resting(self, now: float) -> bool:
        """Whether no run is begun now for that reason."""
        if self._pause:
            self._pause, self.measure_from = 0.0, now + self._pause
        return now < self.measure_from

    def run(self, recorded: int) -> int:
        """The number of a new run, which is at least that of the next one in the record."""
        self._next_run = max(self._next_run, recorded) + 1
        return self._next_run - 1

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, job: Job) -> bool:
        return key(job) in self._leases

    def of(self, kind: type[Kind]) -> Iterator[Kind]:
        """The jobs of one kind."""
        return (lease.job for lease in self._leases.values() if isinstance(lease.job, kind))

    @property
    def jobs(self) -> list[Job]:
        """All that is under way, in the order in which it was given out."""
        return [lease.job for lease in self._leases.values()]

    def ticketed(self, job: Kind) -> Kind:
        """The job as it is offered now."""
        self._next_ticket += 1
        return replace(job, ticket=self._next_ticket - 1)

    def give(self, job: Job, until: float) -> None:
        """A job goes out; its result is waited for until then."""
        self._leases[key(job)] = Lease(job, until)

    def lapse(self, now: float) -> None:
        """Jobs whose lease has ended are lost."""
        for name in [name for name, lease in self._leases.items() if lease.until < now]:
            del self._leases[name]

    def land(self, result: Answer) -> Answer:
        """A result comes back: returns it with the job as it was given out, whatever the place says of that. Raises Declined
        where this offer of the job is not waited for; then nothing is changed."""
        job = result.job
        held = self._leases.get(key(job))
        if held is None or held.job.ticket != job.ticket:
            raise Declined(f"this result of a {type(job).__name__.lower()} was not waited for: it was told before, came after "
                           "its lease had ended, or answers a job that was never given out.")
        if not isinstance(job, ANSWERS.get(type(result), Job)):
            raise Declined(f"a {type(result).__name__.lower()} is no answer to a {type(job).__name__.lower()}: the place that "
                           "sent it runs another version, or is broken.")
        del self._leases[key(job)]
        return replace(result, job=held.job)

    def worked(self, place: str) -> None:
        """A place did its job; a kind of place stands for all of that kind."""
        for name in [name for name in self._faults if name == place or name.startswith(f"{place} ")]:
            del self._faults[name]

    def failed(self, place: str, others: int) -> bool:
        """A place failed with the machine; `others` are left of its kind. Whether this was once too often for the night."""
        self._faults[place] += 1
        if self._faults[place] < MOST_FAULTS_IN_A_ROW:
            return False
        if others:
            self.set_aside.add(place)
        return not others


def lease(job: Job, track: Track) -> float:
    """Seconds within which a job must have come back: for a run all that its contract allows it, on both sides of a pair and
    with the holdout, so that none is ever given up while it may still end well."""
    if not isinstance(job, Measure):
        return LEASE_SECONDS[job.place]
    steps = [track.run.timeout] + 2 * [step.timeout for step in (track.score, track.oracle) if step is not None]
    return SLACK_SECONDS + (1 + bool(job.paired_with)) * sum(map(seconds, steps))
