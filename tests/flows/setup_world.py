"""A small world in which a contract can be set up: three vendors with ledgers of their own, facts, and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine, insert, select

from tests.connectors.fakes.kantata import KantataRig
from tests.connectors.fakes.netsuite import NetSuiteRig, _error
from tests.connectors.fakes.salesforce import SalesforceRig
from tests.hub.builders import MOMENT, account, change, contract, opportunity, prepare, take
from tieout.bootstrap import Settings
from tieout.connectors.kit.interface import Change, Connector
from tieout.flows import durable
from tieout.flows.environment import Environment
from tieout.hub import exceptions, work
from tieout.store import clock, tables
from tieout.store import work as store
from tieout.store.ids import new_id

WORKSPACE: dict[str, Any] = {
    "tax": [{"entity": "US01", "country": "US", "category": "O", "rate": "0", "from": "2020-01-01"}],
    "accounts": {"netsuite": {"billing_clearing": "4900"}},
    "billing": {"items": {"time": "SVC-TIME"}, "tax_codes": {"O": "NON-TAX"}},
}
ADDRESS = {"BillingCity": "Austin", "BillingPostalCode": "73301"}
TERMS = {
    "Opportunity__c": "O-O-1", "Payment_Terms_Days__c": 30, "Document_Url__c": "https://docs.example/k-1",
    "Document_Hash__c": "ab" * 32,
}  # fmt: skip


@dataclass
class World:
    """The firm's systems, our database, and what happens in them."""

    engine: Engine
    salesforce: SalesforceRig = field(default_factory=SalesforceRig)
    kantata: KantataRig = field(default_factory=KantataRig)
    netsuite: NetSuiteRig = field(default_factory=NetSuiteRig)
    versions: int = 1

    def __post_init__(self) -> None:
        with self.engine.begin() as conn:
            prepare(conn)
            row = {"version": 1, "digest": "1", "document": WORKSPACE, "applied_by": "test"}
            conn.execute(insert(tables.workspace_version).values(**row, recorded_at=clock.now(conn)))
            price = {
                "card": "STANDARD", "currency": "USD", "role": "Consultant II", "price": Decimal(200),
                "effective_from": MOMENT.date().replace(month=1, day=1), "source": "test", "recorded_at": MOMENT,
            }  # fmt: skip
            conn.execute(insert(tables.rate).values(**price))
        fake = self.netsuite.fake
        clearing = fake.put("account", {"acctnumber": "4900", "acctname": "Billing clearing"})
        fake.put("item", {"itemid": "SVC-TIME", "incomeaccount": clearing})
        fake.put("salestaxitem", {"itemid": "NON-TAX"})
        march = {"periodname": "Mar 2026", "startdate": "2026-03-01", "enddate": "2026-03-31"}
        self.period = fake.put("accountingperiod", {**march, "closed": "F", "arlocked": "F"})
        entity = {"externalid": "US01", "name": "US", "country": "US", "joined": {"currency_code": "USD"}}
        self.hear("netsuite", change("subsidiary", "1", "1", entity))

    @property
    def outside(self) -> Environment:
        """The environment of one process."""
        return Environment(self.engine, Settings(Path("/nowhere")), self._open)

    def _open(self, settings: Settings, system: str, *rest: Any) -> Connector:
        rigs = {"salesforce": self.salesforce, "kantata": self.kantata, "netsuite": self.netsuite}
        return rigs[system].connector

    # --- facts -----------------------------------------------------------------------------------------------------

    def hear(self, connection: str, *changes: Change) -> None:
        """Facts of a system, taken in."""
        with self.engine.begin() as conn:
            take(conn, connection, *changes)

    def sign(self, number: str = "K-1", **fields: Any) -> None:
        """A customer, a won opportunity and a signed contract that are complete but for what `fields` change."""
        self.versions += 1
        deal = "O-" + number.removeprefix("K-")
        self.hear(
            "salesforce",
            account(version=f"{self.versions:03}", **ADDRESS),
            opportunity(deal, version=f"{self.versions:03}", ContractId=f"K-{number}"),
            contract(
                number, version=f"{self.versions:03}", **TERMS | {"Opportunity__c": f"O-{deal}"} | fields
            ),
        )

    def correct_customer(self, **fields: Any) -> None:
        """A later version of the customer."""
        self.versions += 1
        self.hear("salesforce", account(version=f"{self.versions:03}", **ADDRESS | fields))

    def bill(self, state: str, net: str, kind: str = "invoice") -> None:
        """A document of contract K-1 in a state (only what the set-up and the CRM are told of it is real)."""
        amount, number = Decimal(net), f"{kind}-{len(self.rows('invoice'))}"
        is_released = state not in ("draft", "approved", "void")
        row = {
            "id": new_id(MOMENT), "kind": kind, "contract": "K-1", "customer": "C-100", "legal_entity": "US01",
            "currency": "USD", "through": MOMENT.date(), "terms_days": 30, "net_amount": amount, "tax_amount": 0,
            "gross_amount": amount, "state": state, "content_hash": "h", "preparer": "a", "approver": "b",
            "approved_hash": "h", "number": number if is_released else None,
            "released_at": MOMENT if is_released else None, "recorded_at": MOMENT, "updated_at": MOMENT,
        }  # fmt: skip
        with self.engine.begin() as conn:
            conn.execute(insert(tables.invoice).values(**row))
            line = {"line": 1, "contract": "K-1", "contract_line": "1", "description": "Services", "quantity": 1,
                    "unit_price": amount, "net_amount": amount, "tax_category": "O", "tax_rate": 0}  # fmt: skip
            conn.execute(insert(tables.invoice_line).values(invoice=row["id"], **line))

    # --- work ------------------------------------------------------------------------------------------------------

    def ask(self, *keys: str, kind: str = "setup") -> None:
        """Request work, committed."""
        with self.engine.begin() as conn:
            work.request_all(conn, [(kind, key) for key in keys or ("K-1",)])

    def run(self, kind: str = "setup") -> int:
        """Run what is due."""
        return durable.run_due(self.outside, [kind])

    def set_up(self, *keys: str) -> None:
        """Request and run."""
        self.ask(*keys)
        self.run()

    def later(self, **span: float) -> None:
        """Move the clock."""
        with self.engine.begin() as conn:
            clock.set_now(conn, clock.now(conn) + timedelta(**span))

    def until_quiet(self, kind: str = "setup", most: int = 60) -> None:
        """Move the clock to each next moment of this kind until nothing is due any more."""
        for _ in range(most):
            self.run(kind)
            due = self._next(kind)
            if due is None:
                return
            with self.engine.begin() as conn:
                clock.set_now(conn, max(due, clock.now(conn)))
        raise AssertionError(f"{kind} never comes to rest")

    def hand_back(self) -> None:
        """What a dead process was carrying out is due again."""
        with self.engine.begin() as conn:
            moment = clock.now(conn)
            for piece, _ in store.running(conn):
                store.fail(conn, *piece, "died", moment, moment)

    def _next(self, kind: str) -> datetime | None:
        table = tables.work
        query = select(table.c.due_at).where(table.c.kind == kind, table.c.requested > table.c.done)
        with self.engine.begin() as conn:
            found = [moment for moment in conn.execute(query).scalars() if moment is not None]
        return min(found, default=None)

    # --- what came of it -------------------------------------------------------------------------------------------

    def rows(self, name: str, **where: Any) -> list[dict[str, Any]]:
        """Rows of a table of ours."""
        table = tables.metadata.tables[name]
        query = select(table).where(*(table.c[column] == value for column, value in where.items()))
        with self.engine.begin() as conn:
            return [dict(row) for row in conn.execute(query).mappings()]

    def flow(self, key: str = "K-1") -> dict[str, Any]:
        """The one flow of a contract."""
        (row,) = self.rows("flow", key=key)
        return row

    def open_exceptions(self) -> list[tuple[str, str]]:
        """(kind, key) of what is open."""
        with self.engine.begin() as conn:
            return sorted((row["kind"], row["key"]) for row in exceptions.listed(conn).rows)

    def events(self, *types: str) -> list[str]:
        """Names of the events about projects, in order."""
        return [
            r["type"].split(".")[2] for r in self.rows("event") if r["type"].startswith("tieout.project.")
        ]

    def erp(self) -> dict[tuple[str, str], Any]:
        """NetSuite's own ledger: whether each record it was told is inactive."""
        return {key: held.get("isInactive") for key, held in self.netsuite.fake.records.items()}

    def psa(self) -> list[tuple[str, str | None]]:
        """Kantata's own ledger: title and status of every workspace."""
        held = self.kantata.fake.tables["workspaces"]
        return [(w["title"], (w.get("status") or {}).get("message")) for w in held]

    def profile(self) -> dict[str, str]:
        """The billing profile as Kantata holds it."""
        return {v["custom_field_name"]: v["value"] for v in self.kantata.fake.tables["custom_field_values"]}

    def ledgers(self) -> tuple[Any, ...]:
        """Everything that the targets hold, without their ids and stamps."""
        fake = self.kantata.fake
        return (
            sorted(self.erp().items()), sorted(self.psa()), sorted(self.profile().items()),
            sorted(s["title"] for s in fake.tables["stories"]), len(fake.tables["external_references"]),
            len(fake.tables["custom_field_values"]),
        )  # fmt: skip

    def refuse(self, record: str, message: str = "Invalid name.") -> Callable[[], None]:
        """NetSuite refuses every write of a record; the answer makes it accept them again."""
        fake = self.netsuite.fake
        accepting = fake._put

        def put(kind: str, key: str, sent: Mapping[str, Any], fault: str) -> httpx.Response:
            if kind == record:
                return _error(400, "INVALID_PARAMETER", message)
            return accepting(kind, key, dict(sent), fault)

        fake._put = put  # type: ignore[method-assign, assignment]

        def accept() -> None:
            fake._put = accepting  # type: ignore[method-assign]

        return accept
