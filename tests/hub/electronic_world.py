"""A German entity that issues e-invoices: DE01 bills K-1 in euros to a customer in Munich; 8 h at 100 with 19 % tax."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from tests.hub import billing_world as w
from tests.hub import builders
from tieout.hub.inbox import Applied
from tieout.store import clock

INVOICES: dict[str, Any] = {
    "electronic": True, "legal_name": "Meridian Consulting GmbH", "street": "Friedrichstraße 12", "city": "Berlin",
    "postal_code": "10117", "country": "DE", "tax_id": "DE136695976", "registration": "HRB 12345 B",
    "account": "DE89370400440532013000", "bic": "COBADEFFXXX",
}  # fmt: skip
ADDRESS = {"BillingStreet": "Am Wehr 1", "BillingCity": "München", "BillingPostalCode": "80331"}
GOOD, WRONG = "DE129273398", "DE129273399"


def workspace(**invoices: Any) -> dict[str, Any]:
    """The workspace; members of `invoices` of the entity may be changed, None takes one out."""
    stated = {name: value for name, value in (INVOICES | invoices).items() if value is not None}
    return {
        "name": "test",
        "entities": {"DE01": {"time_zone": "Europe/Berlin", "invoices": stated}},
        "tax": [
            {"entity": "DE01", "country": "DE", "category": "S", "rate": "0.19", "from": "2020-01-01"},
            {"entity": "DE01", "country": "FR", "category": "AE", "rate": "0", "from": "2020-01-01"},
        ],
        "billing": {"series": {"DE01": {"invoice": "DE-", "credit_note": "DG-"}}},
    }


def prepare(
    conn: Connection, tax_id: str | None = GOOD, document: dict[str, Any] | None = None, price: str = "100"
) -> None:
    """The firm with one billable entry of 8 h; the clock stands at NOW."""
    builders.prepare(conn)
    clock.set_now(conn, w.NOW)
    w.state_policies(conn, document or workspace())
    customer(conn, "1", tax_id)
    terms = {"Legal_Entity__c": "DE01", "CurrencyIsoCode": "EUR", "Payment_Terms_Days__c": 30}
    builders.take(conn, "salesforce", builders.contract("K-1", **terms))
    w.event(conn, "e1", "8", price, legal_entity="DE01", currency="EUR")


def customer(conn: Connection, version: str, tax_id: str | None, **fields: Any) -> Applied:
    """The customer as a version of its source says it is; the events of it."""
    stated = {**ADDRESS, "BillingCountry": "DE", "CurrencyIsoCode": "EUR", "Tax_Id__c": tax_id, **fields}
    return builders.take(conn, "salesforce", builders.account("C-100", version, **stated))
