"""Notes each line of a program that runs, once, and what its constants are worth at the end.

Python loads it at its start where this folder is on PYTHONPATH. It needs nothing but the standard library of Python 3.8 or
later, and is made for one run whose results are thrown away: nothing that is measured is traced.
"""

from __future__ import annotations

import atexit
import dis
import os
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

FOLDER, ROOT = "OVERNIGHT_OUT", "OVERNIGHT_TRACED"  # where the notes go, and the folder whose files are looked at
NOTES = "overnight-lines"
MOST_QUIET = 1_000_000  # lines of one function without news, after which all of it counts as having run
MOST_TEXT = 200  # characters of a text that are noted
TOOL = 4  # of sys.monitoring: none of those that it keeps for debuggers, coverage, profilers and optimisers


class Notes:
    """What ran, as lines of `file NUL what` that end in a newline: a line's number, or `name=value`."""

    def __init__(self) -> None:
        self._root = os.environ.setdefault(ROOT, str(Path.cwd().resolve())) + os.sep
        place = Path(os.environ[FOLDER], NOTES)
        self._file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o600)
        self._paths: dict[str, str] = {}
        self._seen: set[tuple[CodeType, int]] = set()
        self._quiet: dict[CodeType, int] = {}
        self.monitoring: Any = getattr(sys, "monitoring", None)  # from Python 3.12 on
        self._main = ""  # the program's own file; Python forgets it before the end

    def path(self, code: CodeType) -> str:
        """The file of a code object below the root; "" for any other."""
        name = code.co_filename
        if name not in self._paths:
            whole = os.path.realpath(name) if name[:1] != "<" else ""
            self._paths[name] = whole[len(self._root):] if whole.startswith(self._root) else ""
            if self._paths[name] and not self._main:
                self._main = os.path.realpath(getattr(sys.modules["__main__"], "__file__", None) or os.sep)
        return self._paths[name]

    def note(self, path: str, what: object) -> None:
        """Write one thing down."""
        os.write(self._file, f"{path}\0{what}\n".encode("utf-8", "replace"))

    def line(self, code: CodeType, number: int) -> object:
        """A line runs: told by sys.monitoring, once for each."""
        if path := self.path(code):
            self.note(path, number)
        return self.monitoring.DISABLE

    def call(self, frame: FrameType, _event: str, _given: object) -> Any:
        """A function begins: told by sys.settrace."""
        code = frame.f_code
        return self.step if self.path(code) and self._quiet.get(code, 0) < MOST_QUIET else None

    def step(self, frame: FrameType, event: str, _given: object) -> Any:
        """A line of a function runs: told by sys.settrace, again and again."""
        code, number = frame.f_code, frame.f_lineno
        if event != "line":
            return self.step
        if (code, number) not in self._seen:
            self._seen.add((code, number))
            self._quiet[code] = 0
            self.note(self.path(code), number)
        self._quiet[code] += 1
        if self._quiet[code] < MOST_QUIET:
            return self.step
        for _, other in dis.findlinestarts(code):
            self.note(self.path(code), other)
        return None

    def end(self) -> None:
        """What the constants of the program are worth, now that it ends."""
        found = vars(sys.modules["__main__"]) if self._main.startswith(self._root) else {}
        for name, value in list(found.items()):
            if type(value) in (bool, int, float, str) and not name.startswith("__"):
                self.note(self._main[len(self._root):], f"{name}={value[:MOST_TEXT] if isinstance(value, str) else value!r}")


def begin() -> None:
    """Trace this process, its threads and what it forks."""
    notes = Notes()
    atexit.register(notes.end)
    if (watch := notes.monitoring) is not None:
        watch.use_tool_id(TOOL, "overnight")
        watch.register_callback(TOOL, watch.events.LINE, notes.line)
        watch.set_events(TOOL, watch.events.LINE)
    else:
        threading.settrace(notes.call)
        sys.settrace(notes.call)


if __name__ == "sitecustomize" and FOLDER in os.environ:
    try:
        begin()
    except (OSError, ValueError):  # then nothing is known of what runs
        sys.stderr.write("overnight: this run could not be traced\n")
