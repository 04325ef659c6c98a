"""The tax point: the day whose rates a sale is taxed at, by the table of the seller's country. Domain rules §3.

Directive 2006/112/EC: the supply (art. 63; of a period its last day, art. 64), a payment on account (art. 65), an invoice
(art. 66); the rate is that of the day on which tax becomes chargeable (art. 93).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from tieout.domain.frames import TAX_DATES, TAX_POINT_RULES, check_frame, frame

SUPPLY, INVOICE, PAYMENT = "supply", "invoice", "payment"
DEFAULTS: Mapping[str | None, tuple[str, ...]] = {
    None: (SUPPLY, PAYMENT),
    # the rate of the supply is owed for what was paid before it too (§ 27 Abs. 1 UStG)
    "DE": (SUPPLY,),
    # VAT Act 1994 s. 6(4) and (5): an invoice within 14 days of the supply stands in its place
    "GB": (INVOICE, PAYMENT),
}
"""What counts for sellers of a country for which no rule is stated; None is every other country."""
_FROM = date.min


def with_tax_point(sales: pl.DataFrame, rules: pl.DataFrame) -> pl.DataFrame:
    """Sales (the columns TAX_DATES and others) with their `tax_point`: the first day of what counts for the country.

    `seller` is a country; `supplied_on` the day of the work or the last day of its period, `issued_on` that of the
    invoice, `paid_on` that of a payment on account, null without one. A rule (TAX_POINT_RULES) that names the country beats one that does
    not, a stated one the default, then the one in force latest counts, all on the day of supply.
    Before -> after: work of 3 July, invoiced on 31 July, paid for on 20 June: supply -> 3 July; invoice -> 31 July;
    supply or payment -> 20 June.
    """
    check_frame("tax point rules", rules, TAX_POINT_RULES)
    days = check_frame("tax dates", sales.select(TAX_DATES.names()), TAX_DATES).unique()
    given = [
        {"country": country, "first_of": list(counts), "effective_from": _FROM}
        for country, counts in DEFAULTS.items()
    ]
    table = pl.concat([rules, frame(given, TAX_POINT_RULES)]).with_row_index("place")
    since, until = pl.col("effective_from"), pl.col("effective_to")
    fits = (
        (pl.col("country").is_null() | (pl.col("country") == pl.col("seller")).fill_null(False))
        & (since <= pl.col("supplied_on"))
        & (until.is_null() | (until >= pl.col("supplied_on")))
    )
    is_default = pl.col("place") >= rules.height
    rank = [is_default, pl.col("country").is_null(), -since.to_physical(), pl.col("place")]
    chosen = (
        days.join(table, how="cross")
        .filter(fits)
        .sort(rank)
        .unique(TAX_DATES.names(), keep="first", maintain_order=True)
    )
    counts = pl.col("first_of").list
    point = pl.min_horizontal(
        *(pl.when(counts.contains(name)).then(pl.col(day))
          for name, day in ((SUPPLY, "supplied_on"), (INVOICE, "issued_on"), (PAYMENT, "paid_on")))
    )  # fmt: skip
    found = chosen.select(*TAX_DATES.names(), point.alias("tax_point"))
    return sales.join(found, on=TAX_DATES.names(), how="left", nulls_equal=True, maintain_order="left")
