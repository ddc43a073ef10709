"""A small Gaussian process that learns from paired differences.

What is observed is never a value but f(made) - f(base), so the covariance of two observations is
k(x, x') - k(x, b') - k(b, x') + k(b, b'). The kernel is a sum of one smooth function for each knob, which is what a
few dozen trials can tell apart, and a weak one of all knobs together for what they do to one another. How much a knob
matters is learnt (a fixed-point rule for the marginal likelihood), starting from how promising its name is.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Rows = NDArray[np.intp]

REACH = 2.0  # steps over which one knob's effect stays alike
TOGETHER = 4.0  # the same for all knobs at once
MIXED = 0.05  # how much of the variance belongs to knobs acting together
CAUTION = 0.4  # how fast a decent default gets worse by moving away, beside the unknown slope
BELIEF = 3.0  # how many observations the names of the knobs are worth
ROUNDING = 1e-10  # of the largest variance: what keeps repeated moves apart in the arithmetic
ROUNDS = 6  # of the fixed-point rule


class Moves(Struct, frozen=True):
    """Rows of moves: where from and where to, one column for each knob, in steps of its scale."""

    base: Array
    made: Array

    def take(self, rows: Rows) -> Moves:
        """Some of the rows."""
        return Moves(self.base[rows], self.made[rows])


class Surrogate:
    """Fitted to moves and their effects, it says what to expect of other moves."""

    def __init__(self, worth: Array, ordered: Flags) -> None:
        self._variance = worth**2
        self._ordered = ordered
        self._moves = Moves(np.zeros((0, len(worth))), np.zeros((0, len(worth))))
        self._effects = self._noise = self._weights = np.zeros(0)
        self._chol: Array = np.zeros((0, 0))

    def fit(self, moves: Moves, effects: Array, noise: Array) -> None:
        """Learn from effects (in units of a typical one) with these noise variances."""
        self._moves, self._effects, self._noise = moves, effects, noise
        turned = [_turned(moves, knob) for knob in range(len(self._variance))]
        blocks = [(rows, self._pair(knob, moves.take(rows), moves.take(rows))) for knob, rows in enumerate(turned)]
        for _ in range(ROUNDS if len(effects) else 0):
            self._learn(blocks, self._solve())
        self._solve()

    def extend(self, moves: Moves, effects: Array, noise: Array) -> None:
        """Add rows without learning anew how much each knob matters."""
        self._moves = Moves(np.vstack([self._moves.base, moves.base]), np.vstack([self._moves.made, moves.made]))
        self._effects, self._noise = np.append(self._effects, effects), np.append(self._noise, noise)
        self._solve()

    def expect(self, moves: Moves) -> tuple[Array, Array]:
        """The mean effect of each move and its standard deviation."""
        cross = self._covariance(self._moves, moves)
        mean = self._prior(moves) + cross.T @ self._weights
        if not len(self._weights):
            return mean, np.sqrt(self._own(moves))
        explained = np.linalg.solve(self._chol, cross)
        left = self._own(moves) - np.einsum("ij,ij->j", explained, explained)
        return mean, np.sqrt(np.maximum(left, 1e-12))

    def _solve(self) -> Array:
        """Weigh what was observed by the present variances; the inverse of its covariance."""
        full = self._covariance(self._moves, self._moves)
        full += np.diag(self._noise + 1e-6 + ROUNDING * full.diagonal().max(initial=0.0))
        self._chol = np.asarray(np.linalg.cholesky(full), dtype=np.float64)
        inverse = np.asarray(np.linalg.inv(full), dtype=np.float64)
        self._weights = np.asarray(inverse @ (self._effects - self._prior(self._moves)))
        return inverse

    def _learn(self, blocks: list[tuple[Rows, Array]], inverse: Array) -> None:
        """One round: a knob whose moves explain more than they should grows, one that explains nothing shrinks."""
        weights = self._weights
        found, wanted = np.zeros(len(blocks)), np.zeros(len(blocks))
        for knob, (rows, block) in enumerate(blocks):
            if len(rows):
                found[knob] = self._variance[knob] * weights[rows] @ block @ weights[rows]
                wanted[knob] = self._variance[knob] * np.sum(inverse[np.ix_(rows, rows)] * block)
        common = (found.sum() + 1.0) / (wanted.sum() + 1.0)
        self._variance = self._variance * (found + BELIEF * common) / (wanted + BELIEF)

    def _prior(self, moves: Moves) -> Array:
        """What is expected of a move before anything is known: a decent default is near its best."""
        away = self._away(moves)
        return np.asarray(-CAUTION * (np.minimum(away, 3.0) ** 2) @ np.sqrt(self._variance))

    def _away(self, moves: Moves) -> Array:
        """How far each knob is turned; a choice is turned or not."""
        distance = np.abs(moves.made - moves.base)
        return np.where(self._ordered, distance, (distance > 0).astype(float))

    # -- covariances

    def _covariance(self, left: Moves, right: Moves) -> Array:
        total = np.zeros((len(left.base), len(right.base)))
        for knob, variance in enumerate(self._variance):
            rows, columns = _turned(left, knob), _turned(right, knob)
            if len(rows) and len(columns):
                total[np.ix_(rows, columns)] += variance * self._pair(knob, left.take(rows), right.take(columns))
        return total + self._mixed(left, right)

    def _pair(self, knob: int, left: Moves, right: Moves) -> Array:
        """The difference kernel of one knob, such that a move of one step has variance 1."""
        ends = [(a[:, knob, None], b[None, :, knob]) for a in (left.made, left.base) for b in (right.made, right.base)]
        if self._ordered[knob]:
            parts = [np.exp(-0.5 * ((a - b) / REACH) ** 2) for a, b in ends]
        else:
            parts = [(a == b).astype(np.float64) for a, b in ends]
        whole = parts[0] - parts[1] - parts[2] + parts[3]
        return np.asarray(whole / (2 * (1 - np.exp(-0.5 / REACH**2)) if self._ordered[knob] else 2.0))

    def _mixed(self, left: Moves, right: Moves) -> Array:
        """The difference kernel of all knobs together; only differences of configurations count."""
        parts = [self._joint(a, b) for a in (left.made, left.base) for b in (right.made, right.base)]
        return np.asarray(self._mixing() * (parts[0] - parts[1] - parts[2] + parts[3]))

    def _mixing(self) -> float:
        """The variance that belongs to all knobs together."""
        return MIXED * TOGETHER**2 * float(np.mean(np.sort(self._variance)[-5:])) if len(self._variance) else 0.0

    def _joint(self, left: Array, right: Array) -> Array:
        ordered = self._ordered
        square = _squared(left[:, ordered], right[:, ordered])
        for knob in np.flatnonzero(~ordered):
            square += left[:, knob, None] != right[None, :, knob]
        return np.asarray(np.exp(-0.5 * square / TOGETHER**2))

    def _own(self, moves: Moves) -> Array:
        """The prior variance of each move."""
        away = self._away(moves)
        smooth = (1 - np.exp(-0.5 * (away / REACH) ** 2)) / (1 - np.exp(-0.5 / REACH**2))
        total = np.where(self._ordered, smooth, away) @ self._variance
        square = np.sum(away**2, axis=1)
        return np.asarray(total + self._mixing() * 2 * (1 - np.exp(-0.5 * square / TOGETHER**2)))


def _turned(moves: Moves, knob: int) -> Rows:
    return np.flatnonzero(moves.made[:, knob] != moves.base[:, knob])


def _squared(left: Array, right: Array) -> Array:
    square: Array = np.sum(left**2, axis=1)[:, None] + np.sum(right**2, axis=1)[None, :] - 2 * left @ right.T
    return np.asarray(np.maximum(square, 0.0))
