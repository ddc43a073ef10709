"""What goes wrong, as an answer: RFC 9457's problem details for programs, a page with the sentence for readers."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from overnight.errors import Busy, Declined, ExtraMissing, JournalError, NotFound, OvernightError, TrackError
from overnight.untrusted import flat
from overnight.web.notices import notice

JSON = "application/problem+json"
INSIDE = "this failed inside Overnight; the server's own output says where."
API = "/api/"  # how addresses of the API begin
STATUS: tuple[tuple[type[OvernightError], int], ...] = (  # the first that fits
    (NotFound, 404), (Declined, 409), (Busy, 409), (ExtraMissing, 501), (JournalError, 503), (TrackError, 503),
)


class Problem(Struct, frozen=True, omit_defaults=True):
    """Why a request was not answered as it was meant (RFC 9457).

    type    what kind of problem it is: "about:blank", so the status says it
    title   the status in words
    status  of the answer
    detail  what is wrong and what to do, in a sentence
    field   the parameter or the part of the body that is wrong; "": it is none of these
    """

    title: str
    status: int
    detail: str
    field: str = ""
    type: str = "about:blank"


class Refused(Exception):
    """A request that is not answered, with its status and the sentence; `headers` say more to programs."""

    def __init__(self, status: int, detail: str, field: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.field, self.headers = status, detail, field, headers or {}


def answer(path: str, refused: Refused) -> Response:
    """The answer to a request for a path."""
    title = HTTPStatus(refused.status).phrase
    if not path.startswith(API):
        return HTMLResponse(notice(title, flat(refused.detail)), refused.status, refused.headers)
    told = Problem(title, refused.status, flat(refused.detail), refused.field)
    body = msgspec.to_builtins(told) | {"type": told.type}
    return Response(msgspec.json.encode(body), refused.status, refused.headers, JSON)


async def overnight_error(request: Request, error: Exception) -> Response:
    """The answer where a track, its journal or an order is the problem."""
    assert isinstance(error, OvernightError)
    status = next((number for kind, number in STATUS if isinstance(error, kind)), 500)
    return answer(request.url.path, Refused(status, str(error)))


async def refused_request(request: Request, error: Exception) -> Response:
    """The answer to a request that is refused."""
    assert isinstance(error, Refused)
    return answer(request.url.path, error)


async def http_error(request: Request, error: Exception) -> Response:
    """The answer where no route fits, or not with this method."""
    assert isinstance(error, HTTPException)
    said = {404: "there is nothing at this address.", 405: "this address is not used with that method."}
    headers = dict(error.headers or {})
    return answer(request.url.path, Refused(error.status_code, said.get(error.status_code, error.detail), "", headers))


async def bug(request: Request, _error: Exception) -> Response:
    """The answer where Overnight itself fails: what it was stands in the server's own output."""
    return answer(request.url.path, Refused(500, INSIDE))


HANDLERS = {OvernightError: overnight_error, Refused: refused_request, HTTPException: http_error, Exception: bug}
