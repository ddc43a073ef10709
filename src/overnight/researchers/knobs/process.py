"""A small Gaussian process over single runs of configurations.

What is observed is f(x) + a level + what the run's seed does to every configuration + noise. f is a sum of one smooth function
for each knob, which is what a few dozen runs can tell apart, and one of all knobs together. How much each part matters is
learnt (a fixed-point rule for the marginal likelihood, with the names of the knobs as a prior that is worth a few runs).
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Whole = NDArray[np.intp]

REACH = 2.0  # steps over which one knob's effect stays alike
JOINT = 4.0  # the same for all knobs together
MIXED = 0.3  # how much of the variance is thought to belong to knobs acting together
CAUTION = 0.1  # how fast a decent default gets worse by moving away, beside the unknown slope
FAR = 3.0  # steps after which it gets no worse
LEVEL = 100.0  # variance of the level, which is free
BELIEF, CALIBRATED = 3.0, 6.0  # runs that the prior of each variance is worth; the same of that of noise
ROUNDS = 8  # of the fixed-point rule
CAP = 30.0  # times its prior that a variance may become
JITTER = 1e-6
MOST_DEVIATIONS = 160  # turns of which the deviation is worked out: those of which most is expected


class Seen(Struct, frozen=True):
    """What was observed: positions, one row for each run and one column for each knob, in steps; values, + is better, in units
    of a typical effect; a label of the seed; the prior variance of the noise of each."""

    at: Array
    values: Array
    seeds: Whole
    noise: Array


class Process:
    """Fitted to runs, it says what to expect of configurations."""

    def __init__(self, worth: Array, ordered: Flags, centre: Array) -> None:
        self.ordered, self.centre = ordered, centre
        scaled = worth**2 / max(float(np.mean(worth**2)), 1e-9)
        self.prior = scaled / max(1.0, float(np.sum(scaled)) / 4)  # together about four typical effects squared
        self.variance, self.joint, self.shared, self.noisy = self.prior.copy(), MIXED * float(np.sum(self.prior)), 0.3, 1.0

    def fit(self, seen: Seen) -> None:
        """Learn from runs."""
        self.seen = seen
        self._correlate()
        for _ in range(ROUNDS if len(seen.values) > 1 else 0):
            self._learn(self._solve())
        self._solve()

    def _correlate(self) -> None:
        seen = self.seen
        self.alone = [self.alone_at(knob, seen.at[:, knob], seen.at[:, knob]) for knob in range(len(self.prior))]
        self.same = ((seen.seeds[:, None] == seen.seeds[None]) & (seen.seeds >= 0)).astype(np.float64)

    def _covariance(self) -> Array:
        total = self.joint * self._together(self.seen.at, self.seen.at) + LEVEL
        for variance, part in zip(self.variance, self.alone, strict=True):
            total += variance * part
        usual = float(np.mean(self.seen.noise)) if len(self.seen.noise) else 1.0
        return np.asarray(total + self.shared * self.noisy * usual * self.same)

    def _solve(self) -> Array:
        full = self._covariance()
        full[np.diag_indices_from(full)] += self.noisy * self.seen.noise + JITTER
        inverse = np.linalg.inv(full)
        self.inverse: Array = (inverse + inverse.T) / 2
        self.weights = self.inverse @ (self.seen.values - self.mean(self.seen.at))
        return self.inverse

    def _learn(self, inverse: Array) -> None:
        """One round: a part that explains more than it should grows, one that explains nothing shrinks."""
        a = self.weights
        for knob, part in enumerate(self.alone):
            self.variance[knob] = _moved(self.variance[knob], part, a, inverse, self.prior[knob])
        together = self._together(self.seen.at, self.seen.at)
        self.joint = _moved(self.joint, together, a, inverse, MIXED * float(np.sum(self.prior)))
        noise = np.diag(self.seen.noise)
        self.noisy = _moved(self.noisy, noise, a, inverse, 1.0, CALIBRATED)
        level = float(np.mean(self.seen.noise)) * self.noisy
        self.shared = _moved(self.shared * level, self.same, a, inverse, 0.3 * level) / level

    def mean(self, at: Array) -> Array:
        """What is expected before anything is known: a decent default is near its best."""
        return np.asarray(np.sum([self.mean_of(knob, column) for knob, column in enumerate(at.T)], axis=0))

    def mean_of(self, knob: int, at: Array) -> Array:
        """What of that is one knob's."""
        away = np.abs(at - self.centre[knob])
        away = np.minimum(away, FAR) if self.ordered[knob] else (away > 0).astype(np.float64)
        return np.asarray(-CAUTION * math.sqrt(self.variance[knob]) * away**2 / FAR)

    def alone_at(self, knob: int, left: Array, right: Array) -> Array:
        """The correlation of one knob's effect between places of it."""
        if self.ordered[knob]:
            return np.asarray(np.exp(-0.5 * ((left[:, None] - right[None]) / REACH) ** 2))
        return np.asarray(left[:, None] == right[None], dtype=np.float64)

    def log_together(self, knob: int, left: Array, right: Array) -> Array:
        """The logarithm of a knob's factor in the correlation of what all do together: what matters changes it sooner."""
        share = self.variance[knob] / max(float(np.max(self.variance)), 1e-12)
        if self.ordered[knob]:
            return np.asarray(-share * ((left[:, None] - right[None]) / JOINT) ** 2)
        return np.asarray(-0.5 * share * (left[:, None] != right[None]))

    def _together(self, left: Array, right: Array) -> Array:
        total = np.zeros((len(left), len(right)))
        for knob in range(left.shape[1]):
            total += self.log_together(knob, left[:, knob], right[:, knob])
        return np.asarray(np.exp(total))

    def imagine(self, at: Array) -> None:
        """Runs at these configurations are taken to have given what is expected of them."""
        mean, _ = self.expect(at)
        seen, usual = self.seen, float(np.mean(self.seen.noise)) if len(self.seen.noise) else 1.0
        self.seen = Seen(np.vstack([seen.at, at]), np.append(seen.values, mean), np.append(seen.seeds, np.full(len(at), -2)),
                         np.append(seen.noise, np.full(len(at), usual)))
        self._correlate()
        self._solve()

    def difference(self, left: Array, right: Array) -> tuple[float, float]:
        """What one configuration is expected to give more than another, and the standard deviation of that."""
        both = np.vstack([left, right])
        cross = self.joint * self._together(both, self.seen.at)
        own = self.joint * self._together(both, both)
        for knob, variance in enumerate(self.variance):
            cross += variance * self.alone_at(knob, both[:, knob], self.seen.at[:, knob])
            own += variance * self.alone_at(knob, both[:, knob], both[:, knob])
        gap = cross[0] - cross[1]
        mean = self.mean(both)
        variance = own[0, 0] + own[1, 1] - 2 * own[0, 1] - gap @ self.inverse @ gap
        return float(mean[0] - mean[1] + gap @ self.weights), math.sqrt(max(float(variance), 1e-12))

    def expect(self, at: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of f at configurations, the level apart."""
        cross = self.joint * self._together(at, self.seen.at)
        for knob, variance in enumerate(self.variance):
            cross += variance * self.alone_at(knob, at[:, knob], self.seen.at[:, knob])
        return self.expected(self.mean(at), cross)

    def expected(self, prior: Array, cross: Array, most: int | None = None) -> tuple[Array, Array]:
        """The same from what is expected before anything is known, and the covariances with what was seen. `most`: of so many
        with the largest means the deviation is worked out, of the others it is nearly nothing."""
        own = self.joint + float(np.sum(self.variance))
        level = cross + LEVEL  # what is asked is f and the level
        mean = prior + level @ self.weights
        chosen = slice(None) if most is None or most >= len(mean) else np.argpartition(-mean, most)[:most]
        left = np.zeros(len(mean))
        left[chosen] = own + LEVEL - np.sum(level[chosen] @ self.inverse * level[chosen], axis=1)
        return mean, np.sqrt(np.maximum(left, 1e-9))


class Turns:
    """All single turns of a configuration, at once: what is expected of each value of each active knob in the place of its own.

    knob, place, step  of each turn the knob, the place of the value that it is turned to, and where that stands
    """

    def __init__(self, model: Process, steps: list[Array], active: Whole) -> None:
        self.model, self.active = model, set(active.tolist())
        self.knob = np.concatenate([np.full(len(steps[k]), k) for k in active])
        self.place = np.concatenate([np.arange(len(steps[k])) for k in active])
        self.step = np.concatenate([steps[k] for k in active])
        seen = model.seen.at
        self.alone = [model.variance[k] * model.alone_at(k, each, seen[:, k]) for k, each in enumerate(steps)]
        self.together = [model.log_together(k, each, seen[:, k]) for k, each in enumerate(steps)]
        self.prior = [model.mean_of(k, each) for k, each in enumerate(steps)]

    def expect(self, places: tuple[int, ...]) -> tuple[Array, Array]:
        """Mean and standard deviation of each turn; of those of which little is expected, a deviation that is too small."""
        _, mean = self._summed(self.prior, places)
        _, cross = self._summed(self.alone, places)
        _, mixed = self._summed(self.together, places)
        return self.model.expected(mean, cross + self.model.joint * np.exp(mixed), MOST_DEVIATIONS)

    def _summed(self, tables: list[Array], places: tuple[int, ...]) -> tuple[Array, Array]:
        """The sum over all knobs at a configuration, and after each of the turns."""
        here = np.sum([table[place] for table, place in zip(tables, places, strict=True)], axis=0)
        turned = [table - table[place] for k, (table, place) in enumerate(zip(tables, places, strict=True)) if k in self.active]
        return here, here + np.concatenate(turned)


def _moved(variance: float, part: Array, weights: Array, inverse: Array, prior: float, belief: float = BELIEF) -> float:
    found = variance * float(weights @ part @ weights)
    wanted = variance * float(np.sum(inverse * part))
    moved = (variance * found + belief * prior) / (wanted + belief)
    return min(max(moved, prior / 1000), CAP * prior)
