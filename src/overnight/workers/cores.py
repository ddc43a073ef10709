"""The cores of this machine, lent to runs by one pool, so that nights in one process do not disturb each other."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Cores:
    """A pool of cores, safe to use from several threads. What was asked for first is lent first."""

    def __init__(self, cores: tuple[int, ...]) -> None:
        self._all, self._free = cores, set(cores)
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()

    def __len__(self) -> int:
        return len(self._all)

    @contextmanager
    def lent(self, count: int, hurried: Callable[[], bool] = lambda: False) -> Iterator[tuple[int, ...]]:
        """So many cores for the time of a block, waited for until they are free; () where `hurried` says meanwhile that the
        caller will not wait, and they are not."""
        turn = object()
        with self._changed:
            self._queue.append(turn)
            self._changed.wait_for(lambda: hurried() or (self._queue[0] is turn and len(self._free) >= count))
            self._queue.remove(turn)
            self._changed.notify_all()
            cores = tuple(sorted(self._free)[:count]) if len(self._free) >= count else ()
            self._free.difference_update(cores)
        try:
            yield cores
        finally:
            with self._changed:
                self._free.update(cores)
                self._changed.notify_all()

    def wake(self) -> None:
        """Let those that wait look again whether they still want to."""
        with self._changed:
            self._changed.notify_all()


def available() -> tuple[int, ...]:
    """The cores that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else tuple(range(os.cpu_count() or 1))


MACHINE = Cores(available())  # of this process
