"""The progress chart: every experiment a dot, every explored point a ring, what was kept labelled, the frontier a step line.
SVG and PNG.

The same history gives the same SVG, byte for byte. Nothing of pyplot's global state is touched.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from overnight.report.svg.axes import apart
from overnight.report.tables import headline, levels, plain
from overnight.views.experiment import History
from overnight.views.timeline import Dot, Scene, limits
from overnight.views.timeline import scene as shown
from overnight.views.track import TrackView

DPI = 150
SIZE = (1400 / DPI, 800 / DPI)  # inches
AREA = (0.082, 0.165, 0.815, 0.62)  # of the figure: left, bottom, width, height of the axes
LEFT, RIGHT = 0.028, 0.972  # of the figure: where words begin and end
INK, GREY, FAINT, GRID = "#1f2933", "#66707c", "#aeb5bf", "#e9ecef"
KEPT, CRASHED, FOULED, WARNING, EXPLORED = "#0f8a4f", "#c8453b", "#8a4fb5", "#b45309", "#5b8db8"
RING = 3.0  # size of an explored point
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
        why = plain(track.problem or "The baseline has not been measured yet.", 90)
        axes.set(xticks=[], yticks=[])
        axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY, fontsize=12)
    else:
        scene = shown(history, differences=True)
        margin = 0.015 * (scene.end - scene.start)
        axes.set(xlim=(scene.start - margin, scene.end + margin), ylim=limits(scene))
        _labels(axes, scene)
        _points(axes, scene)
        _dots(axes, scene)
        _lines(axes, scene)
        _values(axes, scene, levels(track))
        _legend(axes, scene, track)
    _heading(figure, track)
    return figure


# ---- axes and words around -------------------------------------------------------------------------------------


def _frame(axes: Axes) -> None:
    axes.set_xlabel("experiment", labelpad=4)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=3, pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))


def _heading(figure: Figure, track: TrackView) -> None:
    _fitted(figure, 0.925, headline(track), 15.5, weight="bold")
    _fitted(figure, 0.872, plain(track.goal, 160), 10.5, color=GREY)
    unit = "" if track.ratio is not None else f" in {plain(track.unit, 24)}" if track.unit else ""
    better = "lower" if track.direction == "minimize" else "higher"
    scale = "difference from the baseline" if track.ratio is None else "% of the baseline's"
    figure.text(LEFT, 0.812, f"{plain(track.metric, 32)}, {scale}{unit}, composed of what was kept; {better} is better")
    right = RIGHT - 0.006
    for mark in reversed(track.marks):
        badge = figure.text(right, 0.812, mark, fontsize=10, weight="bold", color=WARNING, ha="right", bbox=BADGE)
        right = badge.get_window_extent().x0 / (SIZE[0] * DPI) - 0.022


def _fitted(figure: Figure, y: float, text: str, size: float, **more: Any) -> None:
    """A line of text, smaller where the picture is too narrow for it."""
    line = figure.text(LEFT, y, text, fontsize=size, **more)
    line.set_fontsize(size * min(1.0, (RIGHT - LEFT) * SIZE[0] * DPI / max(1.0, line.get_window_extent().width)))


# ---- dots and lines --------------------------------------------------------------------------------------------


def _dots(axes: Axes, scene: Scene) -> None:
    low, high = axes.get_ylim()
    size = max(2.2, 5.4 * min(1.0, FEW / max(1, len(scene.discarded))) ** 0.3)
    seen = [(d.x, d.y) for d in scene.discarded]
    step = 0.014 * (high - low)
    floor = low + step * (1 if scene.sign > 0 else 3.5)  # above the crashes
    groups = (("o", [(x, y) for x, y in seen if low <= y <= high]), ("^", [(x, high - step) for x, y in seen if y > high]),
              ("v", [(x, floor) for x, y in seen if y < low]))
    for marker, places in groups:
        axes.plot([x for x, _ in places], [y for _, y in places], marker, markersize=size, color=FAINT, zorder=2, alpha=0.7,
                  markeredgewidth=0, clip_on=False)
    for xs, marker, colour in ((scene.crashed, "x", CRASHED), (scene.fouled, "+", FOULED)):
        axes.plot([x for _, x in xs], [0.02] * len(xs), marker, markersize=max(3.2, size * 0.85), color=colour, zorder=2,
                  alpha=0.8, transform=axes.get_xaxis_transform(), markeredgewidth=1.1)


def _points(axes: Axes, scene: Scene) -> None:
    """What was explored, as small rings below all else; at the edge what lies beyond it."""
    low, high = axes.get_ylim()
    axes.plot([d.x for d in scene.explored], [min(max(d.y, low), high) for d in scene.explored], "o", markersize=RING,
              zorder=1.9, markerfacecolor="none", markeredgecolor=EXPLORED, markeredgewidth=0.7, alpha=0.6, clip_on=False)


def _lines(axes: Axes, scene: Scene) -> None:
    """The baseline, and the frontier with what was kept."""
    axes.axhline(scene.baseline, color=GREY, linewidth=1.2, linestyle=(0, (1.2, 2.2)), zorder=2.5)
    if not scene.kept:
        return
    size = 7.6 if len(scene.kept) <= 40 else 5.0
    xs, ys = [d.x for d in scene.kept], [d.y for d in scene.kept]
    axes.vlines(xs, [d.low for d in scene.kept], [d.high for d in scene.kept], color=KEPT, linewidth=size * 0.7,
                alpha=0.25, zorder=3.4)
    axes.step([scene.start, *xs, axes.get_xlim()[1]], [scene.baseline, *ys, ys[-1]], where="post", color=KEPT,
              linewidth=1.9, zorder=3.5)
    axes.plot(xs, ys, "o", markersize=size, color=KEPT, markeredgecolor="white", markeredgewidth=1, zorder=4)


def _values(axes: Axes, scene: Scene, words: tuple[str, str]) -> None:
    """Baseline and frontier in the right margin, moved apart where they would overlap."""
    rows = [(scene.baseline, f"{words[0]}\nbaseline", GREY, "normal")]
    if scene.kept:
        best = scene.kept[-1].y
        low, high = axes.get_ylim()
        need = 0.115 * (high - low)
        push = scene.sign * max(0.0, need - abs(best - scene.baseline)) / 2
        rows = [(scene.baseline + push, *rows[0][1:]), (best - push, f"{words[1]}\nfrontier", KEPT, "bold")]
    for y, text, colour, weight in rows:
        axes.annotate(text, (1, y), (7, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                      va="center", color=colour, fontsize=9.5, weight=weight, linespacing=1.25, annotation_clip=False)


def _legend(axes: Axes, scene: Scene, track: TrackView) -> None:
    low, high = axes.get_ylim()
    beyond = sum(not low <= d.y <= high for d in scene.discarded)
    unseen = scene.unmeasured
    dropped = "discarded" + f" ({unseen:,} without a number of their own)" * (unseen > 0)
    rows = [("o", KEPT, track.kept, "kept, with 95 % interval"), ("o", FAINT, track.discarded, dropped),
            ("^" if scene.sign > 0 else "v", FAINT, beyond, "off the scale"),
            ("x", CRASHED, track.crashed, "crashed"), ("+", FOULED, track.fouled, "fouled")]
    handles = [Line2D([], [], linestyle="none", marker=marker, color=colour, label=f"{count:,} {word}",
                      markersize=6.5 if colour == KEPT else 5.2, markeredgewidth=1.1 if marker in "x+" else 0)
               for marker, colour, count, word in rows if count]
    if track.explored:
        handles.append(Line2D([], [], linestyle="none", marker="o", markerfacecolor="none", color=EXPLORED, markersize=RING,
                              markeredgewidth=0.7, label=f"{track.explored:,} explored in single runs"))
    if handles:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(-0.078, -0.165), ncols=5, frameon=False,
                    fontsize=10, handletextpad=0.2, columnspacing=1.6, borderaxespad=0, labelcolor=GREY)


# ---- labels ----------------------------------------------------------------------------------------------------


def _labels(axes: Axes, scene: Scene) -> None:
    """Label the largest gains for whose labels there is room, after widening the limits by what they need."""
    dots = sorted((d for d in scene.kept if d.title), key=lambda d: (-d.effect, d.x))
    _widen(axes, scene.sign, _chosen(axes, scene.sign, dots))
    cos, sin, points = math.cos(ANGLE), math.sin(ANGLE), 72 / DPI
    line = {"arrowstyle": "-", "color": KEPT, "linewidth": 0.7, "alpha": 0.6, "relpos": (0, (1 - scene.sign) / 2),
            "shrinkA": 0, "shrinkB": 0, "patchA": None}
    for dot, moved in _chosen(axes, scene.sign, dots).items():
        along = _along(moved)
        place = (points * (along * cos + moved * sin), points * scene.sign * (along * sin - moved * cos))
        axes.annotate(_label(dot), (dot.x, dot.y), place, textcoords="offset points", va="center", color="#0b6b3d",
                      rotation=scene.sign * math.degrees(ANGLE), rotation_mode="anchor", fontproperties=LABEL, zorder=3.3,
                      bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6},
                      arrowprops=line if abs(moved) > 3 else None)


def _along(moved: float) -> float:
    """How far from its dot a label begins, in pixels, where it was moved across its direction."""
    return LEAD + max(0.0, moved) / math.tan(ANGLE)


def _chosen(axes: Axes, sign: int, dots: Sequence[Dot]) -> dict[Dot, float]:
    """The first of the dots for whose labels there is room, each with how far its label is moved across its direction."""
    def across(dot: Dot) -> float:  # where a label's line lies; it grows along the frontier
        x, y = axes.transData.transform((dot.x, dot.y))
        return float(x * math.sin(ANGLE) - sign * y * math.cos(ANGLE))

    chosen: dict[Dot, float] = {}
    for dot in dots:
        together = sorted([*chosen, dot], key=lambda d: (across(d), d.x))
        places = [across(d) for d in together]
        moves = [to - place for place, to in zip(places, apart(places, GAP), strict=True)]
        if max(map(abs, moves)) <= FARTHEST:
            chosen = dict(zip(together, moves, strict=True))
        if len(chosen) >= MOST_LABELS:
            break
    return chosen


def _label(dot: Dot) -> str:
    return plain(dot.title, MOST_LABEL_CHARACTERS)


def _widen(axes: Axes, sign: int, chosen: dict[Dot, float]) -> None:
    """Widen the limits, to the right and to where the labels point, until each label lies inside."""
    (left, right), (low, high), box = axes.get_xlim(), axes.get_ylim(), axes.bbox
    wider = taller = 1.0
    renderer: Any = axes.figure.canvas
    for dot, moved in chosen.items():
        length = _along(moved) + renderer.get_renderer().get_text_width_height_descent(_label(dot), LABEL, False)[0] + GAP
        up = (dot.y - low if sign > 0 else high - dot.y) / (high - low)
        wider = max(wider, (dot.x - left) / (right - left) / (1 - length * math.cos(ANGLE) / box.width))
        taller = max(taller, up / (0.95 - length * math.sin(ANGLE) / box.height))
    axes.set_xlim(left, left + wider * (right - left))
    axes.set_ylim((low, low + taller * (high - low)) if sign > 0 else (high - taller * (high - low), high))
