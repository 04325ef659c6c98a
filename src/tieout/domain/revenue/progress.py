"""Measures of progress towards an obligation satisfied over time, and the moment of one satisfied at a point
(IFRS 15.38–45, B14–B19; ASC 606-10-25-30 to 25-37).

Progress is never a stored share: it is `done` ÷ `total`, two exact numbers, so it is rounded only as money.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import polars as pl

from tieout.domain.frames import (
    MEASURE,
    MONEY,
    PLANNED_MILESTONES,
    PROMISES,
    REACHED_MILESTONES,
    READINGS,
    REVENUE_FINDINGS,
    check_frame,
    empty,
)
from tieout.domain.revenue.shares import stacked
from tieout.domain.revenue.straight_line import elapsed

COST_TO_COST = "cost_to_cost"
INPUTS = {COST_TO_COST: "cost", "labor_hours": "hours", "units": "units"}
"""Methods whose progress is a quantity read to date over an estimate at completion."""
SERIES = ("straight_line", "units", "point_in_time")
"""What these measure is distinct unit by unit: hours, days, periods, deliveries (IFRS 15.22(b), 18–21)."""

_POINT = ["unit", "change", "obligation", "day"]
_LINE = ["contract", "line"]
_READ = ["cost", "hours", "units", "estimated_cost", "estimated_hours", "estimated_units"]
_BESIDE = ["uninstalled_cost", "wasted_cost", "reimbursed_price"]
_COLUMNS: dict[str, Any] = {
    **{c: PROMISES[c] for c in ("unit", "change", "obligation", "contract", "line", "method", "basis")},
    "day": pl.Date, "done": MEASURE, "total": MEASURE, "stated": MEASURE, "uninstalled": MONEY, "reimbursed": MONEY,
    "completed": pl.Boolean,
}  # fmt: skip
_PARTS = pl.Schema(_COLUMNS)


@dataclass(frozen=True)
class Performance:
    """What was promised and what was done: PROMISES, PLANNED_MILESTONES, REACHED_MILESTONES, READINGS (to date)."""

    promises: pl.DataFrame
    planned: pl.DataFrame
    reached: pl.DataFrame
    readings: pl.DataFrame

    def __post_init__(self) -> None:
        check_frame("promises", self.promises, PROMISES)
        check_frame("planned milestones", self.planned, PLANNED_MILESTONES)
        check_frame("reached milestones", self.reached, REACHED_MILESTONES)
        check_frame("readings", self.readings, READINGS)

    @cached_property
    def filled(self) -> pl.DataFrame:
        """Readings carried forward, prepared once for every time the same facts are measured."""
        return _filled(self.readings).sort("day")

    @cached_property
    def read_estimates(self) -> pl.DataFrame:
        """Estimates at completion as read, by line, method and day."""
        return _read_estimates(self.readings).sort("day")

    @cached_property
    def stated_estimates(self) -> pl.DataFrame:
        """Since when each line's estimate is what the terms say."""
        return _stated_estimates(self.promises)


