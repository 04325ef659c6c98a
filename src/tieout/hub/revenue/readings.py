"""What was done of contract lines by day: what projects report, else the hours worked and the units delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import cost_in_currency
from tieout.domain.frames import REACHED_MILESTONES, READINGS, check_frame, conform, frame
from tieout.hub.rating.facts import with_lines
from tieout.hub.revenue.terms import Unit
from tieout.store import costing
from tieout.store import revenue as store

_LINE = ["contract", "line"]
_QUANTITY = {"labor_hours": "hours", "units": "units"}


def readings_of(
    conn: Connection,
    units: Sequence[Unit],
    terms: Mapping[str, Sequence[Mapping[str, Any]]],
    rates: pl.DataFrame,
) -> pl.DataFrame:
    """READINGS of the units' lines, cost in the currency of their contracts (`rates`: EXCHANGE_RATES).

    Where a line reports a quantity or a percentage, its entries do not count.
    """
    keys = sorted({key for unit in units for key in unit.contracts})
    reported = conform("progress", store.progress(conn, keys), READINGS)
    restated = frame([row for unit in units for row in unit.readings], READINGS)
    parts = [restated, reported]
    methods = {
        (row["contract"], row["line"], row["method"])
        for unit in units
        for version in unit.versions
        for row in version.lines.values()
    }
    for method, quantity in _QUANTITY.items():
        lines = [(contract, line) for contract, line, own in sorted(methods) if own == method]
        if lines:
            done = _worked(conn, keys, terms) if quantity == "hours" else store.delivered(conn, keys)
            parts.append(_to_date(_of(done, lines, reported, quantity), quantity))
    estimated = reported.filter(pl.col("estimated_cost").is_not_null()).select(_LINE).unique()
    by_cost = sorted(
        {(c, line) for c, line, own in methods if own == "cost_to_cost"} | set(estimated.iter_rows())
    )
    if by_cost:
        done = _of(_cost(conn, keys, units, rates), by_cost, reported, "cost")
        parts.append(_filled(done))
    return pl.concat(parts)


def _cost(conn: Connection, keys: Sequence[str], units: Sequence[Unit], rates: pl.DataFrame) -> pl.DataFrame:
    """Cost to date by contract line and day: the books have it in their currency, estimates and prices are in the contract's."""
    currencies = {key: unit.changes[0].head["currency"] for unit in units for key in unit.contracts}
    wanted = pl.col("contract").replace_strict(currencies, return_dtype=pl.String).alias("wanted")
    return cost_in_currency(costing.cost_to_date(conn, keys).with_columns(wanted), rates)


def reached(conn: Connection, units: Sequence[Unit]) -> pl.DataFrame:
    """The milestones that are accepted (REACHED_MILESTONES)."""
    keys = sorted({key for unit in units for key in unit.contracts})
    return check_frame("milestones", store.accepted(conn, keys), REACHED_MILESTONES)


def _worked(
    conn: Connection, keys: Sequence[str], terms: Mapping[str, Sequence[Mapping[str, Any]]]
) -> pl.DataFrame:
    """Hours by contract line and day."""
    placed = with_lines(store.worked(conn, keys), terms)
    return placed.group_by(*_LINE, "day").agg(pl.col("quantity").sum())


def _of(
    done: pl.DataFrame, lines: Sequence[tuple[str, str]], reported: pl.DataFrame, quantity: str
) -> pl.DataFrame:
    """What was done of these lines, those apart that report it themselves."""
    mine = pl.DataFrame(list(lines), schema=dict.fromkeys(_LINE, pl.String), orient="row")
    own = reported.filter(pl.col(quantity).is_not_null() | pl.col("percent").is_not_null())
    return done.join(mine, on=_LINE, how="semi").join(own, on=_LINE, how="anti")


def _to_date(done: pl.DataFrame, quantity: str) -> pl.DataFrame:
    ordered = done.sort(*_LINE, "day").with_columns(
        pl.col("quantity").cum_sum().over(_LINE).cast(READINGS[quantity]).alias(quantity)
    )
    return _filled(ordered)


def _filled(rows: pl.DataFrame) -> pl.DataFrame:
    """READINGS of rows that know some of its columns."""
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in READINGS.items() if name not in rows.columns
    ]
    return check_frame("readings", rows.with_columns(missing), READINGS)
