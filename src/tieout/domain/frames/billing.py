"""Billing and tax: events and their balances, caps, drafts, credits, the plans of every method."""

from __future__ import annotations

import polars as pl

from tieout.domain.frames.checks import HOURS, MONEY, PRICE, QUANTITY, SHARE, schema

_S, _D, _I, _B = pl.String, pl.Date, pl.Int64, pl.Boolean

# kind null is time; a cap's `includes` (time, expenses) null is everything
CAP_EVENTS = schema(
    event=_S, kind=_S, contract=_S, line=_S, work_date=_D, entry=_S, quantity=HOURS, amount=MONEY, released_quantity=HOURS,
    released_amount=MONEY, sequence=_I, currency=_S,
)  # fmt: skip
CAPS = schema(
    cap=_S, contract=_S, lines=pl.List(_S), includes=pl.List(_S), amount=MONEY, hours=HOURS, over=_S,
)  # fmt: skip
CAP_SPLIT = schema(
    event=_S, billable_quantity=HOURS, billable_amount=MONEY, over_cap_quantity=HOURS, over_cap_amount=MONEY,
    written_off_quantity=HOURS, written_off_amount=MONEY, cap=_S,
)  # fmt: skip
LIVE_EVENTS = schema(
    event=_S, kind=_S, reverses=_S, entry=_S, version=_I, contract=_S, line=_S, work_date=_D, quantity=HOURS,
    price=PRICE, multiplier=SHARE, discount=SHARE, amount=MONEY, currency=_S, billed_quantity=HOURS,
    billed_amount=MONEY, credited_quantity=HOURS, credited_amount=MONEY, reversed_quantity=HOURS,
    reversed_amount=MONEY,
)  # fmt: skip
GONE = schema(entry=_S, version=_I, effect=_S)
SET_BACK = schema(event=_S, entry=_S, quantity=HOURS, amount=MONEY)
REVERSALS = schema(reverses=_S, entry=_S, version=_I, quantity=HOURS, amount=MONEY)
RELINKED = schema(event=_S, entry=_S, version=_I)
# tax null: not decided; `invoiced_on`: of the invoice that a row corrects; `paid_on`: of a deposit that covers the work
BILLABLE = schema(
    event=_S, kind=_S, contract=_S, line=_S, project=_S, role=_S, entry=_S, work_date=_D, quantity=HOURS,
    amount=MONEY, price=PRICE, multiplier=SHARE, discount=SHARE, currency=_S, corrects=_S, notes=_S, charge=_S,
    payer=_S, untaxed=_B, period_end=_D, invoiced_on=_D, paid_on=_D, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
INVOICE_TERMS = schema(
    grouping=_S, contract=_S, line=_S, customer=_S, entity=_S, purchase_order=_S, terms_days=_I,
)  # fmt: skip
DRAFTS = schema(
    draft=_S, contract=_S, customer=_S, entity=_S, currency=_S, purchase_order=_S, terms_days=_I, through=_D,
    net_amount=MONEY, tax_amount=MONEY, gross_amount=MONEY, content_hash=_S,
)  # fmt: skip
DRAFT_LINES = schema(
    draft=_S, number=_I, contract=_S, contract_line=_S, project=_S, role=_S, description=_S, quantity=HOURS,
    unit_price=PRICE, net_amount=MONEY, tax_category=_S, tax_rate=SHARE, corrects=_S,
)  # fmt: skip
DRAFT_EVENTS = schema(draft=_S, number=_I, event=_S, quantity=HOURS, amount=MONEY, notes=_S)
WAITING_EVENTS = schema(event=_S, contract=_S, payer=_S, quantity=HOURS, amount=MONEY, reason=_S)
INVOICED = schema(
    invoice=_S, number=_I, contract=_S, contract_line=_S, event=_S, kind=_S, entry=_S, item=_S, unit_price=PRICE, quantity=HOURS,
    amount=MONEY, standing_quantity=HOURS, standing_amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
CREDIT_LINES = schema(
    number=_I, contract_line=_S, quantity=HOURS, unit_price=PRICE, net_amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
CREDIT_EVENTS = schema(number=_I, event=_S, entry=_S, quantity=HOURS, amount=MONEY)
STANDING = schema(invoice=_S, number=_I, contract=_S, entry=_S, amount=MONEY)
CREDITABLE = schema(invoice=_S, currency=_S, left_amount=MONEY)
INVOICE_LINES = schema(
    invoice=_S, number=_I, contract=_S, contract_line=_S, project=_S, role=_S, description=_S, unit_price=PRICE, tax_category=_S,
    tax_rate=SHARE, corrects=_S,
)  # fmt: skip
CORRECTION_PARTS = schema(invoice=_S, number=_I, event=_S, entry=_S, quantity=HOURS, amount=MONEY)
CORRECTION_LINES = pl.Schema({**INVOICE_LINES, "quantity": HOURS, "net_amount": MONEY})
TAXED_LINES = schema(invoice=_S, net_amount=MONEY, tax_category=_S, tax_rate=SHARE)
TAX_BREAKDOWN = schema(invoice=_S, tax_category=_S, tax_rate=SHARE, taxable_amount=MONEY, tax_amount=MONEY)
INVOICE_TOTALS = schema(invoice=_S, net_amount=MONEY, tax_amount=MONEY, gross_amount=MONEY)


CHARGES = schema(
    charge=_S, kind=_S, contract=_S, line=_S, item=_S, due_on=_D, period_start=_D, period_end=_D, quantity=QUANTITY,
    price=PRICE, amount=MONEY, currency=_S, trail=_S,
)  # fmt: skip
HELD_CHARGES = schema(
    event=_S, charge=_S, kind=_S, contract=_S, line=_S, item=_S, due_on=_D, period_start=_D, period_end=_D,
    quantity=QUANTITY, price=PRICE, amount=MONEY, currency=_S, billed_quantity=QUANTITY, billed_amount=MONEY,
)  # fmt: skip
CHARGES_SET_BACK = schema(event=_S, charge=_S, quantity=QUANTITY, amount=MONEY)
BILLING_FINDINGS = schema(
    kind=_S, record=_S, contract=_S, line=_S, day=_D, amount=MONEY, rule=_S, seen=_S,
)  # fmt: skip
FIXED_PLANS = schema(
    contract=_S, line=_S, currency=_S, amount=MONEY, start=_D, end=_D, every=_S, ended_on=_D,
)  # fmt: skip
FIXED_ITEMS = schema(contract=_S, line=_S, item=_S, due_on=_D, amount=MONEY, share=SHARE)
BILLED_ITEMS = schema(
    contract=_S, line=_S, item=_S, due_on=_D, amount=MONEY, billed_amount=MONEY, currency=_S
)
MILESTONE_PLANS = schema(contract=_S, line=_S, currency=_S, amount=MONEY, bill_on=_S)
MILESTONES = schema(contract=_S, line=_S, milestone=_S, position=_I, amount=MONEY, share=SHARE)
MILESTONE_STATES = schema(contract=_S, line=_S, milestone=_S, day=_D, sequence=_I, state=_S)
DEPOSITS = schema(deposit=_S, contract=_S, line=_S, currency=_S, asked_on=_D, amount=MONEY)
DEPOSIT_BALANCES = schema(
    deposit=_S, contract=_S, currency=_S, asked_on=_D, amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
FINAL_INVOICES = schema(
    invoice=_S, contract=_S, currency=_S, issued_on=_D, tax_category=_S, tax_rate=SHARE, net_amount=MONEY,
)  # fmt: skip
DEDUCTIONS = schema(
    invoice=_S, deposit=_S, contract=_S, currency=_S, asked_on=_D, amount=MONEY, tax_category=_S, tax_rate=SHARE,
)  # fmt: skip
RECURRING_TERMS = schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, every=_S, anchor=_D,
    timing=_S, proration=_S, price=PRICE, quantity=QUANTITY, uplift_rate=SHARE, uplift_every=_S,
)  # fmt: skip
USAGE_TERMS = schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, unit=_S, every=_S,
    anchor=_D, included=QUANTITY, mode=_S, package_size=QUANTITY,
)  # fmt: skip
TIERS = schema(contract=_S, line=_S, effective_from=_D, up_to=QUANTITY, price=PRICE, flat_amount=MONEY)
USED = schema(contract=_S, line=_S, period_start=_D, period_end=_D, due_on=_D, quantity=QUANTITY)
MINIMUMS = schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, amount=MONEY, every=_S, anchor=_D,
    proration=_S,
)  # fmt: skip
USAGE_READINGS = schema(reading=_S, contract=_S, line=_S, meter=_S, source=_S, day=_D, quantity=QUANTITY)
METER_SOURCES = schema(contract=_S, line=_S, meter=_S, source=_S)
READING_PLACES = schema(reading=_S, contract=_S, line=_S, place=_S, quantity=QUANTITY)
RETAINER_TERMS = schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, kind=_S, every=_S,
    anchor=_D, timing=_S, proration=_S, price=PRICE, rollover=_S, rollover_periods=_I, rollover_cap=MONEY, overage=_S,
)  # fmt: skip
RETAINER_DRAWS = schema(draw=_S, contract=_S, line=_S, day=_D, quantity=HOURS, amount=MONEY)
RETAINER_SPLIT = schema(
    draw=_S, contract=_S, line=_S, period_start=_D, covered_quantity=HOURS, covered_amount=MONEY, over_quantity=HOURS,
    over_amount=MONEY, overage=_S, due_on=_D,
)  # fmt: skip
RETAINER_PERIODS = schema(
    contract=_S, line=_S, kind=_S, currency=_S, period_start=_D, period_end=_D, opening_amount=MONEY, fee_amount=MONEY,
    drawn_amount=MONEY, expired_amount=MONEY, closing_amount=MONEY, over_amount=MONEY, ended=_B,
)  # fmt: skip
UNIT_PRICES = schema(
    contract=_S, line=_S, currency=_S, effective_from=_D, effective_to=_D, start=_D, end=_D, unit=_S, price=PRICE,
)  # fmt: skip
DELIVERIES = schema(delivery=_S, contract=_S, line=_S, day=_D, quantity=QUANTITY)
RETENTION_TERMS = schema(contract=_S, share=SHARE, tax_deferred=_B, release=_S, milestone=_S, release_on=_D)
RETAINABLE = schema(
    invoice=_S, contract=_S, currency=_S, net_amount=MONEY, tax_amount=MONEY, credited_net_amount=MONEY,
    credited_tax_amount=MONEY,
)  # fmt: skip
RETAINED = schema(
    invoice=_S, contract=_S, currency=_S, retained_amount=MONEY, deferred_tax_amount=MONEY, payable_amount=MONEY,
    account=_S, release_on=_D,
)  # fmt: skip
RETAINED_LINES = schema(invoice=_S, contract=_S, line=_S, currency=_S, net_amount=MONEY)
RETENTION_EVENTS = schema(contract=_S, milestone=_S, day=_D)
RETENTION_HELD = schema(invoice=_S, contract=_S, line=_S, currency=_S, retained_amount=MONEY, release_on=_D)
PAYER_SHARES = schema(contract=_S, payer=_S, position=_I, share=SHARE)
SHAREABLE = schema(event=_S, contract=_S, customer=_S, currency=_S, quantity=QUANTITY, amount=MONEY)
PAYER_PARTS = schema(
    event=_S, contract=_S, payer=_S, position=_I, currency=_S, quantity=QUANTITY, amount=MONEY,
)  # fmt: skip


TREATMENTS = schema(
    code=_S,
    entity=_S,
    country=_S,
    business=_B,
    category=_S,
    rate=SHARE,
    effective_from=_D,
    effective_to=_D,
)
TAX_DATES = schema(seller=_S, supplied_on=_D, issued_on=_D, paid_on=_D)
TAX_PARTIES = schema(
    contract=_S, line=_S, payer=_S, entity=_S, seller=_S, country=_S, code=_S, business=_B, issued_on=_D,
    exempt=_B,
)  # fmt: skip
TAX_POINT_RULES = schema(country=_S, first_of=pl.List(_S), effective_from=_D, effective_to=_D)
TAX_QUESTIONS = schema(key=_S, code=_S, entity=_S, country=_S, business=_B, tax_point=_D)
TAX_ANSWERS = schema(key=_S, tax_category=_S, tax_rate=SHARE)
