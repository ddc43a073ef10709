"""A small byte-pair encoder, in Python's standard library: pieces are learnt once from the training text, and frozen.

A text is cut into words first (a space belongs to the word behind it), and a piece never crosses from one word into the next.
The first 256 pieces are the bytes, so every text can be written. Nothing here is random: the same text gives the same pieces.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

WORD = re.compile(r" ?[A-Za-z]+| ?[0-9]{1,3}| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")
Pair = tuple[int, int]


def learn(text: str, count: int) -> list[bytes]:
    """`count` pieces: the bytes, then the pair of pieces that stands together most often, again and again. Of pairs that are
    as frequent the first in the order of their bytes is taken, so that no order of a table decides."""
    pieces = [bytes([byte]) for byte in range(256)]
    counts = Counter(WORD.findall(text))
    words = [list(word.encode()) for word in counts]
    times = list(counts.values())
    pairs, where = Counter[Pair](), defaultdict[Pair, set[int]](set)
    for number, word in enumerate(words):
        _count(word, times[number], number, pairs, where)
    while len(pieces) < count:
        if not pairs:
            raise ValueError(f"a text with so few words gives {len(pieces)} pieces, not {count}.")
        most = max(pairs.values())
        best = min((pair for pair, n in pairs.items() if n == most), key=lambda pair: (pieces[pair[0]], pieces[pair[1]]))
        pieces.append(pieces[best[0]] + pieces[best[1]])
        for number in where.pop(best):
            _count(words[number], -times[number], number, pairs, where)
            words[number] = joined(words[number], best, len(pieces) - 1)
            _count(words[number], times[number], number, pairs, where)
        pairs = +pairs  # without those that are gone
    return pieces


def _count(word: list[int], times: int, number: int, pairs: Counter[Pair], where: dict[Pair, set[int]]) -> None:
    """Add a word's pairs, or with negative times take them away; a word that lost a pair may still be named for it."""
    for pair in pairwise(word):
        pairs[pair] += times
        if times > 0:
            where[pair].add(number)


def joined(word: list[int], pair: Pair, made: int) -> list[int]:
    """A word with each such pair, from left to right, as one piece."""
    found, at = list[int](), 0
    while at < len(word):
        both = tuple(word[at:at + 2]) == pair
        found.append(made if both else word[at])
        at += 2 if both else 1
    return found


class Encoder:
    """Writes texts in pieces: in each word the pieces that were learnt first are joined first."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.number = {piece: number for number, piece in enumerate(pieces)}
        self.pieces, self.known = pieces, dict[str, list[int]]()

    def encode(self, text: str) -> Iterator[int]:
        """The numbers of the pieces of a text."""
        for word in WORD.findall(text):
            if word not in self.known:
                self.known[word] = self._word(list(word.encode()))
            yield from self.known[word]

    def _word(self, word: list[int]) -> list[int]:
        while len(word) > 1:
            pairs = list(pairwise(word))
            made, pair = min((self.number.get(self.pieces[a] + self.pieces[b], len(self.pieces)), (a, b)) for a, b in pairs)
            if made == len(self.pieces):
                break
            word = joined(word, pair, made)
        return word


def decode(numbers: Iterable[int], pieces: list[bytes]) -> bytes:
    """The bytes that some pieces stand for."""
    return b"".join(pieces[number] for number in numbers)
