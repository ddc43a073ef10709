"""What can be wrong with an answer, and JSON as strictly as one is read.

Covered: a key twice, NaN, infinity (1e999 too), lists in lists in lists without end.
"""

from __future__ import annotations

import json
import math
from typing import Any

DEEPEST = 64  # lists and objects inside one another


class Foul(Exception):
    """The candidate broke the rules; the message is one sentence that names how."""


class Broken(Exception):
    """The candidate answered nonsense, too much, too little, too late, or died; the message is one sentence."""


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
