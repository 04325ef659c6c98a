"""The transaction price shared over the performance obligations (IFRS 15.73–86, ASC 606-10-32-28 to 32-45).

Relative stand-alone selling price is the rule (76–80); a discount that observable bundle prices show to belong to some
obligations stays with them (81–83); a highly variable or uncertain stand-alone price may be what is left (79(c)).
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import ALLOCATED, MONEY, PROMISES, REVENUE_FINDINGS, check_frame, conform, frame
from tieout.domain.revenue.shares import largest_remainder

_KEY = ["unit", "change", "obligation"]
_GROUP = ["unit", "change"]


def pool_promises(promises: pl.DataFrame) -> pl.DataFrame:
    """One row per unit, change and obligation: the lines' prices and stand-alone prices summed (IFRS 15.22, 30).

    A line without a stand-alone price has its stated price as one (IFRS 15.77). Obligations stand in the order of
    their lines' ids (2 before 10), which decides ties whatever order the rows come in.
    """
    check_frame("promises", promises, PROMISES)
    priced = promises.with_columns(
        pl.col("price").fill_null(0), pl.coalesce("ssp", "price", pl.lit(0).cast(MONEY)).alias("ssp")
    )
    ordered = priced.sort("unit", "change", "contract", pl.col("line").str.len_chars(), "line")
    return ordered.group_by(_KEY, maintain_order=True).agg(
        pl.col("price", "ssp").sum(),
        pl.col("bundle", "bundle_price", "residual_low", "residual_high").drop_nulls().first(),
        pl.col("residual").fill_null(False).any(),
        pl.col("method").first(),
    )


def allocate_price(
    obligations: pl.DataFrame, *, total: str, stated: str | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Obligations (rows of `pool_promises` with `currency` and `total`) with `weight` and `allocated_price`; findings.

    IFRS 15.76: in proportion to stand-alone prices, largest remainder. 82: obligations sold together at an observable
    bundle price first share that price, so its discount falls on them alone; this is done before the residual
    approach (83). 79(c): a `residual` obligation takes the price less the other weights, when the result lies in its
    stated range; otherwise `residual-rejected` and its stand-alone price counts. `stated` names a boolean column:
    where it is true the prices stand as the contract states them, what is left over shared by stand-alone price.
    """
    weighed = _bundle_weights(obligations)
    residual, findings = _residual(weighed, total)
    fixed = pl.col("_fixed")
    if stated is not None:
        residual = residual.with_columns(
            pl.when(pl.col(stated)).then(pl.col("price")).otherwise(fixed).alias("_fixed")
        )
    open_total = residual.with_columns(
        (pl.col(total) - fixed.sum().over(_GROUP)).cast(MONEY).alias("_left"),
        pl.when(pl.col("_in_residual")).then(0).otherwise(pl.col("weight")).cast(MONEY).alias("_open"),
    )
    shared = largest_remainder(open_total, total="_left", weight="_open", by=_GROUP, share="_share")
    priced = shared.with_columns((fixed + pl.col("_share")).cast(MONEY).alias("allocated_price"))
    _check_conserved(priced, total)
    return priced.drop("_fixed", "_left", "_open", "_share", "_in_residual"), findings


def allocated(obligations: pl.DataFrame) -> pl.DataFrame:
    """The result of `allocate_price` as ALLOCATED."""
    return conform("allocated", obligations, ALLOCATED)


def _bundle_weights(obligations: pl.DataFrame) -> pl.DataFrame:
    """IFRS 15.82: members of a bundle weigh their share of its observable price, others their stand-alone price."""
    shares = largest_remainder(
        obligations.with_columns(pl.coalesce("bundle_price", "ssp").alias("_price")),
        total="_price", weight="ssp", by=[*_GROUP, "bundle"], share="_of_bundle",
    )  # fmt: skip
    bundled = pl.col("bundle").is_not_null()
    weight = pl.when(bundled).then("_of_bundle").otherwise("ssp")
    return shares.with_columns(weight.alias("weight")).drop("_of_bundle", "_price")


def _residual(weighed: pl.DataFrame, total: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """IFRS 15.79(c): the residual obligation's amount, and the weights of the others where it is accepted."""
    others = pl.when(pl.col("residual")).then(0).otherwise(pl.col("weight")).sum().over(_GROUP)
    left = (pl.col(total) - others).cast(MONEY)
    low, high = pl.col("residual_low").fill_null(0), pl.col("residual_high")
    fits = (left > 0) & (left >= low) & (left <= high).fill_null(True)
    single = pl.col("residual").sum().over(_GROUP) == 1
    judged = weighed.with_columns(left.alias("_rest"), (fits & single).alias("_fits"))
    accepted = (pl.col("residual") & pl.col("_fits")).any().over(_GROUP)
    result = judged.with_columns(
        accepted.alias("_in_residual"),
        pl.when(accepted & pl.col("residual")).then("_rest")
        .when(accepted).then("weight").otherwise(0).cast(MONEY).alias("_fixed"),
    )  # fmt: skip
    rejected = judged.filter(pl.col("residual") & ~pl.col("_fits"))
    findings = frame(
        [
            {
                "kind": "residual-rejected", "unit": row["unit"], "obligation": row["obligation"],
                "detail": f"the residual {row['_rest']} lies outside {row['residual_low']} to {row['residual_high']}"
                " or is not positive; its stand-alone price counts (IFRS 15.79(c))",
            }
            for row in rejected.iter_rows(named=True)
        ],
        REVENUE_FINDINGS,
    )  # fmt: skip
    return result.drop("_rest", "_fits"), findings


def _check_conserved(priced: pl.DataFrame, total: str) -> None:
    sums = priced.group_by(_GROUP).agg(pl.col("allocated_price").sum(), pl.col(total).first())
    off = sums.filter(pl.col("allocated_price") != pl.col(total))
    if not off.is_empty():
        raise AssertionError(
            f"allocation of {off['unit'][0]} lost {off[total][0]}: {off['allocated_price'][0]}"
        )
