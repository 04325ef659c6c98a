"""The effective-dated treatment table: seller's entity and buyer's country decide category and rate.

No rule found is the finding `tax-undetermined`, never 0 %. Domain rules §3.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import TAX_ANSWERS, TAX_QUESTIONS, TREATMENTS, check_frame, conform


@dataclass(frozen=True)
class TaxResult:
    """`answers`: category and rate per question; `undetermined`: the questions no rule covers, with the detail."""

    answers: pl.DataFrame
    undetermined: pl.DataFrame


def determine_tax(questions: pl.DataFrame, treatments: pl.DataFrame) -> TaxResult:
    """Answer each sale (TAX_QUESTIONS, unique keys) from the table in force at its tax point (TREATMENTS).

    A null entity or country in the table means any. A rule that names the entity beats one that does not, then one
    that names the country; of those the one in force latest. Two that still tie are undetermined too.
    """
    check_frame("tax questions", questions, TAX_QUESTIONS)
    check_frame("treatments", treatments, TREATMENTS)
    rules = treatments.rename({"entity": "rule_entity", "country": "rule_country"})
    day = pl.col("tax_point")
    fits = (
        (pl.col("rule_entity").is_null() | (pl.col("rule_entity") == pl.col("entity")))
        & (pl.col("rule_country").is_null() | (pl.col("rule_country") == pl.col("country")).fill_null(False))
        & (pl.col("effective_from") <= day)
        & (pl.col("effective_to").is_null() | (pl.col("effective_to") >= day))
    )
    rank = pl.struct(
        pl.col("rule_entity").is_null(),
        pl.col("rule_country").is_null(),
        -pl.col("effective_from").to_physical(),
    )
    shapes = questions.select("entity", "country", "tax_point").unique()
    matched = shapes.join(rules, how="cross").filter(fits).with_columns(rank.alias("rank"))
    best = (
        matched.sort("entity", "country", "tax_point", "rank")
        .group_by("entity", "country", "tax_point", maintain_order=True)
        .agg(
            pl.col("category", "rate").first(),
            (pl.col("rank") == pl.col("rank").first()).sum().alias("ties"),
        )
    )
    joined = questions.join(best, on=["entity", "country", "tax_point"], how="left", nulls_equal=True)
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
