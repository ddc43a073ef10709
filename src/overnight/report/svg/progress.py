"""The chart of progress: all that was tried, the frontier as steps with the interval of each, what was kept by name. Pure.

The script of a page reads the points from the JSON beside the chart: [number, x, y, kind, effect, title], x and y in
thousandths of the plot; above MOST_TOLD points the first four alone, and it fetches the words of the one that is looked at.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from overnight.report.svg.axes import (
    FULL,
    Scale,
    apart,
    cut,
    decimals,
    dots,
    escape,
    fixed,
    left_labels,
    lower_labels,
    named,
    path,
    percent,
    plain,
    rules,
    spread,
    stretched,
    ticks,
    whole_ticks,
)
from overnight.report.svg.marks import legend, shape
from overnight.views.timeline import Dot, Kind, Scene, limits

HEIGHT, LABEL = 400, 40  # pixels of the plot for which labels are moved apart, and of one of them
FREE = 16  # pixels at both ends of the gutter that no label's middle enters
NAMED = 8  # keeps that are named beside the plot, and in the words for readers that do not see it
LETTERS = 34.0  # of a title in the gutter
MOST_TOLD = 1500  # points whose words are in the page
MANY, HUGE, MANY_KEEPS = 400, 3000, 24  # marks from which on they are drawn smaller, and keeps
EDGE = 8.0  # of the plot, where a point beyond the scale is found
FAR = 22  # height of the tick of a point beyond the scale


class Frame(NamedTuple):
    """The scales of a chart of progress, and the decimals of its numbers."""

    x: Scale
    y: Scale
    places: int


class Placed(NamedTuple):
    """What is seen of a scene.

    kept    what was kept, from left to right
    places  of the others, those on the scale: by their kind, in thousandths of the plot
    beyond  where the others lie that are beyond the scale, and whether above it
    points  all of them, from left to right: (x, y at the edge of the scale where it is beyond, dot)
    """

    kept: list[Dot]
    places: dict[Kind, list[tuple[float, float]]]
    beyond: list[tuple[float, bool]]
    points: list[tuple[float, float, Dot]]


class Look(NamedTuple):
    """How a chart of progress is set into its page.

    ident   the id of its box
    href    the address of an experiment, with {id} for its number; more: that of the list of all that was kept
    window  the part of the axis to show; None: all of it
    growing whether more is to come, so that the axis ends on a round number and new dots move nothing
    zooms   whether the page draws another part on demand (`?from=&to=`)
    tip     the address of the words of a point, with {id} for its number; "": there is none
    """

    ident: str = "progress"
    href: str = "#experiment-{id}"
    more: str = ""
    window: tuple[float, float] | None = None
    growing: bool = False
    zooms: bool = False
    tip: str = ""


LOOK = Look()


def frame(scene: Scene, look: Look = LOOK) -> Frame:
    """The scales on which a scene is drawn."""
    begin, end = look.window or (scene.start, _end(scene, look.growing))
    begin, end = spread(begin, end)
    low, high = spread(*limits(scene, *(look.window or (-math.inf, math.inf))))
    effects = [dot.effect for dot in scene.kept] or [dot.effect for dot in scene.others] or [scene.baseline]
    return Frame(Scale(begin, end), Scale(low, high, FULL, 0.0), decimals(effects))


def _end(scene: Scene, growing: bool) -> float:
    if growing:
        marks = ticks(scene.start, scene.start + 1.15 * max(scene.end - scene.start, 1.0), 10)
        return max(marks[-1] if marks else scene.end, scene.end + (0.0 if scene.timed else 1.0))
    return scene.end + max(0.015 * (scene.end - scene.start), 0.0 if scene.timed else 0.5)


def progress(scene: Scene, look: Look = LOOK) -> str:
    """The chart with its legend and the list of what was kept, as one <figure>."""
    sight = frame(scene, look)
    seen = _placed(scene, sight)
    kept, marks = seen.kept, ticks(sight.y.low, sight.y.high, about=8)
    size = " huge" if scene.count > HUGE else " many" if scene.count > MANY or len(kept) > MANY_KEEPS else ""
    zoom = f' data-zoom="{sight.x.low:g},{sight.x.high:g}"' if look.zooms else ""
    tip = f' data-tip="{escape(look.tip)}"' if look.tip else ""
    plot = stretched(rules(sight.y, marks) + "".join(_drawn(scene, sight, seen)))
    return (f'<figure class="progress{size}"><div class="chart" id="{look.ident}" data-points="{look.ident}-points" '
            f'data-href="{escape(look.href)}"{zoom}{tip}>'
            f'{left_labels(sight.y, marks, _heights(marks, scene.ratios))}'
            f'<svg class="plot hot" role="img" tabindex="0" aria-label="{escape(_told(scene, kept, sight))}">{plot}'
            f'{_ended(scene, sight)}</svg>{_gutter(scene, sight, kept, look)}{_below(scene, sight)}'
            f'<div class="tip" hidden></div></div><p class="sr" aria-live="polite" id="{look.ident}-said"></p>'
            f'{_legend(scene, seen)}{_list(scene, sight, kept, look)}{_points(sight, seen, look.ident)}</figure>')


def appended(scene: Scene, number: int, look: Look = LOOK) -> tuple[str, str] | None:
    """The class of the path that a dot belongs to, and what is to be added to that path's data, for a page that shows the scene
    already; None where the dot is not on the scale or needs more than that."""
    sight = frame(scene, look)
    dot = next((each for each in scene.others if each.id == number), None)
    if dot is None or dot.kind == "open" or not sight.x.holds(dot.x) or not sight.y.holds(dot.y):
        return None
    place = (sight.x(dot.x), sight.y(dot.y))
    return ("barred", dots([place], square=True)) if dot.kind == "barred" else ("dots", dots([place]))


# ---- what is drawn ---------------------------------------------------------------------------------------------


def _placed(scene: Scene, sight: Frame) -> Placed:
    """One pass over all dots, with the arithmetic of the scales in it: there may be ten thousand."""
    (left, right), (low, high) = sight.x[:2], sight.y[:2]
    across, up = FULL / (right - left), FULL / (high - low)
    seen = Placed([], {"discard": [], "barred": [], "open": [], "explored": []}, [], [])
    for dot in (*scene.kept, *scene.others, *scene.explored):
        if not left <= dot.x <= right:
            continue
        x, y = (dot.x - left) * across, (high - dot.y) * up
        if dot.kind == "keep":
            seen.kept.append(dot)
        elif 0 <= y <= FULL:
            seen.places[dot.kind].append((x, y))
        elif dot.kind != "explored":
            seen.beyond.append((x, y < 0))
        seen.points.append((x, min(max(y, EDGE), FULL - EDGE), dot))
    seen.points.sort()
    return seen


def _drawn(scene: Scene, sight: Frame, seen: Placed) -> Iterator[str]:
    """The paths, those below first."""
    x, y, kept = sight.x, sight.y, seen.kept
    ends = [*(x(dot.x) for dot in kept[1:]), FULL][:len(kept)]
    yield path("band", "".join(f"M{x(d.x):.1f} {_in(y(d.low)):.1f}H{end:.1f}V{_in(y(d.high)):.1f}H{x(d.x):.1f}Z"
                               for d, end in zip(kept, ends, strict=True) if d.low < d.high))
    yield path("base", f"M0 {y(scene.baseline):.1f}H1000" if y.holds(scene.baseline) else "")
    yield path("edot", explored := dots(seen.places["explored"]))
    yield path("ehole", explored)
    yield path("dots", dots(seen.places["discard"]))
    yield path("barred", dots(seen.places["barred"], square=True))
    yield path("odot", waiting := dots(seen.places["open"]))
    yield path("ohole", waiting)
    yield path("far", "".join(f"M{at:.1f} {0 if above else FULL - FAR:.0f}v{FAR}" for at, above in seen.beyond))
    yield path("guide", "".join(f"M{x(dot.x):.1f} {y(dot.y):.1f}H1000" for dot in chosen(kept)[:-1]))
    before = [dot.y for dot in scene.kept if dot.x < x.low][-1:] or [scene.baseline]
    yield path("step", f"M0 {y(before[0]):.1f}" + "".join(f"H{x(d.x):.1f}V{y(d.y):.1f}" for d in kept) + "H1000")
    yield path("whisk", "".join(f"M{x(d.x):.1f} {_in(y(d.low)):.1f}V{_in(y(d.high)):.1f}" for d in kept if d.low < d.high))
    data = dots((x(dot.x), y(dot.y)) for dot in kept)
    yield path("ring", data)
    yield path("kdot", data)


def _in(height: float) -> float:
    return min(max(height, -20.0), FULL + 20.0)


def _ended(scene: Scene, sight: Frame) -> str:
    """Crashes and fouls as signs along the lower edge."""
    said = []
    for kind, sign, ended in (("died", "\u00d7", scene.crashed), ("fouled", "+", scene.fouled)):
        places = " ".join(percent(sight.x(x)) for _, x in ended if sight.x.holds(x))
        signs = sign * (places.count(" ") + 1)
        if places:
            said.append(f'<text class="{kind}" x="{places}" y="100%" dy="-.25em" text-anchor="middle">{signs}</text>')
    return "".join(said)


def _heights(marks: Sequence[float], ratios: bool) -> list[str]:
    return [f"{word}\u202f%" for word in named(marks)] if ratios else named(marks)


def _below(scene: Scene, sight: Frame) -> str:
    if not scene.timed:
        marks = [mark for mark in whole_ticks(sight.x.low, min(sight.x.high, max(scene.end, sight.x.low + 1))) if mark > 0]
        return lower_labels(sight.x, marks, named(marks), "experiment, in the order proposed")
    marks = clock_ticks(sight.x.low, sight.x.high)
    return lower_labels(sight.x, marks, [clock(mark) for mark in marks], "time since the start")


def clock(seconds: float) -> str:
    """Seconds on an axis: minutes and seconds, from an hour on with hours."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def clock_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Times that a clock has round, from low to high."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
    step = next((each for each in steps if (high - low) / each <= most), None)
    if step is None:
        return [day * 86400 for day in whole_ticks(low / 86400, high / 86400, most)]
    return [float(number * step) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


# ---- names of what was kept ------------------------------------------------------------------------------------


def chosen(kept: Sequence[Dot], most: int = NAMED) -> list[Dot]:
    """Those that are named: the newest, and the largest of the others."""
    if len(kept) <= most:
        return list(kept)
    largest = sorted(kept[:-1], key=lambda dot: -dot.effect)[:most - 1]
    return sorted([*largest, kept[-1]], key=lambda dot: dot.x)


def _gutter(scene: Scene, sight: Frame, kept: Sequence[Dot], look: Look) -> str:
    """The names at the right, moved apart, each with a line from where its step is."""
    here = chosen(kept)
    wanted: list[tuple[float, Dot | None]] = [(sight.y(dot.y) * HEIGHT / FULL, dot) for dot in here]
    if sight.y.holds(scene.baseline):
        wanted.append((sight.y(scene.baseline) * HEIGHT / FULL, None))
    wanted.sort(key=lambda each: each[0])
    tops = apart([place for place, _ in wanted], LABEL, FREE, HEIGHT - FREE)
    rows = "".join(_label(scene, sight, dot, place, top, look.href)
                   for (place, dot), top in zip(wanted, tops, strict=True))
    if rest := len(kept) - len(here):
        words = f'<text class="rest" x="26" y="100%" dy="2.6em">and {rest:,} more</text>'
        rows += f'<a href="{escape(look.more)}">{words}</a>' if look.more else words
    return f'<svg class="keeps" role="group" aria-label="Kept changes">{rows}</svg>'


def _label(scene: Scene, sight: Frame, dot: Dot | None, place: float, top: float, href: str) -> str:
    at = f"{top / HEIGHT:.2%}"
    line = f'<line class="lead{" b" if dot is None else ""}" x1="0" x2="20" y1="{place / HEIGHT:.2%}" y2="{at}"/>'
    if dot is None:
        return f'{line}<text x="26" y="{at}" dy=".35em">{_level(scene, sight, scene.baseline)} baseline</text>'
    return (f'{line}<a href="{escape(href.format(id=dot.id))}"><text x="26" y="{at}" dy="-.25em"><tspan class="gain">'
            f'{fixed(dot.effect, sight.places)}</tspan> #{dot.id}<tspan class="then">, then '
            f'{_level(scene, sight, dot.y)}</tspan></text>'
            f'<text class="what" x="26" y="{at}" dy="1em">{escape(cut(dot.title, LETTERS))}</text></a>')


def _level(scene: Scene, sight: Frame, y: float) -> str:
    return f"{plain(y, 4)} %" if scene.ratios else fixed(y, sight.places, sign=False)


def _list(scene: Scene, sight: Frame, kept: Sequence[Dot], look: Look) -> str:
    """The same below the chart, where there is no room beside it."""
    rows = "".join(f'<li><a href="{escape(look.href.format(id=dot.id))}">#{dot.id}</a> <b>{fixed(dot.effect, sight.places)}</b>'
                   f', then {_level(scene, sight, dot.y)}<br><span class="soft">{escape(dot.title)}</span></li>'
                   for dot in chosen(kept))
    rest = len(kept) - NAMED
    more = f'<li class="soft">and {rest:,} more</li>' if rest > 0 else ""
    return f'<ol class="chart-list plain">{rows}{more}</ol>' if rows else ""


# ---- in words --------------------------------------------------------------------------------------------------


def _told(scene: Scene, kept: Sequence[Dot], sight: Frame) -> str:
    """The chart for readers that do not see it."""
    way = "lower" if scene.sign > 0 else "higher"
    parts = [f"{scene.metric} by experiment, {way} is better. Baseline {_level(scene, sight, scene.baseline)}."]
    if kept:
        told = chosen(kept)
        steps = "; ".join(f"experiment {dot.id} took it to {_level(scene, sight, dot.y)}" for dot in told)
        rest = len(kept) - len(told)
        parts.append(f"Kept: {steps}{f'; and {rest} more' if rest else ''}.")
    else:
        parts.append("Nothing is kept.")
    parts.append(f"{len(scene.discarded):,} discarded experiments lie around the frontier of their time.")
    return " ".join(parts) + " The left and right arrow keys walk through the experiments, Enter opens one."


def _legend(scene: Scene, seen: Placed) -> str:
    here = {kind: sum(dot.kind == kind for _, _, dot in seen.points) for kind in ("discard", "barred", "open", "explored")}
    rows = [(len(seen.kept), "keep", "kept, band: 95 % interval"), (here["discard"], "discard", "no better"),
            (here["barred"], "barred", "broke a guard"), (here["open"], "open", "open"),
            (len(seen.beyond), "far", "of them beyond the scale"),
            (here["explored"], "explored", "explored in single runs, which claim nothing"),
            (len(scene.crashed), "crash", "crashed"), (len(scene.fouled), "foul", "out of bounds"),
            (scene.unmeasured, "", "dropped without a number of their own"), (scene.waiting, "", "not measured yet")]
    return legend([("", _axis(scene)), *((shape(kind), f"{count:,} {word}") for count, kind, word in rows if count)])


def _axis(scene: Scene) -> str:
    """What the heights are."""
    way = "lower" if scene.sign > 0 else "higher"
    unit = " in % of the baseline's" if scene.ratios else f" in {scene.unit}" if scene.unit else ""
    return f"Height: {scene.metric}{unit}, {way} is better"


def _points(sight: Frame, seen: Placed, ident: str) -> str:
    """The points as data."""
    if len(seen.points) > MOST_TOLD:
        text = ",".join([f'[{dot.id},{x:.0f},{y:.0f},"{dot.kind}"]' for x, y, dot in seen.points])
    else:
        told = [[dot.id, round(x), round(y), dot.kind, *words(dot, sight.places)] for x, y, dot in seen.points]
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))[1:-1]
    text = text.replace("<", "\\u003c").replace("&", "\\u0026")
    return f'<script type="application/json" id="{ident}-points">[{text}]</script>'


def words(dot: Dot, places: int) -> tuple[str, str]:
    """What is said of a point: its effect with the interval, to so many decimals, and its title."""
    shown = fixed(dot.effect, places)
    if dot.interval:
        shown += f" [{', '.join(fixed(end, places) for end in dot.interval)}]"
    return shown, dot.title
