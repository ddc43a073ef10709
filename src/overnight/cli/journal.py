"""`overnight journal`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from overnight import journal as journals
from overnight.cli.base import DONE, FOLDER, RUNG, main, tell
from overnight.contracts import Journal
from overnight.journal import copying
from overnight.journal.urls import masked
from overnight.lab.events import Event
from overnight.night.session import Session, opened


@main.group()
def journal() -> None:
    """The record of a track: take it into a database, and out of it again."""


@journal.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@FOLDER
@RUNG
@DONE
def copy(source: str, target: str, folder: Path, rung: str) -> None:
    """Copy the journal of a track, byte for byte, and check its chain of hashes.

    FROM and TO are each the path of a file that holds one track, or the URL of a database that holds several, like
    postgresql://ada@host/overnight: there it is the one of FOLDER's track. TO is empty or holds the beginning of the same
    record: a copy that broke off goes on.
    """
    session = opened(folder, rung)
    with session.scratch(), closing(_opened(source, session, only_to_read=True)) as old:
        copying.check_source(old)
        with closing(_opened(target, session)) as new:
            done = copying.copy(old, new)
    tell(f"{done.new} records copied, {done.seq} in {masked(target)}, chain whole; head {done.head}")


def _opened(place: str, session: Session, only_to_read: bool = False) -> Journal[Event]:
    """The journal at a path, or the track's own at the URL of a database. Raises JournalError."""
    if "://" in place:
        return journals.open(place, session.recorded.track, only_to_read)
    return journals.open(Path(place), only_to_read=only_to_read)
