"""NetSuite passes the conformance suite; and what only NetSuite does."""

from __future__ import annotations

import base64
import json
from datetime import date
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.connectors.fakes.netsuite import KEY, PEM, NetSuiteRig
from tieout.connectors.kit.conformance import ReadingConformance, WritingConformance, every_change
from tieout.connectors.kit.interface import AuthFailed, Command, Drift, Rejected
from tieout.connectors.netsuite.auth import signed
from tieout.connectors.netsuite.client import account_url


@pytest.fixture
def rig() -> NetSuiteRig:
    return NetSuiteRig()


class TestReading(ReadingConformance):
    pass


class TestWriting(WritingConformance):
    pass


def test_two_saves_in_one_second_are_two_versions(rig: NetSuiteRig) -> None:
    """The stamp has whole seconds: a change within the newest second gets the next ordinal, not the same version."""
    (source_id,) = rig.add(1)
    first, cursor = every_change(rig)
    rig.touch(source_id)
    second, cursor = every_change(rig, cursor)
    rig.touch(source_id)
    third, cursor = every_change(rig, cursor)
    versions = [changes[-1].source_version for changes in (first, second, third)]
    assert versions == sorted(set(versions))
    assert len({v[:19] for v in versions}) == 1
    again, _ = every_change(rig, cursor)
    assert again[-1].source_version == versions[-1]


def test_a_period_is_one_change_per_entity(rig: NetSuiteRig) -> None:
    """Periods belong to the account; ours belong to a legal entity."""
    rig.fake.put("subsidiary", {"externalid": "DE01", "name": "DE", "country": "DE", "currency": rig.usd})
    period_id = rig.fake.put("accountingperiod", _january())
    page = rig.connector.changes("accountingperiod", None)
    assert {c.document["joined"]["key"] for c in page.changes} == {"US01/2026-01", "DE01/2026-01"}
    change = rig.connector.fetch("accountingperiod", f"{period_id}:{rig.us01}")
    assert change is not None
    assert change.document["joined"]["legal_entity"] == "US01"


def test_a_page_of_payments_costs_one_more_call(rig: NetSuiteRig) -> None:
    """Applications are read for the whole page, over several pages of their own; the clock is asked once a page."""
    customer = rig.customer("C-1", "Firm")
    base = {
        "type": "CustPymt",
        "entity": customer,
        "currency": rig.usd,
        "trandate": "2026-02-20",
        "foreigntotal": "9",
    }
    payments = [rig.fake.put("transaction", {**base, "tranid": f"PY-{n}"}) for n in range(3)]
    for payment in payments:
        for document in ("1", "2"):
            link = {"previousdoc": document, "nextdoc": payment, "foreignamount": "-4.50"}
            rig.fake.tables["nexttransactionlinelink"].append(link)
    rig.object = "customerpayment"
    changes, cursor = every_change(rig)
    applied = [{"document": d, "amount": "4.50"} for d in ("1", "2")]
    assert [c.document["joined"]["applications"] for c in changes] == [applied] * 3
    before = rig.calls()
    every_change(rig, cursor)
    assert rig.calls() - before <= 9


def test_reference_data_is_found_by_what_a_person_would_type(rig: NetSuiteRig) -> None:
    """Subsidiary by code, terms by days, item with its income account, period by date, customer in its entity."""
    account = rig.fake.put("account", {"acctnumber": "2350", "acctname": "Billing clearing"})
    rig.fake.put("item", {"itemid": "SVC-TIME", "incomeaccount": account})
    rig.fake.put("accountingperiod", _january())
    customer = rig.customer("C-1", "Firm")
    reference = rig.connector.reference
    assert _held(reference("subsidiary", "US01"))["id"] == rig.us01
    assert _held(reference("term", "30"))["id"] == rig.net30
    assert _held(reference("item", "SVC-TIME"))["income_account"] == "2350"
    assert _held(reference("period", "2026-01-31"))["open"] is True
    assert reference("period", "2026-02-01") is None
    assert _held(reference("customer", "C-1/US01"))["id"] == customer
    assert reference("customer", "C-1/DE01") is None
    assert reference("currency", "X' OR 'a' = 'a") is None
    with pytest.raises(Rejected):
        reference("password", "x")


