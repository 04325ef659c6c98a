"""Revenue of an obligation at a moment: what is settled plus price × progress since the last prospective change
(IFRS 15.46, 39–41, B19)."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import MEASURE, MONEY
from tieout.domain.revenue.progress import Performance, measure
from tieout.domain.revenue.shares import in_minor_unit, portion, scale

_BASE = ["unit", "obligation", "change", "base_day"]


def earned(points: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """Points (unit, obligation, change, day, base_day, currency, price, settled) with `earned` and `revenue` to date.

    `price` is what the obligation earns from `base_day` on (null: from its beginning), `settled` what it earned
    before. earned = (price − uninstalled) × done ÷ total + uninstalled, all since the base day, rounded once as a
    running total; revenue = settled + earned + reimbursed (recognised as incurred, outside price and ratio).
    Also adds `done`, `total` since the base day and what `measure` adds as `whole_done`, `whole_total`.
    """
    now = measure(points, performance).rename({"done": "whole_done", "total": "whole_total"})
    measured = _since_base(now, performance)
    unit = scale(measured)
    most = pl.col("price").clip(lower_bound=0)
    uninstalled = pl.min_horizontal(in_minor_unit(pl.col("uninstalled"), unit), most)
    spread = portion(pl.col("price") - uninstalled, pl.col("done"), pl.col("total"), unit)
    moved = (
        pl.when(pl.col("total") > 0).then(spread + uninstalled)
        .when(pl.col("whole_total") > 0).then(pl.col("price")).otherwise(0).cast(MONEY)
    )  # fmt: skip
    to_date = pl.col("settled") + moved + in_minor_unit(pl.col("reimbursed"), unit)
    return measured.with_columns(moved.alias("earned"), to_date.cast(MONEY).alias("revenue"))


def _since_base(now: pl.DataFrame, performance: Performance) -> pl.DataFrame:
    """Done, total and uninstalled less what they were on the base day, on the same terms."""
    based = now.filter(pl.col("base_day").is_not_null()).select(_BASE).unique()
    before = measure(based.rename({"base_day": "day"}), performance).select(
        *_BASE[:3], pl.col("day").alias("base_day"), pl.col("to_date").alias("_done"),
        pl.col("uninstalled").alias("_uninstalled"),
    )  # fmt: skip
    joined = now.join(before, on=_BASE, how="left", maintain_order="left").with_columns(
        pl.col("_done", "_uninstalled").fill_null(0)
    )
    left = (pl.col("whole_total") - pl.col("_done")).clip(lower_bound=0)
    return joined.with_columns(
        left.cast(MEASURE).alias("total"),
        (pl.col("whole_done") - pl.col("_done")).clip(lower_bound=0).cast(MEASURE).alias("done"),
        (pl.col("uninstalled") - pl.col("_uninstalled")).clip(lower_bound=0).cast(MONEY).alias("uninstalled"),
    ).drop("_done", "_uninstalled")
