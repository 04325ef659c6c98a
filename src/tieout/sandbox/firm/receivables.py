"""What the ERP people enter in NetSuite: customers' payments, and an invoice by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zlib import crc32

from tieout.sandbox.firm.keys import NO_TAX, SUBSIDIARY, TIME_ITEM, USD
from tieout.sandbox.firm.projects import NotYet
from tieout.sandbox.simulators.netsuite_books import Books, is_posting, read_books, total_of
from tieout.sandbox.world import Record, World

FIRST_AFTER_DAYS, SPREAD_DAYS, REST_AFTER_DAYS = 20, 13, 10
PART, PART_PAYERS = Decimal("0.6"), 4
APPROVED = "2"
_CENT = Decimal("0.01")


def collect(world: World, today: date, seed: int) -> None:
    """Enter the payments that have come by today: 20 to 35 days after the invoice, some of them in two parts."""
    books = read_books(world)
    for invoice in sorted(books.documents.values(), key=lambda record: int(record.id)):
        if invoice.type == "invoice" and invoice.fields.get("externalId") and is_posting(invoice):
            amount = _paid_by(books, invoice, today, seed)
            if amount > 0:
                _pay(world, books, invoice, amount, today)


def _paid_by(books: Books, invoice: Record, today: date, seed: int) -> Decimal:
    """What the customer pays now: nothing before it is due to come, then all, or a part first and the rest later."""
    draw = crc32(f"{seed}:{invoice.fields.get('tranId')}".encode())
    comes = date.fromisoformat(str(invoice.fields["tranDate"])[:10])
    comes += timedelta(days=FIRST_AFTER_DAYS + draw % SPREAD_DAYS)
    remaining = books.remaining(invoice)
    in_two = draw // SPREAD_DAYS % PART_PAYERS == 0
    if in_two and comes <= today < comes + timedelta(days=REST_AFTER_DAYS):
        part = (total_of(invoice) * PART).quantize(_CENT, ROUND_HALF_UP)
        return Decimal(0) if _payments(books, invoice) else min(part, remaining)
    return remaining if comes <= today else Decimal(0)


def _payments(books: Books, invoice: Record) -> int:
    found = [by for document, by, _ in books.links if document == invoice.id]
    return sum(1 for by in found if books.documents[by].type == "customerPayment")


def _pay(world: World, books: Books, invoice: Record, amount: Decimal, today: date) -> None:
    number = f"PMT-{invoice.fields.get('tranId')}-{_payments(books, invoice) + 1}"
    row = {"doc": {"id": invoice.id}, "apply": True, "amount": amount}
    payment = {
        "tranId": number, "customer": invoice.fields["entity"], "subsidiary": {"id": SUBSIDIARY},
        "currency": invoice.fields.get("currency") or {"id": USD}, "tranDate": today.isoformat(),
        "postingPeriod": {"id": _period(world, today)}, "payment": amount, "apply": {"items": [row]},
    }  # fmt: skip
    world.put("netsuite", "customerPayment", payment)


def enter_invoice(world: World, customer: str, document: str, day: date, amount: Decimal) -> None:
    """An invoice that an accountant enters by hand; NotYet while NetSuite does not have the customer."""
    found = world.find("netsuite", "customer", entityId=customer)
    if not found:
        raise NotYet(f"NetSuite has no customer {customer}")
    line = {
        "line": 1, "item": {"id": TIME_ITEM}, "description": "Workshop, agreed by telephone", "quantity": 1,
        "rate": amount, "amount": amount, "taxCode": {"id": NO_TAX},
    }  # fmt: skip
    fields = {
        "tranId": document, "entity": {"id": found[0].id}, "subsidiary": {"id": SUBSIDIARY}, "currency": {"id": USD},
        "tranDate": day.isoformat(), "postingPeriod": {"id": _period(world, day)}, "approvalStatus": {"id": APPROVED},
        "item": {"items": [line]},
    }  # fmt: skip
    world.put("netsuite", "invoice", fields)


def _period(world: World, day: date) -> str:
    """The accounting period of a day."""
    for period in world.all("netsuite", "accountingPeriod"):
        if period.fields["startDate"] <= day.isoformat() <= period.fields["endDate"]:
            return period.id
    raise NotYet(f"NetSuite has no period of {day}")
