"""Every run that still counts on a track: what the incumbent and the open experiments measured on which seeds, which
seeds come next, and how much runs spread. Pure."""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from overnight.errors import TrackError
from overnight.lab.events import Measured, Stage
from overnight.lab.experiment import Experiment, Metrics
from overnight.lab.nulls import Nulls
from overnight.referee import failures, guards, holdout, kinds, noise
from overnight.referee.curves import Curve
from overnight.referee.drift import Drift
from overnight.referee.kinds import KINDS, NOISY, shown
from overnight.referee.kinds.kind import Calibration, Kind
from overnight.track.spec import HARNESS_METRICS, Track

CALIBRATION = 5  # seeds on which the baseline is measured first; the first of them twice
OWN_SEEDS = 450  # seeds that may ever confirm one commit: what the referee wants at most, and some that may fail
LASTING_RUNS = 60  # of the track, for which an incumbent's run is paired with others, where its number does not repeat itself
LARGEST_NUMBER = 1e150  # numbers beyond it are taken for it: their squares must stay finite
MOST_SCATTER = 2.0  # times the usual standard deviation that a keep's may be
SMALLEST_DIFFERENCE = 1e-150  # the same for differences
TIMED = HARNESS_METRICS - {"peak_memory"}  # what the harness measures by a clock


