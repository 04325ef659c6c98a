"""Intake: every page once, the cursor never ahead of the inbox, and each kind of trouble at its own pace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, select, update

from tests.hub.builders import MOMENT, account, contract, entry, opportunity, prepare, take, user
from tieout.bootstrap import Settings
from tieout.connectors.kit.interface import (
    AuthFailed,
    Change,
    Drift,
    Hint,
    Page,
    RateLimited,
    Retryable,
)
from tieout.flows import durable, intake
from tieout.flows.environment import Environment
from tieout.hub import connections, events, exceptions, inbox, work
from tieout.store import clock
from tieout.store import inbox as store
from tieout.store import work as work_store
from tieout.store.tables import connection, event

MINUTE = timedelta(minutes=1)


class Source:
    """A source with pages by object; a cursor is the number of the page to read next. Trouble is raised once each."""

    def __init__(self) -> None:
        self.pages: dict[str, list[list[Change]]] = {}
        self.trouble: list[Exception] = []
        self.calls: list[tuple[str, str | None]] = []
        self.opened = 0
        self.fetched: list[str] = []
        self.listed: dict[str, list[tuple[str, str]]] = {}
        self.fields: dict[str, list[str]] = {}
        self.before: Callable[[], Any] = lambda: None

    def objects(self) -> Sequence[str]:
        """What is read."""
        return sorted(self.pages)

    def changes(self, object: str, cursor: str | None) -> Page:
        """The next page."""
        self.calls.append((object, cursor))
        self.before()
        if self.trouble:
            raise self.trouble.pop(0)
        pages, number = self.pages.get(object, []), int(cursor or 0)
        if number >= len(pages):
            return Page([], str(number), False)
        return Page(pages[number], str(number + 1), number + 1 < len(pages))

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """What the source has."""
        yield from self.listed.get(object, [])

    def fetch(self, object: str, source_id: str) -> Change | None:
        """One record."""
        self.fetched.append(source_id)
        return entry(source_id, "2")

    def describe(self) -> Mapping[str, Sequence[str]]:
        """Its fields."""
        return self.fields


@pytest.fixture
def source() -> Source:
    """The one source that every connection leads to."""
    return Source()


@pytest.fixture
def outside(engine: Engine, source: Source) -> Environment:
    """An environment whose connections lead to the source."""
    with engine.begin() as conn:
        prepare(conn)

    def open_connector(*_: Any) -> Any:
        source.opened += 1
        return source

    return Environment(engine, Settings(Path("/nowhere")), open_connector)


def run(outside: Environment, *pieces: tuple[str, str]) -> int:
    """Ask for work and carry out what is due of intake."""
    with outside.begin() as conn:
        work.request_all(conn, pieces)
    return durable.run_due(outside, ["sync", "sweep", "drift"])


def advance(outside: Environment, by: timedelta) -> None:
    """Move business time."""
    with outside.begin() as conn:
        clock.set_now(conn, clock.now(conn) + by)


def asked(outside: Environment) -> set[tuple[str, str]]:
    """Work that is asked for and not done, without intake's own."""
    with outside.engine.connect() as conn:
        rows = conn.execute(select(work_store.work.c.kind, work_store.work.c.key)).all()
    return {(row.kind, row.key) for row in rows} - {
        (k, x) for k, x in rows if k in ("sync", "sweep", "drift")
    }


def counts(outside: Environment) -> dict[str, int]:
    """Inbox rows by state."""
    with outside.engine.connect() as conn:
        return store.counts(conn)


def opened(outside: Environment) -> set[tuple[str, str]]:
    """Open exceptions by kind and key."""
    with outside.engine.connect() as conn:
        return {(row["kind"], row["key"]) for row in exceptions.listed(conn).rows}


def due(outside: Environment, kind: str, key: str) -> timedelta:
    """How far in the business's future a piece of work is due."""
    with outside.engine.connect() as conn:
        wait: timedelta = work_store.read(conn, [(kind, key)])[0]["due_at"] - clock.now(conn)
    return wait


def test_pages_are_read_to_the_end_and_applied(outside: Environment, source: Source) -> None:
    source.pages = {"Account": [[account("C-100")], [account("C-101")]]}
    assert run(outside, ("sync", "salesforce/Account")) == 1
    assert source.calls == [("Account", None), ("Account", "1")]
    assert counts(outside) == {"applied": 2}
    with outside.begin() as conn:
        row = connections.read(conn, "salesforce")
        assert row is not None
        assert (row["last_synced_at"], store.cursor_of(conn, "salesforce", "Account")) == (MOMENT, "2")
    assert due(outside, "sync", "salesforce/Account") == MINUTE
    advance(outside, MINUTE)
    assert durable.run_due(outside, ["sync"]) == 1
    assert source.calls[2:] == [("Account", "2")]