def valid_readings(readings: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """READINGS without those that cannot be: each of these is a `progress-invalid` finding and the last valid stands.

    Progress is measured on reliable information only (IFRS 15.44). Refused: a percentage outside 0 to 1, a negative
    quantity, an estimate that is not positive, more uninstalled and wasted cost than cost.
    """
    check_frame("readings", readings, READINGS)
    negative = pl.any_horizontal((pl.col(c) < 0).fill_null(False) for c in [*_READ, *_BESIDE])
    percent = (~pl.col("percent").is_between(0, 1)).fill_null(False)
    estimate = pl.any_horizontal(
        (pl.col(c) == 0).fill_null(False) for c in _READ if c.startswith("estimated")
    )
    beside = pl.col("uninstalled_cost").fill_null(0) + pl.col("wasted_cost").fill_null(0)
    judged = readings.with_columns(
        pl.when(percent).then(pl.format("progress {} is not between 0 and 1", "percent"))
        .when(negative).then(pl.lit("a quantity to date or an estimate is negative"))
        .when(estimate).then(pl.lit("an estimate at completion is zero"))
        .when((beside > pl.col("cost")).fill_null(False))
        .then(pl.format("uninstalled and wasted cost {} exceed the cost {}", beside, "cost"))
        .alias("detail")
    )  # fmt: skip
    good = judged.filter(pl.col("detail").is_null()).drop("detail")
    bad = judged.filter(pl.col("detail").is_not_null()).select(
        pl.lit("progress-invalid").alias("kind"), pl.lit(None, pl.String).alias("unit"),
        pl.lit(None, pl.String).alias("obligation"), "contract", "line", "day", "detail",
    )  # fmt: skip
    return good, bad.select(REVENUE_FINDINGS.names())


def measure(points: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """Points (unit, change, obligation, day) with what is done, in total and beside the ratio, on the terms of `change`.

    Adds `to_date` and `done` (at most the total), `total` (max of stated and to date; 0 where none is known, then nothing is earned), `stated`,
    `uninstalled`, `reimbursed`, `completed`, `method`, `one_measure`. An obligation has one measure over its pooled
    lines (IFRS 15.40); with several methods nothing is measured and `one_measure` is false.
    """
    wanted = points.select(_POINT).unique()
    lines = wanted.join(performance.promises, on=["unit", "change", "obligation"], how="inner")
    parts = stacked(
        [_time(lines), _date(lines, performance), _milestones(lines, performance), *_quantities(lines, performance)],
        _PARTS,
    )  # fmt: skip
    kinds = pl.struct("method", pl.col("basis").fill_null("")).n_unique()
    pooled = parts.group_by(_POINT).agg(
        pl.col("done", "total", "stated", "uninstalled", "reimbursed").sum(),
        pl.col("completed").fill_null(False).all(),
        pl.col("method").first(),
        (kinds == 1).alias("one_measure"),
    )
    usable = pl.when(pl.col("one_measure"))
    measured = pooled.with_columns(
        pl.col("done").alias("to_date"),
        usable.then(pl.min_horizontal("done", "total")).otherwise(0).cast(MEASURE).alias("done"),
        usable.then("total").otherwise(0).cast(MEASURE).alias("total"),
    )
    return points.join(measured, on=_POINT, how="left", maintain_order="left").with_columns(
        pl.col("to_date", "done", "total", "stated").fill_null(0),
        pl.col("uninstalled", "reimbursed").fill_null(0),
        pl.col("completed").fill_null(False),
        pl.col("one_measure").fill_null(True),
    )


def _time(lines: pl.DataFrame) -> pl.DataFrame:
    """IFRS 15.B18: effort expended evenly; days or months elapsed of the span, both ends inclusive."""
    rows = lines.filter(pl.col("method") == "straight_line")
    start, end, basis = pl.col("start"), pl.col("end"), pl.col("basis")
    return _part(
        rows.with_columns(
            elapsed(start, end, pl.col("day"), basis).fill_null(0).alias("done"),
            elapsed(start, end, end, basis).fill_null(0).alias("total"),
        )
    )


def _date(lines: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """IFRS 15.38: control passes on a stated day (`end` of the line); nothing before, all from then on.

    Without a day or a milestone nothing can be measured.
    """
    rows = lines.filter(pl.col("method") == "point_in_time").join(
        performance.planned, on=["unit", "change", *_LINE], how="anti"
    )
    passed = (pl.col("day") >= pl.col("end")).fill_null(False)
    known = pl.col("end").is_not_null().cast(pl.Int64)
    return _part(rows.with_columns(passed.cast(pl.Int64).alias("done"), known.alias("total")))


def _milestones(lines: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """IFRS 15.B15: accepted milestones by weight; for `point_in_time` its one milestone carries all the weight."""
    rows = lines.filter(pl.col("method").is_in(["milestone", "point_in_time"]))
    first = performance.reached.group_by([*_LINE, "milestone"]).agg(pl.col("day").min().alias("reached_on"))
    planned = rows.join(performance.planned, on=["unit", "change", *_LINE], how="inner").join(
        first, on=[*_LINE, "milestone"], how="left"
    )
    reached = (pl.col("reached_on") <= pl.col("day")).fill_null(False)
    weight = pl.col("weight")
    keys = [*_POINT, *_LINE, "method", "basis"]
    summed = planned.group_by(keys).agg(
        weight.filter(reached).sum().alias("done"), weight.sum().alias("total")
    )
    return _part(summed)


def _quantities(lines: pl.DataFrame, performance: Performance) -> list[pl.DataFrame]:
    """IFRS 15.B14–B19: units, hours or cost to date over the estimate at completion; a stated percentage overrides."""
    rows = lines.filter(pl.col("method").is_in(list(INPUTS)))
    if rows.is_empty():
        return []
    state = _as_of(rows, performance)
    used = set(rows["method"])
    return [
        _quantity(state.filter(pl.col("method") == method), quantity)
        for method, quantity in INPUTS.items()
        if method in used
    ]


def _quantity(rows: pl.DataFrame, quantity: str) -> pl.DataFrame:
    """IFRS 15.B19: uninstalled materials leave both sides of the ratio; wasted cost is no progress (B19(a))."""
    none = pl.lit(0).cast(MONEY)
    uninstalled = pl.col("uninstalled_cost") if quantity == "cost" else none
    aside = (uninstalled + pl.col("wasted_cost")) if quantity == "cost" else none
    stated, to_date = pl.col("_estimate"), pl.col(quantity).fill_null(0).cast(MEASURE)
    total = pl.when(stated.is_not_null()).then(pl.max_horizontal(stated, to_date) - aside).otherwise(0)
    whole = pl.coalesce("_estimate", pl.lit(1)).cast(MEASURE)
    by_percent = pl.col("percent").is_not_null()
    return _part(
        rows.with_columns(
            pl.when(by_percent).then(pl.col("percent") * whole).otherwise(to_date - aside).alias("done"),
            pl.when(by_percent).then(whole).otherwise(total).alias("total"),
            pl.when(~by_percent).then(stated).alias("stated"),
            pl.when(by_percent).then(0).otherwise(uninstalled).alias("uninstalled"),
            pl.col("reimbursed_price").alias("reimbursed"),
        )
    )


def _as_of(rows: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """Each line at its point with the last readings on or before the day, and the latest estimate of its method."""
    held = _latest(rows, performance.filled, _LINE)
    read = _latest(held, performance.read_estimates, [*_LINE, "method"])
    both = read.join(performance.stated_estimates, on=["unit", "change", *_LINE], how="left")
    later = (pl.col("_read_on") > pl.col("_stated_on")) | (
        (pl.col("_read_on") == pl.col("_stated_on")) & (pl.col("_stated_by") == 0)
    )
    estimate = pl.when(later.fill_null(pl.col("_stated_on").is_null())).then("_read").otherwise("estimate")
    return both.with_columns(estimate.alias("_estimate"), pl.col(_BESIDE).fill_null(0))


def costs_at_completion(points: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """`cost` to date and `estimated_cost` of each line on points (unit, day), on the terms of the day (IAS 37.68).

    The estimate is never below the cost. Lines whose cost at completion nobody has estimated are left out.
    """
    terms = points.join(performance.promises, on="unit").filter(pl.col("since") <= pl.col("day"))
    now = terms.filter(pl.col("change") == pl.col("change").max().over("unit", "day"))
    by_cost = pl.col("method") == COST_TO_COST
    read = now.with_columns(by_cost.alias("_by_cost"), pl.lit(COST_TO_COST).alias("method"))
    state = _as_of(read, performance)
    estimate = pl.when("_by_cost").then("_estimate").otherwise("_read")
    told = state.with_columns(pl.col("cost").fill_null(0), estimate.alias("estimated_cost")).drop_nulls(
        "estimated_cost"
    )
    return told.select(
        "unit", "day", *_LINE, "cost", pl.max_horizontal("estimated_cost", "cost").cast(MONEY).alias("estimated_cost")
    )  # fmt: skip


def _latest(rows: pl.DataFrame, facts: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.sort("day").join_asof(facts, on="day", by=by, check_sortedness=False)


def _filled(readings: pl.DataFrame) -> pl.DataFrame:
    """Readings to date, each quantity carried forward; a later quantity ends a percentage stated before it."""
    measured = pl.any_horizontal(pl.col(c).is_not_null() for c in ("cost", "hours", "units"))
    ended = pl.when(pl.col("percent").is_null() & measured).then(-1).otherwise(pl.col("percent"))
    kept = ["cost", "hours", "units", "percent", *_BESIDE, "completed"]
    filled = (
        readings.sort("day", maintain_order=True)
        .with_columns(ended.cast(READINGS["percent"]).alias("percent"))
        .with_columns(pl.col(kept).forward_fill().over(_LINE))
        .unique([*_LINE, "day"], keep="last", maintain_order=True)
    )
    stands = pl.when(pl.col("percent") >= 0).then("percent")
    return filled.select(*_LINE, "day", *kept).with_columns(stands.alias("percent"))


def _stated_estimates(promises: pl.DataFrame) -> pl.DataFrame:
    """For each line under each change: since which change and day its estimate is what the terms say.

    An estimate that a change repeats is not stated anew: what was read since it was first stated stands.
    """
    of = ["unit", *_LINE]
    terms = promises.filter(pl.col("estimate").is_not_null()).sort("change")
    anew = pl.col("estimate").ne_missing(pl.col("estimate").shift().over(of))
    return terms.with_columns(
        pl.when(anew).then("since").forward_fill().over(of).alias("_stated_on"),
        pl.when(anew).then("change").forward_fill().over(of).alias("_stated_by"),
    ).select("unit", "change", *_LINE, "_stated_on", "_stated_by")


def _read_estimates(readings: pl.DataFrame) -> pl.DataFrame:
    """Estimates at completion as read, by line, method and day."""
    keys = [*_LINE, "method", "day"]
    read = [
        readings.filter(pl.col(f"estimated_{quantity}").is_not_null()).select(
            *_LINE, pl.lit(method).alias("method"), "day",
            pl.col(f"estimated_{quantity}").cast(MEASURE).alias("_read"), pl.col("day").alias("_read_on"),
        )
        for method, quantity in INPUTS.items()
    ]  # fmt: skip
    return pl.concat(read).unique(keys, keep="last", maintain_order=True)


def _part(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with every column of a measured part; what a method does not know is nothing."""
    if rows.is_empty():
        return empty(_PARTS)
    defaults = {
        "stated": pl.lit(None), "uninstalled": pl.lit(0), "reimbursed": pl.lit(0), "completed": pl.lit(False),
    }  # fmt: skip
    added = [value.alias(column) for column, value in defaults.items() if column not in rows.columns]
    return rows.with_columns(added).select(pl.col(c).cast(t) for c, t in _PARTS.items())
