"""Pack circles into a unit square: let them grow, punish overlap ever harder, then settle what is left exactly."""

import json
import math
import os
import random

CIRCLES = 26  # knob: off
STEPS = 1500
RATE = 0.002  # of each step, along the gradient
MOMENTUM = 0.7
FIRST_PENALTY = 5.0  # for overlap; it grows by the same factor in each step
LAST_PENALTY = 30.0  # knob: log 5..1000
FIRST_RADIUS = 0.02
POLISH = 20  # rounds in which each circle grows as far as its neighbours let it


def slopes(circles, penalty):
    """The gradient of the sum of radii less the penalty for overlap, circle by circle."""
    found = [[0.0, 0.0, 1.0] for _ in circles]
    for i, (x, y, r) in enumerate(circles):
        mine = found[i]
        for axis, at in ((0, x), (1, y)):
            low, high = max(0.0, r - at), max(0.0, r + at - 1)
            mine[axis] += penalty * (low - high)
            mine[2] -= penalty * (low + high)
        for j in range(i):
            dx, dy = x - circles[j][0], y - circles[j][1]
            reach = r + circles[j][2]
            if dx * dx + dy * dy < reach * reach:
                distance = math.hypot(dx, dy) or 1e-9  # knob: off
                push = penalty * (reach - distance)
                other = found[j]
                mine[0] += push * dx / distance
                mine[1] += push * dy / distance
                mine[2] -= push
                other[0] -= push * dx / distance
                other[1] -= push * dy / distance
                other[2] -= push
    return found


def room(circles, i):
    """The largest radius that circle i can have among the others."""
    x, y, _ = circles[i]
    others = (math.hypot(x - a, y - b) - s for j, (a, b, s) in enumerate(circles) if j != i)
    return max(0.0, min(x, y, 1 - x, 1 - y, *others))


def solve(lots):
    """Circles that do not overlap, as lists of x, y and radius."""
    circles = [[lots.random(), lots.random(), FIRST_RADIUS] for _ in range(CIRCLES)]
    speeds = [[0.0, 0.0, 0.0] for _ in circles]
    for step in range(STEPS):
        penalty = FIRST_PENALTY * (LAST_PENALTY / FIRST_PENALTY) ** (step / STEPS)
        for circle, speed, slope in zip(circles, speeds, slopes(circles, penalty), strict=True):
            speed[:] = [MOMENTUM * v + RATE * s for v, s in zip(speed, slope, strict=True)]
            circle[:] = [min(max(at + v, 0.0), 1.0) for at, v in zip(circle, speed, strict=True)]
    for _ in range(POLISH):
        for i, circle in enumerate(circles):
            circle[2] = room(circles, i)
    return circles


if __name__ == "__main__":
    answer = solve(random.Random(int(os.environ["OVERNIGHT_SEED"])))
    with open(os.path.join(os.environ["OVERNIGHT_OUT"], "circles.json"), "w") as out:
        json.dump(answer, out)
