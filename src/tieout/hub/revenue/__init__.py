"""Revenue of contract lines that earn by a measure of progress: planned from all facts, booked as what is missing."""

from tieout.hub.revenue.periods import recognise_periods
from tieout.hub.revenue.run import Recognised, affected, recognise_contracts
from tieout.hub.revenue.statement import beyond_price, prices

__all__ = ["Recognised", "affected", "beyond_price", "prices", "recognise_contracts", "recognise_periods"]
