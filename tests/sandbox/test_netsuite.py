"""The simulated NetSuite keeps its books by its rules; and what only the NetSuite connector does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.sandbox.rigs import NetSuiteRig
from tieout.connectors.kit.conformance import every_change
from tieout.connectors.kit.interface import AuthFailed, Command, Conflict, Drift, Rejected, UnknownOutcome
from tieout.connectors.netsuite import connect
from tieout.connectors.netsuite.auth import ASSERTION, TOKEN_PATH, signed
from tieout.sandbox.authority import make_private_key
from tieout.sandbox.server import Sandbox

RECORDS = "/services/rest/record/v1"


@pytest.fixture
def rig(sandbox: Sandbox) -> NetSuiteRig:
    return NetSuiteRig(sandbox)


@pytest.fixture
def api(rig: NetSuiteRig) -> Iterator[httpx.Client]:
    """The API as anybody with a token may call it."""
    rig.connector.test()
    token = next(iter(rig.sandbox.simulators["netsuite"].tokens))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=rig.sandbox.url, transport=rig.wire, headers=headers) as client:
        yield client


def invoice(rig: NetSuiteRig, number: int, **more: Any) -> str:
    """The id of an invoice that the hub has sent."""
    body = json.dumps(rig.invoice(number, **more)).encode()
    return str(rig.connector.apply(Command("upsert_invoice", f"INV-{number}", body)).target_id)


def dimes(rig: NetSuiteRig, amount: float) -> dict[str, Any]:
    """One line over a small amount."""
    (line, *_) = rig.invoice(0)["item"]["items"]
    return {"items": [{**line, "quantity": 1, "rate": amount, "amount": amount}]}


@pytest.mark.parametrize("wrong", ["private_key_pem", "client_id", "certificate_id"])
def test_only_the_uploaded_certificate_signs_in(rig: NetSuiteRig, wrong: str) -> None:
    """Another key, another client, another certificate: refused."""
    told = rig.sandbox.credentials["netsuite"]
    secrets = {**told["secrets"], wrong: make_private_key() if wrong == "private_key_pem" else "other"}
    with pytest.raises(AuthFailed):
        connect({**told["config"]}, secrets, rig.options).test()


def test_a_statement_for_another_address_is_refused(rig: NetSuiteRig) -> None:
    """Audience and time belong to what is signed."""
    secrets = rig.sandbox.credentials["netsuite"]["secrets"]
    for audience, expires in (("https://other" + TOKEN_PATH, 4e9), (rig.sandbox.url + TOKEN_PATH, 10)):
        claims = {
            "iss": secrets["client_id"],
            "scope": ["rest_webservices"],
            "aud": audience,
            "iat": int(expires) - 60,
            "exp": int(expires),
        }
        assertion = signed(claims, secrets["private_key_pem"], secrets["certificate_id"])
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION,
            "client_assertion": assertion,
        }
        with httpx.Client(transport=rig.wire, base_url=rig.sandbox.url) as client:
            assert client.post(TOKEN_PATH, data=form).status_code == 400


def test_an_invoice_adds_up_its_lines(rig: NetSuiteRig, api: httpx.Client) -> None:
    """2 × 125.00 = 250.00; nothing is paid; references carry names; the answer of a write is its address alone."""
    id = invoice(rig, 1)
    held = api.get(f"{RECORDS}/invoice/eid:INV-1", params={"expandSubResources": "true"}).json()
    assert (held["id"], held["total"], held["amountRemaining"]) == (id, 250.0, 250.0)
    assert held["status"]["id"] == "Open"
    assert held["entity"]["refName"] == "Client"
    assert held["subsidiary"]["refName"] == "US"
    assert "items" not in api.get(f"{RECORDS}/invoice/{id}").json()["item"]
    answer = api.put(f"{RECORDS}/invoice/eid:INV-1", json={"memo": "x"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["location"].endswith(f"/invoice/{id}")


def test_payments_and_credits_take_off_what_is_open(rig: NetSuiteRig, api: httpx.Client) -> None:
    """250.00 - 100.00 paid - 50.00 credited = 100.00; never more than is open; the invoice counts as changed."""
    id = invoice(rig, 1)
    _, cursor = every_change_of(rig, "transaction")
    payment = {
        "customer": {"id": rig.client}, "payment": 100, "tranDate": "2026-02-10",
        "apply": {"items": [{"doc": {"id": id}, "apply": True, "amount": 100}]},
    }  # fmt: skip
    assert api.post(f"{RECORDS}/customerPayment", json=payment).status_code == 204
    changes, _ = every_change_of(rig, "transaction", cursor)
    assert [(c.source_id, c.document["foreignamountunpaid"]) for c in changes][-1] == (id, "150.00")
    credit = rig.invoice(1, tranId="CN-1", apply={"items": [{"doc": {"id": id}, "apply": True}]})
    credit.pop("approvalStatus")
    credit["item"]["items"] = [{**credit["item"]["items"][0], "amount": 50}]
    command = Command("upsert_credit_memo", "CN-1", json.dumps(credit).encode())
    receipt = rig.connector.apply(command)
    assert rig.connector.apply(command) == receipt
    assert list(rig.connector.read_back(command, receipt)) == []
    assert api.get(f"{RECORDS}/invoice/{id}").json()["amountRemaining"] == 100
    assert api.post(f"{RECORDS}/customerPayment", json=payment).status_code == 204
    refused = api.post(f"{RECORDS}/customerPayment", json=payment)
    assert refused.json()["o:errorDetails"][0]["o:errorPath"] == "apply"
    assert api.get(f"{RECORDS}/invoice/{id}").json()["status"]["id"] == "Paid In Full"


def test_payments_are_read_with_what_they_paid(rig: NetSuiteRig) -> None:
    """Applications are read for a whole page of payments with one more query."""
    first, second = invoice(rig, 1), invoice(rig, 2)
    for n in range(3):
        rows = [{"doc": {"id": d}, "apply": True, "amount": Decimal("4.50")} for d in (first, second)]
        rig.put("customerPayment", {"tranId": f"PY-{n}", "customer": {"id": rig.client}, "payment": 9, "currency": {"id": rig.usd}, "tranDate": "2026-02-20", "apply": {"items": rows}})  # fmt: skip
    changes, cursor = every_change_of(rig, "customerpayment")
    applied = [{"document": d, "amount": "4.50"} for d in sorted((first, second))]
    assert [c.document["joined"]["applications"] for c in changes] == [applied] * 3
    before = rig.calls()
    every_change_of(rig, "customerpayment", cursor)
    assert rig.calls() - before <= 9


@pytest.mark.parametrize(
    ("change", "code", "path"),
    [
        ({"postingPeriod": "2025-12"}, "USER_ERROR", "postingPeriod"),
        ({"subsidiary": "other"}, "USER_ERROR", "subsidiary"),
        ({"currency": "other"}, "USER_ERROR", "currency"),
        ({"job": "other"}, "USER_ERROR", "job"),
        ({"entity": {"id": "77"}}, "INVALID_KEY_OR_REF", "entity"),
        ({"tranDate": "31.01.2026"}, "INVALID_CONTENT", "tranDate"),
        ({"nonsense": 1}, "INVALID_CONTENT", "nonsense"),
        ({"item": None}, "USER_ERROR", "item"),
    ],
)
def test_what_does_not_fit_is_refused(rig: NetSuiteRig, change: dict[str, Any], code: str, path: str) -> None:
    """Closed period, another subsidiary, currency or project than the customer's, references to nothing."""
    rig.period("2025-12")
    closed = rig.periods["2025-12"]
    rig.put("accountingPeriod", {"closed": True}, closed)
    others = {
        "postingPeriod": closed, "subsidiary": rig.put("subsidiary", {"name": "DE", "externalId": "DE01"}),
        "currency": rig.put("currency", {"symbol": "EUR"}),
        "job": rig.put("job", {"companyName": "x", "parent": {"id": rig.customer("C-2", "Other")}}),
    }  # fmt: skip
    change = {n: {"id": others[n]} if isinstance(v, str) and n in others else v for n, v in change.items()}
    with pytest.raises(Rejected) as caught:
        invoice(rig, 1, **change)
    assert (caught.value.code, caught.value.field_name) == (code, path)
    assert rig.world.all("netsuite", "invoice") == []


