"""A knob: something that can be turned, and how much it is worth to turn it."""

from __future__ import annotations

from msgspec import Struct

from overnight.researchers.knobs import words
from overnight.researchers.knobs.edit import Span
from overnight.researchers.knobs.scales import Scale, Value

CAPITALS, TOP, LOCAL = 1.0, 0.9, 0.6  # the worth of a constant in capitals, at the top of a file, inside a block
ASKED_FOR = 1.2  # the worth of what carries a `knob:` comment


class Knob(Struct, frozen=True):
    """Something that can be turned.

    id      path:where, the same before and after edits elsewhere
    path    the file
    label   what a person calls it
    span    where its literal stands in the file, in characters
    text    the literal as written
    value   what it is worth
    scale   how it turns
    worth   how promising it looks, about 0.1 to 1.4
    line    where it stands, counted from 1
    """

    id: str
    path: str
    label: str
    span: Span
    text: str
    value: Value
    scale: Scale
    worth: float
    line: int = 0


def structure(name: str, value: Value, worth: float) -> bool:
    """Whether a value is there to start a count, to mean "none" or to point at an end, rather than to be turned."""
    if isinstance(value, bool | str):
        return False
    if isinstance(value, float):
        return value == 0 and not words.named(name, words.MAYBE_ZERO) and worth < CAPITALS
    started = value in (0, 1) and worth in (LOCAL, TOP) and words.promise(name) < 1
    return started or value < 0 or (value == 0 and (worth < 0.75 or words.promise(name) < 1))
