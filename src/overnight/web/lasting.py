"""Work beside the requests: what fails in it is said, and ends nothing else.

An error that such work does not foresee would end the whole server, for every track and every reader.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

PAUSE, MOST_PAUSE = 1.0, 60.0  # seconds until lasting work that failed begins again; each time twice as many
LOG = logging.getLogger("uvicorn.error")  # the server's own output


async def attempt(what: str, work: Callable[[], Awaitable[None]]) -> bool:
    """Whether work came to its end; where it failed, the server's output says how."""
    try:
        await work()
    except Exception:  # whatever it is
        LOG.exception("overnight: %s failed", what)
        return False
    return True


async def lasting(what: str, work: Callable[[], Awaitable[None]], pause: float = PAUSE) -> None:
    """Do work until it ends or is cancelled; where it fails, again after a pause."""
    while not await attempt(what, work):
        await anyio.sleep(pause)
        pause = min(2 * pause, MOST_PAUSE)
