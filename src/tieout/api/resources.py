"""The read side: one list and one record operation per resource of hub/reading.py."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, create_model

from tieout.api import answers
from tieout.api.requests import PageQuery, Who, fields_of, filters_of, moment_of
from tieout.hub import reading
from tieout.hub.reading import RESOURCES, Resource
from tieout.store.reading import columns_of

Paging = Annotated[PageQuery, Depends()]
_AS_JSON: dict[type, Any] = {str: str, int: int, bool: bool, date: date, datetime: datetime}
"""Python type of a column -> type in the answer; decimals and ids are texts."""
_SHOWN: dict[str, dict[str, Any]] = {
    "event": {"sequence": (str | None, None)},
    "billing_event": {"state": (str | None, None), "balance": (dict[str, Any], {})},
    "journal": {"lines": (list[dict[str, Any]], [])},
    "contract": {
        "lines": (list[dict[str, Any]] | None, None),
        "caps": (list[dict[str, Any]] | None, None),
    },
}
"""What a record shows beside its columns, or otherwise than they hold it."""


def schema_of(resource: Resource) -> type[BaseModel]:
    """The shape of a record, from the columns it is kept in; decimals are strings."""
    fields: dict[str, Any] = {n: (_in_answer(kind), None) for n, kind in columns_of(resource.table).items()}
    title = resource.table.title().replace("_", "")
    return create_model(title, **{**fields, **_SHOWN.get(resource.table, {})})


def _in_answer(kind: type) -> Any:
    return Any if kind in (dict, list, object) else _AS_JSON.get(kind, str) | None


def router() -> APIRouter:
    """All read operations."""
    routes = APIRouter(prefix="/v1")
    for resource in RESOURCES.values():
        _add(routes, resource)
    return routes


def _add(routes: APIRouter, resource: Resource) -> None:
    shape = schema_of(resource)
    listing = create_model(f"{shape.__name__}Page", data=(list[shape], ...), next_cursor=(str | None, None))  # type: ignore[valid-type]

    def list_records(
        request: Request, who: Who, paging: Paging, known_at: str | None = None, after: str | None = None
    ) -> Response:
        cursor = paging.cursor or _after(resource, after)
        with who.reading() as conn:
            found = reading.listed(
                conn, resource.name, who.actor, filters=filters_of(request), cursor=cursor, limit=paging.limit,
                known_at=moment_of(known_at, "known_at"),
            )  # fmt: skip
        return answers.page(found, fields_of(request))

    def show_record(
        request: Request,
        who: Who,
        key: str,
        as_of: Annotated[date | None, Query()] = None,
        known_at: str | None = None,
    ) -> Response:
        with who.reading() as conn:
            row = reading.show(
                conn, resource.name, key, who.actor, as_of=as_of, known_at=moment_of(known_at, "known_at")
            )
        return answers.record(request, row, fields_of(request))

    slug = resource.name.replace("-", "_")
    chosen = [_query("fields", "These fields only, with commas between."),
              *(_query(f"filter[{name}]", f"Only this {name}.") for name in resource.filters)]  # fmt: skip
    allowed = ", ".join(f"filter[{name}]" for name in resource.filters)
    routes.add_api_route(
        f"/{resource.name}", list_records, methods=["GET"], operation_id=f"list_{slug}", tags=[resource.name],
        summary=resource.about, description=f"{resource.about} Scope `{resource.permission}`. Filters: {allowed}.",
        responses={200: {"model": listing}}, response_class=Response, openapi_extra={"parameters": chosen},
    )  # fmt: skip
    routes.add_api_route(
        f"/{resource.name}/{{key}}", show_record, methods=["GET"], operation_id=f"get_{slug}", tags=[resource.name],
        summary=f"One of: {resource.about}", description=f"One of: {resource.about} Scope `{resource.permission}`.",
        responses={200: {"model": shape}, 304: {"description": "unchanged"}}, response_class=Response,
        openapi_extra={"parameters": chosen[:1]},
    )  # fmt: skip


def _query(name: str, about: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "schema": {"type": "string"},
        "description": about,
    }


def _after(resource: Resource, after: str | None) -> str | None:
    """`after=POSITION` of the ordered event feed, as a cursor."""
    if after is None or resource.name != "events":
        return None
    return reading.encode(int(after)) if after.isdigit() and len(after) < 19 else reading.encode(0)
