"""What holds of the books of a whole firm whatever the order of its facts and the cut of its runs (domain rules §1, §3, §5).

One set of facts with most kinds of work in it is played through the hub: heard in its own order and in others, billed
at once and piece by piece. Figures are compared line by line in the currency of the contract.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tieout.bootstrap import read_settings
from tieout.domain.frames.own_thread import in_own_thread
from tieout.hub import billing, costing, rating, revenue
from tieout.hub.verify import verify
from tieout.hub.verify.case import FAILED
from tieout.scenario.parsing import load_scenario
from tieout.scenario.playing import PREPARER_ACTOR, Player
from tieout.store.database import clone_database, connect, drop_database

D = Decimal
Fact = tuple[str, str, str]
Rows = list[tuple[Any, ...]]
CONTRACTS = ["C-1", "C-2", "C-3"]

HEADER = """\
scenario: 1
name: A firm in miniature
workers:
  - {id: W1, cost_rates: [{from: 2026-01-01, rate: 61.37, burden: 0.25}]}
  - {id: W2, role: senior, cost_rates: [{from: 2026-01-01, rate: 80}]}
rate_cards:
  - {code: STD, rates: [{role: consultant, price: 200}, {role: senior, price: 250}]}
taxes: [{code: U20, country: US, category: S, rate: 0.20, from: 2020-01-01}]
contracts:
  - number: C-1
    start: 2026-01-01
    end: 2026-12-31
    invoicing: {retention: {share: 0.10, release: {milestone: M1}}}
    lines:
      - {id: "1", billing: {method: time_and_materials, rate_card: STD, cap: {amount: 5000},
         overtime: {daily_after: 8, multiplier: 1.5}, expenses: {markup: 0.10, categories: {meals: {limit_per_day: 60}}}}}
      - {id: "2", billing: {method: milestone, milestones: [{id: M1, amount: 4000}, {id: M2, amount: 6000}]},
         revenue: {method: cost_to_cost, estimated_cost: 8000}}
  - number: C-2
    start: 2026-01-01
    end: 2026-12-31
    currency: EUR
    variable: [{id: bonus, amount: 0}]
    lines:
      - {id: "1", billing: {method: recurring, amount: 1000.01, every: month, in: advance}}
      - {id: "2", billing: {method: fixed_fee, amount: 9999.99, schedule: [{at: 2026-02-28, share: 0.5}, {at: 2026-12-31, share: 0.5}]},
         revenue: {method: labor_hours, estimated_hours: 300}}
      - {id: "3", billing: {method: units, price: 12.345}}
      - {id: "4", billing: {method: usage, tiers: [{up_to: 100, price: 1}, {up_to: null, price: 0.5}]}}
  - number: C-3
    start: 2026-01-01
    end: 2026-12-31
    lines:
      - {billing: {method: fixed_fee, schedule: [{at: 2026-01-01, amount: 3650}]}, revenue: {method: straight_line}}
