"""Two programs that are small enough to be run a million times: a network that learns digits, and circles in a square.

Each is a table of constants with `# knob:` comments, and a function that runs the program with such constants and a seed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping

import numpy as np

from bench import ROOT
from overnight.researchers.knobs.scales import Value

Values = Mapping[str, Value]

NETWORK = {
    "LEARNING_RATE": "0.02  # knob: log 1e-3..3", "MOMENTUM": "0.5  # knob: linear 0..0.99", "HIDDEN": "12  # knob: int 4..64",
    "BATCH": "32  # knob: int 4..128", "EPOCHS": "6  # knob: int 1..12", "WEIGHT_DECAY": "1e-4  # knob: log 1e-6..0.1",
    "INIT_SCALE": "0.5  # knob: log 0.05..5", "FINAL_RATE": "1.0  # knob: log 0.01..1",
    "PIXEL_NOISE": "0.0  # knob: linear 0..0.5",
    "ACTIVATION": '"tanh"  # knob: choice tanh relu sigmoid',
}


@functools.cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    lines = [line.split() for line in (ROOT / "tracks" / "digits" / "digits.txt").read_text().splitlines()]
    pixels = np.array([[int(p, 16) / 15 for p in text] for _, text in lines])
    return pixels, np.array([int(digit) for digit, _ in lines])


def train(values: Values, seed: int) -> float | None:
    """Log loss of a small network on digits that it did not learn from; it learns from another 150 with each seed."""
    pixels, digits = _digits()
    lots = np.random.default_rng(seed)
    order = lots.permutation(len(digits))
    learn, test = order[:150], order[150:]
    hidden, batch, scale = int(values["HIDDEN"]), int(values["BATCH"]), float(values["INIT_SCALE"])
    weights = [lots.normal(0, scale / 8, (65, hidden)), lots.normal(0, scale / math.sqrt(hidden), (hidden + 1, 10))]
    speeds = [np.zeros_like(w) for w in weights]
    steps, step = int(values["EPOCHS"]) * -(-len(learn) // batch), 0

    def forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ins = np.c_[x, np.ones(len(x))]
        z = ins @ weights[0]
        act = {"tanh": np.tanh, "relu": lambda v: np.maximum(v, 0), "sigmoid": lambda v: 1 / (1 + np.exp(-v))}
        h = np.c_[act[str(values["ACTIVATION"])](z), np.ones(len(x))]
        out = h @ weights[1]
        out = np.exp(out - out.max(axis=1, keepdims=True))
        return ins, h, out / out.sum(axis=1, keepdims=True)

    with np.errstate(all="ignore"):
        for _ in range(int(values["EPOCHS"])):
            turn = lots.permutation(learn)
            for first in range(0, len(turn), batch):
                rows = turn[first:first + batch]
                x = pixels[rows] + float(values["PIXEL_NOISE"]) * lots.normal(size=(len(rows), 64))
                ins, h, shares = forward(x)
                wrong = shares.copy()
                wrong[np.arange(len(rows)), digits[rows]] -= 1
                wrong /= len(rows)
                back = wrong @ weights[1][:-1].T
                mid = h[:, :-1]
                back *= {"tanh": 1 - mid**2, "relu": (mid > 0) * 1.0, "sigmoid": mid * (1 - mid)}[str(values["ACTIVATION"])]
                rate = float(values["LEARNING_RATE"]) * (1 + (float(values["FINAL_RATE"]) - 1) * step / steps)
                for place, slope in enumerate((ins.T @ back, h.T @ wrong)):
                    speeds[place] = float(values["MOMENTUM"]) * speeds[place] \
                        - rate * (slope + float(values["WEIGHT_DECAY"]) * weights[place])
                    weights[place] = weights[place] + speeds[place]
                step += 1
        shares = forward(pixels[test])[2]
        loss = -float(np.mean(np.log(np.maximum(shares[np.arange(len(test)), digits[test]], 1e-9))))
    return loss if math.isfinite(loss) and loss < 20 else None


CIRCLES = {
    "STEPS": "300  # knob: int 20..1000", "RATE": "0.002  # knob: log 1e-4..0.1", "MOMENTUM": "0.7  # knob: linear 0..0.99",
    "FIRST_PENALTY": "5.0  # knob: log 0.5..100", "LAST_PENALTY": "30.0  # knob: log 5..1000",
    "FIRST_RADIUS": "0.02  # knob: log 0.001..0.2", "SPREAD": "1.0  # knob: linear 0.2..1", "POLISH": "5  # knob: int 0..20",
}


def pack(values: Values, seed: int) -> float:
    """Minus the sum of radii of sixteen circles in a unit square; steps cost time, which a guard bounds."""
    lots, n = np.random.default_rng(seed), 16
    at = 0.5 + float(values["SPREAD"]) * (lots.random((n, 2)) - 0.5)
    radius, speed = np.full(n, float(values["FIRST_RADIUS"])), np.zeros((n, 3))
    steps, first, last = int(values["STEPS"]), float(values["FIRST_PENALTY"]), float(values["LAST_PENALTY"])
    itself = np.eye(n, dtype=bool)
    with np.errstate(all="ignore"):
        for step in range(steps):
            penalty = first * (last / first) ** (step / steps)
            low, high = np.maximum(0, radius[:, None] - at), np.maximum(0, radius[:, None] + at - 1)
            between = at[:, None] - at[None]
            far = np.sqrt(np.sum(between**2, axis=2)) + itself
            push = np.maximum(0, radius[:, None] + radius[None] - far) * ~itself
            slope = np.c_[penalty * (low - high) + penalty * np.sum((push / far)[:, :, None] * between, axis=1),
                          1 - penalty * (np.sum(low + high, axis=1) + np.sum(push, axis=1))]
            speed = float(values["MOMENTUM"]) * speed + float(values["RATE"]) * slope
            at, radius = np.clip(at + speed[:, :2], 0, 1), np.clip(radius + speed[:, 2], 0, 1)
    far = np.sqrt(np.sum((at[:, None] - at[None]) ** 2, axis=2)) + 9 * itself
    wall = np.min(np.c_[at, 1 - at], axis=1)
    radius = radius * min(1.0, float(np.min(wall / np.maximum(radius, 1e-9))),
                          float(np.min(far / np.maximum(radius[:, None] + radius[None], 1e-9))))
    for _ in range(int(values["POLISH"])):
        for i in range(n):
            radius[i] = max(0.0, min(wall[i], np.min((far[i] - radius)[np.arange(n) != i])))
    return -float(np.sum(radius))
