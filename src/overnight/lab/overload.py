"""When the machine has too much other work to measure a time: such runs are lost, and the next ones wait. Pure.

A pair counts only where neither side waited for a core longer than `[referee] may_starve` allows. Whether it counts depends on
what other programs took and not on what it measured, so leaving it out favours neither side. The seed is used again, for
nothing was decided by it.
"""

from __future__ import annotations

from msgspec import UNSET, Struct

from overnight.lab.events import Measured

DOUBLINGS, LONGEST_PAUSE = 3, 300.0  # of the pause until the next run is tried, and the most seconds that it may last
MOST_WAITING = 3600.0  # seconds after which a session gives up that has no end of its own


class Overload(Struct):
    """What was lost to other work since the track was opened.

    lost      runs, a pair counted as one
    in_a_row  those since the last run that was good, or since the session began
    share     of its time for which the last of them waited for a core
    took      seconds that this one took
    waited    seconds of pauses since the last good run, the next one too
    """

    lost: int = 0
    in_a_row: int = 0
    share: float = 0.0
    took: float = 0.0
    waited: float = 0.0

    def spoils(self, event: Measured, bound: float) -> bool:
        """Whether a run of a metric that is a time does not count, because it waited longer than this share of its time. What
        the scorer caught counts whatever the load."""
        if event.starved is UNSET or event.starved <= bound or event.outcome == "foul":
            self.begin()
            return False
        self.lost, self.in_a_row, self.share, self.took = self.lost + 1, self.in_a_row + 1, event.starved, event.busy
        self.waited += self.pause
        return True

    def begin(self) -> None:
        """A session begins, or a run was good."""
        self.in_a_row, self.waited = 0, 0.0

    @property
    def pause(self) -> float:
        """Seconds until the next run is worth trying: as long as the lost one took, then twice, four times and eight times as
        long; so looking whether the load is gone is little load itself."""
        return min(LONGEST_PAUSE, self.took * 2.0 ** min(self.in_a_row - 1, DOUBLINGS)) if self.in_a_row else 0.0

    @property
    def sentence(self) -> str:
        """What is wrong, while it lasts; "" otherwise."""
        if not self.in_a_row:
            return ""
        return (f"the machine is overloaded by other work (for {100 * self.share:.0f} % of its time the last run waited for a "
                "core), so timing waits and nothing is kept meanwhile")
