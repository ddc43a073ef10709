"""The API's description (OpenAPI 3.1), made of the table of operations and of the views' types."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from overnight import __version__
from overnight.web import problems
from overnight.web.api import BASE, DIFF, EVENTS, OPERATIONS, TEXT, Operation, phrase

REF = "#/components/schemas/{name}"
PARAMETER = re.compile(r"{(\w+)}")
ABOUT = ("Tracks, experiments and their evidence. Without the token a reader gets the public view: no number of the holdout, "
         "no seed; and nothing may be written.")
ALWAYS = (401, 403, 404, 421, 422)
PATH_SCHEMAS: dict[str, dict[str, Any]] = {
    "track": {"type": "string", "pattern": "^[a-z0-9-]{1,80}$"},
    "request": {"type": "string", "pattern": "^[0-9a-f-]{8,64}$"},
    "number": {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
    "run": {"type": "integer", "minimum": 1, "maximum": 10**15 - 1},
}
KEY = {"name": "Idempotency-Key", "in": "header", "required": False, "schema": PATH_SCHEMAS["request"],
       "description": "The mark of the order: sent again with the same mark it is given once. A UUID will do."}

MATCH = {"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'},
         "description": "The ETag of the version that was read: another one that is in force by now is not written over."}


@functools.cache
def description() -> bytes:
    """The description as JSON."""
    kinds = [kind for each in OPERATIONS for kind in (_answered(each), each.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([*kinds, problems.Problem], ref_template=REF)
    found = dict(zip(map(repr, [*kinds, problems.Problem]), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for each in OPERATIONS:
        paths.setdefault(f"{BASE}{each.path}", {})[each.method.lower()] = _operation(each, found)
    bearer = {"type": "http", "scheme": "bearer", "description": "The token that `overnight serve` shows when it is made."}
    return msgspec.json.encode({
        "openapi": "3.1.0",
        "info": {"title": "Overnight", "version": __version__, "description": ABOUT},
        "paths": paths, "components": {"schemas": components, "securitySchemes": {"token": bearer}},
        "security": [{}, {"token": []}]})


def _answered(each: Operation) -> Any:
    return None if each.answer is None or each.answer in (TEXT, DIFF, EVENTS) else each.answer


def _operation(each: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"operationId": each.name, "summary": each.said, "parameters": [*_path(each), *_query(each)],
                            "responses": _responses(each, schemas)}
    if each.status == 202:
        told["parameters"].append(KEY)
    if each.matched:
        told["parameters"].append(MATCH)
    if each.body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": schemas[repr(each.body)]}}}
    return told


def _path(each: Operation) -> list[dict[str, Any]]:
    return [{"name": name, "in": "path", "required": True, "schema": PATH_SCHEMAS[name]}
            for name in PARAMETER.findall(each.path)]


def _query(each: Operation) -> list[dict[str, Any]]:
    """The parameters of a query, with the lines of its docstring that explain them."""
    schema = msgspec.json.schema(each.query)
    fields = schema["$defs"][each.query.__name__]["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": _plain(kind), "description": _said(each.query, name)}
            for name, kind in fields.items()]


def _plain(kind: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter that is left out where it has no value."""
    if "anyOf" not in kind:
        return kind
    (only,) = [each for each in kind["anyOf"] if each != {"type": "null"}]
    return dict(only)


def _said(query: type, name: str) -> str:
    lines = (query.__doc__ or "").splitlines()
    found = next((line.strip().partition(name)[2].strip() for line in lines if line.strip().startswith(f"{name} ")), "")
    return found or lines[0]


def _responses(each: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    good: dict[str, Any] = {"description": phrase(each.status)}
    kind = _answered(each)
    if kind is not None:
        good["content"] = {"application/json": {"schema": schemas[repr(kind)]}}
    elif each.answer is not None:
        good["content"] = {each.answer: {"schema": {"type": "string"}}}
    found = {str(each.status): good}
    if each.answer == TEXT:
        found["206"] = good | {"description": phrase(206)}
    if each.name == "getOrder":
        found["202"] = good | {"description": phrase(202)}
    if each.tagged:
        found["304"] = {"description": phrase(304)}
    return found | {str(status): _refusal(status) for status in _refusals(each)}


def _refusals(each: Operation) -> Sequence[int]:
    return sorted({*ALWAYS, *each.refusals, 405, *((400, 408, 413, 429) if each.method != "GET" else (429,))})


def _refusal(status: int) -> dict[str, Any]:
    return {"description": phrase(status), "content": {problems.JSON: {"schema": {"$ref": REF.format(name="Problem")}}}}
