"""Teach a reader of printed digits to read displays, without losing print: a few more steps from the weights that it has.

`python adapt.py` goes on from print.json under $OVERNIGHT_SEED and leaves weights.json in $OVERNIGHT_OUT.
`python adapt.py --serve` answers {"rows": n, "bytes": 256n} and n rows of 64 float32 with n rows of ten float32, a score for
each digit. Displays and print come mixed, and nobody says which is which.
"""

import json
import os
import random
import sys
from array import array

from reader import PIXELS, examples, first_weights, forward, slopes

SIDE, PAPER = 8, 1.0  # pixels of a row; an empty pixel  # knob: off
EPOCHS = 3  # over the displays
RATE = 0.01  # of each step  # knob: log 0.001..0.1
FINAL_RATE = 0.01  # the rate falls to this in a straight line  # knob: log 0.0001..0.1
FIRST_LAYER = 0.5  # the first layer learns so many times as fast as the second  # knob: linear 0..2
REPLAY = 0.5  # printed digits that are seen again for each display  # knob: linear 0..2
ANCHOR = 0.0  # share of the way back to the first weights in each step  # knob: linear 0..0.02
PIXEL_NOISE = 0.0  # standard deviation of what is added to a pixel while learning  # knob: linear 0..0.5
FADE = 0.0  # most that a digit is faded while learning  # knob: linear 0..0.7
SHIFT = False  # displays are seen a column further left or right at times
STRETCH = 1.0  # multiplies the scores when serving  # knob: log 0.3..3


def seen(pixels, display, lots):
    """A digit as it is shown while learning: moved, faded, smudged."""
    if SHIFT and display and lots.random() < 0.5:
        rows = [pixels[i:i + SIDE] for i in range(0, PIXELS, SIDE)]
        left = lots.random() < 0.5
        pixels = [p for row in rows for p in ([*row[1:], PAPER] if left else [PAPER, *row[:-1]])]
    if FADE:
        part = 1 - lots.uniform(0, FADE)
        pixels = [PAPER + part * (p - PAPER) for p in pixels]
    return [p + lots.gauss(0, PIXEL_NOISE) for p in pixels] if PIXEL_NOISE else pixels


def learn(weights, before, pixels, digit, rate):
    """One step down the slope of one example's loss, and part of the way back to what was known before."""
    for n, (slope, inputs) in enumerate(slopes(weights, pixels, digit)):
        pace = rate * FIRST_LAYER if n == 0 else rate
        for row, old, s in zip(weights[n], before[n], slope, strict=True):
            if s:
                row[:] = [w - pace * s * x for w, x in zip(row, inputs, strict=True)]
            if ANCHOR:
                row[:] = [w + ANCHOR * (o - w) for w, o in zip(row, old, strict=True)]


def adapted(lots):
    """The weights of both layers."""
    weights, before = first_weights(), first_weights()
    displays, prints = examples("display.txt"), examples("print.txt")
    for epoch in range(EPOCHS):
        rate = RATE + (FINAL_RATE - RATE) * epoch / EPOCHS
        again = [(pair, False) for pair in lots.choices(prints, k=round(REPLAY * len(displays)))]
        data = [(pair, True) for pair in displays] + again
        lots.shuffle(data)
        for (pixels, digit), display in data:
            learn(weights, before, seen(pixels, display, lots), digit, rate)
    return weights


def serve(weights):
    """Answer until nobody asks any more."""
    for line in sys.stdin.buffer:
        pixels = array("f", sys.stdin.buffer.read(json.loads(line)["bytes"]))
        rows = (pixels[i:i + PIXELS] for i in range(0, len(pixels), PIXELS))
        scores = [STRETCH * s for row in rows for s in forward(weights, row)[2]]
        sys.stdout.buffer.write(array("f", scores).tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        with open(os.path.join(os.environ["OVERNIGHT_ARTIFACTS"], "weights.json")) as file:
            serve(json.load(file))
    else:
        found = adapted(random.Random(int(os.environ["OVERNIGHT_SEED"])))
        with open(os.path.join(os.environ["OVERNIGHT_OUT"], "weights.json"), "w") as file:
            json.dump(found, file)
