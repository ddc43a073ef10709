"""The Lab: the state of one track and the choice of what to do next. Pure: no files, no clock, no network.

`ask` gives a free place its next job, `tell` takes a result and `hear` what somebody orders; both say what happened, and
`apply` replays what happened. Every driver, from the local loop to a swarm, is a thin caller of these four.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from overnight.contracts import Call
from overnight.lab.events import (
    Called,
    Decision,
    Dropped,
    Event,
    Faulted,
    Judged,
    Learnt,
    Measured,
    Noted,
    Ordered,
    Passed,
    Proposed,
    Rebased,
    Reopened,
    Stacked,
    Stage,
    Vetoed,
)
from overnight.lab.flight import MOST_FAULTS, lease
from overnight.lab.jobs import (
    Accept,
    AddIdea,
    Combine,
    Combined,
    DropIdea,
    Job,
    Letter,
    Measure,
    Measurement,
    Proposal,
    Rebasing,
    Result,
    Steer,
    Thought,
    Trouble,
    Try,
    Veto,
    sealed,
)
from overnight.lab.measurements import Experiment
from overnight.lab.proposing import Budget, Proposing
from overnight.lab.queue import TEXT, TITLE
from overnight.lab.state import BASELINE
from overnight.referee import decision
from overnight.referee.stacks import read
from overnight.untrusted import line, plain

UNPACED = 10  # of so many runs, one is never stopped for falling behind
MOST_LOOKS = 2  # times that a discarded experiment may be taken up again


class Lab(Proposing):
    """One track's state and what to do next."""

    def __init__(self, researchers: Sequence[str] = (), benches: int = 1, prose: str = "") -> None:
        super().__init__(researchers, benches, prose)
        self._handed_in: dict[str, Try] = {}

    # -- ask --

    def begin(self, budget: Budget, at: float) -> list[Event]:
        """A session starts: what it may use. Returns the verdicts that an earlier session had no time to record."""
        self.budget, self.stopping = budget, ""
        self.problem = "" if self.calibrated else self.problem
        self.session_proposed = 0
        self._check_now = self.calibrated
        self.flight.restart()
        return list(self._settle(at))

    def finished(self, now: float) -> bool:
        """Whether nothing is under way and nothing more will be asked for."""
        return not len(self.flight) and (self._over(now) or (not self.paused and self._nothing_left()))

    def _over(self, now: float) -> bool:
        return bool(self.stopping or self.problem) or (self.budget.until is not None and now >= self.budget.until)

    def _nothing_left(self) -> bool:
        scientist = self.roster.of_kind("scientist")
        hope = scientist is not None and self._free(scientist) and self._running_low(scientist)
        return self.calibrated and not self.open and not self._handed_in and not self._may_propose() and not hope

    def why(self, now: float) -> str:
        """Why nothing more is asked for, in a sentence; "" while there is more to do."""
        if self.stopping or self.problem:
            return self.stopping or self.problem
        if self.budget.until is not None and now >= self.budget.until:
            return "the time is over"
        if not self._nothing_left():
            return ""
        return "the experiments are used up" if self._willing() else self._why_nothing()

    def _why_nothing(self) -> str:
        """Why nobody proposes any more."""
        gone = self.roster.gone()
        away = [f"{name} is away: {why.rstrip('.')}" for name, why in gone.items() if name in self.researchers]
        rest = [name for name in self.researchers if name not in gone]
        nothing = [f"{' and '.join(rest) or 'nobody'} had nothing left to try on this frontier: widen `editable`, name another "
                   "researcher, or run again"] if rest or not away else []
        return "; ".join([*away, *nothing])

    def ask(self, now: float, idle: Sequence[str]) -> Job | None:
        """The job that is worth most for one of the places that are free ("bench", "desk", "thinker"); None if there is
        none."""
        self._now = now
        self.flight.lapse(now)
        if self._over(now) or self.opened is None or self.paused:
            return None
        for place, wanted in (("bench", self._measures), ("desk", self._desk), ("thinker", self._thoughts)):
            if place in idle:
                for job in wanted():
                    if job not in self.flight:
                        self.flight.give(job, now + lease(job, self.track))
                        return job
        return None

    # -- what a bench may do --

    def _measures(self) -> Iterator[Measure]:
        """Runs that are wanted now, the most valuable first: calibrate, check, then what is nearest to a keep, then
        what is new."""
        flying = list(self.flight.of(Measure))
        under_way = {(j.commit, j.seed) for j in flying}
        if not self.calibrated:
            yield from self._calibrating(flying)
            return
        due = self._check_now or self.known.drift.due(self.runs)
        if due and self.known.numbers(self.commit) and not any(j.stage == "check" for j in flying):
            yield self._run(self.frontier, self.commit, self.known.seed_to_check(self.runs), "check")
        begun = [e for e in self.open.values()
                 if e.base_commit == self.commit and not e.stack and (e.awaited or not e.waiting)]
        for experiment in sorted(begun, key=self.urgency):
            yield from self._runs_for(experiment, under_way)
        yield from self._screens(under_way)

    def urgency(self, experiment: Experiment) -> tuple[bool, float, int]:
        """What is measured first: the least. Where nobody waits for the verdict, the worth of a run decides."""
        return not experiment.awaited, -experiment.worth, experiment.id

    def _calibrating(self, flying: Sequence[Measure]) -> Iterator[Measure]:
        assert self.opened is not None
        commit, seeds = self.opened.commit, self.known.calibration
        twice = [seeds[0]] if self.known.repeat is None else []
        missing = [s for s in seeds if s not in self.known.of(commit)]
        under_way = Counter(j.seed for j in flying)
        for seed in [*missing, *twice]:
            if under_way[seed]:
                under_way[seed] -= 1
                continue
            yield self._run(BASELINE, commit, seed, "calibrate")

    def _run(self, experiment: int, commit: str, seed: int, stage: Stage, base: str = "", paced: bool = True) -> Measure:
        """A run; against a base it may be stopped when it falls behind, except now and then, to see what became of it."""
        self.next_run += 1
        pace = self.known.pace(base, seed) if paced and base != commit and self.next_run % UNPACED else ()
        beside = base if self.known.kind == "timing" else ""
        return sealed(Measure(self.next_run - 1, experiment, commit, seed, stage, beside, pace), self.known.key)

    def _runs_for(self, experiment: Experiment, under_way: set[tuple[str, int]]) -> Iterator[Measure]:
        """Both sides of the pairs that this experiment waits for; in time rather than by seed, its own side alone."""
        stage: Stage = "confirm" if experiment.confirming else "race"
        if experiment.confirming:
            seeds = self.known.fresh(experiment, experiment.confirming)
        else:
            mine = self.known.of(experiment.commit)
            alone = [s for s in mine if not self.known.told(experiment, s)]
            seeds = alone or [s for commit, s in under_way if commit == experiment.commit] or [
                self.known.next_common(experiment.used | mine.keys())]
        sides = [(experiment.id, experiment.commit), (self.frontier, self.commit)]
        if self.known.kind == "timing":
            sides.pop()
        elif self.track.progress is not None:
            sides.reverse()  # the incumbent's curve is what the other may be stopped by
        for seed in seeds:
            for owner, commit in sides:
                if seed not in self.known.of(commit) and (commit, seed) not in under_way:
                    yield self._run(owner, commit, seed, stage, self.commit)

    def _screens(self, under_way: set[tuple[str, int]]) -> Iterator[Measure]:
        """First looks: the next run of each stack; single edits where they are not stacked, or no stack is at hand."""
        found = False
        for stack in self.stacks.values():
            place = read(stack).wanted
            if place and (stack.commits[place - 1], stack.seed) not in under_way:
                found = True
                yield self._run(stack.members[place - 1], stack.commits[place - 1], stack.seed, "screen",
                                stack.base_commit, paced=place == len(stack.members))
        coming = found or any(self.flight.of(Combine))
        size, seed = self._size, self.known.next_common()
        if size > 1 and self.known.kind != "timing" and seed not in self.known.of(self.commit) \
                and (self.commit, seed) not in under_way:
            yield self._run(self.frontier, self.commit, seed, "race")
        for experiment in self._waiting():
            if experiment.base_commit == self.commit and not experiment.awaited \
                    and not (coming and self._stackable(experiment, size)):
                yield from self._runs_for(experiment, under_way)

    def _stackable(self, experiment: Experiment, size: int) -> bool:
        return size > 1 and experiment.company > 1 and experiment.grown >= 0

    # -- what a desk may do --

    def _desk(self) -> Iterator[Job]:
        yield from map(Accept, self._handed_in.values())
        running = {j.commit for j in self.flight.of(Measure)}
        waiting, ahead, size = self._waiting(), self.benches // 2 + 1, self._size
        stacked = [e for e in waiting if self._stackable(e, size)]
        together = {e.id for e in stacked} if len(stacked) > 1 else set()
        old = [e for e in self.open.values() if e.base_commit != self.commit and not e.stack and e.commit not in running
               and (e.awaited or self.researchers) and not (e.id in self._conflicts and self._can_redo(e))]
        yield from (self._rebase(e) for e in old if e.id not in together)
        untouched = sum(len(s.gains) == 1 and s.name not in running for s in self.stacks.values())
        combining = any(self.flight.of(Combine))
        enough = len(stacked) >= (size if self._may_propose() else 2)
        if enough and stacked and untouched < ahead and not combining:
            yield self._combine(stacked, size)
        yield from self._proposals(False)
        yield from (self._rebase(e) for e in old if e.id in together)

    def _combine(self, free: Sequence[Experiment], count: int) -> Combine:
        """The oldest of them, as many as each one's company allows."""
        while count > 1 and sum(e.company >= count for e in free) < count:
            count -= 1
        chosen = [e for e in free if e.company >= count][:count]
        return Combine(tuple(e.id for e in chosen), tuple((e.base_commit, e.commit) for e in chosen), self.commit)

    # -- tell --

    def tell(self, result: Result, at: float) -> list[Event]:
        """Take a result; return what happened, already applied, in the order in which it must be recorded. Raises Declined, and
        changes nothing, where it answers no job that is in flight: each is taken once, and not after its lease."""
        self.flight.land(result)
        if not isinstance(result, Trouble):
            named = isinstance(result, Measurement) and result.worker
            self.flight.worked(f"bench {named}" if named else result.job.place)
        return [*_TELL[type(result)](self, result, at), *self._again(at)]

    def _happen(self, event: Event) -> Event:
        self.apply(event)
        return event

    def _proposed(self, result: Proposal, at: float) -> Iterator[Event]:
        job = result.job
        if isinstance(job, Accept):
            yield from self._accepted(result, job.order, at)
            return
        change, idea = result.change, job.brief.idea.id if job.brief.idea else 0
        if change is None or not result.commit:
            if result.away:
                self.roster.away(job.researcher, None if result.wait is None else self._now + result.wait, result.reason)
            yield self._happen(Passed(at, job.researcher, job.base, result.reason, result.away, result.seconds, idea))
            return
        if job.thinks and (first := self.same(job.commit, result.patch)):
            reason = f"it made the very change of #{first.id} again ({first.verdict})"
            yield self._happen(Passed(at, job.researcher, job.base, reason, False, result.seconds, idea))
            return
        number = self.next_experiment
        yield self._happen(Proposed(at, number, job.base, job.commit, result.commit, job.researcher, change.message,
                                    result.patch, change.note, result.grown, change.idea, job.brief.seed, result.seconds))
        if result.foul:
            yield self._happen(Judged(at, number, "foul", result.foul))

    def _accepted(self, result: Proposal, order: Try, at: float) -> Iterator[Event]:
        """A change that somebody handed in, now or in an earlier session."""
        if self._handed_in.pop(order.request, None) is None or order.request in self.answered:
            return
        change = result.change
        if change is None or result.foul:
            yield self._happen(Ordered(at, order.request, "try", result.foul or result.reason))
            return
        if first := self.same(order.base, result.patch):
            yield self._happen(Ordered(at, order.request, "try", experiment=first.id))
            return
        base = next((e.id for e in self.experiments.values() if e.commit == order.base), BASELINE)
        yield self._happen(Proposed(at, self.next_experiment, base, order.base, result.commit, order.by, change.message,
                                    result.patch, {}, result.grown, order.idea, request=order.request))

    def _thought(self, result: Thought, at: float) -> Iterator[Event]:
        job = result.job
        if result.away:
            self.roster.away(job.role, None if result.wait is None else self._now + result.wait, result.reason)
        if result.reason:
            yield self._happen(Passed(at, job.role, self.frontier, result.reason, result.away))
        for title, text in result.ideas:
            yield self._happen(Noted(at, self.ideas.next, title, text, f"role {job.role}"))
        if result.notes:
            yield self._happen(Learnt(at, job.role, result.notes))

    def _rebased(self, result: Rebasing, at: float) -> Iterator[Event]:
        experiment = self.open.get(result.job.experiment)
        if experiment is None or result.job.onto != self.commit:
            self._conflicts.discard(result.job.experiment)
            return  # judged meanwhile, or the frontier has moved again: then it is asked for anew
        if not result.commit and not result.job.anew and self._can_redo(experiment):
            self._conflicts.add(experiment.id)
            return
        self._conflicts.discard(experiment.id)
        if not result.commit:
            yield self._happen(Judged(at, experiment.id, "discard", "conflicts with what was kept meanwhile"))
        else:
            yield self._happen(Rebased(at, experiment.id, self.frontier, self.commit, result.commit, result.again))
            yield from self._settle(at)

    def _combined(self, result: Combined, at: float) -> Iterator[Event]:
        job = result.job
        if job.onto != self.commit or any(i not in self.open for i in job.experiments):
            return
        seed = self.known.next_common()
        if self.known.kind != "timing" and not self.known.of(self.commit).get(seed):
            return  # the frontier has to run first
        together, commits = (result.experiments, result.commits) if len(result.experiments) > 1 else ((), ())
        apart = tuple(i for i in job.experiments if i not in together)
        yield self._happen(Stacked(at, together, commits, self.commit, seed, apart))

    def _measured(self, result: Measurement, at: float) -> Iterator[Event]:
        job = result.job
        yield self._happen(Measured(at, job.run, job.experiment, job.commit, job.seed, job.stage, result.outcome,
                                    result.metrics, result.reason, result.busy, result.overhead, result.worker,
                                    result.log, result.beside, result.curve, result.sandbox, result.accounting,
                                    result.artifacts, result.holdout, result.beside_holdout))
        yield from self._settle(at)

    def _faulted(self, result: Trouble, at: float) -> Iterator[Event]:
        place, kind = result.place or result.job.place, result.job.place
        others = self.benches - 1 - len(self.flight.set_aside) if kind == "bench" and result.place else 0
        stop = self.flight.failed(place, others)
        aside = f"; {place} is set aside for this session" if place in self.flight.set_aside else ""
        yield self._happen(Faulted(at, type(result.job).__name__.lower(), result.reason + aside))
        if stop:
            self.problem = f"the machine failed {MOST_FAULTS} times in a row: {result.reason}"

    # -- verdicts --

    def _settle(self, at: float) -> Iterator[Event]:
        """The verdicts that the runs so far amount to."""
        for experiment in [e for e in self.open.values() if e.decided is not None]:
            assert experiment.decided is not None
            verdict, reason, ruling = experiment.decided
            if verdict != "keep" or experiment.base_commit == self.commit:
                yield self._happen(self._judged(at, experiment, verdict, reason, ruling))

    def _again(self, at: float) -> Iterator[Event]:
        """Where nobody has anything new, and nothing is open, the discarded ones that are nearest to a keep go on."""
        busy = self.open or len(self.flight) or self._handed_in or self._willing()
        if busy or self.problem or not self.calibrated or not self.researchers:
            return
        left = [e for e in self.experiments.values() if e.carried and e.looks < MOST_LOOKS and (e.effect or 0.0) > 0]
        for experiment in sorted(left, key=self.urgency)[: self.benches]:
            yield self._happen(Reopened(at, experiment.id))

    def _judged(self, at: float, experiment: Experiment, verdict: Decision, reason: str,
                ruling: decision.Ruling | None = None) -> Judged:
        race, fresh = self.known.pairs(experiment)
        raced = decision.winsorized(race, self.known.variance, self.policy.reach)
        variance = decision.squares(raced) / (len(raced) - 1) if len(raced) > 1 else None
        effect = ruling.effect if ruling else decision.mean(fresh or race) if race or fresh else None
        return Judged(at, experiment.id, verdict, reason, effect, ruling.interval if ruling else None,
                      len(race) + len(fresh), len(fresh), ruling.e_value if ruling else None, variance,
                      self.alpha if ruling else None)


    # -- hear --

    def hear(self, letter: Letter, at: float) -> list[Event]:
        """Take an order, or the news of a call to a model; return what happened, already applied. A change that is handed in
        is looked at first, by a desk. What was answered before is not taken up again."""
        if isinstance(letter, Call):
            return [self._happen(Called(at, letter))]
        if letter.request in self.answered:
            return []
        if isinstance(letter, Try):
            self._handed_in.setdefault(letter.request, letter)
            return []
        return [self._happen(_HEAR[type(letter)](self, letter, at))]

    def _add(self, order: AddIdea, at: float) -> Event:
        title = line(order.title, TITLE)
        if not title:
            return Ordered(at, order.request, "idea", "the idea is empty: say in a few words what should be tried")
        return Noted(at, self.ideas.next, title, plain(order.text, TEXT), line(order.source, TITLE), order.request)

    def _drop(self, order: DropIdea, at: float) -> Event:
        if order.idea not in self.ideas.entries or self.ideas.entries[order.idea].dropped:
            return Ordered(at, order.request, "drop", f"there is no idea {order.idea}: `overnight idea list` shows them")
        return Dropped(at, order.idea, order.request)

    def _steer(self, order: Steer, at: float) -> Event:
        if order.what == "stop":
            self.stopping = "stopped by `overnight stop`; run it again to go on"
        return Ordered(at, order.request, order.what)

    def _veto(self, order: Veto, at: float) -> Event:
        if order.experiment not in [e.id for e in self.chain()]:
            why = f"experiment {order.experiment} is not among what is kept, so there is nothing to take back"
            return Ordered(at, order.request, "veto", why)
        return Vetoed(at, order.experiment, line(order.reason, TITLE), order.request)


_HEAR: dict[type, Any] = {AddIdea: Lab._add, DropIdea: Lab._drop, Steer: Lab._steer, Veto: Lab._veto}
_TELL: dict[type, Any] = {
    Proposal: Lab._proposed, Thought: Lab._thought, Rebasing: Lab._rebased, Combined: Lab._combined, Measurement: Lab._measured,
    Trouble: Lab._faulted,
}
