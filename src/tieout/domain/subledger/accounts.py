"""The accounts of the subledger that time and materials use; the workspace maps them to each ERP."""

RECEIVABLE = "receivable"
UNBILLED_RECEIVABLE = "unbilled_receivable"
CONTRACT_LIABILITY = "contract_liability"
REFUND_LIABILITY = "refund_liability"
BILLING_CLEARING = "billing_clearing"
REVENUE = "revenue"
TAX_PAYABLE = "tax_payable"
CASH_CLEARING = "cash_clearing"
UNAPPLIED_CASH = "unapplied_cash"

ACCOUNTS = (
    RECEIVABLE, UNBILLED_RECEIVABLE, CONTRACT_LIABILITY, REFUND_LIABILITY, BILLING_CLEARING, REVENUE, TAX_PAYABLE,
    CASH_CLEARING, UNAPPLIED_CASH,
)  # fmt: skip
