"""A flow of three transactions in one worker, from the work table to its recorded end, against the bare engine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from sqlalchemy import Engine, text

from benchmarks.measurement import Measurement, server
from tieout.hub import work
from tieout.store.database import connect, create_database, plain_url, prepare
from tieout.store.postgres import EmbeddedPostgres

GOAL = 0.77
TABLE = """
CREATE TABLE effect (key text, step text, at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (key, step))
"""
PATIENCE_SECONDS = 300


def run(full: bool) -> list[Measurement]:
    """Flows a second, each side measured in turns; the median of the turns."""
    count, turns = (2000, 5) if full else (400, 3)
    ours, bare = [], []
    with server() as (postgres, folder):
        for turn in range(turns):
            bare.append(_bare(postgres, f"bare_{turn}", count))
            ours.append(_ours(postgres, f"ours_{turn}", count, folder))
    value = median(ours)
    return [
        Measurement("three-step flow against bare DBOS", f"{value:.0f} flows/s", value / median(bare), GOAL)
    ]


def _bare(postgres: EmbeddedPostgres, name: str, count: int) -> float:
    engine = connect(create_database(postgres.url(), name))
    with engine.begin() as conn:
        conn.execute(text(TABLE))
    return _rate(engine, count, ["benchmarks.programs.bare_dbos", plain_url(engine), str(count)], {})


def _ours(postgres: EmbeddedPostgres, name: str, count: int, folder: Path) -> float:
    engine = connect(create_database(postgres.url(), name))
    prepare(engine)
    with engine.begin() as conn:
        conn.execute(text(TABLE))
        work.request_all(conn, [("three", f"k{number}") for number in range(count)])
    told = {"TIEOUT_HOME": str(folder / "home"), "TIEOUT_DATABASE_URL": plain_url(engine)}
    return _rate(engine, count, ["benchmarks.programs.three_steps"], told)


def _rate(engine: Engine, count: int, program: Sequence[str], told: dict[str, str]) -> float:
    """Flows a second between the first and the last effect, by the server's clock; start-up is left out."""
    process = subprocess.Popen([sys.executable, "-m", *program], env={**os.environ, **told})
    deadline = time.monotonic() + PATIENCE_SECONDS
    try:
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.2)
            with engine.connect() as conn:
                query = "SELECT count(*), extract(epoch FROM max(at) - min(at)) FROM effect"
                done, seconds = conn.execute(text(query)).one()
            if done == 3 * count:
                return (count - 1) / float(seconds)
    finally:
        process.kill()
        process.wait()
        engine.dispose()
    raise RuntimeError(f"{program[0]} did not end {count} flows in {PATIENCE_SECONDS} s")