def test_a_closed_period_is_refused_with_the_vendors_words(rig: NetSuiteRig) -> None:
    """Closed between approval and posting: a person must decide, next period or reopening."""
    rig.world.add_fault("netsuite", "closed_period", path="invoice")
    rig.put("accountingPeriod", {"arLocked": True}, rig.periods["2026-01"])
    with pytest.raises(Rejected) as caught:
        invoice(rig, 1)
    assert caught.value.code == "USER_ERROR"
    assert "closed period" in caught.value.message


def test_a_used_number_is_a_conflict(rig: NetSuiteRig) -> None:
    """The number is under another key: somebody else's document."""
    invoice(rig, 1)
    with pytest.raises(Conflict):
        invoice(rig, 2, tranId="INV-1")
    assert len(rig.world.all("netsuite", "invoice")) == 1


def test_a_write_that_is_applied_late_is_one_record(rig: NetSuiteRig) -> None:
    """No answer; the record appears five minutes later; until then a look-up finds nothing, and it is not sent twice."""
    command = rig.command(1)
    rig.connector.test()
    rig.fault("apply_late", write=True, seconds=300)
    with pytest.raises(UnknownOutcome):
        rig.connector.apply(command)
    assert rig.connector.lookup("upsert_invoice", "INV-1") is None
    rig.world.set_now(rig.world.now() + timedelta(seconds=301))
    found = rig.connector.lookup("upsert_invoice", "INV-1")
    assert found is not None
    assert list(rig.connector.read_back(command, found)) == []
    assert rig.connector.apply(command).target_id == found.target_id
    assert [w["external_key"] for w in rig.world.ledger("netsuite")] == ["INV-1", "INV-1"]
    assert rig.applied(command) == 1


