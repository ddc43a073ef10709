"""The mean of paired differences with its 95 % interval. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from overnight.referee.distributions import student_quantile
from overnight.referee.inference import mean

LEVEL = 0.95  # of every interval


class Estimate(Struct, frozen=True):
    """The mean of so many paired differences with its 95 % interval; positive is better."""

    effect: float
    interval: tuple[float, float]
    pairs: int


def estimate(differences: Sequence[float]) -> Estimate | None:
    """Their mean with Student's interval; None for fewer than two."""
    count = len(differences)
    if count < 2:
        return None
    centre = mean(differences)
    error = math.hypot(*(d - centre for d in differences)) / math.sqrt(count * (count - 1))
    radius = student_quantile(0.5 + LEVEL / 2, count - 1) * error
    return Estimate(centre, (centre - radius, centre + radius), count)
