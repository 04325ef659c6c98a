"""The record that a document's PDF and XML are made of: the parties, lines and totals as they are, or were at release.

A draft takes what holds now. A released document takes what the hub knew at the moment of its release, so it says the same
for ever, whatever becomes of the customer or the workspace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.domain.billing.sales_document import (
    CREDIT_NOTE,
    INVOICE,
    PREPAYMENT,
    SELF_BILLED,
    SELF_BILLED_CREDIT,
    BackupRow,
    BankAccount,
    DocumentLine,
    Party,
    SalesDocument,
)
from tieout.hub import canonical, exchange, policies
from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.billing import deposits
from tieout.hub.billing.documents import find, may_read, name_of, told_by_contract
from tieout.hub.policies import Invoicing
from tieout.model.money import round_to_minor
from tieout.store import clock, subledger
from tieout.store import invoices as store

_TYPES = {
    # (kind, self-billed): type code of UNTDID 1001
    ("invoice", False): INVOICE, ("credit_note", False): CREDIT_NOTE,
    ("invoice", True): SELF_BILLED, ("credit_note", True): SELF_BILLED_CREDIT,
}  # fmt: skip
_ADDRESS = ("street", "city", "postal_code", "state_code", "tax_id")
_OWN = ("registration", "contact", "phone", "email")


def document(
    conn: Connection, ref: str, actor: Actor = SYSTEM
) -> tuple[SalesDocument, tuple[BackupRow, ...]]:
    """The record of a document and the rows of its backup sheet, for who may read it."""
    row = find(conn, ref, actor)
    may_read(actor, row["kind"])
    made = [_backup(event) for event in store.events_behind(conn, row["id"])]
    made += [_settled(line) for line in store.lines(conn, row["id"]) if line["settles"]]
    return record_of(conn, row), tuple(made)


def record_of(conn: Connection, row: Mapping[str, Any]) -> SalesDocument:
    """The record of one document: as of its release, or now while it is a draft."""
    moment = row["released_at"]
    stated = policies.load(conn, moment)
    entity = row["legal_entity"]
    seller = stated.seller(entity)
    issued = row["issue_date"] or clock.now(conn).astimezone(stated.time_zone(entity)).date()
    due = row["due_date"]
    if due is None and row["kind"] == "invoice":
        due = issued + timedelta(days=row["terms_days"])
    lines, behind = store.lines(conn, row["id"]), store.events_behind(conn, row["id"])
    days, units = _days(behind), _units(behind)
    original = store.read(conn, store.by_id(row["credits"])) if row["credits"] else None
    known = _known(conn, "legal_entity", entity, moment)
    taxed = _known(conn, "customer", row["customer"], original["released_at"] if original else moment)
    local = _local_tax(conn, row, original or row, issued)
    return SalesDocument(
        type_code=PREPAYMENT
        if row["purpose"] == deposits.PURPOSE
        else _TYPES[row["kind"], row["customer"] in seller.self_billed],
        number=name_of(row),
        issue_date=issued,
        due_date=due,
        currency=row["currency"],
        seller=_seller(entity, known, seller),
        buyer=_buyer(row["customer"], _known(conn, "customer", row["customer"], moment)),
        lines=tuple(
            _line(
                line, days.get(line["line"]), units.get(line["line"], "item" if line["settles"] else "hour")
            )
            for line in told_by_contract(lines)
        ),
        net_amount=row["net_amount"],
        tax_amount=row["tax_amount"],
        gross_amount=row["gross_amount"],
        retained_amount=row["retained_amount"],
        bank=_bank(seller),
        contract=row["contract"] if len({line["contract"] for line in lines}) == 1 else None,
        purchase_order=row["purchase_order"],
        credits=original["number"] if original else None,
        credits_issued=original["issue_date"] if original else None,
        reason=row["reason"],
        exemption=taxed.get("exemption") or seller.facts.get("exemption"),
        exemption_code=taxed.get("exemption_code"),
        terms_days=row["terms_days"] if row["kind"] == "invoice" else None,
        period_start=min((first for first, _ in days.values()), default=None),
        period_end=max((last for _, last in days.values()), default=None),
        local_currency=local and local[0],
        local_tax_amount=local and local[1],
        draft=row["number"] is None,
    )


def _known(conn: Connection, type: str, key: str, moment: datetime | None) -> Mapping[str, Any]:
    if moment is None:
        return canonical.current(conn, type, [key]).get(key) or {}
    return canonical.known_at(conn, type, key, moment) or {}


def _local_tax(
    conn: Connection, row: Mapping[str, Any], original: Mapping[str, Any], day: date
) -> tuple[str, Decimal] | None:
    """The currency of the books and the tax in it, where it is another: as it was booked, of a draft at the day's rate.

    A credit note has the rate of its invoice.
    """
    entity, tax = row["legal_entity"], row["tax_amount"]
    books = subledger.currencies(conn).get(entity, row["currency"])
    if not tax or books == row["currency"]:
        return None
    if original["number"] is None:
        return exchange.in_books(conn, entity, row["currency"], tax, day)
    booked = subledger.booked_tax(conn, original["number"])
    if booked is None or not original["tax_amount"]:
        return None
    return books, round_to_minor(booked * tax / original["tax_amount"], books)


def _seller(entity: str, known: Mapping[str, Any], stated: Invoicing) -> Party:
    facts = stated.facts
    return Party(
        facts.get("legal_name") or known.get("name") or entity,
        facts.get("country") or known.get("country"),
        **{name: facts.get(name) for name in (*_ADDRESS, *_OWN)},
    )


def _buyer(customer: str, known: Mapping[str, Any]) -> Party:
    return Party(
        known.get("legal_name") or customer, known.get("country"), **{name: known.get(name) for name in _ADDRESS}
    )  # fmt: skip


def _bank(stated: Invoicing) -> BankAccount | None:
    account = stated.facts.get("account")
    return BankAccount(account, stated.facts.get("bic"), stated.facts.get("bank")) if account else None


def _days(behind: Sequence[Mapping[str, Any]]) -> dict[int, tuple[date, date]]:
    """First and last day of the work, or of the period, behind each line."""
    found: dict[int, tuple[date, date]] = {}
    for event in behind:
        since, until = (event[name] or event["work_date"] for name in ("period_start", "period_end"))
        first, last = found.get(event["line"], (since, until))
        found[event["line"]] = min(first, since), max(last, until)
    return found


def _units(behind: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """What the quantity of each line counts: hours, or items of a charge."""
    hourly = {"time", "overage"}
    return {event["line"]: "hour" if event["source_kind"] in hourly else "item" for event in behind}


def _line(line: Mapping[str, Any], days: tuple[date, date] | None, unit: str) -> DocumentLine:
    first, last = days or (None, None)
    return DocumentLine(
        line["line"], line["description"], line["quantity"], line["unit_price"], line["net_amount"],
        line["tax_category"], line["tax_rate"], unit=unit, period_start=first, period_end=last,
    )  # fmt: skip


def _settled(line: Mapping[str, Any]) -> BackupRow:
    return BackupRow(
        line["line"], None, None, None, line["description"], line["quantity"], line["unit_price"], line["net_amount"]
    )  # fmt: skip


def _backup(event: Mapping[str, Any]) -> BackupRow:
    return BackupRow(
        event["line"], event["work_date"], event["worker"], event["role"], event["notes"], event["quantity"],
        event["price"], event["amount"],
    )  # fmt: skip
