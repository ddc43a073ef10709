"""The progress chart: every experiment a dot, what was kept labelled, the frontier a step line. SVG and PNG.

The same history gives the same SVG, byte for byte. Nothing of pyplot's global state is touched.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from overnight.lab.state import BASELINE
from overnight.report.tables import headline, levels, plain
from overnight.views.experiment import ExperimentView, History
from overnight.views.track import TrackView

DPI = 150
SIZE = (1400 / DPI, 800 / DPI)  # inches
AREA = (0.082, 0.165, 0.815, 0.62)  # of the figure: left, bottom, width, height of the axes
LEFT, RIGHT = 0.028, 0.972  # of the figure: where words begin and end
INK, GREY, FAINT, GRID = "#1f2933", "#66707c", "#aeb5bf", "#e9ecef"
KEPT, CRASHED, FOULED, WARNING = "#0f8a4f", "#c8453b", "#8a4fb5", "#b45309"
STYLE = {
    "axes.edgecolor": FAINT, "axes.labelcolor": INK, "axes.labelsize": 10.5, "axes.formatter.limits": (-4, 7),
    "axes.formatter.useoffset": False, "font.size": 10.5, "text.color": INK, "text.parse_math": False,
    "svg.fonttype": "none", "svg.hashsalt": "overnight",
    "xtick.color": FAINT, "xtick.labelcolor": GREY, "xtick.labelsize": 10,
    "ytick.color": FAINT, "ytick.labelcolor": GREY, "ytick.labelsize": 10,
}
ANGLE = math.radians(38)  # at which labels leave their dots, away from the frontier
BADGE = {"boxstyle": "round,pad=0.35", "facecolor": "#fef3c7", "edgecolor": WARNING, "linewidth": 0.8}
LABEL = FontProperties(size=8.6)
MOST_LABEL_CHARACTERS = 32
MOST_LABELS = 24
GAP = 21.0  # pixels between the middles of neighbouring labels
FARTHEST = 60.0  # pixels that a label may be moved from its dot
LEAD = 13.0  # pixels between a dot and its label
FEW = 60  # experiments up to which dots are large


@dataclass(frozen=True)
class Dot:
    """One experiment that was measured. `x` is its number, or the place after the later one that it stands on."""

    x: float
    level: float
    low: float
    high: float
    gain: float
    label: str


@dataclass(frozen=True)
class Scene:
    """What is drawn, and within which limits.

    sign   1 where lower is better, else -1
    start  the x of the baseline
    """

    kept: tuple[Dot, ...]
    discarded: tuple[Dot, ...]
    crashed: tuple[float, ...]
    fouled: tuple[float, ...]
    baseline: float
    sign: int
    start: float
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Tag:
    """A label at its dot: where the dot is in pixels, how far the label was moved across its direction."""

    dot: Dot
    at: tuple[float, float]
    width: float
    moved: float = 0.0


def draw(history: History, svg: Path, png: Path) -> None:
    """Draw the chart into two files."""
    with style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a title in letters that the PNG's font lacks
        figure = _figure(history)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Title": f"overnight: {plain(history.track.track)}"})
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})


def _figure(history: History) -> Figure:
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(AREA)
    _frame(axes)
    track, baseline = history.track, history.track.baseline
    if baseline is None or not math.isfinite(baseline):
        _empty(axes, track.problem or "The baseline has not been measured yet.")
    else:
        _fill(axes, track, _limits(_scene(history, baseline), max((e.id for e in history.experiments), default=0)))
    _heading(figure, track)
    return figure


def _fill(axes: Axes, track: TrackView, scene: Scene) -> None:
    tags = _settle(axes, scene)
    scene = replace(scene, x=axes.get_xlim(), y=axes.get_ylim())
    _dots(axes, scene)
    _lines(axes, scene)
    _values(axes, scene, levels(track))
    _labels(axes, scene, tags)
    _legend(axes, scene, track)


# ---- what is drawn ---------------------------------------------------------------------------------------------


def _scene(history: History, baseline: float) -> Scene:
    places, sign = _places(history), 1 if history.track.direction == "minimize" else -1
    dots: dict[str, list[Dot]] = {"keep": [], "discard": []}
    ended: dict[str, list[float]] = {"crash": [], "foul": []}
    for experiment in history.experiments:
        x, verdict = max(experiment.id, places[experiment.parent] + 1), experiment.verdict.verdict
        if dot := _dot(experiment, x, sign):
            dots[verdict].append(dot)
        elif verdict in ended:
            ended[verdict].append(x)
    return Scene(tuple(sorted(dots["keep"], key=lambda d: d.x)), tuple(dots["discard"]), tuple(ended["crash"]),
                 tuple(ended["foul"]), baseline, sign, places[BASELINE])


def _places(history: History) -> dict[int, int]:
    """Where the baseline and all that was kept stand, each to the right of what it stands on."""
    places = {BASELINE: min((e.id for e in history.experiments), default=1) - 1}
    for experiment in history.kept:
        places[experiment.id] = max(experiment.id, places[experiment.parent] + 1)
    return places


def _dot(experiment: ExperimentView, x: float, sign: int) -> Dot | None:
    """None where nothing was measured."""
    level, effect = experiment.level, experiment.verdict.effect
    if level is None or effect is None or not math.isfinite(level):
        return None
    ends = sorted(level - sign * (bound - effect) for bound in experiment.verdict.interval or (effect, effect))
    return Dot(x, level, ends[0], ends[1], effect, _short(experiment.title))


def _short(title: str) -> str:
    """A title as a label: without the file it is about, with an arrow that is one."""
    text = plain(title).replace("->", "→")
    head, bracket, path = text.rpartition(" (")
    if bracket and path.endswith(")") and " " not in path:
        text = head
    return plain(text, MOST_LABEL_CHARACTERS)


def _limits(scene: Scene, newest: int) -> Scene:
    """Limits within which the frontier fills the picture; what is far worse will be clipped to the edge."""
    measured_at = [d.x for d in (*scene.kept, *scene.discarded)]
    last = max((*measured_at, *scene.crashed, *scene.fouled, scene.start + 1, newest))
    margin = 0.015 * (last - scene.start)
    return replace(scene, x=(scene.start - margin, last + margin), y=_heights(scene))


def _heights(scene: Scene) -> tuple[float, float]:
    """Worked out as "worse than the baseline", so that one rule serves both directions."""
    baseline = scene.baseline
    shown = [v for d in scene.kept for v in (d.level, d.low, d.high) if math.isfinite(v)]
    core = [0.0, *(scene.sign * (v - baseline) for v in shown)]
    others = [scene.sign * (d.level - baseline) for d in scene.discarded]
    low, high = min(core), max(core)
    usual = float(np.percentile(np.abs(others), 75)) if others else 0.0
    spread = max(high - low, 0.5 * usual) or abs(baseline) * 0.1 or 1.0
    if others:
        high = max(high, min(float(np.percentile(others, 80)), high + (0.6 if low < 0 else 2.5) * spread))
        low = min(low, max(min(others), low - 0.25 * spread))
    if low == high:
        low, high = -spread / 2, spread / 2
    room = max(high - low, 0.5 * spread)
    low, high = low - 0.07 * room, max(high + 0.07 * room, 0.13 * room)
    ends = (baseline + scene.sign * low, baseline + scene.sign * high)
    return min(ends), max(ends)


# ---- axes and words around -------------------------------------------------------------------------------------


def _frame(axes: Axes) -> None:
    axes.set_xlabel("experiment", labelpad=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def _empty(axes: Axes, why: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, plain(why, 90), transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=12)


def _heading(figure: Figure, track: TrackView) -> None:
    text, room = headline(track), (RIGHT - LEFT) * SIZE[0] * DPI
    bold = FontProperties(size=15.5, weight="bold")
    while bold.get_size_in_points() > 9 and _width(figure, text, bold) > room:
        bold.set_size(bold.get_size_in_points() - 0.5)
    figure.text(LEFT, 0.925, text, fontproperties=bold)
    figure.text(LEFT, 0.872, _cut(figure, track.goal, FontProperties(size=10.5), room), color=GREY)
    unit = f" ({plain(track.unit, 24)})" if track.unit else ""
    better = "lower" if track.direction == "minimize" else "higher"
    figure.text(LEFT, 0.812, f"{plain(track.metric, 32)}{unit}, {better} is better", fontsize=10.5)
    right = RIGHT - 0.006
    for mark in reversed(track.marks):
        badge = figure.text(right, 0.812, mark, fontsize=10, weight="bold", color=WARNING, ha="right", bbox=BADGE)
        right = badge.get_window_extent(_renderer(figure)).x0 / (SIZE[0] * DPI) - 0.022


def _renderer(figure: Figure) -> Any:
    canvas: Any = figure.canvas
    return canvas.get_renderer()


def _width(figure: Figure, text: str, font: FontProperties) -> float:
    """Width in pixels."""
    return float(_renderer(figure).get_text_width_height_descent(text, font, False)[0])


def _cut(figure: Figure, text: str, font: FontProperties, room: float) -> str:
    most = 160
    while most > 8 and _width(figure, plain(text, most), font) > room:
        most -= 2
    return plain(text, most)


# ---- dots and lines --------------------------------------------------------------------------------------------


def _dots(axes: Axes, scene: Scene) -> None:
    low, high = scene.y
    size = max(2.2, 5.4 * min(1.0, FEW / max(1, len(scene.discarded))) ** 0.3)
    seen = [(d.x, d.level) for d in scene.discarded]
    inside = [place for place in seen if low <= place[1] <= high]
    _marks(axes, inside, "o", size, FAINT, alpha=0.7, clip_on=False)
    step = 0.014 * (high - low)
    floor = low + step * (1 if scene.sign > 0 else 3.5)  # above the crashes
    _marks(axes, [(x, high - step) for x, level in seen if level > high], "^", size, FAINT)
    _marks(axes, [(x, floor) for x, level in seen if level < low], "v", size, FAINT)
    for xs, marker, colour in ((scene.crashed, "x", CRASHED), (scene.fouled, "+", FOULED)):
        _marks(axes, [(x, 0.02) for x in xs], marker, max(3.2, size * 0.85), colour, alpha=0.8,
               transform=axes.get_xaxis_transform(), markeredgewidth=1.1)


def _marks(axes: Axes, places: Sequence[tuple[float, float]], marker: str, size: float, colour: str,
           **more: Any) -> None:
    if places:
        xs, ys = zip(*places, strict=True)
        axes.plot(xs, ys, marker, markersize=size, color=colour, zorder=2, **{"markeredgewidth": 0, **more})


def _lines(axes: Axes, scene: Scene) -> None:
    """The baseline, and the frontier with what was kept."""
    axes.axhline(scene.baseline, color=GREY, linewidth=1.2, linestyle=(0, (1.2, 2.2)), zorder=2.5)
    if not scene.kept:
        return
    size = 7.6 if len(scene.kept) <= 40 else 5.0
    xs, ys = [d.x for d in scene.kept], [d.level for d in scene.kept]
    axes.vlines(xs, [d.low for d in scene.kept], [d.high for d in scene.kept], color=KEPT, linewidth=size * 0.7,
                alpha=0.25, zorder=3.4)
    axes.step([scene.start, *xs, scene.x[1]], [scene.baseline, *ys, ys[-1]], where="post", color=KEPT,
              linewidth=1.9, zorder=3.5)
    axes.plot(xs, ys, "o", markersize=size, color=KEPT, markeredgecolor="white", markeredgewidth=1, zorder=4)


def _values(axes: Axes, scene: Scene, words: tuple[str, str]) -> None:
    """Baseline and frontier in the right margin, moved apart where they would overlap."""
    rows = [(scene.baseline, f"{words[0]}\nbaseline", GREY, "normal")]
    if scene.kept:
        best = scene.kept[-1].level
        need = 0.115 * (scene.y[1] - scene.y[0])
        push = scene.sign * max(0.0, need - abs(best - scene.baseline)) / 2
        rows = [(scene.baseline + push, *rows[0][1:]), (best - push, f"{words[1]}\nfrontier", KEPT, "bold")]
    for y, text, colour, weight in rows:
        axes.annotate(text, (1, y), (7, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                      va="center", color=colour, fontsize=9.5, weight=weight, linespacing=1.25, annotation_clip=False)


def _legend(axes: Axes, scene: Scene, track: TrackView) -> None:
    low, high = scene.y
    beyond = sum(not low <= d.level <= high for d in scene.discarded)
    unseen = track.discarded - len(scene.discarded)
    dropped = "discarded" + f" ({unseen:,} without a number of their own)" * (unseen > 0)
    rows = [("o", KEPT, track.kept, "kept, with 95 % interval"), ("o", FAINT, track.discarded, dropped),
            ("^" if scene.sign > 0 else "v", FAINT, beyond, "off the scale"),
            ("x", CRASHED, track.crashed, "crashed"), ("+", FOULED, track.fouled, "fouled")]
    handles = [Line2D([], [], linestyle="none", marker=marker, color=colour, label=f"{count:,} {word}",
                      markersize=6.5 if colour == KEPT else 5.2, markeredgewidth=1.1 if marker in "x+" else 0)
               for marker, colour, count, word in rows if count]
    if handles:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.078, -0.165), ncols=5, frameon=False,
                    fontsize=10, handletextpad=0.2, columnspacing=1.6, borderaxespad=0, labelcolor=GREY)


# ---- labels ----------------------------------------------------------------------------------------------------


def _settle(axes: Axes, scene: Scene) -> list[Tag]:
    """Choose and place the labels, and widen the limits until they all lie inside."""
    x, y = scene.x, scene.y
    tags: list[Tag] = []
    for _ in range(4):
        axes.set(xlim=x, ylim=y)
        tags = _choose(axes, scene)
        right, beyond = _overflow(axes, scene, tags)
        if right <= 0 and beyond <= 0:
            break
        x = (x[0], x[1] + max(0.0, right) * (x[1] - x[0]))
        grown = max(0.0, beyond) * (y[1] - y[0])
        y = (y[0], y[1] + grown) if scene.sign > 0 else (y[0] - grown, y[1])
    return tags


def _choose(axes: Axes, scene: Scene) -> list[Tag]:
    """The largest gains for whose labels there is room, in the order of their places."""
    chosen: list[Tag] = []
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    for dot in sorted((d for d in scene.kept if d.label), key=lambda d: (-d.gain, d.x)):
        at = axes.transData.transform((dot.x, dot.level))
        tag = Tag(dot, (float(at[0]), float(at[1])), _width(figure, dot.label, LABEL))
        together = sorted([*chosen, tag], key=lambda t: (_across(t, scene.sign), t.dot.x))
        moves = apart([_across(t, scene.sign) for t in together], GAP)
        if max(map(abs, moves)) <= FARTHEST:
            chosen = [replace(t, moved=m) for t, m in zip(together, moves, strict=True)]
        if len(chosen) >= MOST_LABELS:
            break
    return chosen


def _across(tag: Tag, sign: int) -> float:
    """Where a label's line lies, measured across its direction; it grows along the frontier."""
    return tag.at[0] * math.sin(ANGLE) - sign * tag.at[1] * math.cos(ANGLE)


