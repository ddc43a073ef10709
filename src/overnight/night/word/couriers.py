"""Sends messages: a thread for each address, a process for each attempt, a picture drawn beside.

A service that is down, slow or hangs holds up neither the night nor the others. An attempt has a deadline; one that fails is
made again after longer and longer pauses, a few times; a message that cannot be sent is a note, said once for each address.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from overnight.night.word import processes
from overnight.night.word.letters import Letter
from overnight.night.word.places import VARIABLE, Address
from overnight.night.word.queues import Worker
from overnight.night.word.send import Answer, Order

DEADLINE = 30.0  # seconds of one attempt
DRAWN_WITHIN = 30.0  # seconds
PAUSES = (5.0, 30.0, 120.0)  # seconds before each further attempt
LAST_PAUSE = 1.0  # the same where the night ends
MOST_WAITING = 8  # messages for each address
MOST_ANSWER_BYTES = 4096
MODULE = "overnight.night.word"


def ask(order: Order, environ: Mapping[str, str], deadline: float = DEADLINE,
        stopped: Callable[[], bool] = processes.NEVER) -> Answer:
    """One attempt, in a process of its own."""
    env = {name: value for name, value in environ.items() if name != VARIABLE}
    try:
        outcome = processes.run([sys.executable, "-P", "-m", f"{MODULE}.send"], msgspec.json.encode(order), env, deadline,
                                MOST_ANSWER_BYTES, errors=False, stopped=stopped)
    except OSError as error:
        return Answer(False, f"no process can be started ({error.strerror})")
    if outcome.status is None:
        return Answer(False, f"it did not answer within {outcome.seconds:.0f} s")
    try:
        return msgspec.json.decode(outcome.output, type=Answer)
    except msgspec.DecodeError:
        return Answer(False, "what sends it failed")


class Courier:
    """Sends to one address. `note` is told what goes wrong, once."""

    def __init__(self, address: Address, environ: Mapping[str, str], note: Callable[[str], None],
                 pauses: Sequence[float] = PAUSES, deadline: float = DEADLINE) -> None:
        self.address, self.environ, self.pauses, self.deadline, self._note = address, environ, pauses, deadline, note
        self._said = False
        self.worker: Worker[tuple[Letter, str]] = Worker(f"notify {address.scheme}", self._send, MOST_WAITING)

    def _send(self, order: tuple[Letter, str]) -> None:
        letter, picture = order
        for pause in (0.0, *self.pauses):
            if pause and not self.worker.rest(min(pause, LAST_PAUSE) if self.worker.closing else pause):
                return
            answer = ask(Order(self.address.secret, letter.title, letter.body, picture), self.environ, self.deadline,
                         lambda: self.worker.over)
            if answer.sent:
                return
            self._failed(answer.why)

    def _failed(self, why: str) -> None:
        if not self._said:
            self._said = True
            self._note(f"a message to {self.address} was not sent: {why}. It is tried again; the night goes on.")


class Post:
    """All couriers of a night, and the pictures that go with messages of the track in `folder`."""

    def __init__(self, addresses: Sequence[Address], folder: Path, rung: str, environ: Mapping[str, str],
                 note: Callable[[str], None]) -> None:
        self.folder, self.rung, self.environ = folder, rung, environ
        self.couriers = [Courier(each, environ, note) for each in addresses]
        self._painter: Worker[Letter] = Worker("picture", self._pass_on, MOST_WAITING)
        self._pictures: Path | None = None
        self._number = 0

    def put(self, letter: Letter) -> None:
        """Send a message to every address; returns at once."""
        if self.couriers:
            self._painter.put(letter)

    def close(self, wait: float) -> None:
        """Send what waits within about so many seconds."""
        self._painter.close(wait)
        for courier in self.couriers:
            courier.worker.close(wait / max(1, len(self.couriers)))
        if self._pictures is not None:
            shutil.rmtree(self._pictures, ignore_errors=True)

    def _pass_on(self, letter: Letter) -> None:
        picture = self._drawn() if letter.picture else ""
        for courier in self.couriers:
            courier.worker.put((letter, picture))

    def _drawn(self) -> str:
        """The path of the chart as it is now; "" where it cannot be drawn."""
        self._pictures = self._pictures or Path(tempfile.mkdtemp(prefix="overnight-notify-"))
        self._number += 1
        png = self._pictures / f"progress-{self._number}.png"
        with suppress(OSError):
            words = [sys.executable, "-P", "-m", f"{MODULE}.draw", str(self.folder), self.rung, str(png)]
            processes.run(words, b"", self.environ, DRAWN_WITHIN, 0, errors=False, stopped=lambda: self._painter.over)
        return str(png) if png.exists() else ""
