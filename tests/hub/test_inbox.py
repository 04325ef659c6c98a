"""Facts come in once, in any order, and become canonical versions and events."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from sqlalchemy import Connection

from tests.hub.builders import account, contract, deleted, entry, opportunity, prepare, take, user
from tieout.hub import canonical, crosswalk, events, exceptions, inbox
from tieout.store import inbox as store


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """An open transaction with clock and connections."""
    prepare(conn)
    return conn


def types(applied: inbox.Applied) -> list[tuple[str, str]]:
    return [(e.type.removeprefix("tieout.").removesuffix(".v1"), e.subject) for e in applied.events]


def open_kinds(conn: Connection) -> list[tuple[str, str]]:
    return sorted((row["kind"], row["key"]) for row in exceptions.listed(conn).rows)


def test_a_signed_contract_and_its_opportunity_become_events(hub: Connection) -> None:
    applied = take(hub, "salesforce", account(), contract(), opportunity())
    assert set(types(applied)) == {
        ("customer.changed", "C-100"), ("contract.signed", "K-1"), ("opportunity.contracted", "O-1"),
        ("opportunity.changed", "O-1"),
    }  # fmt: skip
    held = canonical.current(hub, "contract", ["K-1"])["K-1"]
    assert (held["customer"], held["legal_entity"], held["cap_amount"]) == ("C-100", "US01", Decimal("50000"))
    assert held["provenance"]["contract.terms"]["source_id"] == "K-K-1"


def test_records_that_name_each_other_arrive_in_any_order(hub: Connection) -> None:
    """Opportunity and contract refer to each other; each comes alone, the account last."""
    first = take(hub, "salesforce", opportunity())
    assert first.counts == {"held": 1}
    take(hub, "salesforce", contract(Opportunity__c="O-O-1"))
    assert {kind for kind, _ in open_kinds(hub)} == {"unknown-reference"}
    last = take(hub, "salesforce", account())
    assert set(types(last)) == {
        ("customer.changed", "C-100"), ("contract.signed", "K-1"), ("opportunity.contracted", "O-1"),
        ("opportunity.changed", "O-1"),
    }  # fmt: skip
    assert open_kinds(hub) == []
    assert canonical.current(hub, "contract", ["K-1"])["K-1"]["opportunity"] == "O-1"


def test_a_repeat_is_counted_and_a_repeat_with_other_content_is_an_exception(hub: Connection) -> None:
    take(hub, "salesforce", account())
    assert inbox.receive(hub, "salesforce", [account(), account()]) == inbox.Received(0, 2, 0)
    assert inbox.receive(hub, "salesforce", [account(Name="Other")]) == inbox.Received(0, 0, 1)
    assert open_kinds(hub) == [("id-reuse", "Account A-C-100")]
    assert canonical.current(hub, "customer")["C-100"]["legal_name"] == "Acme"
    assert [row["deliveries"] for row in store.of_source(hub, "salesforce", "Account", "A-C-100")] == [4]


def test_an_older_version_is_superseded_and_a_tombstone_wins(hub: Connection) -> None:
    take(hub, "kantata", user(), entry(version="3", time_in_minutes=360))
    assert take(hub, "kantata", entry(version="2")).counts == {"superseded": 1}
    take(hub, "kantata", deleted("time_entry", "501", "3"))
    assert canonical.current(hub, "time_entry")["501"]["state"] == "withdrawn"
    take(hub, "kantata", deleted("time_entry", "502", "9"), entry("502", "8"))
    assert "502" not in canonical.current(hub, "time_entry")


def test_an_amendment_is_a_new_version_with_its_terms_kept(hub: Connection) -> None:
    take(hub, "salesforce", account(), contract())
    raised = take(
        hub, "salesforce", contract(version="3", Cap_Amount__c="90000", Effective_Date__c="2026-03-01")
    )
    assert types(raised) == [("contract.amended", "K-1")]
    late = take(
        hub, "salesforce", contract(version="2", Cap_Amount__c="60000", Effective_Date__c="2026-02-01")
    )
    assert (late.counts, types(late)) == ({"superseded": 1}, [("contract.amended", "K-1")])
    caps = [canonical.as_of(hub, "contract", "K-1", date(2026, m, 15))["cap_amount"] for m in (1, 2, 3)]
    assert caps == [Decimal("50000"), Decimal("60000"), Decimal("90000")]


def set_up_project(hub: Connection) -> None:
    """Contract K-1 with project P-1, which is workspace 900."""
    take(hub, "salesforce", account(), contract())
    canonical.write(
        hub, "project", {"P-1": {"contract": "K-1", "state": "active"}}, "project.finance", "set-up"
    )
    crosswalk.link(hub, "kantata", "workspace", "project", {"900": "P-1"})


def test_approved_time_is_one_event_per_contract_and_corrections_are_told_apart(hub: Connection) -> None:
    set_up_project(hub)
    first = take(
        hub, "kantata", user(), entry("501"), entry("502"), entry("503", workspace_id="1", approved=False)
    )
    sheets = [(e.type, e.subject, e.data) for e in first.events if "timesheet" in e.type]
    assert sheets == [(events.TIMESHEET_APPROVED, "K-1", {"entries": ["501", "502"]})]
    corrected = take(
        hub, "kantata", entry("501", "2", time_in_minutes=360), entry("502", "2", workspace_id="1")
    )
    assert [(e.subject, e.data["entries"]) for e in corrected.events] == [
        ("K-1", ["501", "502"]),
        ("unassigned", ["502"]),
    ]
    assert {e.type for e in corrected.events} == {events.TIMESHEET_CORRECTED}
    gone = take(hub, "kantata", entry("501", "3", approved=False))
    assert types(gone) == [("timesheet.corrected", "K-1")]


def test_time_before_its_project_is_taken_in_and_found_again(hub: Connection) -> None:
    first = take(hub, "kantata", user(), entry())
    assert types(first)[-1] == ("timesheet.approved", "unassigned")
    assert canonical.current(hub, "time_entry")["501"]["source_project"] == "900"
    set_up_project(hub)
    again = take(hub, "kantata")
    assert types(again) == [("timesheet.corrected", "K-1"), ("timesheet.corrected", "unassigned")]
    assert canonical.current(hub, "time_entry")["501"]["project"] == "P-1"


def test_one_bad_record_does_not_stop_its_neighbours(hub: Connection) -> None:
    applied = take(hub, "salesforce", account(), account("C-101", CurrencyIsoCode="XX1"), account("C-102", Name=None),
                   opportunity("O-9", StageName="Dreaming", ContractId=None))  # fmt: skip
    assert applied.counts == {"applied": 1, "refused": 2, "held": 1}
    assert open_kinds(hub) == [
        ("invalid-payload", "C-102"), ("unknown-currency", "C-101"), ("unmapped-value", "O-9"),
    ]  # fmt: skip
    healed = take(hub, "salesforce", account("C-101", "2"), account("C-102", "2"))
    assert healed.counts == {"applied": 2}
    assert open_kinds(hub) == [("unmapped-value", "O-9")]
    assert store.counts(hub) == {"applied": 3, "superseded": 2, "held": 1}


def test_two_records_with_one_key_are_never_merged(hub: Connection) -> None:
    take(hub, "salesforce", account())
    from tests.hub.builders import change

    other = change(
        "Account", "A-2", "1", {"AccountNumber": "C-100", "Name": "Twin", "CurrencyIsoCode": "USD"}
    )
    take(hub, "salesforce", other)
    assert [kind for kind, _ in open_kinds(hub)] == ["id-reuse"]
    assert canonical.current(hub, "customer")["C-100"]["legal_name"] == "Acme"


def test_an_older_good_version_does_not_close_the_exception_of_a_newer_bad_one(hub: Connection) -> None:
    take(hub, "salesforce", account(version="2", CurrencyIsoCode="XX1"))
    take(hub, "salesforce", account(version="1"))
    assert open_kinds(hub) == [("unknown-currency", "C-100")]
    assert canonical.current(hub, "customer")["C-100"]["currency"] == "USD"
    take(hub, "salesforce", account(version="3"))
    assert open_kinds(hub) == []
