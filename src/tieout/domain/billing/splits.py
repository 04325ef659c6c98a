"""Split billing: each event shared over the payers of its contract, one invoice per payer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tieout.domain.billing.amounts import MILLION, WHOLE, millionths
from tieout.domain.billing.complaints import Check, complaints, in_order, plain
from tieout.domain.frames import (
    BILLING_FINDINGS,
    PAYER_PARTS,
    PAYER_SHARES,
    QUANTITY,
    SHARE,
    SHAREABLE,
    check_frame,
    conform,
)
from tieout.domain.revenue.shares import largest_remainder

TOLERANCE = Decimal("0.0001")
"""How far the shares of a split may miss 1: three thirds of 0.3333 are a whole."""
_INVALID = "invalid-contract"


@dataclass(frozen=True)
class Shared:
    """`parts`: each event once per payer (PAYER_PARTS), adding up to it; `waiting`: events of refused splits."""

    parts: pl.DataFrame
    waiting: pl.DataFrame
    findings: pl.DataFrame


def share_over_payers(
    events: pl.DataFrame, shares: pl.DataFrame, *, share_tolerance: Decimal = TOLERANCE
) -> Shared:
    """Share events (SHAREABLE: value to bill) over the payers of their contracts (PAYER_SHARES), one invoice each.

    Each event by itself, by largest remainder in the order of `position`, so a payer's part of an event is the same
    whichever invoice carries it and whatever is billed beside it: billed less credited lies in [0, that part]. The
    quantity is shared the same way to six decimals. A contract without a split has one payer, its customer. Invoices
    are numbered in the order of the positions. Shares that miss 1 by more than `share_tolerance` keep the contract's
    events waiting; within it their own sum is the whole. Domain rules §1, §3.
    """
    check_frame("shareable", events, SHAREABLE)
    findings = judge_split(shares, share_tolerance=share_tolerance)
    refused = pl.col("contract").is_in(findings["contract"].unique().implode())
    good = shares.filter(~refused)
    split = events.join(good, on="contract", how="inner").filter(pl.col("share") > 0)
    alone = events.filter(~refused).join(good, on="contract", how="anti").with_columns(
        pl.col("customer").alias("payer"), pl.lit(1, pl.Int64).alias("position"), pl.lit(1).cast(SHARE).alias("share")
    )  # fmt: skip
    rows = pl.concat([split, alone.select(split.columns)]).sort("event", "position", "payer")
    parts = _shared(rows.with_columns(pl.col("amount").alias("whole")))
    shared = Shared(
        conform("payer parts", parts, PAYER_PARTS).sort("event", "position"),
        events.filter(refused).sort("event"),
        in_order(findings),
    )
    _check_conservation(events, shared)
    return shared


def over_open_shares(events: pl.DataFrame, open_shares: pl.DataFrame) -> pl.DataFrame:
    """What is to be billed of events (SHAREABLE) over what each payer's share of them leaves open (both PAYER_PARTS).

    In proportion to what is open, largest remainder, so a payer never gets more than its share, and exactly its share
    once all of an event is billed, in any order of bill, credit and rebill. Reversals and their shares are negative.
    Raises when less is open than is to be billed. Domain rules §3.
    """
    check_frame("shareable", events, SHAREABLE)
    check_frame("open shares", open_shares, PAYER_PARTS)
    left = open_shares.select(
        "event", "payer", "position", pl.col("quantity").alias("open_quantity"), pl.col("amount").alias("open_amount")
    )  # fmt: skip
    rows = events.join(left, on="event", how="left").sort("event", "position", "payer")
    short = [
        (pl.col(f"open_{name}").sum().over("event").fill_null(0).abs() < pl.col(name).abs())
        for name in ("quantity", "amount")
    ]
    if not rows.filter(pl.any_horizontal(short)).is_empty():
        raise AssertionError("more is to be billed of an event than its payers' shares leave open")
    sized = rows.with_columns(
        pl.col("amount").alias("whole"), pl.col("open_amount").abs(), pl.col("open_quantity").abs()
    )
    valued = largest_remainder(sized, total="whole", weight="open_amount", by=["event"], share="amount")
    parts = conform("payer parts", _share_quantity(valued, weight="open_quantity"), PAYER_PARTS)
    kept = parts.filter((pl.col("amount") != 0) | (pl.col("quantity") != 0)).sort("event", "position")
    _check_conservation(events, Shared(kept, events.clear(), BILLING_FINDINGS.to_frame()))
    return kept


def judge_split(shares: pl.DataFrame, *, share_tolerance: Decimal = TOLERANCE) -> pl.DataFrame:
    """What is wrong with the payers of contracts (PAYER_SHARES), as BILLING_FINDINGS."""
    check_frame("payer shares", shares, PAYER_SHARES)
    share = pl.col("share")
    total = pl.col("share").sum().over("contract")
    off = (total.cast(pl.Decimal(38, 6)) - 1).abs() > share_tolerance
    checks = [
        Check(_INVALID, "a payer has a share above 0, to 1", share.is_null() | (share <= 0) | (share > 1),
              plain("share")),
        Check(_INVALID, "shares of the payers add up to 1", off, pl.format("{}", total)),
        Check(_INVALID, "a payer is named once", pl.len().over("contract", "payer") > 1, pl.col("payer")),
        Check(_INVALID, "payers have different positions", pl.len().over("contract", "position") > 1,
              pl.col("position").cast(pl.String)),
    ]  # fmt: skip
    return complaints(shares, checks, record=pl.format("{}/{}", "contract", pl.col("payer").fill_null("?")))


def _shared(rows: pl.DataFrame) -> pl.DataFrame:
    valued = largest_remainder(rows, total="whole", weight="share", by=["event"], share="amount")
    return _share_quantity(valued, weight="share")


def _share_quantity(rows: pl.DataFrame, *, weight: str) -> pl.DataFrame:
    """The quantity of each event as parts in proportion to the weight: largest remainder of millionths, ties to the first.

    Where all weights of an event are zero its rows share alike.
    """
    by = ["event"]
    fine = millionths(weight)
    sized = rows.with_columns(millionths(pl.col("quantity").abs()).alias("#all"), fine.alias("#weight"))
    sized = sized.with_columns(
        pl.when(pl.col("#weight").sum().over(by) == 0)
        .then(pl.lit(1, WHOLE))
        .otherwise("#weight")
        .alias("#weight")
    ).with_columns(pl.col("#weight").sum().over(by).alias("#weights"))
    product = pl.col("#all") * pl.col("#weight")
    parts = sized.with_columns(
        (product // pl.col("#weights")).alias("#part"),
        (pl.col("#weights") - product % pl.col("#weights")).alias("#short"),
    )
    left = pl.col("#all") - pl.col("#part").sum().over(by)
    first = pl.col("#short").rank("ordinal").over(by) <= left
    units = (pl.col("#part") + first.cast(WHOLE)).cast(pl.Decimal(38, 6)) / pl.lit(MILLION)
    sign = pl.when(pl.col("quantity") < 0).then(-1).otherwise(1)
    signed = parts.with_columns((units * sign).cast(QUANTITY).alias("quantity"))
    return signed.drop("#all", "#weight", "#weights", "#part", "#short")


def _check_conservation(events: pl.DataFrame, shared: Shared) -> None:
    for name in ("quantity", "amount"):
        went = [frame.select(pl.col(name).sum()).item() for frame in (shared.parts, shared.waiting)]
        came = events.select(pl.col(name).sum()).item()
        if sum(went) != came:
            raise AssertionError(f"sharing over payers lost {name}: in {came}, out {went}")
