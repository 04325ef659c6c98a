"""Webhooks in: authenticate, store, commit, then answer. A webhook is a hint that leads to a re-read.

Requests that come together are committed together, so the rate is bound by the server's work, not by one commit each.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.routing import Route

from tieout.api import answers
from tieout.api.schemas import Accepted
from tieout.bootstrap import objects_of, webhook_receiver
from tieout.connectors.kit.interface import AuthFailed, Drift, Hint, WebhookReceiver
from tieout.hub import connections, exceptions, secrets
from tieout.hub.exceptions import NewException
from tieout.hub.receiving import Delivered, receive_deliveries
from tieout.hub.refusals import Invalid, NotFound, Unauthenticated

routes = APIRouter(prefix="/v1/ingest", tags=["webhooks"])
REMEMBERED_SECONDS = 5.0
MOST_TOGETHER = 500
SECRETS = ("webhook_secret", "webhook_secret_previous")
"""The secrets of a connection that authenticate its webhooks: two during a rotation."""


@dataclass(frozen=True)
class Door:
    """What authenticates the webhooks of one connection."""

    receiver: WebhookReceiver | None
    secrets: tuple[str, ...]
    objects: frozenset[str]


class Writer:
    """Commits the webhooks that wait, all of them in one transaction, and then tells each of them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[tuple[Delivered, asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._doors: dict[str, tuple[float, Door | None]] = {}

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            batch, self._waiting = self._waiting[:MOST_TOGETHER], self._waiting[MOST_TOGETHER:]
            if not self._waiting:
                self._wake.clear()
            try:
                await asyncio.to_thread(self._commit, [one for one, _ in batch])
            except Exception as error:
                outcome: Exception | None = error
            else:
                outcome = None
            for _, future in batch:
                if not future.done():
                    future.set_exception(outcome) if outcome else future.set_result(None)

    async def store(self, delivered: Delivered) -> None:
        """Returns when the webhook is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((delivered, future))
        self._wake.set()
        await future

    def _commit(self, batch: Sequence[Delivered]) -> None:
        with self._engine.begin() as conn:
            receive_deliveries(conn, batch)

    async def door(self, name: str) -> Door | None:
        """How a connection's webhooks are authenticated; remembered for a few seconds."""
        known = self._doors.get(name)
        if known is None or known[0] < time.monotonic():
            found = await asyncio.to_thread(self._open, name)
            if len(self._doors) > 1000:
                self._doors.clear()
            known = self._doors[name] = (time.monotonic() + REMEMBERED_SECONDS, found)
        return known[1]

    def _open(self, name: str) -> Door | None:
        with self._engine.connect() as conn:
            row = connections.read(conn, name)
        if row is None or not row["enabled"]:
            return None
        references: Mapping[str, str] = row["config"].get("secrets") or {}
        known = tuple(secrets.resolve(references[one]) for one in SECRETS if one in references)
        return Door(webhook_receiver(row["connector"], known), known, objects_of(row["connector"]))

    def keep_unreadable(self, name: str, raw: bytes, why: str) -> None:
        """An authentic body that cannot be read: its bytes stay with the exception."""
        digest = exceptions.audit.digest_of([raw]).hex()
        evidence = {"connection": name, "raw_base64": base64.b64encode(raw).decode(), "sha256": digest}
        with self._engine.begin() as conn:
            exceptions.open_exceptions(
                conn, [NewException("invalid-payload", f"{name} webhook {digest[:12]}",
                                    f"an authentic webhook cannot be read: {why}", evidence=evidence)],
            )  # fmt: skip


@contextlib.asynccontextmanager
async def running(engine: Engine) -> Any:
    """A writer for the life of the web process."""
    writer = Writer(engine)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


_ANSWER = answers.gives(Accepted, 202, "It is stored.")
_VENDORS: dict[str, Any] = {
    "requestBody": {
        "required": True, "description": "as the vendor sends it, at most 64 KiB",
        "content": {"application/json": {"schema": {}}},
    }
}  # fmt: skip
_STANDARD: dict[str, Any] = {
    "requestBody": {
        "required": True, "description": "at most 64 KiB; signed as it is",
        "content": {"application/json": {"schema": {
            "type": "object", "required": ["data"],
            "properties": {
                "type": {"type": "string"},
                "data": {
                    "type": "object", "required": ["object", "id"],
                    "properties": {"object": {"type": "string"}, "id": {"type": ["string", "integer"]}},
                },
            },
        }}},
    },
    "parameters": [
        {"name": f"webhook-{name}", "in": "header", "required": True, "schema": {"type": "string"}, "description": about}
        for name, about in (("id", "the sender's id of the hint: a repeat is counted"),
                            ("timestamp", "seconds since 1970; not older than five minutes"),
                            ("signature", "v1,BASE64 over id, timestamp and body"))
    ],
}  # fmt: skip


@routes.post("/{connection}/{secret}", status_code=202, operation_id="ingest_vendor", responses=_ANSWER,
             openapi_extra=_VENDORS)  # fmt: skip
async def ingest_vendor(request: Request, connection: str, secret: str) -> Response:
    """A webhook in the vendor's own form; the secret stands in the registered address."""
    writer: Writer = request.app.state.hints
    door = await writer.door(connection)
    if door is None or door.receiver is None:
        raise NotFound("There is no such webhook address.")
    raw = await request.body()
    try:
        hints = door.receiver.hints(secret, request.headers, raw)
    except AuthFailed:
        raise Unauthenticated("The webhook's secret is wrong.", code="TIE-161") from None
    except Drift as error:
        await _unreadable(writer, connection, raw, error.message)
    await writer.store(Delivered(connection, tuple(hints), raw))
    return JSONResponse(Accepted(accepted=len(hints)).model_dump(), 202)


@routes.post(
    "/{connection}", status_code=202, operation_id="ingest", responses=_ANSWER, openapi_extra=_STANDARD
)
async def ingest(request: Request, connection: str) -> Response:
    """A signed hint in Standard Webhooks form: `{"type": …, "data": {"object": …, "id": …}}`."""
    writer: Writer = request.app.state.hints
    door = await writer.door(connection)
    if door is None or not door.secrets:
        raise NotFound("There is no such webhook address.")
    raw = await request.body()
    if not any(_signed(secret, raw, request.headers) for secret in door.secrets):
        raise Unauthenticated("The webhook's signature is missing, wrong or too old.", code="TIE-161")
    try:
        hint = _hint(request.headers["webhook-id"], raw)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        why = 'a body {"data": {"object": …, "id": …}} is expected'
        await _unreadable(writer, connection, raw, why)
    if hint.object not in door.objects:
        why = f"there is no object {hint.object[:60]!r}: known are {', '.join(sorted(door.objects))}"
        await _unreadable(writer, connection, raw, why)
    await writer.store(Delivered(connection, (hint,), raw))
    return JSONResponse(Accepted(accepted=1).model_dump(), 202)


async def _unreadable(writer: Writer, connection: str, raw: bytes, why: str) -> NoReturn:
    await asyncio.to_thread(writer.keep_unreadable, connection, raw, why)
    raise Invalid(f"{why}. The bytes were kept.", code="TIE-162") from None


def _signed(secret: str, raw: bytes, headers: Mapping[str, str]) -> bool:
    known: str | bytes = secret if secret.startswith("whsec_") else secret.encode()
    try:
        Webhook(known).verify(raw, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        return False
    return True


def _hint(event_id: str, raw: bytes) -> Hint:
    data = json.loads(raw)["data"]
    object, source_id = data["object"], data["id"]
    if not isinstance(object, str) or not isinstance(source_id, str | int) or not object.isidentifier():
        raise ValueError("object and id")
    return Hint(event_id, object, str(source_id))


def served() -> list[Route]:
    """The operations of `routes` without the framework's handling of parameters and dependencies, which they do not use
    and which costs more than all they do. They stand in front of `routes`, which tell the contract what they are.
    """
    operations = [route for route in routes.routes if isinstance(route, APIRoute)]
    return [Route(one.path, _plain(one.endpoint), methods=one.methods) for one in operations]


def _plain(operation: Callable[..., Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await operation(request, **request.path_params)

    return handle
