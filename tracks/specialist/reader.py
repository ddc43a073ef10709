"""The reader that is adapted: 64 pixels, one hidden layer, ten scores. Its weights in print.json were learnt from print alone.

Whoever adapts it may use these functions or write better ones.
"""

import json
import math
from operator import mul

PIXELS, HIDDEN, DIGITS = 64, 16, 10
GREY = 0.5  # taken from each pixel, so that dark and light are as far from nothing


def first_weights():
    """Two layers of rows, each with its bias at the end, as they were learnt from 3,000 printed digits."""
    with open("print.json", encoding="ascii") as file:
        return json.load(file)


def examples(name):
    """Pairs of 64 pixels and a digit, from "print.txt" or "display.txt"."""
    with open(name, encoding="ascii") as file:
        lines = [line.split() for line in file]
    return [([int(p, 16) / 15 for p in pixels], int(digit)) for digit, pixels in lines]


def forward(weights, pixels):
    """The inputs of both layers, and the ten scores."""
    first, second = weights
    inputs = [*(p - GREY for p in pixels), 1.0]
    hidden = [max(0.0, sum(map(mul, row, inputs))) for row in first] + [1.0]
    return inputs, hidden, [sum(map(mul, row, hidden)) for row in second]


def softmax(scores):
    """Scores as probabilities."""
    best = max(scores)
    shares = [math.exp(score - best) for score in scores]
    total = sum(shares)
    return [share / total for share in shares]


def slopes(weights, pixels, digit):
    """How fast an example's loss changes with each unit's sum, layer by layer, and the layers' inputs."""
    inputs, hidden, scores = forward(weights, pixels)
    second = softmax(scores)
    second[digit] -= 1.0
    first = [sum(s * row[k] for s, row in zip(second, weights[1], strict=True)) if hidden[k] > 0 else 0.0
             for k in range(len(weights[0]))]
    return (first, inputs), (second, hidden)
