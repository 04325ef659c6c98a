"""One function per cause: revenue, release, credit, payment, reversal. Debits are positive.

What an ERP document posts by itself (receivable, tax, cash) is a mirror here; billing clearing meets it, so the ERP
never sees revenue from an invoice. Domain rules §5.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from tieout.domain.frames import (
    CREDIT_CAUSES,
    DOCUMENT_CAUSES,
    EARNED_CAUSES,
    JOURNAL_LINES,
    MONEY,
    PAYMENT_CAUSES,
    REVENUE_CAUSES,
    check_frame,
)
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger.books import Books, check_balanced

_BASE = ["cause", "contract", "line", "entity", "currency", "event_date"]


def journal_for_revenue(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Revenue earned (REVENUE_CAUSES): Dr contract liability while billing is ahead, then unbilled receivable
    (IFRS 15.105–108).

    `opening` is the line's recognised less billed before these rows, the same on each row of the line; rows of one
    line are taken in (event date, cause) order. A negative amount takes revenue back the same way.
    """
    own = check_frame("revenue causes", causes, REVENUE_CAUSES)
    whole = own.with_columns(
        pl.lit(0).cast(MONEY).alias("pass_through_amount"), pl.lit(None, pl.Date).alias("origin")
    )
    return journal_for_earned(whole, books)


def journal_for_earned(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """What is earned with what belongs to others in it (EARNED_CAUSES): that part credits pass-through, not revenue.

    The customer owes the whole `amount`, so the position moves by it; an agent's revenue is what it keeps (IFRS 15.B36).
    """
    check_frame("earned causes", causes, EARNED_CAUSES)
    moved = _position(causes, pl.col("amount"))
    passed = pl.col("pass_through_amount")
    parts = [
        _lines(moved, a.REVENUE, passed - pl.col("amount")),
        _lines(moved, a.PASS_THROUGH, -passed),
        *_position_lines(moved),
    ]
    return books.write(pl.concat(parts), "revenue")


def journal_for_release(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Released invoices (DOCUMENT_CAUSES, one row per invoice and contract line).

    Mirror: Dr receivable gross, Cr billing clearing net, Cr tax payable. Ours: Dr billing clearing net, Cr unbilled
    receivable as far as revenue is ahead, the rest contract liability (IFRS 15.106, 108).
    """
    check_frame("release causes", causes, DOCUMENT_CAUSES)
    gross = pl.col("net_amount") + pl.col("tax_amount")
    parts = [
        _lines(causes, a.RECEIVABLE, gross),
        *_document_lines(causes, pl.lit(1)),
    ]
    return books.write(pl.concat(parts), "release")


def journal_for_credit(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Released credit notes (CREDIT_CAUSES, positive amounts): the release turned round.

    `open_amount` is what of the invoice is still unpaid for that row; beyond it the customer has paid already and
    the credit is a refund liability (IFRS 15.55). `moved_amount` is what payments of the document count for the row from
    now on instead of for other contracts on it. Revenue follows by its own journal where the kind of credit lowers it.
    """
    check_frame("credit causes", causes, CREDIT_CAUSES)
    gross = pl.col("net_amount") + pl.col("tax_amount")
    unpaid = pl.min_horizontal(gross, pl.col("open_amount").clip(lower_bound=0))
    parts = [
        _lines(causes, a.RECEIVABLE, -unpaid - pl.col("moved_amount")),
        _lines(causes, a.CASH_CLEARING, pl.col("moved_amount")),
        _lines(causes, a.REFUND_LIABILITY, unpaid - gross),
        *_document_lines(causes, pl.lit(-1)),
    ]
    return books.write(pl.concat(parts), "credit")


def journal_for_payment(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Payments heard from the ERP (PAYMENT_CAUSES): Dr cash clearing, Cr receivable applied, Cr unapplied cash.

    What of the applied amount the customer withheld as tax is a claim on the tax office: Dr withholding tax receivable.
    `cash_worth` is what cash of another currency than the invoice's is worth in the books; null: the rate of the day.
    """
    check_frame("payment causes", causes, PAYMENT_CAUSES)
    cash = pl.col("applied_amount") + pl.col("unapplied_amount") - pl.col("withheld_amount")
    parts = [
        _lines(causes, a.CASH_CLEARING, cash),
        _lines(causes, a.WITHHOLDING_TAX, pl.col("withheld_amount")),
        _lines(causes, a.RECEIVABLE, -pl.col("applied_amount")),
        _lines(causes, a.UNAPPLIED_CASH, -pl.col("unapplied_amount")),
    ]
    worth = pl.when(pl.col("account") == a.CASH_CLEARING).then("cash_worth").alias("worth")
    return books.write(pl.concat(parts).with_columns(worth), "payment")


def reverse(journals: pl.DataFrame, on: date, books: Books) -> pl.DataFrame:
    """The exact opposite of whole journals (JOURNAL_LINES), dated `on`; its cause is the journal it reverses."""
    check_frame("journal lines", journals, JOURNAL_LINES)
    check_balanced(journals)
    opposite = journals.with_columns(
        pl.col("journal").alias("cause"), (-pl.col("amount")).alias("amount"), pl.lit(on).alias("event_date"),
        (-pl.col("functional_amount")).alias("functional_amount"),
    )  # fmt: skip
    return books.write(opposite.select(*_BASE, "account", "amount", "functional_amount"), "reversal")


def _document_lines(causes: pl.DataFrame, sign: pl.Expr) -> list[pl.DataFrame]:
    """Billing clearing through both halves of a document, its tax, and what billing takes from the position.

    `secured_amount` of the net is kept as security: owed back until it is applied (IFRS 15.55). `sign`: -1 turns all round.
    """
    net, tax = pl.col("net_amount") * sign, pl.col("tax_amount") * sign
    secured = pl.col("secured_amount").fill_null(0) * sign
    moved = _position(causes.with_columns((net - secured).alias("taken")), -pl.col("taken"))
    return [
        _lines(causes, a.BILLING_CLEARING, -net),
        _lines(causes, a.TAX_PAYABLE, -tax),
        _lines(causes, a.BILLING_CLEARING, net),
        _lines(causes, a.REFUND_LIABILITY, -secured),
        *_position_lines(moved),
    ]


def _position(causes: pl.DataFrame, change: pl.Expr) -> pl.DataFrame:
    """Adds the line's position (recognised − billed) before and after each row."""
    ordered = causes.sort("contract", "line", "event_date", "cause").with_columns(change.alias("change"))
    after = pl.col("opening") + pl.col("change").cum_sum().over("contract", "line")
    return ordered.with_columns(after.alias("after")).with_columns(
        (pl.col("after") - pl.col("change")).alias("before")
    )


def _position_lines(moved: pl.DataFrame) -> list[pl.DataFrame]:
    """Above zero the position is an unbilled receivable, below it a contract liability."""
    asset = pl.col("after").clip(lower_bound=0) - pl.col("before").clip(lower_bound=0)
    liability = pl.col("after").clip(upper_bound=0) - pl.col("before").clip(upper_bound=0)
    return [_lines(moved, a.UNBILLED_RECEIVABLE, asset), _lines(moved, a.CONTRACT_LIABILITY, liability)]


def _lines(rows: pl.DataFrame, account: str, amount: pl.Expr) -> pl.DataFrame:
    kept = [*_BASE, *(name for name in ("origin", "cash_worth") if name in rows.columns)]
    return rows.select(*kept, pl.lit(account).alias("account"), amount.cast(MONEY).alias("amount"))
