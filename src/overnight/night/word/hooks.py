"""Programs of the user's that get every event of a night as JSON on their standard input, in order, one after the other.

A hook has a deadline, after which its process group is killed; a small environment without any key; nice 10. What it writes
goes into the file `hooks.log` of the state folder, bounded. One that fails is a note and a line there, and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from overnight.night.word import processes
from overnight.night.word.happenings import Happening
from overnight.night.word.queues import Worker
from overnight.untrusted import clean, line

DEADLINE = 10.0  # seconds
MOST_OUTPUT_BYTES, MOST_LOG_BYTES = 16 << 10, 1 << 20  # of one hook and event; of the file, twice
MOST_WAITING = 256  # events
LOG = "hooks.log"
# Of the environment: what a desktop's own programs need.
PASSED = ("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TZ", "TERM", "TMPDIR", "XDG_CONFIG_HOME",
          "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS")


def environment(environ: Mapping[str, str], event: str = "") -> dict[str, str]:
    """What of the environment a hook gets; no key of a model's is among it."""
    return {name: environ[name] for name in PASSED if name in environ} | {"OVERNIGHT_EVENT": event}


class Hooks:
    """A thread that runs the hooks of a night. `note` is told in a sentence what goes wrong, once for each hook and way."""

    def __init__(self, paths: Sequence[Path], home: Path, environ: Mapping[str, str], note: Callable[[str], None],
                 deadline: float = DEADLINE) -> None:
        self.paths, self.log, self.environ, self.deadline, self._note = paths, home / LOG, dict(environ), deadline, note
        self._said: set[str] = set()
        self._worker = Worker("hooks", self._run, MOST_WAITING, self._missed)

    def put(self, happening: Happening) -> None:
        """An event happened; the hooks get it in their turn."""
        if self.paths:
            self._worker.put(happening)

    def close(self, wait: float) -> None:
        """Let the hooks have what waits, for so many seconds; what runs then is killed."""
        self._worker.close(wait)

    def _run(self, happening: Happening) -> None:
        for path in self.paths:
            if not self._worker.over:
                self._one(path, happening)

    def _one(self, path: Path, happening: Happening) -> None:
        given, env = msgspec.json.encode(happening) + b"\n", environment(self.environ, happening.event)
        try:
            outcome = processes.run([str(path)], given, env, self.deadline, MOST_OUTPUT_BYTES,
                                    stopped=lambda: self._worker.over)
        except OSError as error:
            self._wrong(path, happening, f"cannot be started ({error.strerror})", b"")
            return
        if outcome.status is None:
            self._wrong(path, happening, f"was killed after {outcome.seconds:.0f} s, for it did not end", outcome.output)
        elif outcome.status:
            self._wrong(path, happening, f"ended with status {outcome.status}", outcome.output)
        elif outcome.output:
            self._write(path, happening, "wrote", outcome.output)

    def _wrong(self, path: Path, happening: Happening, what: str, output: bytes) -> None:
        self._write(path, happening, what, output)
        said = f"the hook {line(path.name, 100)} {what}"
        if said not in self._said:
            self._said.add(said)
            self._note(f"{said}; the night goes on ({self.log} has it).")

    def _missed(self) -> None:
        if "missed" not in self._said:
            self._said.add("missed")
            self._note(f"the hooks are too slow for this night: of {MOST_WAITING} events that wait, the oldest are left out.")

    def _write(self, path: Path, happening: Happening, what: str, output: bytes) -> None:
        """A few lines of the log; where it cannot be written, all goes on without."""
        text = clean(output.decode(errors="replace")).rstrip()
        number = "" if happening.experiment is None else f" #{happening.experiment}"
        lines = [f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line(path.name, 100)} {what} ({happening.event}{number})",
                 *(f"  {each}" for each in text.split("\n") if each)]
        with suppress(OSError):
            if self.log.exists() and self.log.stat().st_size > MOST_LOG_BYTES:
                self.log.replace(self.log.with_suffix(".log.1"))
            with self.log.open("a", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
