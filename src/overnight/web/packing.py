"""Answers are sent compressed to whatever asks for that."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

LEAST_BYTES, LEVEL = 1024, 5  # of an answer that is worth it, and of gzip: a page of 400 kB takes 10 ms


class Packing(GZipMiddleware):
    """Middleware that compresses. A part of a log stays as it is, because its range counts the bytes of the log; the live
    stream too, because it is sent as it comes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        partial = scope["type"] == "http" and "range" in Headers(scope=scope)
        await (self.app(scope, receive, send) if partial else super().__call__(scope, receive, send))
