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
Some = float | Array

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
SCREENED, MOST_LEARNT = 2, 64  # rounds that look at every knob, and the knobs that the others look at where there are more


class Seen(Struct, frozen=True):
    """What was observed: positions, one row for each run and one column for each knob, in steps; values, + is better, in units
    of a typical effect; a label of the seed; the prior variance of the noise of each."""

    at: Array
    values: Array
    seeds: Whole
    noise: Array


class Process:
    """Fitted to runs, it says what to expect of configurations.

    variance  of each knob's own part; `joint` that of all knobs together, `shared` and `noisy` in units of the noise
    at        the configurations that were run, each once
    """

    def __init__(self, worth: Array, ordered: Flags, centre: Array) -> None:
        self.ordered, self.centre = ordered, centre
        scaled = worth**2 / max(float(np.mean(worth**2)), 1e-9)
        self.prior = scaled / max(1.0, float(np.sum(scaled)) / 4)  # together about four typical effects squared
        self.variance, self.joint, self.shared, self.noisy = self.prior.copy(), MIXED * float(np.sum(self.prior)), 0.3, 1.0

    def fit(self, seen: Seen) -> None:
        """Learn from runs."""
        self.seen = seen
        self.usual = float(np.mean(seen.noise)) if len(seen.noise) else 1.0
        self._correlate()
        for turn in range(ROUNDS if len(seen.values) > 1 else 0):
            if turn == SCREENED and len(self.prior) > MOST_LEARNT:
                self._narrow()
            self._solve()
            self._learn()
        self._solve()
        del self._alone

    def _correlate(self) -> None:
        """The correlations of all pairs of configurations, one row for each knob; a half of each matrix, since it is its own
        mirror image."""
        seen = self.seen
        self.at, which = np.unique(seen.at, axis=0, return_inverse=True)
        self._which = which.reshape(-1)
        self._order = np.argsort(self._which, kind="stable")
        self._first = np.searchsorted(self._which[self._order], np.arange(len(self.at)))
        self._pairs = np.triu_indices(len(self.at))
        wide = len(self.prior) > MOST_LEARNT
        self._alone = np.empty((len(self.prior), len(self._pairs[0])), dtype=np.float32 if wide else np.float64)
        for knob, column in enumerate(self.at.T.astype(self._alone.dtype)):
            self._alone[knob] = self.alike(knob, column[self._pairs[0]], column[self._pairs[1]])
        self._learnt, self._rest = np.arange(len(self.prior)), np.zeros(len(self._pairs[0]))
        self.same = ((seen.seeds[:, None] == seen.seeds[None]) & (seen.seeds >= 0)).astype(np.float64)

    def _narrow(self) -> None:
        """Of very many knobs, only those that seem to matter most are looked at from here on; the others stay as they are."""
        most = np.sort(np.argsort(-self.variance, kind="stable")[:MOST_LEARNT])
        others = self.variance.astype(self._alone.dtype)
        others[most] = 0.0
        self._rest = (others @ self._alone).astype(np.float64)
        self._learnt, self._alone = most, self._alone[most].astype(np.float64)

    def _solve(self) -> None:
        """The inverse of the covariance of all runs; what predictions need of it, by configurations."""
        seen, which = self.seen, self._which
        packed = self.variance[self._learnt].astype(self._alone.dtype) @ self._alone + self._rest
        self._joint = self._together(self.at, self.at)
        total = self.joint * self._joint + LEVEL
        total[self._pairs] += packed
        total.T[self._pairs] = total[self._pairs]
        full = total[np.ix_(which, which)] + self.shared * self.noisy * self.usual * self.same
        full[np.diag_indices_from(full)] += self.noisy * seen.noise + JITTER
        inverse = np.linalg.inv(full)
        self._inverse: Array = (inverse + inverse.T) / 2
        self._each: Array = self._inverse @ (seen.values - self.mean(seen.at))
        self.inverse: Array = self._by_configuration(self._by_configuration(self._inverse).T)
        self.weights: Array = self._by_configuration(self._each)

    def _by_configuration(self, runs: Array) -> Array:
        """Summed over the runs of each configuration."""
        return np.asarray(np.add.reduceat(runs[self._order], self._first, axis=0)) if len(runs) else runs

    def _learn(self) -> None:
        """One round: a part that explains more than it should grows, one that explains nothing shrinks."""
        (left, right), learnt = self._pairs, self._learnt
        twice = np.where(left == right, 1.0, 2.0)
        told = np.stack([self.weights[left] * self.weights[right], self.inverse[left, right]], axis=1) * twice[:, None]
        found, wanted = (self._alone @ told.astype(self._alone.dtype)).T.astype(np.float64)
        self.variance[learnt] = _moved(self.variance[learnt], found, wanted, self.prior[learnt])
        a, inverse = self._each, self._inverse
        together = self._joint
        explained, due = float(self.weights @ together @ self.weights), float(np.sum(self.inverse * together))
        self.joint = float(_moved(self.joint, explained, due, MIXED * float(np.sum(self.prior))))
        noise = self.seen.noise
        self.noisy = float(_moved(self.noisy, a**2 @ noise, np.diag(inverse) @ noise, 1.0, CALIBRATED))
        level = self.usual * self.noisy
        self.shared = float(_moved(self.shared * level, a @ self.same @ a, np.sum(inverse * self.same), 0.3 * level)) / level

    def mean(self, at: Array) -> Array:
        """What is expected before anything is known: a decent default is near its best."""
        away = np.abs(at - self.centre)
        away = np.where(self.ordered, np.minimum(away, FAR), away > 0)
        return np.asarray(away**2 @ (-CAUTION / FAR * np.sqrt(self.variance)))

    def mean_of(self, knob: int, at: Array) -> Array:
        """What of that is one knob's."""
        away = np.abs(at - self.centre[knob])
        away = np.minimum(away, FAR) if self.ordered[knob] else (away > 0).astype(np.float64)
        return np.asarray(-CAUTION * math.sqrt(self.variance[knob]) * away**2 / FAR)

    def function(self, knob: int, at: Array) -> Array:
        """What one knob is thought to do by itself at places of it, from what was seen alone."""
        return np.asarray(self.variance[knob] * (self.alike(knob, at[:, None], self.at[:, knob]) @ self.weights))

    def alike(self, knob: int, left: Array, right: Array) -> Array:
        """The correlation of one knob's effect between two places of it."""
        if self.ordered[knob]:
            gap = left - right
            gap *= gap
            gap *= -0.5 / REACH**2
            return np.asarray(np.exp(gap, out=gap))
        return np.asarray(left == right, dtype=np.float64)

    def log_together(self, knob: int, left: Array, right: Array) -> Array:
        """The logarithm of a knob's factor in the correlation of what all do together: what matters changes it sooner."""
        share = self.variance[knob] / max(float(np.max(self.variance)), 1e-12)
        if self.ordered[knob]:
            return np.asarray(-share * ((left[:, None] - right[None]) / JOINT) ** 2)
        return np.asarray(-0.5 * share * (left[:, None] != right[None]))

    def _together(self, left: Array, right: Array) -> Array:
        """The product of these factors over all knobs."""
        return np.asarray(np.exp(self.logs_together(np.arange(len(self.prior)), left, right)))

    def logs_together(self, knobs: Whole, left: Array, right: Array) -> Array:
        """The sum of their logarithms over some knobs."""
        ordered = knobs[self.ordered[knobs]]
        share = self.variance / max(float(np.max(self.variance)), 1e-12)
        one, two = ((rows[:, ordered] - self.centre[ordered]) * np.sqrt(share[ordered]) / JOINT for rows in (left, right))
        total = 2 * one @ two.T - np.sum(one**2, axis=1)[:, None] - np.sum(two**2, axis=1)[None]
        total = np.minimum(total, 0.0)  # which rounding may have missed
        for knob in knobs[~self.ordered[knobs]]:
            total += self.log_together(knob, left[:, knob], right[:, knob])
        return np.asarray(total)

    def alone(self, knobs: Whole, left: Array, right: Array) -> Array:
        """The covariance of what some knobs do by themselves, between few configurations and others."""
        total = np.zeros((len(left), len(right)))
        ordered, others = knobs[self.ordered[knobs]], knobs[~self.ordered[knobs]]
        for place, row in enumerate(left):
            total[place] = np.exp(-0.5 * ((row[ordered] - right[:, ordered]) / REACH) ** 2) @ self.variance[ordered]
            total[place] += (row[others] == right[:, others]) @ self.variance[others]
        return total

    def _covariance(self, left: Array, right: Array) -> Array:
        every = np.arange(len(self.prior))
        return self.alone(every, left, right) + self.joint * self._together(left, right)

    def imagine(self, at: Array) -> None:
        """Runs at these configurations are taken to have given what is expected of them."""
        cross = self._covariance(at, self.at) + LEVEL
        own = self._covariance(at, at) + LEVEL + (self.noisy * self.usual + JITTER) * np.eye(len(at))
        solved = cross @ self.inverse
        left = np.linalg.inv(own - solved @ cross.T)
        self.inverse = np.block([[self.inverse + solved.T @ left @ solved, -solved.T @ left], [-left @ solved, left]])
        self.at, self.weights = np.vstack([self.at, at]), np.append(self.weights, np.zeros(len(at)))

    def difference(self, left: Array, right: Array) -> tuple[float, float]:
        """What one configuration is expected to give more than another, and the standard deviation of that."""
        both = np.vstack([left, right])
        cross, own = self._covariance(both, self.at), self._covariance(both, both)
        gap = cross[0] - cross[1]
        mean = self.mean(both)
        variance = own[0, 0] + own[1, 1] - 2 * own[0, 1] - gap @ self.inverse @ gap
        return float(mean[0] - mean[1] + gap @ self.weights), math.sqrt(max(float(variance), 1e-12))

    def expect(self, at: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of f at configurations, the level apart."""
        return self.expected(self.mean(at), self._covariance(at, self.at))

    def means(self, at: Array) -> Array:
        """The mean alone, of many configurations in little time: each knob's function where it is asked for."""
        total = self.mean(at) + (self.joint * self._together(at, self.at) + LEVEL) @ self.weights
        for knob, column in enumerate(at.T):
            turned = np.flatnonzero(column != self.centre[knob])
            places, which = np.unique(np.append(self.centre[knob], column[turned]), return_inverse=True)
            function = self.function(knob, places)[which]
            total += function[0]
            total[turned] += function[1:] - function[0]
        return np.asarray(total)

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
        self.model, self.steps, self.active = model, steps, active
        self.still = np.setdiff1d(np.arange(len(steps)), active)
        self.knob = np.concatenate([np.full(len(steps[k]), k) for k in active])
        self.place = np.concatenate([np.arange(len(steps[k])) for k in active])
        self.step = np.concatenate([steps[k] for k in active])
        seen = model.at
        self.alone = [model.variance[k] * model.alike(k, steps[k][:, None], seen[:, k]) for k in active]
        self.together = [model.log_together(k, steps[k], seen[:, k]) for k in active]
        self.prior = [model.mean_of(k, steps[k]) for k in active]
        self._kept: dict[bytes, tuple[Array, Array, Array]] = {}

    def expect(self, places: tuple[int, ...]) -> tuple[Array, Array]:
        """Mean and standard deviation of each turn; of those of which little is expected, a deviation that is too small."""
        prior, alone, together = self._still(places)
        mean = prior + self._summed(self.prior, places)
        cross = alone + self._summed(self.alone, places)
        mixed = together + self._summed(self.together, places)
        return self.model.expected(mean, cross + self.model.joint * np.exp(mixed), MOST_DEVIATIONS)

    def _summed(self, tables: list[Array], places: tuple[int, ...]) -> Array:
        """The sum over the active knobs after each of the turns."""
        mine = [(table, places[k]) for table, k in zip(tables, self.active, strict=True)]
        here = np.sum([table[place] for table, place in mine], axis=0)
        return np.asarray(here + np.concatenate([table - table[place] for table, place in mine]))

    def _still(self, places: tuple[int, ...]) -> tuple[Array, Array, Array]:
        """The same sums over the knobs that are not turned."""
        model, still = self.model, self.still
        row = model.centre.copy()
        row[still] = [self.steps[k][places[k]] for k in still]
        key = row.tobytes()
        if key not in self._kept:
            found = model.alone(still, row[None], model.at), model.logs_together(still, row[None], model.at)
            self._kept[key] = model.mean(row[None]), found[0][0], found[1][0]
        return self._kept[key]


def _moved(variance: Some, explained: Some, due: Some, prior: Some, belief: float = BELIEF) -> Array:
    """A variance after one round, from what a part of variance one explains and what it should."""
    moved = (variance * variance * explained + belief * prior) / (variance * due + belief)
    return np.asarray(np.clip(moved, prior / 1000, CAP * prior))
