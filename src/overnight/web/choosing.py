"""Which experiments a list shows, and in what order: asked for in an address, so that every list has one. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import urlencode

from overnight.views.experiment import ExperimentView
from overnight.views.rows import Listed, picked, rows

EACH = 100  # rows of a page
VERDICTS = ("keep", "discard", "open", "crash", "foul")
LOWEST = float("-inf")

Key = Callable[[Listed], float | str]
SORTS: dict[str, Key] = {
    "number": lambda e: e.id,
    "verdict": lambda e: -VERDICTS.index(e.verdict.verdict),
    "effect": lambda e: LOWEST if e.verdict.effect is None else e.verdict.effect,
    "pairs": lambda e: e.verdict.pairs,
    "evidence": lambda e: LOWEST if e.verdict.e_value is None else e.verdict.e_value,
    "by": lambda e: e.researcher,
    "at": lambda e: e.proposed_at or 0.0,
}


@dataclass(frozen=True)
class Choice:
    """What an address asks for; "" and 0: everything.

    verdict     those that are shown
    cause, researcher, role, idea  what they have in common
    q           words that title, reason and researcher hold, in any case
    sort        by what, with "-" before it from the largest down
    page        the page of the list, from 1 on
    at          the experiment whose page it is, in the place of `page`
    """

    verdict: tuple[str, ...] = ()
    cause: str = ""
    researcher: str = ""
    role: str = ""
    idea: int = 0
    q: str = ""
    sort: str = "-number"
    page: int = 1
    at: int = 0

    def but(self, **other: object) -> str:
        """The query of the address that asks for the same but for this; from its first page on."""
        turned = replace(self, **({"page": 1, "at": 0} | other))  # type: ignore[arg-type]
        usual = Choice()
        every = {each.name: (getattr(turned, each.name), getattr(usual, each.name)) for each in fields(Choice)}
        asked = {key: ",".join(value) if isinstance(value, tuple) else value
                 for key, (value, other) in every.items() if value != other}
        return f"?{urlencode(asked, errors='replace')}" if asked else "?"

    def toggled(self, verdict: str) -> str:
        """The address with a verdict more, or less."""
        shown = set(self.verdict) ^ {verdict}
        return self.but(verdict=tuple(each for each in VERDICTS if each in shown))

    def sorted_by(self, key: str) -> str:
        """The address sorted by a column: from the largest down first, then turned round."""
        return self.but(sort=key if self.sort == f"-{key}" else f"-{key}")


class Part(NamedTuple):
    """A page of a list: its experiments, its number, how many pages and experiments there are, and the place of the first."""

    shown: tuple[ExperimentView, ...]
    page: int
    pages: int
    found: int
    first: int


def choice(asked: Mapping[str, str]) -> Choice:
    """What the query of an address asks for; what has no meaning is left out."""
    among = set(asked.get("verdict", "").split(","))
    sort = asked.get("sort", "")
    return Choice(
        tuple(each for each in VERDICTS if each in among), asked.get("cause", ""), asked.get("researcher", ""),
        asked.get("role", ""), whole(asked.get("idea", "")), " ".join(asked.get("q", "")[:200].split()),
        sort if sort.removeprefix("-") in SORTS else "-number", max(1, whole(asked.get("page", ""))),
        whole(asked.get("at", "")))


def whole(text: str) -> int:
    """A number in an address; 0 where it is none."""
    digits = text.strip().removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def chosen(wanted: Choice, among: Sequence[ExperimentView]) -> Sequence[ExperimentView]:
    """Those that are asked for, in the order that is asked for."""
    words, key = wanted.q.casefold().split(), SORTS[wanted.sort.removeprefix("-")]
    found = [(key(each), each.id, place) for place, each in enumerate(rows(among, told=bool(words)))
             if _fits(wanted, each) and (not words or _holds(each, words))]
    found.sort(key=itemgetter(1), reverse=True)
    found.sort(key=itemgetter(0), reverse=wanted.sort.startswith("-"))
    return picked(among, [place for _, _, place in found])


def _holds(each: Listed, words: Sequence[str]) -> bool:
    text = f"#{each.id} {each.message} {each.verdict.reason} {each.researcher}".casefold()
    return all(word in text for word in words)


def _fits(wanted: Choice, each: Listed) -> bool:
    return ((not wanted.verdict or each.verdict.verdict in wanted.verdict)
            and (not wanted.cause or each.cause == wanted.cause)
            and (not wanted.researcher or each.researcher == wanted.researcher)
            and (not wanted.role or each.role == wanted.role)
            and (not wanted.idea or each.idea == wanted.idea))


def part(wanted: Choice, found: Sequence[ExperimentView]) -> Part:
    """The page that is asked for; the last one where there are not so many."""
    pages = max(1, -(-len(found) // EACH))
    place = next((place for place, each in enumerate(rows(found)) if each.id == wanted.at), None) if wanted.at else None
    page = min(wanted.page, pages) if place is None else place // EACH + 1
    first = (page - 1) * EACH
    return Part(tuple(found[first:first + EACH]), page, pages, len(found), first + 1 if found else 0)


def counts(among: Sequence[ExperimentView], of: Mapping[str, Callable[[Listed], str]]) -> dict[str, dict[str, int]]:
    """By the name of each question, how many experiments have each of some words, the most frequent first; none where a word
    is ""."""
    found = {name: Counter[str]() for name in of}
    asked = [(found[name], ask) for name, ask in of.items()]
    for each in rows(among):
        for tally, ask in asked:
            tally[ask(each)] += 1
    return {name: {word: many for word, many in tally.most_common() if word} for name, tally in found.items()}
