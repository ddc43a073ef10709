"""The scale of a knob: where a value stands on it, which values are worth a try from there, how they are written.

A step of 1 is "about twice as much" on every scale: of x itself (log, size, int), of 1-x (near1), of the odds
(fraction), an eighth of the range (linear). A choice has no order.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Literal, cast

from msgspec import Struct

from overnight.errors import TrackError
from overnight.researchers.knobs import words

Value = bool | int | float | str
Kind = Literal["log", "near1", "fraction", "linear", "size", "int", "choice"]

STEPS = (0.25, 0.5, 1.0, 2.0, 3.0)
FARTHER = ((4.0, 5.0), (6.5, 8.0))  # steps for when all others were tried, one pair after the other
MOST = 1e100  # beyond it, no step is a step
WIDE = 4.0  # steps from the present value to the ends of a scale without bounds, where all of it is searched
RUNGS, MOST_WHOLE = 8, 24  # steps of a scale with two ends; whole numbers between them that are all worth a try
TINY = 2.0**-36  # where a zero on a log scale is taken to stand
SLACK = 0.03  # fractions under this are nearly 0
FROM_ZERO = (0.05, 0.02, 0.1, 0.3)
IN_DECADE = (1, 3)  # of each power of ten: what is worth a try from a zero on a log scale, which has no steps
KNOB = re.compile(r"#\s*knob:\s*(.*?)\s*$")
NUMBER = r"[+-]?[\d._]+(?:[eE][+-]?\d+)?"
RANGE = re.compile(rf"(log|linear|int|size)\s+({NUMBER})\s*\.\.\s*({NUMBER})$")


class Scale(Struct, frozen=True):
    """How a knob turns.

    kind       what a step does
    low, high  the bounds, both allowed
    choices    all that can be chosen
    halfway    whether a size may stand between two powers of two
    """

    kind: Kind
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[Value, ...] = ()
    halfway: bool = True


def guess(name: str, value: Value, text: str, choices: tuple[Value, ...] = ()) -> Scale:
    """The scale that a name and a default suggest."""
    if isinstance(value, bool | str):
        return Scale("choice", choices=choices if isinstance(value, str) else (False, True))
    if isinstance(value, int):
        power = "**" in text or "<<" in text or words.named(name, words.POWERS)
        if power and value > 0 and value.bit_count() == 1:
            return Scale("size", low=1, halfway=False)
        if abs(value) >= 16 or (value >= 8 and words.named(name, words.SIZES)):
            return Scale("size" if rung(value) is not None else "log", low=1 if value > 0 else -math.inf)
        return Scale("int", low=min(1, value), high=max(8, 4 * value))
    if 0.8 <= value < 1 or (0.5 <= value < 1 and words.named(name, words.NEAR_ONE)):
        return Scale("near1", low=0.0, high=1.0)
    if value == 0 or (0 <= value <= 1 and words.named(name, words.FRACTION)):
        return Scale("fraction", low=0.0, high=1.0)
    return Scale("log")


# ---- positions -------------------------------------------------------------------------------------------------


def position(scale: Scale, value: Value) -> float:
    """Where a value stands; any value that was ever there has a place."""
    if scale.kind == "choice" or isinstance(value, str):
        return float(scale.choices.index(value)) if value in scale.choices else -1.0
    if scale.kind == "int":
        return math.copysign(1.5 * math.log2(1 + abs(value)), value)
    if scale.kind == "near1":
        return -math.log2(max(1 - value, TINY))
    if scale.kind == "fraction":
        return math.log2((max(value, 0.0) + SLACK) / (max(1 - value, 0.0) + SLACK))
    if scale.kind == "linear":
        return 8 * (value - scale.low) / (scale.high - scale.low)
    return math.log2(max(abs(value), TINY))


def finite(scale: Scale, value: Value) -> bool:
    """Whether a value has a place on its scale that can be reckoned with."""
    try:
        return math.isfinite(position(scale, value)) and (isinstance(value, str) or abs(value) < MOST)
    except OverflowError:
        return False


def upwards(scale: Scale, before: Value, after: Value) -> bool:
    """Whether a turn goes up on a scale."""
    return position(scale, after) > position(scale, before)


def moves(scale: Scale, value: Value, finer: int = 0, farther: int = 0) -> list[Value]:
    """The values worth a try from here, each at most once, small steps first; `finer`: how often the steps are halved, for when
    all others were tried: then a size may be any whole number; `farther`: which of the steps beyond those."""
    if scale.kind == "choice" or isinstance(value, str):
        return [] if finer or farther else [choice for choice in scale.choices if choice != value]
    if farther:
        return _away(scale, value, FARTHER[farther - 1])
    steps = [sign * step / 2**finer for step in STEPS for sign in (1, -1)]
    if finer and scale.kind in ("int", "size"):
        away = sorted({max(1, round(abs(value) * abs(step) / 2)) for step in steps} | {1})
        raw: Iterable[float] = [value + sign * each for each in away for sign in (1, -1)]
    elif scale.kind == "int":
        raw = [value + step for step in (1, -1, 2, -2)] + ([2 * value, value // 2] if value else [4, 8])
    elif scale.kind == "size" and isinstance(value, int) and (here := rung(value)) is not None:
        raw = [_on_rung(here + step) for step in ((1, -1) if scale.halfway else ()) + (2, -2, 4, -4)]
    elif scale.kind == "linear":
        raw = [value + step * (scale.high - scale.low) / 8 for step in steps]
    elif scale.kind == "fraction" and value in (0, 1):
        raw = [abs(value - away) for away in FROM_ZERO]
    elif _off(scale, value):
        raw = [] if finer else _decades(scale)
    else:
        raw = [_turned(scale, value, step) for step in steps]
    return _fit(scale, value, raw, 2 + (finer + 1) // 2)


def ladder(scale: Scale, value: Value) -> list[Value]:
    """The values of a whole scale that are worth a try, in order, the present one among them: half a step apart, between the
    bounds, or up to WIDE steps away where there are none."""
    if scale.kind == "choice" or isinstance(value, str):
        return list(dict.fromkeys((*scale.choices, value)))
    if scale.kind == "linear" or (scale.kind == "int" and isinstance(value, int)):
        low, high = scale.low, scale.high
        every = scale.kind == "int" and high - low <= MOST_WHOLE
        even = [low + (high - low) * part / (2 * RUNGS) for part in range(2 * RUNGS + 1)]
        raw: Iterable[float] = range(int(low), int(high) + 1) if every else even
    elif scale.kind == "size" and isinstance(value, int) and (here := rung(value)) is not None:
        raw = [_on_rung(here + step) for step in range(-2 * int(WIDE), 2 * int(WIDE) + 1, 1 if scale.halfway else 2)]
        return sorted({value, *(each for each in raw if scale.low <= each <= scale.high)})
    elif scale.kind == "fraction" and value in (0, 1):
        raw = [0.0, 1.0, *(abs(value - away) for away in (*FROM_ZERO, 0.2, 0.5))]
    elif _off(scale, value):
        raw = [value, *_decades(scale)]
    else:
        low, high = _reach(scale, value)
        raw = [_turned(scale, value, step / 2) for step in range(-round(2 * low), round(2 * high) + 1)]
        raw = [*raw, *(bound for bound in (scale.low, scale.high) if math.isfinite(bound) and scale.kind in ("log", "size"))]
    return sorted({value, *_fit(scale, value, raw, 2)})


def _reach(scale: Scale, value: float) -> tuple[float, float]:
    """Steps from a value to the lower and the upper end of its scale."""
    if scale.kind != "log" or not value:
        return (WIDE, WIDE) if value else (0.0, 0.0)
    return (WIDE if math.isinf(scale.low) else math.log2(abs(value) / max(scale.low, TINY)),
            WIDE if math.isinf(scale.high) else math.log2(max(scale.high, TINY) / abs(value)))


def _away(scale: Scale, value: int | float, steps: Iterable[float]) -> list[Value]:
    """The values that are so many steps away, up and down."""
    signed = [sign * step for step in steps for sign in (1, -1)]
    if scale.kind == "linear":
        return _fit(scale, value, [value + step * (scale.high - scale.low) / 8 for step in signed], 2)
    if (scale.kind == "fraction" and value in (0, 1)) or _off(scale, value):
        return []  # which have no steps
    return _fit(scale, value, [_turned(scale, value, step) for step in signed], 2)


def _off(scale: Scale, value: float) -> bool:
    """Whether a value is a zero on a scale that doubles, from which no doubling leads."""
    return scale.kind in ("log", "size") and value == 0


def _decades(scale: Scale) -> list[float]:
    """From bound to bound of a scale that doubles, two to a decade, the middle ones first; nothing where a bound is missing."""
    if not (scale.low > 0 and math.isfinite(scale.high)):
        return []
    powers = range(math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high)) + 1)
    round_ones = (float(f"{digit}e{power}") for power in powers for digit in IN_DECADE)
    found = sorted({scale.low, scale.high, *(each for each in round_ones if scale.low <= each <= scale.high)})
    return sorted(found, key=lambda each: abs(found.index(each) - (len(found) - 1) / 2))


def _turned(scale: Scale, value: float, step: float) -> float:
    """The value that is so many steps away, before it is made tidy."""
    if scale.kind == "near1":
        return float(1 - Decimal(str(tidy((1 - value) / 2**step))))
    if scale.kind == "fraction":
        odds = value / (1 - value) * 2.0**step
        return odds / (1 + odds) if odds < 1 else float(1 - Decimal(str(tidy(1 / (1 + odds)))))
    return value * 2**step


def _fit(scale: Scale, value: float, raw: Iterable[float], digits: int) -> list[Value]:
    """With so many significant digits, inside the bounds, of the value's own type, without the value itself."""
    found: list[Value] = []
    for new in raw:
        bounded = min(max(new, scale.low), scale.high)
        near = bounded if bounded in (scale.low, scale.high) else tidy(bounded, new, digits)
        typed: int | float = round(near) if isinstance(value, int) else float(near)
        open_end = scale.kind == "near1" and not 0 < typed < 1
        if typed != value and typed not in found and not open_end and scale.low <= typed <= scale.high:
            found.append(typed)
    return found


