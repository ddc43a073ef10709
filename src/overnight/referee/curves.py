"""Learning curves: reading one from what a run prints, and the rule that says when it has fallen behind (pure).

Covered: lines that are cut, repeated, out of order, too long, binary, not finite or without end; at most MOST_REPORTS are kept.
Not covered: whether the values are true. They are the candidate's own word, and good enough here only because they
can win it nothing: one that flatters itself merely runs on and is then scored by the scorer. What is left: once it is kept,
its curve is the measure of those that come after it. They stand on its code and print as it does; one that undoes a
flattering change of what is printed looks worse than it is and may be stopped.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from overnight.contracts import Direction
from overnight.patterns import compiled
from overnight.track.spec import CATCH_UP, NEARLY_DONE, WARM_UP

Point = tuple[float, float]  # step and value
Curve = tuple[Point, ...]  # steps rising

SIGMAS = 3.0  # standard errors by which every estimate is turned in the run's favour
LOOKS = 3  # reports in a row that must agree
FEWEST_REPORTS = 6  # reports that a line or a curve takes
MOST_REPORTS = 512  # reports of a run under way that are kept
MOST_RECORDED_REPORTS = 64  # reports of a run that go into the journal
MOST_LINE_BYTES = 512  # bytes; a longer line is no report
LARGEST_NUMBER = 1e100  # a step or a value beyond it is none; squares of it are still finite


# ---- reading ---------------------------------------------------------------------------------------------------


class Reader:
    """Reads reports from a stream of bytes as they come. Once there are MOST_REPORTS, every other one is forgotten."""

    def __init__(self, pattern: str) -> None:
        self._pattern = compiled(pattern)
        self._rest = b""
        self._kept: list[Point] = []
        self._last: Point | None = None
        self._seen, self._stride = 0, 1

    def feed(self, chunk: bytes) -> bool:
        """Take the next bytes; whether a report among them was kept."""
        *lines, rest = re.split(rb"[\r\n]", self._rest + chunk)
        self._rest = rest[:MOST_LINE_BYTES + 1]  # one byte too many marks a line that is too long
        return sum(self._take(line) for line in lines) > 0

    def _take(self, line: bytes) -> bool:
        found = self._pattern.search(line.decode(errors="replace")) if len(line) <= MOST_LINE_BYTES else None
        point = _point(found[1], found[2]) if found else None
        if point is None or (self._last is not None and point[0] <= self._last[0]):
            return False
        self._last = point
        self._seen += 1
        if (self._seen - 1) % self._stride:
            return False
        self._kept.append(point)
        if len(self._kept) == MOST_REPORTS:
            del self._kept[1::2]
            self._stride *= 2
        return True

    @property
    def kept(self) -> Curve:
        """The reports so far, evenly thinned where there were many."""
        return tuple(self._kept)

    @property
    def curve(self) -> Curve:
        """What is recorded of them: at most MOST_RECORDED_REPORTS, the first and the last among them."""
        more = [self._last] if self._last is not None and self._last != self._kept[-1] else []
        return thinned((*self._kept, *more))


def _point(step: str | None, value: str | None) -> Point | None:
    try:
        point = float(step or ""), float(value or "")
    except ValueError:
        return None
    return point if all(abs(number) <= LARGEST_NUMBER for number in point) else None


def thinned(curve: Curve, most: int = MOST_RECORDED_REPORTS) -> Curve:
    """At most so many points of a curve, evenly chosen, its ends among them."""
    if len(curve) <= most:
        return curve
    return tuple(curve[round(i * (len(curve) - 1) / (most - 1))] for i in range(most))


# ---- the rule --------------------------------------------------------------------------------------------------


class CurveWatch:
    """Hears what a run prints and says when it has fallen behind the incumbent's curve on the same seed."""

    def __init__(self, pattern: str, pace: Curve, direction: Direction, patience: float = WARM_UP,
                 margin: float = CATCH_UP) -> None:
        self.reader = Reader(pattern)
        self.reason = ""
        self._pace, self._direction, self._patience, self._margin = pace, direction, patience, margin

    def hear(self, chunk: bytes) -> bool:
        """Take the next bytes of its output; whether it has fallen behind. `reason` says so in words."""
        if self.reader.feed(chunk) and self._pace and not self.reason:
            self.reason = behind(self.reader.kept, self._pace, self._direction, self._patience, self._margin)
        return bool(self.reason)


