"""A small firm for the tests of rating: contract K-1 at 200 an hour, cap 50,000, one consultant."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, func, insert, select

from tests.hub.builders import MOMENT, account, change, contract, entry, prepare, take, user
from tieout.connectors.kit.interface import Change
from tieout.hub import canonical, crosswalk, exceptions
from tieout.store import clock, tables

D = Decimal
EARLY = datetime(2026, 1, 1, tzinfo=timezone.utc)


def start(conn: Connection) -> Connection:
    """Customer, contract K-1 with project P-1 (workspace 900), the consultant 7 and the price."""
    prepare(conn)
    take(conn, "salesforce", account(), contract())
    add_project(conn)
    add_rate(conn)
    take(conn, "kantata", consultant())
    return conn


def consultant(source_id: str = "7", **fields: Any) -> Change:
    """A user whose role has a price."""
    return user(source_id, joined={"role": {"name": "consultant"}}, **fields)


def add_project(
    conn: Connection, key: str = "P-1", contract: str | None = "K-1", workspace: str = "900"
) -> None:
    """A project of a contract, as set-up leaves it."""
    canonical.write(
        conn, "project", {key: {"contract": contract, "state": "active"}}, "project.finance", "set-up"
    )
    crosswalk.link(conn, "kantata", "workspace", "project", {workspace: key})


def add_rate(conn: Connection, price: str = "200", **fields: Any) -> None:
    """A price of the card STANDARD for consultants."""
    row = {"card": "STANDARD", "currency": "USD", "role": "consultant", "price": D(price), "source": "test",
           "effective_from": date(2026, 1, 1), "recorded_at": EARLY}  # fmt: skip
    conn.execute(insert(tables.rate).values(**row | fields))


def hours(source_id: str, number: str, day: str = "2026-02-03", version: str = "1", **fields: Any) -> Change:
    """An approved entry of so many hours."""
    minutes = int(D(number) * 60)
    return entry(source_id, version, date_performed=day, time_in_minutes=minutes, **fields)


def close_period(conn: Connection, code: str = "2026-02", state: str = "closed", version: str = "1") -> None:
    """The ERP's period of US01, as read."""
    first = date.fromisoformat(f"{code}-01")
    last = date(first.year, first.month + 1, 1).toordinal() - 1
    flag = "T" if state == "closed" else "F"
    document = {"startdate": first.isoformat(), "enddate": date.fromordinal(last).isoformat(), "closed": flag,
                "arlocked": flag, "joined": {"legal_entity": "US01", "key": f"US01/{code}", "code": code}}  # fmt: skip
    take(conn, "netsuite", change("accountingperiod", f"9:{code}", version, document))


def bill(conn: Connection, share: str = "1") -> None:
    """Mark a share of everything that may be billed as billed, as a release does."""
    table = tables.billing_balance
    for row in conn.execute(select(table)).mappings().all():
        values = {}
        for measure in ("quantity", "amount"):
            taken = sum(
                (row[f"{p}_{measure}"] for p in ("over_cap", "held", "written_off", "reversed", "drafted")),
                D(0),
            )
            free = row[measure] - taken - row[f"billed_{measure}"] + row[f"credited_{measure}"]
            values[f"billed_{measure}"] = row[f"billed_{measure}"] + free * D(share)
        conn.execute(table.update().where(table.c.event == row["event"]).values(**values))


def now(conn: Connection, day: int, month: int = 3) -> None:
    """Move the business clock on."""
    clock.set_now(conn, MOMENT.replace(month=month, day=day))


def events(conn: Connection) -> list[tuple[str, str, Decimal, Decimal]]:
    """(entry, kind, hours, value) that stand, less what was set back; in order."""
    e, b = tables.billing_event.c, tables.billing_balance.c
    query = (
        select(e.entry, e.kind, (e.quantity - b.reversed_quantity), (e.amount - b.reversed_amount))
        .join_from(tables.billing_event, tables.billing_balance, b.event == e.id)
        .order_by(e.entry, e.sequence)
    )
    return [tuple(row) for row in conn.execute(query) if row[2] or row[3]]


def total(conn: Connection, place: str, contract: str | None = None) -> Decimal:
    """Sum of one column of the balances."""
    table = tables.billing_balance.c
    query = select(getattr(table, place), table.contract)
    return sum((row[0] for row in conn.execute(query) if contract in (None, row[1])), D(0))


def open_kinds(conn: Connection) -> list[tuple[str, str]]:
    """(kind, key) of everything open."""
    return sorted((row["kind"], row["key"]) for row in exceptions.listed(conn).rows)


def rows(conn: Connection) -> dict[str, int]:
    """Rows of every table: a run that changes nothing leaves them as they are."""
    return {
        table.name: conn.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables.metadata.sorted_tables
    }
