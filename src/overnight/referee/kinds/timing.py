"""A metric that a clock measures: judged like one that scatters, from pairs that run side by side. Pure."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Sequence

from overnight.referee.kinds.kind import Calibration
from overnight.referee.kinds.noisy import Noisy

NAMES = re.compile(r"(^|[^a-z])(seconds?|secs?|msecs?|ms|us|ns|micros(econds)?|millis(econds)?|minutes?|time|duration|elapsed|"
                   r"latency|runtime|walltime|throughput|fps|qps|rps|ips|[a-z]+_per_s(ec(ond)?)?)([^a-z]|$)", re.IGNORECASE)
TIES = 0.9  # correlation with the seconds of its runs from which on a number is taken for a time


class Timing(Noisy):
    """Time of any sort, whose numbers drift with the machine."""

    name = "timing"
    paired_in_time = True
    steady = False

    def shown_by(self, calibration: Calibration) -> bool:
        """Whether it is a time, and does not repeat itself."""
        return calibration.timed and not calibration.repeats


def is_duration(name: str, numbers: Sequence[float], seconds: Sequence[float]) -> bool:
    """Whether a metric is a time, or something per time, under whatever name: the name says so, or its numbers go with the
    seconds that the runs took on the clock."""
    if NAMES.search(name):
        return True
    if len(numbers) < 5 or len(set(numbers)) < 2 or len(set(seconds)) < 2 or min(*numbers, *seconds) <= 0:
        return False
    logs = [math.log(n) for n in numbers], [math.log(s) for s in seconds]
    return abs(statistics.correlation(*logs)) >= TIES
