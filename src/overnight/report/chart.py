"""The progress chart: every experiment a dot, what was kept labelled, the frontier a step line. SVG and PNG.

The same Lab gives the same SVG, byte for byte. Nothing of pyplot's global state is touched.
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

from overnight.lab import BASELINE, Experiment, Lab
from overnight.report import summary
from overnight.report.tables import digits, measured, plain

DPI = 150
SIZE = (1400 / DPI, 800 / DPI)  # inches
AREA = (0.095, 0.175, 0.795, 0.635)  # of the figure: left, bottom, width, height of the axes
INK, GREY, FAINT, GRID = "#1f2933", "#66707c", "#aeb5bf", "#e9ecef"
KEPT, CRASHED, FOULED, WARNING = "#0f8a4f", "#c8453b", "#8a4fb5", "#b45309"
STYLE = {
    "axes.edgecolor": FAINT, "axes.labelcolor": INK, "axes.labelsize": 11, "axes.unicode_minus": True,
    "axes.formatter.useoffset": False, "font.size": 10.5, "svg.fonttype": "none", "svg.hashsalt": "overnight",
    "text.color": INK, "text.parse_math": False, "xtick.color": FAINT, "xtick.labelcolor": GREY, "xtick.labelsize": 10,
    "ytick.color": FAINT, "ytick.labelcolor": GREY, "ytick.labelsize": 10,
}
ANGLE = math.radians(38)  # at which labels leave their dots, away from the frontier
LABEL = FontProperties(size=8.6)
LONGEST = 32  # characters of a label
MOST_LABELS = 24
GAP = 21.0  # pixels between the middles of neighbouring labels
FARTHEST = 60.0  # pixels that a label may be moved from its dot
LEAD = 9.0  # pixels between a dot and its label
FEW = 60  # experiments up to which dots are large


@dataclass(frozen=True)
class Dot:
    """One experiment on the chart; `level` is None where nothing was measured."""

    number: int
    verdict: str
    level: float | None
    low: float = 0.0
    high: float = 0.0
    gain: float = 0.0
    label: str = ""


@dataclass(frozen=True)
class Scene:
    """What is drawn, and within which limits. `sign` is 1 where lower is better, else -1."""

    dots: tuple[Dot, ...]
    baseline: float | None
    sign: int
    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)

    def of(self, *verdicts: str) -> list[Dot]:
        """The dots with one of these verdicts."""
        return [d for d in self.dots if d.verdict in verdicts]


@dataclass(frozen=True)
class Tag:
    """A label at its dot: where the dot is in pixels, how far the label was moved across its direction."""

    dot: Dot
    at: tuple[float, float]
    width: float
    moved: float = 0.0


def draw(lab: Lab, svg: Path, png: Path) -> None:
    """Draw the chart into two files."""
    with style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a title in letters that the PNG's font lacks
        figure = _figure(lab)
        figure.savefig(svg, format="svg", metadata={"Date": None, "Title": f"overnight: {plain(lab.track.name)}"})
        figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})


def _figure(lab: Lab) -> Figure:
    figure = Figure(figsize=SIZE, dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes(AREA)
    scene = _limits(_scene(lab))
    _frame(axes, lab)
    if scene.baseline is None:
        _empty(axes, lab.problem or "The baseline has not been measured yet.")
    else:
        tags = _settle(axes, scene)
        scene = replace(scene, x=axes.get_xlim(), y=axes.get_ylim())
        _dots(axes, scene)
        _lines(axes, scene, lab)
        _labels(axes, scene, tags)
    _heading(figure, lab)
    return figure


# ---- what is drawn ---------------------------------------------------------------------------------------------


def _scene(lab: Lab) -> Scene:
    judged = [e for e in lab.experiments.values() if e.verdict != "open"]
    sign = 1 if lab.track.metric.direction == "minimize" else -1
    return Scene(tuple(_dot(lab, e) for e in judged), lab.level(BASELINE), sign)


def _dot(lab: Lab, experiment: Experiment) -> Dot:
    level = measured(lab, experiment)
    if level is None or not math.isfinite(level) or experiment.effect is None:
        return Dot(experiment.id, experiment.verdict, None)
    bounds = experiment.interval or (experiment.effect, experiment.effect)
    ends = sorted(level + lab.track.oriented(bound - experiment.effect) for bound in bounds)
    return Dot(experiment.id, experiment.verdict, level, ends[0], ends[1], experiment.effect, _short(experiment.title))


def _short(title: str) -> str:
    """A title as a label: without the file it is about, with an arrow that is one."""
    text = plain(title).replace("->", "→")
    head, bracket, path = text.rpartition(" (")
    if bracket and path.endswith(")") and " " not in path:
        text = head
    return plain(text, LONGEST)


def _limits(scene: Scene) -> Scene:
    """Limits within which the frontier fills the picture; what is far worse will be clipped to the edge."""
    last = max((d.number for d in scene.dots), default=1)
    first = min((d.number for d in scene.dots), default=1) - 1
    x = (first - 0.015 * (last - first), last + 0.015 * (last - first))
    if scene.baseline is None:
        return replace(scene, x=x)
    return replace(scene, x=x, y=_heights(scene, scene.baseline))


def _heights(scene: Scene, baseline: float) -> tuple[float, float]:
    """Worked out as "worse than the baseline", so that one rule serves both directions."""
    core = [0.0] + [scene.sign * (v - baseline) for d in scene.of("keep") for v in (d.level, d.low, d.high)
                    if v is not None and math.isfinite(v)]
    others = [scene.sign * (d.level - baseline) for d in scene.of("discard") if d.level is not None]
    low, high = min(core), max(core)
    spread = high - low or (float(np.percentile(np.abs(others), 75)) if others else 0.0) or abs(baseline) * 0.05 or 1.0
    if others:
        high = max(high, min(float(np.percentile(others, 92)), high + 0.7 * spread))
        low = min(low, max(min(others), low - 0.25 * spread))
    room = 0.07 * max(high - low, 0.5 * spread)
    ends = (baseline + scene.sign * (low - room), baseline + scene.sign * (high + room))
    return min(ends), max(ends)


# ---- axes and words around -------------------------------------------------------------------------------------


def _frame(axes: Axes, lab: Lab) -> None:
    metric = lab.track.metric
    unit = f" ({plain(metric.unit, 24)})" if metric.unit else ""
    better = "lower" if metric.direction == "minimize" else "higher"
    axes.set_ylabel(f"{plain(metric.name, 32)}{unit}, {better} is better", labelpad=9)
    axes.set_xlabel("experiment", labelpad=5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(6))


def _empty(axes: Axes, why: str) -> None:
    axes.set(xticks=[], yticks=[])
    axes.text(0.5, 0.5, plain(why, 90), transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=12)


def _heading(figure: Figure, lab: Lab) -> None:
    left, right = AREA[0], 0.975
    bold = FontProperties(size=15, weight="bold")
    while bold.get_size_in_points() > 9 and _width(figure, headline(lab), bold) > (right - left) * 1400:
        bold.set_size(bold.get_size_in_points() - 0.5)
    figure.text(left, 0.925, headline(lab), fontproperties=bold, va="baseline")
    for mark in summary.marks(lab):
        badge = figure.text(right, 0.872, mark, fontsize=10, weight="bold", color=WARNING, ha="right", va="baseline",
                            bbox={"boxstyle": "round,pad=0.3", "facecolor": "#fef3c7", "edgecolor": WARNING, "lw": 0.8})
        right = badge.get_window_extent(_renderer(figure)).x0 / 1400 - 0.025
    goal = lab.track.track.goal
    figure.text(left, 0.872, _cut(figure, goal, FontProperties(size=10.5), (right - left) * 1400), color=GREY, va="baseline")


def headline(lab: Lab) -> str:
    """The night in a line: "<track>: N experiments, K kept, <metric> A → B unit"."""
    metric, count, exact = lab.track.metric, len(lab.experiments), digits(lab)
    first, now = lab.level(BASELINE), lab.level(lab.frontier)
    text = f"{plain(lab.track.name, 40)}: {count:,} experiment{'s' * (count != 1)}, {lab.counts['keep']} kept"
    if first is None:
        return text
    gain = f" → {summary.number(now, exact)}" if lab.frontier else ""
    return f"{text}, {plain(metric.name, 32)} {summary.number(first, exact)}{gain} {plain(metric.unit, 24)}".rstrip()


def _renderer(figure: Figure) -> Any:
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
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
    size = 5.2 if len(scene.dots) <= FEW else max(2.2, 5.2 * (FEW / len(scene.dots)) ** 0.3)
    seen = [d for d in scene.of("discard") if d.level is not None]
    inside = [d for d in seen if d.level is not None and low <= d.level <= high]
    _marks(axes, [(d.number, d.level) for d in inside], "o", size, FAINT, alpha=0.65)
    edge = 0.012 * (high - low)
    _marks(axes, [(d.number, high - edge) for d in seen if d.level is not None and d.level > high], "^", size, FAINT)
    _marks(axes, [(d.number, low + edge) for d in seen if d.level is not None and d.level < low], "v", size, FAINT)
    for verdict, marker, colour in (("crash", "x", CRASHED), ("foul", "+", FOULED)):
        places = [(d.number, 0.018) for d in scene.of(verdict)]
        _marks(axes, places, marker, max(3.4, size * 0.85), colour, transform=axes.get_xaxis_transform(), markeredgewidth=1.1)
    _legend(axes, scene, beyond=len(inside) < len(seen))


def _marks(axes: Axes, places: Sequence[tuple[float, float | None]], marker: str, size: float, colour: str,
           **more: Any) -> None:
    if places:
        more = {"markeredgewidth": 0, **more}
        axes.plot([p[0] for p in places], [p[1] for p in places], marker, markersize=size, color=colour, zorder=2, **more)


def _lines(axes: Axes, scene: Scene, lab: Lab) -> None:
    """The baseline, the frontier with what was kept, and their values beside the right edge."""
    baseline, kept = scene.baseline, sorted(scene.of("keep"), key=lambda d: d.number)
    assert baseline is not None
    axes.axhline(baseline, color=GREY, linewidth=1.2, linestyle=(0, (1.2, 2.2)), zorder=2.5)
    best, steps = baseline, []
    for dot in kept:
        assert dot.level is not None
        best = scene.sign * min(scene.sign * best, scene.sign * dot.level)
        steps.append((dot.number, best))
        axes.plot([dot.number] * 2, [dot.low, dot.high], color=KEPT, linewidth=1.3, alpha=0.55, zorder=3.6)
    if steps:
        start = min(d.number for d in scene.dots) - 1
        xs, ys = zip((start, baseline), *steps, (scene.x[1], best), strict=True)
        axes.step(xs, ys, where="post", color=KEPT, linewidth=1.9, zorder=3.5)
        axes.plot([d.number for d in kept], [d.level for d in kept], "o", markersize=7.2 if len(kept) <= 40 else 5, color=KEPT,
                  markeredgecolor="white", markeredgewidth=1, zorder=4)
    _values(axes, scene, best, digits(lab))


def _values(axes: Axes, scene: Scene, best: float, exact: int) -> None:
    baseline = scene.baseline
    assert baseline is not None
    height = abs(scene.y[1] - scene.y[0])
    apart = max(0.0, 0.05 * height - abs(best - baseline)) / 2 if best != baseline else 0.0
    texts = [(baseline + scene.sign * apart, f"{summary.number(baseline, exact)}\nbaseline", GREY, "normal")]
    if best != baseline:
        apart = max(apart, (0.085 * height - abs(best - baseline)) / 2)
        texts = [(baseline + scene.sign * apart, *texts[0][1:]),
                 (best - scene.sign * apart, f"{summary.number(best, exact)}\nfrontier", KEPT, "bold")]
    for y, text, colour, weight in texts:
        axes.annotate(text, (1, y), (7, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                      va="center", color=colour, fontsize=9.5, weight=weight, linespacing=1.25, annotation_clip=False)


def _legend(axes: Axes, scene: Scene, beyond: bool) -> None:
    up = "^" if scene.sign > 0 else "v"
    rows = [("o", KEPT, f"{len(scene.of('keep'))} kept, with 95 % interval"),
            ("o", FAINT, f"{len(scene.of('discard')):,} discarded"),
            (up if beyond else "", FAINT, "off the scale"),
            ("x", CRASHED, f"{len(scene.of('crash')):,} crashed"), ("+", FOULED, f"{len(scene.of('foul')):,} fouled")]
    handles = [Line2D([], [], linestyle="none", marker=marker, color=colour, markersize=6.5 if colour == KEPT else 5.2, label=text,
                      markeredgewidth=1.1 if marker in "x+" else 0)
               for marker, colour, text in rows if marker and not text.startswith("0 ")]
    if handles:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.012, -0.155), ncols=5, frameon=False,
                    fontsize=10, handletextpad=0.2, columnspacing=1.8, borderaxespad=0, labelcolor=GREY)


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
    """The largest gains whose labels find room, in the order of their places."""
    chosen: list[Tag] = []
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    kept = [d for d in scene.of("keep") if d.label and d.level is not None]
    for dot in sorted(kept, key=lambda d: (-d.gain, d.number)):
        at = axes.transData.transform((dot.number, dot.level))
        tag = Tag(dot, (float(at[0]), float(at[1])), _width(figure, dot.label, LABEL))
        together = sorted([*chosen, tag], key=lambda t: (_across(t, scene.sign), t.dot.number))
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
        beyond = max(beyond, ((y - box.y1) if scene.sign > 0 else (box.y0 - y)) / box.height)
    return right, beyond


def _labels(axes: Axes, scene: Scene, tags: Sequence[Tag]) -> None:
    back = axes.transData.inverted()
    for tag in tags:
        x, y = back.transform(_start(tag, scene.sign))
        if abs(tag.moved) > 3:
            axes.plot([tag.dot.number, x], [tag.dot.level, y], color=KEPT, linewidth=0.7, alpha=0.6, zorder=3.2)
        axes.text(x, y, tag.dot.label, rotation=scene.sign * math.degrees(ANGLE), rotation_mode="anchor", ha="left",
                  va="center", color="#0b6b3d", fontproperties=LABEL, zorder=3.3,
                  bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6})
