"""The set-up world with a customer in the ERP, so that a released invoice can be posted, paid and tied out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import Engine

from tests.flows.setup_world import World
from tests.hub import billing_world as w
from tests.hub.builders import change, deleted
from tieout.hub import billing

D = Decimal
ENGINEER = w.BOB


class BillingWorld(World):
    """K-1 is signed; its customer stands in NetSuite."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.netsuite.customer("C-100", "Acme")
        self.sign()
        self.version = 100

    def release(self, entry: str = "e1", hours: str = "8") -> str:
        """A released invoice of 100 an hour; its number."""
        with self.engine.begin() as conn:
            w.event(conn, entry, hours)
            return w.released(conn)

    def credit(self, number: str, **asked: Any) -> str:
        """A released credit note; its number."""
        with self.engine.begin() as conn:
            return w.credited(conn, number, **asked)

    def show(self, number: str) -> dict[str, Any]:
        """The document as people see it."""
        with self.engine.begin() as conn:
            return billing.show(conn, number)

    def state(self, number: str) -> str:
        """Its state."""
        return str(self.show(number)["state"])

    def held(self, number: str, record: str = "invoice") -> dict[str, Any]:
        """What NetSuite holds under our key."""
        return self.netsuite.fake.records[record, number]

    def documents(self) -> list[tuple[str, str]]:
        """Invoices and credit memos of NetSuite."""
        return sorted(k for k in self.netsuite.fake.records if k[0] in ("invoice", "creditMemo"))

    def accounts(self) -> dict[str, Decimal]:
        """Balances that are not zero."""
        with self.engine.begin() as conn:
            return w.accounts(conn)

    # --- what the ERP says ---------------------------------------------------------------------------------------

    def hear_document(self, number: str, **fields: Any) -> str:
        """NetSuite's view of the posted document, as it would be read; its id."""
        self.version += 1
        source_id = str(self.held(number)["id"])
        document = {
            "id": source_id, "type": "CustInvc", "tranid": number, "externalid": number, "entity": "77",
            "trandate": "2026-03-02", "foreigntotal": "800.00", "foreignamountunpaid": "800.00", "status": "A",
            "joined": {"legal_entity": "US01", "currency_code": "USD", "period": "US01/2026-03"},
        }  # fmt: skip
        customer = {"id": "77", "entityid": "C-100", "joined": {"terms_days": "30", "legal_entity": "US01"}}
        self.hear("netsuite", change("customer", "77", "1", customer))
        self.hear("netsuite", change("transaction", source_id, str(self.version), document | fields))
        return source_id

    def hear_payment(self, document: str, amount: str, payment: str = "900") -> None:
        """A payment as it is applied now."""
        self.version += 1
        said = {
            "id": payment, "entity": "77", "trandate": "2026-03-20", "foreigntotal": amount,
            "joined": {"legal_entity": "US01", "currency_code": "USD",
                       "applications": [{"document": document, "amount": amount}]},
        }  # fmt: skip
        self.hear("netsuite", change("customerpayment", payment, str(self.version), said))

    def delete_payment(self, payment: str = "900") -> None:
        """The payment is deleted there."""
        self.version += 1
        self.hear("netsuite", deleted("customerpayment", payment, str(self.version)))

    def settle(self, document: str) -> None:
        """Take it in."""
        self.ask(document, kind="settle")
        self.run("settle")
