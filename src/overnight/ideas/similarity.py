"""Whether two ideas are the same one in other words, so that what was tried before is not paid for again.

Covered: other word forms, British and American spelling, slips of the pen, this field's synonyms (glossary.txt); another
direction, another number, a thing taken away instead of added and a replacement turned round are other ideas.
Not covered: what only the meaning of a whole sentence tells, and synonyms that are not in the glossary. Without the
extra `similarity` an idea is only known again by its own words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from msgspec import Struct

from overnight.errors import ExtraMissing
from overnight.ideas.glossary import STOPS, Glossary, Phrase, healed, load, tokens

MOST_COMPARED_CHARACTERS = 600  # of an idea: its title and the beginning of its text
ALIKE = 0.45  # score from which two ideas count as the same one: python -m bench ideas
BETWEEN = 2  # words that may stand between those of a phrase
REACH = 6  # words that a "without" reaches
RENAMED = 8  # words that may stand between "replace" and "by"

# What things count, and what is left of a score where two ideas differ so: found by search on tests/data/ideas.tsv.
WORD, NUMBER, WAY = 0.5, 1.5, 0.3  # a word that is not in the glossary, a number, a direction
WIDER = 0.2  # of a term's weight: its wider term
REPLACED = 0.2  # of its weight: what is to be replaced
REASON = 0.8  # of its weight: what stands in a reason
MUTUAL, ALONE = 1.0, 0.3  # what a side lacks: as much as the other lacks too; beyond that
OTHER_NUMBER, LONE_NUMBER, OTHER_WAY, OTHER_KIND = 0.2, 0.75, 0.2, 0.2
NAME, STRANGE = 3.0, 0.8  # weight of what has a name of its own; for each strange word on both sides, if no name is shared
TURNED, TURNED_PART = 0.3, 0.8  # what is added here is removed there: their main thing; another one

# Where a reason begins: a word, and what has to follow it.
_WHY: dict[str, list[list[str]]] = {"becaus": [], "sinc": [], "so": [["that"], ["we"]], "to": [["avoid"]]}
_TURNS = {"to", "so", "and", "but", "that", "when", "after", "dure", "from", "becaus", "sinc", "for"}
_WITH = {"by", "with", "for", "to"}


class Features(Struct, frozen=True):
    """What an idea is about.

    terms    term -> weight; what is to be replaced begins with "-", a word outside the glossary with "."
    kinds    term -> its wider term, for those that have one and stand in the text themselves
    turned   terms that are to be taken away
    numbers  that occur
    ways     of "up" and "down", those that it goes
    size     the sum of all weights
    """

    terms: dict[str, float]
    kinds: dict[str, str]
    turned: frozenset[str]
    numbers: frozenset[float]
    ways: frozenset[str]
    size: float


def alike(text: str, others: Sequence[str]) -> list[tuple[int, float]]:
    """Which of the others are the same idea in other words: their places and scores (0 to 1), best first. Without the extra
    `similarity`, which are the same text but for case and white space."""
    if missing():
        mine = _spaced(text)
        return [(place, 1.0) for place, other in enumerate(others) if _spaced(other) == mine]
    found = features(text[:MOST_COMPARED_CHARACTERS])
    scores = [(place, likeness(found, features(other[:MOST_COMPARED_CHARACTERS]))) for place, other in enumerate(others)]
    return sorted((each for each in scores if each[1] >= ALIKE), key=lambda each: (-each[1], each[0]))


def missing() -> str:
    """One sentence on what to install so that ideas are recognised in other words; "" where it is installed."""
    try:
        load()
    except ExtraMissing as error:
        return str(error)
    return ""


def _spaced(text: str) -> str:
    """A text whose case and white space say nothing."""
    return " ".join(text.casefold().split())


# ---- two ideas -------------------------------------------------------------------------------------------------


def likeness(one: Features, two: Features) -> float:
    """How alike two ideas are, 0 to 1: what they share, against what each has that the other lacks."""
    shared = {term: min(weight, two.terms[term]) for term, weight in one.terms.items() if term in two.terms}
    things = {term: weight for term, weight in shared.items() if term[0] not in "~#."}
    if not things and not any(term[0] == "." for term in shared):
        return 0.0
    turned = one.turned ^ two.turned
    common = sum(weight * (TURNED_PART if term in turned else 1.0) for term, weight in shared.items())
    lacks = sorted((one.size - common, two.size - common))
    return common / (common + MUTUAL * lacks[0] + ALONE * lacks[1]) * _left(one, two, things, turned)


def _left(one: Features, two: Features, things: dict[str, float], turned: frozenset[str]) -> float:
    """What is left of a score after all in which two ideas contradict each other."""
    left = 1.0
    if one.numbers and two.numbers:
        left *= 1.0 if one.numbers & two.numbers else OTHER_NUMBER
    elif one.numbers or two.numbers:
        left *= LONE_NUMBER
    if one.ways and two.ways and not one.ways & two.ways:
        left *= OTHER_WAY
    mine, theirs = one.terms.keys() - two.terms.keys(), two.terms.keys() - one.terms.keys()
    if {one.kinds.get(term, "") for term in mine} & {two.kinds.get(term, "") for term in theirs} - {""}:
        left *= OTHER_KIND  # Adam here and Lion there are two optimisers
    if not any(weight >= NAME for weight in things.values()):
        left *= STRANGE ** min(sum(term[0] == "." for term in terms) for terms in (mine, theirs))
    main = [term for term, weight in things.items() if weight >= max(things.values())]
    return left * (TURNED if main and turned.issuperset(main) else 1.0)


# ---- one idea --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 15)
def features(text: str) -> Features:
    """What a text is about."""
    glossary = load()
    stems = [healed(token) for token in tokens(text)]
    hits = _hits(stems, glossary)
    spent = {place for _, places in hits for place in places}
    signs = _Signs(stems, spent, glossary)
    terms: dict[str, float] = {}
    kinds: dict[str, str] = {}
    turned: dict[str, bool] = {}
    for name, place in _named(stems, hits, spent, glossary):
        for term, weight in _weights(name, glossary):
            key = "-" + term if place in signs.replaced else term
            terms[key] = max(terms.get(key, 0.0), weight * signs.weight(place))
            turned[key] = turned.get(key, True) and place in signs.turned
        if place not in signs.replaced and place < signs.why and name in glossary.terms:
            kinds[name] = glossary.terms[name].wider
    numbers = frozenset(glossary.numbers[each] if each in glossary.numbers else float(each)
                        for each in stems if each in glossary.numbers or each[0].isdigit())
    ways = signs.ways()
    terms |= {f"~{way}": WAY for way in ways | ({"not"} if signs.turned else set())} | {f"#{n:g}": NUMBER for n in numbers}
    return Features(terms, {name: kind for name, kind in kinds.items() if kind},
                    frozenset(key for key, all_turned in turned.items() if all_turned), numbers, ways, sum(terms.values()))


def _weights(name: str, glossary: Glossary) -> Iterator[tuple[str, float]]:
    """A term and its wider one, with what they count."""
    term = glossary.terms.get(name)
    yield name, term.weight if term else WORD
    if term and term.wider:
        yield term.wider, term.weight * WIDER


def _hits(stems: list[str], glossary: Glossary) -> list[tuple[str, list[int]]]:
    """The terms that are named by several words, and where these stand; longer phrases before shorter ones."""
    places: dict[str, list[int]] = {}
    ranks, rank = [], -1
    for place, each in enumerate(stems):
        rank += each not in glossary.silent
        ranks.append(rank)
        places.setdefault(each, []).append(place)
    found = [(phrase, near) for place, each in enumerate(stems) for phrase in glossary.phrases.get(each, ())
             if phrase.stems <= places.keys() and (near := _near(phrase, place, stems, places, ranks))]
    hits: list[tuple[str, list[int]]] = []
    taken: set[int] = set()
    for phrase, near in sorted(found, key=lambda hit: -len(hit[0].stems)):
        if not taken.issuperset(near):
            taken.update(near)
            hits.append((phrase.term, near))
    return hits


def _near(phrase: Phrase, place: int, stems: list[str], places: dict[str, list[int]], ranks: list[int]) -> list[int]:
    """Where the words of a phrase stand around a place; none if they are too far apart."""
    if phrase.exact:
        start = place - phrase.exact.index(stems[place])
        whole = start >= 0 and tuple(stems[start:start + len(phrase.exact)]) == phrase.exact
        return [place, *(p for p in range(start, start + len(phrase.exact)) if p != place)] if whole else []
    others = phrase.stems - {stems[place]}
    near = [place, *(min(places[each], key=lambda p: abs(p - place)) for each in others)]
    spread = ranks[max(near)] - ranks[min(near)]
    return near if spread <= len(phrase.stems) - 1 + BETWEEN else []


def _named(stems: list[str], hits: list[tuple[str, list[int]]], spent: set[int],
           glossary: Glossary) -> Iterator[tuple[str, int]]:
    """Everything that the text names, with a place where it does: terms, and words outside the glossary."""
    yield from ((name, places[0]) for name, places in hits)
    for place, each in enumerate(stems):
        if place in spent or each in glossary.silent:
            continue
        if each in glossary.single:
            yield glossary.single[each], place
        elif each[0].isalpha() and each not in glossary.signs:
            yield "." + each, place


class _Signs:
    """Which words of a text name what is replaced or taken away, and where its reasons begin."""

    def __init__(self, stems: list[str], spent: set[int], glossary: Glossary) -> None:
        self.stems, self.glossary, self.spent = stems, glossary, spent
        places = list(enumerate(stems))
        self.why = next((p for p, each in places if each in _WHY and (not _WHY[each] or stems[p + 1:p + 2] in _WHY[each])),
                        len(stems))
        self.replaced = {q for p, each in places if each in glossary.steers for q in self._replaced(p)}
        self.turned = {q for p, each in places if each in glossary.lists["not"] for q in self._turned(p)}

    def weight(self, place: int) -> float:
        """What is left of the weight of a word."""
        return (REASON if place >= self.why else 1.0) * (REPLACED if place in self.replaced else 1.0)

    def ways(self) -> frozenset[str]:
        """Of "up" and "down", those that the text goes before it gives reasons."""
        plain = {each for place, each in enumerate(self.stems[:self.why]) if place not in self.replaced}
        return frozenset(way for way in ("up", "down") if plain & self.glossary.lists[way])

    def _replaced(self, place: int) -> range:
        for words in self.glossary.instead:
            if tuple(self.stems[place:place + len(words)]) == words:
                return range(place + len(words), self._until(place + len(words), _TURNS))
        if self.stems[place] in self.glossary.lists["replace"]:
            end = self._until(place + 1, _WITH, RENAMED)
            if end < len(self.stems) and self.stems[end] in _WITH:
                return range(place + 1, end)
        return range(0)

    def _turned(self, place: int) -> range:
        if self.stems[place] == "off":
            return range(max(0, place - 3), place)
        if place not in self.spent:
            return range(place + 1, self._until(place + 1, {"so", "becaus", "and", "but", "when", "that"}, REACH))
        return range(0)

    def _until(self, start: int, stop: set[str], most: int = 99) -> int:
        """Where a clause ends that begins at `start`, after at most so many words that count."""
        place = start
        while place < len(self.stems) and most and self.stems[place] not in STOPS | stop:
            most -= self.stems[place] not in self.glossary.silent
            place += 1
        return place
