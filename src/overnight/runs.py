"""Every run that still counts on a track: what the incumbent and the open experiments measured on which seeds, which
seeds come next, and how much runs spread. Pure."""

from __future__ import annotations

import hashlib
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from overnight import guards, noise
from overnight.events import Decision, Measured, Opened
from overnight.referee import Ruling
from overnight.track import Track

CALIBRATION = 5  # seeds on which the baseline is measured first; the first of them twice
OWN_SEEDS = 13  # seeds that may ever confirm one commit: what the referee wants at most, and some that may fail
MOST_BAD_SEEDS = 5  # seeds on which the frontier itself may fail, if they are more than a quarter of all
LARGEST = 1e150  # numbers beyond it are taken for it: their squares must stay finite
SMALLEST = 1e-150  # the same for differences

Metrics = dict[str, float]


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
    decided: tuple[Decision, str, Ruling | None] | None = None
    metrics: Metrics = field(default_factory=dict)
    strain: float | None = None

    @property
    def title(self) -> str:
        """The first line of its message, without what could steer a terminal."""
        plain = (c if c.isprintable() else " " * c.isspace() for c in self.message.partition("\n")[0])
        return "".join(plain)[:300]


class Runs:
    """What has been measured since the track was opened. The incumbent is the frontier's commit, at first the baseline."""

    def __init__(self, opened: Opened, track: Track) -> None:
        self.track, self.key, self.baseline_commit, self.incumbent = track, opened.key, opened.commit, opened.commit
        self.calibration = [self.draw("calibrate", i) for i in range(CALIBRATION)]
        self.values: dict[str, dict[int, Metrics]] = defaultdict(dict)
        self.repeat: Metrics | None = None
        self.bad: set[int] = set()
        self._common = list(self.calibration)
        self._standing = guards.begin(track.guard)
        self._races: list[tuple[int, float]] = []
        self._retired: noise.Spread = (0, 0.0)
        self._variance: float | None = None  # what follows from them and the incumbents, until either changes

    # -- what is known --

    def of(self, commit: str) -> dict[int, Metrics]:
        """A commit's runs: seed -> metrics, empty for a run that failed."""
        return self.values.get(commit, {})

    def good(self, commit: str) -> list[Metrics]:
        """The metrics of a commit's runs that ended well."""
        return [m for m in self.of(commit).values() if m]

    def numbers(self, commit: str) -> list[float]:
        """The metric of those runs."""
        return [self.number(m) for m in self.good(commit)]

    def number(self, metrics: Metrics) -> float:
        """The track's metric among the others."""
        return metrics[self.track.metric.name]

    def mean(self, commit: str) -> float | None:
        """Mean of the metric over a commit's runs, as far as they are remembered."""
        numbers = self.numbers(commit)
        return statistics.fmean(numbers) if numbers else None

    def means(self, commit: str) -> Metrics:
        """Mean of every metric over a commit's runs that ended well."""
        runs = self.good(commit)
        return {name: statistics.fmean(m[name] for m in runs if name in m) for name in (runs[0] if runs else ())}

    @property
    def calibrated(self) -> bool:
        """Whether the baseline is known well enough to judge against it."""
        return self.repeat is not None and all(s in self.of(self.baseline_commit) for s in self.calibration)

    @property
    def deterministic(self) -> bool:
        """Whether the same code and seed gave the same number twice."""
        first = self.of(self.baseline_commit).get(self.calibration[0])
        return bool(first and self.repeat) and self.number(first or {}) == self.number(self.repeat or {})

    # -- spread --

    @property
    def variance(self) -> float:
        """Variance of one paired difference in a race."""
        if self._variance is None:
            self._variance = noise.of_races(self._seed_variance, self._races, self._floor)
        return self._variance

    @property
    def fresh_variance(self) -> float:
        """Variance of one paired difference on a fresh seed."""
        return noise.of_fresh(self._seed_variance, self.variance)

    @property
    def _seed_variance(self) -> float:
        """Variance of the metric over seeds, pooled over the commits that were ever the incumbent."""
        commits = dict.fromkeys([self.incumbent, self.baseline_commit])
        return noise.pooled([*(noise.spread(self.numbers(c)) for c in commits), self._retired])

    @property
    def _floor(self) -> float:
        """Differences below a tenth of what is worthwhile are not told apart, even when nothing is noisy."""
        level = max((abs(v) for v in self.numbers(self.baseline_commit)), default=1.0)
        return max(self.track.metric.worthwhile / 10, 1e-9 * level, SMALLEST) ** 2

    def raced(self, pairs: int, variance: float | None) -> None:
        """A candidate was judged whose differences spread like this."""
        if variance is not None:
            self._races, self._variance = [*self._races, (pairs, variance)][-noise.REMEMBERED :], None

    # -- seeds --

    def draw(self, *what: object) -> int:
        """A seed that nobody can know who does not have the journal's key."""
        text = "|".join([self.key, *map(str, what)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1

    def own_seeds(self, experiment: Experiment) -> tuple[int, ...]:
        """All seeds that may ever confirm this commit; they depend on it, so nobody knew them before."""
        if not experiment.drawn:
            experiment.drawn = tuple(self.draw("confirm", experiment.commit, i) for i in range(OWN_SEEDS))
        return experiment.drawn

    def fresh(self, experiment: Experiment, count: int) -> list[int]:
        """The first `count` usable ones of them."""
        return [s for s in self.own_seeds(experiment) if s not in self.bad][:count]

    def next_common(self, experiment: Experiment) -> int:
        """The incumbent's unused seed that lies nearest its mean, or else a new one."""
        mine, theirs = self.of(experiment.commit), self.of(self.incumbent)
        centre = self.mean(self.incumbent) or 0.0
        unused = [s for s in self._common if s not in mine and s not in self.bad]
        known = [s for s in unused if theirs.get(s)]
        if known:
            return min(known, key=lambda s: abs(self.number(theirs[s]) - centre))
        return unused[0] if unused else self.draw("common", self.incumbent, len(self._common))

    # -- pairs --

    def shared(self, experiment: Experiment) -> dict[int, guards.Pair]:
        """What an experiment and its base measured on the seeds that both have run."""
        mine, theirs = self.of(experiment.commit), self.of(experiment.base_commit)
        return {s: (metrics, theirs[s]) for s, metrics in mine.items() if metrics and theirs.get(s)}

    def pairs(self, experiment: Experiment) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Oriented differences on those seeds: (race, fresh)."""
        fresh = self.own_seeds(experiment)
        differences = {seed: self.track.oriented(self.number(mine) - self.number(theirs))
                       for seed, (mine, theirs) in self.shared(experiment).items()}
        return (tuple(d for s, d in differences.items() if s not in fresh),
                tuple(d for s, d in differences.items() if s in fresh))

    def strains(self, experiment: Experiment) -> list[guards.Strain]:
        """How near an experiment comes to each guard's bound; on fresh seeds, as soon as there are any."""
        shared, fresh = self.shared(experiment), self.own_seeds(experiment)
        pairs = [pair for seed, pair in shared.items() if seed in fresh] or list(shared.values())
        return guards.strains(self.track.guard, pairs, self._standing)

    # -- what happens --

    def add(self, event: Measured, metrics: Metrics) -> None:
        """A candidate's run ended; `metrics` is empty unless it ended well."""
        self.values[event.commit][event.seed] = metrics

    def add_incumbent(self, event: Measured, metrics: Metrics) -> str:
        """The incumbent's run ended. Returns what is wrong with the track, if this shows it."""
        values, self._variance = self.values[event.commit], None
        if metrics and event.seed in values and event.stage == "calibrate":
            self.repeat = metrics
        values.setdefault(event.seed, metrics)
        if event.seed not in self._common:
            self._common.append(event.seed)
        if not metrics:
            self.bad.add(event.seed)
            return self._failing(event)
        missing = next((g.metric for g in self.track.guard if g.metric not in metrics), "")
        return f"the guard on {missing} can never bind, because nobody measures {missing}" if missing else ""

    def _failing(self, event: Measured) -> str:
        if event.stage == "calibrate":
            return f"the baseline fails: {event.reason}"
        often = len(self.bad) >= MOST_BAD_SEEDS and 4 * len(self.bad) > len(self.of(event.commit))
        return f"the frontier itself fails again and again: {event.reason}" if often else ""

    def forget(self, commit: str) -> None:
        """A commit is out: its runs do not count any more."""
        self.values.pop(commit, None)

    def move(self, experiment: Experiment) -> None:
        """The frontier moves. Only the confirming seeds go on: the racing ones were looked at before the keep."""
        self._standing = [s.share if s.relative else 0.0 for s in self.strains(experiment)]
        fresh = self.own_seeds(experiment)
        kept = {s: m for s, m in self.of(experiment.commit).items() if s in fresh}
        if self.incumbent != self.baseline_commit:
            gone = noise.spread(self.numbers(self.incumbent))
            self._retired = (self._retired[0] + gone[0], self._retired[1] + gone[1])
            self.forget(self.incumbent)
        self.values[experiment.commit] = kept
        self.incumbent, self._common, self.bad, self._variance = experiment.commit, list(kept), set(), None


def within(number: float) -> float:
    """A number whose square is finite."""
    return max(-LARGEST, min(LARGEST, number))
