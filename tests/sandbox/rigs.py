"""The conformance suite's controls over the simulators: real HTTPS, people through the world, faults by script."""

from __future__ import annotations

import json
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from tieout.connectors import kantata, netsuite, salesforce
from tieout.connectors.kit.http import HttpOptions
from tieout.connectors.kit.interface import Command
from tieout.sandbox.server import Sandbox

CLOCK = datetime(2026, 1, 5, 9, 0, 0, tzinfo=UTC)
HOSTILE = (
    "O'Brien \\ Söhne", '"><script>alert(1)</script>', '=HYPERLINK("x")', "日本語 🧾 \u202e", "a AND b = 'c'", "[X]",
    "\ue00012\ue001", "line\nline\ttab",
)  # fmt: skip
FOREVER = 1_000_000


class Wire(httpx.HTTPTransport):
    """The real network, which keeps what was sent and can refuse a connection."""

    def __init__(self, ca: str) -> None:
        super().__init__(verify=ssl.create_default_context(cafile=ca))
        self.sent: list[httpx.Request] = []
        self.refusing: list[bool] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/token"):
            if self.refusing and self.refusing[0] == is_write(request):
                self.refusing.pop(0)
                raise httpx.ConnectError("refused")
            self.sent.append(request)
        return super().handle_request(request)


def is_write(request: httpx.Request) -> bool:
    """Whether a request changes something (SuiteQL is a POST that does not)."""
    return request.method != "GET" and not request.url.path.endswith("/suiteql")


class Reader:
    """A connector with its sign-in at one of the simulated systems."""

    system = ""

    def __init__(self, sandbox: Sandbox, **config: Any) -> None:
        self.sandbox, self.world = sandbox, sandbox.world
        told = sandbox.credentials[self.system]
        self.wire = Wire(told["config"]["ca"])
        self.clock = CLOCK
        self.options = HttpOptions(
            environment="dev", clock=lambda: self.clock, read_seconds=20, transport=self.wire
        )
        modules = {"salesforce": salesforce, "kantata": kantata, "netsuite": netsuite}
        self.connector: Any = modules[self.system].connect(
            {**told["config"], **config}, told["secrets"], self.options
        )


class SandboxRig(Reader, ABC):
    """What is the same for all systems that the conformance suite plays with."""

    type = ""
    mutation: dict[str, Any] = {}  # noqa: RUF012
    tokens_expire = True
    renamed = ("", "")
    text_field = ""

    @abstractmethod
    def record(self, number: int) -> dict[str, Any]:
        """Fields of the n-th record of the type that is played with."""

    @abstractmethod
    def touch(self, source_id: str) -> None:
        """A person changes one record."""

    @abstractmethod
    def hostile(self) -> Sequence[str]:
        """A record for each hostile text; their ids."""

    @abstractmethod
    def remove_field(self) -> str:
        """The vendor drops a field; its name."""

    @abstractmethod
    def command(self, number: int) -> Command:
        """The n-th command of the operation that is played with."""

    @abstractmethod
    def applied(self, command: Command) -> int:
        """How many records hold what the command asked for."""

    def put(self, type: str, fields: dict[str, Any], id: str | None = None, **more: Any) -> str:
        """A person makes or changes a record."""
        return self.world.put(self.system, type, fields, id, **more)

    def add(self, count: int) -> list[str]:
        return self.world.put_many(self.system, self.type, (self.record(n) for n in range(count)))

    def add_late(self, seconds: int) -> str:
        return self.put(self.type, self.record(900), at=self.world.stamp() - timedelta(seconds=seconds))

    def delete(self, source_id: str) -> None:
        self.world.delete(self.system, self.type, source_id)

    def fault(self, behaviour: str, *, write: bool, times: int = 1, **detail: Any) -> None:
        if behaviour == "refuse_connection":
            self.wire.refusing += [write] * times
            return
        kind = {"throttle": "rate_limited"}.get(behaviour, behaviour)
        if behaviour == "mutate":
            detail = {"fields": self.mutation, **detail}
        self.world.add_fault(self.system, kind, path="^write " if write else "^read ", times=times, **detail)

    def expire_tokens(self) -> bool:
        self.sandbox.simulators[self.system].tokens.clear()
        return self.tokens_expire

    def drift(self, **change: Any) -> None:
        """The vendor's next release: `remove`, `rename`, `add`."""
        self.world.add_fault(self.system, "drift", times=FOREVER, type=self.type, **change)

    def wait(self, seconds: int) -> None:
        self.world.set_now(self.world.now() + timedelta(seconds=seconds))

    def rename_field(self) -> tuple[str, str]:
        old, new = self.renamed
        self.drift(rename={old: new})
        return old, new

    def add_field(self) -> str:
        self.drift(add={self.renamed[1]: "new"})
        return self.renamed[1]

    def huge(self, characters: int) -> str:
        return self.put(self.type, {**self.record(1), self.text_field: "x" * characters})

    def bodies(self) -> Sequence[bytes]:
        return [r.content for r in self.wire.sent if is_write(r)]

    def calls(self) -> int:
        return len(self.wire.sent)


