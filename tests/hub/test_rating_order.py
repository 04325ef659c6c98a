"""Whatever the order in which versions are heard, and however often rating runs between, the ledger is the same."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal

import pytest
from sqlalchemy import Connection, Engine, select

from tests.hub.builders import contract, deleted, take
from tests.hub.rated import D, add_project, add_rate, bill, hours, open_kinds, start, total
from tieout.connectors.kit.interface import Change
from tieout.hub import books
from tieout.hub.rating import Rated, rate_contracts, rate_unassigned
from tieout.store import tables

KEYS = ["K-1", "K-2"]


def facts() -> list[tuple[str, Change]]:
    """Entries with corrections, a withdrawal, a move, a crowded day and two amendments; each version once."""
    terms = [
        contract(version="2", Cap_Amount__c="3000"),
        contract(version="3", Cap_Amount__c="4000", Discount_Percent__c="10"),
    ]
    work = [
        hours("1", "8", "2026-02-02"), hours("1", "6", "2026-02-02", version="2"),
        hours("2", "8", "2026-02-03"), deleted("time_entry", "2", "2"),
        hours("3", "8", "2026-02-04"), hours("3", "8", "2026-02-04", version="2", workspace_id="901"),
        hours("4", "20", "2026-02-05"), hours("5", "7", "2026-02-05", workspace_id="901"),
        hours("5", "4", "2026-02-05", version="2", workspace_id="901"),
        hours("6", "2", "2026-02-06", joined={"role": {"name": "unknown"}}), hours("7", "1", "2026-02-06"),
    ]  # fmt: skip
    return [("salesforce", t) for t in terms] + [("kantata", w) for w in work]


def ledger(conn: Connection) -> tuple[object, ...]:
    """What stands per entry and contract, by place; balances by account; open exceptions."""
    e, b = tables.billing_event.c, tables.billing_balance.c
    query = select(
        e.contract, e.entry, e.quantity - b.reversed_quantity, e.amount - b.reversed_amount, b.over_cap_amount,
        b.recognised_amount, b.billed_amount - b.credited_amount,
    ).join_from(tables.billing_event, tables.billing_balance, b.event == e.id)  # fmt: skip
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [D(0)] * 5)
    for key, entry, *amounts in conn.execute(query):
        sums[key, entry] = [x + y for x, y in zip(sums[key, entry], amounts, strict=True)]
    standing = {place: amounts for place, amounts in sums.items() if any(amounts)}
    return standing, [books.balances(conn, key) for key in KEYS], open_kinds(conn)


def played(conn: Connection, order: random.Random | None) -> tuple[object, ...]:
    """The ledger after the facts came in that order, rated now and then."""
    start(conn)
    take(conn, "salesforce", contract("K-2"))
    add_project(conn, "P-2", "K-2", "901")
    heard = facts()
    if order is not None:
        order.shuffle(heard)
    for system, fact in heard:
        take(conn, system, fact)
        if order is not None and order.random() < 0.5:
            rate_contracts(conn, [order.choice(KEYS)])
    for key in (*KEYS, *KEYS):
        rate_contracts(conn, [key])
    assert rate_contracts(conn, KEYS) == Rated()
    return ledger(conn)


def test_any_order_of_arrival_gives_the_same_ledger(engine: Engine) -> None:
    """1: 6 h, 4: 20 h, 7: 1 h at 180 = 4,860 against a cap of 4,000; 3 and 5 on K-2: 12 h at 200."""
    results = []
    for seed in (None, 1, 2, 3):
        with engine.connect() as conn:
            results.append(played(conn, None if seed is None else random.Random(seed)))
            conn.rollback()
    standing, (first, second), found = results[0]  # type: ignore[misc]
    assert first["revenue"] == {"USD": D(-4000)}  # type: ignore[index]
    assert second["revenue"] == {"USD": D(-2400)}  # type: ignore[index]
    assert found == [("cap-exceeded", "K-1"), ("missing-rate", "6")]
    assert len(standing) == 5  # type: ignore[arg-type]
    for result in results[1:]:
        assert result == results[0]


@pytest.mark.parametrize("seed", range(2))
def test_hours_and_money_are_conserved_through_random_changes_and_billing(
    conn: Connection, seed: int
) -> None:
    """After each run: value of what is rated = Σ events − set back; books = balances; nothing is ever billed twice."""
    dice = random.Random(seed)
    start(conn)
    stated: dict[str, Decimal] = {}
    for step in range(1, 16):
        key = str(dice.randint(1, 6))
        number = dice.choice(["1", "2.5", "8"])
        if stated.get(key) is not None and dice.random() < 0.2:
            take(conn, "kantata", deleted("time_entry", key, f"{step:03}"))
            stated[key] = D(0)
        else:
            take(conn, "kantata", hours(key, number, f"2026-02-{int(key):02}", version=f"{step:03}"))
            stated[key] = D(number)
        rate_contracts(conn, ["K-1"])
        if dice.random() < 0.3:
            bill(conn, dice.choice(["1", "0.5"]))
        value = sum(stated.values(), D(0)) * 200
        assert total(conn, "amount") - total(conn, "reversed_amount") == value
        assert total(conn, "recognised_amount") == value
        assert -books.balances(conn, "K-1").get("revenue", {}).get("USD", D(0)) == value
        assert rate_contracts(conn, ["K-1"]) == Rated()


def test_unassigned_time_is_judged_alone(conn: Connection) -> None:
    start(conn)
    add_rate(conn, "100", role="junior")
    take(conn, "kantata", hours("1", "8", workspace_id="x"), hours("2", "8"))
    assert rate_unassigned(conn) == Rated(opened=1)
