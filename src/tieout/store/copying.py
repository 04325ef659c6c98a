"""Whole frames in and out of PostgreSQL by COPY, inside the caller's transaction: no statement per row."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import polars as pl
import psycopg
from psycopg import sql
from sqlalchemy import Connection

_NULL = "\\N"


def read_frame(
    conn: Connection, query: str, params: Mapping[str, Any], schema: Mapping[str, Any]
) -> pl.DataFrame:
    """The rows of a query as a frame; its columns are those of the schema, in that order."""
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv, NULL '{_NULL}')"
    with _cursor(conn) as cursor, cursor.copy(statement.encode(), params) as copy:
        data = b"".join(bytes(block) for block in copy)
    names = list(schema)
    if not data:
        return pl.DataFrame(schema=dict(schema))
    texts = pl.read_csv(
        io.BytesIO(data), has_header=False, new_columns=names, infer_schema=False, null_values=[_NULL]
    )
    return texts.select(_typed(name, dtype) for name, dtype in schema.items())


def copy_frame(conn: Connection, table: str, frame: pl.DataFrame) -> None:
    """Append every row of a frame to a table in one statement; the frame's columns carry the table's names."""
    if frame.is_empty():
        return
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in frame.columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL {})").format(
        sql.Identifier(table), columns, sql.Literal(_NULL)
    )
    with _cursor(conn) as cursor, cursor.copy(statement) as copy:
        for part in frame.iter_slices(50_000):
            copy.write(part.write_csv(include_header=False, null_value=_NULL).encode())


def execute_many(conn: Connection, query: str, columns: Mapping[str, Any]) -> int:
    """Run one statement over lists of values, named in it as arrays (`unnest(%(name)s::text[])`); rows touched."""
    with _cursor(conn) as cursor:
        cursor.execute(query.encode(), dict(columns))
        return cursor.rowcount


def _cursor(conn: Connection) -> psycopg.Cursor[Any]:
    if not conn.in_transaction():
        raise AssertionError("frames are read and written inside a transaction of the caller")
    driver = conn.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError(f"COPY needs psycopg, got {type(driver).__name__}")
    return driver.cursor()


def _typed(name: str, dtype: Any) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    if dtype == pl.Boolean:
        return column == "t"
    if isinstance(dtype, pl.Datetime):  # the query gives microseconds since 1970
        return column.cast(pl.Int64).cast(dtype)
    return column.cast(dtype)
