"""Answers: pages, records with their ETag, and commands whose answer is kept under an idempotency key.

Each is checked against its published shape before it leaves; a command's before it commits.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from tieout.api.requests import Caller
from tieout.hub.exceptions import Page
from tieout.hub.refusals import Invalid, Refusal, Stale
from tieout.model.plain import plain
from tieout.store import clock
from tieout.store import reading as store


class NeedsCondition(Refusal):
    """A change must say which version it changes."""

    status = 428
    default_code = "TIE-128"


class Unfit(RuntimeError):
    """An answer is not what the contract says of it: our fault, told to nobody but the log."""


def fitting(shape: type[BaseModel], body: Any) -> Any:
    """The body, unchanged, as it has the published shape; loud when it has not."""
    try:
        shape.model_validate_json(json.dumps(body))
    except ValidationError as error:
        places = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
        raise Unfit(f"{shape.__name__}: {'; '.join(places)}") from None
    return body


def gives(
    shape: type[BaseModel], status: int = 200, about: str = "", location: bool = False
) -> dict[int | str, dict[str, Any]]:
    """What the document says of an operation's success, for `responses=` of its route."""
    said: dict[str, Any] = {"model": shape, "description": about or (shape.__doc__ or "").split("\n")[0]}
    if location:
        said["headers"] = {"Location": {"description": "Where to look.", "schema": {"type": "string"}}}
    return {status: said}


def page(shape: type[BaseModel], found: Page, fields: Sequence[str] | None = None) -> JSONResponse:
    """A list of `shape`: `data`, and `next_cursor` while there is more."""
    rows = [fitting(shape, plain(row)) for row in found.rows]
    return JSONResponse({"data": [_only(row, fields) for row in rows], "next_cursor": found.cursor})


def record(
    request: Request, shape: type[BaseModel], row: Mapping[str, Any], fields: Sequence[str] | None = None
) -> Response:
    """One record with its ETag; 304 when the caller holds it already."""
    body = fitting(shape, plain(row))
    tag = etag_of(row)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return JSONResponse(_only(body, fields), headers={"ETag": tag})


def etag_of(row: Mapping[str, Any]) -> str:
    """The version of a record as a strong tag; records without one are tagged by their content."""
    if row.get("version") is not None:
        return f'"{row["version"]}"'
    content = json.dumps(plain(row), sort_keys=True).encode()
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def _only(row: dict[str, Any], fields: Sequence[str] | None) -> dict[str, Any]:
    if fields is None:
        return row
    unknown = set(fields) - set(row)
    if unknown:
        raise Invalid(
            f"There is no field {', '.join(sorted(unknown))}.", fields=dict.fromkeys(unknown, "unknown field")
        )
    return {name: row[name] for name in fields}


def expected_version(request: Request) -> int:
    """The version that `If-Match` names: needed on every change of a versioned record."""
    told = request.headers.get("if-match")
    if told is None:
        raise NeedsCondition(
            "If-Match is needed: the ETag of the record as you read it. Nothing was written.",
            remedy="Read the record and send its ETag.",
        )
    try:
        return int(told.strip().strip('"'))
    except ValueError:
        raise Stale("The record changed after it was read. Nothing was written.",
                    remedy="Read it again and decide anew.") from None  # fmt: skip


Command = Callable[[Connection], Any]


def command(
    request: Request,
    who: Caller,
    shape: type[BaseModel],
    body: Any,
    act: Command,
    status: int = 200,
    location: str = "",
) -> JSONResponse:
    """Carry out a command once per `Idempotency-Key`: effect, audit row and kept answer commit together.

    The same key with the same request gives the same answer again; with another it is refused.
    """
    key = request.headers.get("idempotency-key", "")
    if not 1 <= len(key) <= 200 or not key.isprintable():
        raise Invalid("Idempotency-Key is needed: 1 to 200 characters of your choice. Nothing was written.",
                      code="TIE-127", fields={"Idempotency-Key": "missing"})  # fmt: skip
    digest = hashlib.sha256(
        json.dumps([request.method, request.url.path, plain(body)], sort_keys=True).encode()
    ).digest()
    with who.engine.begin() as conn:
        earlier = store.claim_key(conn, who.actor.name, key, digest, clock.now(conn))
        if earlier is not None:
            return _again(earlier, digest)
        answer = fitting(shape, plain(act(conn)))
        where = location.format(**answer) if location else ""
        store.keep_answer(conn, who.actor.name, key, status, {"body": answer, "location": where})
    return JSONResponse(answer, status, {"Location": where} if where else None)


def _again(earlier: Mapping[str, Any], digest: bytes) -> JSONResponse:
    if bytes(earlier["request_digest"]) != digest:
        raise Invalid(
            "This Idempotency-Key was used for another request. Nothing was written.", code="TIE-126",
            fields={"Idempotency-Key": "used before"}, remedy="Use a new key for a new request.",
        )  # fmt: skip
    kept = earlier["response"]
    headers = {"Idempotency-Replayed": "true"} | ({"Location": kept["location"]} if kept["location"] else {})
    return JSONResponse(kept["body"], int(earlier["status"]), headers)
