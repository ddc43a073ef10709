"""Copies a journal into another, record by record as it is stored, so that every hash stays as it is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

from overnight.contracts import HoldsTrack, Journal, StoresBodies
from overnight.errors import JournalError
from overnight.journal.chain import START
from overnight.lab.events import Event

AT_A_TIME = 1000  # records that are written at once


class Copied(NamedTuple):
    """What a copy came to: number and hash of the last record, and how many records were written."""

    seq: int
    head: str
    new: int


def copy(source: Journal[Event], target: Journal[Event], say: Callable[[int, int], None] = lambda done, of: None) -> Copied:
    """Write what the source holds behind the end of the target, which holds nothing or the beginning of the same record: so a
    copy that broke off goes on. The source's chain is checked from its first record on, and all that the target has of it;
    `say` is told now and then how many records of how many are there. Raises JournalError, Conflict, and Busy where another
    process writes the target."""
    if not isinstance(source, StoresBodies) or not isinstance(target, StoresBodies):
        raise JournalError("one of these journals cannot be copied byte for byte.")
    last, head = check_source(source)
    if isinstance(target, HoldsTrack):
        target.hold()
    known, end = target.latest()
    _check_beginning(source, (known, end), last)
    for _ in itertools.chain(itertools.islice(source.bodies(), known), target.bodies()):
        pass  # each is checked when it is read
    rest, done = itertools.islice(source.bodies(after=known), last - known), known
    while bodies := list(itertools.islice(rest, AT_A_TIME)):
        target.append(bodies, expected_seq=done)
        done += len(bodies)
        say(done, last)
    if target.latest() != (last, head):
        raise JournalError("the copy does not end as its source does: another process wrote to one of them meanwhile. Nothing "
                           "is lost, copy again.")
    return Copied(last, head, last - known)


def check_source(source: Journal[Event]) -> tuple[int, str]:
    """Number and hash of the last record of a journal that is to be copied. Raises JournalError where it holds none."""
    last, head = source.latest()
    if not last:
        raise JournalError("there is no record of this track in the journal that is to be copied: name the one that has it.")
    return last, head


def _check_beginning(source: Journal[Event], end: tuple[int, str], last: int) -> None:
    """Raise JournalError where the end of the target is no record of the source."""
    seq, chain = end
    if seq > last:
        raise JournalError(f"the journal that is to be written holds {seq} records, and the one that is to be copied {last}: "
                           "it is not made shorter.")
    if (source.hash_of(seq) if seq else START) != chain:
        raise JournalError(f"the journal that is to be written holds another record: its record {seq} is not the one of the "
                           "journal that is to be copied. Name an empty place.")
