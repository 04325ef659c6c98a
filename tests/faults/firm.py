"""The smallest firm: what its people do in the outside systems, stage by stage, from a first contract to a credit.

One customer, two people, two contracts (one of them first incomplete, then ended), time that is corrected after it was
billed, one payment, one dispute. Each stage is played once; only our side is killed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from tieout.sandbox.firm import keys, labor
from tieout.sandbox.firm.people import Desk, do
from tieout.sandbox.firm.plan import Worker
from tieout.sandbox.firm.projects import Projects
from tieout.sandbox.firm.receivables import collect
from tieout.sandbox.firm.reference import opening, role_id
from tieout.sandbox.world import World

CONTRACT, SHORT = "C-1", "C-2"
WORKERS = tuple(
    Worker(keys.kantata_user(place), name, f"w{place}@firm.example", role, CONTRACT, CONTRACT)
    for place, (name, role) in enumerate((("Ada Quist", "Senior Consultant"), ("Ben Rao", "Technical Writer - III")))
)  # fmt: skip
STRAY, CORRECTED, WITHDRAWN, DISPUTED = 5, 1, 3, 10
"""Entries by number: booked on a project of nobody, corrected and withdrawn after they were billed, disputed."""


@dataclass(frozen=True)
class Stage:
    """A moment of the story: what people do outside, and then what happens on our side (see play.py).

    `reads`: the systems whose polls come due in this stage; `rare`: their daily sweeps come due too.
    """

    name: str
    moment: datetime
    outside: Callable[[World], None]
    reads: tuple[str, ...]
    rare: bool = False


def moment(month: int, day: int) -> datetime:
    """Three in the afternoon, UTC, of a day in 2026."""
    return datetime(2026, month, day, 15, tzinfo=timezone.utc)


# --- stages --------------------------------------------------------------------------------------------


def open_books(world: World) -> None:
    """The reference data of the first day, and the customer."""
    desk = _desk(world)
    for action in opening(WORKERS, 1):
        do(desk, action.system, action.verb, action.payload, None)
    account = {
        "AccountNumber": "CU-1", "Name": "O'Malley & Söhne", "BillingStreet": "1 Main Street", "BillingCity": "Austin",
        "BillingState": "TX", "BillingPostalCode": "73301", "BillingCountry": "US", "CurrencyIsoCode": "USD",
        "Tax_Id__c": "74-0000001", "Purchase_Order_Required__c": False,
    }  # fmt: skip
    world.put("salesforce", "Account", account, id=keys.salesforce("Account", 0))


def sign(world: World) -> None:
    """Two won opportunities with signed contracts; the second one lacks its terms."""
    for place, number in enumerate((CONTRACT, SHORT)):
        opportunity = {
            "Name": f"Deal {number}", "Opportunity_Number__c": f"OPP-{number}", "AccountId": keys.salesforce("Account", 0),
            "StageName": "Closed Won", "IsWon": True, "IsClosed": True, "CloseDate": "2026-01-02", "Amount": 9000,
            "CurrencyIsoCode": "USD", "ContractId": keys.salesforce("Contract", place),
        }  # fmt: skip
        world.put("salesforce", "Opportunity", opportunity, id=keys.salesforce("Opportunity", place))
        fields = contract_fields(place, number)
        if number == SHORT:
            fields |= {"Payment_Terms_Days__c": None, "Document_Hash__c": None}
        world.put("salesforce", "Contract", fields, id=keys.salesforce("Contract", place))


def contract_fields(place: int, number: str) -> dict[str, Any]:
    """A contract with all its terms."""
    document = f"https://firm.example/{number}.pdf"
    return {
        "ContractNumber": number, "AccountId": keys.salesforce("Account", 0),
        "Opportunity__c": keys.salesforce("Opportunity", place), "Status": "Activated", "StartDate": "2026-01-02",
        "ContractTerm": 12, "EndDate": "2026-12-31", "ActivatedDate": "2026-01-02T14:00:00.000+0000",
        "CurrencyIsoCode": "USD", "Billing_Method__c": "Time and Materials", "Rate_Card__c": labor.CARD,
        "Cap_Amount__c": 3600, "Over_Cap__c": "hold", "Discount_Percent__c": None, "Increment_Minutes__c": None,
        "Increment_Mode__c": None, "Purchase_Order__c": "PO-1", "Purchase_Order_Amount__c": 5000,
        "Legal_Entity__c": "US01", "Payment_Terms_Days__c": 30, "Effective_Date__c": None,
        "Document_Url__c": document, "Document_Hash__c": hashlib.sha256(document.encode()).hexdigest(),
    }  # fmt: skip


def complete(world: World) -> None:
    """Somebody adds what the second contract lacked."""
    world.put("salesforce", "Contract", contract_fields(1, SHORT), id=keys.salesforce("Contract", 1))


def work_first_week(world: World) -> None:
    """Time of the first week, one entry of it on a project that belongs to nobody."""
    _book(world, date(2026, 1, 5), (300, 240, 180, 120, 90))
    _book(world, date(2026, 1, 9), (60,), first=STRAY, stray=True)


def end_the_short_one(world: World) -> None:
    """The second contract ends before anybody worked on it."""
    world.put("salesforce", "Contract", {"Status": "Terminated"}, id=keys.salesforce("Contract", 1))


def work_second_week(world: World) -> None:
    """More time, and the stray entry is moved to its project."""
    _book(world, date(2026, 1, 12), (240, 150, 30), first=6)
    workspace, tasks = Projects(world).of(CONTRACT)
    told = {"workspace_id": workspace, "story_id": tasks[0]}
    world.put("kantata", "time_entry", told, id=keys.kantata_entry(STRAY))


def correct(world: World) -> None:
    """Billed hours change, others are withdrawn, and so much is added that the cap is reached."""
    world.put("kantata", "time_entry", {"time_in_minutes": 180}, id=keys.kantata_entry(CORRECTED))
    world.put("kantata", "time_entry", {"approved": False}, id=keys.kantata_entry(WITHDRAWN))
    _book(world, date(2026, 1, 20), (360, 240), first=9)


def pay(world: World) -> None:
    """The customer pays what is due."""
    collect(world, date(2026, 3, 2), seed=1)


def nothing(world: World) -> None:
    """Nobody does anything outside."""


SALES, TIME, BOOKS = ("salesforce",), ("kantata",), ("netsuite",)
STAGES = (
    Stage("opened", datetime(2025, 12, 30, 15, tzinfo=timezone.utc), open_books, SALES + TIME + BOOKS, rare=True),
    Stage("signed", moment(1, 2), sign, SALES),
    Stage("completed", moment(1, 5), complete, SALES),
    Stage("worked", moment(1, 12), work_first_week, TIME),
    Stage("ended", moment(1, 13), end_the_short_one, SALES),
    Stage("billed", moment(1, 19), work_second_week, TIME),
    Stage("corrected", moment(2, 2), correct, TIME),
    Stage("disputed", moment(2, 5), nothing, ()),
    Stage("paid", moment(3, 2), pay, BOOKS),
    Stage("closed", moment(3, 3), nothing, SALES + TIME + BOOKS),
)  # fmt: skip
LIMIT = timedelta(hours=20)
"""How far a stage goes on for what waits."""


# --- hands ---------------------------------------------------------------------------------------------


def _desk(world: World) -> Desk:
    return Desk(world, Projects(world), 1)


def _book(
    world: World, first_day: date, minutes: tuple[int, ...], *, first: int = 0, stray: bool = False
) -> None:
    """Approved time, one entry a day, the two people in turn."""
    workspace, tasks = (keys.STRAY_WORKSPACE, []) if stray else Projects(world).of(CONTRACT)
    for place, spent in enumerate(minutes):
        worker = WORKERS[place % 2]
        fields: Mapping[str, Any] = {
            "workspace_id": workspace, "story_id": tasks[0] if tasks else None, "user_id": worker.id,
            "date_performed": (first_day + timedelta(days=place)).isoformat(), "time_in_minutes": spent,
            "billable": spent != 30, "approved": True, "notes": f"work {first + place}",
            "role_id": role_id(worker.role), "currency": "USD", "invoice_id": None,
        }  # fmt: skip
        world.put("kantata", "time_entry", fields, id=keys.kantata_entry(first + place))
