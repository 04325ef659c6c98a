"""Status back to the CRM: what changed about project and invoices, up to 200 opportunities in one call.

The key is the CRM's connection. Each row has its own result: one that is refused is an exception of its own and the
others go through; only rows that failed are sent again, and only when their moment has come or a person replays them.
"""

from __future__ import annotations

from datetime import datetime

from tieout.flows.durable import Later, committed, environment, workflow
from tieout.flows.environment import Environment
from tieout.hub import outbox, status_back
from tieout.telemetry.failpoints import fp


@workflow("status_back", queue="flows")
def send_status_back(connection: str) -> Later | None:
    """Collect what changed, send it in calls of up to 200 rows, come back for rows without a proven outcome."""
    again = tell(connection)
    return Later(again, f"rows without a proven outcome in {connection}") if again else None


def tell(connection: str) -> datetime | None:
    """Freeze what changed and send it, until nothing is left that may go now; when the first open row goes on.

    Several commits: what is frozen is sent once, however often this is repeated.
    """
    outside = environment()
    tried: set[str] = set()
    while ids := [one for one in _collect(outside, connection) if one not in tried]:
        for start in range(0, len(ids), status_back.ROWS):
            fp("status_back.sending")
            outbox.deliver_batch(outside, ids[start : start + status_back.ROWS])
            fp("status_back.sent")
        tried.update(ids)
    with outside.begin() as conn:
        return status_back.next_moment(conn, connection)


def _collect(outside: Environment, connection: str) -> list[str]:
    """Freeze what changed; the commands that may go now."""
    return committed(outside, lambda conn: status_back.collect(conn, connection))
