"""Small builders of source records, as the connectors hand them over."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from sqlalchemy import Connection, insert

from tieout.connectors.kit.interface import Change
from tieout.hub import inbox
from tieout.hub.inbox import Applied
from tieout.store import clock
from tieout.store.tables import connection

MOMENT = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)


def prepare(conn: Connection) -> None:
    """Set the clock and the three connections."""
    clock.set_now(conn, MOMENT)
    rows = [{"name": name, "connector": name, "config": {}} for name in ("salesforce", "kantata", "netsuite")]
    conn.execute(insert(connection), rows)


def change(object: str, source_id: str, version: str, document: Mapping[str, Any], **more: Any) -> Change:
    """One version of a record; its raw bytes are its JSON unless given."""
    raw = more.pop("raw", None) or json.dumps(document, default=str).encode()
    return Change(object, source_id, version, MOMENT, document, raw, **more)


def account(number: str = "C-100", version: str = "1", **fields: Any) -> Change:
    """A Salesforce account with id A-<number>."""
    document = {"AccountNumber": number, "Name": "Acme", "CurrencyIsoCode": "USD", "BillingCountry": "US"}
    return change("Account", f"A-{number}", version, document | fields)


def contract(number: str = "K-1", version: str = "1", **fields: Any) -> Change:
    """A Salesforce contract with id K-<number> of account C-100, activated."""
    document = {
        "ContractNumber": number, "AccountId": "A-C-100", "Legal_Entity__c": "US01", "CurrencyIsoCode": "USD",
        "StartDate": "2026-01-01", "EndDate": "2026-12-31", "Billing_Method__c": "Time and Materials",
        "Rate_Card__c": "STANDARD", "Cap_Amount__c": "50000.00", "Status": "Activated",
        "ActivatedDate": "2026-01-01T10:00:00Z",
    }  # fmt: skip
    return change("Contract", f"K-{number}", version, document | fields)


def opportunity(number: str = "O-1", version: str = "1", **fields: Any) -> Change:
    """A Salesforce opportunity, won, with contract K-1."""
    document = {
        "Opportunity_Number__c": number, "Name": "Deal", "AccountId": "A-C-100", "StageName": "Closed Won",
        "ContractId": "K-K-1", "Amount": "1000.00", "CurrencyIsoCode": "USD",
    }  # fmt: skip
    return change("Opportunity", f"O-{number}", version, document | fields)


def user(source_id: str = "7", version: str = "1", **fields: Any) -> Change:
    """A Kantata user."""
    return change("user", source_id, version, {"id": source_id, "full_name": "Jo Doe"} | fields)


def entry(source_id: str = "501", version: str = "1", **fields: Any) -> Change:
    """A Kantata time entry of user 7 on workspace 900: eight hours, approved."""
    document = {
        "id": source_id, "workspace_id": "900", "story_id": "31", "user_id": "7", "date_performed": "2026-02-03",
        "time_in_minutes": 480, "billable": True, "approved": True,
    }  # fmt: skip
    return change("time_entry", source_id, version, document | fields)


def deleted(object: str, source_id: str, version: str) -> Change:
    """A deletion."""
    return change(object, source_id, version, {"id": source_id}, tombstone=True)


def take(conn: Connection, connection: str, *changes: Change) -> Applied:
    """Receive changes in one page and apply until nothing is new; the events of all rounds."""
    inbox.receive(conn, connection, list(changes))
    return drain(conn, connection)


def drain(conn: Connection, connection: str) -> Applied:
    """Apply until nothing is new."""
    events: list[Any] = []
    counts: dict[str, int] = {}
    while (applied := inbox.apply_new(conn, connection)).taken:
        events += applied.events
        for state, number in applied.counts.items():
            counts[state] = counts.get(state, 0) + number
    return Applied(tuple(events), counts)
