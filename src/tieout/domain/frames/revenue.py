"""Revenue: what is promised and done, prices, what is earned, balances, losses, contract costs."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames.checks import HOURS, MEASURE, MONEY, SHARE, schema

_S, _D, _I, _B = pl.String, pl.Date, pl.Int64, pl.Boolean

EARNED_EVENTS = schema(
    event=_S, contract=_S, line=_S, entity=_S, currency=_S, work_date=_D, amount=MONEY, over_cap_amount=MONEY,
    written_off_amount=MONEY, reversed_amount=MONEY, recognised_amount=MONEY, changed_on=_D,
)  # fmt: skip
CONTRACT_EXISTENCE = schema(contract=_S, signed_on=_D, collectible_from=_D)
RECOGNISED = schema(event=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, amount=MONEY)
POSITION_INPUT = schema(contract=_S, line=_S, currency=_S, recognised_amount=MONEY, billed_amount=MONEY)
POSITIONS = schema(
    contract=_S, line=_S, currency=_S, recognised_amount=MONEY, billed_amount=MONEY, unbilled_receivable=MONEY,
    contract_liability=MONEY,
)  # fmt: skip
# fees earned as their days pass, and amounts earned at once, of lines recognised as invoiced
# `since`: the day from which a fee counts, null: from its first day on
PERIOD_FEES = schema(
    charge=_S, contract=_S, line=_S, currency=_S, first_day=_D, last_day=_D, since=_D, amount=MONEY,
)  # fmt: skip
# what is given up of the fee of a charge: by a concession (a write-down too), a correction or a cancellation
FEE_CREDITS = schema(charge=_S, kind=_S, day=_D, amount=MONEY)
REVENUE_STEPS = schema(contract=_S, line=_S, currency=_S, day=_D, amount=MONEY)
PERIOD_REVENUE = schema(contract=_S, line=_S, currency=_S, day=_D, revenue=MONEY)
# an accounting contract (`unit`) is a contract, or several combined (IFRS 15.17); `change` 0 is its signing
REVENUE_TERMS = schema(
    unit=_S, change=_I, effective_on=_D, currency=_S, treatment=_S, distinct=_B, at_ssp=_B, allocation=_S, price=MONEY,
    past_change=MONEY,
)  # fmt: skip
PROMISES = schema(
    unit=_S, change=_I, since=_D, obligation=_S, contract=_S, line=_S, entity=_S, method=_S, basis=_S, price=MONEY,
    ssp=MONEY, start=_D, end=_D, estimate=MEASURE, bundle=_S, bundle_price=MONEY, residual=_B, residual_low=MONEY,
    residual_high=MONEY,
)  # fmt: skip
PLANNED_MILESTONES = schema(unit=_S, change=_I, contract=_S, line=_S, milestone=_S, weight=MEASURE)
REACHED_MILESTONES = schema(contract=_S, line=_S, milestone=_S, day=_D)
READINGS = schema(
    contract=_S, line=_S, day=_D, cost=MONEY, hours=HOURS, units=MEASURE, percent=SHARE, estimated_cost=MONEY,
    estimated_hours=HOURS, estimated_units=MEASURE, uninstalled_cost=MONEY, wasted_cost=MONEY, reimbursed_price=MONEY,
    completed=_B,
)  # fmt: skip
VARIABLE_OUTCOMES = schema(
    unit=_S, variable=_S, change=_I, obligations=pl.List(_S), currency=_S, day=_D, method=_S, amount=MONEY,
    probability=SHARE, constrained=_B,
)  # fmt: skip
VARIABLE_ESTIMATES = schema(
    unit=_S, variable=_S, change=_I, obligations=pl.List(_S), day=_D, amount=MONEY,
)  # fmt: skip
ALLOCATED = schema(unit=_S, change=_I, obligation=_S, ssp=MONEY, weight=MONEY, allocated_price=MONEY)
REVENUE_SPANS = schema(
    unit=_S, obligation=_S, account=_I, currency=_S, day=_D, change=_I, level=_I, base_day=_D,
)  # fmt: skip
PRICE_STEPS = schema(unit=_S, obligation=_S, level=_I, day=_D, amount=MONEY)
SETTLED_STEPS = schema(unit=_S, obligation=_S, day=_D, amount=MONEY)
REVENUE_TO_DATE = schema(
    unit=_S, obligation=_S, contract=_S, line=_S, entity=_S, currency=_S, day=_D, allocated_price=MONEY, revenue=MONEY,
    percent_complete=SHARE,
)  # fmt: skip
LINE_REVENUE = schema(
    unit=_S, obligation=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, amount=MONEY,
)  # fmt: skip
BILLED_DOCUMENTS = schema(
    unit=_S, obligation=_S, currency=_S, right=_S, released_on=_D, due_on=_D, paid_on=_D, net_amount=MONEY,
)  # fmt: skip
REFUND_INPUT = schema(
    unit=_S, obligation=_S, currency=_S, day=_D, expected_amount=MONEY, billed_amount=MONEY, price=MONEY,
)  # fmt: skip
REFUNDS = schema(unit=_S, obligation=_S, currency=_S, day=_D, refund_amount=MONEY)
BALANCE_INPUT = schema(
    unit=_S, obligation=_S, currency=_S, day=_D, recognised_amount=MONEY, billed_amount=MONEY, entitled_amount=MONEY,
    refund_amount=MONEY, retained_amount=MONEY, retention_conditional=_B,
)  # fmt: skip
BALANCES = schema(
    unit=_S, obligation=_S, currency=_S, day=_D, unbilled_receivable=MONEY, contract_asset=MONEY, contract_liability=MONEY,
    refund_liability=MONEY, retention_receivable=MONEY,
)  # fmt: skip
NET_BALANCES = schema(
    unit=_S, currency=_S, day=_D, unbilled_receivable=MONEY, contract_asset=MONEY, contract_liability=MONEY,
    refund_liability=MONEY, retention_receivable=MONEY,
)  # fmt: skip
LOSS_INPUT = schema(
    unit=_S, day=_D, framework=_S, loss_scope=_S, estimated_cost=MONEY, cost_to_date=MONEY, price=MONEY, revenue=MONEY,
    cost_asset=MONEY,
)  # fmt: skip
LOSSES = schema(unit=_S, day=_D, expected_loss=MONEY, impairment=MONEY, loss_provision=MONEY)
CONTRACT_COSTS = schema(
    cost=_S, unit=_S, currency=_S, kind=_S, incurred_on=_D, amount=MONEY, service_start=_D, service_end=_D,
    creates_service=_B,
)  # fmt: skip
COSTS_TO_DATE = schema(
    cost=_S, unit=_S, currency=_S, day=_D, expensed_amount=MONEY, amortised_amount=MONEY, asset_amount=MONEY,
)  # fmt: skip
CREDITED_LINES = schema(
    credit=_S, kind=_S, unit=_S, obligation=_S, currency=_S, amount=MONEY, price=MONEY, revenue=MONEY,
)  # fmt: skip
CREDIT_PARTS = schema(
    credit=_S, unit=_S, obligation=_S, recognised_amount=MONEY, unrecognised_amount=MONEY, neutral_amount=MONEY,
)  # fmt: skip
EXPEDIENT_LINES = schema(
    unit=_S, contract=_S, line=_S, day=_D, binding_cap=_B, minimum=_B, upfront_fee=_B, volume_price=_B,
)  # fmt: skip
PAYMENT_PLAN = schema(unit=_S, pays_on=_D, performed_on=_D, amount=MONEY)
REVENUE_FINDINGS = schema(kind=_S, unit=_S, obligation=_S, contract=_S, line=_S, day=_D, detail=_S)
