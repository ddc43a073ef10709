"""Draws digits of 8 x 8 grey pixels: a glyph, moved, faded and smudged.

`python draw.py > digits.txt` made the file to learn from.
"""

import random

GLYPHS = """
.###. ..#.. .###. ####. #..#. ##### .###. ##### .###. .###.
#...# .##.. #...# ....# #..#. #.... #.... ....# #...# #...#
#...# ..#.. ...#. .###. ##### ####. ####. ...#. .###. .####
#...# ..#.. ..#.. ....# ...#. ....# #...# ..#.. #...# ....#
.###. .###. ##### ####. ...#. ####. .###. ..#.. .###. .###.
"""
SIDE = 8
NOISE = 0.25  # standard deviation of a pixel; ink is 1
LEARN = 300


def shape(digit):
    """The places of a digit's ink."""
    rows = [line.split()[digit] for line in GLYPHS.split("\n")[1:-1]]
    return [(y, x) for y, row in enumerate(rows) for x, ink in enumerate(row) if ink == "#"]


def draw(digit, lots):
    """Its pixels, row by row, from 0 to 1."""
    top, left, ink = lots.randint(1, 2), lots.randint(1, 2), lots.uniform(0.5, 1.0)
    pixels = [lots.gauss(0, NOISE) for _ in range(SIDE * SIDE)]
    for y, x in shape(digit):
        if lots.random() < 0.9:
            pixels[(y + top) * SIDE + x + left] += ink
    return [min(max(p, 0.0), 1.0) for p in pixels]


def sample(count, lots):
    """So many digits: their pixels and what they are."""
    labels = [lots.randrange(10) for _ in range(count)]
    return [draw(digit, lots) for digit in labels], labels


if __name__ == "__main__":
    for pixels, digit in zip(*sample(LEARN, random.Random(2026)), strict=True):
        print(digit, "".join(f"{round(15 * p):x}" for p in pixels))
