"""What the columns of frames hold, and the one check that enforces a shape.

Amounts are in currency units, hours in hours, shares from 0 to 1; all exact decimals with the scales of the store.
Dates are civil dates, inclusive at both ends; a null end date means open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import polars as pl

MONEY = pl.Decimal(20, 4)
PRICE = pl.Decimal(20, 6)
HOURS = pl.Decimal(20, 6)
SHARE = pl.Decimal(9, 6)
MOMENT = pl.Datetime("us", "UTC")
QUANTITY = HOURS
MEASURE = pl.Decimal(38, 6)
EXCHANGE_RATE = pl.Decimal(20, 10)


def schema(**columns: Any) -> pl.Schema:
    """A shape from its columns."""
    return pl.Schema(columns)


class FrameMismatch(TypeError):
    """A frame that is not what its function declares: a programming error, never bad business data."""


def check_frame(name: str, df: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame itself with its columns in declared order; raises `FrameMismatch` that names what differs."""
    held = df.schema
    if held == schema:
        return df
    wrong = [f"{column} is missing" for column in schema if column not in held]
    wrong += [
        f"{column} is {held[column]}, expected {dtype}"
        for column, dtype in schema.items()
        if column in held and held[column] != dtype
    ]
    if wrong:
        raise FrameMismatch(f"frame {name}: " + "; ".join(wrong))
    return df[schema.names()]


def conform(name: str, df: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame cast to its schema without losing a digit; a decimal that does not fit raises."""
    held = df.schema
    other = {column: dtype for column, dtype in schema.items() if column in held and held[column] != dtype}
    lossy = [
        column
        for column, dtype in other.items()
        if isinstance(dtype, pl.Decimal) and _loses_digits(df[column], dtype)
    ]
    if lossy:
        raise FrameMismatch(f"frame {name}: {', '.join(lossy)} has more decimals than its scale")
    cast = df.with_columns(pl.col(column).cast(dtype) for column, dtype in other.items()) if other else df
    return check_frame(name, cast, schema)


def _loses_digits(column: pl.Series, dtype: pl.Decimal) -> bool:
    held = column.dtype
    if not isinstance(held, pl.Decimal) or held.scale <= dtype.scale:
        return False
    back = column.cast(dtype).cast(pl.Decimal(38, held.scale))
    return bool((back != column.cast(pl.Decimal(38, held.scale))).any())


def frame(rows: Iterable[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows of Python values as a frame of that schema; columns a row leaves out are null."""
    rows = list(rows)
    if not rows:
        return empty(schema)
    return pl.DataFrame({c: pl.Series(c, [row.get(c) for row in rows], dtype=t) for c, t in schema.items()})


def empty(schema: pl.Schema) -> pl.DataFrame:
    """No rows of that schema."""
    return _empty(tuple(schema.items())).clone()


@cache
def _empty(columns: tuple[tuple[str, pl.DataType], ...]) -> pl.DataFrame:
    """Made once for each shape: the most frequent frame of a small run has no rows."""
    return pl.DataFrame(schema=dict(columns))