def tidy(value: float, raw: float | None = None, digits: int = 2) -> float:
    """So many significant digits; numbers just under 1 keep as many of what they lack."""
    raw = value if raw is None else raw
    if 0.8 <= raw < 1:
        return float(1 - Decimal(f"{1 - raw:.{digits - 1}e}"))
    if isinstance(raw, int) or raw == 0 or not math.isfinite(raw):
        return value
    return float(f"{raw:.{digits - 1}e}")


def rung(value: int) -> int | None:
    """The place of 1, 2, 3, 4, 6, 8, 12, 16, ... on the ladder of sizes, two to a doubling; None off it."""
    power = value.bit_length() - 1
    if value > 0 and value == 1 << power:
        return 2 * power
    return 2 * power + 1 if value > 2 and value == 3 << (power - 1) else None


def _on_rung(place: int) -> int:
    power, half = divmod(max(place, 0), 2)
    return (3 << (power - 1)) if half and power else 1 << power


# ---- writing ---------------------------------------------------------------------------------------------------


def write(value: Value, like: str) -> str:
    """The value as Python, in the manner of what stood there: 3e-3 stays an exponent, 10_000 keeps its grouping."""
    if isinstance(value, str):
        plain = like[:1] in "\"'" and value.isprintable() and not set(value) & {"\\", like[:1]}
        return f"{like[0]}{value}{like[0]}" if like and plain else repr(value)
    if isinstance(value, bool):
        return str(value).lower() if like in ("true", "false") else str(value)
    if isinstance(value, int):
        power = re.fullmatch(r"(2\s*\*\*\s*|1\s*<<\s*)\d+", like)
        if power and value > 0 and value.bit_count() == 1:
            return f"{power[1]}{value.bit_length() - 1}"
        return f"{value:_}" if "_" in like else str(value)
    mark = re.search(r"[eE]", like)
    if mark and value:
        digits, exponent = f"{Decimal(repr(value)).normalize():e}".split("e")
        return f"{digits}{mark[0]}{int(exponent)}"
    fixed = format(Decimal(repr(value)), "f")
    return fixed if "." in fixed else fixed + ".0"


