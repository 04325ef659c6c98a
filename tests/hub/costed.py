"""A small firm for the tests of costing: two legal entities, contracts C-1 and C-2 of US01, facts of one connection."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, select

from tests.hub.builders import MOMENT, change, take
from tieout.connectors.kit.interface import Change
from tieout.hub import costing, exceptions, ownership
from tieout.store import clock, scenarios, tables

D = Decimal
NAME = "scenario"
KEYS = ["C-1", "C-2"]
MONDAY = date(2026, 2, 2)
FIRM = (
    ("legal_entity", {"code": "US01", "country": "US", "currency": "USD"}),
    ("legal_entity", {"code": "GB01", "country": "GB", "currency": "USD"}),
    ("legal_entity", {"code": "DE01", "country": "DE", "currency": "EUR"}),
    ("customer", {"code": "CUST", "country": "US", "terms": 30}),
)


def start(conn: Connection, **billing: Any) -> Connection:
    """Both contracts with a project each (P-1, P-2) and W1, salaried for 40 hours; nobody costs anything yet."""
    clock.set_now(conn, MOMENT)
    owned = {g: {"owner": NAME} for g, o in ownership.DEFAULTS.items() if o not in ("tieout", "workspace")}
    scenarios.configure(conn, NAME, {"name": "test", "ownership": owned, "billing": billing}, MOMENT)
    take(conn, NAME, *(change(kind, told["code"], "1", told) for kind, told in FIRM))
    take(conn, NAME, *(contract(key) for key in KEYS), worker())
    take(conn, NAME, project("P-1", "C-1"), project("P-2", "C-2"))
    return conn


def contract(number: str, version: str = "1", **told: Any) -> Change:
    """A contract of US01 with one line that takes every project."""
    line = {"line": "1", "billing_method": "time_and_materials"}
    document = {"number": number, "customer": "CUST", "entity": "US01", "currency": "USD", "start": "2026-01-01",
                "state": "signed", "signed_on": "2026-01-01", "lines": [line]}  # fmt: skip
    return change("contract", number, version, document | told)


def project(code: str, contract: str, version: str = "1") -> Change:
    """An active project."""
    document = {"code": code, "contract": contract, "state": "active", "currency": "USD"}
    return change("project", code, version, document)


def worker(key: str = "W1", version: str = "1", **told: Any) -> Change:
    """A salaried employee of US01."""
    document = {
        "id": key,
        "name": key,
        "role": "consultant",
        "entity": "US01",
        "salaried": True,
        "capacity": "40",
    }
    return change("worker", key, version, document | told)


def costs(*rates: tuple[str, str], key: str = "W1", version: str = "1", **told: Any) -> Change:
    """One statement of cost rates: (from, rate)."""
    rows = [{"from": start, "rate": rate, "currency": "USD"} | told for start, rate in rates]
    return change("worker_cost", key, version, {"worker": key, "rates": rows})


def hours(key: str, number: str, day: date = MONDAY, version: str = "1", **told: Any) -> Change:
    """Time of W1 on project P-1."""
    document = {"id": key, "project": "P-1", "worker": "W1", "date": day.isoformat(), "hours": number,
                "billable": True, "approved": True}  # fmt: skip
    return change("time_entry", key, version, document | told)


def withdrawn(key: str, version: str) -> Change:
    """The deletion of an entry."""
    return change("time_entry", key, version, {"id": key}, tombstone=True)


def paid(key: str, amount: str, version: str = "1", **told: Any) -> Change:
    """Payroll of W1 for February."""
    document = {"id": key, "worker": "W1", "period": "2026-02", "amount": amount, "currency": "USD"}
    return change("payroll", key, version, document | told)


def bought(key: str, amount: str, version: str = "1", **told: Any) -> Change:
    """Subcontract work on project P-1."""
    document = {"id": key, "project": "P-1", "date": MONDAY.isoformat(), "amount": amount, "currency": "USD"}
    return change("subcontract", key, version, document | told)


def cost(conn: Connection) -> None:
    """Cost both contracts and W1's payroll, as the flows do."""
    costing.cost_contracts(conn, KEYS)
    costing.cost_payroll(conn, ["W1"])


def by_source(conn: Connection) -> dict[tuple[str, str], Decimal]:
    """What stands of each contract and source."""
    e = tables.cost_entry.c
    query = select(e.contract, e.source, func.sum(e.amount)).group_by(e.contract, e.source)
    return {(row[0], row[1]): row[2] for row in conn.execute(query) if row[2]}


def accounts(conn: Connection, entity: str | None = None) -> dict[str, Decimal]:
    """Balances by account, debit positive, of one entity's book or all."""
    line = tables.journal_line.c
    query = select(line.account, func.sum(line.amount)).group_by(line.account)
    if entity is not None:
        query = query.where(line.legal_entity == entity)
    return {row[0]: row[1] for row in conn.execute(query) if row[1]}


def open_kinds(conn: Connection) -> list[tuple[str, str]]:
    """(kind, key) of everything open."""
    return sorted((row["kind"], row["key"]) for row in exceptions.listed(conn).rows)
