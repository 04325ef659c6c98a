"""Drafts, approval by another person, release: what is held, who may decide, and what the books say then."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError

from tests.hub import billing_world as w
from tests.hub import builders
from tieout.hub import billing, exceptions
from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.exceptions import NewException
from tieout.hub.refusals import Conflict, Forbidden, Invalid, NotFound, Stale
from tieout.store import billing_events, clock

D = Decimal


@pytest.fixture
def firm(conn: Connection) -> Connection:
    w.prepare(conn)
    return conn


def test_a_run_drafts_each_contract_and_holds_its_hours(firm: Connection) -> None:
    """K-1: 8 h + 4 h at 100 = 1,200; K-2: 2 h at 150 = 300; March work is not due."""
    one = w.event(firm, "e1")
    w.event(firm, "e2", "4")
    w.event(firm, "e3", "2", "150", contract="K-2")
    w.event(firm, "e4", work_date=date(2026, 3, 1))
    refs = w.bill(firm)
    assert w.documents(firm) == [(refs[0], None, "draft", D(1200)), (refs[1], None, "draft", D(300))]
    assert w.balance(firm, one) == {"drafted": D(800), "recognised": D(800)}
    shown = billing.show(firm, refs[0], w.PAT)
    assert [(line["quantity"], line["net_amount"]) for line in shown["lines"]] == [(D(12), D(1200))]
    assert [e["entry"] for e in shown["lines"][0]["events"]] == ["e1", "e2"]
    assert (shown["terms_days"], shown["customer"]) == (30, "C-100")
    assert all(check["ok"] for check in shown["checks"])


def test_running_again_with_nothing_new_changes_nothing(firm: Connection) -> None:
    w.event(firm, "e1")
    w.bill(firm)
    before = w.documents(firm)
    assert w.bill(firm) == []
    run = billing.start_run(firm, w.PAT, w.FEB)
    assert billing.run_status(firm, run)["state"] == "done"
    assert w.documents(firm) == before


def test_new_work_redoes_the_draft_and_never_doubles_an_hour(firm: Connection) -> None:
    first = w.event(firm, "e1")
    [old] = w.bill(firm)
    w.event(firm, "e2", "1")
    [new] = w.bill(firm, w.BOB)
    assert w.documents(firm) == [(old, None, "void", D(800)), (new, None, "draft", D(900))]
    assert w.balance(firm, first)["drafted"] == D(800)
    status = billing.show(firm, old, w.PAT)
    assert "redone" in status["void_reason"]


def test_a_retried_run_is_done_once(firm: Connection) -> None:
    w.event(firm, "e1")
    run = billing.start_run(firm, w.PAT, w.FEB)
    assert len(billing.draft(firm, run, ["K-1"])) == 1
    assert billing.draft(firm, run, ["K-1"]) == []
    assert billing.draft_partition(firm, run, 1) == 0
    status = billing.run_status(firm, run)
    assert (status["state"], status["counts"]["drafted"], len(w.documents(firm))) == ("done", 1, 1)


def test_an_approved_draft_stands_and_later_work_gets_its_own(firm: Connection) -> None:
    w.event(firm, "e1")
    [first] = w.bill(firm)
    billing.approve(firm, first, w.ANN)
    w.event(firm, "e2", "1")
    [second] = w.bill(firm)
    assert [d[2:] for d in w.documents(firm)] == [("approved", D(800)), ("draft", D(100))]
    assert second != first


def test_a_run_of_an_earlier_date_keeps_what_a_later_one_drafted(firm: Connection) -> None:
    w.event(firm, "e1")
    w.event(firm, "e2", "1", work_date=date(2026, 3, 1))
    w.bill(firm, through=date(2026, 3, 31))
    w.event(firm, "e3", "2")
    w.bill(firm, through=w.FEB)
    assert [d[2:] for d in w.documents(firm)] == [("void", D(900)), ("draft", D(1100))]


def test_no_tax_rule_is_an_exception_with_the_money_and_the_rest_goes_on(firm: Connection) -> None:
    builders.take(firm, "salesforce", builders.account(version="2", BillingCountry="FR"))
    w.event(firm, "e1")
    assert w.bill(firm) == []
    assert w.open_exceptions(firm) == {"tax-undetermined": {"K-1": D(800)}}
    builders.take(firm, "salesforce", builders.account(version="3"))
    assert len(w.bill(firm)) == 1
    assert w.open_exceptions(firm) == {}


def test_a_missing_purchase_order_keeps_the_money_and_makes_no_draft(firm: Connection) -> None:
    wanted: dict[str, Any] = {"Purchase_Order_Required__c": True}
    builders.take(firm, "salesforce", builders.account(version="2", **wanted))
    w.event(firm, "e1")
    w.event(firm, "e2", "1", contract="K-2")
    assert w.bill(firm) == []
    assert w.open_exceptions(firm) == {"purchase-order-missing": {"K-1": D(800), "K-2": D(100)}}
    order = builders.contract(version="2", Purchase_Order__c="PO-7", Payment_Terms_Days__c=30)
    builders.take(firm, "salesforce", order)
    [ref] = w.bill(firm)
    assert billing.show(firm, ref)["purchase_order"] == "PO-7"
    assert w.open_exceptions(firm) == {"purchase-order-missing": {"K-2": D(100)}}


def test_the_money_of_a_contract_that_is_not_set_up_stands_on_one_exception(firm: Connection) -> None:
    """Its purchase order is missing too; the sum over all exceptions is 50,000, not 50,000 + 800."""
    wanted: dict[str, Any] = {"Purchase_Order_Required__c": True}
    builders.take(firm, "salesforce", builders.account(version="2", **wanted))
    w.event(firm, "e1")
    stopped = NewException("incomplete-setup", "K-1", "no order", "K-1", amount=D(50000), currency="USD")
    exceptions.open_exceptions(firm, [stopped])
    assert w.bill(firm) == []
    assert w.open_exceptions(firm) == {
        "incomplete-setup": {"K-1": D(50000)}, "purchase-order-missing": {"K-1": None}
    }  # fmt: skip
    exceptions.resolve(firm, "incomplete-setup", ["K-1"], "set up")
    assert w.bill(firm) == []
    assert w.open_exceptions(firm) == {"purchase-order-missing": {"K-1": D(800)}}


def test_only_a_preparer_starts_a_run_and_sees_its_own_entities(firm: Connection) -> None:
    w.event(firm, "e1")
    with pytest.raises(Forbidden):
        billing.start_run(firm, w.ANN, w.FEB)
    with pytest.raises(Forbidden):
        billing.start_run(firm, SYSTEM, w.FEB)
    [ref] = w.bill(firm)
    elsewhere = replace(w.PAT, entities=frozenset({"DE01"}))
    with pytest.raises(NotFound):
        billing.show(firm, ref, elsewhere)
    assert billing.listed(firm, actor=elsewhere).rows == []
    assert billing.run_status(firm, billing.start_run(firm, elsewhere, w.FEB))["contracts"] == 0


# --- two people ------------------------------------------------------------------------------------------------------


def test_the_preparer_never_approves_or_releases_whatever_role_comes_later(firm: Connection) -> None:
    """Through both doors: the approval and the release; also with another spelling of the address."""
    w.event(firm, "e1")
    [ref] = w.bill(firm)
    promoted = Actor("pat@example.com", frozenset({"finance_lead", "billing_approver"}))
    for me in (promoted, replace(promoted, name=" Pat@Example.com")):
        with pytest.raises(Forbidden, match="TIE-203"):
            billing.approve(firm, ref, me)
        with pytest.raises(Forbidden, match="TIE-203"):
            billing.reject(firm, ref, me, "no")
    billing.approve(firm, ref, w.ANN)
    with pytest.raises(Forbidden, match="TIE-203"):
        billing.release(firm, ref, promoted)
    assert billing.release(firm, ref, w.ANN) == "INV-1"


def test_the_database_refuses_a_preparer_as_approver_too(firm: Connection) -> None:
    w.event(firm, "e1")
    w.bill(firm)
    with pytest.raises(IntegrityError, match="preparer_is_not_approver"):
        firm.execute(text("UPDATE invoice SET approver = preparer"))


def test_roles_decide_who_may_approve(firm: Connection) -> None:
    w.event(firm, "e1")
    [ref] = w.bill(firm)
    for who in (Actor("eve", frozenset({"billing_preparer"})), replace(w.ANN, kind="service")):
        with pytest.raises(Forbidden):
            billing.approve(firm, ref, who)
    with pytest.raises(Conflict, match="only what is approved"):
        billing.release(firm, ref, w.ANN)


def test_a_double_click_is_one_decision(firm: Connection) -> None:
    w.event(firm, "e1")
    [ref] = w.bill(firm)
    assert billing.approve(firm, ref, w.ANN, version=1) == billing.approve(firm, ref, w.ANN, version=1) == 2
    [decision] = billing.show(firm, ref)["approvals"]
    assert (decision["approver"], decision["role"], decision["decision"]) == (
        "ann@example.com", "billing_approver", "approved")  # fmt: skip
    with pytest.raises(Conflict):
        billing.approve(firm, ref, w.BOB)
    assert billing.release(firm, ref, w.ANN) == billing.release(firm, ref, w.ANN) == "INV-1"


def test_a_decision_on_another_version_is_refused(firm: Connection) -> None:
    w.event(firm, "e1")
    [ref] = w.bill(firm)
    with pytest.raises(Stale):
        billing.approve(firm, ref, w.ANN, version=7)
    billing.approve(firm, ref, w.ANN)
    with pytest.raises(Stale):
        billing.release(firm, ref, w.ANN, version=1)


@pytest.mark.parametrize("state", ["draft", "approved"])
def test_a_rejected_draft_frees_its_hours(firm: Connection, state: str) -> None:
    one = w.event(firm, "e1")
    [ref] = w.bill(firm)
    if state == "approved":
        billing.approve(firm, ref, w.BOB)
    with pytest.raises(Invalid):
        billing.reject(firm, ref, w.ANN)
    billing.reject(firm, ref, w.ANN, "wrong project")
    assert "drafted" not in w.balance(firm, one)
    assert billing.show(firm, ref)["void_reason"] == "wrong project"
    assert len(w.bill(firm)) == 1


def test_a_draft_is_voided_by_its_preparer_but_a_released_invoice_is_not(firm: Connection) -> None:
    one = w.event(firm, "e1")
    [ref] = w.bill(firm)
    billing.void(firm, ref, w.PAT, "not yet")
    assert "drafted" not in w.balance(firm, one)
    number = w.released(firm)
    with pytest.raises(Conflict, match="credit note"):
        billing.void(firm, number, w.PAT, "oops")


# --- release ---------------------------------------------------------------------------------------------------------


def test_release_numbers_dates_and_books_the_invoice(firm: Connection) -> None:
    """Revenue of 800 stands as unbilled receivable; the release turns it into a receivable, net of nothing else."""
    one = w.event(firm, "e1")
    number = w.released(firm)
    shown = billing.show(firm, number)
    assert (number, shown["state"], shown["issue_date"], shown["due_date"]) == (
        "INV-1", "released", date(2026, 3, 2), date(2026, 4, 1))  # fmt: skip
    assert w.balance(firm, one)["billed"] == D(800)
    assert w.accounts(firm) == {"receivable": D(800), "unbilled_receivable": D(-800)}
    due = firm.execute(text("SELECT kind, key FROM work WHERE kind IN ('post', 'status_back') ORDER BY kind"))
    assert [tuple(row) for row in due] == [("post", "INV-1"), ("status_back", "salesforce")]


def test_the_issue_date_is_the_day_in_the_entity_zone(firm: Connection) -> None:
    """3 March 02:00 UTC is still 2 March in New York."""
    w.event(firm, "e1")
    clock.set_now(firm, datetime(2026, 3, 3, 2, 0, tzinfo=timezone.utc))
    assert billing.show(firm, w.released(firm))["issue_date"] == date(2026, 3, 2)


def close_period(conn: Connection, month: str = "2026-03") -> None:
    document = {
        "id": "9", "startdate": f"{month}-01", "enddate": f"{month}-28", "closed": "T", "arlocked": "F",
        "joined": {"legal_entity": "US01", "code": month, "key": f"US01/{month}"},
    }  # fmt: skip
    builders.take(conn, "netsuite", builders.change("accountingperiod", "9:1", "1", document))


def test_a_closed_period_refuses_the_release_and_burns_no_number(firm: Connection) -> None:
    w.event(firm, "e1")
    [ref] = w.bill(firm)
    billing.approve(firm, ref, w.ANN)
    close_period(firm)
    with pytest.raises(Conflict, match="TIE-204") as refused:
        billing.release(firm, ref, w.ANN)
    assert refused.value.fields == {"issue_date": "closed-period"}
    clock.set_now(firm, datetime(2026, 4, 1, 9, 0, tzinfo=timezone.utc))
    assert billing.release(firm, ref, w.ANN) == "INV-1"


def test_a_draft_is_not_released_under_the_rates_of_another_day_where_the_invoice_counts(
    conn: Connection,
) -> None:
    """800 drafted on 2 March at 4 %; 5 % from 3 March. Counted by supply it is released, by the invoice it is redone."""
    rates = [{"country": "US", "category": "S", "rate": rate, "from": since, "to": until}
             for rate, since, until in (("0.04", "2020-01-01", "2026-03-02"), ("0.05", "2026-03-03", None))]  # fmt: skip
    w.prepare(conn, document=w.WORKSPACE | {"tax": rates})
    w.event(conn, "e1")
    w.event(conn, "e2", contract="K-2")
    one, two = w.bill(conn)
    for ref in (one, two):
        billing.approve(conn, ref, w.ANN)
    clock.set_now(conn, datetime(2026, 3, 3, 15, tzinfo=timezone.utc))
    assert billing.release(conn, one, w.ANN) == "INV-1"
    w.state_policies(conn, w.WORKSPACE | {"tax": rates, "tax_points": [{"first_of": ["invoice"]}]}, 2)
    with pytest.raises(Conflict, match="drafted on 2026-03-02") as refused:
        billing.release(conn, two, w.ANN)
    assert "run billing again" in str(refused.value.remedy)
    billing.void(conn, two, w.PAT, "rates of another day")
    [again] = w.bill(conn)
    billing.approve(conn, again, w.ANN)
    billing.release(conn, again, w.ANN)
    assert billing.show(conn, again, w.PAT)["tax_amount"] == D(40)


def test_tax_is_stated_in_the_currency_of_the_books_too(conn: Connection) -> None:
    """800 EUR at 20 % = 160.00 EUR; × 1.10 = 176.00 USD; 200 credited at 1.30 later: 40.00 EUR at the invoice's 1.10."""
    taxed = [{"entity": "US01", "category": "S", "rate": "0.20", "from": "2020-01-01"}]
    w.prepare(conn, ["K-2"], w.WORKSPACE | {"tax": taxed})
    builders.take(
        conn, "salesforce", builders.contract("K-1", CurrencyIsoCode="EUR", Payment_Terms_Days__c=30)
    )
    w.exchange_rate(conn, "EUR", "USD", "1.10", date(2026, 3, 1))
    w.event(conn, "e1", currency="EUR")
    w.event(conn, "e2", contract="K-2")
    refs = w.bill(conn)
    shown = [billing.document(conn, ref)[0] for ref in refs]
    assert [(one.local_currency, one.local_tax_amount) for one in shown] == [("USD", D(176)), (None, None)]
    billing.approve(conn, refs[0], w.ANN)
    number = billing.release(conn, refs[0], w.ANN)
    clock.set_now(conn, datetime(2026, 3, 3, 15, tzinfo=timezone.utc))
    w.exchange_rate(conn, "EUR", "USD", "1.30", date(2026, 3, 3))
    note = w.credited(conn, number, amount=D(200))
    local = [billing.document(conn, one)[0].local_tax_amount for one in (number, note)]
    assert local == [D(176), D(44)]


