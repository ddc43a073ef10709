"""A thread that carries bytes between a descriptor of ours and a named pipe, until one of them is closed."""

from __future__ import annotations

import os
import select
import threading

CHUNK = 1 << 20  # bytes carried at once


class Pump(threading.Thread):
    """Carries everything from one descriptor to another; both are its own, and it closes them."""

    def __init__(self, source: int, to: int) -> None:
        super().__init__(daemon=True)
        self._source, self._to = source, to
        self.start()

    def run(self) -> None:
        """Carry until the source ends or nobody reads any more."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._to, 0)  # tells only of errors: that its readers are gone
        try:
            while self._to not in (came := dict(poll.poll())):
                if not came or not os.splice(self._source, self._to, CHUNK):
                    break
        except OSError:  # nobody reads any more
            return
        finally:
            os.close(self._source)
            os.close(self._to)
