"""Linear regression on random Fourier features."""

import numpy as np


class Model:
    def __init__(self, cfg, rng, inputs=2):
        self.freq = rng.normal(size=(inputs, cfg.features)) / cfg.bandwidth
        self.phase = rng.uniform(0, 2 * np.pi, cfg.features)
        self.weight = np.zeros(cfg.features)
        self.bias = 0.0

    def features(self, x):
        return np.sqrt(2 / len(self.phase)) * np.cos(x @ self.freq + self.phase)

    def __call__(self, x):
        return self.features(x) @ self.weight + self.bias
