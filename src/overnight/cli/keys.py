"""The keys of the live view: pause, stop, show the last keep, help."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from overnight.lab.events import Event
from overnight.lab.jobs import Steer
from overnight.lab.lab import Lab
from overnight.night.inbox import request
from overnight.night.session import Session
from overnight.report.live import Terminal
from overnight.untrusted import clean

HELP = "keys: p pause or go on, s stop, d the diff of the last keep, ? this"
MOST = 64  # bytes that are read at a time


class Keys:
    """Keys as they are pressed, where they are `wanted`, standard input is a terminal and this process in its foreground; none
    elsewhere. A context: afterwards the terminal is as it was."""

    def __init__(self, wanted: bool) -> None:
        self._wanted, self._fd, self._before = wanted, -1, list[Any]()

    @property
    def there(self) -> bool:
        """Whether keys can be read now: of a process in the background the kernel would stop the reader."""
        with suppress(OSError):
            return self._fd >= 0 and os.tcgetpgrp(self._fd) == os.getpgrp()
        return False

    def __enter__(self) -> Self:
        with suppress(OSError, ValueError, AttributeError, termios.error):  # no standard input, or one that is no terminal
            fd = sys.stdin.fileno()
            if self._wanted and os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp():
                self._before = termios.tcgetattr(fd)
                tty.setcbreak(fd, termios.TCSADRAIN)
                self._fd = fd
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.there:
            termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def pressed(self) -> str:
        """What was pressed since the last time; "" where nothing was."""
        if not self.there or not select.select([self._fd], [], [], 0)[0]:
            return ""
        return os.read(self._fd, MOST).decode(errors="replace")


def watching(view: Callable[[Sequence[Event]], None], keys: Keys, session: Session, lab: Lab,
             console: Terminal) -> Callable[[Sequence[Event]], None]:
    """A view that also does what keys ask for, each time that it is drawn."""
    acts: dict[str, Callable[[], object]] = {
        "p": lambda: session.inbox.put(Steer(request(), "resume" if session.state.paused else "pause")),
        "s": lambda: lab.stop("stopped by a key; run it again to go on"),
        "d": lambda: console.page(_diff(session)),
        "?": lambda: console.say(HELP),
    }

    def watch(events: Sequence[Event]) -> None:
        for key in keys.pressed():
            if act := acts.get(key):
                act()
        view(events)

    if keys.there:
        console.say(HELP)
    return watch


def _diff(session: Session) -> str:
    """The title and the diff of what was kept last."""
    if not (kept := session.state.chain()):
        return "nothing is kept yet"
    return clean(f"#{kept[-1].id} {kept[-1].title}\n{session.repo.patch(kept[-1].base_commit, kept[-1].commit)}".rstrip())
