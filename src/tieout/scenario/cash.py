"""Cash as the ERP states it: a released document posted there, and the payments applied to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tieout.connectors.kit.interface import Change

if TYPE_CHECKING:
    from tieout.scenario.facts import Facts


def paid(
    facts: Facts, document: Mapping[str, Any], amount: Decimal, withheld: Decimal, at: date, moment: datetime,
    currency: str | None = None,
) -> list[Change]:  # fmt: skip
    """The document in the ERP and a payment of it: `amount` in cash, `withheld` as tax that the customer pays for us.

    `currency` is that of the payment, the document's unless stated.
    """
    number = document["number"]
    common = {
        "customer": document["customer"], "entity": document["legal_entity"], "currency": document["currency"],
    }  # fmt: skip
    posted = common | {
        "kind": "invoice", "number": number, "external_key": document["external_key"], "date": document["issue_date"],
        "total": document["gross_amount"], "remaining": "0", "state": "open",
    }  # fmt: skip
    key = f"PAY-{number}-{moment:%Y%m%d%H%M%S}"
    payment = common | {
        "id": key, "date": at, "currency": currency or document["currency"], "amount": amount, "withheld": withheld,
        "applications": [{"document": number, "amount": format(amount + withheld, "f")}],
    }  # fmt: skip
    return [
        facts.change("erp_document", number, posted, moment),
        facts.change("payment", key, payment, moment),
    ]
