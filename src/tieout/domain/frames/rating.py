"""Rating and costing: entries, rates, expenses, what is written off and held, hours and what they cost."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames.checks import EXCHANGE_RATE, HOURS, MOMENT, MONEY, PRICE, SHARE, schema

_S, _D, _I, _B = pl.String, pl.Date, pl.Int64, pl.Boolean

ENTRIES = schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, project_state=_S, task=_S, task_state=_S,
    worker=_S, worker_left=_D, role=_S, grade=_S, country=_S, worksite=_S, work_date=_D, worked_hours=HOURS,
    billable=_B, state=_S, recorded_at=MOMENT,
)  # fmt: skip
LINES = schema(
    contract=_S, line=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, customer=_S, entity=_S, currency=_S,
    billing_method=_S, rate_card=_S, discount=SHARE, increment_minutes=_I, increment_mode=_S, increment_per=_S,
    minimum_hours_per_day=HOURS, overtime_daily_after=HOURS, overtime_weekly_after=HOURS, overtime_multiplier=SHARE,
    overtime_basis=_S, overtime_day_types=pl.List(_S), week_start=_S, exchange_rate_type=_S, contract_state=_S,
)  # fmt: skip
RATES = schema(
    card=_S, currency=_S, person=_S, task=_S, project=_S, grade=_S, role=_S, country=_S, worksite=_S, day_type=_S,
    band=_S, unit=_S, price=PRICE, effective_from=_D, effective_to=_D, known_from=MOMENT,
)  # fmt: skip
CARDS = schema(contract=_S, line=_S, rate_card=_S, rank=_I, card=_S)
RATED = schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, task=_S, worker=_S, role=_S, work_date=_D,
    worked_hours=HOURS, billable_hours=HOURS, price=PRICE, multiplier=SHARE, discount=SHARE, amount=MONEY,
    currency=_S, card=_S, unit=_S, units=HOURS, trail=_S,
)  # fmt: skip
# what rating looks up beside terms and prices; all may be empty
HOLIDAYS = schema(entity=_S, day=_D)
ENTRY_BANDS = schema(entry=_S, band=_S)
CARD_RULES = schema(card=_S, blended=_B, day_hours=HOURS, day_step=SHARE, day_overtime=_B)
EXCHANGE_RATES = schema(base=_S, quote=_S, rate_type=_S, day=_D, rate=EXCHANGE_RATE, known_from=MOMENT)
FINDINGS = schema(kind=_S, entry=_S, contract=_S, line=_S, amount=MONEY, detail=_S)
SET_ASIDE = schema(entry=_S, version=_I, contract=_S, line=_S, work_date=_D, worked_hours=HOURS, reason=_S)
# expenses and subcontract work (`kind`: expense, subcontract); `tax_amount` is the recoverable part of `amount`,
# `released`: it stands on a released invoice in this version; `included`: the line's own price covers its expenses
EXPENSES = schema(
    entry=_S, version=_I, kind=_S, contract=_S, line=_S, project=_S, project_state=_S, task=_S, task_state=_S,
    worker=_S, worker_left=_D, paid_by=_S, category=_S, nature=_S, work_date=_D, amount=MONEY, currency=_S,
    tax_amount=MONEY, billable=_B, state=_S, released=_B, recorded_at=MOMENT,
)  # fmt: skip
EXPENSE_TERMS = schema(
    contract=_S, line=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, entity=_S, currency=_S, markup=SHARE,
    included=_B, exchange_rate_type=_S, contract_state=_S,
)  # fmt: skip
EXPENSE_LIMITS = schema(
    contract=_S, line=_S, category=_S, per=_S, amount=MONEY, effective_from=_D, effective_to=_D,
)  # fmt: skip
RATED_EXPENSES = schema(
    entry=_S, version=_I, kind=_S, contract=_S, line=_S, project=_S, task=_S, worker=_S, category=_S, nature=_S,
    work_date=_D, base_amount=MONEY, excess_amount=MONEY, markup=SHARE, amount=MONEY, pass_through_amount=MONEY,
    revenue_amount=MONEY, currency=_S, trail=_S,
)  # fmt: skip
EXPENSES_ASIDE = schema(
    entry=_S, version=_I, contract=_S, line=_S, work_date=_D, amount=MONEY, currency=_S, reason=_S,
)  # fmt: skip

# value still open to bill of each event; changes of it before billing; holds on it
OPEN_VALUE = schema(
    event=_S, contract=_S, line=_S, entry=_S, work_date=_D, quantity=HOURS, amount=MONEY, currency=_S,
    revenue_method=_S,
)  # fmt: skip
WRITES = schema(
    write=_S, kind=_S, contract=_S, line=_S, entry=_S, amount=MONEY, day=_D, reason=_S, proposer=_S, approver=_S,
)  # fmt: skip
WRITTEN = schema(
    write=_S, kind=_S, event=_S, contract=_S, line=_S, entry=_S, day=_D, amount=MONEY, revenue_amount=MONEY,
    currency=_S,
)  # fmt: skip
REFUSED_REQUESTS = schema(request=_S, contract=_S, line=_S, entry=_S, amount=MONEY, code=_S, detail=_S)
HELD_VALUE = schema(event=_S, contract=_S, line=_S, entry=_S, quantity=HOURS, amount=MONEY)
HOLDS = schema(hold=_S, contract=_S, line=_S, entry=_S, day=_D)
HELD = schema(event=_S, held_quantity=HOURS, held_amount=MONEY)


# hours of a worker as of their date: employer, whether salaried, hours a week that the salary pays
COST_HOURS = schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, worker=_S, entity=_S, work_date=_D, worked_hours=HOURS,
    salaried=_B, weekly_capacity=HOURS,
)  # fmt: skip
# `heard` counts the statements of a worker's rates: of two that cover a date the later stands
COST_RATES = schema(
    worker=_S, rate=PRICE, currency=_S, burden=SHARE, effective_from=_D, effective_to=_D, heard=_I,
)  # fmt: skip
LABOR_COSTS = schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, worker=_S, entity=_S, work_date=_D, worked_hours=HOURS,
    costed_hours=HOURS, rate=PRICE, burden=SHARE, amount=MONEY, currency=_S,
)  # fmt: skip
COSTS = schema(
    source=_S, version=_I, kind=_S, contract=_S, line=_S, project=_S, worker=_S, entity=_S, event_date=_D, hours=HOURS,
    amount=MONEY, currency=_S,
)  # fmt: skip
PERIOD_DAYS = schema(entity=_S, period=_S, first_day=_D, last_day=_D)
PAYROLL = schema(payroll=_S, worker=_S, entity=_S, period=_S, amount=MONEY, currency=_S)
VARIANCES = schema(
    worker=_S, entity=_S, period=_S, payroll_amount=MONEY, standard_amount=MONEY, variance_amount=MONEY, currency=_S,
)  # fmt: skip
COST_FINDINGS = schema(kind=_S, source=_S, worker=_S, contract=_S, line=_S, amount=MONEY, detail=_S)
POSTINGS = schema(
    cause=_S, contract=_S, line=_S, entity=_S, account=_S, currency=_S, amount=MONEY, event_date=_D,
)  # fmt: skip
UNAPPROVED_VALUE = schema(
    source=_S, kind=_S, contract=_S, line=_S, entity=_S, revenue_amount=MONEY, cost_amount=MONEY, currency=_S,
)  # fmt: skip
ACCRUALS = schema(
    accrual=_S, source=_S, kind=_S, contract=_S, line=_S, entity=_S, event_date=_D, reversal=_B, revenue_amount=MONEY,
    cost_amount=MONEY, currency=_S,
)  # fmt: skip
LINE_AMOUNTS = schema(contract=_S, line=_S, entity=_S, currency=_S, amount=MONEY)
MARGINS = schema(
    contract=_S, line=_S, entity=_S, currency=_S, revenue=MONEY, cost=MONEY, margin=MONEY, margin_share=SHARE,
)  # fmt: skip
CONTRACT_ENTITIES = schema(contract=_S, entity=_S)
TRANSFER_MARGINS = schema(supplier=_S, buyer=_S, margin=SHARE, effective_from=_D, effective_to=_D)
TRANSFERS = schema(
    transfer=_S, source=_S, version=_I, kind=_S, contract=_S, line=_S, worker=_S, supplier=_S, buyer=_S,
    event_date=_D, booking_date=_D, hours=HOURS, cost_amount=MONEY, margin=SHARE, amount=MONEY, currency=_S,
)  # fmt: skip
