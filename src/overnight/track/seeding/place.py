"""A place where a program fixes its own seed, and which names speak of seeds. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from overnight.untrusted import line

VARIABLE = "OVERNIGHT_SEED"
MOST_CHARACTERS = 72  # of a line of source that is shown
# Names in small letters and underscores: of a seed, or of the state of a generator.
_NAME = re.compile(r"(?:.*_)?(?:seeds?|random_?state|rng_?state|rng)(?:_?(?:value|val|number|int|init|default|base))?")
_COUNTS = re.compile(r"(?:.*_)?(?:n|no|num|number_of|max|min|use|with|same|len|size)_?seeds?")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
BY_HAND = f"let the program take ${VARIABLE}, where it is set, in place of this value"


class Edit(NamedTuple):
    """Bytes `start` to `end` of a file, and what to write in their place."""

    start: int
    end: int
    new: str


class Place(NamedTuple):
    """Where a seed is fixed: the line and what stands there, the edit that connects it to $OVERNIGHT_SEED, and what to do by
    hand where there is none."""

    path: str
    number: int
    what: str
    edit: Edit | None = None
    hand: str = BY_HAND

    def __str__(self) -> str:
        return f"{line(self.path, 120)}:{self.number} {self.what}"


def shown(source: str, end: int = 0) -> str:
    """A line of source as it is quoted; of a long one the part up to character `end`, and a little more."""
    begin = end - MOST_CHARACTERS * 3 // 4
    cut = len(source.strip()) > MOST_CHARACTERS and begin > 0
    return line(f"…{source[begin:].strip()}" if cut else source.strip(), MOST_CHARACTERS)


def parts(name: str) -> list[str]:
    """The words of a name (`setSeed`, `data-seed`), in small letters."""
    return [word for word in _HUMP.sub("_", re.sub(r"[-.]", "_", name)).lower().split("_") if word]


def speaks_of_a_seed(name: str) -> bool:
    """Whether a name (`SEED`, `randomState`) is that of a seed, and not of how many there are."""
    words = "_".join(parts(name))
    return _NAME.fullmatch(words) is not None and _COUNTS.fullmatch(words) is None
