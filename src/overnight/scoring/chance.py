"""Random numbers for scorers that no candidate can foresee: from a keyed stream instead of a seed.

Python's own generator gives itself away: 624 of its numbers in one question say what all questions after it will be, and a
seed of a few bytes can be found by trying. This one is SHAKE-256 of a key of 256 bits and a counter.

Covered: a candidate that has seen any amount of the stream learns nothing about the rest, before or after.
Not covered: a scorer that draws too little, so that a question can be guessed; $OVERNIGHT_SECRET in a candidate's hands.
"""

from __future__ import annotations

import hashlib
import os
import random
from typing import NoReturn

BLOCK = 4096  # bytes of the stream that are made at once
BITS = 53  # of a float below one


class KeyedRandom(random.Random):
    """`random.Random` over a keyed stream: everything that it can draw, but its state can be neither read nor set."""

    def __init__(self, key: bytes) -> None:
        self._key, self._blocks, self._held = key, 0, b""
        self.gauss_next = None  # what gauss() of the standard library keeps for its next call

    def random(self) -> float:
        """A float from 0 to below 1."""
        return self.getrandbits(BITS) * 2.0**-BITS

    def getrandbits(self, k: int, /) -> int:
        """A whole number of so many bits."""
        return int.from_bytes(self.randbytes(-(-k // 8)), "big") >> (-k % 8)

    def randbytes(self, n: int) -> bytes:
        """So many bytes."""
        if (missing := n - len(self._held)) > 0:
            blocks = range(self._blocks, self._blocks - missing // -BLOCK)
            self._blocks = blocks.stop
            self._held += b"".join(hashlib.shake_256(self._key + i.to_bytes(8, "big")).digest(BLOCK) for i in blocks)
        drawn, self._held = self._held[:n], self._held[n:]
        return drawn

    def seed(self, *_: object, **__: object) -> NoReturn:
        """Raises NotImplementedError: the key comes from the harness."""
        raise NotImplementedError("this generator has a key and no seed: call rng() with another name.")

    getstate = setstate = seed


def rng(name: str = "") -> random.Random:
    """A generator that no candidate can foresee without the track's key: the same for both sides of a pair, another for each
    seed and for each name. Called again with the same name it begins anew. `lots` is its older name, and stays."""
    secret = os.environ.get("OVERNIGHT_SECRET", "")
    # Without the harness, for a scorer that is tried by hand, the stream is as guessable as the seed.
    key = bytes.fromhex(secret) if secret else os.environ["OVERNIGHT_SEED"].encode()
    return KeyedRandom(hashlib.sha256(len(key).to_bytes(8, "big") + key + name.encode()).digest())


lots = rng
