"""Jobs and results as JSON, for places on other machines; compressed where they are long, for a brief repeats itself. Pure.

Covered: what another version of Overnight or a broken place sends is declined in one sentence, and changes nothing.
Not covered: a place that lies about a number.
"""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec

from overnight.errors import Declined
from overnight.lab.jobs import Job, Result

MOST_MESSAGE_BYTES = 64 << 20  # bytes of one message
MOST_PLAIN_BYTES = 4 << 10  # bytes up to which a message goes as it is
PACKED = b"\x78"  # the first byte of what zlib has compressed; JSON begins with another
Message = TypeVar("Message")
_encoder = msgspec.json.Encoder()
_jobs: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)
_results: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)


def encode(message: Job | Result) -> bytes:
    """A job or a result as JSON, which zlib has compressed where it is long."""
    body = _encoder.encode(message)
    return body if len(body) <= MOST_PLAIN_BYTES else zlib.compress(body)


def job(body: bytes) -> Job:
    """The job that a place was sent. Raises Declined where this version cannot do it."""
    return _decoded(_jobs, body, "this job cannot be done here", "it was given out by another version of Overnight: install "
                    "the same one on both sides")


def result(body: bytes) -> Result:
    """The result that a place sent. Raises Declined where it cannot be read; its job stays in flight."""
    return _decoded(_results, body, "this result cannot be read", "the place that sent it runs another version of Overnight, "
                    "or is broken. Its job stays in flight, and is offered again when its lease has ended")


def _decoded(decoder: msgspec.json.Decoder[Message], body: bytes, what: str, advice: str) -> Message:
    try:
        text = zlib.decompressobj().decompress(body, MOST_MESSAGE_BYTES + 1) if body.startswith(PACKED) else body
        if len(text) > MOST_MESSAGE_BYTES:
            raise Declined(f"{what}, because it is more than {MOST_MESSAGE_BYTES >> 20} MiB: {advice}.")
        return decoder.decode(text)
    except (zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Declined(f"{what} ({str(error) or 'it is nested too deep'}): {advice}.") from error
