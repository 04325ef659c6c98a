"""The contract subledger: double entry, append-only, one journal per cause."""

from tieout.domain.subledger.accounts import ACCOUNTS
from tieout.domain.subledger.adjustments import (
    CLAIMS,
    journal_for_balances,
    journal_for_claims,
    journal_for_contract_costs,
    journal_for_positions,
    journal_for_remeasurement,
    journal_for_retention,
    unbooked_moves,
)
from tieout.domain.subledger.books import Books
from tieout.domain.subledger.currencies import MONETARY, Exchange, NoRate
from tieout.domain.subledger.journals import (
    journal_for_credit,
    journal_for_earned,
    journal_for_payment,
    journal_for_release,
    journal_for_revenue,
    reverse,
)
from tieout.domain.subledger.roll_forwards import roll_forward

__all__ = [
    "ACCOUNTS",
    "CLAIMS",
    "MONETARY",
    "Books",
    "Exchange",
    "NoRate",
    "journal_for_balances",
    "journal_for_claims",
    "journal_for_contract_costs",
    "journal_for_credit",
    "journal_for_earned",
    "journal_for_payment",
    "journal_for_positions",
    "journal_for_release",
    "journal_for_remeasurement",
    "journal_for_retention",
    "journal_for_revenue",
    "reverse",
    "roll_forward",
    "unbooked_moves",
]
