"""Parts of a page that share a bounded number of tokens: what one does not need, the others have. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from overnight.untrusted import PER_TOKEN, tokens

GAP = 2  # tokens of the empty line between two parts
FIRST = 1000.0  # share of a part that is to be there whatever else is


class Part(Struct, frozen=True):
    """A part of a page.

    share   of the room, where room is short
    render  tokens that there are -> the text, and a sentence on what of it was left out; "" for nothing
    """

    share: float
    render: Callable[[int], tuple[str, str]]


def cost(text: str) -> int:
    """Tokens of a part and of the empty line below it."""
    return tokens(text) + GAP if text else 0


def written(parts: Sequence[Part], room: int) -> tuple[str, list[str]]:
    """Parts one below the other, within so many tokens, and what they left out."""
    made = [part.render(room - GAP) for part in parts]
    given = shares([cost(text) for text, _ in made], [part.share for part in parts], room)
    made = [done if cost(done[0]) <= most else part.render(most - GAP)
            for part, done, most in zip(parts, made, given, strict=True)]
    return "\n\n".join(text for text, _ in made if text), [missing for _, missing in made if missing]


def shares(needs: Sequence[int], weights: Sequence[float], room: int) -> list[int]:
    """Room for each: what it needs, if that is within its share; what those leave is shared by the others."""
    given = [0] * len(needs)
    hungry = [i for i, need in enumerate(needs) if need]
    while hungry:
        unit = max(0, room) / sum(weights[i] for i in hungry)
        content = [i for i in hungry if needs[i] <= unit * weights[i] * (1 + 1e-12)]
        for i in content or hungry:
            given[i] = needs[i] if content else int(unit * weights[i])
        room -= sum(given[i] for i in content)
        hungry = [i for i in hungry if i not in content] if content else []
    return given


def most(make: Callable[[int], str], count: int, room: int) -> int:
    """The largest number up to `count` with which a text stays within so many tokens; -1 if none does."""
    low, high = -1, count
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if tokens(make(middle)) <= room else (low, middle - 1)
    return low


# ---- kinds of parts --------------------------------------------------------------------------------------------


def short(text: str) -> Part:
    """A part that comes before others, and is there whole or not at all; nothing where there is no text."""
    return Part(FIRST, lambda room: (text, "") if tokens(text) <= room else ("", "A part of the page had no room."))


def listed(share: float, head: str, lines: Sequence[str], what: str) -> Part:
    """As many lines as fit, from the first one on; nothing where there are none."""
    def make(count: int) -> str:
        return "\n".join([head, *lines[:count], *([f"- and {len(lines) - count:,} more"] if count < len(lines) else [])])

    def render(room: int) -> tuple[str, str]:
        count = most(make, len(lines), room)
        missing = f"{len(lines) - max(0, count):,} of {len(lines):,} {what}." if count < len(lines) else ""
        return make(count) if count >= 0 else "", missing

    return Part(share, render if lines else lambda room: ("", ""))


def long(share: float, text: str, make: Callable[[int], str], what: str) -> Part:
    """As much of a text as fits; `make` gives the part with so many characters of it. Nothing where there is no text."""
    def render(room: int) -> tuple[str, str]:
        count = most(make, min(len(text), PER_TOKEN * max(0, room)), room)
        missing = f"{len(text) - max(0, count):,} of {len(text):,} characters of {what}." if count < len(text) else ""
        return make(count) if count >= 0 else "", missing

    return Part(share, render if text else lambda room: ("", ""))