def test_entities_with_one_prefix_have_numbers_of_their_own(conn: Connection) -> None:
    w.prepare(conn, document=w.WORKSPACE | {"billing": {}, "tax": [{"category": "O"}]})
    w.event(conn, "e1")
    w.event(conn, "e2", contract="K-2", legal_entity="DE01")
    refs = w.bill(conn)
    for ref in refs:
        billing.approve(conn, ref, w.ANN)
    assert [billing.release(conn, ref, w.ANN) for ref in refs] == ["INV-1", "INV-DE01-1"]


def test_a_stale_draft_goes_no_further_until_it_is_redone(firm: Connection) -> None:
    one = w.event(firm, "e1")
    [ref] = w.bill(firm)
    billing.approve(firm, ref, w.ANN)
    [draft] = billing_events.drafts_with(firm, [one])
    billing_events.make_stale(firm, [str(draft["id"])], "e1 was corrected", w.NOW)
    with pytest.raises(Conflict, match="TIE-206"):
        billing.release(firm, ref, w.ANN)
    assert billing.listed(firm, {"stale": True}).rows[0]["reference"] == ref
    [new] = w.bill(firm)
    assert [d[2] for d in w.documents(firm)] == ["void", "draft"]
    with pytest.raises(Conflict):
        billing.release(firm, ref, w.ANN)
    billing.approve(firm, new, w.ANN)
    assert billing.release(firm, new, w.ANN) == "INV-1"


