"""Costing: from recorded time, purchases and payroll to booked cost, charges between entities and findings."""

from tieout.hub.costing.payroll import cost_payroll
from tieout.hub.costing.run import Costed, cost_contracts

__all__ = ["Costed", "cost_contracts", "cost_payroll"]
