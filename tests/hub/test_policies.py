"""The policies in force are those of the workspace applied last; what it leaves out has a default."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert

from tieout.domain.frames import TREATMENTS
from tieout.hub import policies
from tieout.store import clock
from tieout.store.tables import workspace_version

DOCUMENT: dict[str, Any] = {
    "tax": [
        {"entity": "US01", "country": "US", "category": "O", "rate": "0", "from": "2020-01-01", "to": None},
        {"category": "S", "rate": "0.2", "from": "2020-01-01", "to": "2026-06-30"},
    ],
    "accounts": {"netsuite": {"billing_clearing": "4900", "receivable": "1100"}},
    "entities": {"US01": {"time_zone": "America/New_York"}},
    "billing": {
        "items": {"time": "SVC-TIME"},
        "tax_codes": {"O": "NON-TAX"},
        "series": {"US01": {"invoice": "US-"}},
        "cards": {"entity": {"US01": "STANDARD"}, "customer": {"ACME": "ACME-2026"}},
        "correction": "credit_note",
        "tie_out_tolerance": "0.05",
        "week_start": "sunday",
        "holidays": ["2026-07-03"],
    },
}


def write(conn: Connection, version: int, document: dict[str, Any]) -> None:
    """Apply a document as it is; the digest says nothing on purpose."""
    row = {"version": version, "digest": "same", "document": document, "applied_by": "test"}
    conn.execute(insert(workspace_version).values(**row, recorded_at=clock.now(conn)))


def test_without_a_workspace_the_defaults_hold(conn: Connection) -> None:
    found = policies.load(conn)
    assert (found.version, found.correction, found.tie_out_tolerance) == (0, "next_invoice", 0)
    assert (found.tax.height, found.tax.schema) == (0, TREATMENTS)
    assert (found.series("US01", "invoice"), found.series("US01", "credit_note")) == ("INV-", "CN-")
    assert found.cards_for("STD", "ACME", "US01") == ["STD"]
    assert found.cards_for(None, None, None) == []
    assert (found.time_zone("US01").key, found.week_start, found.holidays) == ("UTC", "monday", ())
    assert found.account("netsuite", "receivable") is None


def test_what_the_workspace_states_is_read_exactly(conn: Connection) -> None:
    write(conn, 1, DOCUMENT)
    found = policies.load(conn)
    assert found.tax.rows() == [
        (None, "US01", "US", None, "O", Decimal(0), date(2020, 1, 1), None),
        (None, None, None, None, "S", Decimal("0.2"), date(2020, 1, 1), date(2026, 6, 30)),
    ]
    assert (found.items, found.tax_codes) == ({"time": "SVC-TIME"}, {"O": "NON-TAX"})
    assert found.account("netsuite", "billing_clearing") == "4900"
    assert (found.series("US01", "invoice"), found.series("US01", "credit_note")) == ("US-", "CN-")
    assert (found.correction, found.tie_out_tolerance) == ("credit_note", Decimal("0.05"))
    assert (found.time_zone("US01").key, found.time_zone("DE01").key) == ("America/New_York", "UTC")
    assert (found.rating.week_start, found.rating.holidays) == ("sunday", (date(2026, 7, 3),))


def test_the_contracts_card_is_asked_before_the_customers_and_the_entitys(conn: Connection) -> None:
    write(conn, 1, DOCUMENT)
    found = policies.load(conn)
    assert found.cards_for("OWN", "ACME", "US01") == ["OWN", "ACME-2026", "STANDARD"]
    assert found.cards_for("STANDARD", "BETA", "US01") == ["STANDARD"]


def test_the_version_applied_last_is_in_force_whatever_its_digest_says(conn: Connection) -> None:
    write(conn, 1, DOCUMENT)
    assert policies.load(conn) is policies.load(conn)
    write(conn, 2, {"billing": {"correction": "next_invoice"}})
    found = policies.load(conn)
    assert (found.version, found.correction, found.tax.height) == (2, "next_invoice", 0)
