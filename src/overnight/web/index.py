"""Which records of a journal concern which experiment, and the versions of the program that it tells, so that neither needs all
of a long journal to be read again."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Sequence

from overnight.contracts import Journal
from overnight.lab.events import Event, Proposed, Rebased
from overnight.lab.experiment import mark
from overnight.lab.state import State
from overnight.views.program import Versions

BLOCK = 1024  # numbers whose latest entries lie together
NEAR = 100  # records between two that are wanted, and are read along


class Index:
    """The numbers of the records that name each experiment, a point of a campaign under its number below zero. It is made at
    its first use, by reading the journal once, and takes up what is new at every other."""

    def __init__(self) -> None:
        self._seq = 0
        self._records, self._before = array("q", [0]), array("q", [0])  # entry -> its record, and the entry before it, 0: none
        self._last: dict[int, array[int]] = {}  # number / BLOCK -> the latest entry of each number of the block
        self._versions = Versions()

    def read(self, journal: Journal[Event], most: int | None = None) -> bool:
        """Take up what is new, at most so many records; whether there may be more. Raises JournalError."""
        before = self._seq
        for seq, event in enumerate(itertools.islice(journal.replay(after=before), most), before + 1):
            for each in _concerned(event):
                self._add(each, seq)
            self._versions.hear(event)
            self._seq = seq
        return most is not None and self._seq - before == most

    def _add(self, number: int, seq: int) -> None:
        if number // BLOCK not in self._last:
            self._last[number // BLOCK] = array("q", bytes(8 * BLOCK))
        block = self._last[number // BLOCK]
        self._before.append(block[number % BLOCK])
        block[number % BLOCK] = len(self._records)
        self._records.append(seq)

    def _of(self, number: int) -> list[int]:
        """The records that name one, oldest first."""
        found, entry = list[int](), self._last[number // BLOCK][number % BLOCK] if number // BLOCK in self._last else 0
        while entry:
            found.append(self._records[entry])
            entry = self._before[entry]
        return found[::-1]

    def versions(self, journal: Journal[Event]) -> Versions:
        """The versions of the program. Raises JournalError."""
        self.read(journal)
        return self._versions

    def events(self, journal: Journal[Event], state: State, number: int) -> list[Event]:
        """The records that concern an experiment, oldest first: its own, those of what it stood on, those of points that made
        the same change, and those of what was kept on top of it. Raises JournalError."""
        self.read(journal)
        own = self._read(journal, self._of(number))
        forms = [event for event in own if isinstance(event, Proposed | Rebased) and event.experiment == number]
        beside = {form.base for form in forms} | {-probe.id for form in forms
                                                  for probe in state.probes.same(mark(form.base_commit, form.patch or ""))}
        kept = [each.id for each in state.chain()]
        beside |= set(kept[kept.index(number) + 1:]) if number in kept else set()
        wanted = sorted({*self._of(number), *itertools.chain(*map(self._of, beside))})
        return self._read(journal, wanted)

    @staticmethod
    def _read(journal: Journal[Event], numbers: Sequence[int]) -> list[Event]:
        found = list[Event]()
        for begin, end in _ranges(numbers):
            wanted = set(numbers[begin:end])
            first, last = numbers[begin], numbers[end - 1]
            several = itertools.islice(journal.replay(after=first - 1), last - first + 1)
            found += [event for seq, event in enumerate(several, first) if seq in wanted]
        return found


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where in a row of numbers those begin and end that lie near one another."""
    begin = 0
    for place in range(1, len(numbers) + 1):
        if place == len(numbers) or numbers[place] - numbers[place - 1] > NEAR:
            yield begin, place
            begin = place


def _concerned(event: Event) -> set[int]:
    """The experiments that a record is of, 0 for the baseline; -N for point N."""
    number = getattr(event, "experiment", None)
    found = set() if number is None else {-number if getattr(event, "stage", "") == "explore" else number}
    weighed = {each.experiment for each in getattr(event, "weighed", None) or ()}
    return found | weighed | {*getattr(event, "experiments", ())}
