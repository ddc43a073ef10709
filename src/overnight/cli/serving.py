"""`overnight serve` and `overnight mcp`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from overnight.cli.base import FOLDER, SANDBOX, WORKERS, apart, main, tell
from overnight.errors import TrackError, extra
from overnight.night.session import Session, opened
from overnight.track.load import load

if TYPE_CHECKING:
    from overnight.mcp.verbs import Verbs

LOCAL, PORT = "127.0.0.1", 8765
BEGINS = 30.0  # seconds within which a server says where it is
PEM = click.Path(path_type=Path, dir_okay=False, exists=True)


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
@click.option("--host", default=LOCAL, show_default=True, help="The one address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 is any.")
@click.option("--host-name", "names", multiple=True, metavar="NAME", help="A further name by which browsers reach it.")
@click.option("--tls-cert", "certificate", type=PEM, metavar="FILE", help="Certificate, as PEM: it speaks TLS then.")
@click.option("--tls-key", "key", type=PEM, metavar="FILE", help="The certificate's key, as PEM.")
@click.option("--trusted-proxy", "proxies", multiple=True, metavar="ADDRESS",
              help="The address of a proxy that speaks TLS; nothing else may connect then.")
@click.option("--token-new", "new_token", is_flag=True, help="Make a new token; what was opened with the old one is closed.")
def serve(folders: tuple[Path, ...], **options: Any) -> None:
    """Show tracks in a browser, while nights are at work and after.

    Anyone on this machine may read: they see no number of the holdout and no seed. The token, which is shown once, lets its
    holder see everything, and pause, stop, veto and add ideas. Other addresses than this machine's own need it for reading too.
    """
    with extra("web", "`overnight serve`"):
        from overnight.web import server
    found = server.opened([apart(folder) for folder in folders or (Path(),)], server.Wanted(**options))
    if found.token:
        tell(f"{found.url}#token={found.token}", err=True)
        tell("this address lets you see and steer everything; it is shown this once (--token-new makes a new one)", err=True)
    tell(f"serving {found.url}; Ctrl-C ends it", err=True)
    found.run()


def served(session: Session, port: int) -> None:
    """Start a server for a track in a process of its own, which goes on when this one ends, and say where it is. A port that is
    taken is a note: the night matters more."""
    with extra("web", "`overnight run --web`"):
        from overnight.web import server
    try:
        server.listen(LOCAL, port).close()
    except TrackError as error:
        tell(f"note: no page is started, for {error}", err=True)
        return
    session.place.make()
    log = session.home / "web.log"
    log.unlink(missing_ok=True)
    with log.open("ab") as out:  # in a folder that is this user's alone; its end is where the server writes on
        program = [sys.executable, "-P", "-m", "overnight.cli", "serve", str(session.repo.folder), "--port", str(port)]
        process = subprocess.Popen(program, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    for text in _first_lines(process, log):
        tell(text, err=True)
    if process.poll() is None:
        tell(f"the page stays when the night is over: `kill {process.pid}` ends it", err=True)


def _first_lines(process: subprocess.Popen[bytes], log: Path) -> list[str]:
    """What a server says when it serves, or why it does not."""
    deadline = time.monotonic() + BEGINS
    while process.poll() is None and time.monotonic() < deadline and "serving http" not in log.read_text(encoding="utf-8"):
        time.sleep(0.05)
    lines = log.read_text(encoding="utf-8").splitlines()
    log.write_bytes(b"")  # the token is shown, and not kept
    return [line.replace("; Ctrl-C ends it", "") for line in lines]


def _ends_with(verbs: Verbs) -> None:
    """Ctrl-C and SIGTERM end what is measured here, and the process, though a thread still reads its standard input."""
    def end(_number: int, _frame: object) -> None:
        verbs.close()
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
