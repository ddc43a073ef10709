"""What a scorer printed, as numbers; or why it is no result.

Covered: a number that is missing, given twice, not finite, a boolean, text, or out of its declared range has a name and
is never a zero; so has a payload that died, and whatever limit it met. A candidate's words are cut and made printable.
Not covered: whether the scorer itself is right.
"""

from __future__ import annotations

import builtins
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

from msgspec.structs import replace

from overnight.contracts import Ended
from overnight.errors import Fault
from overnight.execution import failing
from overnight.lab.events import Outcome
from overnight.patterns import compiled
from overnight.track.contact.numbers import plain
from overnight.track.spec import HARNESS_METRICS, FurtherMetric, Metric
from overnight.track.units import printed
from overnight.untrusted import visible

MOST_NAME_CHARACTERS = 100  # letters of a metric's name
MOST_REASON_CHARACTERS = 240  # of a program's own words on why it failed
MOST_MATCHES = 10  # of a pattern that are counted: each search may go to the end of the output


class Invalid(Exception):
    """A run gave no usable number: how it ended and why, for the record."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


def succeeded(ended: Ended, what: str, limit: float, keys: Mapping[str, str] = {}, printed: bool = False) -> None:
    """Raise Invalid unless a payload ended well. `keys`: what the contract says of each bound that it may have passed;
    `printed`: what it printed may be told as well, not only its errors."""
    def bound(name: str) -> str:
        return f" ({keys[name]})" if name in keys else ""
    if ended.killed == "time":
        raise Invalid("timeout", f"{what} took longer than {limit:g} s{bound('time')}")
    if ended.killed == "memory" or (ended.code and b"MemoryError" in ended.stderr[-2000:]):
        raise Invalid("memory", f"{what} needed more memory than it may have{bound('memory')}")
    if ended.killed == "stopped":
        raise Fault(f"{what} was stopped from outside.")
    if ended.killed:
        raise Invalid("output", f"{what} wrote more {'files' if ended.killed == 'disk' else 'output'} than it may"
                                f"{bound(ended.killed)}")
    if ended.code:
        status = f"signal {-ended.code}" if ended.code < 0 else f"status {ended.code}"
        why = _printable(failing.told(ended.stderr, ended.stdout if printed else b"")[:MOST_REASON_CHARACTERS])
        raise Invalid("crash", f"{what} ended with {status}{why and f': {why}'}")


def _last_line(stderr: bytes) -> str:
    return (stderr.decode(errors="replace").strip().splitlines() or [""])[-1].strip()


def _printable(text: str) -> str:
    """A candidate's words, with nothing that a terminal would obey."""
    return visible(text[:300], keep="")


def read_metrics(scored: Ended, answered: Ended | None, limit: float, patience: float = 0.0) -> dict[str, float]:
    """The scorer's one JSON object as numbers. Raises Invalid with what is wrong about it, or what was foul."""
    if answered is not None and answered.killed != "stopped" and (answered.killed or scored.code):
        kind = _last_line(answered.stderr).partition(":")[0]
        known = kind.encode() if kind.endswith("Error") and hasattr(builtins, kind) else b""  # it heard the questions: no words
        succeeded(replace(answered, stderr=known), "the oracle", patience)  # what it did explains what the scorer met
    succeeded(scored, "the scorer", limit)
    try:
        found = json.loads(scored.stdout, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Invalid("invalid", f"the scorer did not print one JSON object ({_printable(str(error))})") from error
    if not isinstance(found, dict):
        raise Invalid("invalid", "the scorer did not print a JSON object")
    if "foul" in found:
        raise Invalid("foul", _printable(str(found["foul"])))
    if "invalid" in found:
        raise Invalid("invalid", _printable(str(found["invalid"])))
    if mine := HARNESS_METRICS & found.keys():
        raise Invalid("invalid", f"the scorer gives '{min(mine)}', which only the harness measures: it needs another name")
    return {name: _number(name, value) for name, value in found.items()}


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := next((n for n in names if names.count(n) > 1), None):
        raise ValueError(f"'{twice}' is given twice")
    return dict(pairs)


def _number(name: str, value: object) -> float:
    if not name.isprintable() or len(name) > MOST_NAME_CHARACTERS:
        raise Invalid("invalid", f"'{_printable(name[:MOST_NAME_CHARACTERS])}' is no name of a metric")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid("invalid", f"'{name}' is {type(value).__name__}, not a number")
    try:
        number = float(value)
    except OverflowError:
        raise Invalid("invalid", f"'{name}' is a whole number that no float can hold") from None
    if not math.isfinite(number):
        raise Invalid("invalid", f"'{name}' is {number}")
    return number


def self_reported(metric: Metric, output: bytes) -> float:
    """The number that a candidate printed; of several the one that the contract picks. Raises Invalid when it is absent,
    printed twice where nothing is picked, or no number."""
    text, search = plain(output.decode(errors="replace")), compiled(metric.pattern, lines=True)
    if metric.pick == "only":
        found = [match[1] or "" for match in islice(search.finditer(text), MOST_MATCHES)]
    else:  # each line by itself: a pattern that looked to the end of the output from each would take for ever
        found = [match[1] or "" for line in text.split("\n") if (match := search.search(line))]
    if not found or (metric.pick == "only" and len(found) > 1):
        times = f"{len(found)}{' or more' * (len(found) == MOST_MATCHES)} times"
        more = "" if not found else ": print it once, or say which counts with `pick = \"last\"` (or min, max) in [metric]"
        raise Invalid("invalid", f"the output matches '{_printable(metric.pattern)}' {times}, not once{more}")
    if metric.pick in ("only", "last"):
        return _number("the metric", _read(found[-1]))
    numbers = [number for number in map(_read, found) if math.isfinite(number)]
    if not numbers:
        raise Invalid("invalid", f"the output matches '{_printable(metric.pattern)}' with no finite number")
    return min(numbers) if metric.pick == "min" else max(numbers)


def reported(watches: Sequence[FurtherMetric], output: bytes) -> dict[str, float]:
    """The further metrics that a candidate printed, each by the last number that its pattern finds. One that is missing or no
    number is left out: it decides nothing, so it fails no run."""
    wanted, found = [watch for watch in watches if watch.pattern], dict[str, float]()
    text = plain(output.decode(errors="replace")) if wanted else ""
    for watch in wanted:
        search = compiled(watch.pattern, lines=True)
        matches = [match[1] or "" for line in text.split("\n") if (match := search.search(line))]
        with suppress(Invalid):
            found.update({watch.metric: _number(watch.metric, _read(matches[-1]))} if matches else {})
    return found


def _read(text: str) -> float:
    """A number as it is printed. Raises Invalid with what to change where a sign or a unit belongs to it."""
    try:
        return printed(text)
    except ValueError:
        pass
    number = re.match(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", text)
    behind = _printable(text[number.end():][:10]) if number else ""
    advice = f": let the group of the pattern end before '{behind}', like ([-+.,\\deE]+)" if number else ""
    raise Invalid("invalid", f"the output gives '{_printable(text[:80])}', not a number{advice}")


def within(name: str, value: float, bounds: tuple[float, float] | None) -> float:
    """A metric that its track's range allows. Raises Invalid."""
    if bounds is not None and not bounds[0] <= value <= bounds[1]:
        raise Invalid("invalid", f"'{name}' is {value:g}, and can only be from {bounds[0]:g} to {bounds[1]:g}")
    return value
