"""What earlier experiments teach: what was kept, and what failed, put together by why and by what was tried. Pure.

Titles and reasons that differ only in their numbers are one: nobody reads two hundred lines to learn three things.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from overnight.contracts import Past
from overnight.words import line

TITLE = 160  # characters of a title or a reason
VALUES = 4  # different numbers that are named at one place of a title
NUMBER = re.compile(r"[-+]?(?:\b(?:inf|nan)\b|[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")


class Tried(Struct, frozen=True):
    """Experiments whose titles differ only in their numbers.

    title    of them all: where they differ, the numbers in braces
    best, worst  effect, positive is better; None if none was measured
    broken   how many of them passed a guard's bound
    """

    title: str
    experiments: tuple[int, ...]
    best: float | None
    worst: float | None
    broken: int = 0


class Failure(Struct, frozen=True):
    """Experiments that ended for the same reason.

    reason  of them all: where they differ, "N"
    tried   the nearest to a keep first
    """

    verdict: str
    reason: str
    tried: tuple[Tried, ...]

    @property
    def count(self) -> int:
        """How many experiments that were."""
        return sum(len(tried.experiments) for tried in self.tried)


def title(message: str) -> str:
    """The first line of a message."""
    return line(message.lstrip().partition("\n")[0], TITLE)


def why(message: str) -> str:
    """What a message says below its title, as one line."""
    return line(message.lstrip().partition("\n")[2], 2 * TITLE)


def kept(history: Sequence[Past], frontier: int) -> list[Past]:
    """The experiments that the frontier is made of, oldest first."""
    by_number, chain = {past.id: past for past in history}, []
    while past := by_number.pop(frontier, None):
        chain.append(past)
        frontier = past.base
    return chain[::-1]


def failures(history: Iterable[Past]) -> list[Failure]:
    """What did not become a keep, the most frequent reason first."""
    groups: dict[tuple[str, str], list[Past]] = {}
    for past in history:
        if past.verdict not in ("keep", "open"):
            groups.setdefault((past.verdict, _shape(line(past.reason, TITLE))), []).append(past)
    found = [Failure(verdict, _merged([line(p.reason, TITLE) for p in pasts], 1), tuple(_tried(pasts)))
             for (verdict, _), pasts in groups.items()]
    return sorted(found, key=lambda f: (-f.count, f.tried[0].experiments))


def _tried(pasts: Iterable[Past]) -> list[Tried]:
    groups: dict[str, list[Past]] = {}
    for past in pasts:
        groups.setdefault(_shape(title(past.message)), []).append(past)
    return sorted(map(_together, groups.values()), key=lambda t: (-math.inf if t.best is None else t.best, t.experiments),
                  reverse=True)


def _together(pasts: Sequence[Past]) -> Tried:
    effects = [p.effect for p in pasts if p.effect is not None and math.isfinite(p.effect)]
    broken = sum(p.strain is not None and p.strain > 1 for p in pasts)
    return Tried(_merged([title(p.message) for p in pasts], VALUES), tuple(p.id for p in pasts),
                 max(effects, default=None), min(effects, default=None), broken)


def _shape(text: str) -> str:
    """A clean text without its numbers."""
    return NUMBER.sub("\0", text).lower()


def _merged(texts: Sequence[str], most: int) -> str:
    """Texts of one shape as one text. Numbers that differ stand in braces, so many of them; with `most` 1 as "N"."""
    numbers = [list(dict.fromkeys(place)) for place in zip(*map(NUMBER.findall, texts), strict=True)]
    shown = iter([n[0] if len(n) == 1 else "N" if most == 1 else f"{{{', '.join(n[:most])}{', …' * (len(n) > most)}}}"
                  for n in numbers])
    return line(NUMBER.sub(lambda _: next(shown), texts[0]), 2 * TITLE)
