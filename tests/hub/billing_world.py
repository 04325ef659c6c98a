"""A small firm for billing tests: two contracts of one customer, rated events, people, tax and an injected clock."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, insert, select, text

from tests.hub import builders
from tieout.hub import billing
from tieout.hub.actors import Actor
from tieout.store import clock
from tieout.store.ids import new_id
from tieout.store.tables import CANONICAL, billing_balance, billing_event, invoice, workspace_version

D = Decimal
_OF_A_VERSION = ("version", "recorded_at", "superseded_at", "invoicing")
NOW = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
FEB = date(2026, 2, 28)
PAT = Actor("pat@example.com", frozenset({"billing_preparer"}))
ANN = Actor("ann@example.com", frozenset({"billing_approver"}))
BOB = Actor("bob@example.com", frozenset({"finance_lead"}))

WORKSPACE: dict[str, Any] = {
    "name": "test",
    "entities": {"US01": {"time_zone": "America/New_York"}},
    "tax": [{"entity": "US01", "country": "US", "category": "O", "rate": "0", "from": "2020-01-01"}],
    "billing": {
        "items": {"time": "SVC-TIME"},
        "tax_codes": {"O": "NON-TAX"},
        "series": {"US01": {"invoice": "INV-", "credit_note": "CN-"}},
    },
    "accounts": {"netsuite": {"billing_clearing": "4900"}},
}


def prepare(conn: Connection, contracts: Iterable[str] = ("K-1", "K-2"), document: Any = None) -> None:
    """Connections, US01, customer C-100 and contracts that are signed; the clock stands at NOW."""
    builders.prepare(conn)
    clock.set_now(conn, NOW)
    state_policies(conn, document)
    subsidiary = {
        "id": "1",
        "externalid": "US01",
        "name": "US",
        "country": "US",
        "joined": {"currency_code": "USD"},
    }
    builders.take(conn, "netsuite", builders.change("subsidiary", "1", "1", subsidiary))
    builders.take(conn, "salesforce", builders.account())
    made = [builders.contract(key, Payment_Terms_Days__c=30) for key in contracts]
    builders.take(conn, "salesforce", *made)


def state_policies(conn: Connection, document: Any = None, version: int = 1) -> None:
    """Apply a workspace: WORKSPACE unless another is given."""
    stated = document or WORKSPACE
    row = {"version": version, "digest": "d", "document": stated, "applied_by": "test", "recorded_at": NOW}
    conn.execute(insert(workspace_version), [row])


def state_invoicing(conn: Connection, contract: str = "K-1", **terms: Any) -> None:
    """A version of the contract with these terms of invoicing and no others, as if its source had stated them.

    A minute passes before it.
    """
    clock.set_now(conn, clock.now(conn) + timedelta(minutes=1))
    given = {"terms": json.dumps(terms) if terms else None, "contract": contract, "moment": clock.now(conn)}
    names = [column.name for column in CANONICAL["contract"].columns if column.name not in _OF_A_VERSION]
    conn.execute(
        text("UPDATE contract SET superseded_at = :moment WHERE key = :contract AND superseded_at IS NULL"),
        given,
    )
    conn.execute(
        text(
            f"INSERT INTO contract (version, recorded_at, superseded_at, invoicing, {', '.join(names)})"  # noqa: S608
            f" SELECT version + 1, :moment, NULL, CAST(:terms AS jsonb), {', '.join(names)} FROM contract"
            " WHERE key = :contract AND superseded_at = :moment"
        ),
        given,
    )
    conn.execute(
        text("UPDATE contract_terms SET invoicing = CAST(:terms AS jsonb) WHERE contract = :contract"), given
    )


def event(
    conn: Connection,
    entry: str,
    hours: str = "8",
    price: str = "100",
    *,
    contract: str = "K-1",
    recognised: bool = True,
    **change: Any,
) -> str:
    """One rated event with its balance; its id."""
    quantity, amount = D(hours), D(hours) * D(price)
    row: dict[str, Any] = {
        "id": new_id(NOW), "kind": "time", "source_kind": "time", "contract": contract, "line": "1", "legal_entity": "US01",
        "project": "P-1", "task": "T-1", "entry": entry, "entry_version": 1, "worker": "W-1", "role": "Consultant",
        "work_date": date(2026, 2, 3), "worked_hours": quantity, "quantity": quantity, "price": D(price),
        "multiplier": D(1), "discount": D(0), "amount": amount, "currency": "USD", "card": "STANDARD",
        "trail": {"card": "STANDARD"}, "recorded_at": NOW,
    }  # fmt: skip
    row |= change
    conn.execute(insert(billing_event), [row])
    balance = {"event": row["id"], "contract": contract, "quantity": row["quantity"], "amount": row["amount"],
               "recognised_amount": row["amount"] if recognised else D(0), "updated_at": NOW}  # fmt: skip
    conn.execute(insert(billing_balance), [balance])
    return str(row["id"])


def exchange_rate(conn: Connection, base: str, quote: str, rate: str, day: date) -> None:
    """The spot rate of a pair of currencies on a day."""
    row = {"id": new_id(NOW), "key": f"{base}/{quote}/{day}", "version": 1, "base": base, "quote": quote, "rate_type": "spot",
           "day": day, "rate": D(rate), "provenance": {}, "recorded_at": NOW}  # fmt: skip
    conn.execute(insert(CANONICAL["exchange_rate"]), [row])


def bill(conn: Connection, actor: Actor = PAT, through: date = FEB, **scope: Any) -> list[str]:
    """A whole billing run, without the flows: references of the new drafts."""
    run = billing.start_run(conn, actor, through, **scope)
    contracts = [part["contract"] for part in billing.run_status(conn, run)["parts"]]
    return billing.draft(conn, run, contracts)


def released(conn: Connection, **scope: Any) -> str:
    """Bill everything that is due as one draft, have it approved and release it: its number."""
    [ref] = bill(conn, **scope)
    billing.approve(conn, ref, ANN)
    return billing.release(conn, ref, ANN)


def credited(conn: Connection, number: str, **asked: Any) -> str:
    """Request, approve and release a credit note: its number."""
    ref = billing.request_credit(conn, PAT, number, reason="agreed", **asked)
    billing.approve(conn, ref, ANN)
    return billing.release(conn, ref, ANN)


def balance(conn: Connection, event_id: str) -> dict[str, Decimal]:
    """The places of one event that are not zero, in money."""
    row = conn.execute(select(billing_balance).where(billing_balance.c.event == event_id)).mappings().one()
    return {k.removesuffix("_amount"): v for k, v in row.items() if k.endswith("_amount") and v}


def documents(conn: Connection) -> list[tuple[str, str | None, str, Decimal]]:
    """(reference, number, state, net) of every document in order of drafting."""
    rows = conn.execute(select(invoice).order_by(invoice.c.draft_number)).mappings()
    return [(f"D-{r['draft_number']}", r["number"], r["state"], r["net_amount"]) for r in rows]


def accounts(conn: Connection) -> dict[str, Decimal]:
    """Balance of every account that is not zero."""
    rows = conn.execute(text("SELECT account, sum(amount) AS amount FROM journal_line GROUP BY account"))
    return {row.account: row.amount for row in rows if row.amount}


def open_exceptions(conn: Connection) -> dict[str, dict[str, Decimal | None]]:
    """{kind: {key: amount}} of what is open."""
    rows = conn.execute(
        text("SELECT kind, key, amount FROM exception WHERE state NOT IN ('resolved', 'waived')")
    )
    found: dict[str, dict[str, Decimal | None]] = {}
    for row in rows:
        found.setdefault(row.kind, {})[row.key] = row.amount
    return found


def dumps(value: Any) -> str:
    """JSON of a value with decimals and dates as text."""
    return json.dumps(value, default=str, sort_keys=True)
