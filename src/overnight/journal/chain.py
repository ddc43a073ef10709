"""The chain of hashes that every journal of ours has: each record's hash covers the record before it in its track."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from overnight.errors import JournalError
from overnight.lab.events import Event

START = "0" * 64
AT_A_TIME = 5000  # records that a replay fetches
Record = tuple[int, bytes, str]  # number, body, hash


def link(before: str, body: bytes) -> str:
    """The hash of a record: sha256 over the previous hash and the body."""
    return hashlib.sha256(before.encode() + body).hexdigest()


def linked(head: tuple[int, str], bodies: Sequence[bytes]) -> list[Record]:
    """The records that these bodies become behind a head, which is a number and a hash."""
    records, (seq, chain) = list[Record](), head
    for body in bodies:
        seq, chain = seq + 1, link(chain, body)
        records.append((seq, body, chain))
    return records


def verified(records: Iterable[Record], head: tuple[int, str], where: str) -> Iterator[bytes]:
    """The bodies of the records behind a head, each checked. Raises JournalError for one that does not fit; `where` names the
    journal in its sentence."""
    seq, chain = head
    for number, body, said in records:
        seq, chain = seq + 1, link(chain, body if isinstance(body, bytes) else b"")
        if number != seq or said != chain:
            raise JournalError(f"the journal {where} was altered: record {number} does not fit the chain.")
        yield body


def encoded(events: Sequence[Event]) -> list[bytes]:
    """The bodies of the records that tell events."""
    encoder = msgspec.json.Encoder()
    return [encoder.encode(each) for each in events]


def decoded(bodies: Iterable[bytes], where: str) -> Iterator[Event]:
    """The events that bodies tell. Raises JournalError for one of a kind that is not known."""
    decoder = msgspec.json.Decoder(Event)
    try:
        for body in bodies:
            yield decoder.decode(body)
    except msgspec.ValidationError as error:
        raise JournalError(f"the journal {where} holds a record that this version does not know: {error}.") from error
