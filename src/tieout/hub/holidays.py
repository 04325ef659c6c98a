"""The public holidays of a legal entity's country, for entities of which nobody stated a calendar.

They come from the package `holidays`, national ones only, days on which they are observed included. It is asked only
where a price or an overtime rule tells kinds of day apart, once per country and year: loading it takes a moment.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from functools import cache

import polars as pl

from tieout.domain.frames import HOLIDAYS, frame
from tieout.hub.policies import Policies


def calendars(
    policies: Policies, countries: Mapping[str, str | None], years: Collection[int]
) -> pl.DataFrame:
    """HOLIDAYS of entities: those that the workspace states, else those of the entity's country in the years."""
    stated = policies.calendars
    if policies.holidays:
        return stated
    rows = [
        {"entity": entity, "day": day}
        for entity, country in sorted(countries.items())
        if country and entity not in policies.local_holidays
        for year in sorted(years)
        for day in of_country(country, year)
    ]
    return pl.concat([stated, frame(rows, HOLIDAYS)])


@cache
def of_country(country: str, year: int) -> tuple[date, ...]:
    """The national holidays of a country (ISO 3166-1 alpha-2) in a year; none where the package does not know it."""
    from holidays import country_holidays

    try:
        return tuple(sorted(country_holidays(country, years=year)))
    except NotImplementedError:
        return ()
