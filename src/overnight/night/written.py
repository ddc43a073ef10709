"""A program that is written from outside: whether it is one, and what is in force, before its order is carried out.

Covered: what is no program is declined before it is recorded; what the order itself says of that is not believed. The user's
file is written by `write` alone, which the command `overnight program --write` calls.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress

from msgspec.structs import replace

from overnight.errors import TrackError
from overnight.lab.jobs import Checked, Order, WriteProgram
from overnight.night.session import Session
from overnight.track.program import Watch
from overnight.views.program import ProgramView, Versions


def checked(session: Session, order: Order) -> Order:
    """An order as it is carried out: one that writes the program with what it makes of that, any other as it is."""
    return replace(order, checked=_checked(session, order)) if isinstance(order, WriteProgram) else order


def _checked(session: Session, order: WriteProgram) -> Checked:
    try:
        watch = session.watch
        found = watch.read(order.text)
    except TrackError as error:
        return Checked(wrong=str(error).rstrip("."))
    wrong = "" if found.proposers else "no role of it proposes changes"
    return Checked(found.sha256, watch.digest, watch.program.sha256, wrong)


def shown(session: Session) -> ProgramView:
    """The program of a track with all versions that its journal knows. Raises TrackError."""
    session.look()
    found = Versions()
    for event in session.journal.replay() if session.begun else ():
        found.hear(event)
    return told(found, session.watch)


def told(versions: Versions, watch: Watch) -> ProgramView:
    """The program that is in force in a track's folder, with the versions that its journal knows."""
    return versions.view(watch.program.sha256, watch.text, _pending(watch))


def write(session: Session) -> str:
    """Put the program that is in force into the user's `program.md`. Returns its text; "" where the file holds it already.
    Raises TrackError."""
    session.look()
    watch = session.watch
    if not _pending(watch):
        return ""
    path = session.repo.folder / "program.md"
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644), "w", encoding="utf-8") as file:
            file.write(watch.written)
        if path.is_symlink():
            raise TrackError(f"{path} is a link: put the file itself there, then write it again.")
        new.replace(path)
    except OSError as error:
        raise TrackError(f"{path} cannot be written: {error}.") from error
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return watch.written


def _pending(watch: Watch) -> bool:
    """Whether what is in force is not what the file holds."""
    return bool(watch.written) and hashlib.sha256(watch.written.encode()).hexdigest() != watch.digest
