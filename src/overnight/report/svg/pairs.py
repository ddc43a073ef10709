"""The chart of pairs: each seed run without and with a change, as a slope; of many pairs the differences alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from overnight.report.svg.axes import (
    FULL,
    Scale,
    decimals,
    dots,
    escape,
    finite,
    fixed,
    left_labels,
    named,
    path,
    percent,
    rules,
    spread,
    stretched,
    ticks,
)

MOST_SLOPES = 40  # pairs from which on their differences are shown instead
ROOM = 0.08  # of the height that stays free above and below
GROUPS = ((False, "race", 60.0, 400.0), (True, "fresh seeds", 600.0, 940.0))  # whether fresh, the name, from where to where


class Pair(NamedTuple):
    """One seed, run without a change (`base`) and with it (`value`), and whether it was drawn after the change existed."""

    base: float
    value: float
    fresh: bool


class Summary(NamedTuple):
    """The mean of the differences of a group with its 95 % interval, positive is better."""

    effect: float
    interval: tuple[float, float] | None


def pairs(found: Sequence[Pair], sign: int, race: Summary | None = None, fresh: Summary | None = None) -> str:
    """The chart as one <figure>; "" where there are no pairs. `sign` is 1 where lower is better, else -1. `race` and `fresh`
    are drawn where there are more than MOST_SLOPES."""
    known = [pair for pair in found if math.isfinite(pair.base) and math.isfinite(pair.value)]
    if not known:
        return ""
    if len(known) > MOST_SLOPES:
        return _differences(known, sign, {False: race, True: fresh})
    return _slopes(known, sign)


# ---- slopes ----------------------------------------------------------------------------------------------------


def _slopes(found: Sequence[Pair], sign: int) -> str:
    scale = _scale([value for pair in found for value in (pair.base, pair.value)])
    drawn = labels = ""
    for is_fresh, name, begin, end in GROUPS:
        mine, kind = [pair for pair in found if pair.fresh == is_fresh], " fresh" * is_fresh
        drawn += path(f"pair{kind}", "".join(f"M{begin:g} {scale(p.base):.1f}L{end:g} {scale(p.value):.1f}" for p in mine))
        drawn += path(f"pdot{kind}", dots((x, scale(y)) for p in mine for x, y in ((begin, p.base), (end, p.value))))
        labels += _group(name, begin, end, len(mine), is_fresh, ("base", "with it")) if mine else ""
    better = sum(sign * (pair.base - pair.value) > 0 for pair in found)
    way = "fall, so are better" if sign > 0 else "rise, so are better"
    caption = (f"A line is one seed, run without and with the change; {better} of {len(found)} {way}. Luck that both share "
               "moves a line up or down, not its slope.")
    told = f"In {better} of {len(found)} pairs the run with the change is better than that of its base on the same seed."
    return _figure(scale, drawn, labels, told, caption)


def _group(name: str, begin: float, end: float, count: int, is_fresh: bool, sides: tuple[str, ...]) -> str:
    places = (begin, end) if len(sides) == 2 else ((begin + end) / 2,)
    words = "".join(f'<text x="{percent(x)}" y="16" text-anchor="middle">{side}</text>'
                    for x, side in zip(places, sides, strict=True))
    kind = ' class="good"' if is_fresh else ""
    said = f"{name}, {count} pair{'s' * (count != 1)}"
    return f'{words}<text{kind} x="{percent((begin + end) / 2)}" y="36" text-anchor="middle">{said}</text>'


# ---- differences -----------------------------------------------------------------------------------------------


def _differences(found: Sequence[Pair], sign: int, means: dict[bool, Summary | None]) -> str:
    """Dots beside one another in their order, with the mean and its interval."""
    gains = {group: [sign * (pair.base - pair.value) for pair in found if pair.fresh == group] for group in (False, True)}
    ends = [end for mean in means.values() if mean for end in (mean.effect, *(mean.interval or ()))]
    scale = _scale([0.0, *gains[False], *gains[True], *finite(ends)])
    drawn, labels = path("axis", f"M0 {scale(0.0):.1f}H1000"), ""
    for is_fresh, name, begin, end in GROUPS:
        mine = gains[is_fresh]
        if mine:
            drawn += "".join(_group_of(scale, mine, means[is_fresh], begin - 40.0, end + 40.0, " fresh" * is_fresh))
            labels += _group(name, begin, end, len(mine), is_fresh, (_said(means[is_fresh], gains),))
    better = sum(gain > 0 for gain in (*gains[False], *gains[True]))
    told = f"In {better} of {len(found)} pairs the run with the change is better than that of its base on the same seed."
    caption = (f"A dot is one seed: by how much the run with the change is better; {better} of {len(found)} are. Line and "
               "band: the mean with its 95 % interval.")
    return _figure(scale, drawn, labels, told, caption)


def _group_of(scale: Scale, gains: Sequence[float], mean: Summary | None, begin: float, end: float, kind: str) -> Iterator[str]:
    if mean and mean.interval:
        low, high = (scale.within(bound) for bound in mean.interval)
        yield path(f"span{kind}", f"M{begin:g} {low:.1f}H{end:g}V{high:.1f}H{begin:g}Z")
    step = (end - begin) / len(gains)
    yield path(f"pdot small{kind}", dots((begin + (index + 0.5) * step, scale(gain)) for index, gain in enumerate(gains)))
    if mean:
        yield path(f"mean{kind}", f"M{begin:g} {scale.within(mean.effect):.1f}H{end:g}")


def _said(mean: Summary | None, gains: dict[bool, list[float]]) -> str:
    return f"mean {fixed(mean.effect, decimals(v for group in gains.values() for v in group))}" if mean else "each pair"


# ---- both ------------------------------------------------------------------------------------------------------


def _scale(values: Sequence[float]) -> Scale:
    low, high = spread(min(values), max(values))
    room = ROOM * (high - low)
    return Scale(low - room, high + room, FULL, 0.0)


def _figure(scale: Scale, drawn: str, labels: str, told: str, caption: str) -> str:
    marks = ticks(scale.low, scale.high, 6)
    plot = stretched(rules(scale, marks) + drawn)
    return (f'<figure><div class="chart mid alone">{left_labels(scale, marks, named(marks))}'
            f'<svg class="plot" role="img" aria-label="{escape(told)}">{plot}</svg>'
            f'<svg class="x" aria-hidden="true">{labels}</svg></div><figcaption>{escape(caption)}</figcaption></figure>')
