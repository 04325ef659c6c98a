"""A revenue run of a whole firm: lines that earn over 24 months, recognised at once with journals and positions.

The limit it is held against is COPY of every row it committed, into empty copies of the same tables.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial

from sqlalchemy import Engine, text

from benchmarks import copying, firm
from benchmarks.measurement import Measurement, server
from tieout.domain.frames.own_thread import in_own_thread
from tieout.hub import revenue
from tieout.store import clock
from tieout.store.database import connect, create_database, prepare

GOAL_COPY, GOAL_GIGABYTES = 3.0, 3.0
LINES_A_CONTRACT, CONTRACTS_A_TRANSACTION, PERIODS = 10, 100, 24
COMMITTED = ("journal", "journal_line", "obligation_revenue", "event", "work")
_NOW = datetime(2026, 12, 31, 20, tzinfo=timezone.utc)
_LINES = (
    "SELECT jsonb_agg(jsonb_build_object('line', CAST(n AS text), 'billing_method', 'fixed_fee', 'amount',"
    " CAST(24000 + n * 10.01 AS text), 'revenue_method', 'straight_line', 'revenue_from', '2025-01-01',"
    " 'revenue_to', '2026-12-31', 'project', 'P' || t.contract || '-' || n)) FROM generate_series(1, :lines) AS n"
)
_FACTS = (
    "UPDATE contract_terms t SET billing_method = NULL, rate_card = NULL, start_date = '2025-01-01', end_date ="  # noqa: S608
    " '2026-12-31', lines = (" + _LINES + ")",
    "UPDATE contract SET start_date = '2025-01-01', end_date = '2026-12-31', lines = ("
    " SELECT t.lines FROM contract_terms t WHERE t.contract = contract.key)",
)


def run(full: bool) -> list[Measurement]:
    """Time against COPY and peak memory; the run in a new process."""
    lines = 200_000 if full else 20_000
    with server() as (postgres, folder):
        admin = postgres.url()
        for name in ("bench_empty", "bench_firm"):
            engine = connect(create_database(admin, name))
            prepare(engine)
            engine.dispose()
        url = create_database(admin, "bench_firm")
        contracts = _build(url, lines)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            ours, gigabytes = pool.apply(in_own_thread, (partial(_run, url, contracts),))
        copied = copying.seconds(admin, "bench_empty", copying.written(url, COMMITTED, folder))
    speed = f"{lines * PERIODS / ours:,.0f} of {lines * PERIODS:,} line-periods/s"
    return [
        Measurement("revenue run against COPY of its rows", speed, ours / copied, GOAL_COPY, False),
        Measurement(
            "revenue run, peak memory in GB", f"{gigabytes:.2f} GB", gigabytes, GOAL_GIGABYTES, False
        ),
    ]


def _build(url: str, lines: int) -> list[str]:
    engine = connect(url)
    per_contract = 1
    contracts = firm.build(engine, lines // LINES_A_CONTRACT * per_contract, per_contract)
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM time_entry"))
        for statement in _FACTS:
            conn.execute(text(statement), {"lines": LINES_A_CONTRACT} if ":lines" in statement else {})
        clock.set_now(conn, _NOW)
    engine.dispose()
    return contracts


def _run(url: str, contracts: Sequence[str]) -> tuple[float, float]:
    engine = connect(url)
    start = time.monotonic()
    for place in range(0, len(contracts), CONTRACTS_A_TRANSACTION):
        with engine.begin() as conn:
            revenue.recognise_contracts(conn, contracts[place : place + CONTRACTS_A_TRANSACTION])
    taken = time.monotonic() - start
    _check(engine, len(contracts) * LINES_A_CONTRACT)
    engine.dispose()
    return taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _check(engine: Engine, lines: int) -> None:
    """Every line has earned all of its price in 24 parts: a fast run that loses periods measures nothing."""
    told = text("SELECT count(*), count(DISTINCT (contract, line)), sum(amount) FROM obligation_revenue")
    price = text(
        "SELECT sum(CAST(one->>'amount' AS numeric)) FROM contract, jsonb_array_elements(lines) AS one"
    )
    with engine.connect() as conn:
        rows, held, earned = conn.execute(told).one()
        whole = conn.execute(price).scalar_one()
    if (held, earned) != (lines, whole) or rows < lines * PERIODS:
        raise RuntimeError(f"{rows} rows of {held} lines earned {earned} of {whole}")
