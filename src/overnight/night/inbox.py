"""The inbox: what people and agents order from outside, as files that the night at work reads.

Covered: an order is a whole file or none; it stays until the journal has its answer, so that a kill loses none, and its mark
keeps it from being carried out twice; what cannot be read, is no plain file, or is too large, is put aside.
Not covered: permissions. A user that may write to the track's folder may order.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from overnight.errors import TrackError
from overnight.lab.jobs import Order, Try

MOST_ORDER_BYTES = 64 << 10  # of one order
MOST_ORDERS = 10_000  # that may wait
NAME = re.compile(r"[\w][\w .:@/-]{0,59}")  # the names that a proposer may give


def request() -> str:
    """A fresh mark for an order; later ones sort behind."""
    return f"{time.time_ns():020d}-{secrets.token_hex(4)}"


def packed(order: Order) -> bytes:
    """An order as it is put in. Raises TrackError where it is too large."""
    body = msgspec.json.encode(order)
    if len(body) > MOST_ORDER_BYTES:
        raise TrackError(f"this is more than {MOST_ORDER_BYTES >> 10} KiB: say it in fewer words.")
    return body


class Inbox:
    """A folder of orders; `prepare` makes the folder above it, where an order is put in."""

    def __init__(self, folder: Path, prepare: Callable[[], None] = lambda: None) -> None:
        self.folder, self._prepare = folder, prepare
        self._decoder = msgspec.json.Decoder(Order)
        self._seen: set[str] = set()

    def put(self, order: Order) -> None:
        """Put an order in. Raises TrackError where it is too large or the folder cannot be written."""
        body = packed(order)
        if isinstance(order, Try) and not NAME.fullmatch(order.by):
            raise TrackError("a name has at most 60 letters, digits and .:@/-_ in it.")
        coming = self.folder / f".{order.request}"
        try:
            self._prepare()
            self.folder.mkdir(parents=True, exist_ok=True)
            with coming.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            coming.rename(self._place(order.request))
        except OSError as error:
            raise TrackError(f"{self.folder} cannot be written: {error}.") from error

    def new(self) -> list[Order]:
        """The orders that were not given out before, oldest first."""
        if not self.folder.is_dir():
            return []
        names = sorted(p.name for p in self.folder.glob("*.json") if p.name not in self._seen)[:MOST_ORDERS]
        self._seen.update(names)
        found = (self._read(self.folder / name) for name in names)
        return [order for order in found if order is not None]

    def _read(self, path: Path) -> Order | None:
        order: Order | None = None
        try:
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:  # a pipe must not block
                order = self._decoder.decode(file.read(MOST_ORDER_BYTES + 1) or b"")
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        if order is None or path != self._place(order.request) or (isinstance(order, Try) and not NAME.fullmatch(order.by)):
            with suppress(OSError):
                path.rename(path.with_suffix(".refused"))
            return None
        return order

    def clear(self, requests: Iterable[str]) -> None:
        """Forget orders whose answers are durable."""
        for each in filter(None, requests):
            with suppress(OSError):
                self._place(each).unlink()

    def _place(self, mark: str) -> Path:
        return self.folder / f"{re.sub(r'[^0-9a-f-]', '', mark)}.json"
