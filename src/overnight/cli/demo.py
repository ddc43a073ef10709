"""`overnight demo`: a night of minutes on a real model, from nothing to a report."""

from __future__ import annotations

import os
import shlex
import sys
import time
from itertools import count as counting
from pathlib import Path

import click

from overnight.cli.base import main, tell
from overnight.lab.events import Stopped
from overnight.night import layouts
from overnight.night.session import Session
from overnight.track.units import seconds

TRACK = "microgpt"
SLICE, MOST = 1 / 6, 3.0  # shares of its time by which it is longer until something is kept, and that it takes at most
PATIENCE = 180.0  # [s] a shorter demo goes on for this long, however slow the machine
LEAST = 20.0  # [s] it is longer by, since a session begins with runs that only look whether the machine is the same


@main.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--for", "lasting", metavar="3min", default="3min", show_default=True,
              help="How long; where nothing is kept by then it goes on, for three times that or three minutes at most.")
@click.option("--track", "name", default=TRACK, show_default=True, help="Another ready track.")
@click.pass_context
def demo(ctx: click.Context, folder: Path | None, lasting: str, name: str) -> None:
    """Improve a small language model in a new FOLDER; Ctrl-C ends it, with a report.

    It takes no account, no key and no GPU.
    """
    lasts = seconds(lasting)
    here = folder or next(path for n in counting(1) if not (path := Path(f"overnight-demo-{n}")).exists())
    layouts.laid_out(name, here)
    until = time.monotonic() + max(MOST * lasts, PATIENCE)
    _overnight(ctx, "run", here, "--for", lasting)
    while not _kept(here) and not _stopped(here) and time.monotonic() < until:
        _overnight(ctx, "run", here, "--for", f"{max(LEAST, SLICE * lasts):g}s")
    _overnight(ctx, "report", here, "--to", here / "report")
    again = _again()
    for what, words in (("the chart", f"{here}/report/progress.png"), ("the report", f"{here}/report/report.html"),
                        ("the commits", f"git -C {here} log --oneline overnight/{name}"),
                        ("where it stands", f"{again} status {here}"), ("one experiment", f"{again} show 1 {here}"),
                        ("go on", f"{again} run {here} --for 8h")):
        tell(f"  {what:15} {words}")


def _overnight(ctx: click.Context, *words: object) -> None:
    """Another command, in this process."""
    name, *rest = map(str, words)
    command = main.get_command(ctx, name)
    assert command is not None
    command.main(rest, prog_name=f"overnight {name}", standalone_mode=False)


def _again() -> str:
    """How this program is called again, so that it finds what was done here."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "overnight" else "overnight"
    place = os.environ.get("XDG_STATE_HOME", "")
    return f"XDG_STATE_HOME={shlex.quote(place)} {shlex.quote(program)}" if place else shlex.quote(program)


def _kept(here: Path) -> bool:
    """Whether anything is kept."""
    return bool(Session(here).read().chain())


def _stopped(here: Path) -> bool:
    """Whether its user ended the last session."""
    last = next((e for e in reversed(list(Session(here).journal.replay())) if isinstance(e, Stopped)), None)
    return last is None or last.reason.startswith("stopped")
