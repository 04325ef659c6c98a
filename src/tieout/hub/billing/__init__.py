"""From billable events to documents: runs draft, a second person approves, release numbers and books, credits undo."""

from tieout.hub.billing.claims import credit_loss, dispute, end_dispute
from tieout.hub.billing.credits import request_credit
from tieout.hub.billing.decisions import approve, reject, void
from tieout.hub.billing.documents import told_by_contract
from tieout.hub.billing.drafts import draft
from tieout.hub.billing.e_invoices import unchecked
from tieout.hub.billing.holds import held, hold, unhold
from tieout.hub.billing.reads import backup_sheet, listed, show
from tieout.hub.billing.record import document
from tieout.hub.billing.release import release
from tieout.hub.billing.runs import draft_partition, run_status, start_run
from tieout.hub.billing.writes import approve_write, write, written

__all__ = [
    "approve",
    "approve_write",
    "backup_sheet",
    "credit_loss",
    "dispute",
    "end_dispute",
    "document",
    "draft",
    "draft_partition",
    "held",
    "hold",
    "listed",
    "reject",
    "release",
    "request_credit",
    "run_status",
    "show",
    "start_run",
    "told_by_contract",
    "unchecked",
    "unhold",
    "void",
    "write",
    "written",
]
