"""Variable consideration: its estimate and the constraint (IFRS 15.50–59, ASC 606-10-32-5 to 32-14)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import (
    MONEY,
    REVENUE_FINDINGS,
    VARIABLE_ESTIMATES,
    VARIABLE_OUTCOMES,
    check_frame,
    conform,
)
from tieout.domain.revenue.shares import in_minor_unit, scale

_ESTIMATE = ["unit", "variable", "day"]


def estimate_variable(outcomes: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each estimate (VARIABLE_OUTCOMES, one row per outcome) as one amount for the price (VARIABLE_ESTIMATES); findings.

    IFRS 15.53: `expected_value` sums the outcomes weighted by probability, rounded once to the minor unit;
    `most_likely` takes the most probable outcome, of equally probable ones the one nearest to zero. 56: constrained
    consideration counts as zero until it is unlikely to reverse. A single amount needs no probability.
    Probabilities that do not add up to one make the finding `variable-invalid` and the earlier estimate stands.
    """
    check_frame("variable outcomes", outcomes, VARIABLE_OUTCOMES)
    weighed = outcomes.with_columns(
        pl.when(pl.len().over(_ESTIMATE) == 1).then(pl.coalesce("probability", pl.lit(1)))
        .otherwise("probability").fill_null(0).cast(VARIABLE_OUTCOMES["probability"]).alias("probability")
    )  # fmt: skip
    valid = (pl.col("probability").sum().over(_ESTIMATE) == 1) & (
        pl.col("probability").min().over(_ESTIMATE) >= 0
    )
    judged = weighed.with_columns(valid.alias("_valid"))
    likely = judged.sort(
        pl.col("probability"), pl.col("amount").abs(), descending=[True, False], maintain_order=True
    )
    fine = pl.col("amount").cast(pl.Decimal(38, 10)) * pl.col("probability").cast(pl.Decimal(38, 10))
    chosen = likely.filter("_valid").group_by(_ESTIMATE, maintain_order=True).agg(
        pl.col("change", "obligations", "currency", "method", "constrained").first(),
        pl.col("amount").first().alias("likely"),
        fine.sum().alias("expected"),
    )  # fmt: skip
    estimated = in_minor_unit(pl.col("expected").round(4, mode="half_away_from_zero"), scale(chosen))
    amount = pl.when(pl.col("method") == "expected_value").then(estimated).otherwise("likely")
    free = pl.when(pl.col("constrained").fill_null(False)).then(0).otherwise(amount).cast(MONEY)
    result = chosen.with_columns(free.alias("amount")).sort("unit", "variable", "day")
    return conform(
        "variable estimates", result.select(VARIABLE_ESTIMATES.names()), VARIABLE_ESTIMATES
    ), _invalid(judged)


def variable_changes(estimates: pl.DataFrame) -> pl.DataFrame:
    """Each estimate's difference to the one before it: columns of VARIABLE_ESTIMATES, `amount` the change (15.59, 87).

    Of several estimates of one day the last counts. What a variable amount is allocated to stays as first stated.
    """
    check_frame("variable estimates", estimates, VARIABLE_ESTIMATES)
    of = ["unit", "variable"]
    last = estimates.sort("day", maintain_order=True).unique(_ESTIMATE, keep="last", maintain_order=True)
    moved = last.with_columns(
        (pl.col("amount") - pl.col("amount").shift().over(of).fill_null(0)).cast(MONEY).alias("amount"),
        pl.col("change", "obligations").first().over(of),
    )
    return moved.filter(pl.col("amount") != 0).sort("day", "unit", "variable")


def _invalid(judged: pl.DataFrame) -> pl.DataFrame:
    bad = judged.filter(~pl.col("_valid")).unique(_ESTIMATE, maintain_order=True)
    texts = {c: pl.lit(None, pl.String) for c in ("obligation", "contract", "line")}
    return bad.select(
        pl.lit("variable-invalid").alias("kind"), "unit", *[e.alias(c) for c, e in texts.items()], "day",
        pl.format("the probabilities of {} do not add up to 1; the earlier estimate stands", "variable").alias("detail"),
    ).select(REVENUE_FINDINGS.names())  # fmt: skip
