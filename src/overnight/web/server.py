"""The server's process: where it listens, that it yields to the night, and its end."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from overnight.errors import TrackError
from overnight.web import guard, tokens
from overnight.web.app import Application
from overnight.web.tracks import Tracks

NICENESS = 10  # a night at work comes first
GRACE = 2  # seconds in which open answers may end
HEAD_SECONDS = 30.0  # in which a request's headers must be here
BACKLOG = 512  # connections that wait, so that all pages may come back at once


class Wanted(NamedTuple):
    """How a server is to be reached: the options of `overnight serve`."""

    host: str = "127.0.0.1"
    port: int = 8765
    names: Sequence[str] = ()
    certificate: Path | None = None
    key: Path | None = None
    proxies: Sequence[str] = ()
    new_token: bool = False


class Opened(NamedTuple):
    """A server that is about to serve.

    url    what to open
    token  of a reader that may see and do everything; "": it was shown before
    """

    server: Server
    socket: socket.socket
    url: str
    token: str

    def run(self) -> None:
        """Serve until the process is told to end."""
        os.nice(NICENESS)
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a page that is open holds a descriptor
        with suppress(KeyboardInterrupt):  # which uvicorn raises once more when it has ended
            self.server.run(sockets=[self.socket])


class Server(uvicorn.Server):
    """A server that ends its streams first when it is told to end."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then the connections."""
        self._application.hub.close()
        await super().shutdown(sockets)


class Prompt(H11Protocol):
    """A connection that ends where a request's headers do not come: connections that say nothing would use up all there are."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take up what came, and wait for the rest where that is not a whole head."""
        super().data_received(data)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def opened(folders: Sequence[Path], wanted: Wanted) -> Opened:
    """A server for the tracks of these folders, which listens already. Raises TrackError."""
    proxies = [_ip(each) for each in wanted.proxies]
    secure = wanted.certificate is not None
    if (wanted.key is None) != (wanted.certificate is None):
        raise TrackError("--tls-cert and --tls-key belong together: give both.")
    sock = listen(wanted.host, wanted.port)
    try:
        host, port = sock.getsockname()[:2]
        where = guard.address(host, port, [*wanted.names, wanted.host], secure, proxies)
        if not guard.is_local(host) and not where.encrypted:
            raise TrackError(f"{wanted.host} is reached from other machines, so it needs TLS (--tls-cert and --tls-key), or a "
                             "proxy in front that speaks it (--trusted-proxy ADDRESS).")
        kept, text = tokens.kept(wanted.new_token)
        application = Application(Tracks(folders), where, kept)
        config = uvicorn.Config(application.asgi, http=Prompt, log_level="warning",
                                timeout_graceful_shutdown=GRACE, lifespan="on",
                                ssl_certfile=wanted.certificate, ssl_keyfile=wanted.key, proxy_headers=False,
                                server_header=False, ws="none", backlog=BACKLOG)
        if secure:
            _load(config)
    except BaseException:
        sock.close()
        raise
    shown = f"[{host}]" if ":" in host else host
    name = wanted.names[0] if wanted.names else f"{shown}:{port}"
    return Opened(Server(config, application), sock, f"http{'s' if where.encrypted else ''}://{name}/", text)


def listen(host: str, port: int) -> socket.socket:
    """A socket at one address of this machine; port 0 is any. Raises TrackError."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if found[4][0] in ("0.0.0.0", "::"):
            raise TrackError(f"{host} is every address at once: name the one by which others reach this machine.")
        return socket.create_server(found[4][:2], family=found[0], backlog=BACKLOG)
    except (OSError, UnicodeError, OverflowError) as error:
        number = getattr(error, "errno", None)
        why = os.strerror(number) if number and number > 0 else str(error)  # create_server repeats the address in its own words
        raise TrackError(f"{host}:{port} cannot be listened at ({why.lower()}): end what uses it, or take another one with "
                         "--port, 0 for any.") from error


def _ip(text: str) -> str:
    if not guard.is_address(text):
        raise TrackError(f"{text} is no address: --trusted-proxy takes the one from which the proxy connects, like 10.0.0.2.")
    return text


def _load(config: uvicorn.Config) -> None:
    """Load what TLS needs. Raises TrackError."""
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise TrackError(f"--tls-cert and --tls-key cannot be used ({error.strerror or error}): give a certificate and its key "
                         "as PEM files.") from error
