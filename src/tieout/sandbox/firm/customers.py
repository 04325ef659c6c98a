"""Meridian's customers and what was sold to them. Names are invented; towns and postal codes are real."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from tieout.sandbox.firm.dates import START

LEGAL_ENTITY = "US01"


@dataclass(frozen=True)
class Customer:
    """An account in Salesforce."""

    number: str
    name: str
    street: str
    city: str
    state: str
    postal_code: str
    tax_id: str
    order_required: bool = False


@dataclass(frozen=True)
class Deal:
    """An opportunity that becomes a contract; `incomplete` names the fields that are left empty at first."""

    number: str
    opportunity: str
    name: str
    customer: str
    terms_days: int
    signed: date
    work_from: date
    order: str | None = None
    discount_percent: Decimal | None = None
    increment_minutes: int | None = None
    capped: bool = False
    incomplete: tuple[str, ...] = field(default=())


CUSTOMERS = (
    Customer("CU-101", "Larkspur Health Partners", "214 Tremont Street", "Boston", "MA", "02116", "04-7731902"),
    Customer("CU-102", "Ironbridge Logistics, Inc.", "3900 Winchester Road", "Memphis", "TN", "38118", "62-5540187"),
    Customer("CU-103", "Cascadia Mutual Insurance Company", "1201 Third Avenue", "Seattle", "WA", "98101",
             "91-2208456", order_required=True),
    Customer("CU-104", "Prairie State Utilities Co.", "607 East Adams Street", "Springfield", "IL", "62701",
             "37-9916240", order_required=True),
    Customer("CU-105", "O'Malley & Finch Retail Group", "88 East Broad Street", "Columbus", "OH", "43215", "31-4467093"),
    Customer("CU-106", "Blue Mesa Bancorp", "500 Marquette Avenue NW", "Albuquerque", "NM", "87102", "85-3019774"),
    Customer("CU-107", "Tidewater Terminal Operators", "101 West Main Street", "Norfolk", "VA", "23510", "54-8825316"),
    Customer("CU-108", "Quillfeather Media, LLC", "1100 Congress Avenue", "Austin", "TX", "78701", "74-6612085"),
    Customer("CU-109", "Saint Brannoc College", "25 Gibbs Street", "Rochester", "NY", "14604", "16-7094523"),
)  # fmt: skip

_LATER = date(2026, 1, 14)
_FIX = ("Payment_Terms_Days__c", "Document_Url__c", "Document_Hash__c")
DEALS = (
    Deal("C-2601", "OPP-7101", "Electronic records migration", "CU-101", 30, date(2025, 12, 15), START),
    Deal("C-2602", "OPP-7102", "Warehouse management roll-out", "CU-102", 45, date(2025, 12, 15), START, capped=True),
    Deal("C-2603", "OPP-7103", "Claims platform modernization", "CU-103", 30, date(2025, 12, 16), START, "4500088213"),
    Deal("C-2604", "OPP-7104", "Outage reporting portal", "CU-104", 30, date(2025, 12, 16), _LATER),
    Deal("C-2605", "OPP-7105", "Store analytics", "CU-105", 30, date(2025, 12, 17), START,
         discount_percent=Decimal("5.0")),
    Deal("C-2606", "OPP-7106", "Core banking interfaces", "CU-106", 60, date(2025, 12, 17), START),
    Deal("C-2607", "OPP-7107", "Berth and crane scheduling", "CU-107", 45, date(2025, 12, 18), START,
         increment_minutes=15),
    Deal("C-2608", "OPP-7108", "Subscription data platform", "CU-108", 30, date(2026, 1, 5), _LATER, incomplete=_FIX),
    Deal("C-2609", "OPP-7109", "Student records integration", "CU-109", 30, date(2026, 1, 5), _LATER,
         incomplete=("Legal_Entity__c", "Billing_Method__c")),
    Deal("C-2610", "OPP-7110", "Patient portal support", "CU-101", 30, date(2025, 12, 19), START),
    Deal("C-2611", "OPP-7111", "Fleet telematics pilot", "CU-102", 45, date(2025, 12, 22), START),
    Deal("C-2612", "OPP-7112", "Policy archive review", "CU-103", 30, date(2025, 12, 22), _LATER),
)  # fmt: skip

ORDER_LATER, ORDER_NEVER = "C-2604", "C-2612"
FIXED_ON = date(2026, 1, 12)


def deal(contract: str) -> Deal:
    """The deal of a contract number."""
    return next(one for one in DEALS if one.number == contract)
