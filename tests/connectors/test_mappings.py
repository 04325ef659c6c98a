"""The mapping files of the three connectors, run by the hub's engine on what the connectors read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import tieout.connectors as connectors
from tests.sandbox.rigs import KantataRig, NetSuiteRig, SalesforceRig
from tieout.connectors.kit.conformance import every_change
from tieout.connectors.kit.manifest import load_manifest
from tieout.hub.mapping import Mappings, load_mappings
from tieout.sandbox.server import Sandbox
from tieout.store.tables import CANONICAL

FOLDER = Path(connectors.__file__).parent
SYSTEMS = ("salesforce", "kantata", "netsuite")


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def mappings(system: str) -> Mappings:
    return load_mappings(FOLDER / system / "mapping")


def test_every_object_and_write_has_its_mapping(system: str) -> None:
    """Nothing is read or written without a mapping; inverses carry their own body."""
    manifest = load_manifest(FOLDER / system)
    known = mappings(system)
    assert set(known.incoming) == set(manifest.objects)
    assert set(known.outgoing) | {w.inverse for w in manifest.writes.values()} >= set(manifest.writes)
    assert set(known.outgoing) <= set(manifest.writes)


def test_every_field_is_a_column(system: str) -> None:
    """Canonical fields are columns of the typed tables."""
    for mapping in mappings(system).incoming.values():
        columns = set(CANONICAL[mapping.canonical].columns.keys())
        assert {rule.name for rule in mapping.rules} <= columns, mapping.object


def test_every_source_field_is_read(system: str) -> None:
    """A mapping reads only fields that the manifest asks for (or that the connector joins in)."""
    manifest = load_manifest(FOLDER / system)
    for name, mapping in mappings(system).incoming.items():
        assert set(mapping.source_fields()) <= {*manifest.objects[name].fields, "joined"}, name


def test_a_salesforce_contract_becomes_a_contract(sandbox: Sandbox) -> None:
    """Terms, approval and purchase order in their field groups; the discount as a share."""
    rig = SalesforceRig(sandbox)
    record = {
        "ContractNumber": "C-1001", "AccountId": "1", "Status": "Activated", "ActivatedDate": "2026-01-02",
        "Opportunity__c": "2", "StartDate": "2026-01-01", "EndDate": "2026-12-31", "CurrencyIsoCode": "USD",
        "Billing_Method__c": "Time and Materials", "Rate_Card__c": "MOBIS", "Cap_Amount__c": 100000.5,
        "Over_Cap__c": "hold", "Discount_Percent__c": 12.5, "Increment_Minutes__c": 15.0, "Increment_Mode__c": "up",
        "Purchase_Order__c": None, "Legal_Entity__c": "US01", "Payment_Terms_Days__c": 30.0,
    }  # fmt: skip
    rig.put("Contract", record)
    mapped = _mapped("salesforce", rig, "Contract")
    assert mapped["key"] == "C-1001"
    assert mapped["discount"] == Decimal("0.125")
    assert mapped["cap_amount"] == Decimal("100000.5")
    assert mapped["effective_from"] == date(2026, 1, 1)
    assert mapped["state"] == "active"
    assert mapped["references"] == {"customer": "1", "opportunity": "2"}


def test_a_kantata_time_entry_becomes_a_time_entry(sandbox: Sandbox) -> None:
    """Minutes as exact hours, the role by name, project and worker by reference."""
    rig = KantataRig(sandbox)
    rig.add(1)
    mapped = _mapped("kantata", rig, "time_entry")
    assert mapped["worked_hours"] == Decimal("1.25")
    assert mapped["state"] == "approved"
    assert mapped["role"] == "Consultant II"
    assert mapped["references"] == {"project": rig.workspace, "worker": rig.user}
    assert mapped["source_project"] == rig.workspace


def test_a_netsuite_invoice_and_payment_become_documents(sandbox: Sandbox) -> None:
    """250.00 - 100.00 paid = 150.00; currency, period and entity joined in; a payment with what it was applied to."""
    rig = NetSuiteRig(sandbox)
    document = rig.connector.apply(rig.command(1)).target_id
    paid = {"items": [{"doc": {"id": document}, "apply": True, "amount": 100}]}
    payment = {"tranId": "PY", "customer": {"id": rig.client}, "payment": 100, "currency": {"id": rig.usd}}
    rig.put("customerPayment", {**payment, "tranDate": "2026-02-10", "apply": paid})
    rig.put("accountingPeriod", {"arLocked": True}, rig.periods["2025-12"])
    found = _mapped("netsuite", rig, "transaction")
    assert (found["kind"], found["period"], found["legal_entity"]) == ("invoice", "US01/2026-01", "US01")
    assert (found["total"], found["amount_remaining"]) == (Decimal("250.00"), Decimal("150.00"))
    applied = _mapped("netsuite", rig, "customerpayment")
    assert applied["children"]["applications"] == [{"erp_document": document, "amount": Decimal("100.00")}]
    assert _mapped("netsuite", rig, "accountingperiod", rig.periods["2025-12"])["state"] == "closed"
    assert _mapped("netsuite", rig, "customer")["terms_days"] == 30
    assert _mapped("netsuite", rig, "subsidiary")["currency"] == "USD"


def test_an_invoice_body_is_what_netsuite_takes() -> None:
    """Amounts with their exact digits, references as ids, absent values left out."""
    target = {
        "customer": "7",
        "job": "8",
        "subsidiary": "1",
        "currency": "2",
        "period": "3",
        "item": "5",
        "tax_code": "6",
    }
    line = {"line": 1, "description": "Work", "quantity": Decimal("1.25"), "unit_price": Decimal("100.10")}
    context = {
        "number": "US01-000001", "issue_date": date(2026, 1, 31), "due_date": date(2026, 3, 2), "currency": "USD",
        "memo": "January", "purchase_order": None, "lines": [{**line, "net_amount": Decimal("125.13")}], "target": target,
    }  # fmt: skip
    body = mappings("netsuite").outbound("upsert_invoice").render(context)
    assert b'"amount":125.13' in body
    assert b'"quantity":1.25' in body
    sent = json.loads(body)
    assert sent["approvalStatus"] == {"id": "2"}
    assert "otherRefNum" not in sent
    assert sent["item"]["items"][0]["item"] == {"id": "5"}
    credit = json.loads(mappings("netsuite").outbound("upsert_credit_memo").render(
        {**context, "target": {**target, "invoice": "99"}}
    ))  # fmt: skip
    assert credit["apply"]["items"] == [{"doc": {"id": "99"}, "apply": True}]


def test_kantata_bodies() -> None:
    """A title with the number, the tasks, a profile of texts, a status."""
    outbound = mappings("kantata").outbound
    made = json.loads(outbound("create_project").render({
        "number": "P-1", "title": "Roll-out", "start_date": date(2026, 1, 1), "end_date": None, "currency": "USD",
        "cap_amount": Decimal(1000), "tasks": ["Delivery", "Management"],
    }))  # fmt: skip
    assert made["workspace"] == {"title": "Roll-out [P-1]", "start_date": "2026-01-01", "currency": "USD"}
    assert made["stories"] == ["Delivery", "Management"]
    profile = json.loads(outbound("set_billing_profile").render({
        "number": "P-1", "billing_method": "time_and_materials", "rate_card": "MOBIS", "purchase_order": None,
        "payment_terms_days": 30, "cap_amount": Decimal("1000.00"), "target": {"workspace": "10"},
    }))  # fmt: skip
    assert profile["profile"]["Cap amount"] == "1000.00"
    assert profile["profile"]["Payment terms (days)"] == "30"


def _mapped(system: str, rig: Any, object: str, source_id: str = "") -> Mapping[str, Any]:
    rig.object = object
    changes = [c for c in every_change(rig)[0] if c.source_id.startswith(source_id)]
    mapping = mappings(system).inbound(object)
    assert mapping is not None
    result = mapping.apply(changes[0].document)
    assert not result.findings
    references = {r.field: r.source_id for r in result.references}
    return {**result.values, "key": result.key, "children": result.children, "references": references}
