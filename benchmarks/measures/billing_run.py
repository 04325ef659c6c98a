"""A billing run of a whole firm: from approved entries in PostgreSQL to billing events, revenue, drafts and their lines.

The limit it is held against is COPY of every row it committed, into empty copies of the same tables.
"""

from __future__ import annotations

import math
import multiprocessing
import resource
import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy import Engine, text

from benchmarks import copying, firm
from benchmarks.measurement import Measurement, server, slope
from tieout.domain.frames.own_thread import in_own_thread
from tieout.hub import billing, rating
from tieout.hub.actors import PREPARER, Actor
from tieout.store import billing_runs
from tieout.store.database import connect, create_database, prepare

GOAL_COPY, GOAL_GIGABYTES, GOAL_GROWTH = 3.0, 3.0, 1.05
CONTRACTS_A_TRANSACTION = 100
COMMITTED = (
    "billing_event", "billing_balance", "journal", "journal_line", "revenue_entry", "billing_run", "billing_run_part",
    "invoice", "invoice_line", "invoice_line_event", "event", "audit",
)  # fmt: skip
_CLERK = Actor("clerk@bench", frozenset({PREPARER}))


def run(full: bool) -> list[Measurement]:
    """Time against COPY and peak memory at the largest size, and how the time grows; each size in a new process."""
    sizes = (250_000, 500_000, 1_000_000, 2_000_000) if full else (250_000, 500_000)
    found = [_measured(size) for size in sizes]
    ours, copied, gigabytes = found[-1]
    speed = f"{sizes[-1] / ours:,.0f} of {sizes[-1]:,} entries/s"
    growth = slope([math.log(size) for size in sizes], [math.log(one[0]) for one in found])
    return [
        Measurement("billing run against COPY of its rows", speed, ours / copied, GOAL_COPY, False),
        Measurement(
            "billing run, peak memory in GB", f"{gigabytes:.2f} GB", gigabytes, GOAL_GIGABYTES, False
        ),
        Measurement("billing run, exponent of growth", f"{ours:.0f} s", growth, GOAL_GROWTH, False),
    ]


def _measured(entries: int) -> tuple[float, float, float]:
    """Seconds of ours, seconds of COPY, peak gigabytes of the process that ran."""
    with server() as (postgres, folder):
        admin = postgres.url()
        for name in ("bench_empty", "bench_firm"):
            engine = connect(create_database(admin, name))
            prepare(engine)
            engine.dispose()
        url = create_database(admin, "bench_firm")
        engine = connect(url)
        contracts = firm.build(engine, entries)
        engine.dispose()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            ours, gigabytes = pool.apply(in_own_thread, (partial(_run, url, contracts),))
        files = copying.written(url, COMMITTED, folder)
        return ours, copying.seconds(admin, "bench_empty", files), gigabytes


def _run(url: str, contracts: Sequence[str]) -> tuple[float, float]:
    engine = connect(url)
    start = time.monotonic()
    for place in range(0, len(contracts), CONTRACTS_A_TRANSACTION):
        with engine.begin() as conn:
            rating.rate_contracts(conn, contracts[place : place + CONTRACTS_A_TRANSACTION])
    with engine.begin() as conn:
        run_id = billing.start_run(conn, _CLERK, firm.THROUGH)
        partitions = sorted({part["partition"] for part in billing_runs.parts(conn, run_id)})
    for partition in partitions:
        with engine.begin() as conn:
            billing.draft_partition(conn, run_id, partition)
    taken = time.monotonic() - start
    _check(engine, contracts)
    engine.dispose()
    return taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _check(engine: Engine, contracts: Sequence[str]) -> None:
    """Everything was billed once: a fast run that loses hours measures nothing."""
    told = "SELECT count(*), sum(amount), sum(drafted_amount), sum(recognised_amount) FROM billing_balance"
    with engine.connect() as conn:
        events, amount, drafted, earned = conn.execute(text(told)).one()
        drafts = conn.execute(text("SELECT count(*), sum(net_amount) FROM invoice")).one()
        entries = conn.execute(text("SELECT count(*) FROM time_entry")).scalar_one()
    if (events, amount, amount) != (entries, drafted, earned) or tuple(drafts) != (len(contracts), amount):
        raise RuntimeError(
            f"{entries} entries, {events} events of {amount}: drafted {drafted}, earned {earned}"
        )
