"""The gate: how an agent in a sandbox without a network reaches its model's host, and no other.

Inside, the launcher listens on 127.0.0.1 and asks for a descriptor for each connection, over a socket that was inherited.
Outside, here, each such descriptor is one end of a socket pair; the other end is served as a proxy that knows CONNECT only.

Covered: only the pairs of host and port that were allowed, compared as text; names are looked up here, and one that leads
to this machine or its network is refused unless that host was named by the user; what was looked up is what is connected
to. Connections and bytes are bounded and counted, and all of it is over when the agent is.
Not covered: what is said to an allowed host, which is encrypted. An agent that was talked into it can send there whatever
it can read: the tree, its own key; and another account at the same host is behind the same name.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

PORT = 443  # where nothing else is said
MOST_AT_ONCE = 64  # connections
MOST_BYTES = 2 << 30  # both ways together, in one attempt
HEAD, HEAD_WITHIN = 8 << 10, 10.0  # bytes of a request to the gate, and seconds in which it must have been made
CONNECT_WITHIN = 20.0  # seconds
WISH, REFUSED = b"+", b"-"
Target = tuple[str, int]
Resolve = Callable[[str, int], Sequence[str]]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def target(text: str) -> Target:
    """"host", "host:port" or "[address]:port" as host and port. Raises ValueError."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?", text)
    if found is None or not 0 < int(found[3] or PORT) < 1 << 16:
        raise ValueError(f"'{text}' is no host: write it like api.example.com or 192.168.1.5:8000.")
    return (found[1] or found[2]).lower(), int(found[3] or PORT)


def looked_up(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError."""
    return list(dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def public(address: str) -> bool:
    """Whether an address is the whole world's, and neither this machine's nor its network's."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return found.is_global and not found.is_multicast


class Gate:
    """Serves one agent, on a thread of its own. `allowed` says of each target whether it may lie on this machine or its
    network; `resolve` gives the addresses of a name. `sent` and `received` count bytes, `refused` holds what was asked for in
    vain, `unreached` why an allowed host could not be reached."""

    def __init__(self, allowed: Mapping[Target, bool], resolve: Resolve = looked_up) -> None:
        self._allowed, self._resolve = dict(allowed), resolve
        self.sent = self.received = 0
        self.refused: list[str] = []
        self.unreached = ""
        self._line, self.theirs = socket.socketpair()
        self._line.setblocking(False)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Tell the launcher that its agent is no longer wanted; every connection ends."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End every connection, and return when nothing of this runs any more."""
        self.hang_up()
        self.theirs.close()
        self._thread.join(CONNECT_WITHIN)
        self._line.close()

    async def _serve(self) -> None:
        """Give a descriptor for each wish, until either side hangs up; what is still open then is cancelled."""
        loop, attended = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        with suppress(OSError):
            while await loop.sock_recv(self._line, 1):
                if len(attended) >= MOST_AT_ONCE:
                    self._line.send(REFUSED)
                    continue
                ours, theirs = socket.socketpair()
                attended.add(task := loop.create_task(self._attend(ours)))
                task.add_done_callback(attended.discard)
                with theirs:
                    socket.send_fds(self._line, [WISH], [theirs.fileno()])

    async def _attend(self, ours: socket.socket) -> None:
        """One connection from inside."""
        asking, answer = await _opened(sock=ours)
        held = [answer]
        with suppress(OSError):  # it is over, from whichever side
            try:
                status, server = await self._admitted(asking)
                held += [server[1]] if server is not None else []
                answer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
                await answer.drain()
                if server is not None:
                    await asyncio.gather(self._carry(asking, server[1], "sent"), self._carry(server[0], answer, "received"))
            finally:
                for writer in held:
                    writer.transport.abort()

    async def _admitted(self, asking: asyncio.StreamReader) -> tuple[str, Stream | None]:
        """The answer to a request, and the connection that it asked for."""
        try:
            async with asyncio.timeout(HEAD_WITHIN):
                head = await asking.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            return "400 the request is no request", None
        found = re.match(rb"CONNECT ([!-~]{1,300}) HTTP/1\.[01]\r?\n?", head)
        if found is None:
            return "405 only CONNECT is known here", None
        try:
            wanted = target(found[1].decode())
        except ValueError:
            wanted = ("", 0)
        if wanted not in self._allowed:
            self._refuse(found[1].decode())
            return "403 this host is not allowed", None
        server = await self._connected(wanted)
        return ("502 the host cannot be reached" if server is None else "200 OK"), server

    def _refuse(self, what: str) -> None:
        if len(self.refused) < 100:
            self.refused.append(what)

    async def _connected(self, wanted: Target) -> Stream | None:
        """A connection to an allowed target: to the very address that was looked at."""
        host, port = wanted
        try:
            addresses = await asyncio.to_thread(self._resolve, host, port)
        except OSError as error:
            self.unreached = f"{host} cannot be looked up ({error.strerror or error})"
            return None
        fit = [address for address in addresses if self._allowed[wanted] or public(address)]
        if not fit:
            self._refuse(f"{host} at {', '.join(addresses) or 'no address'}")
        for address in fit:
            try:
                async with asyncio.timeout(CONNECT_WITHIN):
                    return await _opened(host=address, port=port)
            except OSError as error:
                why = os.strerror(error.errno) if error.errno else "no answer"
                self.unreached = f"{host}:{port} cannot be reached ({why})"
        return None

    async def _carry(self, source: asyncio.StreamReader, to: asyncio.StreamWriter, way: str) -> None:
        """Carry bytes one way until that side has ended, or the agent has had its share."""
        with suppress(OSError):
            while chunk := await source.read(1 << 16):
                setattr(self, way, getattr(self, way) + len(chunk))
                if self.sent + self.received > MOST_BYTES:
                    break
                to.write(chunk)
                await to.drain()
        with suppress(OSError):
            to.write_eof()


async def _opened(**where: Any) -> Stream:
    """A connection that, when it has drained, has sent all. Raises OSError."""
    reader, writer = await asyncio.open_connection(limit=HEAD, **where)
    writer.transport.set_write_buffer_limits(0)
    return reader, writer