def apart(places: Sequence[float], gap: float) -> list[float]:
    """The smallest moves (least squares) after which sorted places lie at least `gap` apart."""
    blocks: list[list[float]] = []
    for index, place in enumerate(places):
        block = [place - index * gap]
        while blocks and sum(blocks[-1]) / len(blocks[-1]) > sum(block) / len(block):
            block = blocks.pop() + block
        blocks.append(block)
    level = [sum(block) / len(block) for block in blocks for _ in block]
    return [value + index * gap - place for index, (value, place) in enumerate(zip(level, places, strict=True))]


def _start(tag: Tag, sign: int) -> tuple[float, float]:
    """Where a label begins, in pixels: along its direction from the dot, and across by as much as it was moved."""
    along = LEAD + max(0.0, tag.moved) / math.tan(ANGLE)
    cos, sin = math.cos(ANGLE), math.sin(ANGLE)
    return (tag.at[0] + along * cos + tag.moved * sin, tag.at[1] + sign * (along * sin - tag.moved * cos))


def _overflow(axes: Axes, scene: Scene, tags: Sequence[Tag]) -> tuple[float, float]:
    """By what share of the axes the labels reach over the right edge, and over the edge they point at."""
    box = axes.bbox
    right = beyond = -1.0
    for tag in tags:
        x, y = _start(tag, scene.sign)
        x, y = x + (tag.width + GAP / 2) * math.cos(ANGLE), y + scene.sign * (tag.width + GAP / 2) * math.sin(ANGLE)
        right = max(right, (x - box.x1) / box.width)
        edge = (y - box.y1 if scene.sign > 0 else box.y0 - y) / box.height
        beyond = max(beyond, edge + (0.025 if scene.sign > 0 else 0.07))  # the marks at that edge stay free
    return right, beyond


def _labels(axes: Axes, scene: Scene, tags: Sequence[Tag]) -> None:
    back = axes.transData.inverted()
    for tag in tags:
        x, y = back.transform(_start(tag, scene.sign))
        if abs(tag.moved) > 3:
            axes.plot([tag.dot.x, x], [tag.dot.level, y], color=KEPT, linewidth=0.7, alpha=0.6, zorder=3.2)
        axes.text(x, y, tag.dot.label, rotation=scene.sign * math.degrees(ANGLE), rotation_mode="anchor", ha="left",
                  va="center", color="#0b6b3d", fontproperties=LABEL, zorder=3.3,
                  bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6})
