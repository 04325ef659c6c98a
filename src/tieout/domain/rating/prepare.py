"""Which entries may be billed, under which terms, for how many hours.

Every entry goes to exactly one place; the rules are tried in the order of `_verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import ENTRIES, FINDINGS, LINES, SET_ASIDE, check_frame, conform
from tieout.domain.rating.hours import apply_increments, apply_overtime
from tieout.domain.rating.policies import RatingPolicies
from tieout.model.money import is_currency

_TERMS = [c for c in LINES if c not in ("contract", "line", "effective_from")]


@dataclass(frozen=True)
class Prepared:
    """Every entry once: `billable` with its terms and hours, or set aside with the reason."""

    billable: pl.DataFrame
    findings: pl.DataFrame
    waiting: pl.DataFrame
    non_billable: pl.DataFrame
    withdrawn: pl.DataFrame
    refused: pl.DataFrame


def prepare_entries(entries: pl.DataFrame, lines: pl.DataFrame, *, policies: RatingPolicies) -> Prepared:
    """Sort entries into billable and set aside, and give the billable ones their hours.

    `entries` holds the current version of each entry and every entry of each worker-day and overtime week it
    touches: increments, minimums, overtime and the 24-hour rule look across a worker's day. Domain rules §2.1–2.3.
    """
    check_frame("entries", entries, ENTRIES)
    check_frame("lines", lines, LINES)
    if entries["entry"].n_unique() != entries.height:
        raise ValueError("entries holds two versions of one entry")
    judged = (
        _with_terms(entries, lines)
        .with_columns(_worker_day_hours())
        .with_columns(_verdict(policies, _unknown(lines)))
    )
    judged = judged.with_columns(
        pl.col("verdict").struct.field("place"),
        pl.col("verdict").struct.field("kind"),
        pl.col("verdict").struct.field("detail"),
    )
    billable = judged.filter(pl.col("place") == "billable")
    billable = apply_overtime(apply_increments(billable), policies.week_start)
    refused = judged.filter(pl.col("place") == "finding")
    return Prepared(
        billable=billable,
        findings=_findings(refused),
        waiting=_aside(judged, "waiting"),
        non_billable=_aside(judged, "non_billable"),
        withdrawn=_aside(judged, "withdrawn"),
        refused=_aside(judged, "finding"),
    )


def _with_terms(entries: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Each entry beside the terms in force on its date (null where none are); the later segment wins an overlap."""
    segments = lines.sort("effective_from").with_columns(pl.lit(True).alias("has_terms"))
    joined = entries.sort("work_date", "entry").join_asof(
        segments,
        left_on="work_date",
        right_on="effective_from",
        by=["contract", "line"],
        strategy="backward",
        check_sortedness=False,
    )
    inside = pl.col("effective_to").is_null() | (pl.col("work_date") <= pl.col("effective_to"))
    return joined.with_columns(
        (pl.col("has_terms").fill_null(False) & inside.fill_null(False)).alias("has_terms")
    )


def _worker_day_hours() -> pl.Expr:
    """Approved hours of the entry's worker on its date, billable or not."""
    counted = pl.when(pl.col("state") == "approved").then(pl.col("worked_hours")).otherwise(None)
    return counted.sum().over("worker", "work_date").alias("worker_day_hours")


def _unknown(lines: pl.DataFrame) -> list[str]:
    """Currencies of the terms that ISO 4217 does not list."""
    return [code for code in lines["currency"].drop_nulls().unique().to_list() if not is_currency(code)]


def _verdict(policies: RatingPolicies, unknown_currencies: list[str]) -> pl.Expr:
    day, start, end = pl.col("work_date"), pl.col("start"), pl.col("end")
    outside = ~pl.col("has_terms") | (day < start).fill_null(False) | (day > end).fill_null(False)
    closed = pl.col("task_state").is_in(["closed", "completed"]).fill_null(False) | (
        pl.col("project_state") == "closed"
    ).fill_null(False)
    above = pl.lit(policies.implausible_above_hours).cast(pl.Decimal(14, 6))
    implausible = (pl.col("worker_day_hours") > above) | (pl.col("worked_hours") < 0)
    no_currency = pl.col("currency").is_null() | pl.col("currency").is_in(unknown_currencies).fill_null(False)
    unsigned = pl.col("contract_state").is_in(["draft"]).fill_null(False)
    unassigned = pl.col("project").is_null() | pl.col("contract").is_null() | pl.col("line").is_null()
    return (
        pl.when(pl.col("state") == "withdrawn").then(_place("withdrawn", "withdrawn in the source"))
        .when(pl.col("state") != "approved").then(_place("waiting", pl.format("not approved: {}", "state")))
        .when(~pl.col("billable")).then(_place("non_billable", "marked non-billable in the source"))
        .when(unassigned).then(_finding("missing-project", _unassigned_detail()))
        .when(implausible).then(_finding("implausible-hours", pl.format(
            "worker {} has {} approved hours on {}, this entry {}", "worker", _plain("worker_day_hours"), "work_date",
            _plain("worked_hours"))))
        .when((day > pl.col("worker_left")).fill_null(False)).then(_finding("worker-left", pl.format(
            "worker {} left on {}, the work is dated {}", "worker", "worker_left", "work_date")))
        .when(unsigned & ~outside).then(_place("waiting", "contract is not signed"))
        .when(outside).then(_finding("outside-contract", pl.format(
            "work on {} is outside contract {} line {} ({} to {})", "work_date", "contract", "line",
            start.cast(pl.String).fill_null("?"), end.cast(pl.String).fill_null("open"))))
        .when(no_currency).then(_finding("unknown-currency", pl.format(
            "contract {} line {} is in {}", "contract", "line", pl.col("currency").fill_null("no currency"))))
        .when(closed).then(_finding("closed-task", pl.format(
            "task {} of project {} is closed", pl.col("task").fill_null("-"), "project")))
        .otherwise(_place("billable", ""))
        .alias("verdict")
    )  # fmt: skip


def _plain(hours: str) -> pl.Expr:
    """Hours without idle zeros: 25, 7.5."""
    return pl.col(hours).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")


def _unassigned_detail() -> pl.Expr:
    return (
        pl.when(pl.col("project").is_null())
        .then(pl.lit("the entry names no project we know"))
        .otherwise(pl.format("project {} belongs to no contract line", "project"))
    )


def _place(place: str, detail: str | pl.Expr) -> pl.Expr:
    text = pl.lit(detail) if isinstance(detail, str) else detail
    return pl.struct(
        pl.lit(place).alias("place"), pl.lit(None, pl.String).alias("kind"), text.alias("detail")
    )


def _finding(kind: str, detail: pl.Expr) -> pl.Expr:
    return pl.struct(pl.lit("finding").alias("place"), pl.lit(kind).alias("kind"), detail.alias("detail"))


def _findings(rows: pl.DataFrame) -> pl.DataFrame:
    return conform("findings", rows.with_columns(pl.lit(None, FINDINGS["amount"]).alias("amount")), FINDINGS)


def _aside(rows: pl.DataFrame, place: str) -> pl.DataFrame:
    chosen = rows.filter(pl.col("place") == place)
    reason = pl.col("kind") if place == "finding" else pl.col("detail")
    return conform(place, chosen.with_columns(reason.alias("reason")), SET_ASIDE)
