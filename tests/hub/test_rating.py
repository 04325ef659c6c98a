"""Approved time becomes billing events, balances, revenue and exceptions; run again it changes nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import Connection, insert

from tests.hub.builders import account, contract, entry, prepare, take, user
from tieout.hub import books, canonical, crosswalk
from tieout.hub.rating import Rated, rate_contracts
from tieout.store import tables

D = Decimal


@pytest.fixture
def hub(conn: Connection) -> Connection:
    prepare(conn)
    take(conn, "salesforce", account(), contract())
    canonical.write(
        conn, "project", {"P-1": {"contract": "K-1", "state": "active"}}, "project.finance", "set-up"
    )
    crosswalk.link(conn, "kantata", "workspace", "project", {"900": "P-1"})
    conn.execute(
        insert(tables.rate).values(
            card="STANDARD",
            currency="USD",
            role="consultant",
            price=D(200),
            effective_from="2026-01-01",
            source="t",
            recorded_at="2026-01-01T00:00:00Z",
        )
    )
    take(conn, "kantata", user(joined={"role": {"name": "consultant"}}))
    return conn


def test_an_approved_hour_becomes_revenue(hub: Connection) -> None:
    take(hub, "kantata", entry())
    assert rate_contracts(hub, ["K-1"]) == Rated(created=1, journals=1)
    assert rate_contracts(hub, ["K-1"]) == Rated()
    assert books.balances(hub, "K-1") == {
        "revenue": {"USD": D(-1600)},
        "unbilled_receivable": {"USD": D(1600)},
    }
