"""Jobs and results as JSON, for places on other machines. Pure.

Covered: what another version of Overnight or a broken place sends is declined in one sentence, and changes nothing.
Not covered: a place that lies about a number.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from overnight.errors import Declined
from overnight.lab.jobs import Job, Result

LARGEST = 64 << 20  # bytes of one message
Message = TypeVar("Message")
_encoder = msgspec.json.Encoder()
_jobs: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)
_results: msgspec.json.Decoder[Result] = msgspec.json.Decoder(Result)


def encode(message: Job | Result) -> bytes:
    """A job or a result as JSON."""
    return _encoder.encode(message)


def job(body: bytes) -> Job:
    """The job that a place was sent. Raises Declined where this version cannot do it."""
    return _decoded(_jobs, body, "this job cannot be done here", "it was given out by another version of Overnight: install "
                    "the same one on both sides")


def result(body: bytes) -> Result:
    """The result that a place sent. Raises Declined where it cannot be read; its job stays in flight."""
    return _decoded(_results, body, "this result cannot be read", "the place that sent it runs another version of Overnight, "
                    "or is broken. Its job stays in flight, and is offered again when its lease has ended")


def _decoded(decoder: msgspec.json.Decoder[Message], body: bytes, what: str, advice: str) -> Message:
    if len(body) > LARGEST:
        raise Declined(f"{what}, because it is more than {LARGEST >> 20} MiB: {advice}.")
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Declined(f"{what} ({str(error) or 'it is nested too deep'}): {advice}.") from error
