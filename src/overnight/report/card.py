"""The card to share: the night in a sentence, its interval, a small chart, the track's name, and what must stand beside it.
1200 by 630 pixels."""

from __future__ import annotations

import textwrap
import warnings
from pathlib import Path

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from overnight.report.chart import BADGE, FAINT, GREY, GRID, INK, KEPT, STYLE, WARNING
from overnight.report.content import Report
from overnight.report.tables import plain
from overnight.views.headline import MINUS
from overnight.views.timeline import Scene, limits, scene
from overnight.views.track import span

DPI = 100
SIZE = (12.0, 6.3)  # inches
LEFT = 0.055  # of the width, where words begin
AREA = (LEFT, 0.17, 0.89, 0.37)  # of the chart
LETTERS, LINES = 44, 2  # of the headline


def draw(report: Report, path: Path) -> None:
    """Draw the card into a PNG file."""
    with style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in letters that the font lacks
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor="#fcfcfa")
        FigureCanvasAgg(figure)
        _words(figure, report)
        track = report.told.track
        if track.baseline is not None:
            axes = figure.add_axes(AREA)
            _chart(axes, scene(report.told))
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})


def _words(figure: Figure, report: Report) -> None:
    track, found, head = report.told.track, report.found, report.headline
    figure.text(LEFT, 0.915, f"Overnight  /  {plain(track.track, 40)}", fontsize=16, color=GREY, va="center")
    lines = textwrap.wrap(plain(head.sentence, 200), LETTERS)
    shown = "\n".join(lines[:LINES]) + ("…" if len(lines) > LINES else "")
    figure.text(LEFT, 0.86, shown, fontsize=29, weight="bold", color=WARNING if head.warn else INK, va="top", linespacing=1.15)
    figure.text(LEFT, 0.63 if len(lines) > 1 else 0.71, _doubt(report), fontsize=15, color=GREY, va="center")
    figure.text(LEFT, 0.055, f"{track.experiments:,} tried, {track.kept:,} kept, {track.runs:,} runs. "
                f"{plain(track.metric, 32)}, {'lower' if track.direction == 'minimize' else 'higher'} is better.",
                fontsize=13, color=GREY, va="center")
    right = 1 - LEFT
    for mark in reversed((*found.marks, *(("not audited yet",) if found.state == "not_audited" else ()))):
        badge = figure.text(right, 0.915, mark, fontsize=13, weight="bold", color=WARNING, ha="right", va="center", bbox=BADGE)
        right = badge.get_window_extent().x0 / (SIZE[0] * DPI) - 0.02


def _doubt(report: Report) -> str:
    """The interval of what the sentence claims."""
    found, unit = report.found, plain(report.found.unit, 24)
    if found.again is not None:
        shown = f"{span(found.again.effect, found.again.interval)} {unit}".rstrip()
        return f"95 % interval on {found.seeds} new seeds: {shown}".replace("-", MINUS)
    if len(found.keeps) == 1:
        shown = f"{span(found.claimed, found.keeps[0].interval)} {unit}".rstrip()
        return f"With its 95 % interval: {shown}".replace("-", MINUS)
    if found.claimed_interval is not None:
        shown = f"{span(found.claimed, found.claimed_interval)} {unit}".rstrip()
        return f"Sum of what was kept, with its 95 % interval: {shown}".replace("-", MINUS)
    return ""


def _chart(axes: Axes, shown: Scene) -> None:
    """Dots, the frontier as steps with their bands, the baseline."""
    low, high = limits(shown)
    end = shown.end + 0.02 * (shown.end - shown.start) + 0.5
    axes.set(xlim=(shown.start, end), ylim=(low, high))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=1)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6, labelsize=12)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 5, 10]))
    axes.set_facecolor("none")
    axes.set_xlabel("experiment", fontsize=12, labelpad=3)
    seen = [dot for dot in (*shown.others, *shown.explored) if low <= dot.y <= high]
    axes.plot([dot.x for dot in seen], [dot.y for dot in seen], "o", markersize=5 if len(seen) < 400 else 2.5, color=FAINT,
              markeredgewidth=0, alpha=0.8, zorder=2)
    axes.axhline(shown.baseline, color=GREY, linewidth=1.4, linestyle=(0, (1.2, 2.2)), zorder=2.5)
    kept = shown.kept
    if not kept:
        return
    xs, ys = [dot.x for dot in kept], [dot.y for dot in kept]
    for dot, until in zip(kept, [*xs[1:], end], strict=True):
        axes.fill_between([dot.x, until], dot.low, dot.high, color=KEPT, alpha=0.13, linewidth=0)
    axes.step([shown.start, *xs, end], [shown.baseline, *ys, ys[-1]], where="post", color=KEPT, linewidth=2.6, zorder=3.5)
    axes.plot(xs, ys, "o", markersize=11 if len(kept) <= 24 else 6, color=KEPT, markeredgecolor="white", markeredgewidth=1.6,
              zorder=4)