def test_the_billed_report_holds_posted_documents_of_the_entity(rig: NetSuiteRig) -> None:
    """7 invoices of 0.10 less a credit of 0.05 = 0.65, over several pages; neither one that waits for approval nor one
    of another entity counts."""
    for n in range(7):
        invoice(rig, n, item=dimes(rig, 0.10))
    invoice(rig, 9, approvalStatus={"id": "1"})
    germany = {"id": rig.put("subsidiary", {"externalId": "DE01", "name": "DE", "currency": {"id": rig.usd}})}
    elsewhere = {"id": rig.customer("C-2", "Other", subsidiary=germany)}
    invoice(rig, 8, subsidiary=germany, entity=elsewhere)
    credit = rig.invoice(1, tranId="CN-1", item=dimes(rig, 0.05))
    credit.pop("approvalStatus")
    rig.connector.apply(Command("upsert_credit_memo", "CN-1", json.dumps(credit).encode()))
    facts = rig.connector.report("billed", "US01", date(2026, 1, 1), date(2026, 1, 31))
    assert sum(f.amount for f in facts) == Decimal("0.65")
    assert {f.period for f in facts} == {"2026-01"}
    assert [f.attributes["kind"] for f in facts] == ["invoice"] * 7 + ["credit_note"]
    assert {f.attributes["customer"] for f in facts} == {"C-900"}
    assert rig.connector.report("billed", "US01", date(2026, 2, 1), date(2026, 2, 28)) == []


def test_a_report_that_was_cut_short_is_never_complete(rig: NetSuiteRig) -> None:
    """The system states more rows than it gives: Drift."""
    rig.world.add_fault("netsuite", "cut_short", path="suiteql", times=20)
    with pytest.raises(Drift):
        rig.connector.report("billed", "US01", date(2026, 1, 1), date(2026, 1, 31))


def test_reference_data_is_found_by_what_a_person_would_type(rig: NetSuiteRig) -> None:
    """Subsidiary by code, terms by days, item with its income account, period by date, customer in its entity."""
    customer = rig.customer("C-1", "Firm")
    reference = rig.connector.reference
    assert reference("subsidiary", "US01")["id"] == rig.us01
    assert reference("term", "30")["id"] == rig.net30
    assert reference("item", "SVC-TIME")["income_account"] == "4900"
    assert reference("tax_code", "NON-TAX")["id"] == rig.tax
    assert reference("period", "2026-01-31")["open"] is True
    assert reference("period", "2027-01-01") is None
    assert reference("customer", "C-1/US01")["id"] == customer
    assert reference("customer", "C-1/DE01") is None
    assert reference("currency", "X' OR 'a' = 'a") is None
    with pytest.raises(Rejected):
        reference("password", "x")


def test_settings_are_believed_for_half_a_minute_and_what_is_missing_is_asked_for_anew(
    rig: NetSuiteRig,
) -> None:
    """Bursts of invoices ask for the same ones; a period is asked for each time, since it may close."""
    reference, before = rig.connector.reference, rig.calls()
    assert reference("term", "30") == reference("term", "30")
    assert rig.calls() == before + 1
    rig.clock += timedelta(seconds=30)
    reference("term", "30")
    assert rig.calls() == before + 2
    assert reference("term", "31") is None
    rig.put("term", {"name": "Net 31", "daysUntilNetDue": 31})
    assert reference("term", "31") is not None
    periods = rig.calls()
    assert reference("period", "2026-01-31") == reference("period", "2026-01-31")
    assert rig.calls() > periods + 1


