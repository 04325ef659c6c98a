"""Meridian, the generated firm: the same from a seed, complete in its mess, and played exactly once however it is played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from tests.sandbox.rigs import Reader
from tieout.connectors.kit.conformance import every_change
from tieout.hub import canonical, crosswalk, exceptions, inbox
from tieout.sandbox.firm import MESS, Firm, Timeline, generate, people
from tieout.sandbox.firm.customers import ORDER_NEVER, deal
from tieout.sandbox.firm.labor import PRICES, ROLES, price_of
from tieout.sandbox.firm.planted import from_row
from tieout.sandbox.server import Sandbox
from tieout.sandbox.world import World
from tieout.store import tables
from tieout.store.database import connect, create_database

FIRM = generate(7)
SMALL = generate(7, workers=11)
"""All of its mess with a third of the time: enough to play."""
VENDORS = {
    "salesforce": ("Account", "Opportunity", "Contract", "SBQQ__Quote__c", "SBQQ__QuoteLine__c"),
    "kantata": ("role", "user", "workspace", "story", "time_entry", "subscribed_event"),
    "netsuite": ("subsidiary", "currency", "term", "account", "item", "salesTaxItem", "accountingPeriod", "customer",
                 "invoice", "customerPayment"),
}  # fmt: skip


# --- the plan -------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_firm() -> None:
    """And another seed another one, with the same contracts."""
    assert generate(7) == FIRM
    other = generate(8)
    assert other.entries != FIRM.entries
    assert other.contracts == FIRM.contracts


def test_the_firm_has_the_size_of_the_demonstration() -> None:
    assert (len(FIRM.workers), len(FIRM.contracts)) == (30, 12)
    assert 3_700 < len(FIRM.entries) < 4_300
    assert {entry.contract for entry in FIRM.entries} == set(FIRM.contracts)
    assert {worker.role for worker in FIRM.workers} == set(ROLES)
    assert [a.moment for a in FIRM.actions] == sorted(a.moment for a in FIRM.actions)


def test_nobody_works_more_than_a_day_has() -> None:
    """At most nine hours a day, no day off, nothing before its contract has begun."""
    minutes: Counter[tuple[str, date]] = Counter()
    for entry in FIRM.entries:
        minutes[entry.worker.id, entry.day] += entry.minutes
        assert entry.day >= deal(entry.contract).work_from
        assert entry.day.weekday() < 5
    assert max(minutes.values()) <= 540


def test_one_price_changes_and_no_two_hold_on_one_day() -> None:
    """Solution Architect: 209.64 until 28 February, 213.84 from 1 March 2026; every role has a price on every day."""
    assert price_of("Solution Architect", date(2026, 2, 28)) == Decimal("209.64")
    assert price_of("Solution Architect", date(2026, 3, 1)) == Decimal("213.84")
    for role in ROLES:
        held = [p for p in PRICES if p.role == role and p.since <= date(2026, 3, 1) and not p.until]
        assert len(held) == 1


def test_every_kind_of_mess_is_planted_and_says_where_it_is_seen() -> None:
    assert {item.what for item in FIRM.planted} == set(MESS) == {item.what for item in SMALL.planted}
    entries = {entry.id: entry for entry in FIRM.entries}
    used: Counter[str] = Counter()
    for item in FIRM.planted:
        assert (item.expected == "found") == (item.kind in ("exception", "tie_out"))
        for entry in item.hints.get("entries", ()):
            assert entries[entry].contract == item.hints["contract"] or item.what == "rate_change"
            used[entry] += item.what != "rate_change"
    assert max(used.values()) == 1


def test_the_cap_is_exceeded_before_it_is_raised() -> None:
    """And what is raised is enough for the whole firm's life."""
    from tieout.sandbox.firm.mess import AMENDED_FROM, CAPPED
    from tieout.sandbox.firm.timesheets import value

    item = next(one for one in FIRM.planted if one.what == "amendment_mid_month")
    own = [entry for entry in FIRM.entries if entry.contract == CAPPED]
    approved = [entry for entry in own if entry.day <= date(2026, 2, 6)]
    assert value(approved) > Decimal(item.hints["cap"])
    assert value(own) < Decimal(item.hints["raised"])
    assert AMENDED_FROM.day != 1


@pytest.mark.parametrize(("workers", "months"), [(1, 1), (5, 2), (12, 7)])
def test_other_sizes_are_firms_too(workers: int, months: int) -> None:
    firm = generate(1, workers, months)
    assert len(firm.workers) == workers
    assert len([stop for stop in firm.stops if stop.bill_through]) == months


# --- playing it -----------------------------------------------------------------------------------------


