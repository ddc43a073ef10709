"""`overnight serve` and `overnight mcp`."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from overnight.cli.base import FOLDER, SANDBOX, WORKERS, apart, main, tell
from overnight.errors import extra
from overnight.night.session import opened
from overnight.track.load import load

if TYPE_CHECKING:
    from overnight.mcp.verbs import Verbs


@main.command()
@FOLDER
@click.option("--http", "over_http", is_flag=True, help="Serve over streamable HTTP instead of standard input and output.")
@click.option("--host", default="127.0.0.1", show_default=True, help="With --http: the one address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="With --http; 0 is any.")
@SANDBOX
@WORKERS
def mcp(folder: Path, over_http: bool, host: str, port: int, sandbox_name: str, workers: int | None) -> None:
    """Serve brief, try, show, log and ideas to agents, over the Model Context Protocol.

    Over HTTP there is no password: any client that reaches the address may try changes and read the code.
    """
    with extra("mcp", "`overnight mcp`"):
        from overnight.mcp import server
        from overnight.mcp.verbs import Verbs
    load(opened(folder).repo.folder)
    verbs = Verbs(folder, sandbox_name, workers)
    _ends_with(verbs)
    try:
        if over_http:
            sock = server.listen(host, port)
            tell(f"serving {folder.resolve()} at http://{server.named(host, sock)[0]}{server.PATH}: any client that "
                       "reaches it may try changes; Ctrl-C ends it", err=True)
            server.http(verbs, host, sock)
        else:
            server.made(verbs).run("stdio")
    finally:
        verbs.close()


@main.command()
@click.argument("folders", nargs=-1, metavar="[FOLDER]...", type=click.Path(path_type=Path, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="The one address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0 is any.")
def serve(folders: tuple[Path, ...], host: str, port: int) -> None:
    """Show tracks in a browser, while nights are at work and after."""
    with extra("web", "`overnight serve`"):
        import uvicorn

        from overnight.web import app
        from overnight.web.tracks import Tracks
    tracks = Tracks([apart(folder) for folder in folders or (Path(),)])
    tell(f"serving http://{host}:{port}/; Ctrl-C ends it", err=True)
    uvicorn.run(app.made(tracks), host=host, port=port, log_level="warning")


def _ends_with(verbs: Verbs) -> None:
    """Ctrl-C and SIGTERM end what is measured here, and the process, though a thread still reads its standard input."""
    def end(_number: int, _frame: object) -> None:
        verbs.close()
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
