"""The API below /api/v1: the table of its operations, and what serves one. docs/web.md tells of it.

`OPERATIONS` is the one source of paths, parameters, bodies and answers: routes, checks and openapi.json are made of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from overnight import __version__
from overnight.audit.arithmetic import Audit
from overnight.views.compare import CompareView
from overnight.views.experiment import DetailView, RunDetailView
from overnight.views.findings import FindingsView
from overnight.views.team import TeamView
from overnight.views.timeline import ProgressView
from overnight.views.track import TrackView
from overnight.web import orders, reads, wire
from overnight.web.live import Hub
from overnight.web.orders import Orders
from overnight.web.problems import Refused
from overnight.web.reads import Params, numbered
from overnight.web.seen import Seen
from overnight.web.sides import begun
from overnight.web.tokens import LASTS, Tokens
from overnight.web.tracks import Tracks
from overnight.web.verifying import Verifier

BASE = "/api/v1"
JSON, TEXT, DIFF, EVENTS = "application/json", "text/plain; charset=utf-8", "text/x-diff; charset=utf-8", "text/event-stream"
MOST_LOG_BYTES = 1 << 20  # of a log in one answer
Made = TypeVar("Made")
Look = Callable[[Seen, Any, Params], Any]


class Parts(NamedTuple):
    """What the operations work with."""

    tracks: Tracks
    hub: Hub
    orders: Orders
    tokens: Tokens
    verifier: Verifier
    openapi: Callable[[], bytes]


class Asked(NamedTuple):
    """One request, checked: its query and body are what the operation's types say."""

    request: Request
    parts: Parts
    query: Any
    body: Any

    @property
    def params(self) -> Params:
        """Of the path."""
        return self.request.path_params

    @property
    def full(self) -> bool:
        """Whether its sender has the token."""
        return bool(self.request.scope["full"])

    @property
    def track(self) -> str:
        """The name of the track."""
        return str(self.params["track"])

    async def shown(self, make: Callable[[Seen], Made], full: bool | None = None) -> Made:
        """What is made of the track as the sender may see it."""
        return await self.parts.tracks.shown(self.track, self.full if full is None else full, make)


class Operation(NamedTuple):
    """One thing that the API does.

    method, path   the path below /api/v1, with parameters in braces
    name, said     what it is called, and what it does, in a sentence
    work           answers a request
    answer         the type of what it answers as JSON, or another media type
    status         of a good answer
    query, body    the types of its parameters and of what is sent; None: nothing is
    refusals       with which statuses it may refuse, besides those that every operation may
    matched        whether If-Match must name the version that the sender saw
    tagged         whether its answers bear an ETag, so that one that is known already is 304
    """

    method: str
    path: str
    name: str
    said: str
    work: Callable[[Asked], Awaitable[Response]]
    answer: Any
    status: int = 200
    query: type[Struct] = wire.NoQuery
    body: type[Struct] | None = None
    refusals: tuple[int, ...] = ()
    tagged: bool = False
    matched: bool = False


# ---- serving one -----------------------------------------------------------------------------------------------


def served(operation: Operation, parts: Callable[[], Parts]) -> Callable[[Request], Awaitable[Response]]:
    """What answers requests for an operation."""
    async def serve(request: Request) -> Response:
        query = _converted(_single(request), operation.query, "query")
        body = None if operation.body is None else _decoded(request, await request.body(), operation.body)
        return await operation.work(Asked(request, parts(), query, body))

    return serve


