"""The words of this field: which mean the same, which turn a sentence round. From glossary.txt, compared by their stems."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache, lru_cache, partial
from importlib.resources import files

from msgspec import Struct

from overnight.errors import extra

SLIP = 0.86  # how alike a word must be to one of the glossary to be that word misspelt
SHORTEST = 5  # letters of a word that may be misspelt: shorter ones are too like others
STOPS = frozenset(".,;:()!?")
_TOKEN = re.compile(r"(?<=[a-z])[-_]?\d+(?![\d.]*\d*[a-z])|\d+(?:\.\d+)?(?:e-?\d+)?|[a-z]+|[.,;:()!?]")
_PERCENT = re.compile(r"(?<=\d)\s*(?:%|percent|per cent)")
_BRITISH = re.compile(r"(?<=[a-z]{3})is(e|ed|es|ing|ation|ations|er|ers)$")


class Term(Struct, frozen=True):
    """Something that has a name: how much it counts, and the wider term that it belongs to ("" if none)."""

    name: str
    weight: float
    wider: str = ""


class Phrase(Struct, frozen=True):
    """Several words for a term. They stand near one another in any order; `exact` ones side by side in this one."""

    stems: frozenset[str]
    term: str
    exact: tuple[str, ...] = ()


class Glossary(Struct, frozen=True):
    """The glossary, by stems.

    terms    name -> term
    single   stem -> the term that this one word names
    phrases  a stem -> the phrases that are found by it
    lists    section -> the stems in it: "up", "down", "not", "replace", "empty"
    instead  the words before what is replaced, like "instead of"
    numbers  stem -> the number that it says
    silent   words and signs that say nothing by themselves
    signs    words that are numbers or turn others
    steers   words at which something may begin that is replaced
    """

    terms: dict[str, Term]
    single: dict[str, str]
    phrases: dict[str, list[Phrase]]
    lists: dict[str, frozenset[str]]
    instead: tuple[tuple[str, ...], ...]
    numbers: dict[str, float]
    silent: frozenset[str]
    signs: frozenset[str]
    steers: frozenset[str]


# ---- words -----------------------------------------------------------------------------------------------------


def tokens(text: str) -> list[str]:
    """A text as stems, numbers and punctuation; a number that is glued to a word, as in a name, begins with "_"."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = _PERCENT.sub("e-2", folded)
    return [_token(found, folded) for found in _TOKEN.finditer(folded)]


def _token(found: re.Match[str], text: str) -> str:
    word = found[0]
    if word.isalpha():
        return stem(word)
    glued = found.start() > 0 and text[found.start() - 1].isalpha() and word[-1].isdigit()
    return "_" + word.lstrip("-_") if glued else word


Stem = Callable[[str], str]
Nearest = Callable[[str, Sequence[str]], tuple[str, float, int] | None]


@cache
def _libraries() -> tuple[Stem, Nearest]:
    """What finds the stem of a word, and the nearest of many words within SLIP. Raises ExtraMissing."""
    with extra("similarity", "recognising an idea in other words"):
        import snowballstemmer
        from rapidfuzz import process
        from rapidfuzz.distance import Indel
    return (snowballstemmer.stemmer("english").stemWord,
            partial(process.extractOne, scorer=Indel.normalized_similarity, score_cutoff=SLIP))


@cache
def _spelling() -> dict[str, str]:
    return dict(pair.split() for pair in _listed("spelling"))


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of a word, in American spelling. Raises ExtraMissing, as does all that needs stems."""
    spelt = _BRITISH.sub(r"iz\1", _spelling().get(word[:40], word[:40]))
    return str(_libraries()[0](re.sub(r"izers?$", "iz", spelt)))


# ---- the file --------------------------------------------------------------------------------------------------


@cache
def _sections() -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in files("overnight.ideas").joinpath("glossary.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def _listed(section: str) -> list[str]:
    return [entry.strip() for line in _sections()[section] for entry in line.split(",")]


@cache
def load() -> Glossary:
    """The glossary that comes with Overnight."""
    lists = {name: frozenset(stems[0] for entry in _listed(name) if len(stems := tokens(entry)) == 1)
             for name in ("up", "down", "not", "replace", "empty")}
    terms: dict[str, Term] = {}
    single: dict[str, str] = {}
    phrases: dict[str, list[Phrase]] = {}
    for section in _sections():
        weight = section.rpartition(" ")[2]
        for line in _sections()[section] if weight.isdigit() else ():
            term, variants = _entry(line, float(weight))
            terms.setdefault(term.name, term)
            for variant in variants:
                _file(variant, term.name, lists["empty"], single, phrases)
    for found in phrases.values():
        found.sort(key=lambda phrase: -len(phrase.stems))
    numbers = {stem(word): float(value) for word, value in (entry.split() for entry in _listed("numbers"))}
    instead = tuple(tuple(tokens(entry)) for entry in _listed("instead"))
    signs = frozenset(numbers).union(*(lists[name] for name in ("up", "down", "not", "replace")))
    steers = lists["replace"] | {words[0] for words in instead}
    return Glossary(terms, single, phrases, lists, instead, numbers, lists["empty"] | STOPS, signs, steers)


def _entry(line: str, weight: float) -> tuple[Term, list[str]]:
    """A line of the file: the term, and all words for it."""
    head, _, rest = line.partition(":")
    name, _, wider = (part.strip() for part in head.partition(">"))
    if own := re.fullmatch(r"(.*) ([123])", name):
        name, weight = own[1], float(own[2])
    return Term(name, weight, wider), [name, *(variant.strip() for variant in rest.split(",") if variant.strip())]


def _file(variant: str, term: str, empty: frozenset[str], single: dict[str, str], phrases: dict[str, list[Phrase]]) -> None:
    """Put one variant where it will be found."""
    stems = tokens(variant.replace("-", " "))
    telling = [s for s in stems if s not in empty]
    if not telling or (len(telling) == 1 and len(stems) > 1):
        telling = stems
    if len(telling) == 1:
        single.setdefault(telling[0], term)
    elif len(key := frozenset(telling)) > 1:
        first = min(key, key=lambda s: (s in empty, -len(s), s))
        phrases.setdefault(first, []).append(Phrase(key, term, tuple(stems) if "-" in variant else ()))


# ---- slips of the pen ------------------------------------------------------------------------------------------


@cache
def _known() -> dict[str, list[str]]:
    """Every stem of the glossary, by its first letter, in alphabetical order."""
    glossary = load()
    stems = {s for found in glossary.phrases.values() for phrase in found for s in phrase.stems}
    stems.update(glossary.single, glossary.numbers, *glossary.lists.values())
    known: dict[str, list[str]] = {}
    for each in sorted(stems):
        known.setdefault(each[:1], []).append(each)
    return known


@lru_cache(maxsize=1 << 16)
def healed(word: str) -> str:
    """The stem of the glossary that a stem is, misspelt; the stem itself, if it is none."""
    known = _known().get(word[:1], [])
    if len(word) < SHORTEST or not word.isalpha() or word in known:
        return word
    near = _libraries()[1](word, known)
    return str(near[0]) if near else word
