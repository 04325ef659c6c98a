"""What work that was submitted, and not approved yet, would be worth: the estimate that a close accrues.

Domain rules §2.1. Estimates are never billed; they are reversed on the next period's first day.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import ESTIMATES, conform
from tieout.domain.rating.expenses import rate_expenses
from tieout.domain.rating.policies import Lookups, RatingPolicies
from tieout.domain.rating.rate import rate_time

SUBMITTED = "submitted"


def estimate_time(
    entries: pl.DataFrame, lines: pl.DataFrame, rates: pl.DataFrame, cards: pl.DataFrame, *,
    policies: RatingPolicies, lookups: Lookups | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Per entry what approving all submitted time would add (ESTIMATES).

    `entries` holds approved and submitted time: a submitted hour can push an approved one over a threshold or share
    its day, so approved entries may carry a difference too. Submitted time that no rule would let through adds nothing.
    """
    now, then = (
        rate_time(each, lines, rates, cards, policies=policies, lookups=lookups).events
        for each in (entries, _as_approved(entries))
    )
    return _difference(now, then)


def estimate_expenses(
    expenses: pl.DataFrame, terms: pl.DataFrame, limits: pl.DataFrame, *, policies: RatingPolicies,
    lookups: Lookups | None = None,
) -> pl.DataFrame:  # fmt: skip
    """Per expense the revenue that approving all submitted ones would add (ESTIMATES): their share of limits included.

    Received subcontract work and expenses nobody has reported come as rows in state `submitted`.
    """
    now, then = (
        rate_expenses(each, terms, limits, policies=policies, lookups=lookups).events
        for each in (expenses, _as_approved(expenses))
    )
    revenue = pl.col("revenue_amount").alias("amount")
    return _difference(now.with_columns(revenue), then.with_columns(revenue))


def _as_approved(rows: pl.DataFrame) -> pl.DataFrame:
    state = pl.when(pl.col("state") == SUBMITTED).then(pl.lit("approved")).otherwise("state")
    return rows.with_columns(state.alias("state"))


def _difference(now: pl.DataFrame, then: pl.DataFrame) -> pl.DataFrame:
    taken = now.select(ESTIMATES.names()).with_columns(-pl.col("amount"))
    both = pl.concat([then.select(ESTIMATES.names()), taken])
    keys = ["entry", "contract", "line", "currency"]
    sums = both.group_by(keys).agg(pl.col("amount").sum()).filter(pl.col("amount") != 0)
    return conform("estimates", sums, ESTIMATES).sort("entry")
