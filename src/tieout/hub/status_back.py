"""The status of project and invoices back to the opportunity that was sold: what changed since it was last told."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tieout.hub import outbox
from tieout.hub.outbox import NewIntent
from tieout.hub.settings import load_settings
from tieout.hub.setup import FLOW
from tieout.store import clock
from tieout.store import status_back as store
from tieout.telemetry.failpoints import fp

OPERATION = "upsert_opportunity"
WORK = "status_back"
ROWS = 200
"""Rows of one call."""

INVOICE_WORDS = (
    ("draft", "drafted"),
    ("approved", "drafted"),
    ("released", "released"),
    ("posted", "posted"),
    ("part_paid", "part paid"),
    ("paid", "paid"),
)
"""State -> the CRM's word, the one furthest from paid first: of several invoices the first found is told."""

FLOW_WORDS = {
    "running": "being set up",
    "compensating": "being cancelled",
    "compensated": "cancelled",
    "failed": "set-up failed",
}


def collect(conn: Connection, connection: str) -> list[str]:
    """Freeze a command for each opportunity whose status is not what it was told last; ids of all that may go now.

    A row that still waits for its answer keeps its bytes: what changed meanwhile follows as the next revision.
    """
    mapping = load_settings(conn, connection).mappings.outbound(OPERATION)
    told = store.last_sent(conn, connection, OPERATION)
    found = []
    for row in store.opportunities(conn, FLOW):
        body = mapping.render(status_of(row))
        last = told.get(row["key"])
        if last is None or _is_news(last, body):
            found.append(_intent(connection, row, body, 1 if last is None else last["revision"] + 1))
    if found:
        outbox.put(conn, found)
    fp("status_back.collected")
    return store.due(conn, connection, OPERATION, clock.now(conn))


def next_moment(conn: Connection, connection: str) -> datetime | None:
    """When the first row without a proven outcome goes on; None when all are told or refused."""
    return store.next_due(conn, connection, OPERATION)


def status_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the CRM is told about one opportunity."""
    return {
        "number": row["key"],
        "project_number": row["project"] or row["planned_project"],
        "project_status": _project_status(row),
        "invoice_status": _invoice_status(row["invoice_states"] or ()),
        "billed_amount": row["billed_amount"],
    }


def _project_status(row: Mapping[str, Any]) -> str:
    if row["flow_state"] == "waiting":
        return "waits for set-up"
    if row["flow_state"] in FLOW_WORDS:
        return FLOW_WORDS[row["flow_state"]]
    if row["project_state"] in ("on_hold", "completed", "closed"):
        return str(row["project_state"]).replace("_", " ")
    return "active" if row["activated_at"] is not None else str(row["project_state"] or "shell")


def _invoice_status(states: Sequence[str]) -> str:
    return next((word for state, word in INVOICE_WORDS if state in states), "none")


def _is_news(last: Mapping[str, Any], body: bytes) -> bool:
    if last["state"] in ("pending", "unknown"):
        return False
    return bytes(last["digest"]) != hashlib.sha256(body).digest()


def _intent(connection: str, row: Mapping[str, Any], body: bytes, revision: int) -> NewIntent:
    return NewIntent(
        connection, OPERATION, "opportunity", row["key"], revision, row["key"], body, contract=row["contract"],
        legal_entity=row["legal_entity"], currency=row["currency"], work=(WORK, connection), updates=True,
    )  # fmt: skip
