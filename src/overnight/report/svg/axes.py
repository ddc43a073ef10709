"""What the charts share: scales, round numbers along an axis, labels moved apart, numbers and words as HTML. Pure."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

MINUS, NOTHING, TIMES = "\u2212", "\u2013", "\u00d7"
FULL = 1000.0  # units of a plot's own box, in both directions
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # of a decade
MOST_DECADES = 7  # that are labelled on a log axis
SUPERSCRIPTS = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
LARGEST, SMALLEST = 1e7, 1e-4  # beyond which numbers on an axis are written with a power of ten


class Scale(NamedTuple):
    """An axis from `low` to `high`, drawn from `start` to `end` in units of its box."""

    low: float
    high: float
    start: float = 0.0
    end: float = FULL

    def __call__(self, value: float) -> float:
        """Where a value lies, also beyond the ends."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def within(self, value: float) -> float:
        """Where a value lies, at an end where it is beyond it."""
        return self(min(max(value, self.low), self.high))

    def holds(self, value: float) -> bool:
        """Whether a value lies on it."""
        return self.low <= value <= self.high


def spread(low: float, high: float) -> tuple[float, float]:
    """Both ends, moved apart where there is nothing between them, so that a scale can be made of them."""
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    room = abs(low) * 0.1 or 1.0
    return low - room, high + room


def finite(values: Iterable[float | None]) -> list[float]:
    """Those values that are numbers."""
    return [value for value in values if value is not None and math.isfinite(value)]


# ---- round numbers along an axis -------------------------------------------------------------------------------


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high, about so many."""
    rough = (high - low) / max(1, about)
    if not 0 < rough < math.inf:
        return []
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next((times * decade for times in STEPS if times * decade >= rough * (1 - 1e-9)), rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step + 0.0 for number in range(first, last + 1)]


def whole_ticks(low: float, high: float, about: int = 8) -> list[float]:
    """The same of whole numbers."""
    return [tick for tick in ticks(low, high, about) if tick == round(tick)]


def decades(low: float, high: float) -> list[float]:
    """Powers of ten from low to high, at most MOST_DECADES, evenly apart."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, -(-(last - first + 1) // MOST_DECADES))
    return [10.0 ** power for power in range(first, last + 1) if power % every == 0]


def digits(marks: Sequence[float]) -> int:
    """The decimals that tell these marks of an axis apart."""
    step = min((b - a for a, b in pairwise(marks)), default=1.0)
    exact = next((count for count in range(12) if abs(step - round(step, count)) < 1e-6 * step), 12)
    return exact if step > 0 else 0


def named(marks: Sequence[float], sign: bool = False) -> list[str]:
    """The marks of an axis as words: all with the same decimals."""
    largest = max(map(abs, marks), default=0.0)
    if largest >= LARGEST or 0 < largest < SMALLEST:
        return [plain(mark, 4, sign and mark != 0) for mark in marks]
    places = digits(marks)
    return [_true(f"{mark:{'+' if sign else ''},.{places}f}") if mark or not sign else "0" for mark in marks]


# ---- labels ----------------------------------------------------------------------------------------------------


