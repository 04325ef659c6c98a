"""Settlement of one ERP document: payments, reversals and changes by hand, as the hub has heard of them."""

from __future__ import annotations

from sqlalchemy import Connection

from tieout.flows.durable import Later, transaction, workflow
from tieout.hub.billing import settling


@workflow("settle", queue="flows")
def settle(document: str) -> Later | None:
    """The key is the ERP's id of the document; one without a key of ours is left to the tie-out."""
    take_in(document)
    return None


@transaction
def take_in(conn: Connection, document: str) -> str | None:
    """The number of our document, if it is ours."""
    return settling.settle(conn, document)
