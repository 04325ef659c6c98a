"""Only the owner of a field group is followed; a contradiction is kept and shown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import Connection, insert

from tests.hub.builders import MOMENT, account, change, deleted, prepare, take
from tieout.connectors.kit.interface import Change
from tieout.hub import canonical, drift, exceptions, ownership
from tieout.hub.ownership import InvalidOwnership
from tieout.store import canonical as canonical_store
from tieout.store import crosswalk
from tieout.store import inbox as store
from tieout.store.tables import workspace_version

MATRIX = {
    "contract.terms": {"owner": "docusign"},
    "customer.receivables": {
        "owner": {
            "US01": "netsuite",
            "DE01": [
                {"system": "sap_ecc", "until": "2026-06-30"},
                {"system": "s4hana", "from": "2026-07-01", "shadow_from": "2026-06-01"},
            ],
        }
    },
}


def test_the_owner_depends_on_group_entity_and_date() -> None:
    matrix = ownership.parse(MATRIX)
    june, july = date(2026, 6, 30), date(2026, 7, 1)
    assert matrix.owner("contract.terms", "US01", june) == "docusign"
    assert [matrix.owner("customer.receivables", "DE01", day) for day in (june, july)] == [
        "sap_ecc",
        "s4hana",
    ]
    assert matrix.owner("customer.receivables", "US01", july) == "netsuite"
    assert matrix.owners("customer.receivables", None, july) == {"netsuite", "s4hana"}
    assert matrix.owner("customer.receivables", None, july) is None
    assert matrix.owner("time_entry", "US01", july) == "kantata"


def test_a_connector_s_name_stands_for_its_only_connection() -> None:
    assert ownership.parse({}, {"sf": "salesforce"}).owns("sf", "opportunity", None, date(2026, 1, 1))
    two = ownership.parse({}, {"a": "salesforce", "b": "salesforce"})
    assert not two.owns("a", "opportunity", None, date(2026, 1, 1))


@pytest.mark.parametrize("rule", [{"owner": 5}, {"owner": {"US01": [{"from": "2026-01-01"}]}},
                                  {"owner": {"US01": [{"system": "a", "from": "soon"}]}}])  # fmt: skip
def test_a_matrix_that_says_nothing_is_refused(rule: object) -> None:
    with pytest.raises(InvalidOwnership):
        ownership.parse({"quote": rule})


@pytest.fixture
def hub(conn: Connection) -> Connection:
    prepare(conn)
    return conn


def test_a_stranger_s_facts_are_kept_and_contradictions_shown(hub: Connection) -> None:
    """The account belongs to another system: what agrees is ignored, what differs is `ownership-conflict`."""
    take(hub, "salesforce", account())
    document = {"ownership": {"customer.profile": {"owner": "mdm"}}}
    hub.execute(insert(workspace_version).values(
        version=1, digest="x", document=document, applied_by="t", recorded_at=MOMENT))  # fmt: skip
    assert take(hub, "salesforce", account(version="2")).counts == {"ignored": 1}
    assert exceptions.listed(hub).rows == []
    assert take(hub, "salesforce", account(version="3", Name="Acme Two")).counts == {"ignored": 1}
    (found,) = exceptions.listed(hub).rows
    assert (found["kind"], found["key"]) == ("ownership-conflict", "C-100")
    assert canonical.current(hub, "customer")["C-100"]["legal_name"] == "Acme"
    take(hub, "salesforce", account(version="4"))
    assert exceptions.listed(hub).rows == []


def test_two_systems_fill_one_customer(hub: Connection) -> None:
    take(hub, "salesforce", account())
    erp = change(
        "customer", "57", "1", {"entityid": "C-100", "joined": {"terms_days": 45}, "creditholdoverride": "ON"}
    )
    take(hub, "netsuite", erp)
    held = canonical.current(hub, "customer")["C-100"]
    assert (held["legal_name"], held["terms_days"], held["credit_hold"], held["version"]) == (
        "Acme",
        45,
        True,
        2,
    )
    assert {g: p["system"] for g, p in held["provenance"].items()} == {
        "customer.profile": "salesforce", "customer.receivables": "netsuite",
    }  # fmt: skip


def erp_payment(version: str, *applied: tuple[str, str]) -> Change:
    rows = [{"document": document, "amount": amount} for document, amount in applied]
    document = {"id": "900", "entity": "57", "trandate": "2026-03-01", "foreigntotal": "150.00",
                "joined": {"legal_entity": "US01", "currency_code": "USD", "applications": rows}}  # fmt: skip
    return change("customerpayment", "900", version, document)


def test_a_payment_keeps_what_it_was_applied_to(hub: Connection) -> None:
    take(hub, "netsuite", change("customer", "57", "1", {"entityid": "C-100"}))
    first = take(hub, "netsuite", erp_payment("1", ("11", "100.00"), ("12", "50.00")))
    assert [(e.type, e.subject) for e in first.events] == [("erp_document.changed", n) for n in ("11", "12")]
    moved = take(hub, "netsuite", erp_payment("2", ("11", "150.00")))
    assert [e.subject for e in moved.events] == ["11", "12"]
    assert canonical_store.applications(hub, [("900", 2)]) == {"900": {"11": Decimal(150)}}
    assert take(hub, "netsuite", erp_payment("3", ("11", "150.00"))).events == ()
    take(hub, "netsuite", deleted("customerpayment", "900", "4"))
    assert canonical_store.applications(hub, [("900", 3)]) == {}


def test_a_deleted_record_s_link_ends_and_comes_back_with_it(hub: Connection) -> None:
    take(hub, "salesforce", account())
    take(hub, "salesforce", deleted("Account", "A-C-100", "2"))
    assert crosswalk.of_sources(hub, "salesforce", {("Account", "A-C-100")}, retired=False) == {}
    take(hub, "salesforce", account(version="3"))
    assert len(crosswalk.of_sources(hub, "salesforce", {("Account", "A-C-100")}, retired=False)) == 1


def test_a_removed_field_holds_the_object_and_one_exception_says_so(hub: Connection) -> None:
    """One alert, not one per record; nothing is written without the field; the way back releases the rows (F64)."""
    names = ["Id", "Name", "AccountNumber", "CurrencyIsoCode"]
    assert drift.check(hub, "salesforce", {"Account": names}) == []
    (found,) = drift.check(
        hub, "salesforce", {"Account": ["Id", "AccountNumber", "CurrencyIsoCode", "Title"]}
    )
    assert (found.needed, found.added) == (("Name",), ("Title",))
    assert take(hub, "salesforce", *(account(f"C-{n}") for n in range(5))).counts == {"held": 5}
    assert [(r["kind"], r["key"]) for r in exceptions.listed(hub).rows] == [
        ("schema-drift", "salesforce/Account")
    ]
    assert drift.check(hub, "salesforce", {"Account": [*names, "Title"]})[0].needed == ()
    assert exceptions.listed(hub).rows == []
    assert take(hub, "salesforce").counts == {"applied": 5}
    assert drift.check(hub, "salesforce", {"Account": [*names, "Title"]}) == []


def test_what_a_mapping_does_not_read_may_go(hub: Connection) -> None:
    drift.check(hub, "salesforce", {"Account": ["Name", "Fax"]})
    assert drift.check(hub, "salesforce", {"Account": ["Name"]})[0].needed == ()
    assert store.fingerprints(hub, "salesforce") == {"Account": ["Name"]}
