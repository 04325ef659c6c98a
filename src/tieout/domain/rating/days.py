"""What kind of day an entry falls on: holiday before weekend before weekday, by the calendars passed in."""

from __future__ import annotations

import polars as pl

from tieout.domain.rating.policies import Lookups, RatingPolicies
from tieout.model.periods import WEEKDAYS


def with_day_types(entries: pl.DataFrame, policies: RatingPolicies, lookups: Lookups) -> pl.DataFrame:
    """Adds `day_type` (weekday, weekend, holiday) and `band` (null where no time of day is known).

    A holiday is one of the policy's, or of the calendar of the line's entity.
    """
    everywhere = [*policies.holidays, *lookups.holidays.filter(pl.col("entity").is_null())["day"].to_list()]
    local = lookups.holidays.drop_nulls("entity").unique()
    holiday = pl.col("work_date").is_in(everywhere) if everywhere else pl.lit(False)
    if not local.is_empty():
        marked = local.select("entity", pl.col("day").alias("work_date"), pl.lit(True).alias("local_holiday"))
        entries = entries.join(marked, on=["entity", "work_date"], how="left", maintain_order="left")
        holiday = holiday | pl.col("local_holiday").fill_null(False)
    weekend = pl.col("work_date").dt.weekday().is_in([WEEKDAYS.index(day) + 1 for day in policies.weekend])
    kind = pl.when(holiday).then(pl.lit("holiday")).when(weekend).then(pl.lit("weekend"))
    typed = entries.with_columns(kind.otherwise(pl.lit("weekday")).alias("day_type"))
    return _with_bands(typed.drop("local_holiday", strict=False), lookups.bands)


def _with_bands(entries: pl.DataFrame, bands: pl.DataFrame) -> pl.DataFrame:
    if bands.is_empty():
        return entries.with_columns(pl.lit(None, pl.String).alias("band"))
    return entries.join(bands, on="entry", how="left", maintain_order="left", validate="m:1")
