"""Fit and report: python main.py"""

import logging

import numpy as np
from config import Config
from data import make_split
from model import Model

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
log = logging.getLogger(__name__)


def train(model, x, y, cfg, rng):
    lr = cfg.learning_rate
    for step in range(cfg.steps):
        batch = rng.integers(0, len(x), cfg.batch_size)
        phi = model.features(x[batch])
        error = phi @ model.weight + model.bias - y[batch]
        model.weight -= lr * (phi.T @ error / cfg.batch_size + cfg.l2 * model.weight)
        model.bias -= lr * error.mean()
        lr *= cfg.lr_decay
        if step % 100 == 0:
            log.info("step %d: batch mse %.4f", step, (error ** 2).mean())


def evaluate(model, x, y):
    return float(np.mean((model(x) - y) ** 2))


def main():
    cfg = Config()
    rng = np.random.default_rng(cfg.seed)
    x_train, y_train = make_split(rng, cfg.n_train, cfg.noise_std)
    x_val, y_val = make_split(rng, cfg.n_val, cfg.noise_std)
    model = Model(cfg.model, rng)
    train(model, x_train, y_train, cfg.train, rng)
    log.info("done: train mse %.4f, val mse %.4f", evaluate(model, x_train, y_train), evaluate(model, x_val, y_val))


if __name__ == "__main__":
    main()
