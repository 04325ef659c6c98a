"""Split billing: each event shared over the payers of its contract, one invoice per payer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tieout.domain.billing.amounts import MILLION, WHOLE, millionths
from tieout.domain.billing.complaints import Check, complaints, in_order, plain
from tieout.domain.frames import PAYER_PARTS, PAYER_SHARES, QUANTITY, SHARE, SHAREABLE, check_frame, conform
from tieout.domain.revenue.shares import largest_remainder

_INVALID = "invalid-contract"


@dataclass(frozen=True)
class Shared:
    """`parts`: each event once per payer (PAYER_PARTS), adding up to it; `waiting`: events of refused splits."""

    parts: pl.DataFrame
    waiting: pl.DataFrame
    findings: pl.DataFrame


def share_over_payers(
    events: pl.DataFrame, shares: pl.DataFrame, *, share_tolerance: Decimal = Decimal("0.0001")
) -> Shared:
    """Share events (SHAREABLE: value to bill) over the payers of their contracts (PAYER_SHARES), one invoice each.

    Each event by itself, by largest remainder in the order of `position`, so a payer's part of an event is the same
    whichever invoice carries it and whatever is billed beside it: billed less credited lies in [0, that part]. The
    quantity is shared the same way to six decimals. A contract without a split has one payer, its customer. Invoices
    are numbered in the order of the positions. Shares that miss 1 by more than `share_tolerance` keep the contract's
    events waiting; within it their own sum is the whole. Domain rules §1, §3.
    """
    check_frame("shareable", events, SHAREABLE)
    check_frame("payer shares", shares, PAYER_SHARES)
    findings = _judge(shares, share_tolerance)
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


def _judge(shares: pl.DataFrame, share_tolerance: Decimal) -> pl.DataFrame:
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
    return _share_quantity(valued, by=["event"])


def _share_quantity(rows: pl.DataFrame, *, by: Sequence[str]) -> pl.DataFrame:
    """The quantity as parts in proportion to the share: largest remainder of millionths, ties to the first."""
    all_units, weight = millionths(pl.col("quantity").abs()), millionths("share")
    sized = rows.with_columns(all_units.alias("#all"), weight.sum().over(by).alias("#weights"))
    product = pl.col("#all") * weight
    parts = sized.with_columns(
        (product // pl.col("#weights")).alias("#part"),
        (pl.col("#weights") - product % pl.col("#weights")).alias("#short"),
    )
    left = pl.col("#all") - pl.col("#part").sum().over(by)
    first = pl.col("#short").rank("ordinal").over(by) <= left
    units = (pl.col("#part") + first.cast(WHOLE)).cast(pl.Decimal(38, 6)) / pl.lit(MILLION)
    sign = pl.when(pl.col("quantity") < 0).then(-1).otherwise(1)
    signed = parts.with_columns((units * sign).cast(QUANTITY).alias("quantity"))
    return signed.drop("#all", "#weights", "#part", "#short")


def _check_conservation(events: pl.DataFrame, shared: Shared) -> None:
    for name in ("quantity", "amount"):
        went = [frame.select(pl.col(name).sum()).item() for frame in (shared.parts, shared.waiting)]
        came = events.select(pl.col(name).sum()).item()
        if sum(went) != came:
            raise AssertionError(f"sharing over payers lost {name}: in {came}, out {went}")
