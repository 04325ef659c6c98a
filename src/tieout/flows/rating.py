"""Rating: contracts that are due together in one run, and all time that belongs to none; run again it changes nothing."""

from __future__ import annotations

from tieout.flows.durable import batch_workflow, committed, environment
from tieout.hub import rating
from tieout.hub.events import UNASSIGNED


@batch_workflow("rate", queue="runs")
def rate(keys: list[str]) -> None:
    """Bring events, revenue and exceptions of contracts to what the facts say now; `unassigned`: time without one."""
    contracts = sorted(set(keys) - {UNASSIGNED})
    if contracts:
        committed(environment(), lambda conn: rating.rate_contracts(conn, contracts))
    if UNASSIGNED in keys:
        committed(environment(), rating.rate_unassigned)
