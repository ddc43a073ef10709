"""Sort lists of numbers below 2^32: digit by digit when they are long, by insertion when they are short.

Asked in one line of JSON, {"count": n, "bytes": 4n}, and 4n bytes, little-endian; answers 4n bytes, in order.
"""

import json
import sys
from array import array

DIGIT_BITS = 4  # of a digit: more means fewer passes and more buckets
INSERTION_MOST = 256  # numbers that are sorted by insertion


def insertion_sort(numbers):
    """In order, one after the other put where it belongs."""
    for i in range(1, len(numbers)):
        moved, at = numbers[i], i
        while at and numbers[at - 1] > moved:
            numbers[at] = numbers[at - 1]
            at -= 1
        numbers[at] = moved
    return numbers


def radix_sort(numbers):
    """In order of the lowest digit, then of the next, and so on: each pass keeps what the one before did."""
    mask = (1 << DIGIT_BITS) - 1
    for shift in range(0, 32, DIGIT_BITS):  # knob: off
        buckets = [[] for _ in range(mask + 1)]
        for number in numbers:
            buckets[number >> shift & mask].append(number)
        numbers = [number for bucket in buckets for number in bucket]
    return numbers


def quick_sort(numbers):
    """In order, by splitting at a number from the middle."""
    if len(numbers) <= INSERTION_MOST:
        return insertion_sort(numbers)
    pivot = numbers[len(numbers) // 2]
    return (quick_sort([n for n in numbers if n < pivot]) + [n for n in numbers if n == pivot]
            + quick_sort([n for n in numbers if n > pivot]))


def in_order(numbers):
    """The numbers from the least to the most."""
    return radix_sort(numbers) if len(numbers) > 1000 else quick_sort(numbers)


def serve():
    """Answer until nobody asks any more."""
    for line in sys.stdin.buffer:
        numbers = array("I", sys.stdin.buffer.read(json.loads(line)["bytes"]))
        sys.stdout.buffer.write(array("I", in_order(list(numbers))).tobytes())
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    if sys.argv[1:] == ["--try"]:
        import random

        some = [random.randrange(1 << 32) for _ in range(2000)]
        assert in_order(list(some)) == sorted(some) and in_order(some[:500]) == sorted(some[:500])
    else:
        serve()
