"""What every request goes through: size limits, a trace id, safe headers, the caller, one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.routing import APIRoute
from sqlalchemy import Connection, Engine
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tieout.api.problems import problem
from tieout.hub import people
from tieout.hub.actors import Actor
from tieout.hub.refusals import Invalid, Unauthenticated
from tieout.store.ids import new_trace_id

_EVERYWHERE = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
_API_HEADERS = (
    *_EVERYWHERE, (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)  # fmt: skip
_PAGE_HEADERS = (
    *_EVERYWHERE,
    (
        b"content-security-policy",
        # NiceGUI writes the page's state into a script of the page, and Vue compiles templates in the browser
        b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; frame-ancestors 'none'",
    ),
)
LARGEST_BODY = 1024 * 1024
LARGEST_HINT = 64 * 1024
"""Bytes of a request, and of a webhook."""


class Guard:
    """ASGI: gives every answer safe headers; bounds the body of API requests and gives each a trace id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through; one that is too large is refused before anything reads it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if scope["path"] != "/v1" and not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, _headed(send, _PAGE_HEADERS))
            return
        trace_id = new_trace_id()
        scope.setdefault("state", {})["trace_id"] = trace_id
        hint = scope["path"].startswith("/v1/ingest/")
        largest = LARGEST_HINT if hint else LARGEST_BODY
        headed = _headed(send, (*_API_HEADERS, (b"x-trace-id", trace_id.encode())))
        body = await _whole_body(receive, largest)
        if body is None:
            said = f"A {'webhook' if hint else 'request'} holds at most {largest} bytes. Nothing was written."
            await problem(Request(scope), 413, "TIE-113", said)(scope, receive, headed)
            return
        await self.app(scope, _again(body, receive), headed)


async def _whole_body(receive: Receive, largest: int) -> bytes | None:
    """The body; None when it is larger than any operation takes."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > largest:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives the body once, then what the client does next."""
    waiting = [body]

    async def next_message() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return next_message


def _headed(send: Send, extra: Sequence[tuple[bytes, bytes]]) -> Callable[[Message], Any]:
    async def headed(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in extra}
            kept = [header for header in message.get("headers", []) if header[0].lower() not in names]
            message["headers"] = [*kept, *extra]
        await send(message)

    return headed


@dataclass(frozen=True)
class Caller:
    """Who asks, and the database to answer from."""

    actor: Actor
    engine: Engine
    trace_id: str

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reads."""
        with self.engine.connect() as conn:
            yield conn


def caller(request: Request) -> Caller:
    """The caller of a request, by its bearer token."""
    engine: Engine = request.app.state.engine
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated(
            "A bearer token is needed.", remedy="Make one with: tieout people token EMAIL --scope SCOPE"
        )
    with engine.connect() as conn:
        actor = people.authenticate(conn, token.strip())
    known_query(request)
    return Caller(actor, engine, request.state.trace_id)


def known_query(request: Request) -> None:
    """Refuse what the query states and the operation does not take: it would have no effect."""
    unknown = sorted({*request.query_params} - (taken := _query_of(request.scope["route"])))
    if unknown:
        raise Invalid(
            f"This operation takes no {', '.join(ascii(name)[1:60] for name in unknown)} in its query.",
            fields={name[:100]: "unknown parameter" for name in unknown[:20]},
            remedy=f"It takes {', '.join(sorted(taken))}." if taken else "It takes nothing there.",
        )


def _query_of(route: APIRoute) -> set[str]:
    """What the functions of an operation take, and what its document says beside (`chosen_by`)."""
    declared, waiting = set[str](), [route.dependant]
    while waiting:
        one = waiting.pop()
        declared |= {field.alias for field in one.query_params}
        waiting += one.dependencies
    stated = (route.openapi_extra or {}).get("parameters", [])
    return declared | {told["name"] for told in stated if told["in"] == "query"}


Who = Annotated[Caller, Depends(caller)]


@dataclass(frozen=True)
class PageQuery:
    """What every list takes."""

    cursor: Annotated[str | None, Query(max_length=500, description="where the page before ended")] = None
    limit: Annotated[int, Query(ge=1, le=500)] = 100


def filters_of(request: Request) -> dict[str, str]:
    """`filter[name]=value` of the query."""
    found = {}
    for name, value in request.query_params.items():
        if name.startswith("filter[") and name.endswith("]"):
            found[name[7:-1]] = value
    return found


def fields_of(request: Request) -> list[str] | None:
    """`fields=a,b` of the query."""
    told = request.query_params.get("fields")
    return None if told is None else [name for name in told.split(",") if name]


_CHOSEN = (
    "These fields only, with commas between; the others are then absent, also those that are always there."
)


def chosen_by(*filters: str) -> dict[str, Any]:
    """How the document tells of `fields` and of the filters of a list, for `openapi_extra=` of its route."""
    named = [("fields", _CHOSEN), *((f"filter[{name}]", f"Only this {name}.") for name in filters)]
    return {"parameters": [_query(name, about) for name, about in named]}


def _query(name: str, about: str) -> dict[str, Any]:
    kind = {"type": "string"}
    return {"name": name, "in": "query", "required": False, "schema": kind, "description": about}


def moment_of(text: str | None, name: str) -> datetime | None:
    """A moment of the query, with its zone."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Invalid(f"{name} is a moment with its zone: 2026-03-31T23:59:59Z", fields={name: "no moment"})
    return moment