"""
BY_TIME = {("C-2", "1"), ("C-3", "1")}
"""Lines that earn as days pass: their books are cut at whatever days somebody asked, so months are compared."""

KNOWN: list[Fact] = [
    ("2026-01-01", "fx", "{pair: EUR/USD, rate: 1.10}"),
    ("2026-01-31", "fx", "{pair: EUR/USD, rate: 1.20}"),
    ("2026-02-20", "fx", "{pair: EUR/USD, rate: 1.15}"),
    ("2026-01-02", "amend", "{contract: C-1, change: {lines: [{id: '1', billing: {cap: {amount: 6000}}}]}}"),
]
"""Heard on their days, before the work: rates, and what a contract lets in."""
FACTS: list[Fact] = [
    ("2026-01-05", "time", "{id: T1, contract: C-1, line: '1', hours: 10}"),
    ("2026-01-05", "time", "{id: T2, contract: C-1, line: '1', hours: 8, worker: W2, date: 2026-01-06}"),
    ("2026-01-05", "expense", "{id: E1, contract: C-1, line: '1', amount: 75, category: meals}"),
    ("2026-01-05", "time", "{id: T3, contract: C-1, line: '2', hours: 12}"),
    ("2026-01-12", "correct", "{id: T1, hours: 6.5}"),
    ("2026-01-12", "time", "{id: T4, contract: C-1, line: '1', hours: 9}"),
    (
        "2026-01-12",
        "expense",
        "{id: E2, contract: C-1, line: '1', amount: 400, category: flight, nature: agent}",
    ),
    ("2026-01-12", "time", "{id: T5, contract: C-2, line: '2', hours: 33, worker: W2}"),
    ("2026-01-15", "correct", "{id: T5, hours: 21}"),
    ("2026-01-15", "milestone", "{contract: C-1, line: '2', id: M1}"),
    ("2026-01-15", "time", "{id: T6, contract: C-1, line: '1', hours: 2}"),
    ("2026-01-15", "deliver", "{id: D1, contract: C-2, line: '3', quantity: 7}"),
    ("2026-01-15", "usage", "{id: U1, contract: C-2, line: '4', quantity: 130}"),
    ("2026-01-23", "withdraw", "{id: T6}"),
    ("2026-01-23", "progress", "{contract: C-1, line: '2', estimated_cost: 7000}"),
    ("2026-01-23", "estimate", "{contract: C-2, variable: bonus, amount: 500}"),
    ("2026-01-23", "amend", "{contract: C-3, treatment: prospective, change: {price: 4000}}"),
    ("2026-01-23", "correct", "{id: D1, quantity: 9}"),
    ("2026-01-23", "subcontract", "{id: S1, contract: C-1, line: '2', amount: 900}"),
    ("2026-01-23", "time", "{id: T7, contract: C-1, line: '1', hours: 7.25}"),
]
LAST: list[Fact] = [("2026-02-20", "bill", "{}")]
ARRIVALS = ["2026-01-30", "2026-02-03"]


def shuffled(facts: Sequence[Fact], dice: random.Random) -> list[Fact]:
    """The facts in another order, each heard on a day of its own choice after all of them happened."""
    order = list(facts)
    dice.shuffle(order)
    return [(at, verb, f"{body[:-1]}, arrives: {dice.choice(ARRIVALS)}}}") for at, verb, body in order]


Play = Callable[..., Player]


@pytest.fixture(scope="module")
def play(
    admin_url: str, migrated_template: str, database_name: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Play]:  # fmt: skip
    """Plays a timeline on a database of its own; what always holds of a scenario is checked."""
    made: list[tuple[str, Engine]] = []
    folder = tmp_path_factory.mktemp("properties")
    settings = read_settings({"TIEOUT_HOME": str(folder)})

    def played(timeline: Sequence[Fact], header: str = HEADER) -> Player:
        lines = "".join(f"  - {{at: {at}, {verb}: {body}}}\n" for at, verb, body in timeline)
        file = Path(folder, f"case-{len(made)}.yaml")
        file.write_text(f"{header}timeline:\n{lines}")
        name = database_name()
        engine = connect(clone_database(admin_url, migrated_template, name), pool_size=2)
        made.append((name, engine))
        player = Player(load_scenario(file), engine, settings)
        assert in_own_thread(player.play) == []
        player._begin(lambda conn: rating.rate_contracts(conn, CONTRACTS))
        told = verify(engine, only=("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I15", "I20", "I22"))
        assert [one for one in told if one["status"] == FAILED] == []
        return player

    yield played
    for name, engine in made:
        engine.dispose()
        drop_database(admin_url, name)


@pytest.fixture(scope="module")
def in_order(play: Play) -> Player:
    """The facts as they happened, billed once."""
    return play([*KNOWN, *FACTS, *LAST])


def rows(player: Player, query: str) -> Rows:
    with player.engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query))]


def books(player: Player) -> dict[tuple[Any, ...], Decimal]:
    """What each account of each line came to by day of the event, of lines that earn as days pass by month."""
    sums: dict[tuple[Any, ...], Decimal] = {}
    for contract, line, account, day, amount in rows(
        player,
        "SELECT l.contract, l.line, l.account, j.event_date, l.amount FROM journal_line l JOIN journal j ON j.id = l.journal",
    ):
        place = (contract, line, account, day.replace(day=1) if (contract, line) in BY_TIME else day)
        sums[place] = sums.get(place, D(0)) + amount
    return {place: amount for place, amount in sums.items() if amount}


OWED = ("receivable", "retention_receivable", "tax_payable", "cash_clearing")


def balances(player: Player) -> Rows:
    """What each line's accounts stand at; what is owed net of tax as one, for tax is rounded by document."""
    return rows(
        player,
        f"SELECT contract, line, CASE WHEN account IN {OWED} THEN 'owed' ELSE account END, sum(amount) FROM journal_line"  # noqa: S608
        " GROUP BY 1, 2, 3 HAVING sum(amount) <> 0 ORDER BY 1, 2, 3",
    )


