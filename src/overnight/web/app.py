"""The web application: pages of tracks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from overnight.errors import NotFound, OvernightError
from overnight.web.pages import PAGES, Page, notice
from overnight.web.tracks import Tracks

STATIC = Path(__file__).parent / "static"


def made(tracks: Tracks) -> Starlette:
    """The application."""
    def first(_request: Request) -> Response:
        return RedirectResponse(f"/t/{tracks.names[0]}/")

    routes = [Route("/", first), *(Route(f"/t/{{name}}/{page.path}", _shown(tracks, page)) for page in PAGES)]
    if STATIC.is_dir():
        routes.append(Mount("/static", StaticFiles(directory=STATIC)))  # type: ignore[arg-type]
    return Starlette(routes=routes)


def _shown(tracks: Tracks, page: Page) -> Callable[[Request], Response]:
    def show(request: Request) -> Response:
        asked = dict(request.query_params) | {name: str(value) for name, value in request.path_params.items()}
        try:
            return HTMLResponse(page.render(tracks.seen(request.path_params["name"], True), asked))
        except NotFound as error:
            return HTMLResponse(notice("Not here", str(error)), 404)
        except OvernightError as error:
            return HTMLResponse(notice("Nothing to show", str(error)), 503)
    return show