def apart(places: Sequence[float], gap: float, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Sorted places moved by as little as possible (least squares) until they lie at least `gap` apart and, where there is room
    for all of them, from `low` to `high`."""
    blocks: list[tuple[float, int]] = []  # mean and size of neighbours that touch
    for index, place in enumerate(places):
        level, size = place - index * gap, 1
        while blocks and blocks[-1][0] > level:
            before, count = blocks.pop()
            level, size = (before * count + level * size) / (count + size), count + size
        blocks.append((level, size))
    high -= max(0, len(places) - 1) * gap
    levels = [max(low, min(level, high)) for level, size in blocks for _ in range(size)]
    return [level + index * gap for index, level in enumerate(levels)]


def cut(text: str, most: float) -> str:
    """The beginning of a text that takes the room of at most so many ordinary letters."""
    taken = 0.0
    for index, letter in enumerate(text):
        taken += _room(letter)
        if taken > most:
            return text[:max(0, index - 1)].rstrip(" ,") + "\u2026"
    return text


def _room(letter: str) -> float:
    """About how wide a letter is, beside an ordinary one."""
    if letter < "\x7f":
        return 0.6 if letter in "iljtf.,:;'|![]() " else 1.4 if letter in "MWmw@%" else 1.25 if letter.isupper() else 1.0
    return 2.1 if unicodedata.east_asian_width(letter) in "WF" else 1.3


# ---- numbers and words as HTML ---------------------------------------------------------------------------------


def escape(text: object) -> str:
    """Words as HTML, also within an attribute's quotation marks."""
    return html.escape(str(text), quote=True)


def plain(value: float | None, figures: int = 3, sign: bool = False) -> str:
    """A number with so many figures and a true minus; an en dash where there is none."""
    if value is None or math.isnan(value):
        return NOTHING
    text = f"{value:{'+' if sign else ''}.{figures}g}"
    head, power, tail = text.partition("e")
    return _true(f"{head}{TIMES}10{str(int(tail)).translate(SUPERSCRIPTS)}" if power else text)


def fixed(value: float | None, decimals: int = 3, sign: bool = True) -> str:
    """The same with so many decimals."""
    if value is None or math.isnan(value):
        return NOTHING
    if abs(value) >= LARGEST or (value and abs(value) < 0.5 * 10.0 ** -decimals):
        return plain(value, 3, sign)
    return _true(f"{value:{'+' if sign else ''},.{decimals}f}")


def decimals(values: Iterable[float | None], figures: int = 3) -> int:
    """The decimals with which the largest of these numbers has so many figures."""
    largest = max((abs(value) for value in finite(values)), default=0.0)
    return min(10, max(0, figures - 1 - math.floor(math.log10(largest)))) if largest else 3


def odds(value: float | None) -> str:
    """Odds to 1 for people."""
    return _true(f"{value:,.0f}") if value is not None and 100 <= value < LARGEST else plain(value)


def _true(text: str) -> str:
    return text.replace("-", MINUS)


# ---- parts of a chart ------------------------------------------------------------------------------------------


def percent(place: float) -> str:
    """A place in a box of FULL as a percentage."""
    return f"{place / FULL * 100:.2f}%"


def path(kind: str, data: str) -> str:
    """A path of a class; "" where there is nothing to draw."""
    return f'<path class="{kind}" d="{data}"/>' if data else ""


def dots(places: Iterable[tuple[float, float]], square: bool = False) -> str:
    """Dots as one path's data: strokes of no length, which round ends make circles. (Square ends need some length, or a PDF
    drops them.)"""
    stroke = "h.1" if square else "h0"
    return "".join([f"M{x:.1f} {y:.1f}{stroke}" for x, y in places])


def stretched(inner: str) -> str:
    """The box that stretches, of FULL by FULL."""
    return ('<svg class="in" width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true">'
            f"{inner}</svg>")


def left_labels(scale: Scale, marks: Sequence[float], words: Sequence[str]) -> str:
    """The numbers at the left of a plot."""
    inner = "".join(f'<text x="100%" dx="-8" y="{percent(scale(mark))}" dy=".35em" text-anchor="end">{escape(word)}</text>'
                    for mark, word in zip(marks, words, strict=True))
    return f'<svg class="y" aria-hidden="true">{inner}</svg>'


def lower_labels(scale: Scale, marks: Sequence[float], words: Sequence[str], title: str) -> str:
    """The numbers below a plot, with what they count."""
    inner = "".join(f'<text x="{percent(scale(mark))}" y="18" text-anchor="{_anchor(scale(mark))}">{escape(word)}</text>'
                    for mark, word in zip(marks, words, strict=True))
    return f'<svg class="x" aria-hidden="true">{inner}<text class="axis-name" x="0" y="38">{escape(title)}</text></svg>'


def _anchor(place: float) -> str:
    """At which side of its mark a word stands, so that it does not leave the box."""
    return "end" if place > 0.97 * FULL else "start" if place < 0.01 * FULL else "middle"


def rules(scale: Scale, marks: Iterable[float]) -> str:
    """Fine lines across the plot."""
    return path("grid", "".join(f"M0 {scale(mark):.1f}H1000" for mark in marks))
