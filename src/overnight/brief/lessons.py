"""What earlier experiments teach: what was kept, and what failed, put together by why and by what was tried. Pure.

Titles and reasons that differ only in their numbers are one entry, so that three lessons do not take two hundred lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from overnight.contracts import Past
from overnight.untrusted import line

TITLE = 160  # characters of a title or a reason
PROMISING = "promising"  # what a finding says of a change that may yet be worth having
VALUES = 5  # different numbers that are named at one place of a title
LINES = re.compile(r", lines? \d[\d, and]*(?=[;)][^()]*$)")  # where in a file a title says something stood: it moves
NUMBER = re.compile(r"[-+]?(?:\b(?:inf|nan)\b|[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")


class SimilarExperiments(Struct, frozen=True):
    """Experiments whose titles differ only in their numbers.

    title    of them all: where they differ, the numbers in braces
    best, worst  effect, positive is better; None if none was measured
    broken   how many of them passed a guard's bound
    chance   that the most promising of them is worth having; None where nothing is known of that
    """

    title: str
    experiments: tuple[int, ...]
    best: float | None
    worst: float | None
    broken: int = 0
    chance: float | None = None


class SharedFailure(Struct, frozen=True):
    """Experiments that ended in the same way.

    reason  what was found of them all, or else why they ended: where they differ, "N"
    tried   the most promising first
    """

    verdict: str
    reason: str
    tried: tuple[SimilarExperiments, ...]

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


def promising(history: Iterable[Past]) -> list[Past]:
    """What was discarded and may yet be worth having, the most promising first."""
    return sorted((p for p in history if p.finding == PROMISING), key=lambda p: (-(p.chance or 0.0), p.id))


def failures(history: Iterable[Past]) -> list[SharedFailure]:
    """What did not become a keep and is not promising, the most frequent reason first."""
    groups: dict[tuple[str, str], list[Past]] = {}
    for past in history:
        if past.verdict not in ("keep", "open") and past.finding != PROMISING:
            groups.setdefault((past.verdict, _shape(_reason(past))), []).append(past)
    found = [SharedFailure(verdict, _merged([_reason(past) for past in pasts]), tuple(_tried(pasts)))
             for (verdict, _), pasts in groups.items()]
    return sorted(found, key=lambda f: (-f.count, f.tried[0].experiments))


def _reason(past: Past) -> str:
    """The word for what was found, where there is one: the referee's reason says only why it stopped there."""
    return past.finding or line(past.reason, TITLE)


def _tried(pasts: Iterable[Past]) -> list[SimilarExperiments]:
    groups: dict[str, list[tuple[str, Past]]] = {}
    for past in pasts:
        name = _ordered(title(past.message))
        groups.setdefault(_shape(name), []).append((name, past))
    return sorted(map(_together, groups.values()), reverse=True, key=lambda t: (
        t.chance or 0.0, -math.inf if t.best is None else t.best, t.experiments))


def _ordered(name: str) -> str:
    """A title that lists what was turned, in an order that does not depend on which came first, and without its lines."""
    name = LINES.sub("", name)
    listed = re.fullmatch(r"(.*?)( \([^()]*\))?", name)
    clauses = listed[1].split(", ") if listed else []
    if listed is None or not all("->" in clause for clause in clauses):
        return name
    return ", ".join(sorted(clauses, key=_shape)) + (listed[2] or "")


def _together(tried: Sequence[tuple[str, Past]]) -> SimilarExperiments:
    pasts = [past for _, past in tried]
    effects = [effect for past in pasts if (effect := _effect(past)) is not None]
    broken = sum(p.guard_usage is not None and p.guard_usage > 1 for p in pasts)
    return SimilarExperiments(_varied([name for name, _ in tried], pasts), tuple(p.id for p in pasts),
                 max(effects, default=None), min(effects, default=None), broken,
                 max((past.chance for past in pasts if past.chance is not None), default=None))


def _effect(past: Past) -> float | None:
    return past.effect if past.effect is not None and math.isfinite(past.effect) else None


# ---- texts that differ in their numbers ------------------------------------------------------------------------


def _shape(text: str) -> str:
    """A clean text without its numbers."""
    return NUMBER.sub("\0", text).lower()


def _merged(texts: Sequence[str]) -> str:
    """Texts of one shape as one, with "N" where their numbers differ."""
    return _filled(texts[0], [numbers[0] if len(set(numbers)) == 1 else "N" for numbers in _places(texts)])


def _varied(names: Sequence[str], pasts: Sequence[Past]) -> str:
    """Titles of one shape as one, with the numbers in braces where they differ; where that is one place, each with the best
    that it gave."""
    places = _places(names)
    differ = [place for place in places if len(set(place)) > 1]
    if len(differ) == 1:
        best = dict.fromkeys(differ[0], -math.inf)
        for value, past in zip(differ[0], pasts, strict=True):
            effect = _effect(past)
            best[value] = max(best[value], -math.inf if effect is None else effect)
        chosen = sorted(best, key=lambda value: best[value], reverse=True)[:VALUES]
        told = [f"{value}: {best[value]:+.2g}" if best[value] > -math.inf else value
                for value in sorted(chosen, key=lambda value: float(value.replace("_", "")))]
        return _filled(names[0], [place[0] if place is not differ[0] else _braces(told, len(best)) for place in places])
    return _filled(names[0], [place[0] if place not in differ else
                              _braces(list(dict.fromkeys(place))[:VALUES], len(set(place))) for place in places])


def _places(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """The numbers of texts of one shape: for each place the number of each text."""
    return list(zip(*map(NUMBER.findall, texts), strict=True))


def _filled(text: str, numbers: Iterable[str]) -> str:
    """A text with other things in the place of its numbers."""
    given = iter(numbers)
    return line(NUMBER.sub(lambda _: next(given), text), 2 * TITLE)


def _braces(values: Sequence[str], count: int) -> str:
    return f"{{{', '.join(values)}{', …' * (count > len(values))}}}"
