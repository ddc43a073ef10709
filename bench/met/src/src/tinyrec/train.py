"""Fit the recommender and report its error: python -m tinyrec.train"""

import time

import numpy as np

from tinyrec.factors import Factors
from tinyrec.ratings import load_ratings

SEED = 2024


def rmse(model, pairs, stars):
    return float(np.sqrt(np.mean((model.predict(pairs) - stars) ** 2)))


def main():
    rng = np.random.default_rng(SEED)
    (train_pairs, train_stars), (val_pairs, val_stars), shape = load_ratings(rng)
    model = Factors(shape, rng)
    began = time.time()
    model.fit(train_pairs, train_stars)
    print(f"fitted {len(train_pairs)} ratings in {time.time() - began:.2f}s")
    print(f"Train RMSE: {rmse(model, train_pairs, train_stars):.4f}")
    print(f"Val RMSE: {rmse(model, val_pairs, val_stars):.4f}")


if __name__ == "__main__":
    main()
