"""Settlement of one ERP document: payments, reversals and changes by hand, as the hub has heard of them."""

from __future__ import annotations

from tieout.flows.durable import Later, committed, environment, workflow
from tieout.hub.billing import settling


@workflow("settle", queue="flows")
def settle(document: str) -> Later | None:
    """The key is the ERP's id of the document; one without a key of ours is left to the tie-out."""
    committed(environment(), lambda conn: settling.settle(conn, document))
    return None
