"""Whatever the order, the repetition and the content: the same end, and no record stops another (F56, F61, F65, F69)."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event

from tests.hub.builders import account, change, contract, deleted, drain, entry, prepare, take, user
from tieout.connectors.kit.interface import Change
from tieout.hub import canonical, exceptions, inbox
from tieout.store import inbox as store


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """An open transaction with clock, connections and the worker of the entries."""
    prepare(conn)
    take(conn, "kantata", user())
    return conn


VERSIONS = [
    entry(version="1", time_in_minutes=60, approved=False),
    entry(version="2", time_in_minutes=120),
    entry(version="3", time_in_minutes=90),
    deleted("time_entry", "501", "3"),
    entry(version="5", time_in_minutes=240, notes="last"),
]


def facts(conn: Connection) -> dict[str, Any]:
    """What the entry says now, without its history."""
    names = ("worked_hours", "state", "notes", "worker", "work_date")
    return {key: {n: row[n] for n in names} for key, row in canonical.current(conn, "time_entry").items()}


def outcome(conn: Connection, pages: list[list[Change]]) -> dict[str, Any]:
    """The facts after these pages; everything is undone again."""
    with conn.begin_nested() as savepoint:
        for page in pages:
            take(conn, "kantata", *page)
        found = facts(conn)
        assert store.counts(conn).get("new", 0) == 0
        savepoint.rollback()
    return found


@pytest.mark.parametrize("last", [4, 5])
def test_every_order_of_arrival_ends_in_the_highest_version(hub: Connection, last: int) -> None:
    """Exhaustive: each permutation, one version per page; with `last` 4 the deletion is the highest."""
    versions = VERSIONS[:last]
    expected = outcome(hub, [[one] for one in versions])["501"]
    assert expected["state"] == ("withdrawn" if last == 4 else "approved")
    for order in itertools.permutations(versions):
        found = outcome(hub, [[one] for one in order]).get("501")
        if last == 5:
            assert found == expected
        else:
            assert found is None or found["state"] == "withdrawn"


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pages=st.lists(st.lists(st.sampled_from(range(5)), max_size=4), max_size=5))
def test_any_paging_and_repetition_gives_the_same_state(hub: Connection, pages: list[list[int]]) -> None:
    """However versions are repeated and cut into pages, once all have come the state is the same."""
    chosen = [[VERSIONS[i] for i in page] for page in pages] + [list(reversed(VERSIONS))]
    assert outcome(hub, chosen) == outcome(hub, [VERSIONS])


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


BASE = entry()
GOOD = json.loads(BASE.raw)
HOSTILE: dict[str, Change] = {
    "bad utf-8": change("time_entry", "x1", "1", GOOD | {"id": "x1", "notes": "\udcff"}, raw=b'{"id": "x1\xff"}'),
    "nul": change("time_entry", "x2", "1", GOOD | {"id": "x2", "notes": "a\x00b"}),
    "nan": change("time_entry", "x3", "1", GOOD | {"id": "x3", "time_in_minutes": "NaN"}),
    "float nan": change("time_entry", "x4", "1", GOOD | {"id": "x4", "time_in_minutes": float("nan")}),
    "1e400": change("time_entry", "x5", "1", GOOD | {"id": "x5", "time_in_minutes": Decimal("1e400")}),
    "surrogate": change("time_entry", "x6", "1", GOOD | {"id": "x6", "notes": "\ud800"}),
    "far date": change("time_entry", "x8", "1", GOOD | {"id": "x8", "date_performed": "9999-12-31"}),
    "year one": change("time_entry", "x9", "1", GOOD | {"id": "x9", "date_performed": "0001-01-01"}),
    "comma": change("time_entry", "x10", "1", GOOD | {"id": "x10", "time_in_minutes": "8,0"}),
    "list": change("time_entry", "x11", "1", GOOD | {"id": "x11", "user_id": ["7"]}),
    "no id": change("time_entry", "x12", "1", {k: v for k, v in GOOD.items() if k != "id"}),
    "empty": change("time_entry", "x13", "1", {}, raw=b""),
    "spaces": change("time_entry", "x14", "1", GOOD | {"id": " x14"}),
    "nul id": change("time_entry", "x\x0015", "1", GOOD | {"id": "x15"}),
    "long id": change("time_entry", "x" * 5000, "1", GOOD | {"id": "x16"}),
    "huge": change("time_entry", "x17", "1", GOOD | {"id": "x17", "time_in_minutes": 10**5000}, raw=b"{}"),
    "duplicate keys": change("time_entry", "x18", "1", GOOD | {"id": "x18"},
                             raw=raw('{"id": "x18", "time_in_minutes": 60, "time_in_minutes": 600}')),
}  # fmt: skip


def nested() -> Any:
    """A document that is 10,000 levels deep."""
    value: Any = 1
    for _ in range(10_000):
        value = [value]
    return value


@pytest.mark.parametrize("name", [*HOSTILE, "deep"])
def test_a_hostile_record_blocks_nobody_and_keeps_its_bytes(hub: Connection, name: str) -> None:
    """The neighbours are applied; the record is kept byte by byte with an exception of its own."""
    bad = HOSTILE.get(name) or change("time_entry", "x7", "1", {"id": nested()}, raw=b"[" * 10_000)
    applied = take(hub, "kantata", entry("601"), bad, entry("602"))
    assert set(canonical.current(hub, "time_entry")) >= {"601", "602"}
    (found,) = exceptions.listed(hub).rows
    assert found["kind"] == "invalid-payload"
    (kept,) = [
        row
        for row in store.read(hub, range(1, 100))
        if row["source_id"][:2] == "x1" or row["source_id"][0] == "x"
    ]
    assert (kept["raw"], kept["state"]) == (bad.raw, "refused")
    assert applied.counts["applied"] == 2


def test_look_alike_ids_are_different_people(hub: Connection) -> None:
    """Case, width and combining forms never merge two customers (F67)."""
    numbers = ["C-1", "c-1", "С-1", "C–1", "Ｃ-1", "é", "é"]
    take(hub, "salesforce", *(account(number) for number in numbers))
    assert set(canonical.current(hub, "customer")) == set(numbers)


def test_a_row_that_breaks_the_page_is_found_alone(hub: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unforeseen fault on one record sets that record aside as poison; the rest of its page is applied."""
    from tieout.hub import applying

    genuine = applying._read

    def read(settings: Any, row: dict[str, Any]) -> Any:
        if row["source_id"] == "613":
            raise ZeroDivisionError("unforeseen")
        return genuine(settings, row)

    monkeypatch.setattr(applying, "_read", read)
    applied = take(hub, "kantata", *(entry(str(n)) for n in range(610, 620)))
    assert applied.counts == {"applied": 9, "refused": 1}
    assert [(r["kind"], r["key"]) for r in exceptions.listed(hub).rows] == [("poison", "time_entry 613")]


