"""The exception desk, flows, tie-outs, connections, measures, financial status: what people act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from sqlalchemy import Connection

from tieout.api import answers
from tieout.api.desk_schemas import (
    BusinessException,
    BusinessExceptionRecord,
    ConnectionHealth,
    FinancialStatus,
    Flow,
    FlowRecord,
    Measure,
    Replays,
    RollForward,
    SyncRequested,
    TieOut,
    TieOutRequested,
)
from tieout.api.invoices import Strict
from tieout.api.requests import PageQuery, Who, chosen_by, fields_of, filters_of, moment_of
from tieout.api.schemas import page_of
from tieout.api.shapes import replays
from tieout.hub import (
    books,
    connections,
    exceptions,
    flows,
    measures,
    reading,
    roll_forwards,
    tie_out,
    work,
)
from tieout.hub.actors import Actor, require
from tieout.hub.exceptions import Page
from tieout.hub.refusals import Invalid, NotFound
from tieout.store import status

routes = APIRouter(prefix="/v1")
Paging = Annotated[PageQuery, Depends()]
_SHOWN: dict[str, Any] = {"tags": ["exceptions"], "responses": answers.gives(BusinessExceptionRecord)}


class Assignment(Strict):
    """The new owner: a role or a person's address."""

    owner: str = Field(min_length=1, max_length=254)


class Note(Strict):
    """What was corrected and where, or why it is waived."""

    text: str = Field(min_length=1, max_length=2000)


class Replay(Strict):
    """Exceptions to run again; `dry_run` only says what would happen."""

    exceptions: list[str] = Field(min_length=1, max_length=1000)
    dry_run: bool = False


class TieOutRequest(Strict):
    """One check of a legal entity and period (`2026-01`, of weeks `2026-P01`)."""

    check: str = Field(pattern="^[a-z_]{1,40}$")
    entity: str = Field(min_length=1, max_length=50, pattern="^[^/]+$")
    period: str


# --- exceptions -------------------------------------------------------------------------------------------------


@routes.get(
    "/exceptions", tags=["exceptions"], operation_id="list_exceptions",
    responses=answers.gives(page_of(BusinessException)),
    openapi_extra=chosen_by(
        "kind", "state", "owner", "contract", "entity", "legal_entity", "key", "severity", "currency", "all"
    ),
)  # fmt: skip
def list_exceptions(request: Request, who: Who, paging: Paging) -> Response:
    """The open ones, most money and urgency first (`filter[all]=true`: closed ones too). Scope `exceptions:read`."""
    require(who.actor, "exceptions:read")
    with who.reading() as conn:
        found = exceptions.listed(
            conn, filters_of(request), paging.cursor, limit=paging.limit, actor=who.actor
        )
    return answers.page(BusinessException, found, fields_of(request))


@routes.get("/exceptions/{exception_id}", operation_id="get_exception", openapi_extra=chosen_by(), **_SHOWN)
def show_exception(request: Request, who: Who, exception_id: str) -> Response:
    """One with its evidence and remedies. Scope `exceptions:read`."""
    require(who.actor, "exceptions:read")
    with who.reading() as conn:
        row = exceptions.show(conn, exception_id, actor=who.actor)
    return answers.record(request, BusinessExceptionRecord, row, fields_of(request))


Action = Callable[[Connection, str, str, Actor], None]


def _act(request: Request, who: Who, exception_id: str, body: Strict, action: Action, said: str) -> Response:
    """One action of the caller on one exception; it is shown as it stands then."""

    def run(conn: Connection) -> dict[str, Any]:
        action(conn, exception_id, said, who.actor)
        return exceptions.show(conn, exception_id, actor=who.actor)

    return answers.command(request, who, BusinessExceptionRecord, body.model_dump(), run)


@routes.post("/exceptions/{exception_id}/assign", operation_id="assign_exception", **_SHOWN)
def assign(request: Request, who: Who, exception_id: str, body: Assignment) -> Response:
    """Give it to a role or a person. Scope `exceptions:assign`."""
    return _act(request, who, exception_id, body, exceptions.assign, body.owner)


@routes.post("/exceptions/{exception_id}/fix", operation_id="fix_exception", **_SHOWN)
def fix(request: Request, who: Who, exception_id: str, body: Note) -> Response:
    """Note what was corrected; it closes when the work succeeds. Scope `exceptions:fix`."""
    return _act(request, who, exception_id, body, exceptions.fix, body.text)


@routes.post("/exceptions/{exception_id}/waive", operation_id="waive_exception", **_SHOWN)
def waive(request: Request, who: Who, exception_id: str, body: Note) -> Response:
    """Close it for a reason; never by who prepared the work. Scope `exceptions:waive`."""
    return _act(request, who, exception_id, body, exceptions.waive, body.text)


@routes.post(
    "/replays", tags=["exceptions"], operation_id="replay_exceptions", status_code=202,
    responses=answers.gives(Replays, 202),
)  # fmt: skip
def replay(request: Request, who: Who, body: Replay) -> Response:
    """Run the work behind exceptions again; nothing is done twice. Scope `exceptions:replay`."""

    def act(conn: Connection) -> dict[str, Any]:
        plans = exceptions.replay(conn, body.exceptions, who.actor, body.dry_run)
        return replays(plans, body.dry_run)

    return answers.command(request, who, Replays, body.model_dump(), act, 202)


# --- flows ------------------------------------------------------------------------------------------------------


@routes.get("/flows", tags=["flows"], operation_id="list_flows", responses=answers.gives(page_of(Flow)),
            openapi_extra=chosen_by("kind", "state", "key"))  # fmt: skip
