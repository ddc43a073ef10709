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

import ipaddress
import re
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

PORT = 443  # where nothing else is said
MOST_AT_ONCE = 64  # connections
MOST_BYTES = 2 << 30  # both ways together, in one attempt
HEAD, HEAD_WITHIN = 8 << 10, 10.0  # bytes of a request to the gate, and seconds in which it must have been made
CONNECT_WITHIN = 20.0  # seconds
WISH, REFUSED = b"+", b"-"
Target = tuple[str, int]
Resolve = Callable[[str, int], Sequence[str]]


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
    """Serves one agent. `allowed` says of each target whether it may lie on this machine or its network; `resolve` gives the
    addresses of a name. `sent` and `received` count bytes, `refused` holds what was asked for in vain, `unreached` why an
    allowed host could not be reached."""

    def __init__(self, allowed: Mapping[Target, bool], resolve: Resolve = looked_up) -> None:
        self._allowed, self._resolve = dict(allowed), resolve
        self.sent = self.received = 0
        self.refused: list[str] = []
        self.unreached = ""
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._over = False
        self._line, self.theirs = socket.socketpair()
        self._start(self._serve)

    # -- life --

    def hang_up(self) -> None:
        """Tell the launcher that its agent is no longer wanted."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End every connection, and return when nothing of this runs any more."""
        self.hang_up()
        with self._lock:
            self._over = True
            for each in self._open:
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self.theirs.close()
        for thread in list(self._threads):
            thread.join(CONNECT_WITHIN)
        self._line.close()

    def _start(self, what: Callable[..., None], *given: object) -> threading.Thread:
        thread = threading.Thread(target=what, args=given, daemon=True)
        with self._lock:
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
            thread.start()
        return thread

    def _hold(self, each: socket.socket) -> None:
        """Note a socket that is to be ended with the gate. Raises OSError when the gate is closed."""
        with self._lock:
            if self._over:
                each.close()
                raise OSError("the gate is closed")
            self._open.add(each)

    def _drop(self, each: socket.socket) -> None:
        with self._lock:
            self._open.discard(each)
        each.close()

    # -- asking --

    def _serve(self) -> None:
        """Give a descriptor for each wish."""
        with suppress(OSError):
            while self._line.recv(1):
                if len(self._open) >= 2 * MOST_AT_ONCE:
                    self._line.sendall(REFUSED)
                    continue
                ours, theirs = socket.socketpair()
                self._hold(ours)
                with theirs:
                    socket.send_fds(self._line, [WISH], [theirs.fileno()])
                self._start(self._attend, ours)

    def _attend(self, client: socket.socket) -> None:
        """One connection from inside."""
        try:
            status, server, rest = self._admitted(client)
            client.sendall(f"HTTP/1.1 {status}\r\n\r\n".encode())
            if server is not None:
                self._join(client, server, rest)
        except OSError:
            pass  # it is over, from whichever side
        finally:
            self._drop(client)

    def _admitted(self, client: socket.socket) -> tuple[str, socket.socket | None, bytes]:
        """The answer to a request, the connection that it asked for, and what the client said too early. Raises OSError."""
        client.settimeout(HEAD_WITHIN)
        said = b""
        while b"\r\n\r\n" not in said:
            if len(said) > HEAD or not (more := client.recv(HEAD)):
                return "400 the request is no request", None, b""
            said += more
        client.settimeout(None)
        head, _, rest = said.partition(b"\r\n\r\n")
        found = re.match(rb"CONNECT ([!-~]{1,300}) HTTP/1\.[01]\r?\n?", head)
        if found is None:
            return "405 only CONNECT is known here", None, b""
        try:
            wanted = target(found[1].decode())
        except ValueError:
            wanted = ("", 0)
        if wanted not in self._allowed:
            self._refuse(found[1].decode())
            return "403 this host is not allowed", None, b""
        server = self._connected(wanted)
        return ("502 the host cannot be reached" if server is None else "200 OK"), server, rest

    def _refuse(self, what: str) -> None:
        with self._lock:
            if len(self.refused) < 100:
                self.refused.append(what)

    def _connected(self, wanted: Target) -> socket.socket | None:
        """A connection to an allowed target: to the very address that was looked at."""
        host, port = wanted
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            self.unreached = f"{host} cannot be looked up ({error.strerror or error})"
            return None
        fit = [address for address in addresses if self._allowed[wanted] or public(address)]
        if not fit:
            self._refuse(f"{host} at {', '.join(addresses) or 'no address'}")
        for address in fit:
            try:
                server = socket.create_connection((address, port), CONNECT_WITHIN)
            except OSError as error:
                self.unreached = f"{host}:{port} cannot be reached ({error.strerror or error})"
                continue
            server.settimeout(None)
            self._hold(server)
            return server
        return None

    # -- carrying --

    def _join(self, client: socket.socket, server: socket.socket, rest: bytes) -> None:
        """Carry bytes both ways until both sides have ended."""
        try:
            self._count("sent", len(rest))
            server.sendall(rest)
            back = self._start(self._carry, server, client, "received")
            self._carry(client, server, "sent")
            back.join()
        finally:
            self._drop(server)

    def _carry(self, source: socket.socket, to: socket.socket, way: str) -> None:
        with suppress(OSError):
            while chunk := source.recv(1 << 16):
                self._count(way, len(chunk))
                to.sendall(chunk)
        with suppress(OSError):
            to.shutdown(socket.SHUT_WR)

    def _count(self, way: str, many: int) -> None:
        """Raises OSError when the agent has had its share."""
        with self._lock:
            setattr(self, way, getattr(self, way) + many)
            if self.sent + self.received > MOST_BYTES:
                raise OSError("too much was sent")
