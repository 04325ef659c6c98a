"""The effective-dated treatment table: seller's entity, buyer's country and tax number decide category and rate.

No rule found is the finding `tax-undetermined`, never 0 %. Domain rules §3.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import TAX_ANSWERS, TAX_QUESTIONS, TREATMENTS, check_frame, conform

_SALE = ["entity", "country", "code", "business", "tax_point"]


@dataclass(frozen=True)
class TaxResult:
    """`answers`: category and rate per question; `undetermined`: the questions no rule covers, with the detail."""

    answers: pl.DataFrame
    undetermined: pl.DataFrame


def determine_tax(questions: pl.DataFrame, treatments: pl.DataFrame) -> TaxResult:
    """Answer each sale (TAX_QUESTIONS, unique keys) from the table in force at its tax point (TREATMENTS).

    A question may name the rule's `code` (the tax code of a service). A null entity or country in the table means any,
    as does a null `business`: whether the buyer states a tax number. A rule that names the entity beats one that does
    not, then one that names the country, then `business`; of those the one in force latest. Two that still tie are
    undetermined too.
    """
    check_frame("tax questions", questions, TAX_QUESTIONS)
    check_frame("treatments", treatments, TREATMENTS)
    rules = treatments.rename({name: f"rule_{name}" for name in ("entity", "country", "code", "business")})
    day = pl.col("tax_point")
    fits = (
        (pl.col("rule_entity").is_null() | (pl.col("rule_entity") == pl.col("entity")))
        & (pl.col("rule_country").is_null() | (pl.col("rule_country") == pl.col("country")).fill_null(False))
        & (pl.col("code").is_null() | (pl.col("rule_code") == pl.col("code")).fill_null(False))
        & (
            pl.col("rule_business").is_null()
            | (pl.col("rule_business") == pl.col("business")).fill_null(False)
        )
        & (pl.col("effective_from") <= day)
        & (pl.col("effective_to").is_null() | (pl.col("effective_to") >= day))
    )
    rank = pl.struct(
        pl.col("rule_entity").is_null(),
        pl.col("rule_country").is_null(),
        pl.col("rule_business").is_null(),
        -pl.col("effective_from").to_physical(),
    )
    shapes = questions.select(_SALE).unique()
    matched = shapes.join(rules, how="cross").filter(fits).with_columns(rank.alias("rank"))
    best = (
        matched.sort(*_SALE, "rank")
        .group_by(_SALE, maintain_order=True)
        .agg(
            pl.col("category", "rate").first(),
            (pl.col("rank") == pl.col("rank").first()).sum().alias("ties"),
        )
    )
    joined = questions.join(best, on=_SALE, how="left", nulls_equal=True)
    clear = (pl.col("ties") == 1).fill_null(False)
    answers = joined.filter(clear).rename({"category": "tax_category", "rate": "tax_rate"})
    unclear = joined.filter(~clear).select(
        "key",
        pl.format(
            "{} tax rules fit a sale of {} to {} on {}", pl.col("ties").fill_null(0), "entity",
            pl.col("country").fill_null("an unknown country"), "tax_point",
        ).alias("detail"),
    )  # fmt: skip
    return TaxResult(conform("tax answers", answers, TAX_ANSWERS).sort("key"), unclear.sort("key"))
