"""The tax of what is billable: its tax point, then category and rate of that day. Domain rules §3."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import BILLABLE, SHARE, TAX_PARTIES, TAX_QUESTIONS, check_frame, conform
from tieout.domain.tax.categories import EXEMPT, OUT_OF_SCOPE, UNTAXED
from tieout.domain.tax.points import with_tax_point
from tieout.domain.tax.treatment import determine_tax

_PLACE = ["contract", "line", "payer"]
_SALE = [*_PLACE, "supplied_on", "invoiced_on", "paid_on"]


def tax_sales(
    events: pl.DataFrame, parties: pl.DataFrame, points: pl.DataFrame, treatments: pl.DataFrame
) -> pl.DataFrame:
    """Billable events (BILLABLE) with category and rate; those that have one keep it, null where no rule fits.

    `parties` (TAX_PARTIES) says of each contract line and payer who sells to which country under which tax code, and the
    day an invoice would be issued on; `points` are TAX_POINT_RULES, `treatments` TREATMENTS. The supply is the work, or
    the last day of its period. An `exempt` buyer is charged no tax where a rule would, category E. What is `untaxed` (paid in the customer's name) is outside the tax base, category O;
    EN 16931 (BR-O-11 to 14) keeps it off invoices with other categories.
    """
    check_frame("billable", events, BILLABLE)
    check_frame("tax parties", parties, TAX_PARTIES)
    dated = events.with_columns(pl.coalesce("period_end", "work_date").alias("supplied_on"))
    open_ = dated.filter(pl.col("tax_category").is_null())
    sales = open_.select(_SALE).unique(maintain_order=True).join(parties, on=_PLACE, maintain_order="left")
    asked = sales.with_columns(pl.coalesce("invoiced_on", "issued_on").alias("issued_on"))
    asked = (
        with_tax_point(asked, points)
        .with_row_index("place")
        .with_columns(pl.col("place").cast(pl.String).alias("key"))
    )
    answers = determine_tax(asked.select(TAX_QUESTIONS.names()), treatments).answers
    told = asked.join(answers, on="key").with_columns(_exempted()).select(*_SALE, "tax_category", "tax_rate")
    found = dated.join(told, on=_SALE, how="left", nulls_equal=True, suffix="_found", maintain_order="left")
    outside = pl.col("untaxed").fill_null(False)
    category = (
        pl.when(outside)
        .then(pl.lit(OUT_OF_SCOPE))
        .otherwise(pl.coalesce("tax_category", "tax_category_found"))
    )
    rate = pl.when(outside).then(pl.lit(0).cast(SHARE)).otherwise(pl.coalesce("tax_rate", "tax_rate_found"))
    taxed = found.with_columns(category.alias("tax_category"), rate.alias("tax_rate"))
    return conform("billable", taxed, BILLABLE)


def _exempted() -> list[pl.Expr]:
    spared = pl.col("exempt").fill_null(False) & ~pl.col("tax_category").is_in(list(UNTAXED))
    return [
        pl.when(spared).then(pl.lit(EXEMPT)).otherwise("tax_category").alias("tax_category"),
        pl.when(spared).then(pl.lit(0).cast(SHARE)).otherwise("tax_rate").alias("tax_rate"),
    ]
