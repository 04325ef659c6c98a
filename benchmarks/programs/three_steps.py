"""Ours: a worker whose flow has three transactions of one insert each. Settings from the environment."""

from __future__ import annotations

from sqlalchemy import Connection, text

from tieout.bootstrap import read_settings
from tieout.flows.durable import run_worker, transaction, workflow


@transaction
def insert(conn: Connection, key: str, name: str) -> None:
    """One effect."""
    conn.execute(text("INSERT INTO effect (key, step) VALUES (:k, :s)"), {"k": key, "s": name})


@workflow("three", queue="flows")
def three(key: str) -> None:
    """Three effects."""
    for name in ("first", "second", "third"):
        insert(key, name)


if __name__ == "__main__":
    run_worker(read_settings(), 1)