def test_a_row_that_ends_the_process_is_set_aside_after_five_attempts(hub: Connection) -> None:
    """Attempts are committed before the work: batches shrink to one row, then that row is poison (F31)."""
    inbox.receive(hub, "kantata", [entry(str(n)) for n in range(700, 740)])
    for _ in range(60):
        ids = inbox.begin_apply(hub, "kantata")
        rows = {row["id"]: row["source_id"] for row in store.read(hub, ids)}
        if "717" not in rows.values():
            inbox.apply_new(hub, "kantata", ids=ids)
    assert store.counts(hub)["refused"] == 1
    assert set(canonical.current(hub, "time_entry")) == {str(n) for n in range(700, 740)} - {"717"}
    assert [(r["kind"], r["key"]) for r in exceptions.listed(hub).rows] == [("poison", "time_entry 717")]


def test_a_page_of_a_thousand_is_a_handful_of_statements(hub: Connection) -> None:
    """Statements do not grow with the rows of a page."""
    counted: list[str] = []
    event.listen(hub, "before_cursor_execute", lambda *args: counted.append(args[2]))
    inbox.receive(hub, "kantata", [entry(str(n)) for n in range(1000, 2000)])
    inbox.apply_new(hub, "kantata")
    assert len(canonical.current(hub, "time_entry")) == 1000
    assert len(counted) < 60, counted


def test_precise_amounts_are_never_rounded_silently(hub: Connection) -> None:
    take(hub, "salesforce", account(), contract(Cap_Amount__c="50000.00001"))
    assert [(r["kind"], r["contract"]) for r in exceptions.listed(hub).rows] == [("amount-precision", "K-1")]
    assert drain(hub, "salesforce").taken == 0