def billed(player: Player) -> Rows:
    """What became of each entry, charge and day, first in hours or units, then in money: what stands of it, what is
    billed less credited, over a cap, held, given up.
    """
    told = ", ".join(
        f"sum(b.{m} - b.reversed_{m}), sum(b.billed_{m} - b.credited_{m}), sum(b.over_cap_{m}), sum(b.held_{m}),"
        f" sum(b.written_off_{m})"
        for m in ("quantity", "amount")
    )
    return rows(
        player,
        f"SELECT e.contract, e.line, e.entry, {told} FROM billing_event e JOIN billing_balance b ON b.event = e.id"  # noqa: S608
        " GROUP BY 1, 2, 3 HAVING sum(b.quantity - b.reversed_quantity) <> 0 ORDER BY 1, 2, 3",
    )


def findings(player: Player) -> Rows:
    """The open exceptions."""
    return rows(
        player,
        "SELECT kind, contract, key, amount FROM exception WHERE state NOT IN ('waived', 'resolved') ORDER BY 1, 2, 3",
    )


@pytest.mark.parametrize("seed", [7])
def test_any_order_of_arrival_gives_the_same_books(play: Play, in_order: Player, seed: int) -> None:
    """Time, corrections, a withdrawal, expenses, costs, deliveries, readings, estimates, a change of price."""
    other = play([*KNOWN, *shuffled(FACTS, random.Random(seed)), *LAST])
    assert books(other) == books(in_order)
    assert billed(other) == billed(in_order)
    assert findings(other) == findings(in_order)


def test_the_books_in_order_are_those_worked_out_by_hand(in_order: Player) -> None:
    """1: 6.5 x 200 + 8 x 250 + 8 x 200 + 1 x 300 + 7.25 x 200 + 60 x 1.1 + 400 x 1.1 = 7,156, a cap of 6,000,
    of which 400 pass through.

    2: cost 12 x 61.37 x 1.25 + 900 = 1,820.55 of 7,000, of 10,000. Hours 21 of 300 of 10,499.99; 9 x 12.345;
    100 + 15; a year of 4,000 from 24 January on: 23 x 10 + 28 x (4,000 - 230) / 342.
    """
    sums = {(row[0], row[1]): row[3] for row in balances(in_order) if row[2] == "revenue"}
    assert sums["C-1", "1"] == D(-5600)
    assert sums["C-1", "2"] == D("-2600.79")
    assert (sums["C-2", "2"], sums["C-2", "3"], sums["C-2", "4"]) == (D(-735), D("-111.11"), D(-115))
    assert sums["C-3", "1"] == D("-538.65")
    assert findings(in_order) == [("cap-exceeded", "C-1", "C-1/1", D(1156))]


def test_runs_cut_by_contract_and_by_date_give_the_same_balances(play: Play, in_order: Player) -> None:
    """Billed piece by piece, before and after corrections: the same totals of each entry and line."""
    runs = [
        ("2026-01-05", "bill", "{contract: C-1}"),
        ("2026-01-15", "bill", "{contract: C-2}"),
        ("2026-01-23", "bill", "{contract: C-1, through: 2026-01-12}"),
        ("2026-01-23", "bill", "{contract: C-3}"),
        *LAST,
    ]
    cut = play([*KNOWN, *FACTS, *runs])
    assert rows(cut, "SELECT count(*) FROM invoice WHERE number IS NOT NULL") > rows(
        in_order, "SELECT count(*) FROM invoice WHERE number IS NOT NULL"
    )
    assert balances(cut) == balances(in_order)
    assert billed(cut) == billed(in_order)
    assert findings(cut) == findings(in_order)


def test_what_is_heard_after_the_close_comes_to_the_same_balances(play: Play, in_order: Player) -> None:
    """Every second fact of January comes in February: it books there, marked, and all accounts stand as they would have."""
    late = [(at, verb, f"{body[:-1]}, arrives: 2026-02-10}}") for at, verb, body in FACTS[1::2]]
    player = play([*KNOWN, *FACTS[::2], *late, ("2026-02-03", "close", "{period: 2026-01}"), *LAST])
    assert balances(player) == balances(in_order)
    assert billed(player) == billed(in_order)
    booked = rows(
        player,
        "SELECT bool_and(booking_date >= '2026-02-01'), bool_and(prior_period) FROM journal"
        " WHERE event_date < '2026-02-01' AND recorded_at > '2026-02-04'",
    )
    assert booked == [(True, True)]


WORK = """\
scenario: 1
name: Hours in and out
workers:
  - {id: W1}
  - {id: W2, role: senior}
rate_cards:
  - {code: STD, rates: [{role: consultant, price: 200.10}, {role: senior, price: 250.33}]}
contracts:
  - number: C-1
    start: 2026-01-02
    lines: [{billing: {method: time_and_materials, rate_card: STD, cap: {amount: 9000}}}]
"""


