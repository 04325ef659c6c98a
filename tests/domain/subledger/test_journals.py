"""Journals of one approved hour: earned, released, credited, paid, reversed; closed periods move the date."""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tieout.domain.frames import (
    CLOSED_PERIODS,
    CREDIT_CAUSES,
    DOCUMENT_CAUSES,
    EARNED_CAUSES,
    JOURNAL_LINES,
    PAYMENT_CAUSES,
    REVENUE_CAUSES,
    frame,
)
from tieout.domain.subledger import (
    ACCOUNTS,
    Books,
    journal_for_credit,
    journal_for_earned,
    journal_for_payment,
    journal_for_release,
    journal_for_revenue,
    reverse,
)
from tieout.model.periods import MONTHS, period_bounds

D = Decimal
DAY = date(2026, 1, 31)


def books(*closed: str) -> Books:
    rows = [("US01", *period_bounds(code, MONTHS)) for code in closed]
    return Books(pl.DataFrame(rows, CLOSED_PERIODS, orient="row"), {"US01": "USD"})


def cause(key: str = "K", **change: Any) -> dict[str, Any]:
    row = {"cause": key, "contract": "C-1", "line": "1", "entity": "US01", "currency": "USD", "event_date": DAY,
           "opening": D(0), "tax_amount": D(0)}  # fmt: skip
    return row | change


def revenue(*rows: dict[str, Any], closed: tuple[str, ...] = ()) -> pl.DataFrame:
    return journal_for_revenue(frame(rows, REVENUE_CAUSES), books(*closed))


def balances(*journals: pl.DataFrame) -> dict[str, Decimal]:
    sums = pl.concat(journals).group_by("account").agg(pl.col("amount").sum())
    return {account: amount for account, amount in sums.iter_rows() if amount}


def test_earned_before_billed_is_an_unbilled_receivable() -> None:
    assert balances(revenue(cause(amount=D(1000)))) == {"unbilled_receivable": D(1000), "revenue": D(-1000)}


def test_what_is_earned_for_another_party_is_no_revenue() -> None:
    """210 earned, 200 of it the hotel's: the customer owes 210, revenue is 10 (IFRS 15.B36); taken back the same way."""
    rows = [
        cause("A", amount=D(210), pass_through_amount=D(200)),
        cause("B", amount=D(-21), pass_through_amount=D(-20), opening=D(210)),
    ]
    earned = [journal_for_earned(frame([row], EARNED_CAUSES), books()) for row in rows]
    assert balances(earned[0]) == {"unbilled_receivable": D(210), "pass_through": D(-200), "revenue": D(-10)}
    assert balances(*earned) == {"unbilled_receivable": D(189), "pass_through": D(-180), "revenue": D(-9)}


def test_a_release_clears_what_was_earned_and_mirrors_the_document() -> None:
    """Earned 1,000; released 1,000 + 200 tax: receivable 1,200, tax 200, revenue 1,000, clearing and unbilled nil."""
    earned = revenue(cause(amount=D(1000)))
    row = cause("INV-1", net_amount=D(1000), tax_amount=D(200), opening=D(1000))
    release = journal_for_release(frame([row], DOCUMENT_CAUSES), books())
    assert balances(earned, release) == {"receivable": D(1200), "tax_payable": D(-200), "revenue": D(-1000)}
    assert release.filter(pl.col("account") == "billing_clearing")["amount"].to_list() == [D(-1000), D(1000)]
    assert set(release["account"]) <= set(ACCOUNTS)


def test_billed_ahead_of_revenue_is_a_liability_that_revenue_draws_first() -> None:
    """Earned 400, billed 1,000 -> liability 600; 900 more earned: 600 from the liability, 300 unbilled."""
    release = journal_for_release(
        frame([cause("INV-1", net_amount=D(1000), opening=D(400))], DOCUMENT_CAUSES), books()
    )
    assert balances(release) == {
        "receivable": D(1000), "unbilled_receivable": D(-400), "contract_liability": D(-600)}  # fmt: skip
    later = revenue(cause(amount=D(900), opening=D(-600)))
    assert balances(later) == {
        "contract_liability": D(600),
        "unbilled_receivable": D(300),
        "revenue": D(-900),
    }


def test_several_causes_of_one_line_take_the_position_in_order() -> None:
    got = revenue(cause("b", amount=D(300), opening=D(-400)), cause("a", amount=D(300), opening=D(-400)))
    unbilled = got.filter(pl.col("account") == "unbilled_receivable")
    assert unbilled.select("cause", "amount").rows() == [("b", D(200))]


def test_a_credit_turns_the_release_round_and_what_was_paid_is_owed_back() -> None:
    """Credit 300 + 60 tax on an invoice with 100 open: receivable −100, refund liability −260."""
    row = cause("CN-1", net_amount=D(300), tax_amount=D(60), open_amount=D(100), moved_amount=D(0))
    got = balances(journal_for_credit(frame([row], CREDIT_CAUSES), books()))
    assert got == {"receivable": D(-100), "refund_liability": D(-260), "tax_payable": D(60),
                   "unbilled_receivable": D(300)}  # fmt: skip


def test_credit_and_rebill_end_where_they_began() -> None:
    document = cause("INV-1", net_amount=D(1000), opening=D(1000))
    release = journal_for_release(frame([document], DOCUMENT_CAUSES), books())
    credit = journal_for_credit(
        frame([cause("CN-1", net_amount=D(1000), open_amount=D(1000), moved_amount=D(0))], CREDIT_CAUSES),
        books(),
    )
    again = journal_for_release(frame([document | {"cause": "INV-2"}], DOCUMENT_CAUSES), books())
    assert balances(release, credit, again) == balances(release)


def test_a_payment_applies_to_the_receivable_and_the_rest_is_unapplied() -> None:
    row = cause("PAY-1", applied_amount=D(900), unapplied_amount=D(100), withheld_amount=D(50))
    got = journal_for_payment(frame([row], PAYMENT_CAUSES), books())
    assert balances(got) == {
        "cash_clearing": D(950), "withholding_tax_receivable": D(50), "receivable": D(-900), "unapplied_cash": D(-100),
    }  # fmt: skip


def test_a_fact_of_a_closed_period_books_into_the_first_open_one_marked() -> None:
    got = revenue(cause(amount=D(10)), closed=("2026-01", "2026-02"))
    columns = ["event_date", "booking_date", "period", "prior_period"]
    assert got.select(columns).unique().rows() == [(DAY, date(2026, 3, 1), "2026-03", True)]
    assert revenue(cause(amount=D(10)))["prior_period"].to_list() == [False, False]


def test_a_reversal_is_the_exact_opposite_and_names_what_it_reverses() -> None:
    first = revenue(cause(amount=D(1000)))
    back = reverse(first, date(2026, 2, 1), books())
    assert balances(first, back) == {}
    assert set(back["cause"]) == {"revenue:K"}
    assert set(back["cause_type"]) == {"reversal"}


def test_one_journal_per_cause_with_numbered_lines() -> None:
    got = revenue(cause("a", amount=D(10)), cause("b", amount=D(0)), cause("c", amount=D(20), opening=D(0)))
    assert got.select("journal", "number").rows() == [
        ("revenue:a", 1), ("revenue:a", 2), ("revenue:c", 1), ("revenue:c", 2)]  # fmt: skip
    assert got.schema == JOURNAL_LINES


def test_another_currency_than_the_entitys_is_refused_until_rates_are_known() -> None:
    with pytest.raises(ValueError, match="books in USD"):
        revenue(cause(amount=D(10), currency="EUR"))
