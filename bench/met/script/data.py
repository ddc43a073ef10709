"""Two spirals with noise."""

import numpy as np


def spirals(n, noise=0.25, turns=1.5):
    labels = np.random.randint(0, 2, n)
    t = np.sqrt(np.random.rand(n)) * turns * 2 * np.pi
    angle = t + np.pi * labels
    points = np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1) / np.pi
    return points + noise * np.random.randn(n, 2), labels
