"""Revenue recognised and the balances it leaves against billing."""

from tieout.domain.revenue.as_invoiced import recognise_as_invoiced
from tieout.domain.revenue.balances import contract_positions

__all__ = ["contract_positions", "recognise_as_invoiced"]
