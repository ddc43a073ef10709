"""What a chart of progress shows, as numbers: where each experiment and explored point lies, and what was kept. Pure.

The vertical place composes effects: a commit stands where its base stands, moved by its effect (or its ratio, where gains are
ratios). Means of different runs are never compared.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from overnight.lab.state import BASELINE
from overnight.referee.kinds import KINDS as METRIC_KINDS
from overnight.report.tables import plain
from overnight.views.experiment import ExperimentView, History
from overnight.views.points import PointView

Kind = Literal["keep", "discard", "barred", "open", "explored"]
Along = Callable[[ExperimentView], float]  # where an experiment lies along the axis
WORSE = 0.6  # of the spread of what was kept: how far beyond it what was discarded is still shown
MOST = 3.0  # times the height of what was kept that the others may ask for
ROOM = 0.1  # of the height that stays free above and below
TITLE = 200  # characters of a title


class Dot(NamedTuple):
    """One experiment that was measured, or an explored point.

    id         its number
    kind       keep, discard, barred (it scored, but broke a guard), open, explored
    x          where it lies along the axis: its number, or the place after the later one that it stands on; or a time
    y          where its effect takes the metric, and `low` and `high` bound that with 95 %; equal to `y` where nothing does
    effect     by how much it is better than its base, in the metric's unit, and `interval` bounds that
    title      what it changed, in one line
    """

    id: int
    kind: Kind
    x: float
    y: float
    low: float
    high: float
    effect: float
    interval: tuple[float, float] | None
    title: str


class Scene(Struct, frozen=True):
    """All that a chart of progress shows.

    kept, others, explored  what was measured, from left to right; `others` are discarded, barred or open
    crashed, fouled         the numbers and places of experiments without a measurement
    unmeasured              how many were discarded without a number of their own: in a stack, or in conflict with a keep
    waiting                 how many are open and have none yet
    baseline                where it stands
    ratios                  whether heights are per cent of the baseline's, for gains are ratios
    sign                    1 where lower is better, else -1
    start, end              the x of the baseline, and of the last that is shown
    timed                   whether x is seconds since the start
    metric, unit            their names
    """

    kept: tuple[Dot, ...]
    others: tuple[Dot, ...]
    explored: tuple[Dot, ...]
    crashed: tuple[tuple[int, float], ...]
    fouled: tuple[tuple[int, float], ...]
    unmeasured: int
    waiting: int
    baseline: float
    ratios: bool
    sign: int
    start: float
    end: float
    timed: bool
    metric: str
    unit: str

    @property
    def count(self) -> int:
        """How many marks it has."""
        return sum(map(len, (self.kept, self.others, self.explored, self.crashed, self.fouled)))

    @property
    def discarded(self) -> list[Dot]:
        """Those others that have a verdict."""
        return [dot for dot in self.others if dot.kind != "open"]

    def of(self, kind: Kind) -> list[Dot]:
        """Those others of a kind."""
        return [dot for dot in self.others if dot.kind == kind]


def scene(told: History, differences: bool = False, along: Along | None = None) -> Scene:
    """The scene of a history. The baseline stands at its metric, or at 0 to show `differences`; at 100 where gains are ratios:
    of times, of which the effects may add up to more than there ever was, and in place of differences wherever that is known.
    `along` gives the time of an experiment, in seconds since the start; without it they stand in the order of their numbers."""
    track = told.track
    ratios = track.ratio is not None and (differences or METRIC_KINDS[track.kind].paired_in_time)
    sign = 1 if track.direction == "minimize" else -1
    places = _places(told, along)
    stands = {BASELINE: 100.0 if ratios else 0.0 if differences else _finite(track.baseline)}
    for keep in told.kept:
        stands[keep.id] = moved(keep, stands[keep.parent], sign, ratios) or 0.0
    found, ended = list[Dot](), dict[str, list[tuple[int, float]]]({"crash": [], "foul": []})
    end, unmeasured, waiting = places[BASELINE] + (0.0 if along else 1.0), 0, 0
    for each in told.experiments:
        x = _place(each, places, along)
        end = max(end, x)
        if dot := _dot(each, x, stands.get(each.parent), sign, ratios):
            found.append(dot)
        elif each.verdict.verdict in ended:
            ended[each.verdict.verdict].append((each.id, x))
        unmeasured += dot is None and each.verdict.verdict == "discard"
        waiting += dot is None and each.verdict.verdict == "open"
    explored = tuple(_explored(told, places, stands, sign, ratios, along))
    end = max([end, *(math.ceil(dot.x) for dot in explored)])
    kept = sorted((dot for dot in found if dot.kind == "keep"), key=lambda dot: dot.x)
    return Scene(tuple(kept), tuple(dot for dot in found if dot.kind != "keep"), explored, tuple(ended["crash"]),
                 tuple(ended["foul"]), unmeasured, waiting, stands[BASELINE], ratios, sign, places[BASELINE], end,
                 along is not None, plain(track.metric, 32), plain(track.unit, 24))


def _finite(level: float | None) -> float:
    return level if level is not None and math.isfinite(level) else 0.0


def moved(each: ExperimentView, base: float, sign: int, ratios: bool) -> float | None:
    """Where an effect takes the metric from a base; None where it was not measured."""
    if ratios:
        return base * each.ratio if each.ratio else None
    return None if each.verdict.effect is None else base - sign * each.verdict.effect


def limits(shown: Scene, begin: float = -math.inf, end: float = math.inf) -> tuple[float, float]:
    """Lowest and highest that the picture shows of what lies from `begin` to `end`: what was kept fills it, and what is far
    worse lies beyond."""
    kept = [dot for dot in shown.kept if begin <= dot.x <= end]
    before = [dot.y for dot in shown.kept if dot.x < begin][-1:] or [shown.baseline]
    values = [value for dot in kept for value in (dot.y, dot.low, dot.high) if math.isfinite(value)]
    low, high = min([*before, *values]), max([*before, *values])
    others = [dot.y for dot in shown.others or shown.explored if begin <= dot.x <= end]
    usual = statistics.median(abs(value - before[0]) for value in others) if others else 0.0
    most = MOST * (high - low) if kept else math.inf
    spread = max(high - low, min(2 * usual, most)) or abs(shown.baseline) * 0.1 or 1.0
    near = [value for value in others if low - WORSE * spread <= value <= high + WORSE * spread]
    low, high = min([low, *near]), max([high, *near])
    room = max(high - low, 0.5 * spread)
    return low - ROOM * room, high + ROOM * room


# ---- places along the axis -------------------------------------------------------------------------------------


def _places(told: History, along: Along | None) -> dict[int, float]:
    """Where the baseline and all that was kept stand, each to the right of what it stands on."""
    first = 0.0 if along else min((each.id for each in told.experiments), default=1) - 1.0
    places = {BASELINE: first}
    for keep in told.kept:
        places[keep.id] = _place(keep, places, along)
    return places


def _place(each: ExperimentView, places: Mapping[int, float], along: Along | None) -> float:
    if along:
        return max(along(each), places.get(each.parent, 0.0))
    return max(each.id, places.get(each.parent, 0.0) + 1.0)


def _explored(told: History, places: Mapping[int, float], stands: Mapping[int, float], sign: int, ratios: bool,
              along: Along | None) -> Iterator[Dot]:
    """Where the run of each point takes the metric from what it stands on. Those between two experiments, or after what they
    stand on, share the room there."""
    starts = sorted({places[BASELINE], *(_place(each, places, along) for each in told.experiments)})
    numbers = {each.id: _place(each, places, along) for each in told.experiments} if along else {}
    gaps: dict[float, list[PointView]] = defaultdict(list)
    for point in told.points:
        after = numbers.get(point.after, places[BASELINE]) if along else point.after
        gaps[max(after, places.get(point.parent, 0.0), places[BASELINE])].append(point)
    for begin, among in gaps.items():
        room = _gap(starts, begin) if along else 1.0
        for turn, point in enumerate(among, 1):
            if (y := _run(point, stands.get(point.parent), sign, ratios)) is not None:
                x = begin + room * turn / (len(among) + 1)
                yield Dot(point.point, "explored", x, y, y, y, point.gain or 0.0, None, _title(point.title))


def _gap(starts: Sequence[float], begin: float) -> float:
    """How much room there is until the next experiment."""
    after = bisect_right(starts, begin)
    return starts[after] - begin if after < len(starts) else 0.0


def _run(point: PointView, base: float | None, sign: int, ratios: bool) -> float | None:
    if base is None or point.gain is None or (ratios and point.ratio is None):
        return None
    y = base * (point.ratio or 1.0) if ratios else base - sign * point.gain
    return y if math.isfinite(y) else None


# ---- one experiment --------------------------------------------------------------------------------------------


def _dot(each: ExperimentView, x: float, base: float | None, sign: int, ratios: bool) -> Dot | None:
    """None where nothing was measured, or what it stands on was taken back."""
    verdict = each.verdict
    if verdict.verdict not in ("keep", "discard", "open") or verdict.effect is None or base is None:
        return None
    y = moved(each, base, sign, ratios)
    if y is None or not math.isfinite(y):
        return None
    size = (each.level or 0.0) + sign * verdict.effect if ratios else base  # what its base measured
    bounds = verdict.interval if size > 0 or not ratios else None
    ends = [y, *(base - sign * bound * (base / size if ratios else 1.0) for bound in bounds or ())]
    return Dot(each.id, _kind(each), x, y, min(ends), max(ends), verdict.effect, verdict.interval, _title(each.title))


def _kind(each: ExperimentView) -> Kind:
    verdict = each.verdict.verdict
    if each.cause == "guard":
        return "barred"
    return "keep" if verdict == "keep" else "open" if verdict == "open" else "discard"


def _title(text: str) -> str:
    """A title without the file that it names at its end, for which a chart has no room."""
    shown = plain(text, TITLE).replace("->", "→")
    head, bracket, path = shown.rpartition(" (")
    return head if bracket and path.endswith(")") and " " not in path else shown