def test_what_is_not_what_was_approved_is_not_released(firm: Connection) -> None:
    w.event(firm, "e1")
    [ref] = w.bill(firm)
    billing.approve(firm, ref, w.ANN)
    firm.execute(text("UPDATE invoice_line SET quantity = quantity + 1"))
    with pytest.raises(Conflict, match="TIE-207"):
        billing.release(firm, ref, w.ANN)


def test_concurrent_releases_give_numbers_without_gap(engine: Engine) -> None:
    """Eight invoices on four threads; one of the releases fails after its number was taken."""
    keys = [f"K-{n}" for n in range(1, 9)]
    with engine.begin() as conn:
        w.prepare(conn, keys)
        for key in keys:
            w.event(conn, f"e-{key}", contract=key)
        refs = w.bill(conn)
        for ref in refs:
            billing.approve(conn, ref, w.ANN)
    numbers: list[str] = []

    def release(mine: list[str]) -> None:
        for ref in mine:
            with engine.begin() as conn:
                numbers.append(billing.release(conn, ref, w.ANN))

    with engine.connect() as conn:
        billing.release(conn, refs[0], w.ANN)
        conn.rollback()
    threads = [threading.Thread(target=release, args=(refs[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(numbers, key=lambda n: int(n[4:])) == [f"INV-{n}" for n in range(1, 9)]


def test_two_runs_at_once_draft_an_hour_once(engine: Engine) -> None:
    with engine.begin() as conn:
        w.prepare(conn)
        one = w.event(conn, "e1")
        runs = [billing.start_run(conn, who, w.FEB) for who in (w.PAT, w.BOB)]
    start = threading.Barrier(2)

    def draft(run: str) -> None:
        with engine.begin() as conn:
            start.wait(10)
            billing.draft(conn, run, ["K-1"])

    threads = [threading.Thread(target=draft, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with engine.connect() as conn:
        assert [d[2] for d in w.documents(conn)] == ["draft"]
        assert w.balance(conn, one)["drafted"] == D(800)


# --- reads -----------------------------------------------------------------------------------------------------------


def test_lists_page_filter_and_search_on_the_server(firm: Connection) -> None:
    w.event(firm, "e1")
    w.event(firm, "e2", contract="K-2")
    refs = w.bill(firm)
    first = billing.listed(firm, limit=1, actor=w.PAT)
    second = billing.listed(firm, cursor=first.cursor, limit=1, actor=w.PAT)
    assert [row["reference"] for page in (first, second) for row in page.rows] == refs[::-1]
    assert second.cursor is None
    found = {
        "contract": billing.listed(firm, {"contract": "K-2"}),
        "search": billing.listed(firm, {"search": refs[1]}),
        "state": billing.listed(firm, {"state": ["released"]}),
    }
    assert [len(page.rows) for page in found.values()] == [1, 1, 0]
    with pytest.raises(Invalid):
        billing.listed(firm, {"color": "red"})
    with pytest.raises(Invalid):
        billing.listed(firm, cursor="!")


def test_the_backup_sheet_sums_to_the_lines(firm: Connection) -> None:
    w.event(firm, "e1")
    w.event(firm, "e2", "2", "150")
    [ref] = w.bill(firm)
    rows = billing.backup_sheet(firm, ref, w.PAT)
    assert [(r["line"], r["entry"], r["quantity"], r["amount"]) for r in rows] == [
        (1, "e1", D(8), D(800)), (2, "e2", D(2), D(300))]  # fmt: skip
    firm.execute(text("UPDATE invoice_line SET net_amount = net_amount + 1 WHERE line = 1"))
    with pytest.raises(AssertionError):
        billing.backup_sheet(firm, ref, w.PAT)
