"""One invoice of several contracts: who is drafted together, redone together, and what each line tells."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from tests.hub.billing_world import (
    ANN,
    FEB,
    NOW,
    PAT,
    D,
    accounts,
    balance,
    bill,
    credited,
    documents,
    event,
    open_exceptions,
    prepare,
    released,
    state_invoicing,
)
from tieout.hub import billing
from tieout.hub.billing import grouping, runs
from tieout.hub.refusals import Invalid
from tieout.store import billing_events, billing_runs
from tieout.store import invoices as store

JOINT = {"group": "customer"}


@pytest.fixture
def firm(conn: Connection) -> Connection:
    """K-1, K-2 and K-3 of one customer, of which the first two are billed together."""
    prepare(conn, ("K-1", "K-2", "K-3"))
    for contract in ("K-1", "K-2"):
        state_invoicing(conn, contract, **JOINT)
    return conn


def terms(customer: str = "C-1", **invoicing: Any) -> dict[str, Any]:
    return {"customer": customer, "legal_entity": "US01", "invoicing": invoicing}


def test_who_shares_a_payer_goes_together_directly_or_through_others() -> None:
    split = {"group": "customer", "split": [{"customer": c, "share": "0.5"} for c in ("C-1", "C-2")]}
    contracts = {
        "A": terms(**JOINT), "B": terms(), "C": terms("C-2", consolidate=True), "D": terms("C-9", **split),
        "E": terms(group="customer", retention={"share": "0.1"}), "F": terms("C-3", group="purchase_order"),
        "G": terms(**JOINT) | {"legal_entity": "DE01"},
    }  # fmt: skip
    assert grouping.together(contracts) == [["A", "C", "D"], ["B"], ["E"], ["F"], ["G"]]
    assert grouping.together(contracts, [["B", "E"], ["gone"], ["F", "C"]]) == [
        ["A", "C", "D", "F"], ["B", "E"], ["G"],
    ]  # fmt: skip


def test_contracts_that_go_together_are_in_one_partition_whole_and_one_by_one(
    firm: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "CONTRACTS_A_PARTITION", 1)
    for contract in ("K-3", "K-2", "K-1"):
        event(firm, f"of {contract}", contract=contract)
    run = billing.start_run(firm, PAT, FEB)
    parts = {part["contract"]: part["partition"] for part in billing_runs.parts(firm, run)}
    assert parts == {"K-1": 1, "K-2": 1, "K-3": 2}
    assert [runs.undone(firm, run, number) for number in (1, 2)] == [[["K-1", "K-2"]], [["K-3"]]]
    for number in (1, 2):
        assert billing.draft_partition(firm, run, number) == 3 - number
    assert [row[3] for row in documents(firm)] == [D(1600), D(800)]
    told = billing.run_status(firm, run)
    assert told["counts"] == {"drafted": 2, "kept": 0, "voided": 0, "waiting": 0}
    one, other, _ = (part["drafted"] for part in told["parts"])
    assert one == other


def test_an_open_draft_is_redone_with_what_comes_due_beside_it_and_an_approved_one_stands(
    firm: Connection,
) -> None:
    event(firm, "501", contract="K-1")
    [alone] = bill(firm)
    event(firm, "502", contract="K-2")
    [both] = bill(firm, contract="K-2")
    assert [(ref, state) for ref, _, state, _ in documents(firm)] == [(alone, "void"), (both, "draft")]
    billing.approve(firm, both, ANN)
    event(firm, "503", contract="K-2")
    [later] = bill(firm)
    assert [(row["contract"], row["net_amount"]) for row in billing.show(firm, later)["lines"]] == [
        ("K-2", D(800))
    ]
    assert billing.release(firm, both, ANN) == "INV-1"


def test_a_draft_is_freed_once_whoever_makes_it_stale(firm: Connection) -> None:
    events = [event(firm, "501", contract="K-1"), event(firm, "502", contract="K-2")]
    bill(firm)
    ids = [str(row["id"]) for row in store.live_drafts(firm, ["K-2"])]
    assert billing_events.make_stale(firm, ids, "K-1 changed", NOW) == set(ids)
    assert billing_events.make_stale(firm, ids, "K-2 changed", NOW) == set()
    assert [balance(firm, one) for one in events] == [{"recognised": D(800)}] * 2
    assert bill(firm, contract="K-2")
    assert [row[2:] for row in documents(firm)] == [("void", D(1600)), ("draft", D(1600))]


def test_a_rule_of_one_contract_keeps_the_whole_draft_back(firm: Connection) -> None:
    state_invoicing(firm, "K-2", **JOINT, rules=["lines.all(l, l.contract == 'K-2')"])
    event(firm, "501", contract="K-1")
    event(firm, "502", "4", contract="K-2")
    assert bill(firm) == []
    assert open_exceptions(firm)["client-rule"] == {"K-1": D(800), "K-2": D(400)}


def test_lines_name_their_contract_to_the_customer_and_to_who_looks_for_it(firm: Connection) -> None:
    event(firm, "501", contract="K-1")
    event(firm, "502", "4", contract="K-2")
    number = released(firm)
    assert [row["number"] for row in billing.listed(firm, {"contract": "K-2"}).rows] == [number]
    assert [row["number"] for row in billing.listed(firm, {"search": "k-2"}).rows] == [number]
    said, _ = billing.document(firm, number)
    assert (said.contract, [line.description for line in said.lines]) == (
        None, ["K-1: Consultant, P-1", "K-2: Consultant, P-1"],
    )  # fmt: skip
    with pytest.raises(Invalid, match="name CONTRACT/LINE"):
        billing.request_credit(firm, PAT, number, items=[{"id": "1"}], reason="agreed")
    note = credited(firm, number, items=[{"id": "K-2"}], rebill=True)
    shown = billing.show(firm, note)
    assert (shown["contract"], shown["net_amount"], shown["lines"][0]["line"]) == ("K-2", D(400), 2)
    assert accounts(firm)["receivable"] == D(800)
