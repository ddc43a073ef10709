"""Seconds to sort fresh lists of numbers below 2^32, three hundred to twenty thousand at a time, as raw little-endian bytes."""

from array import array

from overnight.scoring import lots, main
from overnight.scoring.speed import Raw, measure, same


def case(lots, size):
    numbers = lots.randbytes(4 * size)
    return Raw({"count": size}, numbers, len(numbers))


def in_order(question):
    return array("I", sorted(array("I", question.payload))).tobytes()


if __name__ == "__main__":
    main(lambda: measure(case, same(in_order), sizes=(300, 3000, 20_000), trials=7, lots=lots(), warm_up="allowed",
                         warm_up_within=2.0))
