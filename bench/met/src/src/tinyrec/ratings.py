"""Ratings of made-up users and items."""

import numpy as np


def load_ratings(rng, users=120, items=90, rank=4, density=0.12):
    taste, kind = rng.normal(size=(users, rank)), rng.normal(size=(items, rank))
    full = 3 + 0.6 * taste @ kind.T / np.sqrt(rank) + 0.4 * rng.normal(size=(users, 1)) + 0.3 * rng.normal(size=(1, items))
    seen = np.argwhere(rng.random(full.shape) < density)
    rng.shuffle(seen)
    stars = np.clip(full[seen[:, 0], seen[:, 1]] + 0.3 * rng.normal(size=len(seen)), 1, 5)
    cut = int(0.8 * len(seen))
    return (seen[:cut], stars[:cut]), (seen[cut:], stars[cut:]), (users, items)
