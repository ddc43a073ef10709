"""The program of a track as it is now, for pages and the API alike."""

from __future__ import annotations

from overnight.errors import TrackError
from overnight.night import written
from overnight.track.program import Watch
from overnight.views.program import ProgramView
from overnight.web.seen import Seen


def watched(seen: Seen) -> Watch:
    """The program in force, read from the track's folder now. Raises TrackError where the file cannot be used."""
    return seen.session.watched()


def program(seen: Seen) -> tuple[ProgramView, str]:
    """The program with its versions, and what is wrong with the file, in a sentence; "": nothing. A broken one has no text."""
    try:
        return written.told(seen.told(), watched(seen)), ""
    except TrackError as error:
        return seen.told().view(seen.state.program), str(error)
