"""The Lab: the state of one track and the choice of what to do next. Pure: no files, no clock, no network.

`ask` gives a free place its next job, `tell` takes a result and says what happened, `apply` replays what happened.
Every driver, from the local loop to a swarm, is a thin caller of these three.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from overnight import guards, referee
from overnight.contracts import Brief, Past
from overnight.errors import JournalError
from overnight.events import (
    Decision,
    Event,
    Faulted,
    Judged,
    Measured,
    Opened,
    Passed,
    Proposed,
    Rebased,
    Stage,
    Started,
    Stopped,
)
from overnight.jobs import Job, Measure, Measurement, Proposal, Propose, Rebase, Rebasing, Result, Trouble, key
from overnight.runs import Experiment, Runs, within
from overnight.track import Track, parse

BASELINE = 0  # the number that stands for the baseline where an experiment is named
HISTORY = 1000  # experiments that a brief looks back on
MOST_FAULTS = 3  # times that one job may fail with the machine before the night is stopped
MOST_PASSES = 3  # times in a row that a researcher may have nothing before it is left alone until the next verdict

@dataclass(slots=True)
class Budget:
    """What this session may use; None is no bound. `until` is on the caller's clock."""

    until: float | None = None
    experiments: int | None = None


class Lab:
    """One track's state. `benches` is how many runs can go on at once; `researchers` are asked in turn."""

    track: Track  # known from the record `opened` on

    def __init__(self, researchers: Sequence[str] = (), benches: int = 1, prose: str = "") -> None:
        self.researchers, self.benches, self.prose = tuple(researchers), benches, prose
        self.budget = Budget()
        self.policy = referee.Policy()
        self.stopping = ""
        self.next_run, self.next_experiment = 1, 1
        self._flying: dict[object, Job] = {}
        self._faults: Counter[str] = Counter()
        self._reset()

    def _reset(self) -> None:
        self.opened: Opened | None = None
        self.experiments: dict[int, Experiment] = {}
        self.open: dict[int, Experiment] = {}
        self.counts: Counter[str] = Counter()
        self.frontier, self.commit = BASELINE, ""
        self.runs = 0
        self.problem = ""
        self.sandboxes: set[str] = set()
        self.busy = 0.0
        self.parts: dict[str, list[float]] = defaultdict(list)
        self._seconds = self._capacity = 0.0
        self._session_from = self._session_last = 0.0
        self._session_workers = 0
        self._shifts: dict[int, float] = {BASELINE: 0.0}
        self._known: Runs | None = None
        self._pasts: list[Past] = []
        self._passed: dict[str, tuple[int, int]] = {}
        self._asked: Counter[str] = Counter()
        self.session_proposed = 0

    # -- what is known --

    @property
    def known(self) -> Runs:
        """Every run that still counts. Raises JournalError before the track is opened."""
        if self._known is None:
            raise JournalError("the track was never opened: its journal has no record of a beginning.")
        return self._known

    @property
    def baseline(self) -> list[dict[str, float]]:
        """The metrics of the baseline's runs that ended well, one a seed."""
        return self.known.good(self.known.baseline_commit)

    @property
    def calibrated(self) -> bool:
        """Whether the baseline is known well enough to judge against it."""
        return self._known is not None and self._known.calibrated

    @property
    def deterministic(self) -> bool:
        """Whether the same code and seed gave the same number twice."""
        return self.known.deterministic

    @property
    def noise(self) -> float | None:
        """Standard deviation of one paired difference, in the metric's unit; None before calibration."""
        return self.known.variance**0.5 if self.calibrated else None

    @property
    def seconds(self) -> float:
        """How long the track was at work; a session that was killed lasted until its last record."""
        return self._seconds + self._under_way()

    @property
    def capacity(self) -> float:
        """Seconds that its benches had for runs."""
        return self._capacity + self._under_way() * self._session_workers

    def _under_way(self) -> float:
        return max(0.0, self._session_last - self._session_from) if self._session_workers else 0.0

    def level(self, experiment: int) -> float | None:
        """The metric of an experiment's commit: the baseline's mean, moved by the effects that were measured."""
        start = self.known.mean(self.known.baseline_commit)
        return None if start is None else start + self._shifts.get(experiment, 0.0)

    # -- ask --

    def begin(self, budget: Budget, at: float) -> list[Event]:
        """A session starts: what it may use. Returns the verdicts that an earlier session had no time to record."""
        self.budget, self.stopping = budget, ""
        self.problem = "" if self.calibrated else self.problem
        self.session_proposed = 0
        return list(self._settle(at))

    def finished(self, now: float) -> bool:
        """Whether nothing is under way and nothing more will be asked for."""
        return not self._flying and (self._over(now) or self._nothing_left())

    def _over(self, now: float) -> bool:
        return bool(self.stopping or self.problem) or (self.budget.until is not None and now >= self.budget.until)

    def _nothing_left(self) -> bool:
        return self.calibrated and not self.open and not self._may_propose()

    def why(self, now: float) -> str:
        """Why nothing more is asked for, in a sentence; "" while there is more to do."""
        if self.stopping or self.problem:
            return self.stopping or self.problem
        if self.budget.until is not None and now >= self.budget.until:
            return "the time is over"
        if not self._nothing_left():
            return ""
        return "the experiments are used up" if self._willing() else (
            f"{' and '.join(self.researchers) or 'nobody'} had nothing left to try on this frontier: widen `editable`, "
            "name another researcher, or run again")

    def ask(self, now: float, idle: Sequence[str]) -> Job | None:
        """The job that is worth most for one of the places that are free ("bench", "desk"); None if there is none."""
        if self._over(now) or self.opened is None:
            return None
        for place, wanted in (("bench", self._measures), ("desk", self._desk)):
            if place in idle:
                for job in wanted():
                    if (name := key(job)) not in self._flying:
                        self._flying[name] = job
                        return job
        return None

    def _measures(self) -> Iterator[Measure]:
        """Runs that are wanted now, the most valuable first: calibrate, confirm, race, look at something new."""
        if not self.calibrated:
            yield from self._calibrating()
            return
        for experiment in sorted(self.open.values(), key=lambda e: (-e.confirming, -e.pairs, e.id)):
            if experiment.base_commit == self.commit:
                yield from self._runs_for(experiment)

    def _calibrating(self) -> Iterator[Measure]:
        assert self.opened is not None
        commit, seeds = self.opened.commit, self.known.calibration
        twice = [seeds[0]] if self.known.repeat is None else []
        missing = [s for s in seeds if s not in self.known.of(commit)]
        flying = Counter(j.seed for j in self._flying.values() if isinstance(j, Measure))
        for seed in [*missing, *twice]:
            if flying[seed]:
                flying[seed] -= 1
                continue
            yield self._run(BASELINE, commit, seed, "calibrate")

    def _run(self, experiment: int, commit: str, seed: int, stage: Stage) -> Measure:
        self.next_run += 1
        return Measure(self.next_run - 1, experiment, commit, seed, stage)

    def _runs_for(self, experiment: Experiment) -> Iterator[Measure]:
        """Both sides of the pairs that this experiment waits for."""
        flying = {(j.commit, j.seed) for j in self._flying.values() if isinstance(j, Measure)}
        stage: Stage
        if experiment.confirming:
            seeds, stage = self.known.fresh(experiment, experiment.confirming), "confirm"
        else:
            under_way = [seed for commit, seed in flying if commit == experiment.commit]
            seeds, stage = under_way or [self.known.next_common(experiment)], "race"
        for seed in seeds:
            for owner, commit in ((experiment.id, experiment.commit), (self.frontier, self.commit)):
                if seed not in self.known.of(commit) and (commit, seed) not in flying:
                    yield self._run(owner, commit, seed, stage)

    def _desk(self) -> Iterator[Job]:
        for experiment in self.open.values():
            if experiment.base_commit != self.commit:
                yield Rebase(experiment.id, experiment.commit, experiment.base_commit, self.commit)
        if self.problem or not self._may_propose():
            return
        running = {j.experiment for j in self._flying.values() if isinstance(j, Measure)}
        waiting = sum(not e.runs and e.id not in running for e in self.open.values())
        waiting += sum(isinstance(j, Propose) for j in self._flying.values())
        if waiting < (self.benches + 1) // 2 + (not self.calibrated):
            name = min(self._willing(), key=lambda r: self._asked[r])
            yield Propose(name, self.frontier, self.commit, self._brief(name))

    def _may_propose(self) -> bool:
        flying = sum(isinstance(j, Propose) for j in self._flying.values())
        most = self.budget.experiments
        return bool(self._willing()) and (most is None or self.session_proposed + flying < most)

    def _willing(self) -> list[str]:
        """Researchers that have not passed again and again since the last verdict."""
        return [r for r in self.researchers if self._passes(r) < MOST_PASSES]

    def _passes(self, researcher: str) -> int:
        verdicts, times = self._passed.get(researcher, (0, 0))
        return times if verdicts == len(self._pasts) else 0

    def _brief(self, researcher: str) -> Brief:
        asked = self._asked[researcher]
        return Brief(
            goal=self.track.track.goal, metric=self.track.metric.name, direction=self.track.metric.direction, files={},
            frontier=self.frontier, noise=self.noise, program=self.prose,
            history=[*self._pasts[-HISTORY:], *map(_past, self.open.values())],
            seed=self.known.draw("brief", researcher, self.commit, len(self.experiments), asked),
            strain=max(guards.begin(self.track.guard), default=0.0) or None)

    # -- tell --

    def tell(self, result: Result, at: float) -> list[Event]:
        """Take a result; return what happened, already applied, in the order in which it must be recorded."""
        self._flying.pop(key(result.job), None)
        if not isinstance(result, Trouble):
            self._faults[result.job.place] = 0
        if isinstance(result, Proposal):
            return list(self._proposed(result, at))
        if isinstance(result, Rebasing):
            return list(self._rebased(result, at))
        if isinstance(result, Measurement):
            return list(self._measured(result, at))
        return list(self._faulted(result, at))

    def _happen(self, event: Event) -> Event:
        self.apply(event)
        return event

    def _proposed(self, result: Proposal, at: float) -> Iterator[Event]:
        job, change = result.job, result.change
        if change is None or not result.commit:
            yield self._happen(Passed(at, job.researcher, job.base, result.reason))
            return
        number = self.next_experiment
        yield self._happen(Proposed(at, number, job.base, job.commit, result.commit, job.researcher, change.message,
                                    result.patch, change.note))
        if result.foul:
            yield self._happen(Judged(at, number, "foul", result.foul))

    def _rebased(self, result: Rebasing, at: float) -> Iterator[Event]:
        experiment = self.open.get(result.job.experiment)
        if experiment is None or result.job.onto != self.commit:
            return  # judged meanwhile, or the frontier has moved again: then it is asked for anew
        if not result.commit:
            yield self._happen(Judged(at, experiment.id, "discard", "conflicts with what was kept meanwhile"))
        else:
            yield self._happen(Rebased(at, experiment.id, self.frontier, self.commit, result.commit))

    def _measured(self, result: Measurement, at: float) -> Iterator[Event]:
        job = result.job
        yield self._happen(Measured(at, job.run, job.experiment, job.commit, job.seed, job.stage, result.outcome,
                                    result.metrics, result.reason, result.busy, result.overhead, result.worker,
                                    result.log))
        yield from self._settle(at)

    def _faulted(self, result: Trouble, at: float) -> Iterator[Event]:
        yield self._happen(Faulted(at, type(result.job).__name__.lower(), result.reason))
        self._faults[result.job.place] += 1
        if self._faults[result.job.place] >= MOST_FAULTS:
            self.problem = f"the machine failed {MOST_FAULTS} times in a row: {result.reason}"

    # -- verdicts --

    def _settle(self, at: float) -> Iterator[Event]:
        """The verdicts that the runs so far amount to."""
        for experiment in sorted(self.open.values(), key=lambda e: (-e.confirming, e.id)):
            if experiment.decided is not None:
                verdict, reason, ruling = experiment.decided
                if verdict == "crash" or experiment.base_commit == self.commit:
                    yield self._happen(self._judged(at, experiment, verdict, reason, ruling))

    def _weigh(self, experiment: Experiment) -> None:
        """Take new evidence to the referee. Part of `apply`, so that a replayed Lab knows what the live one knew."""
        if experiment.base_commit != self.commit or (experiment.decided and experiment.decided[0] == "crash"):
            return
        strain = guards.worst(self.known.strains(experiment))
        experiment.strain = strain.share if strain else None
        if strain and guards.hopeless(strain, len(self.known.shared(experiment))):
            experiment.decided = ("discard", strain.sentence, None)
            return
        step = self._next_step(experiment)
        if isinstance(step, referee.Ruling):
            broken = strain is not None and strain.share > 1 and step.verdict == "keep"
            experiment.decided = ("discard", strain.sentence, step) if strain and broken else (
                step.verdict, step.reason, step)
        elif step is not None:
            experiment.confirming = step.pairs if step.stage == "confirm" else 0
            experiment.decided = None

    def _next_step(self, experiment: Experiment) -> referee.More | referee.Ruling | None:
        race, fresh = self.known.pairs(experiment)
        if (len(race), len(fresh)) == (experiment.pairs - experiment.fresh_pairs, experiment.fresh_pairs):
            return None
        experiment.pairs, experiment.fresh_pairs = len(race) + len(fresh), len(fresh)
        experiment.effect = referee.mean(fresh or race)
        odds = referee.night_odds(self.counts["keep"], self.runs)
        variance = self.known.fresh_variance if fresh else self.known.variance
        evidence = referee.Evidence(race, fresh, variance, odds, self.track.metric.worthwhile)
        return referee.next_step(evidence, self.policy)

    def _judged(self, at: float, experiment: Experiment, verdict: Decision, reason: str,
                ruling: referee.Ruling | None = None) -> Judged:
        race, fresh = self.known.pairs(experiment)
        both = race + fresh
        variance = referee.squares(both) / (len(both) - 1) if len(both) > 1 else None
        effect = ruling.effect if ruling else referee.mean(fresh or race) if both else None
        return Judged(at, experiment.id, verdict, reason, effect, ruling.interval if ruling else None, len(both),
                      len(fresh), ruling.e_value if ruling else None, variance)

    # -- apply --

    def apply(self, event: Event) -> None:
        """Take up one recorded event; replaying a journal is nothing but this."""
        _APPLY[type(event)](self, event)
        self._session_last = event.at

    def _on_opened(self, event: Opened) -> None:
        self._reset()
        self.opened, self.commit, self.track = event, event.commit, parse(event.contract)
        self._known = Runs(event, self.track)

    def _on_started(self, event: Started) -> None:
        self._close_session()
        self._session_from, self._session_workers = event.at, event.workers
        self.sandboxes.add(event.sandbox)
        self._faults.clear()
        self._passed.clear()

    def _on_stopped(self, event: Stopped) -> None:
        self._seconds += event.seconds
        self._capacity += event.seconds * self._session_workers
        self._session_workers = 0
        for part, seconds in (("decision", event.deciding), ("journal", event.writing)):
            if seconds:
                self.parts[part].append(seconds)

    def _close_session(self) -> None:
        """A session that was killed lasted until its last record."""
        if self._session_workers:
            self._on_stopped(Stopped(self._session_last, self._under_way()))

    def _on_proposed(self, event: Proposed) -> None:
        experiment = Experiment(event.experiment, event.base, event.base_commit, event.commit, event.researcher,
                                event.message, event.at, event.note)
        self.experiments[event.experiment] = self.open[event.experiment] = experiment
        self.next_experiment = event.experiment + 1
        self._asked[event.researcher] += 1
        self._passed.pop(event.researcher, None)
        self.session_proposed += 1

    def _on_passed(self, event: Passed) -> None:
        self._passed[event.researcher] = (len(self._pasts), self._passes(event.researcher) + 1)
        self._asked[event.researcher] += 1

    def _on_rebased(self, event: Rebased) -> None:
        experiment = self.experiments[event.experiment]
        self.known.forget(experiment.commit)
        experiment.base, experiment.base_commit, experiment.commit = event.base, event.base_commit, event.commit
        experiment.confirming = experiment.pairs = experiment.fresh_pairs = experiment.runs = 0
        experiment.effect, experiment.drawn, experiment.decided = None, (), None

    def _on_measured(self, event: Measured) -> None:
        self.runs += 1
        self.next_run = max(self.next_run, event.run + 1)
        self.busy += event.busy
        for part, seconds in event.overhead.items():
            self.parts[part].append(seconds)
        metrics = {n: within(v) for n, v in event.metrics.items()} if event.outcome == "ok" else {}
        if event.experiment == self.frontier and event.commit == self.commit:
            self.problem = self.known.add_incumbent(event, metrics) or self.problem
            for experiment in self.open.values():
                self._weigh(experiment)
        elif (mine := self.open.get(event.experiment)) is not None and mine.commit == event.commit:
            self.known.add(event, metrics)
            mine.runs += 1
            if not metrics:
                mine.decided = ("crash", event.reason, None)
            self._weigh(mine)

    def _on_judged(self, event: Judged) -> None:
        experiment = self.open.pop(event.experiment)
        experiment.verdict, experiment.reason = event.verdict, event.reason
        experiment.effect, experiment.interval = event.effect, event.interval
        experiment.pairs, experiment.fresh_pairs, experiment.e_value = event.pairs, event.fresh_pairs, event.e_value
        experiment.metrics = self.known.means(experiment.commit)
        self.counts[event.verdict] += 1
        self._shifts[experiment.id] = self._shifts[experiment.base] + self.track.oriented(event.effect or 0.0)
        self._pasts.append(_past(experiment))
        experiment.note = {}
        self.known.raced(event.pairs, event.variance)
        if event.verdict == "keep":
            self.known.move(experiment)
            self.frontier, self.commit = experiment.id, experiment.commit
        else:
            self.known.forget(experiment.commit)
        experiment.drawn, experiment.decided = (), None

    def _on_faulted(self, event: Faulted) -> None:
        self.counts["fault"] += 1


_APPLY: dict[type, Any] = {
    Opened: Lab._on_opened, Started: Lab._on_started, Stopped: Lab._on_stopped, Proposed: Lab._on_proposed,
    Passed: Lab._on_passed, Rebased: Lab._on_rebased, Measured: Lab._on_measured, Judged: Lab._on_judged,
    Faulted: Lab._on_faulted,
}


def _past(experiment: Experiment) -> Past:
    return Past(experiment.id, experiment.base, experiment.researcher, experiment.verdict, experiment.message,
                experiment.effect, experiment.pairs, experiment.reason, experiment.note, experiment.strain)

