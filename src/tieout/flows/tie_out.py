"""One run of one tie-out check: CHECK/ENTITY/PERIOD."""

from __future__ import annotations

from tieout.flows.durable import Later, environment, workflow
from tieout.hub import tie_out as hub


@workflow("tie_out", queue="runs")
def tie_out(key: str) -> Later | None:
    """Pull the report, compare, keep the result; the same facts give the same run, so once more does no harm."""
    check, entity, period = key.split("/")
    hub.run(environment(), check, entity, period)
    return None
