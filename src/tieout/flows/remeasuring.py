"""Remeasurement of one entity's balances in other currencies when a period is over."""

from __future__ import annotations

from tieout.flows.durable import Later, committed, environment, workflow
from tieout.hub import remeasuring


@workflow("remeasure", queue="flows")
def remeasure(key: str) -> Later | None:
    """The key is ENTITY/PERIOD."""
    entity, _, period = key.rpartition("/")
    committed(environment(), lambda conn: remeasuring.remeasure(conn, entity, period))
    return None
