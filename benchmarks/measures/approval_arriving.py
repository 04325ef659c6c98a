"""Approvals arriving: a contract-month of 200 entries of which 8 are new, from the commit of the fact to its draft."""

from __future__ import annotations

import time
from functools import partial
from statistics import median

from sqlalchemy import Engine, text

from benchmarks import firm
from benchmarks.measurement import Measurement, server
from tieout.domain.frames.own_thread import in_own_thread
from tieout.hub import billing, rating
from tieout.hub.actors import PREPARER, Actor
from tieout.store.database import connect, create_database, prepare

GOAL_MILLISECONDS = 50
ENTRIES, NEW, CONTRACTS, WARM_UP = 200, 8, 60, 10
_CLERK = Actor("clerk@bench", frozenset({PREPARER}))
_LATE = text(
    "UPDATE time_entry SET state = :state WHERE project = :project AND key IN (SELECT key FROM time_entry"
    " WHERE project = :project ORDER BY length(key) DESC, key DESC LIMIT :new)"
)


def run(full: bool) -> list[Measurement]:
    """Median milliseconds over contracts, after a warm-up: the entries are rated and the contract is drafted."""
    with server() as (postgres, _):
        engine = connect(create_database(postgres.url(), "bench_arriving"))
        prepare(engine)
        contracts = firm.build(engine, CONTRACTS * ENTRIES, ENTRIES)
        for contract in contracts:
            _state(engine, contract, "submitted")
        with engine.begin() as conn:
            rating.rate_contracts(conn, contracts)
        # as every flow does
        taken = [in_own_thread(partial(_arrival, engine, contract)) for contract in contracts][WARM_UP:]
        _check(engine)
        engine.dispose()
    middle = median(taken)
    return [
        Measurement("8 approvals of a contract-month, rated and drafted, in ms", f"{middle:.0f} ms", middle,
                    GOAL_MILLISECONDS, False)
    ]  # fmt: skip


def _arrival(engine: Engine, contract: str) -> float:
    _state(engine, contract, "approved")
    start = time.perf_counter()
    with engine.begin() as conn:
        rating.rate_contracts(conn, [contract])
    with engine.begin() as conn:
        billing.draft_partition(conn, billing.start_run(conn, _CLERK, firm.THROUGH, contract=contract), 1)
    return (time.perf_counter() - start) * 1000


def _state(engine: Engine, contract: str, state: str) -> None:
    with engine.begin() as conn:
        conn.execute(_LATE, {"state": state, "project": f"P{contract}", "new": NEW})


def _check(engine: Engine) -> None:
    told = text("SELECT count(*), sum(amount - drafted_amount) FROM billing_balance")
    with engine.connect() as conn:
        events, left = conn.execute(told).one()
    if (events, left) != (CONTRACTS * ENTRIES, 0):
        raise RuntimeError(f"{events} events, {left} not drafted")
