"""The simulated Salesforce is faithful: a maintained client of the vendor works against it unmodified."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from simple_salesforce import Salesforce, SalesforceMalformedRequest, SalesforceResourceNotFound
from simple_salesforce.exceptions import SalesforceExpiredSession, SalesforceMoreThanOneRecord

from tests.sandbox.rigs import SalesforceRig
from tieout.connectors.kit.conformance import every_change
from tieout.connectors.kit.interface import Drift
from tieout.connectors.salesforce.client import BASE
from tieout.sandbox.server import Sandbox
from tieout.sandbox.world import World

DEAL = {"Name": "Deal", "StageName": "Negotiation", "CloseDate": "2026-01-31"}


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Salesforce]:
    """simple-salesforce as it comes from PyPI, signed in with client credentials."""
    session = requests.Session()
    session.trust_env = False
    session.verify = sandbox.credentials["ca"]
    secrets = sandbox.credentials["salesforce"]["secrets"]
    form = {"grant_type": "client_credentials", **secrets}
    granted = session.post(f"{sandbox.url}/services/oauth2/token", data=form).json()
    yield Salesforce(
        session_id=granted["access_token"],
        instance_url=granted["instance_url"],
        version="67.0",
        session=session,
    )
    session.close()


def test_an_unmodified_client_creates_reads_changes_and_deletes(client: Salesforce, world: World) -> None:
    """Each call of the vendor's client does what it does at the vendor."""
    made = client.Account.create({"Name": "O'Brien & Söhne", "BillingCity": "Köln"})
    assert made["success"] is True
    assert client.Account.get(made["id"])["BillingCity"] == "Köln"
    assert client.Account.get(made["id"][:15])["Id"] == made["id"]
    assert client.Account.update(made["id"], {"BillingCity": "Bonn"}) == 204
    assert world.find("salesforce", "Account", BillingCity="Bonn")[0].id == made["id"]
    assert client.Account.delete(made["id"]) == 204
    assert client.query("SELECT Id FROM Account")["totalSize"] == 0
    gone = client.query("SELECT Id, IsDeleted FROM Account", include_deleted=True)["records"]
    assert [(r["Id"], r["IsDeleted"]) for r in gone] == [(made["id"], True)]
    with pytest.raises(SalesforceResourceNotFound):
        client.Account.get(made["id"])


def test_an_unmodified_client_upserts_by_external_id(client: Salesforce, world: World) -> None:
    """201 makes, 200 changes; the key stands in the address, not in the body."""
    assert client.Opportunity.upsert("Opportunity_Number__c/OPP-1", DEAL) == 201
    assert client.Opportunity.upsert("Opportunity_Number__c/OPP-1", {"Amount": 1250.5}) == 200
    deal = client.Opportunity.get_by_custom_id("Opportunity_Number__c", "OPP-1")
    assert (deal["Amount"], deal["Name"], deal["IsClosed"]) == (1250.5, "Deal", False)
    world.put("salesforce", "Opportunity", {**DEAL, "Opportunity_Number__c": "OPP-1"})
    with pytest.raises(SalesforceMoreThanOneRecord):
        client.Opportunity.get_by_custom_id("Opportunity_Number__c", "OPP-1")


