"""From rated events to documents: caps, corrections, drafts, credits, totals."""

from tieout.domain.billing.caps import apply_caps
from tieout.domain.billing.changes import Changes, gone_entries, nothing_changed, reconcile_events
from tieout.domain.billing.charges import Adjusted, Charged, Planned, adjust_charges
from tieout.domain.billing.corrections import CorrectionNotes, credit_corrections
from tieout.domain.billing.credits import (
    Credit,
    CreditItem,
    CreditRefused,
    CreditRequest,
    credit_lines,
    payments_moved,
)
from tieout.domain.billing.deposits import (
    Deducted,
    cover_work,
    deduct_deposits,
    deduction_charges,
    deposit_charges,
    kept_as_security,
)
from tieout.domain.billing.drafts import DraftSet, content_hash, draft_invoices
from tieout.domain.billing.drawdown import Drawn, draw_retainers
from tieout.domain.billing.milestones import milestone_charges
from tieout.domain.billing.minimums import minimum_charges
from tieout.domain.billing.recurring import recurring_charges
from tieout.domain.billing.retainers import retainer_fees
from tieout.domain.billing.retention import (
    Withheld,
    release_charges,
    retained_by_line,
    withhold,
    withhold_waiting,
)
from tieout.domain.billing.schedules import Respread, fixed_fee_charges, respread_fee
from tieout.domain.billing.splits import Shared, judge_split, over_open_shares, share_over_payers
from tieout.domain.billing.tiers import usage_charges
from tieout.domain.billing.totals import Totals, invoice_totals
from tieout.domain.billing.units import unit_charges
from tieout.domain.billing.usage import Reconciled, UsagePolicies, reconcile_usage

__all__ = [
    "nothing_changed",
    "Adjusted",
    "Changes",
    "Charged",
    "CorrectionNotes",
    "Credit",
    "CreditItem",
    "CreditRefused",
    "CreditRequest",
    "Deducted",
    "DraftSet",
    "Drawn",
    "Planned",
    "Reconciled",
    "Respread",
    "Shared",
    "Totals",
    "UsagePolicies",
    "Withheld",
    "adjust_charges",
    "apply_caps",
    "content_hash",
    "cover_work",
    "credit_corrections",
    "credit_lines",
    "payments_moved",
    "deduct_deposits",
    "deduction_charges",
    "deposit_charges",
    "kept_as_security",
    "draft_invoices",
    "draw_retainers",
    "fixed_fee_charges",
    "gone_entries",
    "invoice_totals",
    "judge_split",
    "milestone_charges",
    "minimum_charges",
    "over_open_shares",
    "reconcile_events",
    "reconcile_usage",
    "recurring_charges",
    "release_charges",
    "retained_by_line",
    "respread_fee",
    "retainer_fees",
    "share_over_payers",
    "unit_charges",
    "usage_charges",
    "withhold",
    "withhold_waiting",
]
