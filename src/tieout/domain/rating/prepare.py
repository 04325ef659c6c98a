"""Which entries may be billed, under which terms, for how many hours.

Every entry goes to exactly one place; the rules are those of `gates.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import ENTRIES, FINDINGS, HOURS, LINES, SET_ASIDE, check_frame, conform
from tieout.domain.rating import gates
from tieout.domain.rating.days import with_day_types
from tieout.domain.rating.hours import apply_increments
from tieout.domain.rating.overtime import apply_overtime
from tieout.domain.rating.policies import Lookups, RatingPolicies

IMPLAUSIBLE = "implausible-hours"


@dataclass(frozen=True)
class Prepared:
    """Every entry once: `billable` with its terms, day type and hours, or set aside with the reason."""

    billable: pl.DataFrame
    findings: pl.DataFrame
    waiting: pl.DataFrame
    non_billable: pl.DataFrame
    withdrawn: pl.DataFrame
    refused: pl.DataFrame


def prepare_entries(
    entries: pl.DataFrame, lines: pl.DataFrame, *, policies: RatingPolicies, lookups: Lookups | None = None
) -> Prepared:
    """Sort entries into billable and set aside, and give the billable ones their hours.

    `entries` holds the current version of each entry and every entry of each worker-day and overtime week it
    touches: increments, minimums, overtime and the 24-hour rule look across a worker's day. Domain rules §2.1–2.3.
    """
    check_frame("lines", lines, LINES)
    return prepare_checked(checked(entries), lines, policies, lookups or Lookups())


def checked(entries: pl.DataFrame) -> pl.DataFrame:
    """The entries with `worker_day_hours`: approved hours of their worker on their date, billable or not."""
    check_frame("entries", entries, ENTRIES)
    if entries["entry"].n_unique() != entries.height:
        raise ValueError("entries holds two versions of one entry")
    counted = pl.when(pl.col("state") == "approved").then(pl.col("worked_hours")).otherwise(None)
    return entries.with_columns(counted.sum().over("worker", "work_date").alias("worker_day_hours"))


def prepare_checked(
    entries: pl.DataFrame, lines: pl.DataFrame, policies: RatingPolicies, lookups: Lookups
) -> Prepared:
    """`prepare_entries` for some whole contracts of a larger run whose entries are checked."""
    judged = gates.with_terms(entries, lines)
    judged = judged.with_columns(
        gates.first_rule(
            gates.unknown_currencies(lines),
            {IMPLAUSIBLE: _implausible(policies), gates.OTHERWISE: _billed_otherwise()},
        )
    )
    billable = with_day_types(judged.filter(pl.col("rule").is_null()).drop(_JUDGED_BY), policies, lookups)
    billable = _with_overtime(apply_increments(billable), judged, policies, lookups)
    if billable.height == judged.height:
        none = SET_ASIDE.to_frame()
        return Prepared(billable, FINDINGS.to_frame(), none, none, none, none)
    aside = gates.explained(
        judged.filter(pl.col("rule").is_not_null()),
        {IMPLAUSIBLE: _hours_said(), gates.OTHERWISE: _otherwise_said()},
    )
    refused = aside.filter(pl.col("place") == gates.FINDING)
    return Prepared(
        billable=billable,
        findings=_findings(refused),
        waiting=_aside(aside, "waiting"),
        non_billable=_aside(aside, "non_billable"),
        withdrawn=_aside(aside, "withdrawn"),
        refused=_aside(aside, gates.FINDING),
    )


_JUDGED_BY = [
    "rule", "has_terms", "worker_day_hours", "project_state", "task_state", "worker_left", "billable", "state",
    "recorded_at", "start", "end", "customer", "billing_method", "contract_state",
]  # fmt: skip
"""Columns that the rules have answered, left behind."""


def _with_overtime(
    billable: pl.DataFrame, judged: pl.DataFrame, policies: RatingPolicies, lookups: Lookups
) -> pl.DataFrame:
    """Premium hours of billable work; by the basis of work, non-billable work of the line counts towards it too."""
    worked = judged.filter((pl.col("rule") == gates.NON_BILLABLE) & (pl.col("overtime_basis") == "work"))
    if worked.is_empty():
        return apply_overtime(billable, policies)
    typed = with_day_types(worked, policies, lookups).with_columns(
        pl.lit(0).cast(HOURS).alias("billable_hours")
    )
    both = pl.concat([billable, typed.select(billable.columns)])
    return apply_overtime(both, policies).join(worked.select("entry"), on="entry", how="anti")


def _hours_said() -> pl.Expr:
    return pl.format(
        "worker {} has {} approved hours on {}, this entry {}", pl.col("worker").fill_null("-"),
        gates.plain("worker_day_hours"), "work_date", gates.plain("worked_hours"),
    )  # fmt: skip


def _billed_otherwise() -> pl.Expr:
    """Hours on a line with another billing method are its cost and progress, not what is billed."""
    return (~pl.col("billing_method").is_in([gates.BY_HOUR, gates.DRAWN])).fill_null(False)


def _otherwise_said() -> pl.Expr:
    return pl.format("contract {} line {} is not billed by the hour", "contract", "line")


def _implausible(policies: RatingPolicies) -> pl.Expr:
    above = pl.lit(policies.implausible_above_hours).cast(HOURS)
    return (
        (pl.col("worker_day_hours") > above) | (pl.col("worked_hours") < 0) | pl.col("worked_hours").is_null()
    )


def _findings(rows: pl.DataFrame) -> pl.DataFrame:
    return conform("findings", rows.with_columns(pl.lit(None, FINDINGS["amount"]).alias("amount")), FINDINGS)


def _aside(rows: pl.DataFrame, place: str) -> pl.DataFrame:
    chosen = rows.filter(pl.col("place") == place)
    reason = pl.col("kind") if place == gates.FINDING else pl.col("detail")
    return conform(place, chosen.with_columns(reason.alias("reason")), SET_ASIDE)
