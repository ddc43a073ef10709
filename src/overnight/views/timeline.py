"""The course of a track as numbers: where each experiment and explored point lies, and what was kept. Every chart of progress
and the API show this. Pure.

The vertical place composes effects: a commit stands where its base stands, moved by its effect (or its ratio, where gains are
ratios). Means of different runs are never compared.
"""

from __future__ import annotations

import math
import re
import statistics
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

from overnight.lab.state import BASELINE
from overnight.referee.kinds import KINDS as METRIC_KINDS
from overnight.untrusted import line
from overnight.views.causes import Cause
from overnight.views.experiment import ExperimentView, History
from overnight.views.points import PointView
from overnight.views.rows import Listed, rows

Kind = Literal["keep", "discard", "barred", "open", "explored"]
Along = Callable[[Listed], float]  # where an experiment lies along the axis
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


def scene(told: History, differences: bool = False, along: Along | None = None, first: int | None = None,
          some: Sequence[Listed] | None = None) -> Scene:
    """The scene of a history. The baseline stands at its metric, or at 0 to show `differences`; at 100 where gains are ratios:
    of times, of which the effects may add up to more than there ever was, and in place of differences wherever that is known.
    `along` gives the time of an experiment, in seconds since the start; without it they stand in the order of their numbers.
    `first`: the number of the track's first experiment, where the history holds only some. `some`: the experiments that are
    shown; None: all of the history's."""
    track, some = told.track, rows(told.experiments) if some is None else some
    ratios = track.ratio is not None and (differences or METRIC_KINDS[track.kind].paired_in_time)
    sign = 1 if track.direction == "minimize" else -1
    places = _places(told.kept, min((each.id for each in some), default=1) if first is None else first, along)
    stands = {BASELINE: 100.0 if ratios else 0.0 if differences else _finite(track.baseline)}
    for keep in told.kept:
        stands[keep.id] = moved(keep, stands[keep.parent], sign, ratios) or 0.0
    found, ended = list[Dot](), dict[str, list[tuple[int, float]]]({"crash": [], "foul": []})
    end, unmeasured, waiting = places[BASELINE] + (0.0 if along else 1.0), 0, 0
    for each in some:
        x = _place(each, places, along)
        end = max(end, x)
        if dot := _dot(each, x, stands.get(each.parent), sign, ratios):
            found.append(dot)
        elif each.verdict.verdict in ended:
            ended[each.verdict.verdict].append((each.id, x))
        unmeasured += dot is None and each.verdict.verdict == "discard"
        waiting += dot is None and each.verdict.verdict == "open"
    explored = tuple(_explored(told.points, some, places, stands, sign, ratios, along))
    end = max([end, *(math.ceil(dot.x) for dot in explored)])
    kept = sorted((dot for dot in found if dot.kind == "keep"), key=lambda dot: dot.x)
    return Scene(tuple(kept), tuple(dot for dot in found if dot.kind != "keep"), explored, tuple(ended["crash"]),
                 tuple(ended["foul"]), unmeasured, waiting, stands[BASELINE], ratios, sign, places[BASELINE], end,
                 along is not None, line(track.metric, 32), line(track.unit, 24))


def _finite(level: float | None) -> float:
    return level if level is not None and math.isfinite(level) else 0.0


def moved(each: Listed, base: float, sign: int, ratios: bool) -> float | None:
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


# ---- for the API -------------------------------------------------------------------------------------------


class PlaceView(Struct, frozen=True, gc=False):
    """Where an experiment lies.

    id       its number, and `title` what it changed
    x        where it lies along the axis: its number, or the place after the later one that it stands on; or seconds since the
             first was proposed
    y        where its effect takes the metric from its base; None where it has no number of its own
    low, high   bound that with 95 %; None where nothing does
    verdict, cause, effect  as in ExperimentView
    at       when it was proposed, in seconds since 1970; None where that is not known
    """

    id: int
    x: float
    y: float | None
    low: float | None
    high: float | None
    verdict: str
    cause: Cause
    effect: float | None
    title: str
    at: float | None


class StepView(Struct, frozen=True):
    """The frontier from a kept change on: its number, where it lies, and where it takes the metric, with a 95 % interval; equal
    to `y` where it has none."""

    id: int
    x: float
    y: float
    low: float
    high: float


class ProgressView(Struct, frozen=True):
    """The course of a track, or of some of its experiments.

    metric, unit, direction  of the track
    ratios       whether gains are ratios: then y is in per cent of the baseline's, else in the metric's unit
    timed        whether x is seconds since the first experiment was proposed
    baseline     where the baseline stands; None before it is measured
    level        where the frontier stands at the first experiment that is shown
    first, last  the numbers of the first and the last experiment that are shown, of `total`; 0 where there are none
    places       the experiments, in the order of their numbers
    steps        the frontier's steps among them, from left to right
    low, high    limits within which the frontier fills a picture; what is far worse lies beyond
    """

    metric: str
    unit: str
    direction: str
    ratios: bool
    timed: bool
    baseline: float | None
    level: float | None
    first: int
    last: int
    total: int
    places: tuple[PlaceView, ...]
    steps: tuple[StepView, ...]
    low: float
    high: float


