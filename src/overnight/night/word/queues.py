"""A thread with a bounded queue: it takes one thing after the other and never holds up what puts them in."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")
AFTER = 2.0  # seconds for which a thread that should end may still take


class Worker(Generic[Thing]):
    """Does `work` for each thing, in order. The thread begins with the first one. Of more than `most` that wait, the oldest is
    dropped, and `missed` is called."""

    def __init__(self, name: str, work: Callable[[Thing], None], most: int, missed: Callable[[], None] = lambda: None) -> None:
        self._work, self._most, self._missed = work, most, missed
        self._waiting: deque[Thing] = deque()
        self._changed = threading.Condition()
        self._busy = self._closing = self.over = False
        self._thread = threading.Thread(target=self._run, name=f"overnight {name}", daemon=True)

    @property
    def closing(self) -> bool:
        """Whether nothing more comes."""
        return self._closing

    def put(self, thing: Thing) -> None:
        """Have it done in its turn; returns at once."""
        with self._changed:
            if self._closing:
                return
            full = len(self._waiting) >= self._most
            if full:
                self._waiting.popleft()
            self._waiting.append(thing)
            if not self._thread.ident:
                self._thread.start()
            self._changed.notify_all()
        if full:
            self._missed()

    def rest(self, seconds: float) -> bool:
        """Wait in the work, no longer than until nothing more comes; False where the thread is to end."""
        until = time.monotonic() + seconds
        with self._changed:
            closing = self._closing
            while not self.over and closing == self._closing and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
        return not self.over

    def close(self, wait: float) -> None:
        """Let what waits be done within so many seconds; then it is over, and work that looks at `over` ends."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout=wait)
            self.over = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.ident:
            self._thread.join(AFTER)

    def _run(self) -> None:
        while (thing := self._next()) is not None:
            try:
                self._work(thing)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> Thing | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            if not self._waiting:
                return None
            self._busy = True
            return self._waiting.popleft()
