"""What a night says of itself while it is at work: it is told what happens, and passes on what is worth a word."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from overnight.lab.events import Event, Judged
from overnight.night.session import Session
from overnight.night.word.couriers import Post
from overnight.night.word.happenings import Happening, Kind, happenings, plain
from overnight.night.word.hooks import Hooks
from overnight.night.word.letters import Gathering
from overnight.night.word.places import Address, next_morning
from overnight.report.tables import headline
from overnight.views import track

DROUGHT = 3 * 3600.0  # seconds without a keep after which that is said, once for each
SILENCE = 1800.0  # the same without anything at all
LAST = 20.0  # seconds for which a night that has ended waits for messages and hooks
MOST_NOTES = 20  # that wait to be said


class Word:
    """The word of one night. As a context it says what the last notes are and waits for the last messages, for a while.

    morning  the time of day at which a summary is sent; None: none is
    say      told in a sentence what goes wrong, by the thread that calls `heard`
    """

    def __init__(self, session: Session, addresses: Sequence[Address], hooks: Sequence[Path], environ: Mapping[str, str],
                 say: Callable[[str], None], morning: tuple[int, int] | None = None) -> None:
        self.session, self.say, self._morning = session, say, morning
        self._notes: queue.Queue[str] = queue.Queue(MOST_NOTES)
        self.post = Post(addresses, session.repo.folder, session.rung, environ, self._note)
        self.hooks = Hooks(hooks, session.home, environ, self._note)
        self.gathering = Gathering()
        now = time.time()
        self._wakes = next_morning(now, morning) if morning else None
        self._kept_at = self._heard_at = now
        self._dry = self._silent = False

    @property
    def wanted(self) -> bool:
        """Whether anything listens."""
        return bool(self.post.couriers or self.hooks.paths)

    def __enter__(self) -> Self:
        if self.wanted:
            self._pass_on(self._of_all("start", f"a night begins: {self._summary()}"))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def heard(self, events: Sequence[Event]) -> None:
        """These events happened, or none did and time went on. Returns at once."""
        if not self.wanted:
            return
        now = time.time()
        for happening in happenings(self.session.state, events, self._seq):
            self._pass_on(happening)
        self._look(events, now)
        self._write(now)
        self._tell_notes()

    def ended(self, why: str) -> None:
        """The night is over, for this reason."""
        if self.wanted:
            self._pass_on(self._of_all("end", f"{why or 'broken off'}. {self._summary()}"))

    def close(self) -> None:
        """Send what waits, within a while."""
        self._write(time.time(), last=True)
        until = time.monotonic() + LAST
        self.hooks.close(LAST / 2)
        self.post.close(max(1.0, until - time.monotonic()))
        self._tell_notes()

    # -- what it passes on --

    def _pass_on(self, happening: Happening) -> None:
        if self.wanted:
            self.hooks.put(happening)
            self.gathering.add(happening, happening.at)

    def _write(self, now: float, last: bool = False) -> None:
        if letter := self.gathering.due(now, last):
            self.post.put(letter)

    def _look(self, events: Sequence[Event], now: float) -> None:
        """Whether the night stalls, and whether it is morning."""
        if events:
            self._heard_at, self._silent = now, False
        if any(isinstance(event, Judged) and event.verdict == "keep" for event in events):
            self._kept_at, self._dry = now, False
        if not self._silent and now - self._heard_at > SILENCE:
            self._silent = True
            self._pass_on(self._of_all("stall", f"nothing has happened for {SILENCE / 60:.0f} minutes. {self._summary()}"))
        if not self._dry and now - self._kept_at > DROUGHT:
            self._dry = True
            self._pass_on(self._of_all("stall", f"nothing was kept for {DROUGHT / 3600:.0f} hours. {self._summary()}"))
        if self._wakes is not None and self._morning and now >= self._wakes:
            self._wakes = next_morning(now, self._morning)
            self._pass_on(self._of_all("morning", self._summary()))

    def _of_all(self, kind: Kind, text: str) -> Happening:
        return plain(self.session.state, kind, time.time(), text, self._seq)

    def _summary(self) -> str:
        """Where the track stands, in a line."""
        state = self.session.state
        return f"{headline(track.track(state))}, on branch {self.session.branch}"

    @property
    def _seq(self) -> int:
        return self.session.journal.head[0]

    # -- notes, which come from other threads --

    def _note(self, sentence: str) -> None:
        with suppress(queue.Full):
            self._notes.put_nowait(sentence)

    def _tell_notes(self) -> None:
        with suppress(queue.Empty):
            while True:
                self.say(f"note: {self._notes.get_nowait()}")