def number(text: object) -> int | float | None:
    """The number that a text is, or that stands there already; None for anything else."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return text
    if not isinstance(text, str) or not re.fullmatch(NUMBER, text):
        return None
    try:
        return int(text) if re.fullmatch(r"[+-]?\d[\d_]*", text) else float(text)
    except ValueError:
        return None


# ---- comments --------------------------------------------------------------------------------------------------


def comment(text: str, where: str) -> Scale | None:
    """What a `# knob:` comment asks for; None for `off`. Raises TrackError when it cannot be read."""
    rest = text.strip()
    if rest == "off":
        return None
    if ranged := RANGE.fullmatch(rest):
        kind, low, high = ranged.groups()
        return _ranged(cast(Kind, kind), low, high, f"{where}: `# knob: {kind} {low}..{high}`")
    if rest.startswith("choice ") and len(rest.split()) > 2:
        return Scale("choice", choices=tuple(_value(word) for word in rest.split()[1:]))
    raise TrackError(f"{where}: `# knob: {rest}` is not understood; write `log 1e-4..1e-1`, `linear 0..1`, `int 1..8`, "
                     "`size 32..512`, `choice a b c` or `off`")


def _ranged(kind: Kind, low: str, high: str, said: str) -> Scale:
    try:
        scale = Scale(kind, float(low), float(high))
    except ValueError as error:
        raise TrackError(f"{said} has a bound that is not a number") from error
    if scale.low >= scale.high:
        raise TrackError(f"{said} must go from the smaller to the larger number")
    if kind in ("log", "size") and scale.low <= 0:
        raise TrackError(f"{said} must stay above 0, or be linear")
    return scale


def _value(word: str) -> Value:
    try:
        value = ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word
    return value if isinstance(value, bool | int | float | str) else word


def suits(scale: Scale, value: Value) -> bool:
    """Whether a value can be turned on this scale."""
    if scale.kind == "choice":
        return isinstance(value, str) == all(isinstance(choice, str) for choice in scale.choices)
    whole = scale.kind in ("int", "size")
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)
