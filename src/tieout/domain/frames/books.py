"""The subledger and what is compared with it: causes, journals, positions, balances."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames.checks import MONEY, schema

_S, _D, _I, _B = pl.String, pl.Date, pl.Int64, pl.Boolean

REVENUE_CAUSES = schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, amount=MONEY, opening=MONEY,
)  # fmt: skip
# of an event's `amount` the `pass_through_amount` is earned for another party; earned `before` and `after` a move
EARNED_MOVES = schema(
    event=_S, currency=_S, amount=MONEY, pass_through_amount=MONEY, before=MONEY, after=MONEY,
)  # fmt: skip
PASSED_ON = schema(event=_S, pass_through_amount=MONEY)
# `origin`: of what is taken back the day on which it was earned, where that is known
EARNED_CAUSES = pl.Schema({**REVENUE_CAUSES, **schema(pass_through_amount=MONEY, origin=_D)})
DOCUMENT_CAUSES = schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, net_amount=MONEY, tax_amount=MONEY,
    opening=MONEY, secured_amount=MONEY,
)  # fmt: skip
CREDIT_CAUSES = pl.Schema({**DOCUMENT_CAUSES, "open_amount": MONEY, "moved_amount": MONEY})
PAYMENT_CAUSES = schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, applied_amount=MONEY,
    unapplied_amount=MONEY, withheld_amount=MONEY, cash_worth=MONEY,
)  # fmt: skip
BALANCE_CAUSES = schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, account=_S, balance=MONEY, booked=MONEY,
)  # fmt: skip
# each account of a line at the end of a day (debit positive), and what moved it until now
POSITION_TARGETS = schema(
    contract=_S, line=_S, entity=_S, currency=_S, day=_D, account=_S, balance=MONEY,
)  # fmt: skip
POSITION_MOVES = schema(
    contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, account=_S, amount=MONEY,
)  # fmt: skip
# what is booked in another currency than the books', line by line or as balances
HELD_LINES = schema(
    contract=_S, line=_S, entity=_S, account=_S, currency=_S, amount=MONEY, functional_amount=MONEY, event_date=_D,
)  # fmt: skip
# what moved an account in one currency, by cause type; null: before the period
ACCOUNT_MOVES = schema(entity=_S, account=_S, currency=_S, cause_type=_S, amount=MONEY)
ROLL_FORWARD = schema(
    entity=_S, account=_S, currency=_S, opening=MONEY, billed=MONEY, recognised=MONEY, adjustments=MONEY, closing=MONEY,
)  # fmt: skip
CLOSED_PERIODS = schema(entity=_S, first_day=_D, last_day=_D)
JOURNAL_LINES = schema(
    journal=_S, cause_type=_S, cause=_S, number=_I, contract=_S, line=_S, entity=_S, account=_S, currency=_S,
    amount=MONEY, functional_amount=MONEY, event_date=_D, booking_date=_D, period=_S, prior_period=_B,
)  # fmt: skip


BILLED_OURS = schema(
    key=_S, contract=_S, number=_S, currency=_S, amount=MONEY, tax_amount=MONEY, period=_S, document_date=_D,
    intent_state=_S,
)  # fmt: skip
BILLED_THEIRS = schema(
    document=_S, external_key=_S, number=_S, currency=_S, amount=MONEY, tax_amount=MONEY, period=_S,
    document_date=_D,
)  # fmt: skip
COMPARED = schema(
    key=_S, contract=_S, ours=MONEY, theirs=MONEY, difference=MONEY, currency=_S, outcome=_S, cause=_S,
    explained_by=_S,
)  # fmt: skip