def progress(told: History, first: int = 1, last: int | None = None, timed: bool = False) -> ProgressView:
    """The course of a track from one experiment's number to another's, both included. `timed`: over the time, where the times
    of all that are shown are known. Costs what is shown, not what the track holds."""
    every, track = rows(told.experiments), told.track
    begin = bisect_left(every, first, key=_number)
    end = len(every) if last is None else max(begin, bisect_right(every, last, key=_number))
    some = tuple(every[begin:end])
    along = since([*every[:1], *some]) if timed else None
    shown = scene(History(track, (), told.kept), along=along, first=every[0].id if every else None, some=some)
    dots = {dot.id: dot for dot in (*shown.kept, *shown.others)}
    rest = dict((*shown.crashed, *shown.fouled))
    inside = [dot for dot in shown.kept if some and some[0].id <= dot.id <= some[-1].id]
    before = _levels(told, shown)
    return ProgressView(
        shown.metric, shown.unit, track.direction, shown.ratios, along is not None,
        None if track.baseline is None else shown.baseline, before(some[0].id) if some and track.baseline is not None else None,
        some[0].id if some else 0, some[-1].id if some else 0, len(every),
        tuple(_shown(each, dots.get(each.id), rest.get(each.id), along) for each in some),
        tuple(StepView(dot.id, dot.x, dot.y, dot.low, dot.high) for dot in inside), *limits(shown))


def since(experiments: Sequence[Listed]) -> Along | None:
    """The time of an experiment, in seconds since the first was proposed: of a keep when it was kept, else when it was
    proposed. None where the times are not known."""
    first = min((each.proposed_at for each in experiments if each.proposed_at is not None), default=None)
    if first is None or any(each.proposed_at is None for each in experiments):
        return None

    def along(each: Listed) -> float:
        at = each.judged_at if each.verdict.verdict == "keep" and each.judged_at is not None else each.proposed_at
        return max(0.0, (at if at is not None else first) - first)

    return along


def _number(each: Listed) -> int:
    return each.id


def _levels(told: History, shown: Scene) -> Callable[[int], float]:
    """Where the frontier stood before an experiment was proposed."""
    stands, level = list[tuple[int, float]](), shown.baseline
    for keep in told.kept:
        level = moved(keep, level, shown.sign, shown.ratios) or level
        stands.append((keep.id, level))
    return lambda number: next((y for each, y in reversed(stands) if each < number), shown.baseline)


def _shown(each: Listed, dot: Dot | None, x: float | None, along: Along | None) -> PlaceView:
    place = dot.x if dot else x if x is not None else along(each) if along else float(each.id)
    bounded = dot is not None and dot.interval is not None
    return PlaceView(each.id, place, dot.y if dot else None, dot.low if dot and bounded else None,
                     dot.high if dot and bounded else None, each.verdict.verdict, each.cause, each.verdict.effect,
                     dot.title if dot else short_title(each.title), each.proposed_at)


# ---- places along the axis -------------------------------------------------------------------------------------


def _places(kept: Sequence[ExperimentView], first: int, along: Along | None) -> dict[int, float]:
    """Where the baseline and all that was kept stand, each to the right of what it stands on."""
    places = {BASELINE: 0.0 if along else first - 1.0}
    for keep in kept:
        places[keep.id] = _place(keep, places, along)
    return places


def _place(each: Listed, places: Mapping[int, float], along: Along | None) -> float:
    if along:
        return max(along(each), places.get(each.parent, 0.0))
    return max(each.id, places.get(each.parent, 0.0) + 1.0)


def _explored(points: Sequence[PointView], some: Sequence[Listed], places: Mapping[int, float], stands: Mapping[int, float],
              sign: int, ratios: bool, along: Along | None) -> Iterator[Dot]:
    """Where the run of each point takes the metric from what it stands on. Those between two experiments, or after what they
    stand on, share the room there."""
    numbers = {each.id: _place(each, places, along) for each in some} if along else {}
    starts = sorted({places[BASELINE], *numbers.values()})
    gaps: dict[float, list[PointView]] = defaultdict(list)
    for point in points:
        after = numbers.get(point.after, places[BASELINE]) if along else point.after
        gaps[max(after, places.get(point.parent, 0.0), places[BASELINE])].append(point)
    for begin, among in gaps.items():
        room = _gap(starts, begin) if along else 1.0
        for turn, point in enumerate(among, 1):
            if (y := _run(point, stands.get(point.parent), sign, ratios)) is not None:
                x = begin + room * turn / (len(among) + 1)
                yield Dot(point.point, "explored", x, y, y, y, point.gain or 0.0, None, short_title(point.title))


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


def _dot(each: Listed, x: float, base: float | None, sign: int, ratios: bool) -> Dot | None:
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
    return Dot(each.id, _kind(each), x, y, min(ends), max(ends), verdict.effect, verdict.interval, short_title(each.title))


def _kind(each: Listed) -> Kind:
    verdict = each.verdict.verdict
    if each.cause == "guard":
        return "barred"
    return "keep" if verdict == "keep" else "open" if verdict == "open" else "discard"


def short_title(text: str, most: int = TITLE) -> str:
    """A title without the place that it names at its end ("(train.py)", "(train.py, line 3)"), for which there is no room."""
    shown = line(text, TITLE).replace("->", "→")
    head, bracket, place = shown.rpartition(" (")
    names_place = bracket and place.endswith(")") and (" " not in place or re.search(r", lines? \d", place))
    return line(head if names_place else shown, most)
