"""What stands between revenue and billing: receivable, contract asset, contract or refund liability (IFRS 15.105–108)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from tieout.domain.frames import (
    BALANCE_INPUT,
    BALANCES,
    BILLED_DOCUMENTS,
    MONEY,
    NET_BALANCES,
    POSITION_INPUT,
    POSITIONS,
    check_frame,
    conform,
)


def contract_positions(sums: pl.DataFrame) -> pl.DataFrame:
    """Per contract line, revenue ahead of billing as unbilled receivable (IFRS 15.108), billing ahead of revenue as
    liability (106).

    `sums` (POSITION_INPUT) may hold many rows of a line; billed is released invoices less credits, net of tax. For
    time and materials only invoicing stands before payment, so the asset side is a receivable. The two are gross by
    line; netting per contract is for presentation.
    """
    check_frame("position input", sums, POSITION_INPUT)
    lines = sums.group_by("contract", "line", "currency").agg(
        pl.col("recognised_amount", "billed_amount").sum()
    )
    ahead = pl.col("recognised_amount") - pl.col("billed_amount")
    placed = lines.with_columns(
        ahead.clip(lower_bound=0).alias("unbilled_receivable"),
        (-ahead).clip(lower_bound=0).alias("contract_liability"),
    )
    return conform("positions", placed, POSITIONS).sort("contract", "line", "currency")


def counted_billing(documents: pl.DataFrame, *, days: Sequence[date]) -> pl.DataFrame:
    """What of the documents (BILLED_DOCUMENTS, credits negative) counts as billed on each day: unit, obligation, amount.

    IFRS 15.108: an invoice counts from the day its right is unconditional. `right` says when: `release` (a contract
    that cannot be cancelled: on release), `due` (when due or paid, the earlier), `payment` (when paid). Before that an
    advance invoice stands in neither receivable nor liability (IE198–IE200).
    """
    check_frame("billed documents", documents, BILLED_DOCUMENTS)
    from_day = (
        pl.when(pl.col("right") == "release").then("released_on")
        .when(pl.col("right") == "due").then(pl.min_horizontal("due_on", "paid_on")).otherwise("paid_on")
    )  # fmt: skip
    grid = pl.DataFrame({"day": sorted(set(days))}, schema={"day": pl.Date})
    counts = documents.with_columns(pl.max_horizontal(from_day, "released_on").alias("from_day")).join_where(
        grid, pl.col("from_day") <= pl.col("day")
    )
    return counts.group_by("unit", "obligation", "currency", "day").agg(
        pl.col("net_amount").sum().alias("billed_amount")
    )


def contract_balances(inputs: pl.DataFrame) -> pl.DataFrame:
    """Per obligation and day, gross: what stands between revenue, billing and what will be given back (IFRS 15.105–108, 55).

    `inputs` (BALANCE_INPUT): billed is what counts as billed, retention included; `refund_amount` is what of it the
    customer is expected to get back (a refund liability, never revenue); `entitled_amount` is the value to date whose
    payment only waits for time or an invoice, less what a conditional retention will withhold. Revenue ahead of
    billing is an unbilled receivable as far as it is entitled, else a contract asset (107); billing ahead of revenue a
    contract liability (106). Conditional retention is a contract asset, retention that only time releases a receivable.
    Conserved: recognised − billed + refund = unbilled receivable + contract asset without retention − liability.
    """
    check_frame("balance input", inputs, BALANCE_INPUT)
    known = inputs.with_columns(
        pl.col("refund_amount", "retained_amount", "entitled_amount").fill_null(0),
        pl.col("retention_conditional").fill_null(False),
    )
    kept = pl.col("billed_amount") - pl.col("refund_amount")
    ahead = (pl.col("recognised_amount") - kept).clip(lower_bound=0)
    entitled = (pl.col("entitled_amount") - kept).clip(lower_bound=0)
    conditional = pl.when("retention_conditional").then("retained_amount").otherwise(0)
    placed = known.with_columns(pl.min_horizontal(ahead, entitled).alias("unbilled_receivable")).with_columns(
        (ahead - pl.col("unbilled_receivable") + conditional).cast(MONEY).alias("contract_asset"),
        (kept - pl.col("recognised_amount")).clip(lower_bound=0).alias("contract_liability"),
        pl.col("refund_amount").alias("refund_liability"),
        (pl.col("retained_amount") - conditional).cast(MONEY).alias("retention_receivable"),
    )
    return conform("balances", placed, BALANCES).sort("unit", "obligation", "currency", "day")


def net_by_contract(balances: pl.DataFrame) -> pl.DataFrame:
    """For presentation: per accounting contract and day one of contract asset and contract liability (IFRS 15.105, BC317).

    Receivables, billed or not, and refund liabilities are never netted against them (IFRS 15.108, B20–B27).
    """
    check_frame("balances", balances, BALANCES)
    sums = balances.group_by("unit", "currency", "day").agg(
        pl.exclude("unit", "currency", "day", "obligation").sum()
    )
    net = pl.col("contract_asset") - pl.col("contract_liability")
    netted = sums.with_columns(
        net.clip(lower_bound=0).alias("contract_asset"),
        (-net).clip(lower_bound=0).alias("contract_liability"),
    )
    return conform("net balances", netted, NET_BALANCES).sort("unit", "currency", "day")
