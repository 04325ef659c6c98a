"""What NetSuite computes from its records: totals of lines, what is still open, states, who posts where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from tieout.sandbox.simulators.netsuite_schema import DOCUMENTS
from tieout.sandbox.world import Record, World

CENT = Decimal("0.01")
PENDING, APPROVED = "1", "2"
API_USER, PERSON = "9001", "4"


@dataclass
class Applied:
    """What payments and credits took off one invoice, and when that last changed."""

    amount: Decimal = Decimal(0)
    changed: datetime | None = None


@dataclass
class Books:
    """All documents of an account at one moment."""

    documents: dict[str, Record] = field(default_factory=dict)
    applied: dict[str, Applied] = field(default_factory=dict)
    used: dict[str, Decimal] = field(default_factory=dict)
    links: list[tuple[str, str, Decimal]] = field(default_factory=list)

    def remaining(self, invoice: Record) -> Decimal:
        """What is still open on an invoice."""
        taken = self.applied.get(invoice.id, Applied()).amount
        return total_of(invoice) - taken if is_posting(invoice) else total_of(invoice)

    def changed(self, record: Record) -> datetime:
        """When a document last changed: itself, or by what was applied to it."""
        moment = self.applied.get(record.id, Applied()).changed
        return record.modified_at if moment is None else max(record.modified_at, moment)

    def state(self, record: Record) -> tuple[str, str]:
        """Letter and word of a document's status."""
        if record.fields.get("voided") is True:
            return "V", "Voided"
        if not is_posting(record):
            return "D", "Pending Approval"
        if record.type == "invoice":
            return ("A", "Open") if self.remaining(record) > 0 else ("B", "Paid In Full")
        if self.used.get(record.id, Decimal(0)) < total_of(record):
            return "A", "Open"
        return "B", "Fully Applied"


def read_books(world: World) -> Books:
    """The books as the records stand."""
    books = Books()
    for type in DOCUMENTS:
        for record in world.all("netsuite", type, deleted=True):
            if not record.deleted:
                books.documents[record.id] = record
            for row in rows_of(record, "apply"):
                _apply(books, record, row)
    return books


def _apply(books: Books, record: Record, row: Mapping[str, Any]) -> None:
    if row.get("apply", True) is not True or reference(row.get("doc")) is None:
        return
    document = str(reference(row["doc"]))
    entry = books.applied.setdefault(document, Applied())
    entry.changed = max(entry.changed or record.modified_at, record.modified_at)
    if record.deleted or not is_posting(record):
        return
    amount = number(row.get("amount"))
    entry.amount += amount
    books.used[record.id] = books.used.get(record.id, Decimal(0)) + amount
    books.links.append((document, record.id, amount))


def total_of(record: Record) -> Decimal:
    """Of a payment its amount, of a document the sum of its lines in cents."""
    fields = record.fields
    if "total" in fields:
        return number(fields["total"])
    if record.type == "customerPayment":
        return number(fields.get("payment", 0))
    return sum_of(rows_of(record, "item"))


def sum_of(lines: Sequence[Mapping[str, Any]]) -> Decimal:
    """Each line in cents, half up, then added."""
    return sum((line_amount(line) for line in lines), Decimal(0))


def line_amount(line: Mapping[str, Any]) -> Decimal:
    """The stated amount, else quantity times rate."""
    amount = line.get("amount")
    exact = (
        number(amount)
        if amount is not None
        else number(line.get("quantity", 1)) * number(line.get("rate", 0))
    )
    return exact.quantize(CENT, ROUND_HALF_UP)


def is_posting(record: Record) -> bool:
    """A document that waits for approval is not in the books."""
    return str(reference(record.fields.get("approvalStatus")) or APPROVED) == APPROVED


def rows_of(record: Record, sublist: str) -> list[Mapping[str, Any]]:
    """Rows of a sublist."""
    held = record.fields.get(sublist)
    rows = held.get("items") if isinstance(held, Mapping) else held
    return [row for row in rows or [] if isinstance(row, Mapping)]


def reference(value: Any) -> str | None:
    """The internal id of a reference `{"id": "5"}`."""
    if isinstance(value, Mapping):
        value = value.get("id")
    return None if value is None else str(value)


def number(value: Any) -> Decimal:
    """An exact number."""
    return Decimal(str(value if value is not None else 0))
