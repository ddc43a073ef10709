"""A smooth function of two variables, seen with noise."""

import numpy as np


def make_split(rng, n, noise_std):
    x = rng.uniform(-2, 2, (n, 2))
    y = np.sin(2.5 * x[:, 0]) * np.cos(1.5 * x[:, 1]) + 0.3 * x[:, 0] * x[:, 1]
    return x, y + noise_std * rng.normal(size=n)
