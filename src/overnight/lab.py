"""The Lab: the state of one track and the choice of what to do next. Pure: no files, no clock, no network.

`ask` gives a free place its next job, `tell` takes a result and says what happened, `apply` replays what happened.
Every driver, from the local loop to a swarm, is a thin caller of these three.
"""

from __future__ import annotations

import hashlib
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from overnight import guards, noise, referee
from overnight.contracts import Brief, Past
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
from overnight.track import Track, parse

BASELINE = 0  # the number that stands for the baseline where an experiment is named
CALIBRATION = 5  # seeds on which the baseline is measured first; the first of them twice
HISTORY = 1000  # experiments that a brief looks back on
MOST_FAULTS = 3  # times that one job may fail with the machine before the night is stopped
MOST_PASSES = 3  # times in a row that a researcher may have nothing before it is left alone until the next verdict
MOST_BAD_SEEDS = 5  # seeds on which the frontier itself may fail, if they are more than a quarter of all
LARGEST = 1e150  # numbers beyond it are taken for it: their squares must stay finite
SMALLEST = 1e-150  # the same for differences


# ---- state -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Experiment:
    """One experiment as the Lab knows it: the proposal, then its verdict."""

    id: int
    base: int
    base_commit: str
    commit: str
    researcher: str
    message: str
    at: float = 0.0
    note: dict[str, Any] = field(default_factory=dict)
    verdict: str = "open"
    reason: str = ""
    effect: float | None = None
    interval: tuple[float, float] | None = None
    pairs: int = 0
    fresh_pairs: int = 0
    e_value: float | None = None
    runs: int = 0
    confirming: int = 0
    drawn: tuple[int, ...] = field(default=(), compare=False, repr=False)
    decided: tuple[Decision, str, referee.Ruling | None] | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    strain: float | None = None

    @property
    def title(self) -> str:
        """The first line of its message."""
        return self.message.partition("\n")[0]


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
        self.sandboxes: set[str] = set()
        self.seconds = 0.0
        self.busy = 0.0
        self.capacity = 0.0
        self.parts: dict[str, list[float]] = defaultdict(list)
        self.next_run, self.next_experiment = 1, 1
        self._session_from = 0.0
        self._session_last = 0.0
        self._session_workers = 0
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
        self._shifts: dict[int, float] = {BASELINE: 0.0}
        self._values: dict[str, dict[int, dict[str, float]]] = defaultdict(dict)
        self._repeat: dict[str, float] | None = None
        self._calibration: list[int] = []
        self._common: list[int] = []
        self._standing: list[float] = []  # the frontier's share of each relative guard's bound
        self._bad: set[int] = set()
        self._races: list[tuple[int, float]] = []
        self._retired: noise.Spread = (0, 0.0)
        self._variance: float | None = None  # what follows from them and the baseline, until either changes
        self._pasts: list[Past] = []
        self._passed: dict[str, tuple[int, int]] = {}
        self._asked: Counter[str] = Counter()
        self.session_proposed = 0

    # -- what is known --

    @property
    def baseline(self) -> list[dict[str, float]]:
        """The metrics of the baseline's runs that ended well, one a seed."""
        return [m for m in self._base_values.values() if m]

    @property
    def calibrated(self) -> bool:
        """Whether the baseline is known well enough to judge against it."""
        return self._repeat is not None and sum(s in self._calibration for s in self._base_values) >= CALIBRATION

    @property
    def _base_values(self) -> dict[int, dict[str, float]]:
        return self._of(self.opened.commit) if self.opened else {}

    @property
    def noise(self) -> float | None:
        """Standard deviation of one paired difference, in the metric's unit; None before calibration."""
        return self.variance**0.5 if self.calibrated else None

    @property
    def variance(self) -> float:
        """Variance of one paired difference in a race."""
        if self._variance is None:
            self._variance = noise.of_races(self._seed_variance, self._races, self._floor)
        return self._variance

    @property
    def _seed_variance(self) -> float:
        """Variance of the metric over seeds, pooled over the commits that were ever the incumbent."""
        commits = dict.fromkeys([self.commit, self.opened.commit if self.opened else ""])
        numbers = [[self._number(m) for m in self._values.get(c, {}).values() if m] for c in commits]
        return noise.pooled([*map(noise.spread, numbers), self._retired])

    @property
    def _floor(self) -> float:
        """Differences below a tenth of what is worthwhile are not told apart, even when nothing is noisy."""
        level = max((abs(v) for v in self._baseline_metric), default=1.0)
        return max(self.track.metric.worthwhile / 10, 1e-9 * level, SMALLEST) ** 2

    @property
    def _baseline_metric(self) -> list[float]:
        return [self._number(self._base_values[s]) for s in self._calibration if s in self._base_values]

    @property
    def deterministic(self) -> bool:
        """Whether the same code and seed gave the same number twice."""
        first = self._base_values.get(self._calibration[0]) if self.opened else None
        return bool(first and self._repeat) and self._number(first or {}) == self._number(self._repeat or {})

    def metric_of(self, commit: str) -> float | None:
        """Mean of the metric over a commit's runs, as far as they are remembered."""
        numbers = [self._number(m) for m in self._of(commit).values() if m] if commit in self._values else []
        return statistics.fmean(numbers) if numbers else None

    def _of(self, commit: str) -> dict[int, dict[str, float]]:
        """A commit's runs: seed -> metrics, empty for a run that failed."""
        return self._values.get(commit, {})

    def _means(self, commit: str) -> dict[str, float]:
        """Mean of every metric over a commit's runs that ended well."""
        runs = [m for m in self._of(commit).values() if m]
        return {name: statistics.fmean(m[name] for m in runs if name in m) for name in (runs[0] if runs else ())}

    def level(self, experiment: int) -> float | None:
        """The metric of an experiment's commit: the baseline's mean, moved by the effects that were measured."""
        start = self.metric_of(self.opened.commit) if self.opened else None
        return None if start is None else start + self._shifts.get(experiment, 0.0)

    def _number(self, metrics: dict[str, float]) -> float:
        return metrics[self.track.metric.name]

    # -- seeds --

    def _draw(self, *what: object) -> int:
        """A seed that nobody can know who does not have the journal's key."""
        key = self.opened.key if self.opened else ""
        text = "|".join([key, *map(str, what)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1

    def _fresh(self, experiment: Experiment, count: int) -> list[int]:
        """The first `count` usable seeds drawn after this commit existed."""
        return [s for s in self._own_seeds(experiment) if s not in self._bad][:count]

    def _own_seeds(self, experiment: Experiment) -> tuple[int, ...]:
        """All seeds that may ever confirm this commit; they depend on it, so nobody knew them before."""
        if not experiment.drawn:
            count = self.policy.most_fresh + MOST_BAD_SEEDS
            experiment.drawn = tuple(self._draw("confirm", experiment.commit, i) for i in range(count))
        return experiment.drawn

    def _next_common(self, experiment: Experiment) -> int:
        """The incumbent's unused seed that lies nearest its mean, or else a new one."""
        mine, theirs = self._of(experiment.commit), self._of(self.commit)
        centre = self.metric_of(self.commit) or 0.0
        unused = [s for s in self._common if s not in mine and s not in self._bad]
        known = [s for s in unused if theirs.get(s)]
        if known:
            return min(known, key=lambda s: abs(self._number(theirs[s]) - centre))
        return unused[0] if unused else self._draw("common", self.commit, len(self._common))

    # -- ask --

    def begin(self, budget: Budget, at: float) -> list[Event]:
        """A session starts: what it may use. Returns the verdicts that an earlier session had no time to record."""
        self.budget, self.stopping = budget, ""
        self.session_proposed = 0
        return list(self._settle(at))

    def finished(self, now: float) -> bool:
        """Whether nothing is under way and nothing more will be asked for."""
        return not self._flying and (self._over(now) or self._nothing_left())

    def _over(self, now: float) -> bool:
        return bool(self.stopping or self.problem) or (self.budget.until is not None and now >= self.budget.until)

    def _nothing_left(self) -> bool:
        return self.calibrated and not self.open and not self._may_propose()

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
        commit, seeds = self.opened.commit, self._calibration
        twice = [seeds[0]] if self._repeat is None else []
        missing = [s for s in seeds if s not in self._of(commit)]
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
            seeds, stage = self._fresh(experiment, experiment.confirming), "confirm"
        else:
            under_way = [seed for commit, seed in flying if commit == experiment.commit]
            seeds, stage = under_way or [self._next_common(experiment)], "race"
        for seed in seeds:
            for owner, commit in ((experiment.id, experiment.commit), (self.frontier, self.commit)):
                if seed not in self._of(commit) and (commit, seed) not in flying:
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
            seed=self._draw("brief", researcher, self.commit, len(self.experiments), asked),
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
        strain = guards.worst(self._strains(experiment))
        experiment.strain = strain.share if strain else None
        if strain and guards.hopeless(strain, len(self._shared(experiment))):
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
        race, fresh = self._pairs(experiment)
        if (len(race), len(fresh)) == (experiment.pairs - experiment.fresh_pairs, experiment.fresh_pairs):
            return None
        experiment.pairs, experiment.fresh_pairs = len(race) + len(fresh), len(fresh)
        experiment.effect = referee.mean(fresh or race)
        odds = referee.night_odds(self.counts["keep"], self.runs)
        variance = noise.of_fresh(self._seed_variance, self.variance) if fresh else self.variance
        evidence = referee.Evidence(race, fresh, variance, odds, self.track.metric.worthwhile)
        return referee.next_step(evidence, self.policy)

    def _pairs(self, experiment: Experiment) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Oriented differences (race, fresh) on the seeds that both sides have run."""
        fresh = self._own_seeds(experiment)
        differences = {seed: self.track.oriented(self._number(mine) - self._number(theirs))
                       for seed, (mine, theirs) in self._shared(experiment).items()}
        return (tuple(d for s, d in differences.items() if s not in fresh),
                tuple(d for s, d in differences.items() if s in fresh))

    def _judged(self, at: float, experiment: Experiment, verdict: Decision, reason: str,
                ruling: referee.Ruling | None = None) -> Judged:
        race, fresh = self._pairs(experiment)
        both = race + fresh
        variance = referee.squares(both) / (len(both) - 1) if len(both) > 1 else None
        effect = ruling.effect if ruling else referee.mean(fresh or race) if both else None
        return Judged(at, experiment.id, verdict, reason, effect, ruling.interval if ruling else None, len(both),
                      len(fresh), ruling.e_value if ruling else None, variance)

    def _shared(self, experiment: Experiment) -> dict[int, guards.Pair]:
        """What an experiment and its base measured on the seeds that both have run."""
        mine, theirs = self._of(experiment.commit), self._of(experiment.base_commit)
        return {s: (metrics, theirs[s]) for s, metrics in mine.items() if metrics and theirs.get(s)}

    def _strains(self, experiment: Experiment) -> list[guards.Strain]:
        """How near an experiment comes to each guard's bound; on fresh seeds, as soon as there are any."""
        shared, fresh = self._shared(experiment), self._own_seeds(experiment)
        pairs = [pair for seed, pair in shared.items() if seed in fresh] or list(shared.values())
        return guards.strains(self.track.guard, pairs, self._standing)

    # -- apply --

    def apply(self, event: Event) -> None:
        """Take up one recorded event; replaying a journal is nothing but this."""
        _APPLY[type(event)](self, event)
        self._session_last = event.at

    def _on_opened(self, event: Opened) -> None:
        self._reset()
        self.opened, self.commit, self.track = event, event.commit, parse(event.contract)
        self._calibration = [self._draw("calibrate", i) for i in range(CALIBRATION)]
        self._common, self._standing = list(self._calibration), guards.begin(self.track.guard)

    def _on_started(self, event: Started) -> None:
        self._close_session()
        self._session_from, self._session_workers = event.at, event.workers
        self.sandboxes.add(event.sandbox)
        self._faults.clear()
        self._passed.clear()

    def _on_stopped(self, event: Stopped) -> None:
        self.seconds += event.seconds
        self.capacity += event.seconds * self._session_workers
        self._session_workers = 0
        for part, seconds in (("decision", event.deciding), ("journal", event.writing)):
            if seconds:
                self.parts[part].append(seconds)

    def _close_session(self) -> None:
        """A session that was killed lasted until its last record."""
        if self._session_workers:
            lasted = max(0.0, self._session_last - self._session_from)
            self._on_stopped(Stopped(self._session_last, lasted))

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
        self._values.pop(experiment.commit, None)
        experiment.base, experiment.base_commit, experiment.commit = event.base, event.base_commit, event.commit
        experiment.confirming = experiment.pairs = experiment.fresh_pairs = experiment.runs = 0
        experiment.effect, experiment.drawn, experiment.decided = None, (), None

    def _on_measured(self, event: Measured) -> None:
        self.runs += 1
        self.next_run = max(self.next_run, event.run + 1)
        self.busy += event.busy
        for part, seconds in event.overhead.items():
            self.parts[part].append(seconds)
        metrics = {n: _within(v) for n, v in event.metrics.items()} if event.outcome == "ok" else {}
        if event.experiment == self.frontier and event.commit == self.commit:
            self._on_incumbent(event, metrics)
            for experiment in self.open.values():
                self._weigh(experiment)
        elif (mine := self.open.get(event.experiment)) is not None and mine.commit == event.commit:
            self._values[event.commit][event.seed] = metrics
            mine.runs += 1
            if not metrics:
                mine.decided = ("crash", event.reason, None)
            self._weigh(mine)

    def _on_incumbent(self, event: Measured, metrics: dict[str, float]) -> None:
        values, self._variance = self._values[event.commit], None
        if event.stage == "calibrate" and event.outcome != "ok":
            self.problem = f"the baseline fails: {event.reason}"
        elif not metrics:
            self._bad.add(event.seed)
            if len(self._bad) >= MOST_BAD_SEEDS and 4 * len(self._bad) > len(values):
                self.problem = f"the frontier itself fails again and again: {event.reason}"
        elif missing := next((g.metric for g in self.track.guard if g.metric not in metrics), ""):
            self.problem = f"the guard on {missing} can never bind, because nobody measures {missing}"
        elif event.seed in values and event.stage == "calibrate":
            self._repeat = metrics
        values.setdefault(event.seed, metrics)
        if event.seed not in self._common:
            self._common.append(event.seed)

    def _on_judged(self, event: Judged) -> None:
        experiment = self.open.pop(event.experiment)
        experiment.verdict, experiment.reason = event.verdict, event.reason
        experiment.effect, experiment.interval = event.effect, event.interval
        experiment.pairs, experiment.fresh_pairs, experiment.e_value = event.pairs, event.fresh_pairs, event.e_value
        experiment.metrics = self._means(experiment.commit)
        self.counts[event.verdict] += 1
        self._shifts[experiment.id] = self._shifts[experiment.base] + self.track.oriented(event.effect or 0.0)
        self._pasts.append(_past(experiment))
        experiment.note = {}
        if event.variance is not None:
            self._races, self._variance = [*self._races, (event.pairs, event.variance)][-noise.REMEMBERED:], None
        if event.verdict == "keep":
            self._move(experiment)
        else:
            self._values.pop(experiment.commit, None)
        experiment.drawn, experiment.decided = (), None

    def _move(self, experiment: Experiment) -> None:
        """The frontier moves. Only the confirming seeds go on: the racing ones were looked at before the keep."""
        self._standing = [s.share if s.relative else 0.0 for s in self._strains(experiment)]
        fresh = self._own_seeds(experiment)
        kept = {s: m for s, m in self._of(experiment.commit).items() if s in fresh}
        if self.opened is not None and self.commit != self.opened.commit:
            gone = noise.spread([self._number(m) for m in self._values.pop(self.commit, {}).values() if m])
            self._retired = (self._retired[0] + gone[0], self._retired[1] + gone[1])
        self._values[experiment.commit] = kept
        self.frontier, self.commit = experiment.id, experiment.commit
        self._common, self._bad, self._variance = list(kept), set(), None

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


def _within(number: float) -> float:
    return max(-LARGEST, min(LARGEST, number))
