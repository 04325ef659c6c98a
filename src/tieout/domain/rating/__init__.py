"""From time, expenses and subcontract work to billing events: who may be billed, for how many hours, at which price and why."""

from tieout.domain.rating.exchange import Quote, with_exchange, with_rate
from tieout.domain.rating.expenses import ExpenseResult, as_items, rate_expenses
from tieout.domain.rating.holds import hold_back
from tieout.domain.rating.known import as_known_at
from tieout.domain.rating.policies import Lookups, RatingPolicies
from tieout.domain.rating.prepare import Prepared, prepare_entries
from tieout.domain.rating.prices import resolve_prices
from tieout.domain.rating.rate import RatingResult, rate_time
from tieout.domain.rating.writes import WriteResult, apply_writes

__all__ = [
    "Quote",
    "ExpenseResult",
    "Lookups",
    "with_exchange",
    "with_rate",
    "Prepared",
    "RatingPolicies",
    "RatingResult",
    "WriteResult",
    "apply_writes",
    "as_items",
    "as_known_at",
    "hold_back",
    "prepare_entries",
    "rate_expenses",
    "rate_time",
    "resolve_prices",
]
