"""The optimisers that users take today, each through its own package, and three of a few lines, on the landscapes' space.

Each is told the space that the `# knob:` comments tell, tries the defaults first, and sees what a run measures. A crash is a
trial that was pruned (TPE) or failed (GP); a broken guard is a constraint; CMA-ES, which knows neither, is told a large number.
"""

from __future__ import annotations

import importlib.util
import random
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from bench.landscapes import PATH, SIZES, Landscape, Values, at, bounds, unit
from overnight.contracts import Brief, Change
from overnight.errors import extra
from overnight.researchers.knobs import scales
from overnight.researchers.knobs.edit import splice
from overnight.researchers.knobs.find import find
from overnight.researchers.knobs.knob import Knob
from overnight.researchers.knobs.scales import Value

BAD = 10.0  # what CMA-ES is told of a crash and of a broken guard, in regret; the defaults are 1
BEST, AGAIN = 5, 3  # how many of the best are re-measured at the end, and how often each


class Trial(NamedTuple):
    """One run: what it measured (None: it crashed), and what it cost as a share of what the guard allows."""

    values: Values
    measured: float | None
    usage: float

    @property
    def worth(self) -> float:
        """What it measured, or infinity where it cannot be had."""
        return float("inf") if self.measured is None or self.usage > 1 else self.measured


class Peer(Protocol):
    """Something that proposes a configuration and is told what came of it."""

    def suggest(self) -> Values:
        """The configuration to be run next."""

    def tell(self, trial: Trial) -> None:
        """What came of it."""


Make = Callable[[Landscape, int], Peer]


# ---- through Optuna ----------------------------------------------------------------------------------------------


class Optuna:
    """A sampler of Optuna, by its name there."""

    def __init__(self, sampler: str, landscape: Landscape, seed: int, **options: Any) -> None:
        with extra("dev", "comparing with Optuna"):
            import cmaes  # noqa: F401  (Optuna loads it when it is too late for a sentence)
            import optuna
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.sampler, self.knobs = optuna, sampler, landscape.knobs
        first = {name: coded(knob, knob.value) for name, knob in self.knobs.items()}
        if sampler == "CmaEsSampler":
            options |= {"x0": {name: value for name, value in first.items() if self.knobs[name].scale.kind != "choice"},
                        "warn_independent_sampling": False}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it is experimental
            made = getattr(optuna.samplers, sampler)(seed=seed, **options)
        self.study = optuna.create_study(sampler=made)
        self.study.enqueue_trial(first)
        self.trial: Any = None

    def suggest(self) -> Values:
        """The configuration to be run next."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.trial = self.study.ask()
            return {name: self._suggested(name, knob) for name, knob in self.knobs.items()}

    def _suggested(self, name: str, knob: Knob) -> Value:
        if knob.scale.kind == "choice":
            return self.trial.suggest_categorical(name, list(knob.scale.choices))
        low, high = sorted(coded(knob, end) for end in bounds(knob))
        if isinstance(knob.value, int):
            return decoded(knob, self.trial.suggest_int(name, low, high))
        return decoded(knob, self.trial.suggest_float(name, low, high, log=knob.scale.kind in ("log", "near1")))

    def tell(self, trial: Trial) -> None:
        """What came of it."""
        states = self.optuna.trial.TrialState
        if self.sampler == "CmaEsSampler":
            self.study.tell(self.trial, min(trial.worth, BAD))
        elif trial.measured is None:
            self.study.tell(self.trial, state=states.PRUNED if self.sampler == "TPESampler" else states.FAIL)
        else:
            if trial.usage:
                self.trial.set_constraint("guard", trial.usage - 1)
            self.study.tell(self.trial, trial.measured)


def coded(knob: Knob, value: Value) -> Any:
    """A value as a user of Optuna would have it suggested: a size by its place among 1, 2, 3, 4, 6, 8, 12, ..., what is nearly
    1 by what it lacks."""
    if knob.scale.kind == "size":
        return next(place for place, size in enumerate(SIZES) if size >= value)
    return 1 - value if knob.scale.kind == "near1" and not isinstance(value, str) else value


def decoded(knob: Knob, value: Any) -> Value:
    """The value that was suggested so."""
    if knob.scale.kind == "size":
        return SIZES[value]
    return 1 - value if knob.scale.kind == "near1" else value


def has_gp() -> bool:
    """Whether what Optuna's Gaussian process needs is installed here."""
    return importlib.util.find_spec("torch") is not None


# ---- of a few lines ----------------------------------------------------------------------------------------------


class Blind:
    """Every configuration at random."""

    def __init__(self, landscape: Landscape, seed: int) -> None:
        self.landscape, self.lots, self.first = landscape, random.Random(f"blind {seed}"), True

    def suggest(self) -> Values:
        """The configuration to be run next."""
        first, self.first = self.first, False
        return default(self.landscape) if first else {name: self.drawn(knob) for name, knob in self.landscape.knobs.items()}

    def drawn(self, knob: Knob) -> Value:
        """Any value of a knob."""
        if knob.scale.kind == "choice":
            return self.lots.choice(knob.scale.choices)
        return at(knob, self.lots.random())

    def tell(self, trial: Trial) -> None:
        """What came of it, which changes nothing."""


