"""Costing: contracts that are due together in one run, and workers whose payroll is compared with what they cost."""

from __future__ import annotations

from tieout.flows.durable import batch_workflow, committed, environment
from tieout.hub import costing


@batch_workflow("cost", queue="runs")
def cost(keys: list[str]) -> None:
    """Bring the booked cost of contracts, charges between entities included, to what the facts say now."""
    committed(environment(), lambda conn: costing.cost_contracts(conn, sorted(keys)))


@batch_workflow("payroll", queue="runs")
def payroll(keys: list[str]) -> None:
    """Bring what payroll of workers costs beyond the standard to what the facts say now."""
    committed(environment(), lambda conn: costing.cost_payroll(conn, sorted(keys)))
