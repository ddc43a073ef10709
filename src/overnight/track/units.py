"""Durations, sizes and bounds as the contract writes them ("90s", "2GiB", "1.25x"), and numbers as people read them. Pure."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from overnight.errors import TrackError

NEGLIGIBLE = 1e-12  # share of the numbers beside it below which a number is rounding, and reads 0
LEAST = 1e-145  # below it a number is no measurement, but what keeps a spread from being nothing
_NUMBER = r"(\d+\.?\d*)"
_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?(?:[eE][-+]?\d+)?")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


@lru_cache
def seconds(text: str) -> float:
    """"90s", "5min", "8h" or "1h30m" in seconds. Raises TrackError."""
    parts = re.findall(_NUMBER + r"\s*(ms|min|s|m|h|d)", text)
    if not parts or "".join(n + u for n, u in parts) != re.sub(r"\s", "", text):
        raise TrackError(f"'{text}' is not a duration: write it like 30s, 5min or 1h30m.")
    total = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not 0 < total < math.inf:
        raise TrackError(f"'{text}' is not a duration: it must be more than nothing.")
    return total


def size(text: str) -> int:
    """"1GiB" in bytes. Raises TrackError."""
    found = re.fullmatch(_NUMBER + r"\s*([KMG]i?B|B)", text.strip())
    if not found or not 0 < float(found[1]) < math.inf:
        raise TrackError(f"'{text}' is not a size: write it like 512MiB or 2GiB.")
    return int(float(found[1]) * _BYTES[found[2]])


def printed(text: str) -> float:
    """A number as programs print it, also with commas between its thousands. Raises ValueError."""
    return float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)


def bound(text: str | float) -> tuple[float, bool]:
    """A guard's bound as (number, whether it is a multiple of the baseline's). Raises TrackError."""
    if isinstance(text, int | float):
        if not math.isfinite(text):
            raise TrackError(f"'{text}' is not a bound: nothing can be beyond it.")
        return float(text), False
    if found := re.fullmatch(_NUMBER + r"\s*x", text.strip()):
        return float(found[1]), True
    for parse in (seconds, size):
        try:
            return float(parse(text)), False
        except TrackError:
            continue
    raise TrackError(f"'{text}' is not a bound: write 1.25x (of the baseline's), 40s, 1GiB or a number.")


def gained(gain: float, ratio: float | None, keeps: int, unit: str = "", scale: float = 0.0) -> str:
    """What so many keeps gained together, in words: how much lower or higher the metric is by the product of their ratios,
    where there is one, else their sum, positive is better, of a metric of the size `scale`."""
    if ratio is None:
        said = f"{'better' if gain >= 0 else 'worse'} by {number(abs(gain), 3, scale)} {unit}".rstrip()
    elif 0.05 <= ratio <= 2:
        said = f"{abs(100 * (ratio - 1)):.3g} % {'lower' if ratio < 1 else 'higher'}"
    else:
        said = f"{ratio:.3g} times the baseline's"
    return f"{said} (composed of {keeps:,} keeps)" if keeps > 1 else f"{said} pair by pair"


def number(value: float | None, digits: int = 4, scale: float = 0.0, sign: str = "") -> str:
    """A number for people, with so many digits: an en dash where there is none, 0 where it is nothing beside others of the size
    `scale`. `sign` is "+" for a difference, which shows its direction."""
    if value is None:
        return "–"
    nothing = abs(value) < LEAST or abs(value) < NEGLIGIBLE * abs(scale) < math.inf
    return "0" if nothing else f"{value:{sign}.{digits}g}"
