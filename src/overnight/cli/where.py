"""`overnight where`."""

from __future__ import annotations

from pathlib import Path

import click

from overnight.cli.base import FOLDER, JSON, RUNG, main, say, tell
from overnight.night.session import opened
from overnight.views.answers import Whereabouts


@main.command()
@FOLDER
@RUNG
@click.option("--adopt", type=click.Path(path_type=Path, file_okay=False, exists=True),
              help="Take over the state in this folder, of a track that has none yet.")
@JSON
def where(folder: Path, rung: str, adopt: Path | None, as_json: bool) -> None:
    """Say where the state of a track lies: its journal, logs and reports."""
    session = opened(folder, rung)
    if adopt is not None:
        session.adopt(adopt.resolve())
    earlier = session.elsewhere()
    if as_json:
        say(Whereabouts(str(session.home), session.begun, earlier))
        return
    tell(session.home)
    if earlier:
        tell(f"overnight: {earlier}", err=True)
