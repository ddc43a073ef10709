"""The web application: the guard, pages, the API, and what follows the tracks behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Lifespan

from overnight.web import openapi
from overnight.web.api import BASE, OPERATIONS, Parts, served
from overnight.web.fragments import FRAGMENTS
from overnight.web.guard import Address, Guard
from overnight.web.live import Hub
from overnight.web.notices import listed, notice
from overnight.web.orders import Orders
from overnight.web.packing import LEAST_BYTES, LEVEL, Packing
from overnight.web.pages import PAGES, Page
from overnight.web.problems import HANDLERS, Refused
from overnight.web.seen import Seen
from overnight.web.sides import begun
from overnight.web.tokens import Tokens
from overnight.web.tracks import Tracks
from overnight.web.verifying import Verifier

Endpoint = Callable[[Request], Awaitable[Response]]
STATIC = Path(__file__).parent / "static"
WAITING = "Nothing was run here yet: `overnight run` begins, and this page shows it as it comes."


class Application:
    """What one server serves. `asgi` is the application for a server; it works while its lifespan lasts."""

    def __init__(self, tracks: Tracks, where: Address, tokens: Tokens) -> None:
        self.tracks, self.tokens = tracks, tokens
        self.hub = Hub(tracks, FRAGMENTS)
        self._parts: Parts | None = None
        before = [Middleware(Guard, where=where, tokens=tokens),
                  Middleware(Packing, minimum_size=LEAST_BYTES, compresslevel=LEVEL)]
        self.asgi = Starlette(routes=self._routes(), middleware=before, exception_handlers=HANDLERS, lifespan=self._lifespan())

    def _lifespan(self) -> Lifespan[Starlette]:
        @asynccontextmanager
        async def lasting(_app: Starlette) -> AsyncIterator[None]:
            async with anyio.create_task_group() as tasks:
                self._parts = Parts(self.tracks, self.hub, Orders(tasks), self.tokens, Verifier(tasks), openapi.description)
                self.tracks.begin(tasks)
                tasks.start_soon(self.hub.run)
                yield
                self.hub.close()
                tasks.cancel_scope.cancel()
            self.tracks.close()

        return lasting

    def parts(self) -> Parts:
        """What the operations work with, while the lifespan lasts."""
        if self._parts is None:
            raise Refused(503, "the server is only beginning: try again in a moment.")
        return self._parts

    def _routes(self) -> list[BaseRoute]:
        pages = [Route(f"/t/{{name}}/{page.path}", self._page(page)) for page in PAGES]
        return [Route("/", self._first), *_operations(self.parts), *pages,
                Mount("/static", StaticFiles(directory=STATIC, packages=[("overnight.report", "static")]))]

    async def _first(self, request: Request) -> Response:
        """The only track, or the list of all; without the token, where reading needs it, how to send it."""
        if not request.scope["full"] and not request.scope["where"].local:
            return HTMLResponse(notice("Overnight", "Open the address with #token=… that `overnight serve` showed."))
        if len(self.tracks.names) == 1:
            return RedirectResponse(f"/t/{self.tracks.names[0]}/", 307)
        return HTMLResponse(listed(self.tracks.names))

    def _page(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            asked = dict(request.query_params) | {name: str(value) for name, value in request.path_params.items()}
            name = str(request.path_params["name"])
            other = asked.get("with", "") if page.path == "compare" else ""
            known = other in self.tracks.names
            one = await self.tracks.shown(other, request.scope["full"], begun) if known else None

            def render(seen: Seen) -> str:
                if seen.state.opened is None:
                    return notice(seen.session.repo.folder.name, WAITING, name)
                return page.render(replace(seen, beside=one), asked)

            return HTMLResponse(await self.tracks.shown(name, request.scope["full"], render))

        return show


def _operations(parts: Callable[[], Parts]) -> list[BaseRoute]:
    """One route for each path of the API, so that another method is 405 with all that it allows."""
    found: dict[str, dict[str, Endpoint]] = {}
    for each in OPERATIONS:
        found.setdefault(f"{BASE}{each.path}", {})[each.method] = served(each, parts)
    return [Route(path, _chosen(by), methods=list(by)) for path, by in found.items()]


def _chosen(by: Mapping[str, Endpoint]) -> Endpoint:
    async def serve(request: Request) -> Response:
        return await by["GET" if request.method == "HEAD" else request.method](request)

    return serve
