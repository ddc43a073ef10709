"""The chart of gains: how several nights went, each from its own baseline, by time, runs or dollars. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from overnight.report.svg.axes import (
    FULL,
    Scale,
    apart,
    cut,
    decimals,
    dots,
    escape,
    finite,
    fixed,
    left_labels,
    lower_labels,
    named,
    path,
    rules,
    spread,
    stretched,
    ticks,
)
from overnight.report.svg.marks import legend
from overnight.report.svg.progress import clock, clock_ticks

HEIGHT, LABEL, FREE = 272, 20, 10  # pixels of the plot, of a name beside it, and free at both ends
COLOURS = 5  # classes c0 to c4; more curves begin again
LETTERS = 22.0  # of a name


class Curve(NamedTuple):
    """One night.

    name      of it
    steps     (where, gain then) for each time that the gain changed, in order
    end       where the night ended
    interval  of the gain at the end, 95 %; None: not known
    """

    name: str
    steps: Sequence[tuple[float, float]]
    end: float
    interval: tuple[float, float] | None = None

    @property
    def gain(self) -> float:
        """At the end."""
        return self.steps[-1][1] if self.steps else 0.0


class Across(NamedTuple):
    """What lies along the axis: its words, where it has marks, and how a mark reads."""

    title: str
    marks: Callable[[float, float], list[float]]
    words: Callable[[Sequence[float]], list[str]]


TIME = Across("time since the start", clock_ticks, lambda marks: [clock(mark) for mark in marks])
RUNS = Across("runs", lambda low, high: ticks(low, high, 8), named)
DOLLARS = Across("dollars for models", lambda low, high: ticks(low, high, 8),
                 lambda marks: [f"${word}" for word in named(marks)])


def curves(found: Sequence[Curve], across: Across = TIME, unit: str = "", label: str = "") -> str:
    """The chart as one <figure>; "" where there is no curve. `label` says what it shows to readers that do not see it."""
    if not found:
        return ""
    gains = [gain for curve in found for gain in (0.0, *(gain for _, gain in curve.steps), *(curve.interval or ()))]
    low, high = spread(min(finite(gains)), max(finite(gains)))
    room = 0.06 * (high - low)
    y = Scale(low - room * (low < 0), high + room, FULL, 0.0)
    x = Scale(*spread(0.0, max([curve.end for curve in found] + [at for curve in found for at, _ in curve.steps])))
    marks, lower = ticks(y.low, y.high, 5), across.marks(x.low, x.high)
    drawn = stretched(rules(y, marks) + path("axis", f"M0 {y(0.0):.1f}H1000")
                      + "".join(part for index, curve in enumerate(found) for part in _drawn(curve, index % COLOURS, x, y)))
    places = decimals(gains)
    caption = (f"Gain over each night's own baseline{f', {unit}' if unit else ''}; higher is better. Bars at the end: 95 % "
               "interval.")
    return (f'<figure><div class="chart mid">{left_labels(y, marks, named(marks, sign=True))}'
            f'<svg class="plot" role="img" aria-label="{escape(label or _told(found, places))}">{drawn}</svg>'
            f"{_names(found, y, places)}{lower_labels(x, lower, across.words(lower), across.title)}</div>"
            f"<figcaption>{escape(caption)}</figcaption>{_legend(found, places)}</figure>")


def _drawn(curve: Curve, colour: int, x: Scale, y: Scale) -> Iterator[str]:
    kind = f" c{colour}" if colour else ""
    yield path(f"curve{kind}", f"M0 {y(0.0):.1f}" + "".join(f"H{x(at):.1f}V{y(gain):.1f}" for at, gain in curve.steps)
               + f"H{x(curve.end):.1f}")
    if curve.interval:
        low, high = curve.interval
        yield path(f"ends{kind}", f"M{x(curve.end):.1f} {y(low):.1f}V{y(high):.1f}")
    data = dots((x(at), y(gain)) for at, gain in curve.steps)
    yield path("ring", data)
    yield path(f"cdot{kind}", data)


def _names(found: Sequence[Curve], y: Scale, places: int) -> str:
    order = sorted(range(len(found)), key=lambda index: y(found[index].gain))
    tops = apart([y(found[index].gain) * HEIGHT / FULL for index in order], LABEL, FREE, HEIGHT - FREE)
    rows = "".join(f'<text class="c{index % COLOURS}" x="12" y="{top / HEIGHT:.2%}" dy=".35em">'
                   f"{escape(_named(found[index], places))}</text>" for index, top in zip(order, tops, strict=True))
    return f'<svg class="keeps" role="group" aria-label="Nights">{rows}</svg>'


def _named(curve: Curve, places: int) -> str:
    return f"{cut(curve.name, LETTERS)} {fixed(curve.gain, places)}"


def _legend(found: Sequence[Curve], places: int) -> str:
    """The names where there is no room beside the plot."""
    lines = [(f'<svg class="mark" aria-hidden="true"><path class="curve c{index % COLOURS}" d="M0 5.5H11"/></svg>',
              _named(curve, places)) for index, curve in enumerate(found)]
    return legend(lines).replace('class="legend"', 'class="legend chart-list"')


def _told(found: Sequence[Curve], places: int) -> str:
    ends = "; ".join(f"{curve.name} ends at {fixed(curve.gain, places)} after {len(curve.steps)} keeps" for curve in found)
    return f"Gain over each night's own baseline: {ends}."


