"""Journals that bring a balance to what the rules say it is: reclassifications, losses, contract costs.

Each books only the difference between what the balance is and what is booked, so a second run adds nothing and a
balance that falls is taken back the same way. Domain rules §4, §5.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import (
    BALANCE_CAUSES,
    JOURNAL_LINES,
    MONEY,
    POSITION_MOVES,
    POSITION_TARGETS,
    check_frame,
    conform,
)
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger.books import Books

AGAINST = {
    a.CONTRACT_ASSET: a.UNBILLED_RECEIVABLE,
    a.RETENTION_RECEIVABLE: a.RECEIVABLE,
    a.REFUND_LIABILITY: a.CONTRACT_LIABILITY,
    a.LOSS_PROVISION: a.CONTRACT_LOSS,
    a.CONTRACT_COST_ASSET: a.CONTRACT_COST_AMORTISATION,
}
"""The other side of each balance: the rest of the position, or the cost of the period."""

_LINE = ["cause", "contract", "line", "entity", "currency", "event_date"]
_SCHEMA = pl.Schema({c: JOURNAL_LINES[c] for c in (*_LINE, "account", "amount")})


def unbooked_moves(targets: pl.DataFrame, booked: pl.DataFrame) -> pl.DataFrame:
    """What the books still lack for each account to stand as POSITION_TARGETS says on each day, as POSITION_MOVES.

    Each difference carries the day it arises on. What is booked (POSITION_MOVES) between two days of a contract counts
    towards the later, so another choice of days books the same balances, and a second run adds nothing.
    """
    check_frame("position targets", targets, POSITION_TARGETS)
    check_frame("position moves", booked, POSITION_MOVES)
    of = ["contract", "line", "entity", "currency", "account"]
    before = pl.col("balance").shift().over(of).fill_null(0)
    due = targets.sort("day").select(
        *of, pl.col("day").alias("event_date"), (pl.col("balance") - before).cast(MONEY).alias("amount")
    )
    grid = targets.select("contract", pl.col("day").alias("event_date")).unique().sort("event_date")
    placed = booked.sort("event_date").join_asof(
        grid.with_columns(pl.col("event_date").alias("_day")),
        on="event_date", by="contract", strategy="forward", check_sortedness=False,
    )  # fmt: skip
    known = placed.filter(pl.col("_day").is_not_null()).select(
        *of, pl.col("_day").alias("event_date"), -pl.col("amount")
    )
    sums = pl.concat([due, known]).group_by([*of, "event_date"]).agg(pl.col("amount").sum())
    result = sums.filter(pl.col("amount") != 0)
    return conform("position moves", result, POSITION_MOVES).sort("event_date", *of)


def journal_for_positions(moves: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Moves between the accounts of one position (POSITION_MOVES with their `cause`): receivable, contract asset,
    contract and refund liability (IFRS 15.55, 105–108). What moves is conserved, so each cause balances by itself.
    """
    check_frame("position moves", moves, POSITION_MOVES)
    return books.write(_lines([moves]), "position")


def journal_for_retention(moves: pl.DataFrame, books: Books, *, billed: bool) -> pl.DataFrame:
    """What customers keep back (POSITION_MOVES with their `cause`: `contract_asset` while its release hangs on more than
    time, else `retention_receivable`), out of the receivable of what is `billed`, else out of the unbilled receivable.

    IFRS 15.105, 107, 108; domain rules §3.
    """
    check_frame("position moves", moves, POSITION_MOVES)
    if not set(moves["account"].unique().to_list()) <= {a.CONTRACT_ASSET, a.RETENTION_RECEIVABLE}:
        raise ValueError("a retention is a contract asset or a receivable")
    against = a.RECEIVABLE if billed else a.UNBILLED_RECEIVABLE
    rest = moves.group_by(_LINE).agg(-pl.col("amount").sum()).with_columns(pl.lit(against).alias("account"))
    return books.write(_lines([moves, rest]), "retention" if billed else "unbilled_retention")


def journal_for_balances(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """What moves each account (BALANCE_CAUSES, debit positive) from `booked` to `balance`, against its other side.

    Revenue journals leave a position as unbilled receivable or contract liability: a contract asset is taken from the
    first, a refund liability from the second (IFRS 15.55, 107). A loss provision is cost of the period (IAS 37.66), a
    contract-cost asset what of the cost is not yet amortised (IFRS 15.99).
    """
    check_frame("balance causes", causes, BALANCE_CAUSES)
    unknown = set(causes["account"].unique().to_list()) - set(AGAINST)
    if unknown:
        raise ValueError(f"no balance is adjusted on {', '.join(sorted(unknown))}")
    moved = causes.with_columns((pl.col("balance") - pl.col("booked")).alias("amount"))
    other = moved.with_columns(
        pl.col("account").replace_strict(AGAINST, return_dtype=pl.String), -pl.col("amount")
    )
    return books.write(_lines([moved, other]), "adjustment")


def _lines(parts: list[pl.DataFrame]) -> pl.DataFrame:
    chosen = [part.select(_SCHEMA.names()) for part in parts]
    return conform("lines", pl.concat(chosen, how="vertical_relaxed"), _SCHEMA)


def journal_for_remeasurement(causes: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Monetary balances in other currencies (HELD_LINES with `cause` and `event_date`) at the rate of the day.

    Domain rules §4: at the close of a period, gross; contract liabilities never. Raises `NoRate`.
    """
    if books.exchange is None:
        raise ValueError("these books know no exchange rates")
    return books.write(books.exchange.remeasured(causes, books.currencies), "remeasurement")


def journal_for_contract_costs(moves: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Costs of obtaining and fulfilling contracts (POSITION_MOVES with their `cause`) out of expense clearing.

    Each cause moves what is expensed, capitalised and amortised of a line; the rest of it was spent (IFRS 15.91-99).
    """
    rest = (
        moves.group_by(_LINE)
        .agg(-pl.col("amount").sum())
        .with_columns(pl.lit(a.EXPENSE_CLEARING).alias("account"))
    )
    return books.write(_lines([moves, rest]), "contract_cost")


CLAIMS = {"dispute": (a.REVENUE, a.REFUND_LIABILITY), "credit_loss": (a.CREDIT_LOSS, a.CREDIT_LOSS_ALLOWANCE)}
"""What a claim about an invoice debits and credits: a concession that is expected lowers revenue (IFRS 15.55), a customer
who cannot pay is a loss and never revenue (IFRS 15.108, IFRS 9)."""


def journal_for_claims(causes: pl.DataFrame, books: Books, kind: str) -> pl.DataFrame:
    """Claims of one kind about invoices (POSITION_MOVES with their `cause`; the account is the kind's)."""
    debit, credit = CLAIMS[kind]
    sides = [causes.with_columns(pl.lit(debit).alias("account")),
             causes.with_columns(pl.lit(credit).alias("account"), -pl.col("amount"))]  # fmt: skip
    return books.write(_lines(sides), kind)