def test_an_applied_page_asks_for_what_follows(outside: Environment, source: Source) -> None:
    """A signed contract asks for its set-up and its rating; time of no contract is rated as unassigned."""
    source.pages = {"Account": [[account()]], "Contract": [[contract()]], "user": [[user()]],
                    "time_entry": [[entry()]]}  # fmt: skip
    run(outside, ("sync", "salesforce/Account"), ("sync", "salesforce/Contract"))
    run(outside, ("sync", "kantata/user"), ("sync", "kantata/time_entry"))
    assert asked(outside) == {("setup", "K-1"), ("rate", "K-1"), ("rate", "unassigned")}


@pytest.mark.parametrize("named_by", ["contract", "opportunity"])
@pytest.mark.parametrize("news", [{"StageName": "Closed Won"}, {"StageName": "Closed Lost"}, {"Amount": "2"}])
def test_a_deal_wakes_the_set_up_of_its_contract_whoever_names_the_other(
    outside: Environment, source: Source, named_by: str, news: dict[str, str]
) -> None:
    """Won, lost or only changed: the set-up looks again."""
    fields = {"StageName": "Prospecting", "ContractId": "K-K-1" if named_by == "opportunity" else None}
    with outside.begin() as conn:
        names = {"Opportunity__c": "O-O-1"} if named_by == "contract" else {}
        take(conn, "salesforce", account(), opportunity(**fields), contract(**names))
    source.pages = {"Opportunity": [[opportunity(version="2", **fields | news)]]}
    run(outside, ("sync", "salesforce/Opportunity"))
    assert asked(outside) == {("setup", "K-1")}


def test_a_deal_that_turns_to_another_contract_wakes_both(outside: Environment, source: Source) -> None:
    with outside.begin() as conn:
        take(conn, "salesforce", account(), contract(), contract("K-2"), opportunity())
    source.pages = {"Opportunity": [[opportunity(version="2", ContractId="K-K-2")]]}
    run(outside, ("sync", "salesforce/Opportunity"))
    assert asked(outside) == {("setup", "K-1"), ("setup", "K-2")}


def test_what_waited_for_another_object_is_applied_too(outside: Environment, source: Source) -> None:
    source.pages = {"Contract": [[contract()]], "Account": [[account()]]}
    run(outside, ("sync", "salesforce/Contract"))
    assert counts(outside) == {"held": 1}
    run(outside, ("sync", "salesforce/Account"))
    assert counts(outside) == {"applied": 2}
    assert ("setup", "K-1") in asked(outside)


FIRST_READ = tuple(("sync", f"salesforce/{object}") for object in ("Account", "Contract", "Opportunity"))


def said(outside: Environment, type: str) -> list[str]:
    """Kinds of the exceptions of which an event of this type tells, in order."""
    with outside.engine.connect() as conn:
        query = select(event.c.data).where(event.c.type == type).order_by(event.c.position)
        return [str(data["kind"]) for data in conn.execute(query).scalars()]


def test_a_first_read_in_any_order_opens_no_exception(outside: Environment, source: Source) -> None:
    """All three are due at once; contract and opportunity name each other, and a quote-less deal comes last."""
    source.pages = {"Contract": [[contract(Opportunity__c="O-O-1")], [contract("K-2")]],
                    "Opportunity": [[opportunity()]], "Account": [[account("C-7")], [account()]]}  # fmt: skip
    for first in ("Contract", "Opportunity"):  # before what they name, each for itself
        with outside.begin() as conn:
            work.request_all(conn, set(FIRST_READ) - {("sync", f"salesforce/{first}")}, MOMENT + MINUTE)
        run(outside, ("sync", f"salesforce/{first}"))
    assert counts(outside)["held"] == 3
    assert opened(outside) == set()
    run(outside, *FIRST_READ)
    assert counts(outside) == {"applied": 5}
    assert said(outside, events.EXCEPTION_OPENED) == []


def test_what_is_still_missing_when_it_was_read_to_its_end_is_an_exception(
    outside: Environment, source: Source
) -> None:
    source.pages = {"Contract": [[contract()]], "Account": [[account("C-7")]]}
    run(outside, *FIRST_READ)
    advance(outside, MINUTE)
    durable.run_due(outside, ["sync"])
    assert opened(outside) == {("unknown-reference", "K-1")}
    source.pages["Account"].append([account()])
    advance(outside, MINUTE)
    durable.run_due(outside, ["sync"])
    assert (opened(outside), counts(outside)) == (set(), {"applied": 3})
    assert said(outside, events.EXCEPTION_OPENED) == ["unknown-reference"]