@dataclass(eq=False, repr=False)
class Runs:
    """What has been measured since the track was opened. The incumbent is the frontier's commit, at first the baseline.

    secret       what seeds are drawn from; None where it is not at hand: nothing new can be measured then
    calibration  the seeds that the baseline is measured on first, others in the place of those on which it fails; without the
                 secret those that the record shows so far
    confirmed    commit -> the fresh seeds on which it ran as a candidate
    exact        the kernel counted CPU and memory of every run
    alike        runs that gave the number that their commit had given on another seed
    varies       some commit gave different numbers on different seeds
    beyond       some run gave a number that is neither 0 nor 1
    _stood       earlier incumbents: their standing, seeds drawn for them, and `_earned`
    """

    baseline_commit: str
    track: Track
    secret: str | None
    incumbent: str = ""
    calibration: list[int] = field(default_factory=list)
    confirmed: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    values: dict[str, dict[int, Metrics]] = field(default_factory=lambda: defaultdict(dict))
    paired: dict[str, dict[int, Metrics]] = field(default_factory=lambda: defaultdict(dict))
    repeat: Metrics | None = None
    bad: set[int] = field(default_factory=set)
    _common: dict[int, int] = field(default_factory=dict)  # seed -> runs of the track when the incumbent ran on it
    _drawn: int = CALIBRATION
    _tried: int = CALIBRATION  # seeds drawn for the calibration
    _made: int = 0
    _standing: list[float] = field(default_factory=list)
    _stood: dict[str, tuple[list[float], int, noise.Spread | None]] = field(default_factory=dict)
    _earned: noise.Spread | None = None  # in the place of the baseline's, since the last keep that earned to scatter more
    _races: list[tuple[int, float]] = field(default_factory=list)
    _retired: noise.Spread = (0, 0.0)
    _variance: float | None = None  # what follows from them and the incumbents, until either changes
    _kind: Kind | None = None  # the same, until a run shows something new
    alike: int = 0
    varies: bool = False
    beyond: bool = False
    drift: Drift = field(default_factory=Drift)
    curves: dict[str, dict[int, Curve]] = field(default_factory=lambda: defaultdict(dict))
    exact: bool = True
    nulls: Nulls = field(default_factory=Nulls)
    held: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))
    held_paired: dict[str, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def __post_init__(self) -> None:
        self.incumbent = self.baseline_commit
        self.calibration = [] if self.secret is None else [self.draw("calibrate", i) for i in range(CALIBRATION)]
        self._common = dict.fromkeys(self.calibration, 0)
        self._standing = guards.begin(self.track.guard)

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

    def means(self, commit: str) -> Metrics:
        """Mean of every metric over a commit's runs that ended well."""
        runs = self.good(commit)
        return {name: statistics.fmean(m[name] for m in runs if name in m) for name in (runs[0] if runs else ())}

    # -- what kind of metric it is --

    @property
    def calibrated(self) -> bool:
        """Whether the baseline is known well enough to judge against it."""
        return self._measured and not self._not_as_declared()

    @property
    def baseline_runs(self) -> list[bool]:
        """Whether each run of the baseline ended well, oldest first."""
        return [bool(metrics) for metrics in self.of(self.baseline_commit).values()]

    @property
    def may_fail(self) -> float:
        """The share of runs that may fail: what the baseline may fail on, at most, and what the contract allows besides."""
        ran = self.baseline_runs
        return failures.upper(ran.count(False), len(ran)) + self.track.referee.may_crash

    @property
    def _measured(self) -> bool:
        ran = self.of(self.baseline_commit)
        return self.repeat is not None and len(self.calibration) == CALIBRATION and all(s in ran for s in self.calibration)

    def _not_as_declared(self) -> str:
        """What is wrong with the kind that the contract names, if the baseline shows it."""
        declared = KINDS.get(self.track.metric.kind)
        return declared.denied_by(self._calibration()) if declared and self._measured and not self.nulls.moving else ""

    def _calibration(self) -> Calibration:
        ran = self.of(self.baseline_commit)
        twice = [m for m in (ran.get(self.calibration[0]), self.repeat) if m]
        numbers, metric = self.numbers(self.baseline_commit), self.track.metric
        timed = metric.name in TIMED or kinds.is_duration(metric.name, numbers, [
            m.get("wall_seconds", 0.0) for m in self.good(self.baseline_commit)])
        return Calibration(metric.name, tuple(numbers), tuple(map(self.number, twice)), timed, self.varies, self.beyond)

    def _seen(self, commit: str, number: float) -> None:
        """A run of a commit gave this number: what it shows of the kind of metric."""
        others = self.numbers(commit)
        alike, beyond = bool(others) and others[0] == number, number not in (0.0, 1.0)
        self.alike += alike
        if (others and not alike and not self.varies) or (beyond and not self.beyond):
            self.varies, self.beyond, self._kind = self.varies or (bool(others) and not alike), self.beyond or beyond, None

    @property
    def deterministic(self) -> bool:
        """Whether the same code and seed gave the same number twice."""
        first = self.of(self.baseline_commit).get(self.calibration[0]) if self.calibration else None
        return bool(first and self.repeat) and self.number(first or {}) == self.number(self.repeat or {})

    @property
    def one_number(self) -> bool:
        """Whether the baseline as it is gave one number on every seed on which it ran, those of the calibration among them."""
        return self.nulls.draws if self.nulls.moving else self.calibrated and len(set(self.numbers(self.baseline_commit))) == 1

    @property
    def kind(self) -> Kind:
        """What the contract says of the metric, or else what the calibration shows; noisy until then."""
        if self._kind is None and not (self.nulls.moving and self.track.metric.kind == "deterministic"):
            self._kind = KINDS.get(self.track.metric.kind)
        if self._kind is None and self.calibrated:
            self._kind = shown(self._calibration())
        return self._kind or NOISY

    def side_by_side(self, stage: Stage) -> bool:
        """Whether both sides of a pair are run beside one another: where the metric is a time, and to confirm what does not
        repeat itself on one seed, because then it may depend on the machine."""
        return self.kind.paired_in_time or (stage == "confirm" and self.repeat is not None and not self.deterministic)

    # -- spread --

    @property
    def variance(self) -> float:
        """Variance of one paired difference in a race."""
        if self._variance is None:
            self._variance = noise.of_races(self.seed_variance, self._races, self.floor)
        return self._variance

    @property
    def seed_variance(self) -> float:
        """Variance of the metric over seeds, pooled over the commits that were ever the incumbent."""
        commits = dict.fromkeys([self.incumbent, self.baseline_commit])
        return noise.pooled([*(noise.spread(self.numbers(c)) for c in commits), self._retired])

    @property
    def floor(self) -> float:
        """Differences below a tenth of what is worthwhile are not told apart, even when nothing is noisy."""
        level = max((abs(v) for v in self.numbers(self.baseline_commit)), default=1.0)
        return max(self.track.metric.worthwhile / 10, 1e-9 * level, SMALLEST_DIFFERENCE) ** 2

    @property
    def usual(self) -> noise.Spread:
        """What the scatter of keeps is compared with: that of the baseline, or of the last keep that earned to scatter more."""
        return self._earned or noise.spread(self.numbers(self.baseline_commit))

    def unsteady(self, commit: str) -> bool:
        """Whether a commit's runs are shown to scatter more than MOST_SCATTER times as much. Times scatter with the machine's
        other work, and rates with their level."""
        mine = noise.spread(self.numbers(commit))
        return self.kind.steady and failures.scatters(mine, self.usual, MOST_SCATTER, self.floor)

    def raced(self, pairs: int, variance: float | None) -> None:
        """A candidate was judged whose differences spread like this."""
        if variance is not None:
            self._races, self._variance = [*self._races, (pairs, variance)][-noise.MOST_RACES :], None

    # -- seeds --

    @property
    def key(self) -> str:
        """What seeds are drawn from. Raises TrackError where it is not at hand."""
        if self.secret is None:
            raise TrackError("the key from which this track's seeds are drawn is not here: put its file back into "
                             "the `keys` of its state folder, or begin anew with `overnight run --restart`.")
        return self.secret

    def draw(self, *what: object) -> int:
        """A seed that cannot be known without the track's key. Raises TrackError where that is not at hand."""
        text = "|".join([self.key, *map(str, what)])
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1

    def own_seeds(self, experiment: Experiment) -> tuple[int, ...]:
        """All seeds that may ever confirm this commit; they depend on it, so they were not known before."""
        if not experiment.confirmation_seeds and experiment.confirming:
            experiment.confirmation_seeds = tuple(self.draw("confirm", experiment.commit, i) for i in range(OWN_SEEDS))
        return experiment.confirmation_seeds

    def fresh(self, experiment: Experiment, count: int) -> list[int]:
        """The first `count` usable ones of them: on which neither side is known to fail."""
        failed = self.bad | experiment.crashed | {s for s, m in self.of(experiment.base_commit).items() if not m}
        return [s for s in self.own_seeds(experiment) if s not in failed][:count]

    def next_common(self, used: Iterable[int] = ()) -> int:
        """The incumbent's unused seed that lies nearest its median, or else a new one; a new one each time where the
        metric is a time, for nothing is gained by an old one."""
        if self.kind.paired_in_time:
            return self.draw("timed", self.incumbent, self._made)
        theirs, skip = self.of(self.incumbent), {*used, *self.bad}
        unused = [s for s in self._common if s not in skip]
        if known := [s for s in unused if theirs.get(s)]:
            centre = statistics.median(self.numbers(self.incumbent))
            return min(known, key=lambda s: abs(self.number(theirs[s]) - centre))
        return unused[0] if unused else self.draw("common", self.incumbent, self._drawn)

    def age(self, runs: int) -> None:
        """So many runs were made. A number that does not repeat itself may drift with the machine, so that an old one says
        little of a new one: its seed is not raced on any more."""
        self._made = runs
        if self.calibrated and not self.deterministic:
            self._common = {s: at for s, at in self._common.items() if runs - at < LASTING_RUNS}

    # -- pairs --

    def against(self, commit: str, base: str, seed: int) -> Metrics | None:
        """What the base measured on a seed: beside the commit's own run where that was done, else at some other time."""
        return self.paired.get(commit, {}).get(seed) or self.of(base).get(seed)

    def counterpart_known(self, experiment: Experiment, seed: int) -> bool:
        """Whether the other side of a run is known, or never will be."""
        return self.kind.paired_in_time or seed in self.bad or seed in self.of(experiment.base_commit)

    def blamed(self, experiment: Experiment) -> frozenset[int]:
        """Seeds on which an experiment failed and its base did not."""
        experiment.crashed |= {s for s, m in self.of(experiment.commit).items()
                               if not m and self.against(experiment.commit, experiment.base_commit, s)}
        return experiment.crashed

    def shared(self, experiment: Experiment) -> dict[int, guards.Pair]:
        """What an experiment and its base measured on the seeds that both have run."""
        sides = ((seed, mine, self.against(experiment.commit, experiment.base_commit, seed))
                 for seed, mine in self.of(experiment.commit).items())
        return {seed: (mine, theirs) for seed, mine, theirs in sides if mine and theirs}

    def difference(self, pair: guards.Pair) -> float:
        """By how much the first of two runs is better."""
        return self.track.oriented(self.number(pair[0]) - self.number(pair[1]))

    def pace(self, base: str, seed: int) -> Curve:
        """What the base reported on a seed while it ran; empty if that is not known."""
        return self.curves.get(base, {}).get(seed, ())

    def pairs(self, experiment: Experiment) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Oriented differences on those seeds: (race, fresh). A race takes off what its lead is expected to gain."""
        fresh = self.confirmed.get(experiment.commit, ())
        differences = {seed: self.difference(pair) for seed, pair in self.shared(experiment).items()}
        return ((*experiment.prior_differences, *(d - experiment.handicap for s, d in differences.items() if s not in fresh)),
                tuple(d for s, d in differences.items() if s in fresh))

    def on_holdout(self, experiment: Experiment) -> tuple[holdout.Pair, ...]:
        """The fresh pairs whose base gave a number on the holdout: (difference, difference there)."""
        mine, theirs = self.held.get(experiment.commit, {}), self.held.get(experiment.base_commit, {}) \
            | self.held_paired.get(experiment.commit, {})
        turned, fresh = self.track.oriented, self.confirmed.get(experiment.commit, ())
        return tuple((self.difference(pair), turned(mine[seed] - theirs[seed]) if seed in mine else -math.inf)
                     for seed, pair in self.shared(experiment).items() if seed in fresh and seed in theirs)

    def guard_usage(self, experiment: Experiment) -> list[guards.GuardUsage]:
        """How near an experiment comes to each guard's bound."""
        return self.usage_of(list(self.shared(experiment).values()))

    def standing(self, commit: str) -> list[float] | None:
        """What share of each guard's relative bound an incumbent used itself, of the one that is or one that was; None where
        that is not known."""
        return self._standing if commit == self.incumbent else self._stood[commit][0] if commit in self._stood else None

    def usage_of(self, pairs: Sequence[guards.Pair]) -> list[guards.GuardUsage]:
        """How near what was run beside the incumbent comes to each guard's bound."""
        return guards.usage(self.track.guard, pairs, self._standing, self.exact)

    def explored_on(self, turn: int, used: Container[int]) -> int:
        """The seed of the next run of a point of a campaign: one of those that the incumbent has run, in turn; of a point that
        has run on all of them, a new one."""
        if self.kind.paired_in_time:
            return self.draw("explore", turn)
        ran = [s for s, m in self.of(self.incumbent).items() if m and s in self._common]
        ran = ran[turn % max(1, len(ran)):] + ran[: turn % max(1, len(ran))]
        return next((s for s in ran if s not in used), self.draw("explore", turn))

    # -- what happens --

    def seed_to_check(self, runs: int) -> int:
        """One of the incumbent's seeds, to run it there again."""
        ran = [s for s, m in self.of(self.incumbent).items() if m]
        return ran[self.draw("check", runs) % len(ran)]

    def check(self, event: Measured, metrics: Metrics, runs: int) -> str:
        """The incumbent was run again. Returns what is wrong with the machine, if this shows it."""
        before = self.of(event.commit).get(event.seed)
        if not before:
            return ""
        return self.drift.saw(self.number(before), self.number(metrics) if metrics else None, self.deterministic, runs)

    def add(self, event: Measured, metrics: Metrics) -> None:
        """A candidate's run ended; `metrics` is empty unless it ended well."""
        if metrics:
            self._seen(event.commit, self.number(metrics))
        self.values[event.commit][event.seed] = metrics
        if event.stage == "confirm":
            self.confirmed[event.commit].add(event.seed)
        self.hold(event)
        if event.paired_metrics:
            self.paired[event.commit][event.seed] = {n: within(v) for n, v in event.paired_metrics.items()}
        elif self.side_by_side(event.stage):
            self.bad.add(event.seed)

    def add_incumbent(self, event: Measured, metrics: Metrics, runs: int = 0) -> str:
        """The incumbent's run ended. Returns what is wrong with the track, if this shows it."""
        values, self._variance = self.values[event.commit], None
        if event.stage == "calibrate":
            self._calibrate(event.seed, values, metrics)
        if metrics and event.seed not in values:
            self._seen(event.commit, self.number(metrics))
        values.setdefault(event.seed, metrics)
        self.hold(event)
        if event.seed not in self._common:
            self._common[event.seed] = runs
            self._drawn += 1
        if not metrics:
            self.bad.add(event.seed)
            return failures.ended(self.baseline_runs, self.calibrated, event.reason)
        if event.stage == "calibrate" and (wrong := self._not_as_declared()):
            return wrong
        missing = next((g.metric for g in self.track.guard if g.metric not in metrics), "")
        return f"the guard on {missing} can never bind, because {missing} is not measured" if missing else ""

    def look_anew(self) -> None:
        """What kind of metric it is, and how much it scatters, is found out anew."""
        self._kind = self._variance = None

    def _calibrate(self, seed: int, values: dict[int, Metrics], metrics: Metrics) -> None:
        """The baseline ran on a seed of the calibration, the first of them for the second time; where it failed, another takes
        the seed's place. Without the secret, these are the seeds that are seen in the record."""
        others = [s for s in self.calibration if s != seed]
        if not metrics:
            values[seed] = {}
            if seed in self.calibration and self.secret is not None:
                self._tried += 1
                others.append(self.draw("calibrate", self._tried - 1))
                self._common.setdefault(others[-1], 0)
            self.calibration = others
        elif seed not in self.bad:
            if self.secret is None:
                self.calibration = [seed, *others] if seed in self.calibration else [*others, seed]
                self._common.setdefault(seed, 0)
            if seed in values:
                self.repeat = metrics

    def late(self, event: Measured, metrics: Metrics) -> None:
        """A run of an incumbent that was ended, with which an experiment is still compared."""
        self.values[event.commit].setdefault(event.seed, metrics)
        self._variance = None  # the baseline's runs are among those that it follows from
        self.hold(event)

    def hold(self, event: Measured) -> None:
        """A run was scored on the holdout too."""
        for place, number in ((self.held, event.holdout), (self.held_paired, event.paired_holdout)):
            if number is not None:
                place[event.commit][event.seed] = within(number)

    def forget(self, commit: str) -> None:
        """A commit is out: its runs do not count any more."""
        self.values.pop(commit, None)
        self.confirmed.pop(commit, None)
        self.paired.pop(commit, None)
        self.curves.pop(commit, None)
        self.held.pop(commit, None)
        self.held_paired.pop(commit, None)

    def move(self, experiment: Experiment, runs: int) -> None:
        """The frontier moves. Only the confirming seeds go on: the racing ones were looked at before the keep. The runs
        of the old incumbent stay for those that are still compared with it, until `forget`."""
        self._stood[self.incumbent] = self._standing, self._drawn, self._earned
        if self.unsteady(experiment.commit):
            freedom, squares = noise.spread(self.numbers(experiment.commit))
            self._earned = freedom, squares / MOST_SCATTER**2
        self._standing = [s.share if s.relative else 0.0 for s in self.guard_usage(experiment)]
        fresh = self.confirmed.get(experiment.commit, ())
        kept = {s: m for s, m in self.of(experiment.commit).items() if s in fresh}
        if self.incumbent != self.baseline_commit:
            gone = noise.spread(self.numbers(self.incumbent))
            self._retired = (self._retired[0] + gone[0], self._retired[1] + gone[1])
        self.values[experiment.commit] = kept
        self.incumbent, self.bad, self._variance = experiment.commit, {s for s, m in kept.items() if not m}, None
        self._common, self._drawn = dict.fromkeys(kept, runs), len(kept)

    def back(self, commit: str) -> None:
        """The frontier moves back to where it was. What is still known of that commit was looked at before, so it is raced on
        seeds that were never drawn."""
        self._standing, self._drawn, self._earned = self._stood[commit]
        self.incumbent, self.bad, self._variance, self._common = commit, set(), None, {}


def within(number: float) -> float:
    """A number whose square is finite."""
    return max(-LARGEST_NUMBER, min(LARGEST_NUMBER, number))
