"""The accounts of the subledger; the workspace maps them to each ERP."""

RECEIVABLE = "receivable"
UNBILLED_RECEIVABLE = "unbilled_receivable"
CONTRACT_LIABILITY = "contract_liability"
REFUND_LIABILITY = "refund_liability"
BILLING_CLEARING = "billing_clearing"
REVENUE = "revenue"
TAX_PAYABLE = "tax_payable"
CASH_CLEARING = "cash_clearing"
UNAPPLIED_CASH = "unapplied_cash"
WITHHOLDING_TAX = "withholding_tax_receivable"
CREDIT_LOSS = "credit_loss"
CREDIT_LOSS_ALLOWANCE = "credit_loss_allowance"
CONTRACT_ASSET = "contract_asset"
RETENTION_RECEIVABLE = "retention_receivable"
CONTRACT_COST_ASSET = "contract_cost_asset"
CONTRACT_COST_AMORTISATION = "contract_cost_amortisation"
LOSS_PROVISION = "loss_provision"
CONTRACT_LOSS = "contract_loss"
EXPENSE_CLEARING = "expense_clearing"
LABOR_COST = "labor_cost"
LABOR_APPLIED = "labor_applied"
LABOR_VARIANCE = "labor_variance"
EXPENSE_COST = "expense_cost"
SUBCONTRACT_COST = "subcontract_cost"
ACCRUED_COST = "accrued_cost"
PASS_THROUGH = "pass_through"
FX_GAIN = "fx_gain"
INTERCOMPANY_RECEIVABLE = "intercompany_receivable"
INTERCOMPANY_PAYABLE = "intercompany_payable"
INTERCOMPANY_REVENUE = "intercompany_revenue"
INTERCOMPANY_COST = "intercompany_cost"

ACCOUNTS = (
    RECEIVABLE, UNBILLED_RECEIVABLE, CONTRACT_LIABILITY, REFUND_LIABILITY, BILLING_CLEARING, REVENUE, TAX_PAYABLE,
    CASH_CLEARING, UNAPPLIED_CASH, CONTRACT_ASSET, RETENTION_RECEIVABLE, CONTRACT_COST_ASSET,
    CONTRACT_COST_AMORTISATION, LOSS_PROVISION, CONTRACT_LOSS, EXPENSE_CLEARING, LABOR_COST, LABOR_APPLIED,
    LABOR_VARIANCE, EXPENSE_COST, SUBCONTRACT_COST, ACCRUED_COST, PASS_THROUGH, FX_GAIN, WITHHOLDING_TAX, CREDIT_LOSS,
    CREDIT_LOSS_ALLOWANCE, INTERCOMPANY_RECEIVABLE,
    INTERCOMPANY_PAYABLE, INTERCOMPANY_REVENUE, INTERCOMPANY_COST,
)  # fmt: skip