def test_an_unmodified_client_follows_all_pages(client: Salesforce, world: World) -> None:
    """2,000 records a page, then nextRecordsUrl."""
    world.put_many("salesforce", "Account", ({"Name": f"Firm {n}"} for n in range(4100)))
    first = client.query("SELECT Id, Name FROM Account ORDER BY Id")
    assert (first["totalSize"], len(first["records"]), first["done"]) == (4100, 2000, False)
    everything = client.query_all("SELECT Id FROM Account")["records"]
    assert len({r["Id"] for r in everything}) == 4100


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("Name = 'O\\'Brien'", {"O'Brien"}),
        ("Name LIKE 'a%' OR AccountNumber IN ('A-3')", {"Alpha", "Gamma"}),
        ("Purchase_Order_Required__c = true", {"Alpha"}),
        ("NOT (Name = 'Alpha' OR Name = 'Gamma')", {"O'Brien"}),
        ("BillingCity = null AND Name != 'Gamma'", {"O'Brien"}),
        ("Parent.Name = 'Alpha'", {"Gamma"}),
        ("SystemModstamp >= 2026-01-05T09:00:00.001Z", {"O'Brien", "Gamma"}),
        ("SystemModstamp < 2026-01-05T09:00:00.001+0000", {"Alpha"}),
    ],
)
def test_soql_finds_what_the_words_say(
    client: Salesforce, world: World, where: str, expected: set[str]
) -> None:
    """Quotes, LIKE, IN, OR, NOT, null, flags, moments, one level of parents."""
    alpha = {
        "Name": "Alpha",
        "AccountNumber": "A-1",
        "BillingCity": "Köln",
        "Purchase_Order_Required__c": True,
    }
    parent = world.put("salesforce", "Account", alpha)
    world.put("salesforce", "Account", {"Name": "O'Brien", "AccountNumber": "A-2"})
    world.put("salesforce", "Account", {"Name": "Gamma", "AccountNumber": "A-3", "ParentId": parent})
    what = "SELECT Name, Parent.Name FROM Account WHERE "
    found = client.query(what + where + " ORDER BY Name DESC LIMIT 9")
    assert {r["Name"] for r in found["records"]} == expected
    for record in found["records"]:
        assert (record["Parent"] or {}).get("Name") == ("Alpha" if record["Name"] == "Gamma" else None)


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nonsense FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Nonsense = 1", "INVALID_FIELD"),
        ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account; DROP TABLE record", "MALFORMED_QUERY"),
    ],
)
def test_soql_refuses_in_the_vendors_words(client: Salesforce, soql: str, code: str) -> None:
    """The code is what connectors decide by."""
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.query(soql)
    assert caught.value.content[0]["errorCode"] == code


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"Nonsense": 1}, "INVALID_FIELD"),
        ({"Name": "x" * 256}, "STRING_TOO_LONG"),
        ({"CloseDate": "31.01.2026"}, "JSON_PARSER_ERROR"),
        ({"Amount": "much"}, "JSON_PARSER_ERROR"),
        ({"AccountId": "001000000000000AAA"}, "MALFORMED_ID"),
        ({"StageName": ""}, "REQUIRED_FIELD_MISSING"),
        ({"SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ],
)
def test_a_bad_record_is_refused_and_nothing_is_written(
    client: Salesforce, world: World, values: dict[str, Any], code: str
) -> None:
    """Unknown field, too long, no date, no number, no such parent, missing, read-only."""
    with pytest.raises(SalesforceMalformedRequest) as caught:
        client.Opportunity.create({**DEAL, **values})
    assert caught.value.content[0]["errorCode"] == code
    assert world.all("salesforce", "Opportunity") == []
    assert world.ledger() == []


def test_an_expired_session_is_told(client: Salesforce, sandbox: Sandbox) -> None:
    """401 INVALID_SESSION_ID, which the client knows."""
    sandbox.simulators["salesforce"].tokens.clear()
    with pytest.raises(SalesforceExpiredSession):
        client.query("SELECT Id FROM Account")


def test_a_composite_request_is_all_or_nothing(client: Salesforce, world: World) -> None:
    """References carry ids on; one refused part undoes the others."""
    parts = [
        {"method": "POST", "url": f"{BASE}/sobjects/Account", "referenceId": "firm", "body": {"Name": 'A "firm"'}},
        {
            "method": "POST", "url": f"{BASE}/sobjects/Opportunity", "referenceId": "deal",
            "body": {**DEAL, "AccountId": "@{firm.id}"},
        },
    ]  # fmt: skip
    done = client.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": parts})
    assert [r["httpStatusCode"] for r in done["compositeResponse"]] == [201, 201]
    (deal,) = world.all("salesforce", "Opportunity")
    assert deal.fields["AccountId"] == world.all("salesforce", "Account")[0].id
    parts[1]["body"] = {"Name": "without a stage"}
    done = client.restful("composite", method="POST", json={"allOrNone": True, "compositeRequest": parts})
    codes = [r["body"][0]["errorCode"] for r in done["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert len(world.all("salesforce", "Account")) == len(world.all("salesforce", "Opportunity")) == 1


def test_a_collection_answers_200_whatever_becomes_of_its_rows(client: Salesforce, world: World) -> None:
    """A result per row in the order of the request; with allOrNone nothing stays."""
    good = {"attributes": {"type": "Opportunity"}, "Opportunity_Number__c": "OPP-1", **DEAL}
    bad = {"attributes": {"type": "Opportunity"}, "Opportunity_Number__c": "OPP-2"}
    path = "composite/sobjects/Opportunity/Opportunity_Number__c"
    for all_or_none, kept in ((True, 0), (False, 1)):
        body = {"allOrNone": all_or_none, "records": [good, bad]}
        results = client.restful(path, method="PATCH", json=body)
        assert [r["success"] for r in results] == [not all_or_none, False]
        assert len(world.all("salesforce", "Opportunity")) == kept


def test_describe_limits_and_changed_ids(client: Salesforce, world: World) -> None:
    """What the vendor's client asks beside records."""
    account = world.put("salesforce", "Account", {"Name": "Firm"})
    names = {f["name"]: f for f in client.Opportunity.describe()["fields"]}
    assert names["Opportunity_Number__c"]["externalId"] is True
    assert "Account" in {o["name"] for o in client.describe()["sobjects"]}
    assert client.limits()["DailyApiRequests"]["Max"] == 15_000
    assert client.api_usage["api-usage"].total == 15_000
    start, end = world.now().replace(hour=0), world.now().replace(hour=23)
    assert client.Account.updated(start, end)["ids"] == [account]
    world.delete("salesforce", "Account", account)
    assert client.Account.deleted(start, end)["deletedRecords"][0]["id"] == account


def test_a_lost_query_locator_begins_the_sweep_again(sandbox: Sandbox) -> None:
    """Locators live a limited time; the sweep begins again from its watermark and loses nothing."""
    rig = SalesforceRig(sandbox)
    ids = rig.add(rig.page_size + 7)
    page = rig.connector.changes("Account", None)
    sandbox.simulators["salesforce"].forget_cursors()  # type: ignore[attr-defined]
    found, _ = every_change(rig, page.cursor)
    assert {c.source_id for c in found} == set(ids)


def test_rows_of_a_batch_go_out_unchanged(sandbox: Sandbox) -> None:
    """Each command's bytes stand in the batch as they are: their hashes are those of the intents."""
    rig = SalesforceRig(sandbox)
    commands = [rig.command(1), rig.command(2)]
    rig.connector.apply_batch("upsert_opportunity", commands)
    assert rig.bodies()[-1] == b'{"allOrNone":false,"records":[' + b",".join(c.body for c in commands) + b"]}"


def test_shuffled_results_are_found_by_read_back(sandbox: Sandbox) -> None:
    """Results that came in another order name other records: read-back tells, before anybody believes them."""
    rig = SalesforceRig(sandbox)
    commands = [rig.command(1), rig.command(2)]
    rig.fault("shuffled", write=True)
    rows = rig.connector.apply_batch("upsert_opportunity", commands)
    for command, row in zip(commands, rows, strict=True):
        assert [d.field for d in rig.connector.read_back(command, row.receipt)] == ["Id"]


def test_an_answer_for_another_record_is_never_taken(sandbox: Sandbox) -> None:
    """A proxy mixed two answers up."""
    rig = SalesforceRig(sandbox)
    for number in (1, 2):
        rig.connector.apply(rig.command(number))
        rig.connector.lookup("upsert_opportunity", f"OPP-{number}")
    rig.fault("swap", write=False)
    with pytest.raises(Drift):
        rig.connector.lookup("upsert_opportunity", "OPP-2")


def test_a_renamed_field_is_drift(sandbox: Sandbox) -> None:
    """The query names the old one; what is new is described."""
    rig = SalesforceRig(sandbox)
    rig.add(1)
    rig.drift(rename={"Tax_Id__c": "Tax_Number__c"}, add={"Score__c": "A"})
    with pytest.raises(Drift):
        every_change(rig)
    assert {"Tax_Number__c", "Score__c"} <= set(rig.connector.describe()["Account"])