def test_the_billed_report_holds_posted_documents_of_the_entity(rig: NetSuiteRig) -> None:
    """Credits negative, pending ones left out, exact decimals, more than one page."""
    period, customer = rig.fake.put("accountingperiod", _january()), rig.customer("C-1", "Firm")
    base = {
        "entity": customer,
        "currency": rig.usd,
        "postingperiod": period,
        "trandate": "2026-01-31",
        "status": "A",
    }
    for n in range(7):
        document = {"type": "CustInvc", "tranid": f"INV-{n}", "foreigntotal": "0.10", "approvalstatus": "2"}
        rig.fake.put("transaction", {**base, **document})
    credit = {"type": "CustCred", "tranid": "CN-1", "foreigntotal": "-0.05", "approvalstatus": "2"}
    rig.fake.put("transaction", {**base, **credit})
    rig.fake.put(
        "transaction", {**base, "type": "CustInvc", "tranid": "P", "foreigntotal": "9", "approvalstatus": "1"}
    )
    germany = rig.fake.put(
        "subsidiary", {"externalid": "DE01", "name": "DE", "country": "DE", "currency": rig.usd}
    )
    other = rig.customer("C-2", "Other")
    rig.fake.change("customer", other, subsidiary=germany)
    elsewhere = {"type": "CustInvc", "tranid": "DE-1", "foreigntotal": "7", "approvalstatus": "2"}
    rig.fake.put("transaction", {**base, **elsewhere, "entity": other})
    facts = rig.connector.report("billed", "US01", date(2026, 1, 1), date(2026, 1, 31))
    assert sum(f.amount for f in facts) == Decimal("0.65")
    assert {f.period for f in facts} == {"2026-01"}
    assert len(facts) == 8
    assert facts[-1].attributes["kind"] == "credit_note"
    assert facts[-1].attributes["customer"] == "C-1"
    assert rig.connector.report("billed", "US01", date(2026, 2, 1), date(2026, 2, 28)) == []


def test_a_report_that_was_cut_short_is_never_complete(
    rig: NetSuiteRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system states more rows than it gives: Drift."""
    rig.fake.put("accountingperiod", _january())
    query = rig.fake._query

    def lying(text: str, limit: int, offset: int) -> object:
        answer = query(text, limit, offset)
        body = json.loads(answer.content)
        body["totalResults"] += 1
        return type(answer)(200, json=body)

    monkeypatch.setattr(rig.fake, "_query", lying)
    with pytest.raises(Drift):
        rig.connector.report("billed", "US01", date(2026, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tranId", "INV-99"),
        ("tranDate", "2026-02-01"),
        ("id", "1"),
        ("item", {"items": []}),
        ("total", 249.99),
    ],
)
def test_a_document_that_a_person_changed_is_told_apart(rig: NetSuiteRig, field: str, value: object) -> None:
    """Number, date, record, lines, total: each is compared, each difference names its field."""
    command = rig.command(1)
    receipt = rig.connector.apply(command)
    rig.fake.records["invoice", "INV-1"][field] = value
    assert next(iter(rig.connector.read_back(command, receipt))).field.startswith(field)


def test_a_record_under_another_key_is_never_taken(rig: NetSuiteRig) -> None:
    """An answer that belongs to another request (a proxy mixed them up) proves nothing."""
    rig.connector.apply(rig.command(1))
    rig.fake.records["invoice", "INV-1"]["externalId"] = "INV-2"
    with pytest.raises(Drift):
        rig.connector.lookup("upsert_invoice", "INV-1")


def test_a_closed_period_is_refused_with_the_vendors_words(rig: NetSuiteRig) -> None:
    """A person must decide: next period or reopening."""
    body = json.dumps({"tranId": "INV-1", "tranDate": "2024-12-31"}).encode()
    with pytest.raises(Rejected) as caught:
        rig.connector.apply(Command("upsert_invoice", "INV-1", body))
    assert caught.value.code == "USER_ERROR"
    assert "closed period" in caught.value.message


@pytest.mark.parametrize("key", ["", "a|b", "a/b", "ä", "../x", "a b", "x" * 201])
def test_a_key_that_breaks_the_address_is_refused(rig: NetSuiteRig, key: str) -> None:
    """Letters, digits, `_` and `-` only; nothing is sent."""
    before = rig.calls()
    with pytest.raises(Rejected):
        rig.connector.apply(Command("upsert_invoice", key, b"{}"))
    assert rig.calls() == before


def test_the_signed_statement_can_be_verified() -> None:
    """ES256: r and s of 32 bytes each over header and claims."""
    head, claims, signature = signed({"iss": "c"}, PEM, "k").split(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    KEY.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    assert json.loads(base64.urlsafe_b64decode(head + "==")) == {"alg": "ES256", "typ": "JWT", "kid": "k"}
    with pytest.raises(AuthFailed):
        signed({}, "no key", "k")


def test_the_address_of_an_account() -> None:
    """Sandbox accounts have `_` in the name and `-` in the host."""
    assert account_url("1234567_SB1") == "https://1234567-sb1.suitetalk.api.netsuite.com"


def _january() -> dict[str, str]:
    return {
        "periodname": "Jan 2026", "startdate": "2026-01-01", "enddate": "2026-01-31", "closed": "F", "arlocked": "F"
    }  # fmt: skip


def _held(found: object) -> dict[str, object]:
    assert isinstance(found, dict)
    return found
