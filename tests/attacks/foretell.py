"""What one question gives away of Python's own generator: its state, and every number that is still to come."""

import random


def untempered(word):
    """What a word of the Mersenne twister was before it was made to look random."""
    word ^= word >> 18
    word ^= word << 15 & 0xEFC60000
    first = word
    for _ in range(5):
        word = first ^ word << 7 & 0x9D2C5680
    first = word
    for _ in range(3):
        word = first ^ word >> 11
    return word


def after(drawn):
    """The generator as it is after these bytes, if it is Python's own and they hold its last 624 words."""
    words = [int.from_bytes(drawn[i:i + 4], "little") for i in range(len(drawn) - 4 * 624, len(drawn), 4)]
    found = random.Random()
    found.setstate((3, (*map(untempered, words), 624), None))
    return found
