"""What a scorer says in the end: numbers, or the one sentence on why there are none.

Covered: numbers that are not finite, not real or no numbers; JSON with a key twice, NaN, infinity (1e999 too), or lists in
lists in lists without end.
Not covered: a scorer that computes the wrong number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

DEEPEST = 64  # lists and objects inside one another
MOST_REASON_CHARACTERS = 300  # characters of a reason


class Foul(Exception):
    """The candidate broke the rules; the message is one sentence that names how."""


class Broken(Exception):
    """The candidate answered nonsense, too much, too little, too late, or died; the message is one sentence."""


def main(score: Callable[[], Mapping[str, object]]) -> None:
    """Score, and print exactly one JSON object: the metrics, {"foul": why} or {"invalid": why}. Other errors are the
    scorer's own and end it."""
    try:
        result: dict[str, Any] = {name: _number(name, value) for name, value in score().items()}
    except Foul as foul:
        result = {"foul": _sentence(foul)}
    except Broken as broken:
        result = {"invalid": _sentence(broken)}
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


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


_STRICT = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)


def parse(data: bytes | bytearray, what: str) -> Any:
    """The value of strict JSON in UTF-8; `what` names it in errors. Raises Broken."""
    try:
        value = _STRICT.decode(data.decode("utf-8"))
    except RecursionError:
        raise Broken(f"{what} is not JSON (it nests too deeply).") from None
    except ValueError as error:
        raise Broken(f"{what} is not JSON ({str(error)[:100]}).") from None
    if data.count(b"[") + data.count(b"{") > DEEPEST:
        _shallow(value, what)
    return value


def _shallow(value: object, what: str) -> None:
    """Raise Broken where a value holds more than DEEPEST levels."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [each for inner in level if isinstance(inner, (list, dict))
                 for each in (inner.values() if isinstance(inner, dict) else inner)]
        if not level:
            return
    raise Broken(f"{what} is not JSON (it nests too deeply).")
