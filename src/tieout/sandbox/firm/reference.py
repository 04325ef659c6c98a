"""What the systems hold before anybody works: NetSuite's books, Kantata's people and roles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from tieout.sandbox.firm.customers import LEGAL_ENTITY
from tieout.sandbox.firm.dates import START, ZONE, days, moment, month_end, month_start, next_working
from tieout.sandbox.firm.keys import NO_TAX, STRAY_WORKSPACE, SUBSIDIARY, TIME_ITEM, USD, kantata_role
from tieout.sandbox.firm.labor import ROLES
from tieout.sandbox.firm.plan import Action, Worker

OPENING = datetime(2025, 12, 1, 9, 0, tzinfo=ZONE)
PERIODS_BEFORE, PERIODS_AFTER = 1, 9
CLOSING_DAY = 10
_INCOME, _RECEIVABLE = "21", "22"

ACCOUNTS = (
    ("20", "1000", "Checking"), (_RECEIVABLE, "1100", "Accounts Receivable"), (_INCOME, "4900", "Billing Clearing"),
    ("23", "4000", "Services Revenue"), ("24", "2200", "Sales Taxes Payable"),
)  # fmt: skip
TERMS = (("4", "Net 30", 30), ("5", "Net 45", 45), ("6", "Net 60", 60))


def opening(workers: Sequence[Worker], months: int) -> list[Action]:
    """The records of the first day, list by list."""
    lists: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for system, type, id, fields in (*_netsuite(months), *_kantata(workers)):
        lists.setdefault((system, type), {})[id] = fields
    return [
        Action(OPENING, system, "enter", {"type": type, "records": records})
        for (system, type), records in lists.items()
    ]


def _netsuite(months: int) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    yield "netsuite", "currency", USD, {"symbol": "USD", "name": "US Dollar"}
    yield "netsuite", "subsidiary", SUBSIDIARY, {
        "externalId": LEGAL_ENTITY, "name": "Meridian Consulting, Inc.", "country": "US", "currency": {"id": USD}
    }  # fmt: skip
    for id, name, until_due in TERMS:
        yield "netsuite", "term", id, {"name": name, "daysUntilNetDue": until_due}
    for id, account, name in ACCOUNTS:
        yield "netsuite", "account", id, {"acctNumber": account, "acctName": name}
    item = {
        "itemId": "SVC-TIME",
        "displayName": "Professional services, time",
        "incomeAccount": {"id": _INCOME},
    }
    yield "netsuite", "item", TIME_ITEM, item
    yield "netsuite", "salesTaxItem", NO_TAX, {"itemId": "NON-TAX", "rate": 0}
    for number in range(-PERIODS_BEFORE, months + PERIODS_AFTER):
        yield "netsuite", "accountingPeriod", period_id(number), {
            "periodName": f"{month_start(number):%b %Y}", "startDate": month_start(number).isoformat(),
            "endDate": month_end(number).isoformat(), "closed": False, "arLocked": False,
        }  # fmt: skip


def period_id(number: int) -> str:
    """The accounting period of the n-th month."""
    return str(100 + number + PERIODS_BEFORE)


def closings(months: int) -> list[Action]:
    """The ERP people close each month around the tenth of the next."""
    actions = []
    for number in range(-PERIODS_BEFORE, months):
        day = next_working(month_start(number + 1).replace(day=CLOSING_DAY))
        fields = {"closed": True, "arLocked": True}
        payload = {"type": "accountingPeriod", "id": period_id(number), "fields": fields}
        actions.append(Action(moment(day, 18), "netsuite", "save", payload))
    return actions


def collections(months: int) -> list[Action]:
    """Twice a week the ERP people enter what customers have paid."""
    last = month_start(months + 2)
    weekdays = [day for day in days(START, last) if day.weekday() in (1, 4)]
    return [Action(moment(day, 15), "netsuite", "collect", {"day": day.isoformat()}) for day in weekdays]


def _kantata(workers: Sequence[Worker]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for place, role in enumerate(ROLES):
        yield "kantata", "role", kantata_role(place), {"name": role, "description": None}
    for worker in workers:
        yield "kantata", "user", worker.id, {
            "full_name": worker.name, "email_address": worker.email, "headline": worker.role,
            "default_role_id": role_id(worker.role), "account_permission": "punch_clock",
        }  # fmt: skip
    yield "kantata", "workspace", STRAY_WORKSPACE, {
        "title": "Proposals and pre-sales", "start_date": None, "due_date": None, "currency": "USD",
        "price_in_cents": None, "status": {"key": 300, "message": "Active"}, "archived": False,
    }  # fmt: skip


def role_id(role: str) -> str:
    """The Kantata role of a labor category."""
    return kantata_role(ROLES.index(role))
