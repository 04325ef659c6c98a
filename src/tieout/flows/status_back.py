"""Status back to the CRM: what changed about project and invoices, up to 200 opportunities in one call.

The key is the CRM's connection. Each row has its own result: one that is refused is an exception of its own and the
others go through; only rows that failed are sent again, and only when their moment has come or a person replays them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from tieout.flows.durable import Later, environment, step, transaction, workflow
from tieout.hub import outbox, status_back
from tieout.telemetry.failpoints import fp


@workflow("status_back", queue="flows")
def send_status_back(connection: str) -> Later | None:
    """Collect what changed, send it in calls of up to 200 rows, come back for rows without a proven outcome."""
    tried: set[str] = set()
    while ids := [one for one in collect(connection) if one not in tried]:
        for start in range(0, len(ids), status_back.ROWS):
            send(ids[start : start + status_back.ROWS])
        tried.update(ids)
    again = next_moment(connection)
    return (
        Later(datetime.fromisoformat(again), f"rows without a proven outcome in {connection}")
        if again
        else None
    )


@transaction
def collect(conn: Connection, connection: str) -> list[str]:
    """Freeze what changed; the commands that may go now."""
    return status_back.collect(conn, connection)


@step
def send(ids: list[str]) -> dict[str, int]:
    """One call for what was never sent, single look-ups for the rest; how many rows stand where."""
    fp("status_back.sending")
    found: dict[str, int] = {}
    for stands in outbox.deliver_batch(environment(), ids).values():
        found[stands.state] = found.get(stands.state, 0) + 1
    fp("status_back.sent")
    return dict(sorted(found.items()))


@transaction
def next_moment(conn: Connection, connection: str) -> str | None:
    """When the first row that is still open goes on."""
    moment = status_back.next_moment(conn, connection)
    return None if moment is None else moment.isoformat()
