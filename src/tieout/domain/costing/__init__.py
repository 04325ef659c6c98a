"""What work costs: labor, purchases, payroll variance, accruals at close, transfers between entities, margin.

Domain rules §4 (costs, intercompany) and §2.1 (accruals). Every kind of cost ends in one shape (COSTS); `cost_changes`
says what the books still lack, `*_postings` are lines for `Books.write` of the subledger.
"""

from tieout.domain.costing.accruals import accrual_postings, accrue_unapproved
from tieout.domain.costing.costs import (
    booked_costs,
    cost_changes,
    cost_in_currency,
    cost_postings,
    in_own_currency,
    labor_as_costs,
    line_costs,
    margins,
)
from tieout.domain.costing.intercompany import (
    contract_costs_in_book,
    contract_costs_in_group,
    elimination_postings,
    journal_for_transfers,
    transfer_changes,
    transfer_charges,
    transfer_postings,
)
from tieout.domain.costing.labor import LaborCost, cost_labor
from tieout.domain.costing.policies import CostPolicies
from tieout.domain.costing.purchases import cost_purchases
from tieout.domain.costing.variance import LaborVariance, labor_variance

__all__ = [
    "CostPolicies",
    "LaborCost",
    "LaborVariance",
    "accrual_postings",
    "accrue_unapproved",
    "booked_costs",
    "contract_costs_in_book",
    "contract_costs_in_group",
    "cost_changes",
    "cost_labor",
    "cost_postings",
    "cost_purchases",
    "elimination_postings",
    "cost_in_currency",
    "in_own_currency",
    "journal_for_transfers",
    "labor_as_costs",
    "labor_variance",
    "line_costs",
    "margins",
    "transfer_changes",
    "transfer_charges",
    "transfer_postings",
]