def list_flows(request: Request, who: Who, paging: Paging) -> Response:
    """Flows with their state and what they wait for. Scope `flows:read`. Filters: kind, state, key."""
    require(who.actor, "flows:read")
    with who.reading() as conn:
        found = flows.listed(conn, filters_of(request), paging.cursor, limit=paging.limit, actor=who.actor)
    return answers.page(Flow, found, fields_of(request))


@routes.get("/flows/{flow_id}", tags=["flows"], operation_id="get_flow", responses=answers.gives(FlowRecord))
def show_flow(request: Request, who: Who, flow_id: str) -> Response:
    """One flow step by step. Scope `flows:read`."""
    require(who.actor, "flows:read")
    with who.reading() as conn:
        return answers.record(request, FlowRecord, flows.show(conn, flow_id, actor=who.actor))


# --- tie-outs -----------------------------------------------------------------------------------------------------


@routes.get("/tie-outs", tags=["tie-outs"], operation_id="list_tie_outs", responses=answers.gives(page_of(TieOut)),
            openapi_extra=chosen_by("check", "entity", "period"))  # fmt: skip
def list_tie_outs(request: Request, who: Who) -> Response:
    """The newest result of each check. Scope `tie-outs:read`. Filters: check, entity, period."""
    require(who.actor, "tie-outs:read")
    chosen = filters_of(request)
    if unknown := set(chosen) - {"check", "entity", "period"}:
        raise Invalid("Filter by check, entity, period.", fields=dict.fromkeys(unknown, "unknown filter"))
    with who.reading() as conn:
        rows = [row for row in tie_out.show(conn, **chosen) if who.actor.sees(row["entity"])]
    return answers.page(TieOut, Page(rows, None), fields_of(request))


@routes.post("/tie-outs", tags=["tie-outs"], status_code=202, operation_id="run_tie_out",
             responses=answers.gives(TieOutRequested, 202, location=True))  # fmt: skip
def run_tie_out(request: Request, who: Who, body: TieOutRequest) -> Response:
    """Compare now; the result is under GET /v1/tie-outs. Scope `tie-outs:run`."""
    require(who.actor, "tie-outs:run")
    if not who.actor.sees(body.entity):
        raise NotFound(f"There is no legal entity {body.entity}.")

    def act(conn: Connection) -> dict[str, Any]:
        asked, _ = tie_out.asked(conn, body.check, body.entity, body.period)
        work.request(conn, "tie_out", asked.key)
        return body.model_dump()

    return answers.command(request, who, TieOutRequested, body.model_dump(), act, 202, "/v1/tie-outs")


# --- figures ------------------------------------------------------------------------------------------------------


@routes.get("/financial-status/{contract:path}", tags=["financial-status"], operation_id="get_financial_status",
            responses=answers.gives(FinancialStatus))  # fmt: skip
def financial_status(request: Request, who: Who, contract: str) -> Response:
    """What a contract earned, billed, was paid, and what stands between. Scope `financial-status:read`."""
    require(who.actor, "financial-status:read")
    with who.reading() as conn:
        reading.show(conn, "contracts", contract, who.actor)
        rows = books.statement(conn, contract)
    return answers.record(request, FinancialStatus, {"contract": contract, "by_currency": rows})


@routes.get("/roll-forwards/{period}", tags=["journals"], operation_id="get_roll_forward",
            responses=answers.gives(RollForward),
            openapi_extra=chosen_by("entity", "contract"))  # fmt: skip
def roll_forward(
    request: Request, who: Who, period: str, known_at: str | None = None, functional: bool = False
) -> Response:
    """How each account moved in a period, as known at a moment. Scope `journals:read`. Filters: entity, contract."""
    require(who.actor, "journals:read")
    chosen = filters_of(request)
    if unknown := set(chosen) - {"entity", "contract"}:
        raise Invalid("Filter by entity, contract.", fields=dict.fromkeys(unknown, "unknown filter"))
    moment = moment_of(known_at, "known_at")
    with who.reading() as conn:
        rows = roll_forwards.roll_forward(conn, period, **chosen, known_at=moment, functional=functional)
    shown = [row for row in rows if who.actor.sees(row["entity"])]
    told = {"period": period, "known_at": moment, "accounts": shown}
    return answers.record(request, RollForward, told, fields_of(request))


@routes.get(
    "/measures", tags=["measures"], operation_id="list_measures", responses=answers.gives(page_of(Measure))
)
def list_measures(who: Who) -> Response:
    """Measures for leaders with their definitions. Scope `measures:read`."""
    require(who.actor, "measures:read")
    with who.reading() as conn:
        return answers.page(Measure, Page(measures.current(conn), None))


@routes.get("/connections", tags=["connections"], operation_id="list_connections",
            responses=answers.gives(page_of(ConnectionHealth)))  # fmt: skip
def list_connections(who: Who) -> Response:
    """Health, lag and budget of each connection. Scope `connections:read`."""
    require(who.actor, "connections:read")
    with who.reading() as conn:
        return answers.page(ConnectionHealth, Page(status.connections(conn), None))


@routes.post("/connections/{name}/sync", tags=["connections"], status_code=202, operation_id="sync_connection",
             responses=answers.gives(SyncRequested, 202))  # fmt: skip
def sync_connection(request: Request, who: Who, name: str) -> Response:
    """Read a system's changes now. Scope `connections:sync`."""
    require(who.actor, "connections:sync")

    def act(conn: Connection) -> dict[str, Any]:
        return {"connection": name, "objects": connections.request_sync(conn, name)}

    return answers.command(request, who, SyncRequested, {}, act, 202)
