"""A process of its own that hands one message to one service: `python -m overnight.night.word.send`.

It reads {"address", "title", "body", "picture"} on its standard input, so that no address stands among its arguments, and
prints {"sent", "why"}. With no title it only says whether the address is one. What apprise itself says quotes addresses: of
that nothing is printed but the number of an HTTP error.
"""

from __future__ import annotations

import logging
import re
import sys

import msgspec
from msgspec import Struct

from overnight.errors import how

ERROR = re.compile(r"error=(\d{3})\b")


class Order(Struct, frozen=True):
    """One message for one address; `picture` is the path of a PNG, "" for none."""

    address: str
    title: str = ""
    body: str = ""
    picture: str = ""


class Answer(Struct, frozen=True):
    """Whether it was sent, and why not, as the end of a sentence."""

    sent: bool
    why: str = ""


class _Heard(logging.Handler):
    """Keeps the number of the last HTTP error."""

    number = ""

    def emit(self, record: logging.LogRecord) -> None:
        found = ERROR.search(record.getMessage())
        self.number = found[1] if found else self.number


def sent(order: Order) -> Answer:
    """Hand the message over."""
    try:
        import apprise
    except ImportError:
        return Answer(False, f"the extra 'notify' is missing: {how('notify')}")
    heard, log = _Heard(), logging.getLogger("apprise")
    log.handlers, log.propagate = [heard], False
    service = apprise.Apprise()
    if not service.add(order.address):
        return Answer(False, "apprise does not know such an address")
    if not order.title:
        return Answer(True)
    if service.notify(title=order.title, body=order.body, body_format=apprise.NotifyFormat.TEXT,
                      attach=[order.picture] if order.picture else None):
        return Answer(True)
    return Answer(False, f"it answered {heard.number}" if heard.number else "it cannot be reached")


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(sent(msgspec.json.decode(sys.stdin.buffer.read(), type=Order))))
