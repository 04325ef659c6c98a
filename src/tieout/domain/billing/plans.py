"""Checks that dated items and milestones share: each with an amount or a share, all of one kind, adding up."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    in_minor_unit,
    line_record,
    not_negative,
    plain,
)

MISMATCH = "billing-plan-mismatch"
_INVALID = "invalid-contract"


def judge_items(told: pl.DataFrame, plans: pl.DataFrame, what: str) -> pl.DataFrame:
    """BILLING_FINDINGS of items (contract, line, item, amount, share, currency, fee) of the plans of their lines."""
    both = pl.col("amount").is_not_null() == pl.col("share").is_not_null()
    mixed = pl.col("amount").is_null().n_unique().over(LINE) > 1
    unfounded = pl.col("share").is_not_null() & pl.col("fee").is_null()
    checks = [
        not_negative(_INVALID, "amount", "amount"),
        not_negative(_INVALID, "share", "share"),
        in_minor_unit(told, "amount"),
        Check(_INVALID, "an item has an amount or a share", both, pl.lit("both or neither")),
        Check(_INVALID, "items of a line all have amounts or all have shares", mixed, pl.lit("mixed")),
        Check(_INVALID, "an item is listed once", pl.len().over(*LINE, "item") > 1, pl.col("item")),
        Check(_INVALID, "shares are of an amount", unfounded, pl.lit("no amount")),
    ]
    orphans = told.join(plans.select(LINE).unique(), on=LINE, how="anti")
    unknown = Check("unknown-reference", f"an item belongs to {what}", pl.lit(True), pl.lit("no such line"))
    return pl.concat(
        [
            complaints(told, checks, record=item_record("item")),
            complaints(orphans, [unknown], record=item_record("item")),
        ]
    )


def judge_sums(items: pl.DataFrame, share_tolerance: Decimal) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines whose shares do not add up to 1 (nothing can be billed), and lines whose amounts miss their fee."""
    sums = items.group_by(LINE).agg(
        pl.col("fee").first(), pl.col("share").sum().alias("shares"), pl.col("amount").sum().alias("amounts"),
        pl.col("share").count().alias("counted"), pl.col("currency").first(),
    )  # fmt: skip
    by_share = pl.col("counted") > 0
    off = (pl.col("shares").cast(pl.Decimal(38, 6)) - 1).abs() > share_tolerance
    shares = Check(
        MISMATCH, "shares of an amount add up to 1", by_share & off, pl.format("shares {}", plain("shares"))
    )
    amounts = Check(
        MISMATCH, "items add up to the amount of the line", ~by_share & (pl.col("amounts") != pl.col("fee")),
        pl.format("items {}, amount {} {}", plain("amounts"), plain("fee"), "currency"),
    )  # fmt: skip
    return (
        complaints(sums, [shares], record=line_record()),
        complaints(sums, [amounts], record=line_record()),
    )


def item_record(column: str) -> pl.Expr:
    """The key of one item of a contract line: C-1/1/second part."""
    return pl.format("{}/{}/{}", "contract", "line", pl.col(column).fill_null("?"))
