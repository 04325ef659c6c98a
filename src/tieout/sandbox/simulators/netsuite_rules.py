"""What NetSuite refuses: unknown fields, references to nothing, closed periods, entities that do not fit, used numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.sandbox.simulators.netsuite_books import (
    API_USER,
    APPROVED,
    CENT,
    PENDING,
    is_posting,
    line_amount,
    number,
    read_books,
    reference,
    rows_of,
    sum_of,
)
from tieout.sandbox.simulators.netsuite_schema import COMMON, DOCUMENTS, FIELDS, LINE_FIELDS, REFERENCES
from tieout.sandbox.world import Record, World

CLOSED = "You cannot create or edit a transaction in a closed period."
REQUIRED = {
    "customer": ("companyName", "subsidiary"), "job": ("companyName", "parent"), "invoice": ("entity", "item"),
    "creditMemo": ("entity", "item"), "customerPayment": ("customer", "payment"),
}  # fmt: skip
DATES = ("tranDate", "dueDate", "startDate", "projectedEndDate")
ENTITIES = ("customer", "job")


@dataclass(frozen=True)
class Problem:
    """Why a record is refused, in the vendor's code and words."""

    code: str
    detail: str
    path: str = ""


class Rules:
    """The checks of one account."""

    def __init__(self, world: World) -> None:
        self._world = world

    def prepared(self, type: str, values: Mapping[str, Any], held: Record | None) -> dict[str, Any] | Problem:
        """The fields as NetSuite will keep them, or the first reason to refuse."""
        problem = self._check_names(type, values) or self._check_references(values)
        if problem is not None:
            return problem
        made = dict(values)
        if "item" in made and type in DOCUMENTS:
            made["item"] = _merged(held, made["item"])
        after = {**(held.fields if held else {}), **made}
        for name in REQUIRED[type]:
            if after.get(name) in (None, "", {}, {"items": []}):
                return Problem("USER_ERROR", f"Please enter value(s) for: {name}", name)
        if held is None:
            made["createdBy"] = {"id": API_USER}
        if type in ENTITIES:
            return self._check_entity(type, after, held) or made
        return self._prepared_document(type, made, after, held)

    def check_delete(self, held: Record) -> Problem | None:
        """A document of a closed period and an entity with documents stay."""
        if held.type in DOCUMENTS:
            return self._check_period(held.fields)
        for type in DOCUMENTS:
            for name in ("entity", "customer", "job"):
                if self._world.find("netsuite", type, **{name: {"id": held.id}}):
                    return Problem(
                        "USER_ERROR", "This record cannot be deleted because it has dependent records."
                    )
        return None

    # --- fields and references ------------------------------------------------------------------------

    def _check_names(self, type: str, values: Mapping[str, Any]) -> Problem | None:
        known = {*FIELDS[type], *COMMON}
        for name, value in values.items():
            if name not in known and not name.startswith("cust"):
                return Problem("INVALID_CONTENT", f"Unknown reference or field: {name}", name)
            if name in DATES and value is not None and _day(value) is None:
                return Problem("INVALID_CONTENT", f"Invalid date value {value} (must be YYYY-MM-DD)", name)
        item = values.get("item") if type in DOCUMENTS else None
        for row in _rows(item):
            for name, value in row.items():
                if name not in LINE_FIELDS and not name.startswith("cust"):
                    return Problem(
                        "INVALID_CONTENT", f"Unknown reference or field: {name}", f"item.items.{name}"
                    )
                if name in ("quantity", "rate", "amount") and not _is_number(value):
                    return Problem("INVALID_CONTENT", f"Invalid number value {value}", f"item.items.{name}")
        return None

    def _check_references(self, values: Mapping[str, Any], path: str = "") -> Problem | None:
        for name, value in values.items():
            if name in ("item", "apply") and isinstance(value, Mapping) and "items" in value:
                for place, row in enumerate(_rows(value)):
                    problem = self._check_references(row, f"{name}.items[{place}].")
                    if problem is not None:
                        return problem
            elif name in REFERENCES and value is not None:
                target = reference(value)
                if target is None or self._world.get("netsuite", REFERENCES[name], target) is None:
                    detail = f"Invalid reference key {target} for {name}."
                    return Problem("INVALID_KEY_OR_REF", detail, f"{path}{name}")
        return None

    def _check_entity(self, type: str, after: Mapping[str, Any], held: Record | None) -> Problem | None:
        """A job belongs to its customer's subsidiary and currency; a number is used once in a subsidiary."""
        if type == "job":
            parent = self._world.get("netsuite", "customer", str(reference(after["parent"])))
            for name in ("subsidiary", "currency"):
                mine, theirs = (
                    reference(after.get(name)),
                    reference(parent.fields.get(name)) if parent else None,
                )
                if mine is not None and mine != theirs:
                    return Problem(
                        "USER_ERROR", f"The {name} of a project must be that of its customer.", name
                    )
        for other in self._world.find("netsuite", type, entityId=after.get("entityId")):
            same = reference(other.fields.get("subsidiary")) == reference(after.get("subsidiary"))
            if same and other.id != (held.id if held else "") and after.get("entityId"):
                return Problem("USER_ERROR", "This entity already exists.", "entityId")
        return None

    # --- documents ------------------------------------------------------------------------------------

    def _prepared_document(
        self, type: str, made: dict[str, Any], after: dict[str, Any], held: Record | None
    ) -> dict[str, Any] | Problem:
        made.setdefault("tranDate", after.get("tranDate") or self._world.now().date().isoformat())
        after["tranDate"] = made["tranDate"]
        customer = self._world.get(
            "netsuite", "customer", str(reference(after.get("entity") or after.get("customer")))
        )
        if customer is None:
            return Problem("USER_ERROR", "Please enter value(s) for: Customer", "entity")
        problem = self._check_fit(after, customer)
        if problem is None and reference(after.get("postingPeriod")) is None:
            period = self._period_of(str(after["tranDate"]))
            if period is None:
                return Problem(
                    "USER_ERROR",
                    "The transaction date you specified is not within the date range of your accounting period.",
                    "tranDate",
                )
            made["postingPeriod"] = after["postingPeriod"] = {"id": period.id}
        problem = problem or self._check_period(after) or (self._check_period(held.fields) if held else None)
        problem = problem or self._check_number(type, after, held)
        if problem is not None:
            return problem
        made.update({n: customer.fields.get(n) for n in ("subsidiary", "currency") if after.get(n) is None})
        if type != "customerPayment":
            made["total"] = sum_of(_rows(after.get("item")))
        if type == "invoice":
            made.setdefault("approvalStatus", after.get("approvalStatus") or {"id": APPROVED})
            if str(reference(made["approvalStatus"])) not in (PENDING, APPROVED):
                return Problem("INVALID_CONTENT", "Invalid approval status.", "approvalStatus")
            if after.get("dueDate") is None and (due := self._due(after, customer)):
                made["dueDate"] = due
            return made
        return self._applied(type, made, after, held, customer)

    def _check_fit(self, after: Mapping[str, Any], customer: Record) -> Problem | None:
        if customer.fields.get("isInactive") is True:
            return Problem("USER_ERROR", "The customer is inactive.", "entity")
        for name in ("subsidiary", "currency"):
            mine, theirs = reference(after.get(name)), reference(customer.fields.get(name))
            if mine is not None and theirs is not None and mine != theirs:
                return Problem(
                    "USER_ERROR", f"Invalid {name} reference key {mine} for entity {customer.id}.", name
                )
        job = (
            self._world.get("netsuite", "job", str(reference(after.get("job")))) if after.get("job") else None
        )
        if job is not None and reference(job.fields.get("parent")) != customer.id:
            return Problem(
                "USER_ERROR", f"Invalid job reference key {job.id} for entity {customer.id}.", "job"
            )
        return None

    def _check_period(self, fields: Mapping[str, Any]) -> Problem | None:
        period = self._world.get("netsuite", "accountingPeriod", str(reference(fields.get("postingPeriod"))))
        if period is None:
            return None
        closed = period.fields.get("closed") is True or period.fields.get("arLocked") is True
        return Problem("USER_ERROR", CLOSED, "postingPeriod") if closed else None

    def _period_of(self, day: str) -> Record | None:
        for period in self._world.all("netsuite", "accountingPeriod"):
            if str(period.fields.get("startDate")) <= day <= str(period.fields.get("endDate")):
                return period
        return None

    def _check_number(self, type: str, after: Mapping[str, Any], held: Record | None) -> Problem | None:
        if not after.get("tranId"):
            return None
        for other in self._world.find("netsuite", type, tranId=after["tranId"]):
            if other.id != (held.id if held else ""):
                detail = f"A transaction with this document number already exists: {after['tranId']}"
                return Problem("USER_ERROR", detail, "tranId")
        return None

    def _due(self, after: Mapping[str, Any], customer: Record) -> str | None:
        term_id = reference(after.get("terms")) or reference(customer.fields.get("terms"))
        term = self._world.get("netsuite", "term", str(term_id))
        day = _day(after["tranDate"])
        if term is None or day is None:
            return None
        return (day + timedelta(days=int(number(term.fields.get("daysUntilNetDue"))))).isoformat()

    def _applied(
        self, type: str, made: dict[str, Any], after: Mapping[str, Any], held: Record | None, customer: Record
    ) -> dict[str, Any] | Problem:
        """Rows of `apply` with their amounts: never more than is open on the invoice or left of the document."""
        left = made["total"] if type == "creditMemo" else number(after.get("payment")).quantize(CENT)
        books, rows = read_books(self._world), []
        for row in _rows(after.get("apply")):
            if row.get("apply", True) is not True:
                continue
            invoice = self._world.get("netsuite", "invoice", str(reference(row.get("doc"))))
            if (
                invoice is None
                or reference(invoice.fields.get("entity")) != customer.id
                or not is_posting(invoice)
            ):
                return Problem("USER_ERROR", "You cannot apply to this transaction.", "apply")
            mine = [
                number(r.get("amount"))
                for r in (rows_of(held, "apply") if held else [])
                if reference(r.get("doc")) == invoice.id
            ]
            open_amount = books.remaining(invoice) + sum(mine, Decimal(0))
            amount = number(row["amount"]) if row.get("amount") is not None else min(left, open_amount)
            if amount > open_amount or amount > left:
                return Problem(
                    "USER_ERROR",
                    f"The amount {amount} is more than is open on {invoice.fields.get('tranId')}.",
                    "apply",
                )
            left -= amount
            rows.append({**row, "doc": {"id": invoice.id}, "apply": True, "amount": amount})
        if rows or "apply" in after:
            made["apply"] = {"items": rows}
        return made


def _merged(held: Record | None, item: Any) -> dict[str, Any]:
    """Rows of a sublist: one with the number of a row that exists changes it, others are added at the end."""
    kept = {int(number(r.get("line"))): dict(r) for r in (rows_of(held, "item") if held else [])}
    for row in _rows(item):
        place = int(number(row["line"])) if row.get("line") is not None else max(kept, default=0) + 1
        merged = {**kept.get(place, {}), **row, "line": place}
        if row.get("amount") is None:
            merged.pop("amount", None)
        kept[place] = {**merged, "amount": line_amount(merged)}
    return {"items": [kept[place] for place in sorted(kept)]}


def _rows(sublist: Any) -> list[Mapping[str, Any]]:
    rows = sublist.get("items") if isinstance(sublist, Mapping) else sublist
    return [row for row in rows or [] if isinstance(row, Mapping)]


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False
