"""Expenses in the hub: taken in, rated, set aside when they are wrong, billed, traced; nothing is lost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from tests.hub import billing_world as w
from tests.hub.builders import change, contract, take
from tests.hub.rated import add_project, bill, events, hours, open_kinds, rows, start, total
from tieout.connectors.kit.interface import Change
from tieout.hub import billing, books, canonical, crosswalk, exceptions, reading, trace
from tieout.hub.actors import PREPARER, Actor
from tieout.hub.billing import record
from tieout.hub.rating import Rated, rate_contracts, rate_unassigned
from tieout.store import tables

D = Decimal
OWNED = w.WORKSPACE | {"ownership": {"expense": {"owner": "tool"}}}


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """Contract K-1 with its project; the expenses come from the connection `tool`, which knows project 900 and worker 7."""
    start(conn)
    conn.execute(insert(tables.connection).values(name="tool", connector="scenario", config={}))
    w.state_policies(conn, OWNED)
    known(conn, "P-1")
    crosswalk.link(conn, "tool", "worker", "worker", {"7": "7"})
    return conn


def known(conn: Connection, project: str) -> None:
    """The tool names the project as we do."""
    crosswalk.link(conn, "tool", "project", "project", {project: project})


def spent(key: str, amount: Any = "100", version: str = "1", **fields: Any) -> Change:
    """An approved expense of P-1 on 3 February."""
    document = {"id": key, "project": "P-1", "date": "2026-02-03", "amount": amount, "currency": "USD",
                "category": "taxi", "billable": True, "approved": True}  # fmt: skip
    return change("expense", key, version, document | fields)


def kinds(conn: Connection) -> Mapping[str, str]:
    return {key: kind for kind, key in open_kinds(conn)}


def test_an_approved_expense_is_billed_and_earned_at_cost(hub: Connection) -> None:
    """120 with 20 recoverable tax: 100 to bill, on 3 February; a second run changes nothing."""
    told = take(hub, "tool", spent("E1", "120", tax_amount="20")).events
    assert [(e.type, e.subject, e.data) for e in told] == [
        ("tieout.expense.approved.v1", "K-1", {"expenses": ["E1"]}),
        ("purchase.heard", "K-1", {}),
    ]
    assert rate_contracts(hub, ["K-1"]) == Rated(created=1, journals=1)
    assert events(hub) == [("E1", "expense", D(1), D(100))]
    assert total(hub, "recognised_amount") == D(100)
    before = rows(hub)
    assert rate_contracts(hub, ["K-1"]) == Rated()
    assert rows(hub) == before


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"amount": "a hundred"}, "invalid-payload"),
        ({"amount": None}, "invalid-payload"),
        ({"amount": "NaN"}, "invalid-payload"),
        ({"amount": "10.005"}, "amount-precision"),
        ({"tax_amount": "1.005"}, "amount-precision"),
        ({"currency": "DOLLAR"}, "unknown-currency"),
        ({"date": "2026-02-30"}, "invalid-payload"),
        ({"nature": "broker"}, "unmapped-value"),
        ({"tax_amount": "much"}, "invalid-payload"),
    ],
)
def test_what_cannot_be_read_is_kept_and_named_and_its_correction_heals_it(
    hub: Connection, fields: Mapping[str, Any], kind: str
) -> None:
    take(hub, "tool", spent("E1", **fields), spent("E2", "50"))
    assert open_kinds(hub) == [(kind, "E1")]
    assert exceptions.listed(hub).rows[0]["cause"].startswith("expense E1: ")
    rate_contracts(hub, ["K-1"])
    assert events(hub) == [("E2", "expense", D(1), D(50))]
    take(hub, "tool", spent("E1", "70", version="2"))
    rate_contracts(hub, ["K-1"])
    assert (open_kinds(hub), total(hub, "amount")) == ([], D(120))


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"amount": "10", "tax_amount": "11"}, "invalid-payload", "recoverable tax 11"),
        ({"currency": "EUR"}, "missing-fx", "from EUR to USD for 2026-02-03"),
        ({"date": "2027-02-03"}, "outside-contract", "outside contract K-1"),
    ],
)
def test_what_cannot_be_billed_is_an_exception_until_it_is_corrected(
    hub: Connection, fields: Mapping[str, Any], kind: str, said: str
) -> None:
    take(hub, "tool", spent("E1", **fields), spent("E2", "50"))
    rate_contracts(hub, ["K-1"])
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["key"], found["contract"], said in found["cause"]) == (
        kind,
        "E1",
        "K-1",
        True,
    )
    assert events(hub) == [("E2", "expense", D(1), D(50))]
    take(hub, "tool", spent("E1", "70", version="2"))
    rate_contracts(hub, ["K-1"])
    assert (open_kinds(hub), total(hub, "amount")) == ([], D(120))


def test_an_expense_of_no_project_waits_for_it(hub: Connection) -> None:
    """First nobody knows the project; once it is linked the same record finds its contract."""
    (told,) = take(hub, "tool", spent("E1", project="P-9")).events
    assert told.subject == "unassigned"
    rate_unassigned(hub)
    assert open_kinds(hub) == [("missing-project", "E1")]
    add_project(hub, "P-9", workspace="909")
    known(hub, "P-9")
    take(hub, "tool", spent("E1", project="P-9", version="2"))
    rate_contracts(hub, ["K-1"])
    rate_unassigned(hub)
    assert (open_kinds(hub), total(hub, "amount")) == ([], D(100))


def test_an_expense_and_an_entry_of_time_never_share_a_key(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    take(hub, "tool", spent("501"))
    assert open_kinds(hub) == [("id-reuse", "501")]
    rate_contracts(hub, ["K-1"])
    assert [row[:2] for row in events(hub)] == [("501", "time")]


def test_a_deletion_withdraws_it_and_its_return_brings_it_back(hub: Connection) -> None:
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    bill(hub)
    take(hub, "tool", change("expense", "E1", "2", {"id": "E1"}, tombstone=True))
    rate_contracts(hub, ["K-1"])
    assert events(hub) == [("E1", "expense", D(1), D(100)), ("E1", "reversal", D(-1), D(-100))]
    assert total(hub, "recognised_amount") == 0
    take(hub, "tool", spent("E1", "100", version="3"))
    rate_contracts(hub, ["K-1"])
    assert total(hub, "recognised_amount") == D(100)
    assert rate_contracts(hub, ["K-1"]) == Rated()


def test_a_tax_heard_after_billing_is_a_correction(hub: Connection) -> None:
    """10 of the 100 billed turn out to be recoverable tax: −100 and +90."""
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    bill(hub)
    take(hub, "tool", spent("E1", tax_amount="10", version="2"))
    rate_contracts(hub, ["K-1"])
    assert [row[1:] for row in events(hub)] == [
        ("expense", D(1), D(100)), ("reversal", D(-1), D(-100)), ("expense", D(1), D(90)),
    ]  # fmt: skip
    assert open_kinds(hub) == []


def test_it_moves_to_another_contract_with_its_project(hub: Connection) -> None:
    take(hub, "salesforce", contract("K-2"))
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    canonical.write(hub, "project", {"P-1": {"contract": "K-2"}}, "project.finance", "moved")
    rate_contracts(hub, ["K-2"])
    assert (total(hub, "recognised_amount", "K-1"), total(hub, "recognised_amount", "K-2")) == (D(0), D(100))


def test_hours_and_expenses_are_read_apart(hub: Connection) -> None:
    """8 h x 200 and a taxi of 100: the status of the contract says 1,700; the lists keep both kinds."""
    take(hub, "kantata", hours("501", "8"))
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    (status,) = books.statement(hub, "K-1")
    assert (status["recognised"], status["unbilled"]) == (D(1700), D(1700))
    reader = Actor("p", frozenset({PREPARER}))
    page = reading.listed(hub, "expenses", reader, filters={"category": "taxi"}).rows
    assert [(row["key"], row["amount"], row["state"]) for row in page] == [("E1", D(100), "approved")]
    (event,) = reading.listed(hub, "billing-events", reader, filters={"entry": "E1"}).rows
    assert (event["kind"], event["description"], event["item"]) == (
        "expense",
        "Expense: taxi, 2026-02-03",
        "taxi",
    )


def test_a_trace_leads_from_the_expense_to_what_stated_it(hub: Connection) -> None:
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    found = trace.trace(hub, "E1")
    edges = {(edge["from"].split(":")[0], edge["via"], edge["to"].split(":")[0]) for edge in found["edges"]}
    assert {("project", "spent on", "expense"), ("expense", "rated as", "billing_event"),
            ("source_document", "stated by", "expense")} <= edges  # fmt: skip


def test_the_customer_reads_the_category_and_the_backup_sheet_who_spent_it(hub: Connection) -> None:
    """Work in hours, then the taxi as one item; a correction says which invoice it corrects."""
    take(hub, "kantata", hours("501", "8"))
    take(hub, "tool", spent("E1", worker="7", notes="to the airport"))
    rate_contracts(hub, ["K-1"])
    number = w.released(hub, contract="K-1")
    said, backup = record.document(hub, number)
    assert [(line.description, line.unit, line.quantity, line.net_amount) for line in said.lines] == [
        ("consultant, P-1", "hour", D(8), D(1600)), ("Expense: taxi, 2026-02-03", "item", D(1), D(100)),
    ]  # fmt: skip
    assert [(row.line, row.worker, row.text) for row in backup] == [
        (1, "7", None),
        (2, "7", "to the airport"),
    ]
    take(hub, "tool", spent("E1", "80", version="2", worker="7"))
    take(hub, "kantata", hours("502", "8", "2026-02-04"))
    rate_contracts(hub, ["K-1"])
    [ref] = w.bill(hub, contract="K-1")
    said, _ = record.document(hub, ref)
    assert [(line.description, line.quantity, line.net_amount) for line in said.lines[1:]] == [
        (f"Correction of {number}: Expense: taxi, 2026-02-03", D(1), D(80)),
        (f"Correction of {number}: Expense: taxi, 2026-02-03", D(-1), D(-100)),
    ]


def test_a_draft_that_holds_a_corrected_expense_is_stale(hub: Connection) -> None:
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    [ref] = w.bill(hub, contract="K-1")
    take(hub, "tool", spent("E1", "80", version="2"))
    rate_contracts(hub, ["K-1"])
    assert open_kinds(hub) == [("stale-draft", ref)]
    [again] = w.bill(hub, contract="K-1")
    assert [row[2:] for row in w.documents(hub)] == [("void", D(100)), ("draft", D(80))]
    assert (again != ref, open_kinds(hub)) == (True, [])


def test_an_expense_is_held_written_down_and_credited_by_its_id(hub: Connection) -> None:
    """100 held, let go, 10 written down: 90 billed; 30 of it credited for good: 60 stay revenue."""
    take(hub, "tool", spent("E1"))
    rate_contracts(hub, ["K-1"])
    billing.hold(hub, w.PAT, "asked", entry="E1")
    rate_contracts(hub, ["K-1"])
    assert w.bill(hub, contract="K-1") == []
    billing.unhold(hub, w.PAT, entry="E1")
    rate_contracts(hub, ["K-1"])
    said = billing.write(hub, w.PAT, "down", D(10), "too dear", entry="E1")
    billing.approve_write(hub, w.ANN, said["write"])
    rate_contracts(hub, ["K-1"])
    number = w.released(hub, contract="K-1")
    w.credited(hub, number, items=[{"id": "E1", "amount": D(30)}], kind="concession")
    (status,) = books.statement(hub, "K-1")
    assert (status["billed"], status["recognised"], status["written_off"]) == (D(60), D(60), D(40))
    assert rate_contracts(hub, ["K-1"]) == Rated()


def test_what_was_heard_stays_in_the_history(hub: Connection) -> None:
    take(hub, "tool", spent("E1"))
    take(hub, "tool", spent("E1", "80", version="2", nature="agent"))
    held = [(row["version"], row["amount"], row["nature"]) for row in canonical.history(hub, "expense", "E1")]
    assert held == [(1, D(100), None), (2, D(80), "agent")]
    assert (
        held[-1][1]
        == hub.execute(
            select(tables.expense.c.amount).where(tables.expense.c.superseded_at.is_(None))
        ).scalar_one()
    )
