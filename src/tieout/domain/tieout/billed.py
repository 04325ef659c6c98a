"""The check `billed`: our released invoices and credits against the documents of the ERP."""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from tieout.domain.frames import BILLED_OURS, BILLED_THEIRS, COMPARED, check_frame, conform
from tieout.domain.tieout.compare import compare


def tie_out_billed(ours: pl.DataFrame, theirs: pl.DataFrame, tolerance: Decimal) -> pl.DataFrame:
    """Compare by external key and currency (BILLED_OURS, BILLED_THEIRS) and explain; COMPARED, one row per key.

    Credits are negative amounts. A document there without an external key is keyed by its own id, so it can never
    meet an invoice of ours by chance.
    """
    check_frame("billed ours", ours, BILLED_OURS)
    check_frame("billed theirs", theirs, BILLED_THEIRS)
    keyed = theirs.with_columns(_their_key())
    compared = compare(ours, keyed, ["key", "currency"], tolerance)
    return explain_billed(compared, ours, keyed)


def _their_key() -> pl.Expr:
    return pl.coalesce("external_key", pl.format("document {}", "document")).alias("key")


def explain_billed(compared: pl.DataFrame, ours: pl.DataFrame, keyed: pl.DataFrame) -> pl.DataFrame:
    """Adds `cause` and `explained_by`: unposted, manual entry there, unknown key there, duplicated, tax,
    wrong currency, currency rounding, or timing and wrong period for what matches in money.

    A difference no rule explains keeps a null cause. The period of a matched document is looked at too: another
    period with the same document date is `wrong period` and makes the outcome `different`; another date is `timing`.
    """
    mine = ours.group_by("key", "currency").agg(
        pl.col("contract", "number", "intent_state", "period", "document_date").first(),
        pl.col("tax_amount").sum().alias("our_tax"),
    )
    there = keyed.group_by("key", "currency").agg(
        pl.col("document").sort().alias("documents"),
        pl.col("external_key").first(),
        pl.col("amount").first().alias("one_amount"),
        pl.col("tax_amount").sum().alias("their_tax"),
        pl.col("period").first().alias("their_period"),
        pl.col("document_date").first().alias("their_date"),
    )
    rows = compared.join(mine, on=["key", "currency"], how="left").join(
        there, on=["key", "currency"], how="left"
    )
    sides = pl.col("ours").is_not_null().any().over("key") & pl.col("theirs").is_not_null().any().over("key")
    moved = (pl.col("outcome") == "matched") & (pl.col("period") != pl.col("their_period"))
    named = rows.with_columns(_cause(sides, moved).alias("cause"))
    outcome = pl.when(moved).then(pl.lit("different")).otherwise(pl.col("outcome"))
    documents = pl.col("documents").list.join(", ")
    explained = named.with_columns(
        outcome.alias("outcome"),
        pl.when(pl.col("cause").is_null())
        .then(None)
        .when(pl.col("cause") == "unposted")
        .then(pl.format("intent {}", pl.col("intent_state").fill_null("missing")))
        .otherwise(pl.coalesce(documents, "number"))
        .alias("explained_by"),
    )
    return conform("compared", explained, COMPARED).sort("key", "currency")


def _cause(sides: pl.Expr, moved: pl.Expr) -> pl.Expr:
    outcome = pl.col("outcome")
    extra = -pl.col("difference")
    copies = pl.col("documents").list.len()
    tax = pl.col("our_tax") - pl.col("their_tax")
    return (
        pl.when(moved & (pl.col("document_date") == pl.col("their_date"))).then(pl.lit("wrong period"))
        .when(moved).then(pl.lit("timing"))
        .when(outcome == "matched").then(pl.lit(None, pl.String))
        .when((outcome != "different") & sides).then(pl.lit("wrong currency"))
        .when((outcome == "ours_only") & (pl.col("intent_state") != "done").fill_null(True)).then(pl.lit("unposted"))
        .when((outcome == "theirs_only") & pl.col("external_key").is_null()).then(pl.lit("manual entry there"))
        .when(outcome == "theirs_only").then(pl.lit("unknown key there"))
        .when((copies > 1) & (extra == pl.col("one_amount") * (copies.cast(pl.Int64) - 1))).then(pl.lit("duplicated"))
        .when((outcome == "different") & (tax == pl.col("difference"))).then(pl.lit("tax"))
        .when((outcome == "different") & (pl.col("difference").abs() <= Decimal("0.01"))).then(
            pl.lit("currency rounding"))
        .otherwise(pl.lit(None, pl.String))
    )  # fmt: skip
