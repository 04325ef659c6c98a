"""The shape of every frame the domain takes or returns, and the one check that enforces it.

Amounts are in currency units, hours in hours, shares from 0 to 1; all exact decimals with the scales of the store.
Dates are civil dates, inclusive at both ends; a null end date means open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

MONEY = pl.Decimal(20, 4)
PRICE = pl.Decimal(20, 6)
HOURS = pl.Decimal(20, 6)
SHARE = pl.Decimal(9, 6)
MOMENT = pl.Datetime("us", "UTC")
_S, _D, _I, _B = pl.String, pl.Date, pl.Int64, pl.Boolean


def _schema(**columns: Any) -> pl.Schema:
    return pl.Schema(columns)


# --- rating ---------------------------------------------------------------------------------------------------------

ENTRIES = _schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, project_state=_S, task=_S, task_state=_S,
    worker=_S, worker_left=_D, role=_S, grade=_S, country=_S, worksite=_S, work_date=_D, worked_hours=HOURS,
    billable=_B, state=_S, recorded_at=MOMENT,
)  # fmt: skip
LINES = _schema(
    contract=_S, line=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, customer=_S, entity=_S, currency=_S,
    billing_method=_S, rate_card=_S, discount=SHARE, increment_minutes=_I, increment_mode=_S, increment_per=_S,
    minimum_hours_per_day=HOURS, overtime_daily_after=HOURS, overtime_weekly_after=HOURS, overtime_multiplier=SHARE,
    overtime_basis=_S, overtime_day_types=pl.List(_S), week_start=_S, exchange_rate_type=_S, contract_state=_S,
)  # fmt: skip
RATES = _schema(
    card=_S, currency=_S, person=_S, task=_S, project=_S, grade=_S, role=_S, country=_S, worksite=_S, day_type=_S,
    band=_S, unit=_S, price=PRICE, effective_from=_D, effective_to=_D, known_from=MOMENT,
)  # fmt: skip
CARDS = _schema(contract=_S, line=_S, rate_card=_S, rank=_I, card=_S)
RATED = _schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, task=_S, worker=_S, role=_S, work_date=_D,
    worked_hours=HOURS, billable_hours=HOURS, price=PRICE, multiplier=SHARE, discount=SHARE, amount=MONEY,
    currency=_S, card=_S, unit=_S, units=HOURS, trail=_S,
)  # fmt: skip
# what rating looks up beside terms and prices; all may be empty
HOLIDAYS = _schema(entity=_S, day=_D)
ENTRY_BANDS = _schema(entry=_S, band=_S)
CARD_RULES = _schema(card=_S, blended=_B, day_hours=HOURS, day_step=SHARE, day_overtime=_B)
EXCHANGE_RATE = pl.Decimal(20, 10)
EXCHANGE_RATES = _schema(base=_S, quote=_S, rate_type=_S, day=_D, rate=EXCHANGE_RATE, known_from=MOMENT)
FINDINGS = _schema(kind=_S, entry=_S, contract=_S, line=_S, amount=MONEY, detail=_S)
SET_ASIDE = _schema(entry=_S, version=_I, contract=_S, line=_S, work_date=_D, worked_hours=HOURS, reason=_S)
# expenses and subcontract work (`kind`: expense, subcontract); `tax_amount` is the recoverable part of `amount`,
# `released`: it stands on a released invoice in this version; `included`: the line's own price covers its expenses
EXPENSES = _schema(
    entry=_S, version=_I, kind=_S, contract=_S, line=_S, project=_S, project_state=_S, task=_S, task_state=_S,
    worker=_S, worker_left=_D, paid_by=_S, category=_S, nature=_S, work_date=_D, amount=MONEY, currency=_S,
    tax_amount=MONEY, billable=_B, state=_S, released=_B, recorded_at=MOMENT,
)  # fmt: skip
EXPENSE_TERMS = _schema(
    contract=_S, line=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, entity=_S, currency=_S, markup=SHARE,
    included=_B, exchange_rate_type=_S, contract_state=_S,
)  # fmt: skip
EXPENSE_LIMITS = _schema(
    contract=_S, line=_S, category=_S, per=_S, amount=MONEY, effective_from=_D, effective_to=_D,
)  # fmt: skip
RATED_EXPENSES = _schema(
    entry=_S, version=_I, kind=_S, contract=_S, line=_S, project=_S, task=_S, worker=_S, category=_S, nature=_S,
    work_date=_D, base_amount=MONEY, excess_amount=MONEY, markup=SHARE, amount=MONEY, pass_through_amount=MONEY,
    revenue_amount=MONEY, currency=_S, trail=_S,
)  # fmt: skip
EXPENSES_ASIDE = _schema(
    entry=_S, version=_I, contract=_S, line=_S, work_date=_D, amount=MONEY, currency=_S, reason=_S,
)  # fmt: skip

ESTIMATES = _schema(entry=_S, contract=_S, line=_S, currency=_S, amount=MONEY)
# value still open to bill of each event; changes of it before billing; holds on it
OPEN_VALUE = _schema(
    event=_S, contract=_S, line=_S, entry=_S, work_date=_D, quantity=HOURS, amount=MONEY, currency=_S,
    revenue_method=_S,
)  # fmt: skip
WRITES = _schema(
    write=_S, kind=_S, contract=_S, line=_S, entry=_S, amount=MONEY, day=_D, reason=_S, proposer=_S, approver=_S,
)  # fmt: skip
WRITTEN = _schema(
    write=_S, kind=_S, event=_S, contract=_S, line=_S, entry=_S, day=_D, amount=MONEY, revenue_amount=MONEY,
    currency=_S,
)  # fmt: skip
REFUSED_REQUESTS = _schema(request=_S, contract=_S, line=_S, entry=_S, amount=MONEY, code=_S, detail=_S)
HELD_VALUE = _schema(
    event=_S, contract=_S, line=_S, entry=_S, work_date=_D, quantity=HOURS, amount=MONEY, over_cap_quantity=HOURS,
    over_cap_amount=MONEY, currency=_S,
)  # fmt: skip
HOLDS = _schema(
    hold=_S, kind=_S, contract=_S, line=_S, entry=_S, amount=MONEY, expected_concession=MONEY, day=_D,
)  # fmt: skip
CLASSIFIED = _schema(
    event=_S, contract=_S, line=_S, entry=_S, free_quantity=HOURS, free_amount=MONEY, over_cap_quantity=HOURS,
    over_cap_amount=MONEY, billing_hold_quantity=HOURS, billing_hold_amount=MONEY, disputed_quantity=HOURS,
    disputed_amount=MONEY, expected_concession_amount=MONEY, revenue_amount=MONEY, currency=_S,
)  # fmt: skip

# --- costing --------------------------------------------------------------------------------------------------------

# hours of a worker as of their date: employer, whether salaried, hours a week that the salary pays
COST_HOURS = _schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, worker=_S, entity=_S, work_date=_D, worked_hours=HOURS,
    salaried=_B, weekly_capacity=HOURS,
)  # fmt: skip
# `heard` counts the statements of a worker's rates: of two that cover a date the later stands
COST_RATES = _schema(
    worker=_S, rate=PRICE, currency=_S, burden=SHARE, effective_from=_D, effective_to=_D, heard=_I,
)  # fmt: skip
LABOR_COSTS = _schema(
    entry=_S, version=_I, contract=_S, line=_S, project=_S, worker=_S, entity=_S, work_date=_D, worked_hours=HOURS,
    costed_hours=HOURS, rate=PRICE, burden=SHARE, amount=MONEY, currency=_S,
)  # fmt: skip
COSTS = _schema(
    source=_S, version=_I, kind=_S, contract=_S, line=_S, project=_S, worker=_S, entity=_S, event_date=_D, hours=HOURS,
    amount=MONEY, currency=_S,
)  # fmt: skip
PERIOD_DAYS = _schema(entity=_S, period=_S, first_day=_D, last_day=_D)
PAYROLL = _schema(payroll=_S, worker=_S, entity=_S, period=_S, amount=MONEY, currency=_S)
VARIANCES = _schema(
    worker=_S, entity=_S, period=_S, payroll_amount=MONEY, standard_amount=MONEY, variance_amount=MONEY, currency=_S,
)  # fmt: skip
COST_FINDINGS = _schema(kind=_S, source=_S, worker=_S, contract=_S, line=_S, amount=MONEY, detail=_S)
POSTINGS = _schema(
    cause=_S, contract=_S, line=_S, entity=_S, account=_S, currency=_S, amount=MONEY, event_date=_D,
)  # fmt: skip
UNAPPROVED_VALUE = _schema(
    source=_S, kind=_S, contract=_S, line=_S, entity=_S, revenue_amount=MONEY, cost_amount=MONEY, currency=_S,
)  # fmt: skip
ACCRUALS = _schema(
    accrual=_S, source=_S, kind=_S, contract=_S, line=_S, entity=_S, event_date=_D, reversal=_B, revenue_amount=MONEY,
    cost_amount=MONEY, currency=_S,
)  # fmt: skip
LINE_AMOUNTS = _schema(contract=_S, line=_S, entity=_S, currency=_S, amount=MONEY)
MARGINS = _schema(
    contract=_S, line=_S, entity=_S, currency=_S, revenue=MONEY, cost=MONEY, margin=MONEY, margin_share=SHARE,
)  # fmt: skip
CONTRACT_ENTITIES = _schema(contract=_S, entity=_S)
TRANSFER_MARGINS = _schema(supplier=_S, buyer=_S, margin=SHARE, effective_from=_D, effective_to=_D)
TRANSFERS = _schema(
    transfer=_S, source=_S, version=_I, kind=_S, contract=_S, line=_S, worker=_S, supplier=_S, buyer=_S,
    event_date=_D, booking_date=_D, hours=HOURS, cost_amount=MONEY, margin=SHARE, amount=MONEY, currency=_S,
)  # fmt: skip

# --- billing --------------------------------------------------------------------------------------------------------

# kind null is time; a cap's `includes` (time, expenses) null is everything
CAP_EVENTS = _schema(
    event=_S, kind=_S, contract=_S, line=_S, work_date=_D, entry=_S, quantity=HOURS, amount=MONEY, released_quantity=HOURS,
    released_amount=MONEY, sequence=_I, currency=_S,
)  # fmt: skip
CAPS = _schema(
    cap=_S, contract=_S, lines=pl.List(_S), includes=pl.List(_S), amount=MONEY, hours=HOURS, over=_S,
)  # fmt: skip
CAP_SPLIT = _schema(
    event=_S, billable_quantity=HOURS, billable_amount=MONEY, over_cap_quantity=HOURS, over_cap_amount=MONEY,
    written_off_quantity=HOURS, written_off_amount=MONEY, cap=_S,
)  # fmt: skip
LIVE_EVENTS = _schema(
    event=_S, kind=_S, reverses=_S, entry=_S, version=_I, contract=_S, line=_S, work_date=_D, quantity=HOURS,
    price=PRICE, multiplier=SHARE, discount=SHARE, amount=MONEY, currency=_S, billed_quantity=HOURS,
    billed_amount=MONEY, credited_quantity=HOURS, credited_amount=MONEY, reversed_quantity=HOURS,
    reversed_amount=MONEY,
)  # fmt: skip
GONE = _schema(entry=_S, version=_I, effect=_S)
SET_BACK = _schema(event=_S, entry=_S, quantity=HOURS, amount=MONEY)
REVERSALS = _schema(reverses=_S, entry=_S, version=_I, quantity=HOURS, amount=MONEY)
RELINKED = _schema(event=_S, entry=_S, version=_I)
BILLABLE = _schema(
    event=_S, kind=_S, contract=_S, line=_S, project=_S, role=_S, entry=_S, work_date=_D, quantity=HOURS,
    amount=MONEY, price=PRICE, multiplier=SHARE, discount=SHARE, currency=_S, corrects=_S, notes=_S, charge=_S,
    payer=_S, untaxed=_B,
)  # fmt: skip
INVOICE_TERMS = _schema(
    contract=_S, line=_S, customer=_S, entity=_S, purchase_order=_S, terms_days=_I, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
DRAFTS = _schema(
    draft=_S, contract=_S, customer=_S, entity=_S, currency=_S, purchase_order=_S, terms_days=_I, through=_D,
    net_amount=MONEY, tax_amount=MONEY, gross_amount=MONEY, content_hash=_S,
)  # fmt: skip
DRAFT_LINES = _schema(
    draft=_S, number=_I, contract=_S, contract_line=_S, project=_S, role=_S, description=_S, quantity=HOURS,
    unit_price=PRICE, net_amount=MONEY, tax_category=_S, tax_rate=SHARE, corrects=_S,
)  # fmt: skip
DRAFT_EVENTS = _schema(draft=_S, number=_I, event=_S, quantity=HOURS, amount=MONEY, notes=_S)
WAITING_EVENTS = _schema(event=_S, contract=_S, payer=_S, quantity=HOURS, amount=MONEY, reason=_S)
INVOICED = _schema(
    invoice=_S, number=_I, contract_line=_S, event=_S, kind=_S, entry=_S, unit_price=PRICE, quantity=HOURS,
    amount=MONEY, standing_quantity=HOURS, standing_amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
CREDIT_LINES = _schema(
    number=_I, contract_line=_S, quantity=HOURS, unit_price=PRICE, net_amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
CREDIT_EVENTS = _schema(number=_I, event=_S, entry=_S, quantity=HOURS, amount=MONEY)
STANDING = _schema(invoice=_S, number=_I, entry=_S, amount=MONEY)
CREDITABLE = _schema(invoice=_S, currency=_S, left_amount=MONEY)
INVOICE_LINES = _schema(
    invoice=_S, number=_I, contract_line=_S, project=_S, role=_S, description=_S, unit_price=PRICE, tax_category=_S,
    tax_rate=SHARE, corrects=_S,
)  # fmt: skip
CORRECTION_PARTS = _schema(invoice=_S, number=_I, event=_S, entry=_S, quantity=HOURS, amount=MONEY)
CORRECTION_LINES = pl.Schema({**INVOICE_LINES, "quantity": HOURS, "net_amount": MONEY})
TAXED_LINES = _schema(invoice=_S, net_amount=MONEY, tax_category=_S, tax_rate=SHARE)
TAX_BREAKDOWN = _schema(invoice=_S, tax_category=_S, tax_rate=SHARE, taxable_amount=MONEY, tax_amount=MONEY)
INVOICE_TOTALS = _schema(invoice=_S, net_amount=MONEY, tax_amount=MONEY, gross_amount=MONEY)

# --- billing beyond time and materials ------------------------------------------------------------------------------

QUANTITY = HOURS
CHARGES = _schema(
    charge=_S, kind=_S, contract=_S, line=_S, item=_S, due_on=_D, period_start=_D, period_end=_D, quantity=QUANTITY,
    price=PRICE, amount=MONEY, currency=_S, trail=_S,
)  # fmt: skip
HELD_CHARGES = _schema(
    event=_S, charge=_S, kind=_S, contract=_S, line=_S, item=_S, due_on=_D, period_start=_D, period_end=_D,
    quantity=QUANTITY, price=PRICE, amount=MONEY, currency=_S, billed_quantity=QUANTITY, billed_amount=MONEY,
)  # fmt: skip
CHARGES_SET_BACK = _schema(event=_S, charge=_S, quantity=QUANTITY, amount=MONEY)
BILLING_FINDINGS = _schema(
    kind=_S, record=_S, contract=_S, line=_S, day=_D, amount=MONEY, rule=_S, seen=_S,
)  # fmt: skip
FIXED_PLANS = _schema(
    contract=_S, line=_S, currency=_S, amount=MONEY, start=_D, end=_D, every=_S, ended_on=_D,
)  # fmt: skip
FIXED_ITEMS = _schema(contract=_S, line=_S, item=_S, due_on=_D, amount=MONEY, share=SHARE)
BILLED_ITEMS = _schema(
    contract=_S, line=_S, item=_S, due_on=_D, amount=MONEY, billed_amount=MONEY, currency=_S
)
MILESTONE_PLANS = _schema(contract=_S, line=_S, currency=_S, amount=MONEY, bill_on=_S)
MILESTONES = _schema(contract=_S, line=_S, milestone=_S, position=_I, amount=MONEY, share=SHARE)
MILESTONE_STATES = _schema(contract=_S, line=_S, milestone=_S, day=_D, sequence=_I, state=_S)
DEPOSITS = _schema(deposit=_S, contract=_S, line=_S, currency=_S, asked_on=_D, amount=MONEY)
DEPOSIT_BALANCES = _schema(
    deposit=_S, contract=_S, currency=_S, asked_on=_D, amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
FINAL_INVOICES = _schema(invoice=_S, contract=_S, currency=_S, issued_on=_D, net_amount=MONEY)
DEDUCTIONS = _schema(
    invoice=_S, deposit=_S, contract=_S, currency=_S, amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
RECURRING_TERMS = _schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, every=_S, anchor=_D,
    timing=_S, proration=_S, price=PRICE, quantity=QUANTITY, uplift_rate=SHARE, uplift_every=_S,
)  # fmt: skip
USAGE_TERMS = _schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, unit=_S, every=_S,
    anchor=_D, included=QUANTITY, mode=_S, package_size=QUANTITY,
)  # fmt: skip
TIERS = _schema(contract=_S, line=_S, effective_from=_D, up_to=QUANTITY, price=PRICE, flat_amount=MONEY)
USED = _schema(contract=_S, line=_S, period_start=_D, period_end=_D, due_on=_D, quantity=QUANTITY)
MINIMUMS = _schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, amount=MONEY, every=_S, anchor=_D,
    proration=_S,
)  # fmt: skip
USAGE_READINGS = _schema(reading=_S, contract=_S, line=_S, meter=_S, source=_S, day=_D, quantity=QUANTITY)
METER_SOURCES = _schema(contract=_S, line=_S, meter=_S, source=_S)
READING_PLACES = _schema(reading=_S, contract=_S, line=_S, place=_S, quantity=QUANTITY)
RETAINER_TERMS = _schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, kind=_S, every=_S,
    anchor=_D, timing=_S, proration=_S, price=PRICE, rollover=_S, rollover_periods=_I, rollover_cap=MONEY, overage=_S,
)  # fmt: skip
RETAINER_DRAWS = _schema(draw=_S, contract=_S, line=_S, day=_D, quantity=HOURS, amount=MONEY)
RETAINER_SPLIT = _schema(
    draw=_S, contract=_S, line=_S, period_start=_D, covered_quantity=HOURS, covered_amount=MONEY, over_quantity=HOURS,
    over_amount=MONEY, overage=_S, due_on=_D,
)  # fmt: skip
RETAINER_PERIODS = _schema(
    contract=_S, line=_S, kind=_S, currency=_S, period_start=_D, period_end=_D, opening_amount=MONEY, fee_amount=MONEY,
    drawn_amount=MONEY, expired_amount=MONEY, closing_amount=MONEY, over_amount=MONEY, ended=_B,
)  # fmt: skip
UNIT_PRICES = _schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, unit=_S, price=PRICE,
)  # fmt: skip
DELIVERIES = _schema(delivery=_S, contract=_S, line=_S, day=_D, quantity=QUANTITY)
RETENTION_TERMS = _schema(contract=_S, share=SHARE, tax_deferred=_B, release=_S, milestone=_S, release_on=_D)
RETAINABLE = _schema(
    invoice=_S, contract=_S, currency=_S, net_amount=MONEY, tax_amount=MONEY, credited_net_amount=MONEY,
    credited_tax_amount=MONEY,
)  # fmt: skip
RETAINED = _schema(
    invoice=_S, contract=_S, currency=_S, retained_amount=MONEY, deferred_tax_amount=MONEY, payable_amount=MONEY,
    account=_S, release_on=_D,
)  # fmt: skip
RETAINED_LINES = _schema(invoice=_S, contract=_S, line=_S, currency=_S, net_amount=MONEY)
RETENTION_EVENTS = _schema(contract=_S, milestone=_S, day=_D)
RETENTION_HELD = _schema(invoice=_S, contract=_S, line=_S, currency=_S, retained_amount=MONEY, release_on=_D)
PAYER_SHARES = _schema(contract=_S, payer=_S, position=_I, share=SHARE)
SHAREABLE = _schema(event=_S, contract=_S, customer=_S, currency=_S, quantity=QUANTITY, amount=MONEY)
PAYER_PARTS = _schema(
    event=_S, contract=_S, payer=_S, position=_I, currency=_S, quantity=QUANTITY, amount=MONEY,
)  # fmt: skip

# --- tax ------------------------------------------------------------------------------------------------------------

TREATMENTS = _schema(entity=_S, country=_S, category=_S, rate=SHARE, effective_from=_D, effective_to=_D)
TAX_QUESTIONS = _schema(key=_S, entity=_S, country=_S, tax_point=_D)
TAX_ANSWERS = _schema(key=_S, tax_category=_S, tax_rate=SHARE)

# --- revenue and subledger ------------------------------------------------------------------------------------------

EARNED_EVENTS = _schema(
    event=_S, contract=_S, line=_S, entity=_S, currency=_S, work_date=_D, amount=MONEY, over_cap_amount=MONEY,
    written_off_amount=MONEY, reversed_amount=MONEY, recognised_amount=MONEY, changed_on=_D,
)  # fmt: skip
CONTRACT_EXISTENCE = _schema(contract=_S, signed_on=_D, collectible_from=_D)
RECOGNISED = _schema(event=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, amount=MONEY)
POSITION_INPUT = _schema(contract=_S, line=_S, currency=_S, recognised_amount=MONEY, billed_amount=MONEY)
POSITIONS = _schema(
    contract=_S, line=_S, currency=_S, recognised_amount=MONEY, billed_amount=MONEY, unbilled_receivable=MONEY,
    contract_liability=MONEY,
)  # fmt: skip
# fees earned as their days pass, and amounts earned at once, of lines recognised as invoiced
PERIOD_FEES = _schema(contract=_S, line=_S, currency=_S, first_day=_D, last_day=_D, amount=MONEY)
REVENUE_STEPS = _schema(contract=_S, line=_S, currency=_S, day=_D, amount=MONEY)
PERIOD_REVENUE = _schema(contract=_S, line=_S, currency=_S, day=_D, revenue=MONEY)
# an accounting contract (`unit`) is a contract, or several combined (IFRS 15.17); `change` 0 is its signing
MEASURE = pl.Decimal(38, 6)
REVENUE_TERMS = _schema(
    unit=_S, change=_I, effective_on=_D, currency=_S, treatment=_S, distinct=_B, at_ssp=_B, allocation=_S, price=MONEY,
    past_change=MONEY,
)  # fmt: skip
PROMISES = _schema(
    unit=_S, change=_I, since=_D, obligation=_S, contract=_S, line=_S, entity=_S, method=_S, basis=_S, price=MONEY,
    ssp=MONEY, start=_D, end=_D, estimate=MEASURE, bundle=_S, bundle_price=MONEY, residual=_B, residual_low=MONEY,
    residual_high=MONEY,
)  # fmt: skip
PLANNED_MILESTONES = _schema(unit=_S, change=_I, contract=_S, line=_S, milestone=_S, weight=MEASURE)
REACHED_MILESTONES = _schema(contract=_S, line=_S, milestone=_S, day=_D)
READINGS = _schema(
    contract=_S, line=_S, day=_D, cost=MONEY, hours=HOURS, units=MEASURE, percent=SHARE, estimated_cost=MONEY,
    estimated_hours=HOURS, estimated_units=MEASURE, uninstalled_cost=MONEY, wasted_cost=MONEY, reimbursed_price=MONEY,
    completed=_B,
)  # fmt: skip
VARIABLE_OUTCOMES = _schema(
    unit=_S, variable=_S, change=_I, obligations=pl.List(_S), currency=_S, day=_D, method=_S, amount=MONEY,
    probability=SHARE, constrained=_B,
)  # fmt: skip
VARIABLE_ESTIMATES = _schema(
    unit=_S, variable=_S, change=_I, obligations=pl.List(_S), day=_D, amount=MONEY,
)  # fmt: skip
ALLOCATED = _schema(unit=_S, change=_I, obligation=_S, ssp=MONEY, weight=MONEY, allocated_price=MONEY)
REVENUE_SPANS = _schema(
    unit=_S, obligation=_S, account=_I, currency=_S, day=_D, change=_I, level=_I, base_day=_D,
)  # fmt: skip
PRICE_STEPS = _schema(unit=_S, obligation=_S, level=_I, day=_D, amount=MONEY)
SETTLED_STEPS = _schema(unit=_S, obligation=_S, day=_D, amount=MONEY)
REVENUE_TO_DATE = _schema(
    unit=_S, obligation=_S, contract=_S, line=_S, entity=_S, currency=_S, day=_D, allocated_price=MONEY, revenue=MONEY,
    percent_complete=SHARE,
)  # fmt: skip
LINE_REVENUE = _schema(
    unit=_S, obligation=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, amount=MONEY,
)  # fmt: skip
BILLED_DOCUMENTS = _schema(
    unit=_S, obligation=_S, currency=_S, right=_S, released_on=_D, due_on=_D, paid_on=_D, net_amount=MONEY,
)  # fmt: skip
REFUND_INPUT = _schema(
    unit=_S, obligation=_S, currency=_S, day=_D, expected_amount=MONEY, billed_amount=MONEY, price=MONEY,
)  # fmt: skip
REFUNDS = _schema(unit=_S, obligation=_S, currency=_S, day=_D, refund_amount=MONEY)
BALANCE_INPUT = _schema(
    unit=_S, obligation=_S, currency=_S, day=_D, recognised_amount=MONEY, billed_amount=MONEY, entitled_amount=MONEY,
    refund_amount=MONEY, retained_amount=MONEY, retention_conditional=_B,
)  # fmt: skip
BALANCES = _schema(
    unit=_S, obligation=_S, currency=_S, day=_D, unbilled_receivable=MONEY, contract_asset=MONEY, contract_liability=MONEY,
    refund_liability=MONEY, retention_receivable=MONEY,
)  # fmt: skip
NET_BALANCES = _schema(
    unit=_S, currency=_S, day=_D, unbilled_receivable=MONEY, contract_asset=MONEY, contract_liability=MONEY,
    refund_liability=MONEY, retention_receivable=MONEY,
)  # fmt: skip
LOSS_INPUT = _schema(
    unit=_S, day=_D, framework=_S, loss_scope=_S, estimated_cost=MONEY, cost_to_date=MONEY, price=MONEY, revenue=MONEY,
    cost_asset=MONEY,
)  # fmt: skip
LOSSES = _schema(unit=_S, day=_D, expected_loss=MONEY, impairment=MONEY, loss_provision=MONEY)
CONTRACT_COSTS = _schema(
    cost=_S, unit=_S, currency=_S, kind=_S, incurred_on=_D, amount=MONEY, service_start=_D, service_end=_D,
    creates_service=_B,
)  # fmt: skip
COSTS_TO_DATE = _schema(
    cost=_S, unit=_S, currency=_S, day=_D, expensed_amount=MONEY, amortised_amount=MONEY, asset_amount=MONEY,
)  # fmt: skip
CREDITED_LINES = _schema(
    credit=_S, kind=_S, unit=_S, obligation=_S, currency=_S, amount=MONEY, price=MONEY, revenue=MONEY,
)  # fmt: skip
CREDIT_PARTS = _schema(
    credit=_S, unit=_S, obligation=_S, recognised_amount=MONEY, unrecognised_amount=MONEY, neutral_amount=MONEY,
)  # fmt: skip
EXPEDIENT_LINES = _schema(
    unit=_S, contract=_S, line=_S, day=_D, binding_cap=_B, minimum=_B, upfront_fee=_B, volume_price=_B,
)  # fmt: skip
PAYMENT_PLAN = _schema(unit=_S, pays_on=_D, performed_on=_D, amount=MONEY)
REVENUE_FINDINGS = _schema(kind=_S, unit=_S, obligation=_S, contract=_S, line=_S, day=_D, detail=_S)
REVENUE_CAUSES = _schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, amount=MONEY, opening=MONEY,
)  # fmt: skip
# of an event's `amount` the `pass_through_amount` is earned for another party; earned `before` and `after` a move
EARNED_MOVES = _schema(
    event=_S, currency=_S, amount=MONEY, pass_through_amount=MONEY, before=MONEY, after=MONEY,
)  # fmt: skip
PASSED_ON = _schema(event=_S, pass_through_amount=MONEY)
EARNED_CAUSES = pl.Schema({**REVENUE_CAUSES, "pass_through_amount": MONEY})
DOCUMENT_CAUSES = _schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, net_amount=MONEY, tax_amount=MONEY,
    opening=MONEY,
)  # fmt: skip
CREDIT_CAUSES = pl.Schema({**DOCUMENT_CAUSES, "open_amount": MONEY})
PAYMENT_CAUSES = _schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, applied_amount=MONEY,
    unapplied_amount=MONEY,
)  # fmt: skip
BALANCE_CAUSES = _schema(
    cause=_S, contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, account=_S, balance=MONEY, booked=MONEY,
)  # fmt: skip
# each account of a line at the end of a day (debit positive), and what moved it until now
POSITION_TARGETS = _schema(
    contract=_S, line=_S, entity=_S, currency=_S, day=_D, account=_S, balance=MONEY,
)  # fmt: skip
POSITION_MOVES = _schema(
    contract=_S, line=_S, entity=_S, currency=_S, event_date=_D, account=_S, amount=MONEY,
)  # fmt: skip
# what is booked in another currency than the books', line by line or as balances
HELD_LINES = _schema(
    contract=_S, line=_S, entity=_S, account=_S, currency=_S, amount=MONEY, functional_amount=MONEY,
)  # fmt: skip
CLOSED_PERIODS = _schema(entity=_S, period=_S)
JOURNAL_LINES = _schema(
    journal=_S, cause_type=_S, cause=_S, number=_I, contract=_S, line=_S, entity=_S, account=_S, currency=_S,
    amount=MONEY, functional_amount=MONEY, event_date=_D, booking_date=_D, period=_S, prior_period=_B,
)  # fmt: skip

# --- tie-out --------------------------------------------------------------------------------------------------------

BILLED_OURS = _schema(
    key=_S, contract=_S, number=_S, currency=_S, amount=MONEY, tax_amount=MONEY, period=_S, document_date=_D,
    intent_state=_S,
)  # fmt: skip
BILLED_THEIRS = _schema(
    document=_S, external_key=_S, number=_S, currency=_S, amount=MONEY, tax_amount=MONEY, period=_S,
    document_date=_D,
)  # fmt: skip
COMPARED = _schema(
    key=_S, contract=_S, ours=MONEY, theirs=MONEY, difference=MONEY, currency=_S, outcome=_S, cause=_S,
    explained_by=_S,
)  # fmt: skip


class FrameMismatch(TypeError):
    """A frame that is not what its function declares: a programming error, never bad business data."""


def check_frame(name: str, df: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame itself with its columns in declared order; raises `FrameMismatch` that names what differs."""
    if df.schema == schema:
        return df
    wrong = [f"{column} is missing" for column in schema if column not in df.columns]
    wrong += [
        f"{column} is {df.schema[column]}, expected {dtype}"
        for column, dtype in schema.items()
        if column in df.columns and df.schema[column] != dtype
    ]
    if wrong:
        raise FrameMismatch(f"frame {name}: " + "; ".join(wrong))
    return df.select(schema.names())


