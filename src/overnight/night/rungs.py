"""The rungs of a track: which there are, the session of each, and what has to begin anew there."""

from __future__ import annotations

import time

from msgspec.structs import replace

from overnight.errors import TrackError
from overnight.lab.climbing import Climb
from overnight.lab.events import Climbed
from overnight.night.session import Session


def names(session: Session, name: str = "") -> tuple[str, ...]:
    """The names of the rungs to climb to, from the lowest up: the one that is named, or all. Raises TrackError."""
    ladder = session.contract().ladder
    if not ladder.rung:
        raise TrackError("track.toml names no rung: write [[ladder.rung]] with a name, a size and its environment.")
    return (ladder.at(name).name,) if name else tuple(rung.name for rung in ladder.rung)


def on(session: Session, rung: str) -> Session:
    """The session of a rung of an opened track. Raises TrackError where the track itself was never run."""
    state = session.read()
    assert state.opened is not None
    return Session(session.repo.folder, rung=rung, baseline=state.opened.commit)


def at_work(session: Session) -> Session | None:
    """The rung of a track on which a climb is at work; None where none is."""
    if session.look().opened is None:
        return None
    return next((each for each in (on(session, rung.name) for rung in session.contract().ladder.rung) if each.at_work()), None)


def removed(session: Session) -> list[Climbed]:
    """Note on a track that is held for writing which rungs [ladder] names no more: without a branch, they are not shown."""
    names = {rung.name for rung in session.contract().ladder.rung}
    gone = [replace(each, at=time.time(), branch="", carried=()) for name, each in session.state.ladder.items()
            if name not in names and each.branch]
    session.record(list(gone))
    return gone


def anew(session: Session, above: Session) -> bool:
    """Whether a rung has to begin anew: the track did, of whose experiments it tried some that are no more, or at another
    commit; or what [ladder] says of this rung has changed. Raises TrackError."""
    opened, theirs = session.state.opened, above.look().opened
    if theirs is None or opened is None:
        return False
    return theirs.commit != opened.commit or not above.contract().comparable(above.state.track) \
        or not Climb((), above.state).experiments <= session.state.experiments.keys()
