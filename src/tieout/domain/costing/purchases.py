"""What was bought for contracts: expenses net of recoverable tax, subcontract work, supplier invoices.

Domain rules §2.7 and §4. Whatever is over a category limit stays cost; what an agent passes on, or was paid for the
customer's account, is `pass_through` and no cost.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.costing.costs import EXPENSE, PASS_THROUGH, SUBCONTRACT
from tieout.domain.frames import COSTS, EXPENSES, MONEY, RATED_EXPENSES, check_frame, conform
from tieout.domain.rating.expenses import DISBURSEMENT, PRINCIPAL, is_sound
from tieout.model.decimals import ratio, widen
from tieout.model.money import is_currency, minor_unit


def cost_purchases(expenses: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """Costs (COSTS) of approved expenses and subcontract work (EXPENSES) in the currency they were paid in.

    `rated` (RATED_EXPENSES) tells of each that is billed how much of its base is within its limits; what is not rated
    is cost if it is ours (`billable` false), else passed through by its nature as a whole. A disbursement is gross: its
    tax is the customer's. Rows that are not approved, whose currency or amount is unknown, or whose tax exceeds them cost
    nothing yet.
    """
    check_frame("expenses", expenses, EXPENSES)
    check_frame("rated expenses", rated, RATED_EXPENSES)
    known = [code for code in expenses["currency"].drop_nulls().unique().to_list() if is_currency(code)]
    amount, tax = pl.col("amount"), pl.col("tax_amount").fill_null(0)
    usable = pl.col("currency").is_in(known) & is_sound(amount, tax) & (pl.col("state") == "approved")
    rows = expenses.filter(usable.fill_null(False)).join(
        rated.select("entry", "base_amount", "excess_amount"), on="entry", how="left"
    )
    agency = (pl.col("nature").fill_null(PRINCIPAL) != PRINCIPAL) & pl.col("billable")
    gross = (pl.col("nature") == DISBURSEMENT).fill_null(False) & pl.col("billable")
    net = amount - tax
    rows = rows.with_columns(pl.when(gross).then("amount").otherwise(net).alias("base"))
    rows = rows.with_columns(pl.when(agency).then(_within(known)).otherwise(0).cast(MONEY).alias("through"))
    own = pl.when(pl.col("kind") == "subcontract").then(pl.lit(SUBCONTRACT)).otherwise(pl.lit(EXPENSE))
    parts = [
        rows.with_columns(own.alias("kind"), (pl.col("base") - pl.col("through")).alias("amount")),
        rows.with_columns(pl.lit(PASS_THROUGH).alias("kind"), pl.col("through").alias("amount")),
    ]
    named = pl.concat([part.drop("base", "through", "base_amount", "excess_amount") for part in parts])
    named = named.filter(pl.col("amount") != 0).rename(
        {"entry": "source", "paid_by": "entity", "work_date": "event_date"}
    )
    costs = named.with_columns(pl.lit(None, COSTS["hours"]).alias("hours"))
    return conform("costs", costs, COSTS).sort("event_date", "source", "kind")


def _within(currencies: list[str]) -> pl.Expr:
    """The part of the base within its limits: by the rated amounts, which may be in another currency."""
    within = pl.col("base_amount") - pl.col("excess_amount")
    digits = sorted({minor_unit(code) for code in currencies} or {2})
    shared = pl.coalesce(
        pl.when(pl.col("currency").is_in([c for c in currencies if minor_unit(c) == count]))
        .then(ratio(within, pl.col("base"), pl.col("base_amount"), count))
        for count in digits
    )  # fmt: skip
    whole = pl.col("excess_amount").is_null() | (pl.col("excess_amount") == 0)
    return pl.when(whole).then(widen("base")).otherwise(shared)
