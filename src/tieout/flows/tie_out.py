"""One run of one tie-out check: CHECK/ENTITY/PERIOD."""

from __future__ import annotations

from tieout.flows.durable import Later, environment, step, workflow
from tieout.hub import tie_out as hub


@workflow("tie_out", queue="runs")
def tie_out(key: str) -> Later | None:
    """Pull the report, compare, keep the result."""
    compare(key)
    return None


@step
def compare(key: str) -> str:
    """The id of the run; the same facts give the same run, so once more does no harm."""
    check, entity, period = key.split("/")
    return hub.run(environment(), check, entity, period)
