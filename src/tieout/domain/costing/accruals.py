"""Work at close that nobody has approved yet: accrued at price and cost as estimated, taken back the next day.

Domain rules §2.1: submitted hours, unreported expenses and received subcontract work, reversed on the next period's
first day, never billed. The estimate is what rating and costing make of it as if it were approved (`hub/closing.py`).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from tieout.domain.costing.costs import ACCOUNTS
from tieout.domain.frames import ACCRUALS, POSTINGS, UNAPPROVED_VALUE, check_frame, conform
from tieout.domain.subledger import accounts as a


def accrue_unapproved(unapproved: pl.DataFrame, *, last_day: date, next_first_day: date) -> pl.DataFrame:
    """Two rows (ACCRUALS) for each source (UNAPPROVED_VALUE): its estimate on `last_day`, its opposite after it.

    `kind` is that of the cost (labor, expense, subcontract). Both dates are civil and inclusive; over the two periods
    each source adds up to nothing. Revenue is the contract's, cost that of the entity named; both in `currency`.
    """
    check_frame("unapproved value", unapproved, UNAPPROVED_VALUE)
    if next_first_day <= last_day:
        raise ValueError(f"the next period starts on {next_first_day}, not after {last_day}")
    if unapproved.select(pl.struct("source", "kind", "currency").is_duplicated().any()).item():
        raise ValueError("unapproved value names one source twice")
    some = unapproved.filter((pl.col("revenue_amount") != 0) | (pl.col("cost_amount") != 0))
    rows = [
        some.with_columns(
            pl.format("{}:{}:{}", pl.lit(last_day.isoformat()), "kind", "source").alias("accrual"),
            pl.lit(day).alias("event_date"), pl.lit(reversal).alias("reversal"),
            (pl.col("revenue_amount") * sign).alias("revenue_amount"), (pl.col("cost_amount") * sign).alias("cost_amount"),
        )
        for day, reversal, sign in ((last_day, False, 1), (next_first_day, True, -1))
    ]  # fmt: skip
    return conform("accruals", pl.concat(rows), ACCRUALS).sort("event_date", "accrual")


def accrual_postings(accruals: pl.DataFrame) -> pl.DataFrame:
    """Accruals (ACCRUALS) as lines for `Books.write`: Dr cost, Cr accrued cost; Dr unbilled receivable, Cr revenue.

    The estimate and its reversal are two causes, so each is a journal in its own period.
    """
    check_frame("accruals", accruals, ACCRUALS)
    cost = pl.col("kind").replace_strict({k: v[0] for k, v in ACCOUNTS.items()}, return_dtype=pl.String)
    ending = pl.when("reversal").then(pl.lit(":reversed")).otherwise(pl.lit(""))
    caused = accruals.with_columns(
        pl.concat_str("accrual", ending).alias("cause"), cost.alias("cost_account")
    )
    sides = [
        (pl.col("cost_account"), pl.col("cost_amount")),
        (pl.lit(a.ACCRUED_COST), -pl.col("cost_amount")),
        (pl.lit(a.UNBILLED_RECEIVABLE), pl.col("revenue_amount")),
        (pl.lit(a.REVENUE), -pl.col("revenue_amount")),
    ]
    rows = [
        caused.with_columns(account.alias("account"), amount.alias("amount")).select(POSTINGS.names())
        for account, amount in sides
    ]
    return conform("postings", pl.concat(rows).filter(pl.col("amount") != 0), POSTINGS).sort(
        "cause", "account"
    )
