"""Revenue to date from a plan and what was done, and what of it is not yet booked (IFRS 15.31, 46, 87–88).

A schedule is never kept and edited: it is the same calculation for coming days, rebuilt from all facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from tieout.domain.frames import (
    CONTRACT_EXISTENCE,
    LINE_REVENUE,
    MONEY,
    PROMISES,
    REVENUE_FINDINGS,
    REVENUE_TO_DATE,
    check_frame,
    conform,
)
from tieout.domain.revenue.as_invoiced import exists_from
from tieout.domain.revenue.earned import earned
from tieout.domain.revenue.modifications import RevenuePlan
from tieout.domain.revenue.progress import SERIES, Performance
from tieout.domain.revenue.shares import largest_remainder, share_of, stacked

_KEY = ["unit", "obligation"]
_LINE = ["unit", "obligation", "contract", "line", "entity", "currency"]


@dataclass(frozen=True)
class Recognition:
    """REVENUE_TO_DATE by contract line and day, and REVENUE_FINDINGS as of the last day."""

    to_date: pl.DataFrame
    findings: pl.DataFrame


def recognise_to_date(
    plan: RevenuePlan,
    performance: Performance,
    contracts: pl.DataFrame,
    *,
    days: Sequence[date] | pl.DataFrame,
) -> Recognition:
    """Revenue since the beginning at the end of each day, by contract line; one rounding of each running total.

    `days` are those of every accounting contract, or a frame of `unit` and `day`.

    Per obligation: settled + price × progress (see `earned`). A contract earns nothing until it is signed and
    collection is probable (IFRS 15.9; CONTRACT_EXISTENCE); from that day what was done before catches up (15.14).
    An obligation's revenue and price (what is settled and reimbursed included) are shared over its lines by their
    stand-alone prices, largest remainder.
    Findings: `estimate-exhausted` (the estimate at completion is reached, the work is not completed: 15.43 asks for another),
    `progress-invalid` (no estimate, no end, an end before the start: nothing is earned), `obligation-measures-differ`
    (lines of one obligation with several measures: nothing is earned), `series-catch-up` (15.22(b), 15.21).
    """
    check_frame("contract existence", contracts, CONTRACT_EXISTENCE)
    points = _points(plan, days)
    valued = earned(points, performance)
    lines = _by_line(valued, performance.promises)
    exists = existing(lines, contracts)
    findings = _findings(valued, plan)
    return Recognition(conform("revenue to date", exists, REVENUE_TO_DATE).sort(*_LINE[:4], "day"), findings)


def unbooked(to_date: pl.DataFrame, recognised: pl.DataFrame) -> pl.DataFrame:
    """What REVENUE_TO_DATE adds beyond what is booked already (LINE_REVENUE), as LINE_REVENUE.

    Each difference carries the day of the grid it arises on, so a changed estimate is revenue of the period it is made
    in (IFRS 15.43, 59, 87) and a late fact of the period it happened in, which the books then move to the first open one.
    What is booked between two days counts towards the later, so another choice of days books the same totals, and a
    second run adds nothing. Rows booked after the last day are left alone.
    """
    check_frame("revenue to date", to_date, REVENUE_TO_DATE)
    check_frame("recognised", recognised, LINE_REVENUE)
    ordered = to_date.sort("day")
    before = pl.col("revenue").shift().over(_LINE).fill_null(0)
    due = ordered.select(
        *_LINE, pl.col("day").alias("event_date"), (pl.col("revenue") - before).cast(MONEY).alias("amount")
    )
    grid = to_date.select("unit", pl.col("day").alias("event_date")).unique().sort("event_date")
    grid = grid.with_columns(pl.col("event_date").alias("_day"))
    booked = recognised.sort("event_date").join_asof(
        grid, on="event_date", by="unit", strategy="forward", check_sortedness=False
    )
    known = booked.filter(pl.col("_day").is_not_null()).select(
        *_LINE, pl.col("_day").alias("event_date"), -pl.col("amount")
    )
    sums = pl.concat([due, known]).group_by([*_LINE, "event_date"]).agg(pl.col("amount").sum())
    result = sums.filter(pl.col("amount") != 0)
    return conform("unbooked revenue", result, LINE_REVENUE).sort("event_date", *_LINE)


def _points(plan: RevenuePlan, days: Sequence[date] | pl.DataFrame) -> pl.DataFrame:
    """Every obligation on every day with the terms, price and settled revenue that hold at the end of that day."""
    obligations = plan.spans.select(_KEY).unique(maintain_order=True)
    if isinstance(days, pl.DataFrame):
        every = obligations.join(days.select("unit", "day").unique(), on="unit").sort("day")
    else:
        grid = pl.DataFrame({"day": sorted(set(days))}, schema={"day": pl.Date})
        every = obligations.join(grid, how="cross").sort("day")
    spans = plan.spans.sort("day", "change").unique([*_KEY, "day"], keep="last", maintain_order=True)
    on_terms = every.join_asof(spans, on="day", by=_KEY, check_sortedness=False).filter(
        pl.col("change").is_not_null()
    )
    priced = _running(on_terms, plan.prices, [*_KEY, "level"], "price")
    return _running(priced, plan.settled, _KEY, "settled")


def _running(points: pl.DataFrame, steps: pl.DataFrame, by: list[str], column: str) -> pl.DataFrame:
    """The sum of the steps on or before each point's day."""
    sums = steps.group_by([*by, "day"]).agg(pl.col("amount").sum()).sort("day")
    total = sums.with_columns(pl.col("amount").cum_sum().over(by).cast(MONEY).alias(column)).drop("amount")
    return points.join_asof(total, on="day", by=by, check_sortedness=False).with_columns(
        pl.col(column).fill_null(0)
    )


