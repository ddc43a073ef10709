"""What a number of runs can show: how small an improvement may be and still be confirmed under its noise. Pure.

Measured on the referee itself, its calibration left out and nothing stopped early: about 310 runs in the median for .25
standard deviations of a pair, 54 for .7, 31 for 1, 14 for 2, 7 for 8.
"""

from __future__ import annotations

import math

from overnight.referee.decision import Policy

RUNS, FEWEST = 30, 7  # runs that confirm an improvement of one standard deviation of a pair, and the largest one


def runs_for(effect: float, noise: float) -> float:
    """About how many runs confirm an improvement of this size, where one pair's differences have the standard deviation
    `noise`, both above 0: more by the square of what it is smaller, fewer as it is larger."""
    size = effect / noise
    return max(FEWEST, RUNS / min(size, size**2))


def least(noise: float, runs: float) -> float:
    """About the smallest improvement that so many runs (more than 0) confirm, in the unit of `noise`."""
    return noise * max(math.sqrt(RUNS / runs), RUNS / runs)


def of_verdict(policy: Policy) -> int:
    """Runs that a verdict takes at most, however long the night: those of its race, and both sides of its fresh pairs."""
    return policy.most_pairs + 2 * policy.most_fresh