def test_a_period_is_one_change_per_entity(rig: NetSuiteRig) -> None:
    """Periods belong to the account; ours belong to a legal entity."""
    rig.put("subsidiary", {"externalId": "DE01", "name": "DE", "country": "DE", "currency": {"id": rig.usd}})
    changes, _ = every_change_of(rig, "accountingperiod")
    months = ("2025-12", "2026-01", "2026-02")
    assert {c.document["joined"]["key"] for c in changes} == {
        f"{e}/{m}" for e in ("US01", "DE01") for m in months
    }
    change = rig.connector.fetch("accountingperiod", f"{rig.periods['2026-01']}:{rig.us01}")
    assert change is not None
    assert change.document["joined"]["legal_entity"] == "US01"


def test_two_saves_in_one_second_are_two_versions(rig: NetSuiteRig) -> None:
    """The stamp has whole seconds: a change within the newest second gets the next ordinal, not the same version."""
    (source_id,) = rig.add(1)
    first, cursor = every_change(rig)
    rig.touch_by(source_id, "b")
    second, cursor = every_change(rig, cursor)
    rig.touch_by(source_id, "c")
    third, cursor = every_change(rig, cursor)
    versions = [changes[-1].source_version for changes in (first, second, third)]
    assert versions == sorted(set(versions))
    assert len({v[:19] for v in versions}) == 1
    again, _ = every_change(rig, cursor)
    assert again[-1].source_version == versions[-1]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT nonsense FROM customer", "INVALID_PARAMETER"),
        ("SELECT id FROM nonsense", "INVALID_PARAMETER"),
        ("SELECT id FROM customer WHERE id = 'a' OR", "INVALID_PARAMETER"),
        ("DELETE FROM customer", "INVALID_PARAMETER"),
    ],
)
def test_suiteql_refuses_in_the_vendors_words(api: httpx.Client, query: str, code: str) -> None:
    """And without the header `Prefer: transient` anything."""
    path = "/services/rest/query/v1/suiteql"
    answer = api.post(path, json={"q": query}, headers={"Prefer": "transient"})
    assert (answer.status_code, answer.json()["o:errorDetails"][0]["o:errorCode"]) == (400, code)
    assert api.post(path, json={"q": "SELECT id FROM customer"}).status_code == 400


def test_the_catalog_names_fields(rig: NetSuiteRig, api: httpx.Client) -> None:
    """The schema of a record type."""
    schema = api.get(f"{RECORDS}/metadata-catalog", params={"select": "invoice"}).json()
    assert {"tranId", "entity", "externalId"} <= set(schema["properties"])
    assert api.get(f"{RECORDS}/metadata-catalog/nonsense").status_code == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [("tranId", "INV-99"), ("tranDate", "2026-02-01"), ("item", {"items": []}), ("total", Decimal("249.99"))],
)
def test_a_document_that_a_person_changed_is_told_apart(rig: NetSuiteRig, field: str, value: object) -> None:
    """Number, date, lines, total: each is compared, each difference names its field."""
    command = rig.command(1)
    receipt = rig.connector.apply(command)
    rig.put("invoice", {field: value}, receipt.target_id)
    assert next(iter(rig.connector.read_back(command, receipt))).field.startswith(field)


def test_a_document_made_again_under_our_key_is_told_apart(rig: NetSuiteRig) -> None:
    """A person deleted ours and made another with the same key: the record is not the one of the receipt."""
    command = rig.command(1)
    receipt = rig.connector.apply(command)
    fields = rig.world.get("netsuite", "invoice", receipt.target_id).fields  # type: ignore[union-attr]
    rig.world.delete("netsuite", "invoice", receipt.target_id)
    rig.put("invoice", fields)
    assert [d.field for d in rig.connector.read_back(command, receipt)] == ["id"]


@pytest.mark.parametrize("key", ["", "a|b", "a/b", "ä", "../x", "a b", "x" * 201])
def test_a_key_that_breaks_the_address_is_refused(rig: NetSuiteRig, key: str) -> None:
    """Letters, digits, `_` and `-` only; nothing is sent."""
    with pytest.raises(Rejected):
        rig.connector.apply(Command("upsert_invoice", key, b"{}"))
    assert rig.calls() == 0


def test_an_answer_for_another_record_is_never_taken(rig: NetSuiteRig) -> None:
    """A proxy mixed two answers up."""
    for number in (1, 2):
        invoice(rig, number)
        rig.connector.lookup("upsert_invoice", f"INV-{number}")
    rig.fault("swap", write=False)
    with pytest.raises(Drift):
        rig.connector.lookup("upsert_invoice", "INV-2")


def every_change_of(rig: NetSuiteRig, object: str, cursor: str | None = None) -> tuple[list[Any], str]:
    """A sweep of another object than the suite's."""
    rig.object = object
    return every_change(rig, cursor)
