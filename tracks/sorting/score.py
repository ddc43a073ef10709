"""Seconds to sort fresh lists of numbers below 2^32, three hundred to twenty thousand at a time, as raw little-endian bytes."""

import random
from array import array

from overnight.scoring import main, seed
from overnight.scoring.speed import Raw, measure, same


def case(lots, size):
    numbers = lots.randbytes(4 * size)
    return Raw({"count": size}, numbers, len(numbers))


def in_order(question):
    return array("I", sorted(array("I", question.payload))).tobytes()


if __name__ == "__main__":
    main(lambda: measure(case, same(in_order), sizes=(300, 3000, 20_000), trials=7, lots=random.Random(seed())))
