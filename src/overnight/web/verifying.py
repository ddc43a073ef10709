"""Checks journals from their first record on, in the background and not too often."""

from __future__ import annotations

import time
from functools import partial

import anyio
from anyio.abc import TaskGroup

from overnight.errors import OvernightError
from overnight.night import anchor
from overnight.night.recorded import RecordPlace
from overnight.web.lasting import attempt
from overnight.web.tracks import Followed
from overnight.web.wire import VerificationView

LEAST_PAUSE = 60.0  # seconds between two checks of a track
NEVER = VerificationView("running", 0, "0" * 64, None, "")


class Verifier:
    """What is known of the journals' chains."""

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._found: dict[str, VerificationView] = {}
        self._last: dict[str, float] = {}
        self._running: set[str] = set()

    async def look(self, track: Followed) -> VerificationView:
        """What is known of a track's journal; a check begins where it has grown since the last one. Raises TrackError."""
        place = await track.shown(False, (), lambda seen: seen.session.recorded if seen.session.begun else None)
        known = self._found.get(track.name, NEVER)
        if place is None:
            return VerificationView("whole", 0, "0" * 64, None, "")
        grown = known.head != track.follower.head
        if grown and track.name not in self._running and time.monotonic() >= self._last.get(track.name, 0.0):
            self._running.add(track.name)
            self._tasks.start_soon(attempt, f"checking {track.name}", partial(self._check, track.name, place))
        running = track.name in self._running
        return VerificationView("running", known.seq, known.head, known.at, known.said) if running else known

    async def _check(self, name: str, place: RecordPlace) -> None:
        try:
            self._found[name] = await anyio.to_thread.run_sync(_checked, place)
        finally:
            self._last[name] = time.monotonic() + LEAST_PAUSE
            self._running.discard(name)


def _checked(place: RecordPlace) -> VerificationView:
    """Read a journal from its first record on."""
    seq, head, at = 0, "0" * 64, time.time()
    try:
        journal = place.open(only_to_read=True)
        try:
            anchor.check_end(place.home, journal)
            seq, head = journal.head
            for _ in journal.replay():
                pass
        finally:
            journal.close()
    except OvernightError as error:
        return VerificationView("broken", seq, head, at, str(error))
    return VerificationView("whole", seq, head, at, "")