def played_at_random(dice: random.Random) -> list[Fact]:
    """Entries of two workers, some before the contract; holds, write-downs, runs of billing, credits and corrections."""
    days = [f"2026-01-{day:02}" for day in (5, 9, 14, 20)]
    facts: list[Fact] = [("2026-01-05", "time", "{id: T0, hours: 3.75, date: 2026-01-01}")]
    for number in range(1, 13):
        worker, hours = dice.choice(["W1", "W2"]), D(dice.randint(1, 32)) / 4
        fact = f"{{id: T{number}, worker: {worker}, hours: {hours}, date: 2026-01-{number + 1:02}}}"
        facts.append((days[number // 4], "time", fact))
    for number in dice.sample(range(1, 8), 3):
        facts.append(("2026-01-14", "correct", f"{{id: T{number}, hours: {D(dice.randint(0, 32)) / 4}}}"))
    held = dice.sample(range(1, 8), 2)
    facts += [("2026-01-09", "hold", f"{{id: T{held[0]}}}"), ("2026-01-12", "bill", "{}"),
              ("2026-01-12", "credit", f"{{amount: {dice.randint(1, 200)}, rebill: {dice.choice(['true', 'false'])}}}"),
              ("2026-01-15", "write", "{line: '1', off: 0.05, reason: rounding}"),
              ("2026-01-16", "hold", f"{{id: T{held[1]}}}"), ("2026-02-02", "bill", "{}")]  # fmt: skip
    return facts


@pytest.mark.parametrize("seed", [1, 2])
def test_approved_hours_and_value_in_are_hours_and_value_out(play: Play, seed: int) -> None:
    """In = billed less credited + over the cap + held + written off + credited for good + in an exception."""
    player = play(played_at_random(random.Random(seed)), WORK)
    stated: dict[str, tuple[Decimal, Decimal]] = {
        entry: (hours, round(hours * (D("200.10") if worker == "W1" else D("250.33")) + D("0.000001"), 2))
        for entry, worker, hours in rows(
            player,
            "SELECT key, worker, worked_hours FROM time_entry WHERE superseded_at IS NULL AND state = 'approved'",
        )
    }
    excepted = {key for kind, _, key, _ in findings(player) if kind == "outside-contract"}
    assert excepted == {"T0"}
    out = {row[2]: row[3:] for row in billed(player)}
    assert {entry for entry, (hours, _) in stated.items() if hours} == {*out, *excepted}
    for entry, (*hours, value) in stated.items():
        if entry in out:
            for given, (stands, *parts) in zip(
                (*hours, value), (out[entry][:5], out[entry][5:]), strict=True
            ):
                assert given == stands == sum(parts), entry
    net = "sum(CASE i.kind WHEN 'invoice' THEN l.net_amount ELSE -l.net_amount END)"
    on_documents = (
        f"SELECT {net} FROM invoice i JOIN invoice_line l ON l.invoice = i.id WHERE number IS NOT NULL"  # noqa: S608
    )
    documents = rows(player, on_documents)
    assert documents == [(sum(row[6] for row in out.values()),)]  # what is billed is on documents


KEPT = (
    "journal", "journal_line", "billing_event", "billing_balance", "invoice", "invoice_line", "event", "time_entry",
    "expense", "contract", "contract_terms", "revenue_entry", "obligation_revenue", "cost_entry", "exception", "intent",
)  # fmt: skip


def test_all_once_more_changes_nothing(in_order: Player) -> None:
    """Every fact delivered again, every run run again, and billing: not one row more."""
    kept = {name: rows(in_order, f"SELECT count(*) FROM {name}") for name in KEPT}  # noqa: S608
    before = balances(in_order), billed(in_order), findings(in_order)
    in_order._hear([change for changes in in_order.stated.values() for change in changes])
    in_order._flush()
    with in_order.engine.begin() as conn:
        assert costing.cost_contracts(conn, CONTRACTS) == costing.Costed()
        assert rating.rate_contracts(conn, CONTRACTS) == rating.Rated()
        assert revenue.recognise_contracts(conn, CONTRACTS) == revenue.Recognised()
    in_order._begin(lambda conn: billing.start_run(conn, PREPARER_ACTOR, in_order.moment.date()))
    in_order._flush()
    after = {name: rows(in_order, f"SELECT count(*) FROM {name}") for name in KEPT}  # noqa: S608
    assert after == kept
    assert (balances(in_order), billed(in_order), findings(in_order)) == before