def conform(name: str, df: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """The frame cast to its schema without losing a digit; a decimal that does not fit raises."""
    if df.schema == schema:
        return df
    lossy = [
        column
        for column, dtype in schema.items()
        if column in df.columns and isinstance(dtype, pl.Decimal) and _loses_digits(df[column], dtype)
    ]
    if lossy:
        raise FrameMismatch(f"frame {name}: {', '.join(lossy)} has more decimals than its scale")
    cast = df.with_columns(pl.col(column).cast(schema[column]) for column in schema if column in df.columns)
    return check_frame(name, cast, schema)


def _loses_digits(column: pl.Series, dtype: pl.Decimal) -> bool:
    held = column.dtype
    if not isinstance(held, pl.Decimal) or held.scale <= dtype.scale:
        return False
    back = column.cast(dtype).cast(pl.Decimal(38, held.scale))
    return bool((back != column.cast(pl.Decimal(38, held.scale))).any())


def frame(rows: Iterable[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows of Python values as a frame of that schema; columns a row leaves out are null."""
    rows = list(rows)
    return pl.DataFrame({c: pl.Series(c, [row.get(c) for row in rows], dtype=t) for c, t in schema.items()})


def empty(schema: pl.Schema) -> pl.DataFrame:
    """No rows of that schema."""
    return pl.DataFrame(schema=schema)
