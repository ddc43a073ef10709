"""Effects with their intervals as rows of a table, on an axis that all rows share; guards as bars with their bound. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from overnight.report.svg.axes import TIMES, Scale, decimals, escape, finite, fixed, named, percent, spread, ticks
from overnight.report.svg.marks import WORDS

Source = Literal["night", "again", ""]  # claimed by a night (round), measured again by an audit (square), neither
ROOM = 0.08  # of the axis that stays free at both ends
EMPTY = 0.1  # of zero to the farthest, on the other side of zero
BEYOND = {"low": ("0%", "\u2039", "start"), "high": ("100%", "\u203a", "end")}


class Row(NamedTuple):
    """A row of a forest.

    label     what it is, and `href` where that leads; `note` stands below it, small
    effect    by how much it is better, None: not known; `interval` bounds it with 95 %
    source    "night": a keep's own fresh seeds; "again": an audit's; "": neither
    word      the verdict on it, and `tone` of that: good, again, warn or ""
    """

    label: str
    effect: float | None
    interval: tuple[float, float] | None
    source: Source = ""
    word: str = ""
    tone: str = ""
    href: str = ""
    note: str = ""


def common(values: Iterable[float | None], even: bool = False) -> Scale:
    """An axis that holds zero and all of these, in both directions alike where it is to be `even`."""
    known = [0.0, *finite(values)]
    low, high = min(known), max(known)
    if even:
        low, high = -max(-low, high), max(-low, high)
    low, high = spread(min(low, -EMPTY * high), max(high, -EMPTY * low)) if high > low else (-1.0, 1.0)
    room = ROOM * (high - low)
    return Scale(low - (0.0 if even else room * (low < 0)), high + room * (not even))


def interval(axis: Scale, effect: float | None, bounds: tuple[float, float] | None, source: Source = "",
             worthwhile: float = 0.0) -> str:
    """One row's effect on the axis, with zero and, shaded, what is less than worthwhile. The numbers stand in the table."""
    drawn, zero = "", percent(axis.within(0.0))
    if worthwhile > 0:
        drawn += f'<rect class="worth" x="{zero}" y="0" width="{_wide(axis, 0.0, worthwhile)}" height="100%"/>'
    drawn += f'<line class="zero" x1="{zero}" x2="{zero}" y1="0" y2="100%"/>'
    kind = {"night": " keep", "again": " again"}.get(source, "")
    if bounds:
        low, high = (percent(axis.within(end)) for end in bounds)
        drawn += f'<line class="iv{kind}" x1="{low}" x2="{high}" y1="50%" y2="50%"/>'
    drawn += "".join(_arrow(side) for side in _beyond(axis, effect, bounds))
    if effect is not None and axis.holds(effect):
        at = percent(axis.within(effect))
        square = f'<rect class="dot{kind}" x="-5" y="-5" width="10" height="10"/>'
        drawn += (f'<svg x="{at}" y="50%" overflow="visible">{square}</svg>' if source == "again"
                  else f'<circle class="dot{kind}" cx="{at}" cy="50%" r="{5 if kind else 3}"/>')
    return f'<svg class="row" aria-hidden="true">{drawn}</svg>'


def _wide(axis: Scale, low: float, high: float) -> str:
    return percent(axis.within(high) - axis.within(low))


def _beyond(axis: Scale, effect: float | None, bounds: tuple[float, float] | None) -> list[str]:
    """At which ends of the axis a row goes on."""
    ends = finite([effect, *(bounds or ())])
    return [side for side, out in (("low", any(end < axis.low for end in ends)), ("high", any(end > axis.high for end in ends)))
            if out]


def _arrow(side: str) -> str:
    x, sign, anchor = BEYOND[side]
    return f'<text class="strong" x="{x}" y="50%" dy=".35em" text-anchor="{anchor}">{sign}</text>'


def axis_row(axis: Scale, about: int = 4) -> str:
    """The numbers of the axis, for a row of their own."""
    marks = ticks(axis.low, axis.high, about)
    words = "".join(f'<text x="{percent(axis(mark))}" y="15" text-anchor="middle">{word}</text>'
                    for mark, word in zip(marks, named(marks, sign=True), strict=True)
                    if mark == 0 or 30 < axis(mark) < 970)
    return f'<svg class="row" aria-hidden="true">{words}</svg>'


