"""Optuna's TPE on the constants of a real track, with the knobs and bounds that `knobs` searches: a night as its user has it.

One evaluation at a time on each core: the track's program, run and scored on a seed of its own, in the same sandbox as ours.
The default comes first. The end of the night is for the five that looked best: they are measured again, and the best is taken.
"""

from __future__ import annotations

import itertools
import random
import statistics
import threading
import time
import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench.ground import at_once
from bench.peers import AGAIN, BEST
from overnight.errors import extra
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.referee import guards
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.dead import dead
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.propose import WIDEST
from overnight.researchers.knobs.ruler import of
from overnight.researchers.knobs.scales import Value
from overnight.researchers.knobs.space import Space

TRACED = 60.0  # seconds that the run may take which shows what runs; no night's time
MOST_RESERVED = 0.5  # of a night that is very short, for measuring again
Config = Mapping[str, Value]  # knob -> value


def space(runner: Runner, contract: str, base: str) -> Space:
    """What knobs search at a commit, by the text of its contract."""
    files, track = runner.repo.editable(base, runner.track), runner.track
    ruler = of(files, track.metric.name, contract) | dead(files, runner.trace(base, TRACED))
    return Space(find(files, ruler)[:WIDEST])


def turned(files: Mapping[str, str], knobs: Sequence[Knob], config: Config) -> dict[str, str | None]:
    """The files with these values in the places of the knobs', those that differ."""
    spans = defaultdict(list)
    for knob in knobs:
        if config.get(knob.id, knob.value) != knob.value:
            spans[knob.path].append((knob.span, scales.write(config[knob.id], knob.text)))
    return {path: splice(files[path], made) for path, made in spans.items()}


class Tpe:
    """A study of Optuna over a space. Not safe to use from several threads at once."""

    def __init__(self, searched: Space, maximize: bool, seed: int) -> None:
        with extra("dev", "comparing with Optuna"):
            import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.values = {knob.id: values for knob, values in zip(searched.knobs, searched.values, strict=True) if len(values) > 1}
        self.knobs = {knob.id: knob for knob in searched.knobs}
        self.failed = optuna.trial.TrialState.PRUNED
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is experimental
            self.study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed),
                                             direction="maximize" if maximize else "minimize")
        self.study.enqueue_trial({name: self.knobs[name].value if self.knobs[name].scale.kind == "choice"
                                  else values.index(self.knobs[name].value) for name, values in self.values.items()})

    def ask(self) -> tuple[Any, dict[str, Value]]:
        """A trial, and its configuration."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial = self.study.ask()
            return trial, {name: self._suggested(trial, name, values) for name, values in self.values.items()}

    def _suggested(self, trial: Any, name: str, values: Sequence[Value]) -> Value:
        """One of the values that are worth a try, as ours has them; those that have an order are told by their places in it."""
        if self.knobs[name].scale.kind == "choice":
            value: Value = trial.suggest_categorical(name, list(values))
            return value
        return values[trial.suggest_int(name, 0, len(values) - 1)]

    def tell(self, trial: Any, number: float | None, usage: float) -> None:
        """What a run measured (None: it failed), and which share of what the guards allow it took."""
        if number is None:
            self.study.tell(trial, state=self.failed)
            return
        trial.set_constraint("guard", usage - 1)
        self.study.tell(trial, number)


class Tried(NamedTuple):
    """One configuration and its run: the metric, + is better, and its share of what the guards allow."""

    config: dict[str, Value]
    worth: float
    usage: float


class Tuned(NamedTuple):
    """The commit that a night deploys, the runs that it made, how many of them looked for it, and its seconds."""

    commit: str
    runs: int
    explored: int
    seconds: float


class Tuning:
    """One night of it, of so many seconds, on these cores."""

    def __init__(self, runner: Runner, searched: Space, base: str, lasting: float, cores: Sequence[int], seed: int) -> None:
        self.runner, self.knobs, self.base, self.cores = runner, searched.knobs, base, cores
        self.track, self.files = runner.track, runner.repo.editable(base, runner.track)
        self.tpe = Tpe(searched, self.track.metric.direction == "maximize", seed)
        self.lots, self.lock, self.lasting = random.Random(f"tuning {seed}"), threading.Lock(), lasting
        self.first: dict[str, float] = {}  # what the default measured
        self.tried: list[Tried] = []
        self.again: dict[int, list[Tried]] = defaultdict(list)  # of the best, by their places
        self.runs, self.began, self.each = 0, 0.0, 0.0

    def go(self) -> Tuned:
        """Tune until the time is over; what is under way then is still taken up, as in ours."""
        self.began = time.monotonic()
        trial, default = self.tpe.ask()
        self._tell(trial, at_once(self.cores, lambda core: self._run(default, core))[0])
        self.each = time.monotonic() - self.began
        at_once(self.cores, self._explore)
        explored, best = self.runs, sorted(self.tried, key=lambda each: -each.worth)[:BEST]
        places = itertools.cycle(range(len(best)))
        at_once(self.cores, lambda core: self._remeasure(best, places, core))
        return Tuned(self._commit(self._best(best)), self.runs, explored, time.monotonic() - self.began)

    @property
    def left(self) -> float:
        """Seconds of the night."""
        return self.began + self.lasting - time.monotonic()

    def _explore(self, core: int) -> None:
        reserved = min(BEST * AGAIN * self.each / len(self.cores), MOST_RESERVED * self.lasting)
        while self.left > reserved:
            with self.lock:
                trial, config = self.tpe.ask()
            found = self._run(config, core)
            with self.lock:
                self._tell(trial, found)

    def _tell(self, trial: Any, found: Tried | None) -> None:
        self.tpe.tell(trial, None if found is None else self.track.oriented(found.worth), found.usage if found else 0.0)
        if found and found.usage <= 1:
            self.tried.append(found)

    def _remeasure(self, best: Sequence[Tried], places: Iterator[int], core: int) -> None:
        while self.left > 0 and best:
            with self.lock:
                place = next(places)
            found = self._run(best[place].config, core)
            self.again[place].append(found or Tried(best[place].config, float("-inf"), 2.0))

    def _best(self, best: Sequence[Tried]) -> Config:
        """The best by its new runs, of those that keep within the guards in the mean; where there was no time for new ones, the
        best that was seen."""
        means = {place: statistics.fmean(each.worth for each in runs) for place, runs in self.again.items()
                 if statistics.fmean(each.usage for each in runs) <= 1}
        if not self.again:
            return best[0].config if best else {}
        return best[max(means, key=means.__getitem__)].config if means else {}

    def _run(self, config: dict[str, Value], core: int) -> Tried | None:
        """One run; None where it failed."""
        with self.lock:
            commit, seed = self._commit(config), self.lots.getrandbits(31)
            self.runs += 1
        run = self.runner.measure(Measure(0, 0, commit, seed, "race"), (core,))
        if run.outcome != "ok":
            return None
        self.first = self.first or run.metrics
        met = guards.usage(self.track.guard, [(run.metrics, self.first)], guards.begin(self.track.guard))
        worth = self.track.oriented(run.metrics[self.track.metric.name])
        return Tried(config, worth, max((each.share for each in met), default=0.0))

    def _commit(self, config: Config) -> str:
        files = turned(self.files, self.knobs, config)
        return self.runner.repo.commit(self.base, files, "Tuned") if files else self.base


