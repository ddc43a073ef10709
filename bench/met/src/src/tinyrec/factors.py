"""Matrix factorisation with biases, by alternating least squares."""

from __future__ import annotations

import numpy as np

N_FACTORS = 12
REG = 0.02
BIAS_REG = 0.02
SWEEPS = 6
INIT_STD = 0.3


class Factors:
    def __init__(self, shape: tuple[int, int], rng: np.random.Generator) -> None:
        self.user = INIT_STD * rng.normal(size=(shape[0], N_FACTORS))
        self.item = INIT_STD * rng.normal(size=(shape[1], N_FACTORS))
        self.user_bias, self.item_bias, self.mean = np.zeros(shape[0]), np.zeros(shape[1]), 0.0

    def predict(self, pairs: np.ndarray) -> np.ndarray:
        u, i = pairs.T
        return self.mean + self.user_bias[u] + self.item_bias[i] + (self.user[u] * self.item[i]).sum(1)

    def fit(self, pairs: np.ndarray, stars: np.ndarray) -> None:
        self.mean = stars.mean()
        for _ in range(SWEEPS):
            for side in (0, 1):
                self._solve(side, pairs, stars)

    def _solve(self, side: int, pairs: np.ndarray, stars: np.ndarray) -> None:
        mine, other = (self.user, self.item) if side == 0 else (self.item, self.user)
        bias, other_bias = (self.user_bias, self.item_bias) if side == 0 else (self.item_bias, self.user_bias)
        for k in range(len(mine)):
            rows = np.flatnonzero(pairs[:, side] == k)
            if not len(rows):
                continue
            partner = pairs[rows, 1 - side]
            left = stars[rows] - self.mean - other_bias[partner]
            bias[k] = (left - other[partner] @ mine[k]).sum() / (len(rows) * (1 + BIAS_REG))
            a = other[partner].T @ other[partner] + REG * len(rows) * np.eye(N_FACTORS)
            mine[k] = np.linalg.solve(a, other[partner].T @ (left - bias[k]))
