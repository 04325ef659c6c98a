"""Exceptions: one per kind and key, money first, decided by people who may."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from tests.hub.builders import MOMENT, account, opportunity, prepare, take
from tieout.hub import exceptions
from tieout.hub.actors import Actor
from tieout.hub.exceptions import NewException
from tieout.hub.refusals import Conflict, Forbidden, Invalid, NotFound
from tieout.store import events
from tieout.store import inbox as inbox_store
from tieout.store.tables import approval, audit, intent, work

PREPARER = Actor("ana@firm.test", frozenset({"billing_preparer"}))
APPROVER = Actor("bo@firm.test", frozenset({"billing_approver"}))
ENGINEER = Actor("cy@firm.test", frozenset({"integration_engineer"}))


@pytest.fixture
def hub(conn: Connection) -> Connection:
    prepare(conn)
    return conn


def cap(key: str = "K-1", amount: str = "100", **more: Any) -> NewException:
    return NewException("cap-exceeded", key, f"{amount} over the cap", contract=key, legal_entity="US01",
                        amount=Decimal(amount), currency="USD", **more)  # fmt: skip


def only(conn: Connection) -> dict[str, Any]:
    (row,) = exceptions.listed(conn).rows
    return row


def test_one_is_open_per_kind_and_key_and_follows_its_amount(hub: Connection) -> None:
    assert len(exceptions.open_exceptions(hub, [cap(), cap(amount="120")])) == 1
    assert exceptions.open_exceptions(hub, [cap(amount="150")]) == []
    assert (only(hub)["amount"], only(hub)["cause"]) == (Decimal("150"), "150 over the cap")
    assert [e["type"] for e in events.of_subject(hub, "K-1")] == ["tieout.exception.opened.v1"]


def test_what_did_not_occur_again_is_resolved(hub: Connection) -> None:
    exceptions.open_exceptions(hub, [cap("K-1"), cap("K-2"), cap("K-3")])
    assert exceptions.resolve_where_healed(hub, "cap-exceeded", ["K-1", "K-2"], ["K-2"]) == 1
    assert {row["key"] for row in exceptions.listed(hub).rows} == {"K-2", "K-3"}
    assert exceptions.open_exceptions(hub, [cap("K-1")]) != []
    assert len(exceptions.listed(hub, {"all": True, "key": "K-1"}).rows) == 2


def test_most_money_and_urgency_first_page_by_page(hub: Connection) -> None:
    """Score = amount x 10 (blocking) or x 1 (warning): 50 blocking stands before 400 as a warning."""
    drift = NewException("target-drift", "INV-1", "edited", amount=Decimal(400), currency="USD")
    exceptions.open_exceptions(
        hub, [cap("K-1", "50"), drift, cap("K-2", "900"), cap("K-3", "-60"), cap("K-4", "50")]
    )
    seen, cursor = [], None
    while True:
        page = exceptions.listed(hub, None, cursor, limit=2)
        seen += [row["key"] for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    assert seen[:2] == ["K-2", "K-3"]
    assert (sorted(seen[2:4]), seen[4]) == (["K-1", "K-4"], "INV-1")
    with pytest.raises(Invalid):
        exceptions.listed(hub, None, "nonsense")
    with pytest.raises(Invalid):
        exceptions.listed(hub, {"colour": "red"})


def test_another_entity_s_exceptions_do_not_exist_for_the_reader(hub: Connection) -> None:
    exceptions.open_exceptions(hub, [cap()])
    stranger = Actor("di@firm.test", frozenset({"finance_lead"}), entities=frozenset({"DE01"}))
    assert exceptions.listed(hub, actor=stranger).rows == []
    assert exceptions.group_by_cause(hub, actor=stranger) == []
    with pytest.raises(NotFound):
        exceptions.show(hub, only(hub)["id"], actor=stranger)
    with pytest.raises(NotFound):
        exceptions.show(hub, "no-id")


def test_assign_and_fix_are_noted_and_survive_a_recurrence(hub: Connection) -> None:
    exceptions.open_exceptions(hub, [cap()])
    one = only(hub)["id"]
    exceptions.assign(hub, one, "ana@firm.test", PREPARER)
    assert only(hub)["owner"] == "ana@firm.test"
    with pytest.raises(Invalid):
        exceptions.assign(hub, one, "nobody", PREPARER)
    exceptions.fix(hub, one, "raised the cap in Salesforce", PREPARER)
    exceptions.open_exceptions(hub, [cap(amount="70")])
    shown = exceptions.show(hub, one)
    assert (shown["state"], shown["evidence"]["fixes"][0]["by"]) == ("open", "ana@firm.test")


def test_who_prepared_it_may_not_waive_it(hub: Connection) -> None:
    exceptions.open_exceptions(hub, [cap(evidence={"preparer": "bo@firm.test"})])
    one = only(hub)["id"]
    with pytest.raises(Forbidden):
        exceptions.waive(hub, one, "agreed", APPROVER)
    with pytest.raises(Forbidden):
        exceptions.waive(hub, one, "agreed", PREPARER)
    other = Actor("eve@firm.test", frozenset({"billing_approver"}))
    with pytest.raises(Invalid):
        exceptions.waive(hub, one, " ", other)
    exceptions.waive(hub, one, "agreed with the client", other)
    row = hub.execute(select(approval)).one()
    assert (row.preparer, row.approver, row.role, row.type) == (
        "bo@firm.test", "eve@firm.test", "billing_approver", "waiver",
    )  # fmt: skip
    assert (
        hub.execute(select(audit.c.reason).where(audit.c.action == "waive")).scalar_one()
        == "agreed with the client"
    )
    with pytest.raises(Conflict):
        exceptions.waive(hub, one, "again", other)


def test_who_noted_the_fix_may_not_waive_either(hub: Connection) -> None:
    exceptions.open_exceptions(hub, [cap()])
    exceptions.fix(hub, only(hub)["id"], "spoke to the client", APPROVER)
    with pytest.raises(Forbidden):
        exceptions.waive(hub, only(hub)["id"], "fine", APPROVER)


def test_equal_causes_are_counted_together(hub: Connection) -> None:
    take(hub, "salesforce", *(account(f"C-{n}", CurrencyIsoCode="XX1") for n in range(20)))
    (group,) = exceptions.group_by_cause(hub)
    assert (group["kind"], group["open"], group["cause"]) == ("unknown-currency", 20, "Account: currency")


def requested(conn: Connection) -> list[tuple[str, str]]:
    """What was asked of the work table, by kind and key."""
    rows = conn.execute(select(work.c.kind, work.c.key).order_by(work.c.kind, work.c.key))
    return [(row.kind, row.key) for row in rows]


def test_replay_takes_facts_in_anew(hub: Connection) -> None:
    take(hub, "salesforce", account(), opportunity(StageName="Dreaming", ContractId=None))
    one = only(hub)["id"]
    (plan,) = exceptions.replay(hub, [one], ENGINEER, dry_run=True)
    assert (plan.work, len(plan.inbox), requested(hub)) == ((("sync", "salesforce/Opportunity"),), 1, [])
    assert inbox_store.counts(hub)["held"] == 1
    exceptions.replay(hub, [one], ENGINEER)
    assert requested(hub) == [("sync", "salesforce/Opportunity")]
    assert inbox_store.counts(hub)["new"] == 1
    assert exceptions.show(hub, one)["state"] == "replayed"
    take(hub, "salesforce")
    assert exceptions.show(hub, one)["state"] == "open"


def test_replay_makes_a_rejected_intent_pending_and_leaves_a_done_one(hub: Connection) -> None:
    """An unknown outcome stays unknown: it is only due, so it is looked up before anything is sent."""
    states = {
        f"0197a000-0000-7000-8000-00000000000{n}": s for n, s in enumerate(("rejected", "unknown", "done"))
    }
    for number, (one, state) in enumerate(states.items()):
        hub.execute(insert(intent).values(
            id=one, connection="netsuite", operation="upsert_invoice", type="invoice", key=f"INV-{number}", revision=1,
            external_key=f"INV-{number}", body=b"{}", digest=b"", state=state, due_at=MOMENT, recorded_at=MOMENT))  # fmt: skip
    found = [
        NewException("rejected-by-target", f"INV-{number}", "refused",
                     evidence={"intent": one, "work": {"kind": "post", "key": f"INV-{number}"}})
        for number, one in enumerate(states)
    ]  # fmt: skip
    ids = exceptions.open_exceptions(hub, found)
    exceptions.replay(hub, ids, ENGINEER)
    after = dict(hub.execute(select(intent.c.key, intent.c.state)).all())
    assert after == {"INV-0": "pending", "INV-1": "unknown", "INV-2": "done"}
    assert requested(hub) == [("post", "INV-0"), ("post", "INV-1"), ("post", "INV-2")]


def test_a_statement_that_the_driver_has_prepared_still_finds_the_open_one(hub: Connection) -> None:
    """The driver prepares a statement after five uses; the partial index must match it then too."""
    for number in range(8):
        again = NewException("missing-rate", "E-1", "no rate", amount=Decimal(number), currency="USD")
        exceptions.open_exceptions(hub, [again])
    rows = exceptions.listed(hub, {"key": "E-1"}).rows
    assert [row["amount"] for row in rows] == [Decimal(7)]


def test_rows_say_their_state_where_it_is_asked_for(hub: Connection) -> None:
    """A list of open ones has replayed and assigned ones too; `exceptions list --json` says `state` with `--all` only."""
    exceptions.open_exceptions(hub, [cap()])
    assert "state" not in only(hub)
    exceptions.replay(hub, [only(hub)["id"]], ENGINEER)
    assert [row["state"] for row in exceptions.listed(hub, with_state=True).rows] == ["replayed"]
