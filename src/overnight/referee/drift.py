"""Whether the machine still measures what it measured: the incumbent is run again now and then on a seed of its own. Pure.

A metric that repeats itself must repeat itself; where it does not, twice in a row, nothing can be kept. A metric that
scatters anyway may drift: that is shown, and no keep rests on it, because both sides of a confirming pair are run in the
same part of the night, and side by side where the metric is a time.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

RUNS_BETWEEN_LOOKS = 60  # runs between two looks
FAILED_LOOKS = 2  # looks in a row that must fail
EQUAL = 1e-9  # share by which a repeated number may differ


@dataclass(slots=True)
class Drift:
    """The looks so far: how a commit's numbers changed since they were first measured.

    last   runs of the track at the last look
    doubt  looks in a row that failed
    """

    shifts: list[float] = field(default_factory=list)
    last: int = 0
    doubt: int = 0

    def due(self, runs: int) -> bool:
        """Whether it is time to look again."""
        return self.doubt > 0 or runs - self.last >= RUNS_BETWEEN_LOOKS

    def saw(self, before: float, now: float | None, exact: bool, runs: int) -> str:
        """A look: the number before and now (None: the run failed). Returns what is wrong with the machine, if that is
        now shown; `exact` says that the number should be the same."""
        self.last = runs
        if now is not None:
            self.shifts.append(now - before)
        same = now is not None and (not exact or math.isclose(before, now, rel_tol=EQUAL, abs_tol=1e-300))
        self.doubt = 0 if same else self.doubt + 1
        if self.doubt < FAILED_LOOKS:
            return ""
        shown = "failed" if now is None else f"gave {now:.6g} where it gave {before:.6g}"
        return (f"the frontier no longer reproduces its own numbers (a seed {shown}), so nothing can be kept: find out what "
                "changed on this machine, or begin anew with `overnight run --restart`")

    @property
    def shift(self) -> tuple[float, float] | None:
        """(mean change, its standard error); None before the third look."""
        if len(self.shifts) < 3:
            return None
        return statistics.fmean(self.shifts), statistics.stdev(self.shifts) / math.sqrt(len(self.shifts))