class SalesforceRig(SandboxRig):
    """An org with accounts."""

    system, object, type = "salesforce", "Account", "Account"
    page_size, batches = 200, True
    renamed, text_field = ("Tax_Id__c", "Tax_Number__c"), "BillingStreet"
    mutation = {"Project_Status__c": "changed by a trigger"}  # noqa: RUF012

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, page_size=self.page_size)

    def record(self, number: int) -> dict[str, Any]:
        return {"Name": f"Firm {number}", "AccountNumber": f"A-{number}"}

    def touch(self, source_id: str) -> None:
        self.put("Account", {"Name": "changed"}, source_id)

    def hostile(self) -> Sequence[str]:
        return [self.put("Account", {"Name": text}) for text in HOSTILE]

    def remove_field(self) -> str:
        self.drift(remove=["Tax_Id__c"])
        return "Tax_Id__c"

    def command(self, number: int) -> Command:
        """The status of a deal that people made: the hub never makes deals."""
        key = f"OPP-{number}"
        if not self.world.find("salesforce", "Opportunity", Opportunity_Number__c=key):
            deal = {"Name": "Deal", "StageName": "Closed Won", "CloseDate": "2026-01-31"}
            self.put("Opportunity", {**deal, "Opportunity_Number__c": key})
        body = {
            "attributes": {"type": "Opportunity"}, "Opportunity_Number__c": key, "Project_Status__c": "active",
            "Billed_Amount__c": 1250.5,
        }  # fmt: skip
        return Command("upsert_opportunity", key, json.dumps(body).encode())

    def applied(self, command: Command) -> int:
        found = self.world.find("salesforce", "Opportunity", Opportunity_Number__c=command.external_key)
        return sum(1 for r in found if r.fields.get("Project_Status__c"))


class KantataRig(SandboxRig):
    """An account with time entries on one project."""

    system, object, type = "kantata", "time_entry", "time_entry"
    page_size, batches = 3, False
    mutation = {"currency": "EUR"}  # noqa: RUF012
    tokens_expire = False
    renamed, text_field = ("billable", "chargeable"), "notes"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, page_size=self.page_size)
        self.role = self.put("role", {"name": "Consultant II"})
        self.user = self.put("user", {"full_name": "A Worker", "default_role_id": self.role})
        self.workspace = self.put("workspace", {**WORKSPACE, "title": "Roll-out [P-0]"})

    def record(self, number: int) -> dict[str, Any]:
        return {
            "workspace_id": self.workspace, "user_id": self.user, "date_performed": "2026-01-05",
            "time_in_minutes": 75, "billable": True, "approved": True, "notes": f"work {number}", "story_id": None,
            "role_id": self.role,
        }  # fmt: skip

    def touch(self, source_id: str) -> None:
        self.put("time_entry", {"time_in_minutes": 90}, source_id)

    def hostile(self) -> Sequence[str]:
        return [self.put("time_entry", {**self.record(n), "notes": text}) for n, text in enumerate(HOSTILE)]

    def remove_field(self) -> str:
        self.drift(remove=["billable"])
        return "billable"

    def command(self, number: int) -> Command:
        workspace = {"title": f"Roll-out [P-{number}]", "currency": "USD", "start_date": "2026-01-01"}
        body = {"workspace": workspace, "stories": ["Delivery", "Management"]}
        return Command("create_project", f"P-{number}", json.dumps(body).encode())

    def applied(self, command: Command) -> int:
        found = self.world.all("kantata", "workspace")
        return sum(1 for r in found if f"[{command.external_key}]" in r.fields["title"])

    def fault(self, behaviour: str, *, write: bool, times: int = 1, **detail: Any) -> None:
        """A project is written in several calls; its silent change is one of the workspace."""
        if behaviour == "mutate":
            self.world.add_fault(
                "kantata", "mutate", path="^write .*/workspaces", times=times, fields=self.mutation
            )
            return
        super().fault(behaviour, write=write, times=times, **detail)