class BestOfN(Blind):
    """Independent samples near the default: every third knob is turned, by about a seventh of its range."""

    def drawn(self, knob: Knob) -> Value:
        """The default, or a value near it."""
        if self.lots.random() > 1 / 3:
            return knob.value
        if knob.scale.kind == "choice":
            return self.lots.choice(knob.scale.choices)
        return at(knob, min(1.0, max(0.0, unit(knob, knob.value) + self.lots.gauss(0, 0.15))))


class Climber:
    """Turns one knob of the best that was seen by a step at random; what measures lower is the best from then on."""

    def __init__(self, landscape: Landscape, seed: int) -> None:
        self.landscape, self.lots = landscape, random.Random(f"climb {seed}")
        self.best: Trial | None = None

    def suggest(self) -> Values:
        """The configuration to be run next."""
        if self.best is None:
            return default(self.landscape)
        while True:
            knob = self.lots.choice([*self.landscape.knobs.values()])
            ahead = [value for value in scales.moves(knob.scale, self.best.values[knob.label]) if self._inside(knob, value)]
            if ahead:
                return {**self.best.values, knob.label: self.lots.choice(ahead)}

    def _inside(self, knob: Knob, value: Value) -> bool:
        if knob.scale.kind == "choice" or isinstance(value, str):
            return True
        low, high = bounds(knob)
        return low <= value <= high

    def tell(self, trial: Trial) -> None:
        """What came of it."""
        if self.best is None or trial.worth < self.best.worth:
            self.best = trial


PEERS: dict[str, Make] = {
    "TPE": lambda landscape, seed: Optuna("TPESampler", landscape, seed),
    "TPE, univariate": lambda landscape, seed: Optuna("TPESampler", landscape, seed, multivariate=False),
    "CMA-ES": lambda landscape, seed: Optuna("CmaEsSampler", landscape, seed),
    "hill climb": Climber,
    "random": Blind,
    "best of n": BestOfN,
    "GP": lambda landscape, seed: Optuna("GPSampler", landscape, seed),
}


# ---- what a user makes of them -------------------------------------------------------------------------------------


def default(landscape: Landscape) -> Values:
    """The configuration that stands in the text."""
    return {name: knob.value for name, knob in landscape.knobs.items()}


def run(landscape: Landscape, values: Values, seed: int) -> Trial:
    """One run."""
    return Trial(values, landscape.run(values, seed), landscape.usage(values))


def explored(make: Make, landscape: Landscape, seed: int, runs: int) -> tuple[list[Trial], float]:
    """So many trials, each on a seed of its own, and the CPU milliseconds for a suggestion."""
    peer, trials, cpu = make(landscape, seed), list[Trial](), 0.0
    for number in range(runs):
        began = time.process_time()
        values = peer.suggest()
        cpu += time.process_time() - began
        trials.append(run(landscape, values, _seed(seed, number)))
        began = time.process_time()
        peer.tell(trials[-1])
        cpu += time.process_time() - began
    return trials, 1000 * cpu / max(runs, 1)


def _seed(seed: int, number: int) -> int:
    return 1_000_000 + 10_000 * seed + number


def best(landscape: Landscape, trials: Sequence[Trial]) -> Values:
    """What a user would take who believes the best number."""
    return min([*trials, Trial(default(landscape), 1e9, 0.0)], key=lambda trial: trial.worth).values


def remeasured(landscape: Landscape, trials: Sequence[Trial], seed: int) -> Values:
    """The best of the first trials after new runs of the five that looked best, for which the last of the budget is taken. Of
    an exact metric nothing is measured twice."""
    if landscape.exact:
        return best(landscape, trials)
    budget = len(trials)
    looked = sorted(trials[:budget - BEST * AGAIN], key=lambda trial: trial.worth)[:BEST]

    def mean(place: int) -> float:
        seeds = (_seed(seed, 5_000 + AGAIN * place + number) for number in range(AGAIN))
        return sum(run(landscape, looked[place].values, each).worth for each in seeds) / AGAIN

    return looked[min(range(len(looked)), key=mean)].values


class Handed:
    """Proposes one configuration, which was found elsewhere, and nothing more."""

    name = "knobs"

    def __init__(self, values: Values) -> None:
        self.values = values

    def propose(self, brief: Brief) -> Change | None:
        """That configuration on today's text; None where it was proposed before, or is there already."""
        if brief.history and brief.again is None:
            return None
        turned = [knob for knob in find(brief.files) if self.values.get(knob.label, knob.value) != knob.value]
        text = splice(brief.files[PATH], [(k.span, scales.write(self.values[k.label], k.text)) for k in turned])
        note = {"kind": "knobs", "set": {k.id: [k.value, self.values[k.label]] for k in turned}}
        return Change({PATH: text}, "what another optimiser found", note) if turned else None
