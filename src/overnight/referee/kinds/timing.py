"""A metric that a clock measures: judged like one that scatters, from pairs that run side by side. Pure."""

from __future__ import annotations

from overnight.referee.kinds.kind import Calibration
from overnight.referee.kinds.noisy import Noisy


class Timing(Noisy):
    """Time of any sort, whose numbers drift with the machine."""

    name = "timing"
    paired_in_time = True

    def shown_by(self, calibration: Calibration) -> bool:
        """Whether the harness takes it from a clock, and it does not repeat itself."""
        return calibration.timed and not calibration.repeats
