"""A figure leads back to the documents that stated it and on to the records it became."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from tests.hub import billing_world as w
from tests.hub.target import intent
from tieout.cli.trace import tree
from tieout.hub import canonical, exceptions, outbox, trace
from tieout.hub.actors import Actor
from tieout.hub.refusals import NotFound
from tieout.store import tables


@pytest.fixture
def firm(conn: Connection) -> Connection:
    """K-1 with two rated hours: one invoiced, posted and paid, the other (e2) still open; both by one rate."""
    w.prepare(conn)
    canonical.write(
        conn, "project", {"P-1": {"contract": "K-1", "legal_entity": "US01"}}, "project.delivery", "test"
    )
    for entry in ("e1", "e2"):
        facts = {"project": "P-1", "legal_entity": "US01", "work_date": date(2026, 2, 3)}
        canonical.write(conn, "time_entry", {entry: facts}, "time", "test")
    rate = {"card": "STANDARD", "currency": "USD", "role": "Consultant", "price": Decimal(100), "source": "test",
            "effective_from": date(2026, 1, 1), "recorded_at": w.NOW}  # fmt: skip
    conn.execute(insert(tables.rate), [rate])
    dates = {"from": "2026-01-01", "known_from": "2026-03-02", "to": None}
    trail = {"card": "STANDARD", "matched": {"role": "Consultant"}, "rate": dates}
    w.event(conn, "e1", trail=trail)
    number = w.released(conn, contract="K-1")
    w.event(conn, "e2", "1", trail=trail)
    post(conn, number)
    return conn


def post(conn: Connection, number: str) -> None:
    """The invoice as the ERP got, holds and collected it."""
    conn.execute(insert(tables.connection).values(name="ledger", connector="ledger", config={}))
    [one] = outbox.put(conn, [intent(number, amount=Decimal(800))])
    conn.execute(
        update(tables.intent).where(tables.intent.c.id == one).values(state="done", target_id="7001")
    )
    key = "ours-1"
    conn.execute(update(tables.invoice).where(tables.invoice.c.number == number).values(external_key=key))
    document = {
        "external_key": key,
        "number": "4711",
        "total": Decimal(800),
        "currency": "USD",
        "legal_entity": "US01",
    }
    canonical.write(conn, "erp_document", {"DOC-1": document}, "invoice.posting", "test")
    paid = {"amount": Decimal(800), "currency": "USD", "legal_entity": "US01"}
    canonical.write(conn, "payment", {"PAY-1": paid}, "cash", "test")
    row = {"payment": "PAY-1", "payment_version": 1, "erp_document": "DOC-1", "amount": Decimal(800)}
    conn.execute(insert(tables.payment_application), [row])


def found(answer: dict[str, Any]) -> dict[str, list[str]]:
    """Keys of the nodes by type, without events."""
    by_type: dict[str, list[str]] = {}
    for node in answer["nodes"]:
        if node["type"] != "event":
            by_type.setdefault(node["type"], []).append(node["key"])
    return {type: sorted(keys) for type, keys in by_type.items()}


WHOLE = {
    "approval": ["D-1"], "billing_event": ["e1"], "contract": ["K-1"], "customer": ["C-100"],
    "intent": ["INV-1"], "invoice": ["INV-1"], "invoice_line": ["INV-1/1"], "payment": ["PAY-1"], "project": ["P-1"],
    "rate": ["STANDARD"], "source_document": ["A-C-100", "K-K-1"], "target_record": ["7001", "DOC-1"], "time_entry": ["e1"],
}  # fmt: skip


@pytest.mark.parametrize("key", ["INV-1", "D-1", "INV-1/1", "e1"])
def test_an_invoice_a_line_and_its_hour_tell_the_same_story(firm: Connection, key: str) -> None:
    """From the contract's document to the payment; the open hour e2 of the same contract is no part of it."""
    answer = trace.trace(firm, key)
    assert found(answer) == WHOLE
    ids = {node["id"] for node in answer["nodes"]}
    assert len(ids) == len(answer["nodes"])
    assert all(edge["from"] in ids and edge["to"] in ids and edge["via"] for edge in answer["edges"])
    assert {edge["from"] for edge in answer["edges"]} | {edge["to"] for edge in answer["edges"]} == ids
    line = next(node for node in answer["nodes"] if node["type"] == "invoice_line")
    assert (line["system"], line["amount"], line["currency"]) == ("tieout", Decimal(800), "USD")
    assert "truncated" not in answer


def test_a_contract_leads_to_everything_under_it(firm: Connection) -> None:
    for key in ("K-1", "P-1"):
        assert found(trace.trace(firm, key))["billing_event"] == ["e1", "e2"]


def test_an_exception_leads_to_what_it_is_about(firm: Connection) -> None:
    [one] = exceptions.open_exceptions(
        firm, [exceptions.NewException("unposted", "INV-1", "it is not there")]
    )
    assert found(trace.trace(firm, one)) == WHOLE


def test_another_entity_sees_nothing_of_it(firm: Connection) -> None:
    narrow = Actor("ann@firm.example", entities=frozenset({"DE01"}))
    for key in ("INV-1", "K-1", "nothing", "0197a000-0000-7000-8000-000000000001", "INV-1/9", "a/b/c"):
        with pytest.raises(NotFound):
            trace.trace(firm, key, narrow)


def test_a_trace_is_bounded_and_says_so(firm: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "MOST_NODES", 5)
    answer = trace.trace(firm, "K-1")
    assert answer["truncated"] is True
    assert 1 <= len(answer["nodes"]) <= 5


def test_the_tree_names_each_record_under_what_it_came_from(firm: Connection) -> None:
    lines = tree(trace.trace(firm, "INV-1"))
    text = "\n".join(lines)
    assert "line of: invoice INV-1 (tieout, 800.00 USD" in text
    assert any(line.startswith("source document A-C-100 (salesforce") for line in lines)
    assert text.index("time entry e1") < text.index("billing event e1") < text.index("payment PAY-1")
    assert firm.execute(select(tables.invoice.c.number)).scalar() == "INV-1"
