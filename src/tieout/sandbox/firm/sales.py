"""What the sales people do in Salesforce: accounts, opportunities, quotes by role, signed contracts, and amending them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any

from tieout.sandbox.firm import keys, labor
from tieout.sandbox.firm.customers import CUSTOMERS, DEALS, LEGAL_ENTITY, Customer, Deal
from tieout.sandbox.firm.dates import moment, month_end, next_working
from tieout.sandbox.firm.plan import Action, Entry
from tieout.sandbox.firm.timesheets import value

ACCOUNTS_ON = date(2025, 12, 5)
ROOM = Decimal("1.3")
_CENT = Decimal("0.01")


def selling(entries: Sequence[Entry], caps: Mapping[str, Decimal], months: int) -> list[Action]:
    """Every account and deal up to its signed contract; `caps` by contract number."""
    accounts = {account_id(customer.number): _account(customer) for customer in CUSTOMERS}
    payload = {"type": "Account", "records": accounts}
    actions = [Action(moment(ACCOUNTS_ON, 10), "salesforce", "enter", payload)]
    for place, deal in enumerate(DEALS):
        own = [entry for entry in entries if entry.contract == deal.number]
        actions += _quoting(place, deal, own)
        actions += _signing(place, deal, own, caps.get(deal.number), months)
    return actions


def contract_id(deal: Deal) -> str:
    """The Salesforce id of a deal's contract."""
    return keys.salesforce("Contract", DEALS.index(deal))


def opportunity_id(deal: Deal) -> str:
    """The Salesforce id of a deal's opportunity."""
    return keys.salesforce("Opportunity", DEALS.index(deal))


def contract_fields(
    deal: Deal, expected: Decimal, cap: Decimal | None, months: int, *, complete: bool
) -> dict[str, Any]:
    """A contract as it is signed; what is incomplete is left out unless `complete`."""
    document = f"https://meridian.example/contracts/{deal.number}.pdf"
    signed = moment(deal.signed, 14).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    fields: dict[str, Any] = {
        "ContractNumber": deal.number, "AccountId": account_id(deal.customer), "Opportunity__c": opportunity_id(deal),
        "Status": "Activated", "StartDate": deal.work_from.isoformat(), "ContractTerm": 12,
        "EndDate": month_end(max(11, months)).isoformat(), "ActivatedDate": signed, "CurrencyIsoCode": "USD",
        "Billing_Method__c": "Time and Materials", "Rate_Card__c": labor.CARD, "Cap_Amount__c": cap,
        "Over_Cap__c": None if cap is None else "hold", "Discount_Percent__c": deal.discount_percent,
        "Increment_Minutes__c": deal.increment_minutes, "Increment_Mode__c": "up" if deal.increment_minutes else None,
        "Purchase_Order__c": deal.order, "Purchase_Order_Amount__c": round_up(expected * ROOM) if deal.order else None,
        "Legal_Entity__c": LEGAL_ENTITY, "Payment_Terms_Days__c": deal.terms_days, "Effective_Date__c": None,
        "Document_Url__c": document, "Document_Hash__c": hashlib.sha256(document.encode()).hexdigest(),
    }  # fmt: skip
    left_out = () if complete else deal.incomplete
    return {name: None if name in left_out else held for name, held in fields.items()}


def account_id(customer: str) -> str:
    """The Salesforce id of a customer number."""
    numbers = [one.number for one in CUSTOMERS]
    return keys.salesforce("Account", numbers.index(customer))


def round_up(amount: Decimal, step: int = 1000) -> Decimal:
    """The amount in whole steps, upwards."""
    return (amount / step).to_integral_value(ROUND_CEILING) * step + Decimal("0.00")


def _save(day: date, hour: int, type: str, number: int, fields: Mapping[str, Any]) -> Action:
    payload = {"type": type, "id": keys.salesforce(type, number), "fields": fields}
    return Action(moment(day, hour), "salesforce", "save", payload)


def _account(customer: Customer) -> dict[str, Any]:
    return {
        "AccountNumber": customer.number, "Name": customer.name, "BillingStreet": customer.street,
        "BillingCity": customer.city, "BillingState": customer.state, "BillingPostalCode": customer.postal_code,
        "BillingCountry": "US", "CurrencyIsoCode": "USD", "Tax_Id__c": customer.tax_id,
        "Purchase_Order_Required__c": customer.order_required,
    }  # fmt: skip


def _quoting(place: int, deal: Deal, entries: Sequence[Entry]) -> Iterator[Action]:
    """The opportunity in negotiation and its approved primary quote, with a line for each role."""
    day = next_working(deal.signed - timedelta(days=6))
    lines = _lines(deal, entries)
    total = sum((line["SBQQ__NetTotal__c"] for line in lines), Decimal(0))
    opportunity = {
        "Name": deal.name, "Opportunity_Number__c": deal.opportunity, "AccountId": account_id(deal.customer),
        "StageName": "Negotiation", "IsWon": False, "IsClosed": False, "CloseDate": deal.signed.isoformat(),
        "Amount": total, "CurrencyIsoCode": "USD", "ContractId": None,
    }  # fmt: skip
    quote = {
        "Name": f"Q-{10401 + place}", "SBQQ__Opportunity2__c": opportunity_id(deal),
        "SBQQ__Account__c": account_id(deal.customer), "SBQQ__Status__c": "Approved", "SBQQ__Primary__c": True,
        "SBQQ__NetAmount__c": total, "CurrencyIsoCode": "USD",
    }  # fmt: skip
    yield _save(day, 10, "Opportunity", place, opportunity)
    yield _save(day, 11, "SBQQ__Quote__c", place, quote)
    quoted = keys.salesforce("SBQQ__Quote__c", place)
    records = {
        keys.salesforce("SBQQ__QuoteLine__c", place * 100 + number): {
            "SBQQ__Quote__c": quoted,
            "SBQQ__Number__c": number,
            **line,
        }
        for number, line in enumerate(lines, 1)
    }
    payload = {"type": "SBQQ__QuoteLine__c", "records": records}
    yield Action(moment(day, 11), "salesforce", "enter", payload)


def _lines(deal: Deal, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Planned hours of each role in tens, at the card's price of the first day less the discount."""
    share = 1 - (deal.discount_percent or Decimal(0)) / 100
    lines = []
    for role in labor.ROLES:
        minutes = sum(entry.minutes for entry in entries if entry.worker.role == role)
        if minutes:
            hours = round_up(Decimal(minutes) / 60, 10)
            price = (labor.price_of(role, deal.work_from) * share).quantize(_CENT, ROUND_HALF_UP)
            lines.append(
                {"Role__c": role, "SBQQ__Quantity__c": hours, "SBQQ__NetPrice__c": price,
                 "SBQQ__NetTotal__c": (hours * price).quantize(_CENT, ROUND_HALF_UP)}
            )  # fmt: skip
    return lines


def _signing(
    place: int, deal: Deal, entries: Sequence[Entry], cap: Decimal | None, months: int
) -> Iterator[Action]:
    fields = contract_fields(deal, value(entries), cap, months, complete=False)
    yield _save(deal.signed, 14, "Contract", place, fields)
    won = {"StageName": "Closed Won", "IsWon": True, "IsClosed": True, "ContractId": contract_id(deal)}
    yield _save(deal.signed, 14, "Opportunity", place, won)
    yield _save(deal.signed, 14, "SBQQ__Quote__c", place, {"SBQQ__Status__c": "Ordered"})
