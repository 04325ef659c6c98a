"""A draft as e-invoice: its XML in both syntaxes is judged by the rules of EN 16931, and the draft says what was found."""

from __future__ import annotations

from tieout.documents.formats import failing
from tieout.flows.durable import Later, committed, environment, workflow
from tieout.hub.billing import e_invoices
from tieout.hub.billing.documents import E_INVOICE


@workflow(E_INVOICE, queue="flows")
def check(ref: str) -> Later | None:
    """The key is the draft's reference; a document that is released or void by now is left alone."""
    found = committed(environment(), lambda conn: e_invoices.subject(conn, ref))
    if found is None:
        return None
    failed = failing(found.document)
    committed(environment(), lambda conn: e_invoices.settle(conn, ref, found.digest, failed))
    return None