class NetSuiteRig(SandboxRig):
    """An account with one subsidiary, its reference data, open periods and customers."""

    system, object, type = "netsuite", "customer", "customer"
    renamed, text_field = ("terms", "paymentterms"), "companyName"
    page_size, batches = 3, False
    mutation = {"total": Decimal("0.01")}  # noqa: RUF012

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, page_size=self.page_size)
        self.usd = self.put("currency", {"symbol": "USD", "name": "US Dollar"})
        self.us01 = self.put(
            "subsidiary", {"externalId": "US01", "name": "US", "country": "US", "currency": {"id": self.usd}}
        )
        self.net30 = self.put("term", {"name": "Net 30", "daysUntilNetDue": 30})
        self.account = self.put("account", {"acctNumber": "4900", "acctName": "Billing clearing"})
        self.item = self.put("item", {"itemId": "SVC-TIME", "incomeAccount": {"id": self.account}})
        self.tax = self.put("salesTaxItem", {"itemId": "NON-TAX", "rate": 0})
        self.periods = {month: self.period(month) for month in ("2025-12", "2026-01", "2026-02")}
        self.client = ""

    def period(self, month: str, **more: Any) -> str:
        """An accounting period of a month, open."""
        first = datetime.fromisoformat(f"{month}-01")
        last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        dates = {"startDate": f"{first:%Y-%m-%d}", "endDate": f"{last:%Y-%m-%d}"}
        return self.put("accountingPeriod", {"periodName": f"{first:%b %Y}", **dates, "closed": False, "arLocked": False, **more})  # fmt: skip

    def record(self, number: int) -> dict[str, Any]:
        return {
            "entityId": f"C-{number}", "companyName": f"Firm {number}", "subsidiary": {"id": self.us01},
            "currency": {"id": self.usd}, "terms": {"id": self.net30},
        }  # fmt: skip

    def customer(self, number: str, name: str, **more: Any) -> str:
        return self.put("customer", {**self.record(0), "entityId": number, "companyName": name, **more})

    def touch(self, source_id: str) -> None:
        self.touch_by(source_id, f"changed {self.world.stamp()}")

    def touch_by(self, source_id: str, name: str) -> None:
        """A person changes the name."""
        self.put("customer", {"companyName": name}, source_id)

    def hostile(self) -> Sequence[str]:
        return [self.customer(f"H-{n}", text) for n, text in enumerate(HOSTILE)]

    def remove_field(self) -> str:
        self.drift(remove=["terms"])
        return "terms"

    def invoice(self, number: int, **more: Any) -> dict[str, Any]:
        """An invoice over 2 × 125.00 as the hub would send it."""
        self.client = self.client or self.customer("C-900", "Client")
        lines = [
            {"line": n, "item": {"id": self.item}, "quantity": 1.25, "rate": 100, "amount": 125.00,
             "description": "Work", "taxCode": {"id": self.tax}}
            for n in (1, 2)
        ]  # fmt: skip
        return {
            "tranId": f"INV-{number}", "entity": {"id": self.client}, "subsidiary": {"id": self.us01},
            "currency": {"id": self.usd}, "tranDate": "2026-01-31", "postingPeriod": {"id": self.periods["2026-01"]},
            "approvalStatus": {"id": "2"}, "item": {"items": lines}, **more,
        }  # fmt: skip

    def command(self, number: int) -> Command:
        return Command("upsert_invoice", f"INV-{number}", json.dumps(self.invoice(number)).encode())

    def applied(self, command: Command) -> int:
        return len(self.world.find("netsuite", "invoice", externalId=command.external_key))


WORKSPACE = {
    "start_date": "2026-01-01", "due_date": None, "currency": "USD", "price_in_cents": None, "archived": False,
    "status": {"key": 310, "message": "Active"},
}  # fmt: skip
RIGS = {"salesforce": SalesforceRig, "kantata": KantataRig, "netsuite": NetSuiteRig}
