"""Seconds to multiply fresh matrices of bytes, 64, 200 and 333 on a side, by a compiled function; every product is checked."""

from array import array
from operator import mul

from overnight.scoring import main, rng
from overnight.scoring.speed import Raw, measure

BITS = 61  # of the random numbers of a check


def case(lots, size):
    return Raw({"n": size}, lots.randbytes(2 * size * size), 4 * size * size)


def times(rows, vector):
    """A matrix, as a list of rows, times a vector, in whole numbers."""
    return [sum(map(mul, row, vector)) for row in rows]


def rows_of(entries, size):
    return [entries[at:at + size] for at in range(0, size * size, size)]


def right(lots):
    """Freivalds' check (1977): c r = a (b r), exactly, for a vector r that nobody knew when c was answered. A wrong c passes
    with a chance of at most 2^-61, and the check takes n^2 steps instead of n^3."""
    def check(question, answer):
        size, bytes_of = question.header["n"], question.payload
        a, b = rows_of(bytes_of[:size * size], size), rows_of(bytes_of[size * size:], size)
        c = rows_of(array("i", bytes(answer)), size)
        r = [lots.getrandbits(BITS) for _ in range(size)]
        return times(c, r) == times(a, times(b, r))
    return check


if __name__ == "__main__":
    main(lambda: measure(case, right(rng("check")), sizes=(64, 200, 333), trials=7, lots=rng(), warm_up="allowed",
                         warm_up_within=2.0, isolated=False))
