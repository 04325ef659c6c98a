"""The read side: one list and one record operation per resource of hub/reading.py."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, create_model

from tieout.api import answers, feed
from tieout.api.requests import PageQuery, Who, chosen_by, fields_of, filters_of, moment_of
from tieout.api.schemas import (
    Approval,
    Balance,
    ContractCap,
    ContractLine,
    Decimals,
    Digest,
    Event,
    EventKind,
    EventState,
    JournalLine,
    Shown,
    page_of,
)
from tieout.hub import reading
from tieout.hub.reading import RESOURCES, Resource
from tieout.store.reading import Kept, kept

Paging = Annotated[PageQuery, Depends()]
_AS_JSON: dict[type, Any] = {
    str: str, int: int, bool: bool, date: date, datetime: AwareDatetime, UUID: UUID, Decimal: Decimals, dict: dict[str, Any],
    bytes: Digest,
}  # fmt: skip
"""Python type of a column -> type in the answer; a column of bytes is a digest."""
_SHOWN: dict[str, dict[str, Any]] = {
    "billing_event": {"kind": (EventKind, ...), "state": (EventState, ...), "balance": (Balance, ...)},
    "journal": {"lines": (list[JournalLine], ...)},
    "contract": {"lines": (list[ContractLine] | None, ...), "caps": (list[ContractCap] | None, ...)},
}
"""What a record shows beside its columns, or otherwise than they hold it."""
_OWN: dict[str, type[BaseModel]] = {"event": Event, "approval": Approval}
"""Shapes that are stated whole."""
FEED = "events"


def schema_of(resource: Resource) -> type[BaseModel]:
    """The shape of a record, from the columns it is kept in: what is never null there is never null here."""
    if resource.table in _OWN:
        return _OWN[resource.table]
    fields: dict[str, Any] = {column.name: (_in_answer(column), ...) for column in kept(resource.table)}
    return create_model(
        resource.table.title().replace("_", ""), __base__=Shown, __doc__=resource.about,
        **{**fields, **_SHOWN.get(resource.table, {})},
    )  # fmt: skip


def _in_answer(column: Kept) -> Any:
    kind = _AS_JSON[column.kind]
    return kind | None if column.nullable else kind


def router() -> APIRouter:
    """All read operations."""
    routes = APIRouter(prefix="/v1")
    for resource in RESOURCES.values():
        _add(routes, resource)
    return routes


def _add(routes: APIRouter, resource: Resource) -> None:
    shape = schema_of(resource)
    moment = Depends(_known_at if any(c.name == "superseded_at" for c in kept(resource.table)) else _no_query)
    day = Depends(_as_of if resource.table == "contract" else _no_query)
    position = Depends(_after if resource.name == FEED else _no_query)

    def list_records(
        request: Request,
        who: Who,
        paging: Paging,
        known_at: datetime | None = moment,
        after: str | None = position,
    ) -> Response:
        cursor = paging.cursor or after
        with who.reading() as conn:
            found = reading.listed(
                conn, resource.name, who.actor, filters=filters_of(request), cursor=cursor, limit=paging.limit,
                known_at=known_at,
            )  # fmt: skip
        if resource.name == FEED and feed.wanted(request):
            return feed.batch(request, found)
        return answers.page(shape, found, fields_of(request))

    def show_record(
        request: Request,
        who: Who,
        key: str,
        as_of: date | None = day,
        known_at: datetime | None = moment,
    ) -> Response:
        with who.reading() as conn:
            row = reading.show(conn, resource.name, key, who.actor, as_of=as_of, known_at=known_at)
        return answers.record(request, shape, row, fields_of(request))

    told = answers.gives(page_of(shape))
    if resource.name == FEED:
        told[200] |= feed.DECLARED
    slug = resource.name.replace("-", "_")
    allowed = ", ".join(f"filter[{name}]" for name in resource.filters)
    routes.add_api_route(
        f"/{resource.name}", list_records, methods=["GET"], operation_id=f"list_{slug}", tags=[resource.name],
        summary=resource.about, description=f"{resource.about} Scope `{resource.permission}`. Filters: {allowed}.",
        responses=told, response_class=Response, openapi_extra=chosen_by(*resource.filters),
    )  # fmt: skip
    routes.add_api_route(
        f"/{resource.name}/{{key:path}}", show_record, methods=["GET"], operation_id=f"get_{slug}", tags=[resource.name],
        summary=f"One of: {resource.about}", description=f"One of: {resource.about} Scope `{resource.permission}`.",
        responses=answers.gives(shape), response_class=Response, openapi_extra=chosen_by(),
    )  # fmt: skip


def _known_at(known_at: str | None = None) -> datetime | None:
    """`known_at=MOMENT`: records that are kept version by version, as they were known then."""
    return moment_of(known_at, "known_at")


def _as_of(as_of: Annotated[date | None, Query()] = None) -> date | None:
    """`as_of=DAY`: the terms of a contract on that day."""
    return as_of


def _after(after: str | None = None) -> str | None:
    """`after=POSITION` of the ordered event feed, as a cursor."""
    if after is None:
        return None
    return reading.encode(int(after)) if after.isdigit() and len(after) < 19 else reading.encode(0)


def _no_query() -> None:
    """For a resource on which the parameter would have no effect: it is unknown there."""
