"""Draws digits of 8 x 8 grey pixels in two kinds, dark on light: printed, and displays of seven segments.

`python draw.py print > print.txt` and `python draw.py display > display.txt` made the files to learn from.
"""

import random
import sys

SIDE = 8
PRINTED = """
.###. ..#.. .##.. ####. #..#. ##### ..##. ##### .###. .###.
#...# .##.. #..#. ...#. #..#. #.... .#... ...#. #...# #...#
#...# ..#.. ..#.. ..##. ##### ####. ####. ..#.. .###. .####
#...# ..#.. .#... ....# ...#. ....# #...# .#... #...# ...#.
.###. ..#.. ##### ####. ...#. ####. .###. .#... .###. .##..
"""
# The segments that are dark: top, upper left, upper right, middle, lower left, lower right, bottom.
SEGMENTS = ("1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111", "1010010", "1111111", "1111011")
PLACES = (((0, 1), (0, 2)), ((1, 0), (2, 0)), ((1, 3), (2, 3)), ((3, 1), (3, 2)), ((4, 0), (5, 0)), ((4, 3), (5, 3)),
          ((6, 1), (6, 2)))
NOISE = {"print": 0.2, "display": 0.2}  # standard deviation of a pixel; ink takes 1 at most
MISSING = {"print": 0.05, "display": 0.05}  # share of the pixels of a digit that are not there
LEARN = {"print": 120, "display": 240}  # digits in the files


def shape(digit, kind):
    """The places of a digit's ink."""
    if kind == "display":
        return [place for dark, places in zip(SEGMENTS[digit], PLACES, strict=True) if dark == "1" for place in places]
    rows = [line.split()[digit] for line in PRINTED.split("\n")[1:-1]]
    return [(y, x) for y, row in enumerate(rows) for x, ink in enumerate(row) if ink == "#"]


def draw(digit, kind, lots):
    """Its pixels, row by row, from 0 (dark) to 1 (light)."""
    top, left = (0, lots.randint(1, 2)) if kind == "display" else (lots.randint(1, 2), lots.randint(1, 2))
    ink = lots.uniform(0.5, 1.0)
    pixels = [1.0 + lots.gauss(0, NOISE[kind]) for _ in range(SIDE * SIDE)]
    for y, x in shape(digit, kind):
        if lots.random() >= MISSING[kind]:
            pixels[(y + top) * SIDE + x + left] -= ink
    return [min(max(p, 0.0), 1.0) for p in pixels]


def sample(count, kind, lots):
    """So many digits of a kind: their pixels and what they are."""
    labels = [lots.randrange(10) for _ in range(count)]
    return [draw(digit, kind, lots) for digit in labels], labels


if __name__ == "__main__":
    for pixels, digit in zip(*sample(LEARN[sys.argv[1]], sys.argv[1], random.Random(2026)), strict=True):
        print(digit, "".join(f"{round(15 * p):x}" for p in pixels))
