"""A peer: Tryton invoicing its own timesheets, against our rating and drafting of as many hours on the same PostgreSQL.

Tryton comes from the package registry into an environment of its own. Both are warm: masters are there, and a first
project or contract was invoiced before the time is taken.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from benchmarks import firm
from benchmarks.measurement import Measurement, server
from tieout.domain.frames.own_thread import in_own_thread
from tieout.hub import billing, rating
from tieout.hub.actors import PREPARER, Actor
from tieout.store import billing_runs
from tieout.store.database import connect, create_database, prepare

GOAL = 30.0
LINES, WARM_UP, A_PROJECT = 8_000, 400, 200
PACKAGES = (
    "trytond==8.2.*",
    "trytond-project-invoice==8.2.*",
    "proteus==8.2.*",
    "psycopg[binary]",
    "psycopg_pool",
)
PEER = Path(__file__).parents[1] / "peers" / "tryton_invoicing.py"
_CLERK = Actor("clerk@bench", frozenset({PREPARER}))


def run(full: bool) -> list[Measurement]:
    """Lines a second of ours over Tryton's."""
    with server() as (postgres, folder):
        theirs = _tryton(postgres.url(), folder)
        ours = in_own_thread(partial(_ours, postgres.url()))
    speed = f"{LINES / ours:,.0f} of our, {LINES / theirs:,.0f} of its lines/s"
    return [Measurement("timesheet lines invoiced, against Tryton", speed, theirs / ours, GOAL)]


def _tryton(url: str, folder: Path) -> float:
    """Seconds in which Tryton invoices the lines; its environment goes with the folder."""
    python = folder / "tryton" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "--quiet", folder / "tryton"], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *PACKAGES], check=True)
    where = urlsplit(url)
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")} | {
        "PGHOST": parse_qs(where.query)["host"][0], "PGUSER": where.username or "", "DB_NAME": "tryton",
        "PGPASSWORD": unquote(where.password or ""), "TRYTOND_DATABASE_URI": "postgresql://",
    }  # fmt: skip
    told = subprocess.run(
        [python, PEER, str(LINES), str(WARM_UP)], env=env, check=True, capture_output=True, text=True
    )
    return float(json.loads(told.stdout.splitlines()[-1])["seconds"])


def _ours(url: str) -> float:
    """Seconds in which we rate and draft as many hours, with revenue, journals and balances."""
    engine = connect(create_database(url, "bench_ours"))
    prepare(engine)
    contracts = firm.build(engine, LINES + WARM_UP, A_PROJECT)
    first = WARM_UP // A_PROJECT
    taken = 0.0
    for part in (contracts[:first], contracts[first:]):
        start = time.perf_counter()
        with engine.begin() as conn:
            rating.rate_contracts(conn, part)
        with engine.begin() as conn:
            run_id = billing.start_run(conn, _CLERK, firm.THROUGH)
            partitions = sorted({one["partition"] for one in billing_runs.parts(conn, run_id)})
        for partition in partitions:
            with engine.begin() as conn:
                billing.draft_partition(conn, run_id, partition)
        taken = time.perf_counter() - start
    engine.dispose()
    return taken