def test_what_comes_after_the_last_read_waits_for_the_next(outside: Environment, source: Source) -> None:
    """A webhook brings the contract before the account was polled again."""
    source.pages = {"Account": [], "Contract": []}
    run(outside, *FIRST_READ)
    source.pages = {"Account": [[account()]], "Contract": [[contract()]]}
    with outside.begin() as conn:
        inbox.receive_hints(conn, "salesforce", [Hint("e1", "Contract", "K-K-1")], b"{}")
    durable.run_due(outside, ["sync"])
    assert (counts(outside), opened(outside)) == ({"held": 1}, set())
    advance(outside, MINUTE)
    durable.run_due(outside, ["sync"])
    assert counts(outside) == {"applied": 2}
    assert said(outside, events.EXCEPTION_OPENED) == []


def test_an_object_that_cannot_be_read_keeps_what_names_it_waiting(
    outside: Environment, source: Source
) -> None:
    """The refused credential is the one exception; when it is renewed and the record is missing, that is the next."""
    source.pages = {"Account": [[account("C-7")]], "Contract": [[contract()]]}
    with outside.begin() as conn:
        work.request(conn, "sync", "salesforce/Account", MOMENT + MINUTE)
    run(outside, ("sync", "salesforce/Contract"))
    source.trouble = [AuthFailed("The secret is wrong.")]
    advance(outside, MINUTE)
    durable.run_due(outside, ["sync"])
    assert opened(outside) == {("credential", "salesforce")}
    advance(outside, MINUTE)
    durable.run_due(outside, ["sync"])
    assert opened(outside) == {("unknown-reference", "K-1")}


def test_hints_are_answered_by_the_read_that_follows(outside: Environment, source: Source) -> None:
    source.pages = {"time_entry": [[entry()]]}
    with outside.begin() as conn:
        inbox.receive_hints(conn, "kantata", [Hint("e1", "time_entry", "501")], b"{}")
    assert durable.run_due(outside, ["sync"]) == 1
    with outside.begin() as conn:
        assert store.open_hints(conn, "kantata", "time_entry", 10) == []


def test_reads_of_one_connection_at_once_do_not_deadlock(
    outside: Environment, source: Source, admin_url: str
) -> None:
    """First pages of two objects are kept at the same moment, after trouble and without, again and again."""
    both = Barrier(2, timeout=10)
    source.before = both.wait

    def read(object: str) -> None:
        intake.read_page(outside, "salesforce", object)
        both.wait()
        with outside.begin() as conn:
            intake.end_read(conn, "salesforce", object, intake.Begun([], 0))

    with ThreadPoolExecutor(2) as pool:
        for round in range(60):
            if round % 2:
                with outside.begin() as conn:
                    connections.failed(conn, "salesforce", "Gone away.")
            list(pool.map(read, (f"A{round}", f"B{round}")))
    assert deadlocks(outside, admin_url) == 0
    with outside.begin() as conn:
        row = connections.read(conn, "salesforce")
        said = conn.execute(select(event.c.type).order_by(event.c.position)).scalars().all()
    assert row is not None
    assert row["state"] == "ok"
    assert said == [events.SYNC_FAILED, events.SYNC_RECOVERED] * 30, "each change of state is announced once"


def deadlocks(outside: Environment, admin_url: str) -> int:
    """Deadlocks that the server has broken in our database; its sessions report them when they end."""
    outside.engine.dispose()
    with psycopg.connect(admin_url, autocommit=True) as conn:
        while conn.execute(
            "SELECT 1 FROM pg_stat_activity WHERE datname = %s", [outside.engine.url.database]
        ).fetchone():
            conn.execute("SELECT pg_sleep(0.01)")
        row = conn.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = %s", [outside.engine.url.database]
        ).fetchone()
    return -1 if row is None else int(row[0])


def test_a_spent_budget_is_waited_for_by_every_object(outside: Environment, source: Source) -> None:
    source.trouble = [RateLimited("Too many requests.", after_seconds=90)]
    run(outside, ("sync", "salesforce/Account"), ("sync", "salesforce/Contract"))
    assert source.calls == [("Account", None)], "no other call before the moment"
    assert due(outside, "sync", "salesforce/Account") == timedelta(seconds=90)
    assert due(outside, "sync", "salesforce/Contract") == timedelta(seconds=90)
    run(outside, ("sync", "kantata/user"))
    assert source.calls[1:] == [("user", None)], "another connection is not held up"
    advance(outside, timedelta(seconds=90))
    durable.run_due(outside, ["sync"])
    assert len(source.calls) >= 4


def test_passing_trouble_backs_off_and_is_announced_once(outside: Environment, source: Source) -> None:
    source.trouble = [Retryable("Gone away."), Retryable("Gone away.")]
    run(outside, ("sync", "salesforce/Account"))
    for pause in (5, 10):
        assert due(outside, "sync", "salesforce/Account") == timedelta(seconds=pause)
        advance(outside, timedelta(seconds=pause))
        durable.run_due(outside, ["sync"])
    with outside.engine.connect() as conn:
        types = list(conn.execute(select(event.c.type).order_by(event.c.position)).scalars())
    assert types == [events.SYNC_FAILED, events.SYNC_RECOVERED]


