"""A thread that copies bytes between a descriptor and a named pipe, until one of them is closed."""

from __future__ import annotations

import os
import select
import threading

CHUNK_BYTES = 1 << 20  # copied at once


class Pump(threading.Thread):
    """Copies everything from one descriptor to another; it owns both and closes them."""

    def __init__(self, source: int, to: int) -> None:
        super().__init__(daemon=True)
        self._source, self._to = source, to
        self.start()

    def run(self) -> None:
        """Copy until the source ends or the reader of the target is gone."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._to, 0)  # tells only of errors: that its readers are gone
        try:
            while self._to not in (came := dict(poll.poll())):
                if not came or not os.splice(self._source, self._to, CHUNK_BYTES):
                    break
        except OSError:  # the reader is gone
            return
        finally:
            os.close(self._source)
            os.close(self._to)
