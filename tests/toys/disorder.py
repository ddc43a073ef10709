"""The score of an answer that puts things in order.

    main(lambda: {"disorder": disorder(numbers("order.json"), KEYS)})

Covered: an order that leaves out or repeats, or names what is not there.
Not covered: keys that the candidate knows beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

from overnight.scoring.optimum import permutation


def disorder(answer: object, keys: Sequence[float]) -> float:
    """The share of pairs that stand the wrong way round when `keys` are read in the order of the answer, which names the place
    of each once. Raises Broken."""
    read = [keys[place] for place in permutation(answer, len(keys))]
    return sum(first > second for first, second in combinations(read, 2)) / comb(len(keys), 2)
