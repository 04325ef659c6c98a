"""Expenses in a rating run: the terms and limits of the contracts' lines, and the events that expenses make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from tieout.domain.billing import Changes, nothing_changed
from tieout.domain.frames import (
    EARNED_MOVES,
    EXPENSE_LIMITS,
    EXPENSE_TERMS,
    EXPENSES,
    MONEY,
    RATED_EXPENSES,
    check_frame,
    conform,
    empty,
    frame,
)
from tieout.domain.rating import ExpenseResult, Lookups, RatingPolicies, as_items, rate_expenses
from tieout.domain.rating.expenses import DISBURSEMENT
from tieout.domain.rating.gates import BY_HOUR
from tieout.domain.revenue import passed_on
from tieout.hub.contract_lines import items
from tieout.hub.rating.comparing import compare, together
from tieout.hub.rating.plans import Line

EXPENSE = "expense"
KINDS = (EXPENSE, "subcontract")
"""Kinds of billing events that were bought, not worked."""
_BILLED = "billed"


@dataclass(frozen=True)
class Spending:
    """What was spent for the contracts (EXPENSES, each on its line), and on which EXPENSE_TERMS and EXPENSE_LIMITS."""

    expenses: pl.DataFrame
    terms: pl.DataFrame
    limits: pl.DataFrame


@dataclass(frozen=True)
class Spent:
    """`result` of this run; `changes` against the stored events; `new` events (RATED and what only expenses have)."""

    result: ExpenseResult
    changes: Changes
    new: pl.DataFrame


def spending_of(
    expenses: pl.DataFrame, plans: Sequence[Line], contracts: Mapping[str, Mapping[str, Any]]
) -> Spending:
    """Expenses, each on its contract line, with the terms of every segment.

    A line that is not billed by the hour covers its expenses unless its terms say that they are billed.
    """
    terms = [
        line.dated | {
            "entity": contracts[line.contract]["legal_entity"],
            "contract_state": contracts[line.contract]["state"], "markup": line.terms.get("expense_markup"),
            "included": line.method != BY_HOUR and line.terms.get("expenses") != _BILLED,
        }
        for line in plans
    ]  # fmt: skip
    limits = [line.dated | limit for line in plans for limit in items(line.terms, "expense_limits")]
    return Spending(
        check_frame("expenses", expenses, EXPENSES),
        frame(terms, EXPENSE_TERMS),
        frame(limits, EXPENSE_LIMITS),
    )


def rate(spending: Spending, policies: RatingPolicies, lookups: Lookups | None = None) -> ExpenseResult:
    """The expenses rated as known now."""
    return rate_expenses(
        spending.expenses, spending.terms, spending.limits, policies=policies, lookups=lookups
    )


def unassigned(expenses: pl.DataFrame, policies: RatingPolicies) -> pl.DataFrame:
    """Findings of expenses (EXPENSES) that belong to no contract."""
    spending = Spending(
        check_frame("expenses", expenses, EXPENSES), empty(EXPENSE_TERMS), empty(EXPENSE_LIMITS)
    )
    return rate(spending, policies).findings


def spend(
    spending: Spending, events: pl.DataFrame, contracts: Mapping[str, Any], policies: RatingPolicies,
    lookups: Lookups | None = None,
) -> Spent:  # fmt: skip
    """Rate the expenses and compare them with the stored events (EVENT_COLUMNS), kind by kind."""
    if spending.expenses.is_empty() and not events["source_kind"].is_in(KINDS).any():
        return _nothing_spent()
    result = rate(spending, policies, lookups)
    rated = as_items(result.events)
    changes = together(
        *(
            compare(spending.expenses.filter(pl.col("kind") == kind), rated, result, events, contracts=contracts, kind=kind)
            for kind in KINDS
        )
    )  # fmt: skip
    return Spent(result, changes, _new(changes.new, result.events))


@cache
def _nothing_spent() -> Spent:
    nothing = rate_expenses(
        empty(EXPENSES), empty(EXPENSE_TERMS), empty(EXPENSE_LIMITS), policies=RatingPolicies()
    )
    changes = nothing_changed(as_items(nothing.events))
    return Spent(nothing, changes, _new(changes.new, nothing.events))


def _new(items_: pl.DataFrame, rated: pl.DataFrame) -> pl.DataFrame:
    """New events with kind, category, nature, what the customer reads, and what of them belongs to another party."""
    check_frame("rated expenses", rated, RATED_EXPENSES)
    whole = rated.select(
        "entry", "kind", "category", "nature", _description(), pl.col("amount").alias("whole"),
        pl.col("pass_through_amount").alias("whole_passed"),
    )  # fmt: skip
    return with_passed_on(items_.join(whole, on="entry", how="left", maintain_order="left"), "entry")


def with_passed_on(rows: pl.DataFrame, key: str) -> pl.DataFrame:
    """Adds `pass_through_amount` of `amount`, in the proportion of `whole_passed` to `whole`; one row for each key."""
    if not (rows["whole_passed"].fill_null(0) != 0).any():
        return rows.drop("whole", "whole_passed").with_columns(
            pl.lit(0).cast(MONEY).alias("pass_through_amount")
        )
    moves = rows.select(
        pl.col(key).alias("event"), "currency", pl.col("whole").alias("amount"),
        pl.col("whole_passed").alias("pass_through_amount"), pl.lit(0).alias("before"), pl.col("amount").alias("after"),
    )  # fmt: skip
    passed = passed_on(conform("moves", moves, EARNED_MOVES)).rename({"event": key})
    return rows.drop("whole", "whole_passed").join(passed, on=key, how="left", maintain_order="left")


def _description() -> pl.Expr:
    what = (
        pl.when(pl.col("nature") == DISBURSEMENT)
        .then(pl.lit("Disbursement"))
        .when(pl.col("kind") == EXPENSE)
        .then(pl.lit("Expense"))
        .otherwise(pl.lit("Subcontract work"))
    )
    named = pl.concat_str(what, pl.concat_str(pl.lit(": "), "category").fill_null(""))
    return pl.format("{}, {}", named, "work_date").alias("description")