def other_side(world: World) -> None:
    """What Tieout would have made: projects of all contracts but the one without an order, customers in NetSuite."""
    for contract in SMALL.contracts:
        if contract == ORDER_NEVER:
            continue
        title = f"{deal(contract).name} [{contract}]"
        status = {"key": 310, "message": "Active"}
        made = {"title": title, "status": status, "currency": "USD", "archived": False}
        workspace = world.put("kantata", "workspace", made)
        world.put(
            "kantata", "external_reference",
            {"service_name": "tieout", "service_model": "project", "service_model_ref": contract,
             "subject_type": "workspace", "subject_id": workspace},
        )  # fmt: skip
    for customer in {deal(contract).customer: None for contract in SMALL.contracts}:
        facts = {
            "entityId": customer,
            "companyName": customer,
            "subsidiary": {"id": "1"},
            "currency": {"id": "1"},
        }
        world.put("netsuite", "customer", {**facts, "externalId": customer})


def post(world: World, number: str, amount: str, day: date) -> str:
    """An invoice as Tieout posts it."""
    fields = {
        "tranId": number, "externalId": number, "entity": {"id": world.all("netsuite", "customer")[0].id},
        "tranDate": day.isoformat(), "approvalStatus": {"id": "2"}, "currency": {"id": "1"},
        "item": {"items": [{"line": 1, "item": {"id": "31"}, "amount": Decimal(amount)}]},
    }  # fmt: skip
    return world.put("netsuite", "invoice", fields)


def held(world: World) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """Everything the vendors hold, with the moments of change."""
    return {
        (system, type, record.id): (record.fields, record.modified_at)
        for system, types in VENDORS.items()
        for type in types
        for record in world.all(system, type)
    }


def play(world: World, firm: Firm, days: int) -> None:
    """The firm's whole life in steps of some days, the other side answering after the first stop."""
    timeline = Timeline(firm)
    start, end = firm.stops[0].moment, firm.stops[-1].moment
    timeline.advance(world, start)
    other_side(world)
    for number in range(1, 9):
        post(world, f"INV-{number}", "1000.01", date(2026, 2, number))
    moment = start
    while moment < end:
        moment = min(end, moment + timedelta(days=days))
        timeline.advance(world, moment)
        assert world.now() == moment


def test_played_at_once_or_in_steps_it_is_the_same_world(
    admin_url: str, database_name: Callable[[], str]
) -> None:
    """Every record, id and moment of change; also when another process goes on in between."""
    worlds = []
    for days in (400, 21):
        with opened(admin_url, database_name()) as world:
            play(world, SMALL, days)
            again = World(world.engine)
            assert Timeline(generate(7, 11)).advance(again, SMALL.stops[-1].moment) == 0
            worlds.append((held(again), [from_row(row) for row in again.planted()]))
    assert worlds[0] == worlds[1]
    assert sorted(worlds[0][1], key=str) == sorted(SMALL.planted, key=str)


@contextmanager
def opened(admin_url: str, name: str) -> Iterator[World]:
    """A world in a database of its own."""
    engine: Engine = connect(create_database(admin_url, name))
    with closing(engine.raw_connection()):
        pass
    yield World(engine)
    engine.dispose()


