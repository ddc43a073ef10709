"""How print.json was made: the reader learns from 3,000 printed digits. Nobody has to run this again.

    python learn_print.py > print.json
"""

import json
import math
import random

from draw import sample
from reader import DIGITS, HIDDEN, PIXELS, slopes

COUNT, EPOCHS, RATE = 3000, 8, 0.03


def first(rows, columns, lots):
    return [[lots.gauss(0, 1 / math.sqrt(columns)) for _ in range(columns)] + [0.0] for _ in range(rows)]


def learnt():
    """The weights, rounded: four digits are enough for anybody who goes on from here."""
    lots = random.Random(2026)
    weights = [first(HIDDEN, PIXELS, lots), first(DIGITS, HIDDEN, lots)]
    data = list(zip(*sample(COUNT, "print", random.Random(1)), strict=True))
    for epoch in range(EPOCHS):
        lots.shuffle(data)
        for pixels, digit in data:
            for layer, (slope, seen) in zip(weights, slopes(weights, pixels, digit), strict=True):
                for row, s in zip(layer, slope, strict=True):
                    if s:
                        row[:] = [w - RATE * (1 - epoch / EPOCHS) * s * x for w, x in zip(row, seen, strict=True)]
    return [[[round(w, 4) for w in row] for row in layer] for layer in weights]


if __name__ == "__main__":
    print(json.dumps(learnt()))
