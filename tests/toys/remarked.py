"""A record that a user's remark is kept in."""

from __future__ import annotations

from msgspec import Struct


class Remarked(Struct, frozen=True, tag="remarked", tag_field="kind"):
    """A user said something about an experiment."""

    at: float
    experiment: int
    text: str
