"""The program of a track: its versions, what changed between them, and the one in force as a file."""

from __future__ import annotations

import time
from pathlib import Path

import click

from overnight.cli.base import FOLDER, JSON, main, say, tell
from overnight.errors import TrackError
from overnight.lab.jobs import WriteProgram
from overnight.night import dispatch, written
from overnight.night.inbox import request
from overnight.night.session import opened
from overnight.untrusted import line
from overnight.views.program import ProgramView, VersionView, difference


@main.command()
@FOLDER
@click.option("--write", is_flag=True, help="Put the version that is in force into program.md: nothing else ever does.")
@click.option("--diff", type=click.IntRange(min=1), default=None, metavar="NUMBER",
              help="What this version changed of the one before it.")
@JSON
def program(folder: Path, write: bool, diff: int | None, as_json: bool) -> None:
    """The versions of program.md that the journal knows, and the one in force."""
    session = opened(folder)
    if write and (changed := written.write(session)):
        session.journal.close()  # that the file holds it now is recorded, so that what it held before is another program
        dispatch.order(opened(folder), WriteProgram(request(), changed, session.program.sha256))
        session = opened(folder)
    found = written.shown(session)
    if as_json:
        say(found)
        return
    if diff is not None:
        tell(_changed(found, diff), page=True)
        return
    for each in found.versions:
        tell(_line(each))
    if write:
        tell("program.md holds the version that is in force")
    elif found.pending:
        tell("the version that is in force is not in program.md: `overnight program --write` puts it there")


def _line(each: VersionView) -> str:
    """A version in a line."""
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(each.at))
    came = f"written by {line(each.by, 40)}" if each.by else "from the file" if each.source == "file" else "from outside"
    count = f"{each.experiments} experiment{'s' * (each.experiments != 1)}, {each.kept} kept"
    return f"{each.number:4} {each.sha256[:12]} {when}  {came}, {count}{', in force' * each.in_force}"


def _changed(found: ProgramView, number: int) -> str:
    """What a version changed of the one before. Raises TrackError."""
    if number > len(found.versions):
        raise TrackError(f"there is no version {number}: `overnight program` lists them.")
    new = found.versions[number - 1]
    old = found.versions[number - 2] if number > 1 else VersionView(0, "", 0.0, "file", text="")
    if None in (old.text, new.text):
        raise TrackError(f"the text of version {number} or of the one before is not in the journal: name another one.")
    return difference(old, new) or "the same text"