def _single(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    if len(dict(pairs)) != len(pairs):
        raise Refused(422, "a parameter is given twice: give it once.")
    return dict(pairs)


def _converted(values: Mapping[str, str], kind: type[Struct], what: str) -> Struct:
    try:
        return msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _unfit(error, what) from error


def _decoded(request: Request, body: bytes, kind: type[Struct]) -> Struct:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        raise Refused(415, f"send JSON, and say so: Content-Type: {JSON}.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise _unfit(error, "body") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(422, "the body is no JSON.", "body") from error


def _unfit(error: msgspec.ValidationError, what: str) -> Refused:
    """What does not fit, with the field that is named behind it."""
    said, _, place = str(error).partition(" - at `$")
    field = place.rstrip("`").lstrip(".") or what
    return Refused(422, f"{field[:60]}: {said[:1].lower()}{said[1:200]}.", field[:60])


def told(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A view as JSON."""
    return Response(msgspec.json.encode(value), status, headers, JSON)


def tag(seen: Seen) -> str:
    """What changes with all that can be read of a track's journal."""
    return f'"{seen.seq}-{seen.mark}-{__version__}-{"full" if seen.full else "public"}"'


def known(request: Request, mine: str) -> bool:
    """Whether the sender has the answer of this ETag."""
    given = request.headers.get("if-none-match", "")
    return given.strip() == "*" or mine in [each.strip().removeprefix("W/") for each in given.split(",")]


def look(make: Look) -> Callable[[Asked], Awaitable[Response]]:
    """The answer of an operation that reads what the journal tells."""
    async def work(asked: Asked) -> Response:
        def answer(seen: Seen) -> Response:
            headers = {"etag": tag(seen), "vary": "authorization, cookie"}
            if known(asked.request, headers["etag"]):
                return Response(None, 304, headers)
            return told(make(seen, asked.query, asked.params), headers=headers)

        return await asked.shown(answer)

    return work


def look_now(make: Look) -> Callable[[Asked], Awaitable[Response]]:
    """The same of what changes without the journal."""
    async def work(asked: Asked) -> Response:
        return told(await asked.shown(lambda seen: make(seen, asked.query, asked.params)))

    return work


# ---- what they do ----------------------------------------------------------------------------------------------


async def _tracks(asked: Asked) -> Response:
    return told(reads.listed([each.follower for each in asked.parts.tracks], asked.full))


async def _patch(asked: Asked) -> Response:
    text = await asked.shown(lambda seen: reads.patch(seen, asked.query, asked.params))
    return Response(text.encode(errors="replace"), media_type=DIFF)


async def _log(asked: Asked) -> Response:
    text = await asked.shown(lambda seen: reads.log(seen, asked.query, asked.params))
    if text is None:
        raise Refused(401, "the logs of a scoring need the token.", headers={"www-authenticate": "Bearer"})
    body = text.encode(errors="replace")[-MOST_LOG_BYTES:]
    headers = {"accept-ranges": "bytes", "content-disposition": "inline"}
    wanted = asked.request.headers.get("range", "")
    if not wanted.startswith("bytes=") or "," in wanted:
        return Response(body, 200, headers, TEXT)
    first, last = _range(wanted.removeprefix("bytes=").strip(), len(body))
    return Response(body[first:last + 1], 206, headers | {"content-range": f"bytes {first}-{last}/{len(body)}"}, TEXT)


def _range(wanted: str, size: int) -> tuple[int, int]:
    """The first and the last byte of one range. Raises Refused where it is none within the text."""
    begin, _, end = wanted.partition("-")
    digits = all(not each or (each.isascii() and each.isdigit() and len(each) < 16) for each in (begin, end))
    if digits and begin and int(begin) < size and int(end or size) >= int(begin):
        return int(begin), min(int(end or size), size - 1)
    if digits and not begin and end and int(end) and size:
        return max(0, size - int(end)), size - 1
    raise Refused(416, f"there is no such range of {size} bytes.", "Range", {"content-range": f"bytes */{size}"})


async def _events(asked: Asked) -> Response:
    last = asked.request.headers.get("last-event-id", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 16 else asked.query.after
    asked.parts.tracks.named(asked.track)
    frames: AsyncIterator[bytes] = await asked.parts.hub.stream(asked.track, asked.full, after)
    return StreamingResponse(frames, media_type=EVENTS, headers={"cache-control": "no-store", "x-accel-buffering": "no"})


async def _verification(asked: Asked) -> Response:
    found = await asked.parts.verifier.look(asked.parts.tracks.named(asked.track))
    return told(found if asked.full else replace(found, head=""))


async def _openapi(asked: Asked) -> Response:
    return Response(asked.parts.openapi(), media_type=JSON)


async def _begin_session(asked: Asked) -> Response:
    if not asked.full or "authorization" not in asked.request.headers:  # a cookie that was taken over must end
        raise Refused(401, "send the token as `Authorization: Bearer TOKEN`.", headers={"www-authenticate": "Bearer"})
    answer = told(wire.SessionView(True))
    where = asked.request.scope["where"]
    answer.set_cookie(where.cookie, asked.parts.tokens.cookie(), max_age=LASTS, path="/", httponly=True, samesite="strict",
                      secure=where.encrypted)
    return answer


async def _session(asked: Asked) -> Response:
    return told(wire.SessionView(asked.full))


async def _end_session(asked: Asked) -> Response:
    answer = Response(None, 204)
    answer.delete_cookie(asked.request.scope["where"].cookie, path="/", httponly=True, samesite="strict")
    return answer


async def _give(asked: Asked, make: Callable[[Seen, str], Any]) -> Response:
    """Hand an order in that is made of what is seen."""
    mark = orders.marked(asked.request.headers.get("idempotency-key"))
    order, session = await asked.shown(lambda seen: (orders.checked(make(seen, mark)), seen.session))
    found = asked.parts.orders.give(asked.parts.tracks.named(asked.track), session, order)
    return told(found, 202, {"location": f"{BASE}/tracks/{asked.track}/orders/{mark}"})


async def _add_idea(asked: Asked) -> Response:
    return await _give(asked, lambda seen, mark: orders.idea(seen, asked.body, mark))


async def _drop_idea(asked: Asked) -> Response:
    number = numbered(asked.params["number"], "idea")
    return await _give(asked, lambda seen, mark: orders.dropped(seen.state, number, mark))


async def _move_idea(asked: Asked) -> Response:
    number = numbered(asked.params["number"], "idea")
    return await _give(asked, lambda seen, mark: orders.moved(seen.state, number, asked.body.position, mark))


async def _program(asked: Asked) -> Response:
    found = await asked.shown(reads.program)
    return told(found, headers={"etag": f'"{found.in_force}"'})


async def _difference(asked: Asked) -> Response:
    text = await asked.shown(lambda seen: reads.difference(seen, asked.query))
    return Response(text.encode(errors="replace"), media_type=DIFF)


async def _comparison(asked: Asked) -> Response:
    other = asked.query.track
    one = await asked.parts.tracks.shown(other, asked.full, begun) if other else None
    return told(await asked.shown(lambda seen: reads.comparison(dataclasses.replace(seen, beside=one), asked.query)))


async def _compare_program(asked: Asked) -> Response:
    text = await asked.shown(lambda seen: reads.changed(seen, asked.body.text))
    return Response(text.encode(errors="replace"), media_type=DIFF)


async def _write_program(asked: Asked) -> Response:
    match = asked.request.headers.get("if-match")
    return await _give(asked, lambda seen, mark: orders.programmed(seen, asked.body.text, match, mark))


async def _order(asked: Asked) -> Response:
    return await _give(asked, lambda seen, mark: orders.commanded(seen, asked.body, mark))


async def _ordered(asked: Asked) -> Response:
    if not asked.full:
        raise Refused(401, "orders need the token.", headers={"www-authenticate": "Bearer"})
    mark = asked.params["request"]
    given = asked.parts.orders.known(asked.track, mark)
    found = given if given is not None else await asked.shown(lambda seen: orders.looked_up(seen, mark))
    if found.state == "declined":
        raise Refused(409, found.said)
    return told(found, 202 if found.state == "waiting" else 200)


# ---- the table -------------------------------------------------------------------------------------------------

TRACK, ONE = "/tracks/{track}", "/tracks/{track}/experiments/{number}"
ABSENT, GIVEN = (404, 503), (404, 409, 413, 415, 422, 503)


def _read(path: str, name: str, said: str, make: Look, answer: Any, query: type[Struct] = wire.NoQuery) -> Operation:
    return Operation("GET", path, name, said, look(make), answer, query=query, refusals=ABSENT, tagged=True)


OPERATIONS: tuple[Operation, ...] = (
    Operation("GET", "/openapi.json", "getDescription", "This description.", _openapi, dict[str, Any]),
    Operation("GET", "/session", "getSession", "Whether the sender has the token.", _session, wire.SessionView),
    Operation("POST", "/session", "beginSession", "Trade the token for a cookie.", _begin_session, wire.SessionView,
              refusals=(413,)),
    Operation("DELETE", "/session", "endSession", "Forget the cookie.", _end_session, None, 204),
    Operation("GET", "/tracks", "listTracks", "The tracks that are served.", _tracks, tuple[wire.TrackEntry, ...]),
    _read(TRACK, "getTrack", "Where a track stands.", reads.where_it_stands, TrackView),
    _read(f"{TRACK}/experiments", "listExperiments", "Its experiments: filtered, sorted, a part at a time.", reads.experiments,
          wire.ExperimentList, wire.ExperimentsQuery),
    _read(ONE, "getExperiment", "One experiment with its evidence, runs and diff.", reads.experiment, DetailView),
    Operation("GET", f"{ONE}/patch", "getPatch", "Its change, as a diff.", _patch, DIFF, refusals=ABSENT),
    _read(f"{ONE}/runs", "listRuns", "Its runs, oldest first.", reads.runs, tuple[RunDetailView, ...]),
    Operation("GET", f"{ONE}/logs/{{run}}", "getLog", "The end of the log of one of its runs.", _log, TEXT,
              query=wire.LogQuery, refusals=(*ABSENT, 416)),
    _read(f"{TRACK}/progress", "getProgress", "The course of the track.", reads.progress, ProgressView, wire.RangeQuery),
    _read(f"{TRACK}/progress/{{number}}", "getPoint", "What its chart says of one point: its effect and its title.",
          reads.point, wire.PointWordsView, wire.PointQuery),
    Operation("GET", f"{TRACK}/audits", "getAudit", "What was kept, measured again.", look_now(reads.audit), Audit,
              refusals=ABSENT),
    Operation("GET", f"{TRACK}/findings", "getFindings", "What was found, and whether it holds.", look_now(reads.findings),
              FindingsView, refusals=ABSENT),
    Operation("GET", f"{TRACK}/jobs", "listJobs", "What is under way.", look_now(reads.jobs), wire.JobList, refusals=ABSENT),
    _read(f"{TRACK}/ideas", "listIdeas", "The queue of ideas.", reads.ideas, wire.IdeaList),
    Operation("POST", f"{TRACK}/ideas", "addIdea", "Put an idea into the queue.", _add_idea, wire.OrderView, 202,
              body=wire.IdeaGiven, refusals=GIVEN),
    Operation("DELETE", f"{TRACK}/ideas/{{number}}", "dropIdea", "Take an idea out of the queue.", _drop_idea,
              wire.OrderView, 202, refusals=GIVEN),
    Operation("PATCH", f"{TRACK}/ideas/{{number}}", "moveIdea", "Move an idea to another place of the queue.", _move_idea,
              wire.OrderView, 202, body=wire.PlaceGiven, refusals=GIVEN),
    Operation("GET", f"{TRACK}/program", "getProgram", "The instructions for researchers, with their versions.", _program,
              wire.ProgramNowView, refusals=ABSENT),
    Operation("GET", f"{TRACK}/program/diff", "getProgramDiff", "What differs between two of its versions.", _difference, DIFF,
              query=wire.VersionsQuery, refusals=ABSENT),
    Operation("POST", f"{TRACK}/program/difference", "compareProgram",
              "What a text would change in the program.md that is in force, as a diff; nothing is written.",
              _compare_program, DIFF, body=wire.ProgramGiven, refusals=(404, 413, 415, 422, 503)),
    Operation("PUT", f"{TRACK}/program", "writeProgram",
              "Let a text be in force as program.md; the file changes only by `overnight program --write`.", _write_program,
              wire.OrderView, 202, body=wire.ProgramGiven, refusals=(*GIVEN, 412, 428), matched=True),
    _read(f"{TRACK}/team", "getTeam", "The researchers, and what became of what they proposed.", reads.team, TeamView),
    Operation("GET", f"{TRACK}/compare", "compareTrack", "The track beside another one, or two of its researchers.",
              _comparison, CompareView, query=wire.CompareQuery, refusals=ABSENT),
    _read(f"{TRACK}/journal", "listRecords", "Records of the journal, oldest first.", reads.journal, wire.RecordList,
          wire.JournalQuery),
    Operation("GET", f"{TRACK}/journal/verification", "getVerification",
              "Whether the journal's chain is whole; asking for it has it checked.", _verification,
              wire.VerificationView, refusals=ABSENT),
    Operation("GET", f"{TRACK}/events", "followTrack", "What changes, as it comes (server-sent events).", _events, EVENTS,
              query=wire.StreamQuery, refusals=ABSENT),
    Operation("POST", f"{TRACK}/orders", "giveOrder", "Pause, resume or stop the night at work, or take a keep back.", _order,
              wire.OrderView, 202, body=wire.OrderGiven, refusals=GIVEN),
    Operation("GET", f"{TRACK}/orders/{{request}}", "getOrder",
              "What became of an order: 202 while it waits, 409 where it was declined.", _ordered, wire.OrderView,
              refusals=(*ABSENT, 409)),
)


def phrase(status: int) -> str:
    """A status in words."""
    return HTTPStatus(status).phrase
