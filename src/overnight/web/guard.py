"""The guard before every page and answer: which callers may ask, from where, and how much.

Covered: a page elsewhere that has this machine's name point here (DNS rebinding: 421), or that sends orders with its reader's
cookie (403); readers without the token see the public view alone on a loopback address, and nothing elsewhere (401); callers
that guess tokens (429); bodies without an end (413); paths with encoded separators, dots or control characters (404); what a
page shows cannot load, send or be framed anywhere else, whatever a candidate wrote into it.
Not covered: other programs of the same user, which read the journal anyway; encryption on a loopback address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overnight.web import problems
from overnight.web.problems import Refused
from overnight.web.tokens import Tokens, Tries

MOST_BODY_BYTES = 256 << 10  # of one request
BODY_SECONDS = 30.0  # within which it must be here
READS = ("GET", "HEAD", "OPTIONS")
SIGN_IN = "/"  # the one page that is shown without the token anywhere, for its script trades the token for a cookie
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
HEADERS = {
    "content-security-policy": POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
TRICKS = re.compile(rb"%2f|%5c|%2e|%00|\\|//|/\.\.?(?:/|$)", re.IGNORECASE)  # in a path as it was sent


@dataclass(frozen=True)
class Address:
    """Where the server is reached.

    names    what a request's Host may be
    port     at which it listens
    secure   whether it speaks TLS
    local    whether only this machine reaches it: then reading needs no token
    proxies  the addresses of proxies that are trusted: nothing else may connect then, and each must say which reader asks
    """

    names: frozenset[str]
    port: int
    secure: bool = False
    local: bool = True
    proxies: frozenset[str] = frozenset()

    @property
    def encrypted(self) -> bool:
        """Whether browsers reach it over TLS alone, spoken here or by a proxy."""
        return self.secure or bool(self.proxies)

    @property
    def cookie(self) -> str:
        """The name of its cookie: other servers on this machine have others."""
        return f"overnight-{self.port}"


def address(host: str, port: int, names: Sequence[str], secure: bool, proxies: Sequence[str]) -> Address:
    """The address of a server that listens at `host` and is called by further names."""
    local = is_local(host)
    own = {host, *names} | ({"127.0.0.1", "localhost", "::1"} if local else set())
    bare = [f"[{name}]" if ":" in name and not name.startswith("[") else name.lower() for name in own]
    usual = {name for name in bare if port in (80, 443) or name in {each.lower() for each in names}}
    return Address(frozenset(usual | {f"{name}:{port}" for name in bare}), port, secure, local and not proxies,
                   frozenset(str(ipaddress.ip_address(each)) for each in proxies))


def is_address(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_local(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return ipaddress.ip_address(host).is_loopback


class Guard:
    """Middleware that lets through what is allowed, and says in `scope["full"]` whether its sender has the token."""

    def __init__(self, app: ASGIApp, where: Address, tokens: Tokens) -> None:
        self._app, self._where, self._tokens, self._tries = app, where, tokens, Tries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # a WebSocket: there are none here

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "private, no-cache")
            await send(message)

        try:
            read = await self._checked(scope, Headers(scope=scope), receive)
        except Refused as refused:
            await problems.answer(scope["path"], refused)(scope, receive, sending)
            return
        await self._app(scope, read, sending)

    async def _checked(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        """The request's body as it may be read. Raises Refused."""
        self._check_way(scope, headers)
        full = self._authorised(scope, headers)
        scope["full"], scope["where"] = full, self._where
        asks = scope["method"] in READS
        if asks and (full or self._where.local or scope["path"].startswith("/static/")):
            return receive
        if not asks:
            self._check_origin(headers, full)
        if not full and not (asks and scope["path"] == SIGN_IN):
            raise Refused(401, "this needs the token: open the address with #token=… that `overnight serve` showed, or send "
                               "`Authorization: Bearer TOKEN`; `overnight serve --token-new` makes a new one.",
                          headers={"www-authenticate": "Bearer"})
        return receive if asks else await _bounded(headers, receive)

    def _check_way(self, scope: Scope, headers: Headers) -> None:
        """Raise Refused for a request that came by another name or way than it should."""
        if headers.get("host", "").lower() not in self._where.names or len(headers.getlist("host")) != 1:
            raise Refused(421, "this server is not called by that name: use the address that `overnight serve` showed, or give "
                               "the name with --host-name.")
        peer = (scope.get("client") or ("",))[0]
        if self._where.proxies and peer not in self._where.proxies:
            raise Refused(403, "only the trusted proxy may connect here.")
        if TRICKS.search(scope.get("raw_path", b"").partition(b"?")[0]):
            raise Refused(404, "there is nothing at this address.")

    def _authorised(self, scope: Scope, headers: Headers) -> bool:
        """Whether the sender has the token. Raises Refused for a wrong one."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            if self._tokens.fits(token.strip()):
                return True
            raise self.wrong(scope, headers)
        own = headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        cookie = cookie_parser(headers.get("cookie", "")).get(self._where.cookie, "")
        return own and bool(cookie) and self._tokens.admits(cookie)

    def wrong(self, scope: Scope, headers: Headers) -> Refused:
        """What to say to a wrong token."""
        peer = (scope.get("client") or ("",))[0]
        said = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        wait = self._tries.wrong(said[:64] if self._where.proxies and said else peer)
        if wait:
            return Refused(429, f"too many wrong tokens: try again in {wait} s.", headers={"retry-after": str(wait)})
        return Refused(401, "this is not the token: `overnight serve --token-new` makes a new one.",
                       headers={"www-authenticate": 'Bearer error="invalid_token"'})

    def _check_origin(self, headers: Headers, full: bool) -> None:
        """Raise Refused for a write that a page elsewhere may have sent. A program that sends the token itself is no page."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is None and site is None and (headers.get("authorization") or not full):
            return
        ours = origin is not None and origin.lower().partition("://")[2] in self._where.names \
            and origin.lower().partition("://")[2] == headers.get("host", "").lower()
        told = origin is not None or site is not None
        if not told or (origin is not None and not ours) or site not in (None, "same-origin"):
            raise Refused(403, "this was sent by a page that is not of this server, so it is not done.")


async def _bounded(headers: Headers, receive: Receive) -> Receive:
    """The body, read whole. Raises Refused where it is too large or does not come."""
    length = headers.get("content-length", "0")
    large = Refused(413, f"this is more than {MOST_BODY_BYTES >> 10} KiB: send less at once.")
    if not (length.isascii() and length.isdigit() and len(length) < 16 and int(length) <= MOST_BODY_BYTES):
        raise large
    body = b""
    with anyio.move_on_after(BODY_SECONDS) as limit:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "the request broke off.")
            body, more = body + message.get("body", b""), message.get("more_body", False)
            if len(body) > MOST_BODY_BYTES:
                raise large
    if limit.cancelled_caught:
        raise Refused(408, f"the request was not here within {BODY_SECONDS:.0f} s.")
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
