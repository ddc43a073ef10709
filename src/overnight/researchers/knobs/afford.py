"""What a turn costs at the guards: a Bayesian linear model of the logarithm of the guard usage, one slope for each knob.

Cost is close to a product of powers (time grows with width times layers times steps), so its logarithm is close to
linear in the steps of the knobs, and one broken guard teaches what to leave alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from overnight.contracts import Past
from overnight.researchers.knobs.history import Trial
from overnight.researchers.knobs.surrogate import Array, Flags, Moves

SLOPE = 0.2  # what a step of a knob may do to the log of the guard usage, before anything is known: standard deviation
NOISE = 0.07  # standard deviation of a measured log of the guard usage


class Afford:
    """Says how likely a move from the frontier is to keep within the guards."""

    def __init__(self, room: float, features: Array, costs: Array) -> None:
        self._room = room
        precision = np.eye(features.shape[1]) / SLOPE**2 + features.T @ features / NOISE**2
        self._spread = np.asarray(np.linalg.inv(precision), dtype=np.float64)
        self._slopes = np.asarray(self._spread @ features.T @ costs / NOISE**2, dtype=np.float64)

    def chance(self, moves: Moves, ordered: Flags) -> Array:
        """The probability of each move to break no guard."""
        rows = features(moves, ordered)
        deviation = np.sqrt(np.einsum("ij,jk,ik->i", rows, self._spread, rows) + NOISE**2)
        z = (self._room - rows @ self._slopes) / deviation
        return np.array([0.5 * math.erfc(-value / math.sqrt(2)) for value in z])


def features(moves: Moves, ordered: Flags) -> Array:
    """Steps turned of ordered knobs; for choices, whether they were turned."""
    away = moves.made - moves.base
    return np.asarray(np.where(ordered, away, (away != 0).astype(float)), dtype=np.float64)


def guard_usage(history: Sequence[Past], baseline: float | None) -> dict[int, float]:
    """The guard usage of every experiment that has one; 0 is the baseline."""
    known = {past.id: past.guard_usage for past in history if past.guard_usage}
    return known | ({0: baseline} if baseline else {})


def learn(known: Mapping[int, float], frontier: int, trials: Sequence[Trial], moves: Moves,
          ordered: Flags) -> Afford | None:
    """The model of what these trials cost; None where there are no guards."""
    if frontier not in known:
        return None
    rows = [i for i, trial in enumerate(trials) if trial.past.id in known and trial.past.base in known]
    costs = np.array([math.log(known[trials[i].past.id] / known[trials[i].past.base]) for i in rows])
    return Afford(-math.log(known[frontier]), features(moves, ordered)[rows], costs)
