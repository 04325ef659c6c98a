"""Caps and purchase orders: split exactly, released in original order, shared over contracts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, select

from tests.hub.builders import contract, take
from tests.hub.rated import add_project, bill, events, hours, now, open_kinds, start, total
from tieout.hub import books, exceptions
from tieout.hub.rating import Rated, rate_contracts
from tieout.store import tables

D = Decimal


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """Contract K-1, its project and price."""
    return start(conn)


def cap(conn: Connection, amount: str, version: str, since: str = "2026-01-01", **fields: Any) -> None:
    """An amendment of K-1 that states the cap."""
    take(
        conn, "salesforce", contract(version=version, Cap_Amount__c=amount, Effective_Date__c=since, **fields)
    )


def over(conn: Connection) -> list[tuple[str, Decimal, Decimal]]:
    """(entry, hours, value) over a cap."""
    e, b = tables.billing_event.c, tables.billing_balance.c
    query = select(e.entry, b.over_cap_quantity, b.over_cap_amount).join_from(
        tables.billing_event, tables.billing_balance, b.event == e.id
    )
    return [tuple(row) for row in conn.execute(query.order_by(e.work_date, e.entry)) if row[2]]


def three_days(conn: Connection) -> None:
    """8 h on each of three days: 4,800."""
    take(
        conn,
        "kantata",
        hours("1", "8", "2026-02-02"),
        hours("2", "8", "2026-02-03"),
        hours("3", "8", "2026-02-04"),
    )


def test_the_event_that_crosses_the_cap_is_split_exactly(hub: Connection) -> None:
    """Cap 2,500 of 4,800: the second day keeps 900 (4.5 h), 700 + 1,600 lie over it without revenue."""
    cap(hub, "2500", "2")
    three_days(hub)
    rate_contracts(hub, ["K-1"])
    assert over(hub) == [("2", D("3.5"), D(700)), ("3", D(8), D(1600))]
    assert total(hub, "recognised_amount") == D(2500)
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["key"], found["amount"]) == ("cap-exceeded", "K-1", D(2300))


def test_a_raised_cap_releases_in_original_order_and_dates_the_revenue_by_the_amendment(
    hub: Connection,
) -> None:
    """2,500 -> 4,000 from 1 March: 700 of the second day, then 800 of the third; the catch-up is of 1 March."""
    cap(hub, "2500", "2")
    three_days(hub)
    rate_contracts(hub, ["K-1"])
    cap(hub, "4000", "3", "2026-03-01")
    assert rate_contracts(hub, ["K-1"]) == Rated(updated=2, journals=1)
    assert over(hub) == [("3", D(4), D(800))]
    assert _by_day(hub) == {"2026-02-02": D(1600), "2026-02-03": D(900), "2026-03-01": D(1500)}
    cap(hub, "9000", "4", "2026-03-02")
    rate_contracts(hub, ["K-1"])
    assert (over(hub), open_kinds(hub)) == ([], [])
    assert total(hub, "recognised_amount") == D(4800)


def _by_day(conn: Connection) -> dict[str, Decimal]:
    line, journal = tables.journal_line.c, tables.journal.c
    query = select(journal.event_date, -line.amount).join_from(tables.journal_line, tables.journal).where(
        line.account == "revenue")  # fmt: skip
    found: dict[str, Decimal] = {}
    for day, amount in conn.execute(query):
        found[day.isoformat()] = found.get(day.isoformat(), D(0)) + amount
    return {day: amount for day, amount in found.items() if amount}


def test_a_cap_of_tomorrow_does_not_hold_today(hub: Connection) -> None:
    cap(hub, "2500", "2")
    cap(hub, "9000", "3", "2026-03-10")
    three_days(hub)
    rate_contracts(hub, ["K-1"])
    assert total(hub, "over_cap_amount") == D(2300)
    now(hub, 10)
    rate_contracts(hub, ["K-1"])
    assert total(hub, "over_cap_amount") == 0


def test_an_earlier_entry_that_comes_late_takes_its_place_under_the_cap(hub: Connection) -> None:
    cap(hub, "2500", "2")
    take(hub, "kantata", hours("2", "8", "2026-02-03"), hours("3", "8", "2026-02-04"))
    rate_contracts(hub, ["K-1"])
    assert over(hub) == [("3", D("3.5"), D(700))]
    take(hub, "kantata", hours("1", "8", "2026-02-02"))
    rate_contracts(hub, ["K-1"])
    assert over(hub) == [("2", D("3.5"), D(700)), ("3", D(8), D(1600))]
    assert total(hub, "recognised_amount") == D(2500)


def test_what_is_billed_keeps_its_place(hub: Connection) -> None:
    cap(hub, "2500", "2")
    take(hub, "kantata", hours("2", "8", "2026-02-03"))
    rate_contracts(hub, ["K-1"])
    bill(hub)
    take(hub, "kantata", hours("1", "8", "2026-02-02"))
    rate_contracts(hub, ["K-1"])
    assert over(hub) == [("1", D("3.5"), D(700))]


def test_a_correction_gives_room_back(hub: Connection) -> None:
    cap(hub, "2500", "2")
    three_days(hub)
    rate_contracts(hub, ["K-1"])
    bill(hub)
    take(hub, "kantata", hours("1", "4", "2026-02-02", version="2"))
    rate_contracts(hub, ["K-1"])
    assert sum(row[2] for row in over(hub)) == D(4000 - 2500)
    assert total(hub, "recognised_amount") == D(2500)
    assert rate_contracts(hub, ["K-1"]) == Rated()


def test_a_cap_that_writes_off_opens_no_exception(hub: Connection) -> None:
    cap(hub, "2500", "2", Over_Cap__c="write_off")
    three_days(hub)
    rate_contracts(hub, ["K-1"])
    (status,) = books.statement(hub, "K-1")
    assert (status["written_off"], status["over_cap"], status["recognised"]) == (D(2300), D(0), D(2500))
    assert open_kinds(hub) == []


def test_a_purchase_order_is_drawn_by_all_contracts_that_name_it(hub: Connection) -> None:
    """PO of 2,000 over two contracts: the earliest 1,600, then 400 of the next day, wherever it was worked."""
    order = {"Purchase_Order__c": "PO-7", "Purchase_Order_Amount__c": "2000"}
    take(hub, "salesforce", contract(version="2", **order), contract("K-2", Purchase_Order__c="PO-7"))
    add_project(hub, "P-2", "K-2", "901")
    take(hub, "kantata", hours("1", "8", "2026-02-02", workspace_id="901"), hours("2", "8", "2026-02-03"))
    rate_contracts(hub, ["K-1"])
    assert [row[0] for row in events(hub)] == ["1", "2"]
    assert over(hub) == [("2", D(6), D(1200))]
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["key"], found["amount"]) == (
        "purchase-order-exhausted",
        "C-100/PO-7",
        D(1200),
    )
    take(hub, "salesforce", contract(version="3", **order | {"Purchase_Order_Amount__c": "5000"}))
    rate_contracts(hub, ["K-2"])
    assert (over(hub), open_kinds(hub)) == ([], [])


def test_the_tighter_of_cap_and_purchase_order_decides(hub: Connection) -> None:
    order = {"Purchase_Order__c": "PO-7", "Purchase_Order_Amount__c": "2000"}
    take(hub, "salesforce", contract(version="2", Cap_Amount__c="1000", **order))
    three_days(hub)
    rate_contracts(hub, ["K-1"])
    assert total(hub, "over_cap_amount") == D(3800)
    assert ("cap-exceeded", "K-1") in open_kinds(hub)