def span(effect: float | None, bounds: tuple[float, float] | None, places: int) -> str:
    """An effect with its interval, in numbers."""
    ends = f' <span class="soft">[{", ".join(fixed(end, places) for end in bounds)}]</span>' if bounds else ""
    return f"{fixed(effect, places)}{ends}"


# ---- a forest --------------------------------------------------------------------------------------------------


def forest(rows: Sequence[Row], worthwhile: float = 0.0, unit: str = "", label: str = "What each is worth") -> str:
    """The rows as a table with an axis in common, which is the text as well; "" where there are none."""
    if not rows:
        return ""
    numbers = [number for row in rows for number in (row.effect, *(row.interval or ()))]
    axis, places = common([*numbers, worthwhile]), decimals(numbers)
    body = "".join(_row(axis, row, worthwhile, places) for row in rows)
    better = f"Better by, {unit}" if unit else "Better by"
    return (f'<div class="wide" tabindex="0" role="group" aria-label="{escape(label)}">'
            f'<table class="forest fold" role="table" aria-label="{escape(label)}"><thead role="rowgroup">'
            f'<tr role="row"><th role="columnheader">{escape(better)}</th><th role="columnheader" class="n">95 % interval</th>'
            '<th role="columnheader" class="plotcol"><span class="sr">drawn</span></th>'
            f'<th role="columnheader" class="off">verdict</th></tr></thead><tbody role="rowgroup">{body}'
            '<tr role="row" class="mid bare" aria-hidden="true"><td></td><td></td>'
            f'<td class="plotcol">{axis_row(axis, 5)}</td><td class="off"></td></tr></tbody></table></div>')


def _row(axis: Scale, row: Row, worthwhile: float, places: int) -> str:
    name = f'<a href="{escape(row.href)}">{escape(row.label)}</a>' if row.href else escape(row.label)
    name += f'<br><span class="quiet">{escape(row.note)}</span>' if row.note else ""
    word = f'<span class="tag {row.tone}">{escape(row.word)}</span>' if row.word else ""
    return (f'<tr role="row" class="mid"><th role="rowheader" scope="row">{name}</th>'
            f'<td role="cell" class="n">{span(row.effect, row.interval, places)}</td>'
            f'<td role="cell" class="plotcol">{interval(axis, row.effect, row.interval, row.source, worthwhile)}</td>'
            f'<td role="cell">{word}</td></tr>')


# ---- guards ----------------------------------------------------------------------------------------------------


def bullet(value: float | None, bound: float | None, one: float | None = 1.0, most: float | None = None) -> str:
    """A guard as a bar: the value, a thick line at what is allowed, a fine one at `one` (of the baseline's; None: it has none).
    `most` is the end of the axis, where rows share it."""
    value = finite([value])[0] if finite([value]) else None
    axis = Scale(0.0, most or 1.25 * max([*finite([value, bound, one]), 1e-300]))
    over = value is not None and bound is not None and value > bound
    drawn = '<rect class="groove" x="0" y="28%" width="100%" height="44%"/>'
    if value is not None:
        drawn += f'<rect class="bar{" over" * over}" x="0" y="38%" width="{percent(axis.within(value))}" height="24%"/>'
    if one is not None:
        drawn += _line("zero", axis, one, 28)
    if bound is not None:
        drawn += _line("limit", axis, bound, 14)
    said = fixed(value, 2, sign=False)
    said += f", {fixed(bound, 2, sign=False)} allowed" if bound is not None else ""
    said += f", {WORDS['barred']}" if over else ""
    return f'<svg class="row" role="img" aria-label="{said}">{drawn}</svg>'


def _line(kind: str, axis: Scale, value: float, inset: int) -> str:
    x = percent(axis.within(value))
    return f'<line class="{kind}" x1="{x}" x2="{x}" y1="{inset}%" y2="{100 - inset}%"/>'


def times(ratio: float | None) -> str:
    """A ratio to the baseline's, in numbers."""
    return f"{fixed(ratio, 2, sign=False)}{TIMES}"
