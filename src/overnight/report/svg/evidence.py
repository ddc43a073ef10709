"""The chart of evidence: the odds that a change is better after each pair, beside what it had to pass at that time. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from overnight.report.svg.axes import (
    FULL,
    SUPERSCRIPTS,
    Scale,
    decades,
    dots,
    escape,
    left_labels,
    odds,
    path,
    percent,
    rules,
    stretched,
    whole_ticks,
)

LEAST, MOST = 1e-12, 1e30  # odds beyond which the picture ends
FLOOR = 0.3  # odds that are always in the picture
ABOVE = 3.0  # times the highest that stay free above it
CLOSE = 130.0  # of the height, within which two words would meet
MOST_DOTS = 60  # pairs that have a dot each
MOST_TOLD = 24  # odds in the words for readers that do not see the chart


class Odds(NamedTuple):
    """After one pair: the odds to 1 that the change is better, what they had to pass then (None: nothing could be kept yet),
    and whether the pair's seed was drawn after the change existed."""

    odds: float
    wanted: float | None
    fresh: bool


def evidence(steps: Sequence[Odds]) -> str:
    """The chart as one <figure>; "" where there is no pair."""
    if not steps:
        return ""
    scale, across = _scale(steps), Scale(0.5, len(steps) + 0.5)
    marks = decades(10.0 ** scale.low, 10.0 ** scale.high)
    heights = [math.log10(mark) for mark in marks]
    drawn = stretched("".join(_drawn(steps, scale, across, heights)))
    pairs = [mark for mark in whole_ticks(1, len(steps), 8) if mark >= 1] if len(steps) > 12 else list(range(1, len(steps) + 1))
    lower = "".join(f'<text x="{percent(across(pair))}" y="16" text-anchor="middle">{pair:g}</text>' for pair in pairs)
    return (f'<figure><div class="chart mid alone">{left_labels(scale, heights, [_power(mark) for mark in marks])}'
            f'<svg class="plot" role="img" aria-label="{escape(_told(steps))}">{drawn}{_labels(steps, scale, across)}</svg>'
            f'<svg class="x" aria-hidden="true">{lower}{_parts(steps, across)}</svg></div>'
            f"<figcaption>{escape(_caption(steps))}</figcaption></figure>")


def _scale(steps: Sequence[Odds]) -> Scale:
    """Of the logarithm of odds."""
    known = [_bounded(value) for step in steps for value in (step.odds, step.wanted) if value is not None]
    low, high = min(FLOOR, min(known) / 1.5), max(1.0, *known) * ABOVE
    return Scale(math.log10(low), math.log10(high), FULL, 0.0)


def _bounded(value: float) -> float:
    return LEAST if math.isnan(value) else min(max(value, LEAST), MOST)


def _height(scale: Scale, value: float) -> float:
    return scale(math.log10(_bounded(value)))


def _drawn(steps: Sequence[Odds], scale: Scale, across: Scale, heights: Sequence[float]) -> Iterator[str]:
    if (first := _first_fresh(steps)) < len(steps):
        yield path("freshzone", f"M{across(first + 0.5):.1f} 0H1000V1000H{across(first + 0.5):.1f}Z")
    yield rules(scale, heights)
    yield path("axis", f"M0 {scale(0.0):.1f}H1000")
    yield path("goal-line", "".join(_bar(steps, scale, across)))
    places = [(across(pair), _height(scale, step.odds)) for pair, step in enumerate(steps, 1)]
    yield path("step", "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places))
    if len(places) <= MOST_DOTS:
        yield path("ring", dots(places))
        yield path("kdot", dots(places))


def _bar(steps: Sequence[Odds], scale: Scale, across: Scale) -> Iterator[str]:
    """What had to be passed, a step of the line for each time that it changed."""
    before: float | None = None
    for pair, step in enumerate(steps, 1):
        if step.wanted is None:
            before = None
            continue
        height, left = _height(scale, step.wanted), across(pair - 0.5)
        yield f"M{left:.1f} {height:.1f}" if before is None else f"V{height:.1f}" if step.wanted != before else ""
        yield f"H{across(pair + 0.5):.1f}"
        before = step.wanted


def _labels(steps: Sequence[Odds], scale: Scale, across: Scale) -> str:
    """The odds at the end, and what they had to pass then, on the other side of its line."""
    last, top = steps[-1], _height(scale, steps[-1].odds)
    passed = last.wanted is not None and last.odds >= last.wanted
    end = f'x="{percent(across(len(steps)))}" text-anchor="end"'
    bar = ""
    if last.wanted is not None:
        height = _height(scale, last.wanted)
        bar = (f'<text class="strong over" {end} y="{percent(height)}" dy="{"1.3em" if passed else "-.5em"}">'
               f"needed: {odds(last.wanted)} to 1</text>")
    below = not passed and last.wanted is not None and top - _height(scale, last.wanted) < CLOSE
    return bar + (f'<text class="{"good" if passed else "strong"} over" {end} y="{percent(max(top, 60.0))}" '
                  f'dy="{"1.7em" if below else "-.9em"}">{odds(last.odds)} to 1</text>')


def _first_fresh(steps: Sequence[Odds]) -> int:
    return next((index for index, step in enumerate(steps) if step.fresh), len(steps))


def _parts(steps: Sequence[Odds], across: Scale) -> str:
    first, count = _first_fresh(steps), len(steps)
    race = f'<text x="{percent(across((first + 1) / 2))}" y="36" text-anchor="middle">race</text>' if first else ""
    middle = percent(across((first + 1 + count) / 2))
    return race + (f'<text class="good" x="{middle}" y="36" text-anchor="middle">fresh seeds</text>' if first < count else "")


def _power(value: float) -> str:
    if 1e-3 <= value < 1e6:
        return f"{value:,g}"
    return f"10{str(round(math.log10(value))).translate(SUPERSCRIPTS)}"


def _told(steps: Sequence[Odds]) -> str:
    shown = ", ".join(odds(step.odds) for step in steps[-MOST_TOLD:])
    after = f"after each of the last {MOST_TOLD} of {len(steps)} pairs" if len(steps) > MOST_TOLD else "after each pair"
    wanted = steps[-1].wanted
    return f"Odds to 1 that it is better, {after}: {shown}." + (f" Needed at the end: {odds(wanted)} to 1." if wanted else "")


def _caption(steps: Sequence[Odds]) -> str:
    text = "Odds that it is better, after each pair; the scale is logarithmic."
    if wanted := steps[-1].wanted:
        text += (f" A change that is no better gets past the dashed line with a chance of at most 1 in {odds(wanted)}, however "
                 "often one looks.")
    return text
