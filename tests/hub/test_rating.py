"""Approved time becomes billing events, balances and revenue; corrections take back exactly; twice is once."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Connection, select, text

from tests.hub.builders import MOMENT, contract, deleted, take
from tests.hub.rated import add_project, add_rate, bill, events, hours, now, open_kinds, rows, start, total
from tieout.hub import audit, books, canonical, exceptions
from tieout.hub.actors import Actor
from tieout.hub.rating import Rated, rate_contracts
from tieout.store import tables

D = Decimal


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """Contract K-1, its project and price."""
    return start(conn)


def balances(conn: Connection, contract: str = "K-1") -> dict[str, Decimal]:
    """Balance by account in USD."""
    return {account: amounts["USD"] for account, amounts in books.balances(conn, contract).items()}


def test_an_approved_hour_becomes_an_event_and_revenue(hub: Connection) -> None:
    """8 h × 200 = 1,600: Dr unbilled receivable, Cr revenue; the event and the journal say why."""
    take(hub, "kantata", hours("501", "8"))
    assert rate_contracts(hub, ["K-1"]) == Rated(created=1, journals=1)
    assert events(hub) == [("501", "time", D(8), D(1600))]
    assert balances(hub) == {"unbilled_receivable": D(1600), "revenue": D(-1600)}
    (status,) = books.statement(hub, "K-1")
    assert (status["recognised"], status["unbilled"], status["unbilled_receivable"]) == (
        D(1600),
        D(1600),
        D(1600),
    )
    event = hub.execute(select(tables.billing_event)).mappings().one()
    assert (event["trail"]["card"], event["trail"]["matched"]) == ("STANDARD", {"role": "consultant"})
    link = hub.execute(
        select(tables.revenue_entry.c.amount, tables.journal.c.cause).join(tables.journal)
    ).one()
    assert tuple(link) == (D(1600), "K-1/2026-02-03/1")
    said = hub.execute(
        select(tables.event.c.type, tables.event.c.data).order_by(tables.event.c.position)
    ).all()
    assert said[-2:] == [
        ("tieout.billing_event.created.v1", {"entries": 1, "amount": "1600.00", "currency": "USD"}),
        ("tieout.revenue.recognised.v1", {"events": 1, "amount": "1600.00", "currency": "USD"}),
    ]


def test_a_second_run_changes_nothing(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"), hours("502", "20"), hours("503", "4", role="unknown"))
    rate_contracts(hub, ["K-1"])
    before = rows(hub)
    assert rate_contracts(hub, ["K-1"]) == Rated()
    assert rows(hub) == before


def test_a_correction_before_billing_sets_the_old_event_back(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    take(hub, "kantata", hours("501", "6", version="2"))
    assert rate_contracts(hub, ["K-1"]) == Rated(created=1, set_back=1, updated=1, journals=2)
    assert events(hub) == [("501", "time", D(6), D(1200))]
    assert balances(hub) == {"unbilled_receivable": D(1200), "revenue": D(-1200)}


def test_a_correction_after_billing_is_reversed_and_rated_anew(hub: Connection) -> None:
    """Billed 1,600; corrected to 6 h: −1,600 and +1,200, so 400 less stand unbilled."""
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    bill(hub)
    take(hub, "kantata", hours("501", "6", version="2"))
    assert rate_contracts(hub, ["K-1"]) == Rated(created=1, reversed=1, journals=2)
    assert events(hub) == [("501", "time", D(8), D(1600)), ("501", "reversal", D(-8), D(-1600)), ("501", "time", D(6), D(1200))]  # fmt: skip
    (status,) = books.statement(hub, "K-1")
    assert (status["recognised"], status["billed"], status["unbilled"]) == (D(1200), D(1600), D(-400))
    assert rate_contracts(hub, ["K-1"]) == Rated()


def test_a_withdrawal_takes_everything_back(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    take(hub, "kantata", deleted("time_entry", "501", "2"))
    rate_contracts(hub, ["K-1"])
    assert (events(hub), balances(hub)) == ([], {})


def test_a_new_version_of_the_same_value_only_moves_the_link(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    take(hub, "kantata", hours("501", "8", version="2", notes="said more"))
    assert rate_contracts(hub, ["K-1"]) == Rated(relinked=1)
    assert hub.execute(select(tables.billing_event.c.entry_version)).scalars().all() == [2]


def test_an_entry_that_moves_to_another_contract_leaves_the_first(hub: Connection) -> None:
    take(hub, "salesforce", contract("K-2"))
    add_project(hub, "P-2", "K-2", "901")
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    bill(hub)
    take(hub, "kantata", hours("501", "8", version="2", workspace_id="901"))
    rate_contracts(hub, ["K-2"])
    assert events(hub) == [("501", "time", D(8), D(1600)), ("501", "reversal", D(-8), D(-1600)), ("501", "time", D(8), D(1600))]  # fmt: skip
    assert (balances(hub).get("revenue", 0), balances(hub, "K-2")["revenue"]) == (0, D(-1600))  # fmt: skip
    assert rate_contracts(hub, ["K-1", "K-2"]) == Rated()


def new_price(conn: Connection, price: str) -> None:
    """A price list imported later replaces the price."""
    conn.execute(tables.rate.update().values(superseded_at=MOMENT))
    add_rate(conn, price, recorded_at=MOMENT)


def test_a_new_price_re_rates_what_is_unbilled(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    new_price(hub, "210")
    rate_contracts(hub, ["K-1"])
    assert events(hub) == [("501", "time", D(8), D(1680))]
    assert open_kinds(hub) == []


def test_a_new_price_of_billed_work_is_proposed_and_a_waiver_is_remembered(hub: Connection) -> None:
    """8 h × 10 more = 80 proposed; nothing is re-priced silently."""
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    bill(hub)
    new_price(hub, "210")
    rate_contracts(hub, ["K-1"])
    assert events(hub) == [("501", "time", D(8), D(1600))]
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["key"], found["amount"]) == ("true-up-proposed", "501", D(80))
    approver = Actor("x@firm.example", frozenset({"billing_approver"}))
    exceptions.waive(hub, found["id"], "the client was told the old price", approver)
    assert rate_contracts(hub, ["K-1"]) == Rated()


def test_terms_of_the_day_decide(hub: Connection) -> None:
    """From March 10 % off, and another card: 8 h × 300 × 0.9 = 2,160; February stays at 1,600."""
    add_rate(hub, "300", card="SPRING")
    take(hub, "salesforce", contract(version="2", Effective_Date__c="2026-03-01", Rate_Card__c="SPRING",
                                     Discount_Percent__c="10"))  # fmt: skip
    take(hub, "kantata", hours("501", "8"), hours("502", "8", "2026-03-02"))
    rate_contracts(hub, ["K-1"])
    assert events(hub) == [("501", "time", D(8), D(1600)), ("502", "time", D(8), D(2160))]


def test_one_audit_row_says_what_a_run_wrote(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    row = hub.execute(select(tables.audit).where(tables.audit.c.action == "rate")).mappings().one()
    assert (row["key"], row["rows"], row["detail"]["created"]) == ("K-1", 1, 1)
    audit.seal(hub)
    assert audit.verify(hub).findings == ()


def test_work_dated_ahead_earns_on_its_day(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8", "2026-03-05"))
    rate_contracts(hub, ["K-1"])
    assert (total(hub, "recognised_amount"), len(events(hub))) == (D(0), 1)
    due = hub.execute(
        select(tables.work.c.due_at).where(tables.work.c.kind == "rate", tables.work.c.key == "K-1")
    )
    assert due.scalar_one().date() == (MOMENT + timedelta(days=3)).date()
    now(hub, 5)
    rate_contracts(hub, ["K-1"])
    assert total(hub, "recognised_amount") == D(1600)


def test_a_contract_that_is_not_signed_yet_earns_on_the_day_of_its_signature(hub: Connection) -> None:
    take(hub, "salesforce", contract("K-2", Status="Draft", ActivatedDate=None))
    add_project(hub, "P-2", "K-2", "901")
    take(hub, "kantata", hours("501", "8", workspace_id="901"))
    rate_contracts(hub, ["K-2"])
    assert events(hub) == []
    take(hub, "salesforce", contract("K-2", "2", ActivatedDate="2026-02-20T10:00:00Z"))
    rate_contracts(hub, ["K-2"])
    assert hub.execute(select(tables.journal.c.event_date)).scalar_one().isoformat() == "2026-02-20"


def test_a_draft_whose_work_changed_is_stale_and_frees_what_it_held(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"), hours("502", "2"))
    rate_contracts(hub, ["K-1"])
    _draft(hub)
    take(hub, "kantata", hours("501", "6", version="2"))
    assert rate_contracts(hub, ["K-1"]).stale_drafts == 1
    assert total(hub, "drafted_amount") == 0
    reason = hub.execute(select(tables.invoice.c.stale_reason)).scalar_one()
    assert "corrected" in reason
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["amount"]) == ("stale-draft", D(2000))
    assert rate_contracts(hub, ["K-1"]).stale_drafts == 0


def _draft(conn: Connection) -> None:
    """Everything of K-1 on one draft."""
    names = {
        "contract": "K-1", "customer": "C-100", "legal_entity": "US01", "currency": "USD", "through": MOMENT.date(),
        "terms_days": 30, "net_amount": D(2000), "tax_amount": D(0), "gross_amount": D(2000), "state": "draft",
        "content_hash": "x", "preparer": "p", "kind": "invoice", "recorded_at": MOMENT, "updated_at": MOMENT,
        "id": "00000000-0000-7000-8000-000000000001",
    }  # fmt: skip
    conn.execute(tables.invoice.insert().values(**names))
    conn.execute(tables.invoice_line.insert().values(
        invoice=names["id"], line=1, contract="K-1", contract_line="1", description="time", quantity=D(10), unit_price=D(200),
        net_amount=D(2000), tax_category="O", tax_rate=D(0)))  # fmt: skip
    conn.execute(text("INSERT INTO invoice_line_event (invoice, line, event, quantity, amount)"
                      " SELECT CAST(:id AS uuid), 1, event, quantity, amount FROM billing_balance"), {"id": names["id"]})  # fmt: skip
    conn.execute(text("UPDATE billing_balance SET drafted_quantity = quantity, drafted_amount = amount"))


def test_a_task_closed_later_keeps_what_was_rated(hub: Connection) -> None:
    take(hub, "kantata", hours("501", "8"))
    rate_contracts(hub, ["K-1"])
    canonical.write(hub, "project", {"P-1": {"state": "closed"}}, "project.delivery", "closed")
    rate_contracts(hub, ["K-1"])
    assert events(hub) == [("501", "time", D(8), D(1600))]
