"""What a scorer says in the end: numbers, or the one sentence on why there are none.

Covered: numbers that are not finite, not real or no numbers; an oracle whose unasked words were taken for an answer, because
the question came before them.
Not covered: a scorer that computes the wrong number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from overnight.scoring.answer import Broken, Foul
from overnight.scoring.oracle import MORE, Oracle

MOST_REASON_CHARACTERS = 300  # characters of a reason


def main(score: Callable[[], Mapping[str, object]]) -> None:
    """Score, and print exactly one JSON object: the metrics, {"foul": why} or {"invalid": why}. Other errors are the
    scorer's own and end it."""
    try:
        result: dict[str, Any] = {name: _number(name, value) for name, value in score().items()}
    except Foul as foul:
        result = {"foul": _sentence(foul)}
    except Broken as broken:
        unasked = Oracle.current is not None and Oracle.current.speaks_on()
        result = {"foul": MORE} if unasked else {"invalid": _sentence(broken)}
    print(json.dumps(result, allow_nan=False), flush=True)  # noqa: T201


def _sentence(error: Exception) -> str:
    return "".join(c if c.isprintable() else "?" for c in str(error)[:MOST_REASON_CHARACTERS]) or "no reason was given"


def _number(name: str, value: object) -> float:
    if name in ("foul", "invalid"):
        raise ValueError(f"a metric cannot be called '{name}': the harness would take it for a verdict.")
    if isinstance(value, bool) or not isinstance(value, Real):
        raise Broken(f"'{name}' is {type(value).__name__}, not a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Broken(f"'{name}' is {number}, not a finite number.")
    return number
