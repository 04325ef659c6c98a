"""A small firm with something of everything, on which every invariant holds: hours, exceptions, invoices, a credit."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

from sqlalchemy import Connection, text

from tests.hub import rated
from tests.hub.billing_world import state_policies
from tests.hub.builders import change, take
from tieout.hub import audit, billing, people, rating
from tieout.hub.actors import SYSTEM, Actor
from tieout.store import clock

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
PEOPLE = {
    "pat": "billing_preparer",
    "ann": "billing_approver",
    "bob": "finance_lead",
    "eve": "integration_engineer",
}


def person(name: str) -> Actor:
    """Pat prepares, Ann approves, Bob leads, Eve connects."""
    return Actor(f"{name}@example.com", frozenset({PEOPLE[name]}))


def build(conn: Connection) -> str:
    """Ten hours billed as one invoice, two of them credited for good, one entry in no project; the invoice's number."""
    rated.start(conn)
    clock.set_now(conn, NOW.replace(day=1))
    for name, role in PEOPLE.items():
        people.add_person(conn, f"{name}@example.com", name, [role], SYSTEM)
    clock.set_now(conn, NOW)
    state_policies(conn)
    subsidiary = {
        "id": "1",
        "externalid": "US01",
        "name": "US",
        "country": "US",
        "joined": {"currency_code": "USD"},
    }
    take(conn, "netsuite", change("subsidiary", "1", "1", subsidiary))
    take(
        conn,
        "kantata",
        rated.hours("501", "6"),
        rated.hours("502", "4"),
        rated.hours("503", "3", billable=False),
    )
    take(conn, "kantata", rated.hours("504", "2", workspace_id="999"))
    finish(conn, "sync")
    rate(conn)
    number = bill(conn)
    clock.set_now(conn, NOW.replace(hour=10))
    ref = billing.request_credit(conn, person("pat"), number, items=[{"id": "502", "hours": "2"}], kind="concession",
                                 reason="agreed")  # fmt: skip
    billing.approve(conn, ref, person("ann"))
    billing.release(conn, ref, person("ann"))
    finish(conn)
    audit.seal(conn)
    return number


def rate(conn: Connection) -> None:
    """Rate contract K-1 and what belongs to no contract, as the flow does."""
    rating.rate_contracts(conn, ["K-1"])
    rating.rate_unassigned(conn)
    finish(conn, "rate")


def draft(conn: Connection, through: date = date(2026, 2, 28)) -> str:
    """The one draft of a billing run by Pat."""
    run = billing.start_run(conn, person("pat"), through)
    [ref] = billing.draft(conn, run, ["K-1"])
    finish(conn, "bill")
    return ref


def bill(conn: Connection) -> str:
    """Draft, approve, release: the number."""
    ref = draft(conn)
    billing.approve(conn, ref, person("ann"))
    return billing.release(conn, ref, person("ann"))


def finish(conn: Connection, kind: str = "") -> None:
    """What was requested was done (by no flow: these tests look at tables)."""
    conn.execute(
        text("UPDATE work SET started = requested, done = requested, due_at = NULL WHERE kind LIKE :kind"),
        {"kind": kind or "%"},
    )


def plant(conn: Connection, *statements: str, **values: Any) -> None:
    """Write a defect that the database itself would refuse: no trigger, key or check looks."""
    conn.execute(text("SET session_replication_role = replica"))
    for statement in statements:
        conn.execute(text(statement), values)
    conn.execute(text("SET session_replication_role = origin"))
