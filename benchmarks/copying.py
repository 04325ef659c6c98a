"""The raw limit of a run: COPY every row that it committed into empty copies of the same tables, keys and rules on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import psycopg

from tieout.store.database import clone_database, drop_database

TURNS = 3
_BLOCK = 1 << 20


def written(url: str, tables: Sequence[str], folder: Path) -> dict[str, Path]:
    """Every row of the tables as files that COPY reads."""
    files = {}
    with psycopg.connect(url) as conn, conn.cursor() as cursor:
        for table in tables:
            files[table] = folder / f"{table}.copy"
            with (
                files[table].open("wb") as file,
                cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy,
            ):  # type: ignore[arg-type]
                for block in copy:
                    file.write(block)
    return files


def seconds(admin_url: str, template: str, files: dict[str, Path]) -> float:
    """Median of three turns, each into a new copy of the empty database `template`; one transaction a table."""
    turns = []
    for _ in range(TURNS):
        url = clone_database(admin_url, template, "bench_copy")
        with psycopg.connect(url, autocommit=True) as conn:
            start = time.monotonic()
            for table, file in files.items():
                with conn.transaction(), conn.cursor() as cursor:
                    _fill(cursor, table, file)
            turns.append(time.monotonic() - start)
        drop_database(admin_url, "bench_copy")
    return median(turns)


def _fill(cursor: psycopg.Cursor[object], table: str, file: Path) -> None:
    with cursor.copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy, file.open("rb") as source:  # type: ignore[arg-type]
        while block := source.read(_BLOCK):
            copy.write(block)