def _by_line(valued: pl.DataFrame, promises: pl.DataFrame) -> pl.DataFrame:
    """Obligations shared over their contract lines; with one line, all of it."""
    check_frame("promises", promises, PROMISES)
    lines = promises.select(
        *_KEY, "change", "contract", "line", "entity",
        pl.coalesce("ssp", "price", pl.lit(0).cast(MONEY)).alias("_weight"),
    )  # fmt: skip
    joined = valued.with_columns(
        (pl.col("price") + pl.col("revenue") - pl.col("earned")).cast(MONEY).alias("_price"),
        share_of(pl.col("whole_done"), pl.col("whole_total")).alias("percent_complete"),
    ).join(lines, on=[*_KEY, "change"], how="inner", maintain_order="left_right")
    single = joined.filter(pl.len().over([*_KEY, "day"]) == 1).with_columns(
        pl.col("_price").alias("allocated_price")
    )
    several = joined.filter(pl.len().over([*_KEY, "day"]) > 1)
    for total, share in (("revenue", "_revenue"), ("_price", "allocated_price")):
        several = largest_remainder(several, total=total, weight="_weight", by=[*_KEY, "day"], share=share)
    several = several.with_columns(pl.col("_revenue").alias("revenue")).drop("_revenue")
    return pl.concat([single, several.select(single.columns)])


def existing(lines: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """`lines` with no `revenue` on a `day` before their contract (CONTRACT_EXISTENCE) was one (IFRS 15.9)."""
    known = contracts.select("contract", exists_from().alias("_born"))
    exists = (pl.col("_born") <= pl.col("day")).fill_null(False)
    joined = lines.join(known, on="contract", how="left")
    return joined.with_columns(pl.when(exists).then("revenue").otherwise(0).cast(MONEY).alias("revenue"))


def _findings(valued: pl.DataFrame, plan: RevenuePlan) -> pl.DataFrame:
    """What a person must look at, as it stands on the last day of each accounting contract."""
    last = valued.filter(pl.col("day") == pl.col("day").max().over("unit"))
    reached = (pl.col("whole_done") >= pl.col("whole_total")) & (pl.col("stated") > 0) & ~pl.col("completed")
    on_estimate = pl.col("one_measure") & pl.col("method").is_in(["cost_to_cost", "labor_hours"])
    nothing = pl.col("one_measure") & (pl.col("whole_total") <= 0) & (pl.col("price") != 0)
    caught_up = plan.treatments.filter(pl.col("treatment") == "cumulative").select(
        "unit", "change", pl.col("day").alias("changed_on")
    )
    series = last.filter(pl.col("method").is_in(SERIES)).join(caught_up, on=["unit", "change"])
    return stacked(
        [
            _finding(last.filter(reached & on_estimate), "estimate-exhausted",
                     "the estimate at completion is reached and the work is not completed"),
            _finding(last.filter(nothing), "progress-invalid",
                     "no progress can be measured: the estimate, milestones or dates are missing or contradict"),
            _finding(last.filter(~pl.col("one_measure")), "obligation-measures-differ",
                     "lines of one obligation have several measures of progress (IFRS 15.40)"),
            _finding(series.with_columns(day=pl.col("changed_on")), "series-catch-up",
                     "a series of distinct services is changed by catch-up as stated (IFRS 15.21(a), 22(b))"),
            plan.findings,
        ],
        REVENUE_FINDINGS,
    )  # fmt: skip


def _finding(rows: pl.DataFrame, kind: str, detail: str) -> pl.DataFrame:
    none = pl.lit(None, pl.String)
    return rows.select(
        pl.lit(kind).alias("kind"), *_KEY, none.alias("contract"), none.alias("line"), "day",
        pl.lit(detail).alias("detail"),
    )  # fmt: skip