def test_a_process_that_dies_in_the_middle_of_an_action_leaves_no_half_of_it(
    world: World, admin_url: str, database_name: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Die after the work of every 25th action, before its note; play on: the same world as without."""
    until = SMALL.stops[2].moment
    calls = Counter[str]()
    real = people.do

    def dies(desk: people.Desk, system: str, verb: str, payload: Any, only: Any) -> Any:
        done = real(desk, system, verb, payload, only)
        calls["all"] += 1
        if calls["all"] % 25 == 0:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr("tieout.sandbox.firm.timeline.do", dies)
    deaths = 0
    Timeline(SMALL).advance(world, SMALL.actions[0].moment - timedelta(days=1))
    other_side_made = False
    for moment in (SMALL.stops[0].moment, until):
        while True:
            try:
                Timeline(SMALL).advance(world, moment)
                break
            except KeyboardInterrupt:
                deaths += 1
        if not other_side_made:
            other_side(world)
            other_side_made = True
    monkeypatch.undo()
    assert deaths > 3
    with opened(admin_url, database_name()) as whole:
        Timeline(SMALL).advance(whole, SMALL.stops[0].moment)
        other_side(whole)
        Timeline(SMALL).advance(whole, until)
        assert held(whole) == held(world)


def test_time_waits_for_its_project(world: World) -> None:
    """What cannot be booked is booked at the next advance after the project is there, and approved the Monday after."""
    timeline = Timeline(SMALL)
    timeline.advance(world, SMALL.stops[1].moment)
    early = [e for e in SMALL.entries if e.day <= date(2026, 1, 12)]
    assert world.all("kantata", "time_entry") == []
    other_side(world)
    timeline.advance(world, SMALL.stops[1].moment)
    booked = world.all("kantata", "time_entry")
    assert {r.id for r in booked} == {e.id for e in early if e.contract != ORDER_NEVER}
    assert not any(r.fields["approved"] for r in booked)
    timeline.advance(world, SMALL.stops[2].moment)
    approved = {r.id for r in world.find("kantata", "time_entry", approved=True)}
    assert {r.id for r in booked} <= approved


def test_another_firm_is_not_played_into_a_world(world: World) -> None:
    Timeline(SMALL).advance(world, SMALL.stops[0].moment)
    with pytest.raises(ValueError, match="another firm"):
        Timeline(generate(8, 11)).advance(world, SMALL.stops[1].moment)


def test_the_erp_people_enter_payments_and_close_past_months(world: World) -> None:
    """Paid after 20 to 36 days, some in two parts. Nobody pays a document that a person entered by hand; every invoice is paid to the cent in the end."""
    play(world, SMALL, 30)
    paid: dict[str, list[tuple[str, Decimal]]] = {}
    for payment in world.all("netsuite", "customerPayment"):
        (row,) = payment.fields["apply"]["items"]
        assert row["amount"] == payment.fields["payment"]
        paid.setdefault(row["doc"]["id"], []).append((payment.fields["tranDate"], row["amount"]))
    invoices = world.all("netsuite", "invoice")
    by_hand = [one for one in invoices if one.fields.get("externalId") is None]
    assert [one.fields["tranId"] for one in by_hand] == ["M-1007"]
    assert by_hand[0].id not in paid
    for invoice in invoices:
        if invoice not in by_hand:
            assert sum(amount for _, amount in paid[invoice.id]) == Decimal("1000.01")
            waited = date.fromisoformat(paid[invoice.id][0][0]) - date.fromisoformat(
                invoice.fields["tranDate"]
            )
            assert timedelta(days=20) <= waited <= timedelta(days=36)
    assert {len(parts) for parts in paid.values()} == {1, 2}
    closed = {p.fields["periodName"] for p in world.find("netsuite", "accountingPeriod", closed=True)}
    assert closed == {"Dec 2025", "Jan 2026", "Feb 2026", "Mar 2026"}


def test_every_record_of_the_firm_goes_through_the_mappings(sandbox: Sandbox, conn: Connection) -> None:
    """Read by the connectors over HTTPS, mapped, resolved, merged: nothing is refused and nothing waits in the end."""
    play(sandbox.world, SMALL, 400)
    names = ("netsuite", "salesforce", "kantata")
    conn.execute(insert(tables.connection), [{"name": n, "connector": n, "config": {}} for n in names])
    references = sandbox.world.all("kantata", "external_reference")
    projects = {r.fields["subject_id"]: f"P-{r.fields['service_model_ref']}" for r in references}
    crosswalk.link(conn, "kantata", "workspace", "project", projects)
    counts: Counter[str] = Counter()
    sandbox.world.clear_faults()  # the planted ones have their own tests
    for system in names:
        rig: Any = type("Firm", (Reader,), {"system": system})(sandbox, page_size=200)
        for object in rig.connector.objects():
            rig.object = object
            changes, _ = every_change(rig)
            counts[object] = len(changes)
            inbox.receive(conn, rig.system, changes)
        while inbox.apply_new(conn, rig.system).taken:
            pass
    assert [(e["kind"], e["key"]) for e in exceptions.listed(conn).rows] == []
    booked = {e.id for e in SMALL.entries if e.contract != ORDER_NEVER}
    entries = canonical.current(conn, "time_entry", booked)
    assert set(entries) == booked
    assert counts["time_entry"] >= len(booked)  # a page begins with the last of the one before
    assert {e["role"] for e in entries.values()} <= set(ROLES)
    assert all(e["state"] == "approved" for e in entries.values())
    contracts = canonical.current(conn, "contract", SMALL.contracts)
    assert {c["state"] for c in contracts.values()} == {"active"}
    assert contracts["C-2602"]["effective_from"] == date(2026, 2, 16)
    left = next(i for i in SMALL.planted if (i.what, i.expected) == ("wrong_project_code", "found"))
    assert entries[left.key]["project"] is None
    for item in SMALL.planted:
        for entry, minutes in item.hints.get("minutes", {}).items():
            assert entries[entry]["worked_minutes"] == minutes
