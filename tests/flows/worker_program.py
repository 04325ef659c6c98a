"""A worker process with flows for tests: `python -m tests.flows.worker_program SLOT`, settings from the environment.

Every effect is a row of the table `effect` (key, step, pid), so that a test counts what was really done.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime, timezone

from sqlalchemy import Connection, text

from tieout.bootstrap import read_settings
from tieout.flows.durable import Later, environment, run_worker, step, transaction, workflow

TABLES = """
CREATE TABLE effect (number bigserial PRIMARY KEY, key text NOT NULL, step text NOT NULL, pid int NOT NULL);
CREATE TABLE gate (key text PRIMARY KEY);
"""
NEXT_MONTH = datetime(2026, 4, 1, tzinfo=timezone.utc)


def note(conn: Connection, key: str, name: str) -> None:
    """One effect."""
    row = {"key": key, "step": name, "pid": os.getpid()}
    conn.execute(text("INSERT INTO effect (key, step, pid) VALUES (:key, :step, :pid)"), row)


@transaction
def first(conn: Connection, key: str) -> str:
    """Effectively once."""
    note(conn, key, "first")
    return key


@step
def second(key: str) -> str:
    """At least once; a key that starts with `gated` waits for its gate."""
    with environment().begin() as conn:
        note(conn, key, "second")
    deadline = time.monotonic() + 30
    while key.startswith("gated") and time.monotonic() < deadline:
        with environment().engine.connect() as conn:
            if conn.execute(text("SELECT 1 FROM gate WHERE key = :key"), {"key": key}).scalar():
                break
        time.sleep(0.02)
    return key


@transaction
def third(conn: Connection, key: str) -> None:
    """Effectively once."""
    note(conn, key, "third")


@workflow("test-steps", queue="flows")
def steps(key: str) -> Later | None:
    """Three effects; one key waits for a month, one always fails, one kills its process."""
    first(key)
    if key == "fails":
        raise ValueError("this one never works")
    if key == "kills":
        os._exit(9)
    second(key)
    third(key)
    return Later(NEXT_MONTH, "the month's end") if key.startswith("monthly") else None


if __name__ == "__main__":
    run_worker(read_settings(), int(sys.argv[1]))
