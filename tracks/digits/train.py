"""A small neural network that learns digits: 64 pixels, one hidden layer, ten scores, and plain gradient descent.

`python train.py` learns from digits.txt under $OVERNIGHT_SEED and leaves its weights in $OVERNIGHT_OUT.
`python train.py --serve` answers {"rows": n, "bytes": 256n} and n rows of 64 float32 with n rows of ten float32, a score for
each digit.
"""

import json
import math
import os
import random
import sys
from array import array
from operator import mul

PIXELS = 64  # knob: off
DIGITS = 10  # knob: off
HIDDEN = 12
EPOCHS = 6
LEARNING_RATE = 0.02
FINAL_RATE = 0.02  # the rate falls to this in a straight line
MOMENTUM = 0.5
WEIGHT_DECAY = 0.0
INIT_SCALE = 0.5
PIXEL_NOISE = 0.0  # standard deviation of what is added to a pixel while learning


def examples():
    """Pairs of 64 pixels and a digit."""
    with open("digits.txt") as file:
        lines = [line.split() for line in file]
    return [([int(p, 16) / 15 for p in pixels], int(digit)) for digit, pixels in lines]  # knob: off


def matrix(rows, columns, lots):
    """Weights with a bias at the end of each row."""
    return [[lots.gauss(0, INIT_SCALE / math.sqrt(columns)) for _ in range(columns)] + [0.0] for _ in range(rows)]


def forward(weights, pixels):
    """What the hidden layer sees, and the ten scores."""
    first, second = weights
    inputs = [*pixels, 1.0]
    hidden = [max(0.0, sum(map(mul, row, inputs))) for row in first] + [1.0]
    return inputs, hidden, [sum(map(mul, row, hidden)) for row in second]


def softmax(scores):
    """Scores as probabilities."""
    best = max(scores)
    shares = [math.exp(s - best) for s in scores]
    total = sum(shares)
    return [s / total for s in shares]


def move(row, speed, slope, inputs, rate):
    """One step of a row of weights; `speed` remembers the steps before."""
    for k, x in enumerate(inputs):
        speed[k] = MOMENTUM * speed[k] - rate * (slope * x + WEIGHT_DECAY * row[k])
        row[k] += speed[k]


def learn(weights, speeds, pixels, digit, rate):
    """One step down the slope of one example's loss."""
    inputs, hidden, scores = forward(weights, pixels)
    slopes = softmax(scores)
    slopes[digit] -= 1.0
    back = [sum(s * row[k] for s, row in zip(slopes, weights[1], strict=True)) for k in range(HIDDEN)]
    for row, speed, slope in zip(weights[1], speeds[1], slopes, strict=True):
        move(row, speed, slope, hidden, rate)
    for row, speed, slope, seen in zip(weights[0], speeds[0], back, hidden, strict=False):
        if seen > 0:
            move(row, speed, slope, inputs, rate)


def train(lots):
    """The weights of both layers."""
    weights = [matrix(HIDDEN, PIXELS, lots), matrix(DIGITS, HIDDEN, lots)]
    speeds = [[[0.0] * len(row) for row in layer] for layer in weights]
    data = examples()
    for epoch in range(EPOCHS):
        rate = LEARNING_RATE + (FINAL_RATE - LEARNING_RATE) * epoch / EPOCHS
        lots.shuffle(data)
        for pixels, digit in data:
            noisy = [p + lots.gauss(0, PIXEL_NOISE) for p in pixels] if PIXEL_NOISE else pixels
            learn(weights, speeds, noisy, digit, rate)
    return weights


def serve(weights):
    """Answer until nobody asks any more."""
    for line in sys.stdin.buffer:
        pixels = array("f", sys.stdin.buffer.read(json.loads(line)["bytes"]))
        rows = (pixels[i:i + PIXELS] for i in range(0, len(pixels), PIXELS))
        sys.stdout.buffer.write(array("f", [s for row in rows for s in forward(weights, row)[2]]).tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        with open(os.path.join(os.environ["OVERNIGHT_ARTIFACTS"], "weights.json")) as file:
            serve(json.load(file))
    else:
        found = train(random.Random(int(os.environ["OVERNIGHT_SEED"])))
        with open(os.path.join(os.environ["OVERNIGHT_OUT"], "weights.json"), "w") as file:
            json.dump(found, file)
