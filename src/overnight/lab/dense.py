"""Records by their numbers in a fraction of the memory that as many objects take. Pure."""

from __future__ import annotations

import itertools
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, ValuesView
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

T = TypeVar("T", bound=Struct)
BLOCK, QUICKLY = 32, 1  # numbers that lie in one block, and the level at which it is compressed
MOST_LOOSE = 256  # objects that are not held and not packed yet
_ENCODE, _DECODE = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(dict[int, Raw]).decode


class Dense(Mapping[int, T], Generic[T]):
    """Records of one kind by their numbers, as a dict has them, but in the order of the numbers: those that are `held` are
    objects, as are those that were asked for or put in last, up to `loose`, and all others lie packed in blocks.

    A record that was asked for by its number stays the same object until `settle` packs it, so that what is changed in it
    meanwhile counts; putting a record in may settle. What iterations over records give is only to be read. Not for several
    threads at once.
    """

    def __init__(self, kind: type[T], held: Callable[[T], bool] = lambda _: False, loose: int = MOST_LOOSE) -> None:
        self._loose, self._held, self._decoded = loose, held, msgspec.msgpack.Decoder(kind).decode
        self.numbers = array("q")  # all of them, in their order
        self._blocks = dict[int, bytes]()  # number / BLOCK -> {number: record}, packed
        self._near = dict[int, T]()  # the objects; a block may have an older version of one
        self._most = loose  # objects from which on it is looked for what can be packed

    # -- as a mapping --

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self.numbers)

    def __contains__(self, number: object) -> bool:
        place = self._place(number) if isinstance(number, int) else len(self)
        return place < len(self) and self.numbers[place] == number

    def _place(self, number: int) -> int:
        return bisect_left(self.numbers, number)

    def __getitem__(self, number: int) -> T:
        found = self._near.get(number)
        if found is None:
            found = self._near[number] = self._decoded(self._block(number // BLOCK)[number])
        return found

    def __setitem__(self, number: int, record: T) -> None:
        if number not in self:
            self.numbers.insert(self._place(number), number)
        self._near[number] = record
        self.settle()

    def values(self) -> Values[T]:
        """All records, to be read."""
        return Values(self)

    # -- in blocks --

    def fill(self, records: Mapping[int, Raw]) -> None:
        """Put in many that are encoded already, where there are none yet."""
        self.numbers = array("q", sorted(records))
        for block, numbers in itertools.groupby(self.numbers, lambda number: number // BLOCK):
            self._put(block, {number: records[number] for number in numbers})

    def settle(self) -> None:
        """Pack what is not held, where that is much. For when no record that was asked for is still to be changed."""
        if len(self._near) <= self._most:
            return
        loose = sorted(number for number, each in self._near.items() if not self._held(each))
        for block, numbers in itertools.groupby(loose, lambda number: number // BLOCK):
            self._put(block, self._block(block) | {number: Raw(_ENCODE(self._near.pop(number))) for number in numbers})
        self._most = len(self._near) + self._loose

    def read(self, numbers: Iterable[int]) -> Iterator[T]:
        """The records of these numbers, to be read; quick where numbers lie beside one another. Raises KeyError."""
        last, raws = -1, dict[int, Raw]()
        for number in numbers:
            found = self._near.get(number)
            if found is None:
                if number // BLOCK != last:
                    last = number // BLOCK
                    raws = self._block(last)
                found = self._decoded(raws[number])
            yield found

    def _block(self, block: int) -> dict[int, Raw]:
        return _DECODE(zlib.decompress(self._blocks[block])) if block in self._blocks else {}

    def _put(self, block: int, records: dict[int, Raw]) -> None:
        self._blocks[block] = zlib.compress(_ENCODE(records), QUICKLY)


class Values(ValuesView[T]):
    """The records of a Dense, from either end."""

    _mapping: Dense[T]

    def __iter__(self) -> Iterator[T]:
        return self._mapping.read(self._mapping.numbers)

    def __reversed__(self) -> Iterator[T]:
        return self._mapping.read(reversed(self._mapping.numbers))
