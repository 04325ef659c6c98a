"""From rated events to documents: caps, corrections, drafts, credits, totals."""

from tieout.domain.billing.caps import apply_caps
from tieout.domain.billing.changes import Changes, gone_entries, reconcile_events
from tieout.domain.billing.credits import Credit, CreditItem, CreditRefused, CreditRequest, credit_lines
from tieout.domain.billing.drafts import DraftSet, content_hash, draft_invoices
from tieout.domain.billing.totals import Totals, invoice_totals

__all__ = [
    "Changes",
    "Credit",
    "CreditItem",
    "CreditRefused",
    "CreditRequest",
    "DraftSet",
    "Totals",
    "apply_caps",
    "content_hash",
    "credit_lines",
    "draft_invoices",
    "gone_entries",
    "invoice_totals",
    "reconcile_events",
]