def test_a_refused_credential_needs_a_person_and_heals_by_itself(
    outside: Environment, source: Source
) -> None:
    source.trouble = [AuthFailed("The secret is wrong.")]
    run(outside, ("sync", "salesforce/Account"))
    assert opened(outside) == {("credential", "salesforce")}
    advance(outside, MINUTE)
    durable.run_due(outside, ["sync"])
    assert opened(outside) == set()
    assert source.opened == 2, "signed in anew, with the secret as it is now"


def test_an_unreadable_answer_is_shown_until_it_can_be_read(outside: Environment, source: Source) -> None:
    source.trouble = [Drift("The answer has no `records`.")]
    run(outside, ("sync", "salesforce/Account"))
    assert opened(outside) == {("invalid-payload", "salesforce/Account")}
    advance(outside, timedelta(minutes=5))
    durable.run_due(outside, ["sync"])
    assert opened(outside) == set()


def test_the_cursor_never_goes_back(outside: Environment) -> None:
    with outside.begin() as conn:
        assert connections.save_cursor(conn, "kantata", "user", None, "1")
        assert not connections.save_cursor(conn, "kantata", "user", None, "1"), (
            "a second reader from the start"
        )
        assert connections.save_cursor(conn, "kantata", "user", "1", "2")
        assert not connections.save_cursor(conn, "kantata", "user", "1", "9")
        assert store.cursor_of(conn, "kantata", "user") == "2"


def test_the_sweep_fetches_what_never_came_and_comes_again_in_a_day(
    outside: Environment, source: Source
) -> None:
    source.listed = {"time_entry": [("501", "1"), ("502", "2")]}
    run(outside, ("sweep", "kantata/time_entry"))
    assert sum(counts(outside).values()) == 2
    assert due(outside, "sweep", "kantata/time_entry") == timedelta(days=1)


def test_a_sweep_waits_while_the_poll_of_the_same_object_is_due(outside: Environment, source: Source) -> None:
    """What reading brings is no gap: it comes in pages, not record by record."""
    source.pages = {"time_entry": [[entry()]]}
    source.listed = {"time_entry": [("501", "1")]}
    with outside.begin() as conn:
        work.request_all(conn, [("sync", "kantata/time_entry"), ("sweep", "kantata/time_entry")])
    assert durable.run_due(outside, ["sweep"]) == 0
    assert durable.run_due(outside, ["sync", "sweep"]) == 2
    assert source.fetched == []


def test_a_sweep_goes_on_while_the_poll_waits_for_its_time(outside: Environment, source: Source) -> None:
    source.listed = {"time_entry": [("501", "1")]}
    with outside.begin() as conn:
        work.request(conn, "sync", "kantata/time_entry", MOMENT + MINUTE)
    assert run(outside, ("sweep", "kantata/time_entry")) == 1
    assert source.fetched == ["501"]


def test_a_vanished_field_is_found_by_the_daily_look(outside: Environment, source: Source) -> None:
    source.fields = {"user": ["id", "full_name"]}
    run(outside, ("drift", "kantata"))
    source.fields = {"user": ["id"]}
    advance(outside, timedelta(days=1))
    durable.run_due(outside, ["drift"])
    assert opened(outside) == {("schema-drift", "kantata/user")}


def test_a_connection_that_is_switched_off_is_left_alone(outside: Environment, source: Source) -> None:
    with outside.begin() as conn:
        conn.execute(update(connection).values(enabled=False))
    assert run(outside, ("sync", "salesforce/Account"), ("drift", "kantata"), ("sweep", "kantata/user")) == 3
    assert source.calls == []
    assert durable.run_due(outside) == 0


def test_every_object_of_every_connection_is_scheduled_once(outside: Environment, source: Source) -> None:
    source.pages = {"a": [], "b": []}
    intake.schedule_reads(outside)
    intake.schedule_reads(outside)
    with outside.engine.connect() as conn:
        rows = conn.execute(select(work_store.work.c.kind, work_store.work.c.requested)).all()
    found = [kind for kind, _ in rows]
    assert (found.count("sync"), found.count("sweep"), found.count("drift")) == (6, 6, 3)
    assert {requested for _, requested in rows} == {1}
    with outside.begin() as conn:
        assert connections.request_sync(conn, "kantata") == ["a", "b"]


def test_a_changed_configuration_opens_the_connector_anew(outside: Environment, source: Source) -> None:
    assert outside.connector("kantata") is outside.connector("kantata")
    assert source.opened == 1
    with outside.begin() as conn:
        conn.execute(update(connection).values(config={"url": "https://other.example"}))
    outside.connector("kantata")
    assert source.opened == 2