def behind(mine: Curve, pace: Curve, direction: Direction = "minimize", patience: float = WARM_UP,
           margin: float = CATCH_UP) -> str:
    """Why a run cannot catch up with the incumbent any more, in a sentence; "" while it can.

    With smaller as better, `t` the step of the last report, `T` that of the incumbent's last and `left = T - t`, a run
    is behind when on each of its last LOOKS reports its value is worse than the incumbent's was at `t`, and

        value(t) - goal  >  margin * max(own, made)

    - `goal`: where the incumbent ended, the mean of the last tenth of its curve: that is what must be reached.
    - `own = left * pace(t)`: what the run still gains if it goes on as in the last third of its steps (a straight
      line by least squares, which also gives `value(t)`). Learning curves mostly level off, so that this is more than
      will come of it; it is what saves a slow starter that overtakes late.
    - `made`: the most that the incumbent ever gained within so many steps, once `patience` had passed. It is what
      saves a run whose late drop, like that of a learning rate let down at the end, is still to come.

    Each estimate is turned by SIGMAS standard errors in favour of the run, so that a noisy or spiky curve is not
    stopped. Nothing is stopped before `patience` or after NEARLY_DONE of the incumbent's steps.
    """
    sign = 1.0 if direction == "minimize" else -1.0
    ahead, run = (tuple((step, sign * value) for step, value in curve) for curve in (pace, mine))
    if len(ahead) < FEWEST_REPORTS or len(run) < FEWEST_REPORTS + LOOKS:
        return ""
    if not all(_out_of_reach(run[:len(run) - back], ahead, patience, margin) for back in range(LOOKS)):
        return ""
    step, value = mine[-1]
    return (f"fell behind the incumbent's curve at step {step:g} of {pace[-1][0]:g} "
            f"({value:.4g} against {at(pace, step):.4g})")


def _out_of_reach(mine: Curve, pace: Curve, patience: float, margin: float) -> bool:
    """Whether the last report shows a run that cannot reach the incumbent's end, smaller being better."""
    (begin, _), (end, _) = pace[0], pace[-1]
    step, latest = mine[-1]
    if not patience <= (step - begin) / (end - begin) <= NEARLY_DONE or latest <= at(pace, step):
        return False
    since = step - (step - mine[0][0]) / 3
    recent = [point for point in mine if point[0] >= since]
    if len(recent) < FEWEST_REPORTS:
        return False
    left = end - step
    value, own, error = _straight(recent)
    needed = value - SIGMAS * error - _goal(pace)
    return needed > margin * max(0.0, left * own) and (  # what costs most comes last
        needed > margin * _made(pace, left, begin + patience * (end - begin)))


def _straight(points: Sequence[Point]) -> tuple[float, float, float]:
    """A line through some points by least squares: its value at the last step, what it gains by step at its steepest
    within SIGMAS, and the standard error of that value."""
    count, last, first = len(points), points[-1][0], points[0][0]
    steps, values = [(step - last) / (last - first) for step, _ in points], [value for _, value in points]  # steps: -1 to 0
    middle, mean = _mean(steps), _mean(values)
    width = sum((s - middle) ** 2 for s in steps)
    slope = sum((s - middle) * (v - mean) for s, v in zip(steps, values, strict=True)) / width
    spread = math.sqrt(sum((v - mean - slope * (s - middle)) ** 2 for s, v in zip(steps, values, strict=True)) / (count - 2))
    return (mean - slope * middle, (SIGMAS * spread / math.sqrt(width) - slope) / (last - first),
            spread * math.sqrt(1 / count + middle * middle / width))


def _goal(pace: Curve) -> float:
    """Where the incumbent ended, at its worst within the noise."""
    values = [value for _, value in pace]
    tail = values[-max(3, len(values) // 10):]
    late = values[-3 * len(tail):]
    bends = [b - (a + c) / 2 for a, b, c in zip(late, late[1:], late[2:], strict=False)]
    noise = math.sqrt(sum(b * b for b in bends) / (1.5 * len(bends)))
    return _mean(tail) + SIGMAS * noise / math.sqrt(len(tail))


def _made(pace: Curve, left: float, since: float) -> float:
    """The most that the incumbent gained within so many steps that began no sooner than `since`."""
    smooth = tuple((step, _mean([v for _, v in pace[max(0, i - 2):i + 3]])) for i, (step, _) in enumerate(pace))
    starts = [since, *(step for step, _ in smooth if since < step <= smooth[-1][0] - left)]
    return max(at(smooth, start) - at(smooth, start + left) for start in starts)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def at(curve: Curve, step: float) -> float:
    """A curve's value at a step, in a straight line between the two reports around it."""
    after = next((i for i, (s, _) in enumerate(curve) if s >= step), len(curve) - 1)
    if not after or curve[after][0] <= step:
        return curve[after][1]
    (left, low), (right, high) = curve[after - 1], curve[after]
    return low + (high - low) * (step - left) / (right - left)
