"""Which rule, if any, keeps a piece of work from being billed; time, expenses and subcontract work alike.

The rules are tried in the order of `first_rule`, so each row has at most one. Domain rules §2.1.
"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from tieout.domain.frames import LINES
from tieout.model.money import is_currency

WITHDRAWN, UNAPPROVED, NON_BILLABLE, UNSIGNED = "withdrawn", "unapproved", "non-billable", "unsigned"
BY_HOUR, DRAWN = "time_and_materials", "retainer"
"""Billing methods under which hours have a price: billed, or drawn from what was prepaid."""
OTHERWISE = "billed-otherwise"
PLACES: Mapping[str, str] = {
    OTHERWISE: "non_billable",
    WITHDRAWN: "withdrawn",
    UNAPPROVED: "waiting",
    UNSIGNED: "waiting",
    NON_BILLABLE: "non_billable",
}
"""Where a rule puts a row; every other rule is a finding of its own name."""
FINDING, BILLABLE = "finding", "billable"


def with_terms(rows: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Each row beside the terms in force on its `work_date` (null where none are); the later segment wins an overlap.

    `terms` numbers the segment, `has_terms` says whether there is one. Rows come back in order of date and entry.
    """
    segments = lines.sort("effective_from").with_row_index("terms")
    joined = rows.sort("work_date", "entry").join_asof(
        segments,
        left_on="work_date",
        right_on="effective_from",
        by=["contract", "line"],
        strategy="backward",
        check_sortedness=False,
    )
    inside = pl.col("effective_to").is_null() | (pl.col("work_date") <= pl.col("effective_to"))
    held = pl.col("terms").is_not_null() & inside
    return joined.with_columns(held.alias("has_terms")).drop("effective_from", "effective_to")


def unknown_currencies(lines: pl.DataFrame) -> list[str]:
    """Currencies of the terms that ISO 4217 does not list."""
    return [code for code in lines["currency"].drop_nulls().unique().to_list() if not is_currency(code)]


def first_rule(unknown: list[str], own: Mapping[str, pl.Expr]) -> pl.Expr:
    """The name of the first rule that keeps a row (with its terms) out, null where it may be billed.

    `own` are the rules of this kind of work: by name, what breaks them.
    """
    day = pl.col("work_date")
    outside = (
        ~pl.col("has_terms")
        | (day < pl.col("start")).fill_null(False)
        | (day > pl.col("end")).fill_null(False)
    )
    closed = pl.col("task_state").is_in(["closed", "completed"]).fill_null(False) | (
        pl.col("project_state") == "closed"
    ).fill_null(False)
    no_currency = pl.col("currency").is_null() | pl.col("currency").is_in(unknown).fill_null(False)
    unsigned = (pl.col("contract_state") == "draft").fill_null(False)
    unassigned = pl.col("project").is_null() | pl.col("contract").is_null() | pl.col("line").is_null()
    rules = {
        WITHDRAWN: pl.col("state") == "withdrawn",
        UNAPPROVED: pl.col("state") != "approved",
        NON_BILLABLE: ~pl.col("billable"),
        "missing-project": unassigned,
        **own,
        "worker-left": (day > pl.col("worker_left")).fill_null(False),
        UNSIGNED: unsigned & ~outside,
        "outside-contract": outside,
        "unknown-currency": no_currency,
        "closed-task": closed,
    }
    return pl.coalesce(pl.when(broken).then(pl.lit(rule)) for rule, broken in rules.items()).alias("rule")


def explained(rows: pl.DataFrame, own: Mapping[str, pl.Expr]) -> pl.DataFrame:
    """The rows that a rule keeps out, with `place`, `kind` (null unless a finding) and `detail`.

    `own` are the sentences of the rules of this kind of work.
    """
    place = pl.col("rule").replace_strict(PLACES, default=FINDING, return_dtype=pl.String)
    placed = rows.with_columns(place.alias("place"), _detail(own).alias("detail"))
    return placed.with_columns(pl.when(pl.col("place") == FINDING).then("rule").alias("kind"))


def _detail(own: Mapping[str, pl.Expr]) -> pl.Expr:
    start, end = pl.col("start").cast(pl.String), pl.col("end").cast(pl.String)
    unassigned = (
        pl.when(pl.col("project").is_null())
        .then(pl.lit("the entry names no project we know"))
        .otherwise(pl.format("project {} belongs to no contract line", pl.col("project").fill_null("-")))
    )
    said = {
        WITHDRAWN: pl.lit("withdrawn in the source"),
        UNAPPROVED: pl.format("not approved: {}", "state"),
        NON_BILLABLE: pl.lit("marked non-billable in the source"),
        "missing-project": unassigned,
        **own,
        "worker-left": pl.format("worker {} left on {}, the work is dated {}", "worker", "worker_left", "work_date"),
        UNSIGNED: pl.lit("contract is not signed"),
        "outside-contract": pl.format(
            "work on {} is outside contract {} line {} ({} to {})", "work_date", "contract", "line",
            start.fill_null("?"), end.fill_null("open")),
        "unknown-currency": pl.format(
            "contract {} line {} is in {}", "contract", "line", pl.col("currency").fill_null("no currency")),
        "closed-task": pl.format("task {} of project {} is closed", pl.col("task").fill_null("-"), "project"),
    }  # fmt: skip
    return pl.coalesce(pl.when(pl.col("rule") == rule).then(text) for rule, text in said.items())


def plain(number: str) -> pl.Expr:
    """Decimals without idle zeros: 25, 7.5."""
    text = pl.col(number).cast(pl.String).fill_null("no")
    return (
        pl.when(text.str.contains(".", literal=True))
        .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
        .otherwise(text)
    )


TERMS = [c for c in LINES if c not in ("contract", "line", "effective_from", "effective_to")]
"""The columns of LINES that a row carries once it stands beside its terms."""
