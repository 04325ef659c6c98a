"""Cost of recorded time, purchases and payroll: booked once, corrected by differences, whatever was heard when."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text

from tests.hub import costed as w
from tests.hub.builders import change, take
from tests.hub.costed import D, accounts, by_source, cost, open_kinds
from tests.hub.verified import plant
from tieout.connectors.kit.interface import Change
from tieout.hub import canonical, costing, exceptions, trace
from tieout.hub.actors import Actor
from tieout.hub.costing import Costed
from tieout.hub.refusals import NotFound
from tieout.hub.verify import verify
from tieout.store import costing as store
from tieout.store import tables

SIXTY = ("2026-01-01", "60")


@pytest.fixture
def firm(conn: Connection) -> Connection:
    """W1 costs 60 an hour."""
    w.start(conn)
    take(conn, w.NAME, w.costs(SIXTY))
    return conn


def heard(conn: Connection, *facts: Change) -> None:
    take(conn, w.NAME, *facts)
    cost(conn)


def sound(conn: Connection) -> bool:
    """Journals balance and the books say what the entries say."""
    return [one["status"] for one in verify(conn, only=["I3", "I4", "I7"])] == ["ok"] * 3


# --- facts ---------------------------------------------------------------------------------------------------


def facts() -> list[Change]:
    """Corrections, a withdrawal, a move, capacity over two contracts, two statements of rates, payroll, purchases."""
    tuesday, wednesday = (w.MONDAY + timedelta(days=n) for n in (1, 2))
    return [
        w.costs(SIXTY, ("2026-02-03", "66")), w.costs(("2026-02-04", "70"), version="2"),
        w.worker(version="2", capacity="30", effective="2026-02-01"),
        w.hours("1", "8"), w.hours("1", "10", version="2"),
        w.hours("2", "8", tuesday), w.withdrawn("2", "2"),
        w.hours("3", "8", tuesday), w.hours("3", "8", tuesday, version="2", project="P-2"),
        w.hours("4", "16", wednesday, project="P-2", approved=False),
        w.hours("5", "2", w.MONDAY, project=None),
        w.paid("P", "2000"), w.paid("P", "2100", version="2"), w.paid("BONUS", "30"),
        w.bought("S", "500"), w.bought("S", "400", version="2", project="P-2"),
    ]  # fmt: skip


def played(conn: Connection, order: random.Random | None) -> tuple[Any, ...]:
    """The books after the facts came in that order, costed now and then."""
    w.start(conn)
    told = facts()
    if order is not None:
        order.shuffle(told)
    for fact in told:
        take(conn, w.NAME, fact)
        if order is not None and order.random() < 0.5:
            costing.cost_contracts(conn, [order.choice(w.KEYS)])
            costing.cost_payroll(conn, ["W1"])
    cost(conn)
    assert costing.cost_contracts(conn, w.KEYS) == costing.cost_payroll(conn, ["W1"]) == Costed()
    assert sound(conn)
    return by_source(conn), accounts(conn), open_kinds(conn)


def test_any_order_of_arrival_gives_the_same_books_and_a_second_run_changes_nothing(engine: Engine) -> None:
    """1: 10 x 60; 5 (internal): 2 h; 3: 8 x 66; of the capacity of 30 h 10 are left for 4: 10 x 70.

    Payroll 2,130 less the standard (600 + 120 + 528 + 700 = 1,948) = 182.00 by hours worked 10 : 24 : 2.
    """
    results = []
    for seed in (None, 1, 2, 3):
        with engine.connect() as conn:
            results.append(played(conn, None if seed is None else random.Random(seed)))
            conn.rollback()
    by_entry, books, found = results[0]
    assert all(result == results[0] for result in results)
    labor = {source: amount for (_, source), amount in by_entry.items() if source in "12345"}
    assert labor == {"1": D(600), "3": D(528), "4": D(700)}
    assert by_entry["C-2", "S"] == 400
    assert [by_entry[key, f"W1:2026-02:{key}:1:{place}"] for key, place in (("C-1", "P-1"), ("C-2", "P-2"))] == [
        D("50.56"), D("121.33"),
    ]  # fmt: skip
    assert books["labor_variance"] == D("10.11")
    assert books["labor_applied"] == -(600 + 528 + 700 + 182)
    assert (books["subcontract_cost"], found) == (400, [])


def test_corrections_are_further_rows_dated_by_the_work(firm: Connection) -> None:
    """8 h x 60 = 480.00, corrected to 6 h: -120.00 in a journal of its own, both on Monday."""
    heard(firm, w.hours("1", "8"))
    heard(firm, w.hours("1", "6", version="2"))
    e = tables.cost_entry.c
    rows = firm.execute(select(e.version, e.hours, e.rate, e.amount, e.event_date).order_by(e.version)).all()
    assert [tuple(row) for row in rows] == [
        (1, 8, 60, 480, w.MONDAY), (2, -2, 60, -120, w.MONDAY),
    ]  # fmt: skip
    causes = select(tables.journal.c.cause).order_by(tables.journal.c.cause)
    assert list(firm.execute(causes).scalars()) == ["C-1/2026-02-02/1", "C-1/2026-02-02/2"]


def test_what_cancels_out_in_a_sum_is_still_booked_both_ways(firm: Connection) -> None:
    heard(firm, w.hours("1", "8"))
    heard(firm, w.withdrawn("1", "2"), w.hours("2", "8"))
    assert by_source(firm) == {("C-1", "2"): D(480)}
    assert firm.execute(select(func.count()).select_from(tables.journal)).scalar_one() == 3
    assert sound(firm)


def test_a_project_that_goes_to_another_contract_takes_its_cost_along(firm: Connection) -> None:
    heard(firm, w.hours("1", "8"))
    take(firm, w.NAME, w.project("P-1", "C-2", "2"))
    costing.cost_contracts(firm, ["C-2"])
    assert by_source(firm) == {("C-2", "1"): D(480)}


def test_employment_and_rates_hold_from_their_day(firm: Connection) -> None:
    """Two weeks of 44 h; 20 h of capacity from the second on: 40 x 60 and 20 x 60, in GB01's book with a charge."""
    second = w.MONDAY + timedelta(days=7)
    heard(firm, w.hours("1", "22"), w.hours("2", "22", w.MONDAY + timedelta(days=1)),
          w.hours("3", "22", second), w.hours("4", "22", second + timedelta(days=1)))  # fmt: skip
    assert accounts(firm)["labor_cost"] == 4800
    heard(firm, w.worker(version="2", entity="GB01", capacity="20", effective=second.isoformat()))
    assert accounts(firm, "GB01") == {"labor_cost": 1200, "labor_applied": -1200, "intercompany_receivable": 1200,
                                      "intercompany_revenue": -1200}  # fmt: skip
    assert accounts(firm, "US01")["intercompany_cost"] == 1200
    assert accounts(firm, "US01")["labor_cost"] == 2400
    assert sound(firm)


def test_cost_to_date_is_that_of_the_contracts_own_book(firm: Connection) -> None:
    """Own work 8 h x 60 on Monday; on Tuesday another entity's for 8 h x 60, charged with it; 100 bought on Tuesday."""
    tuesday = w.MONDAY + timedelta(days=1)
    lent = w.worker("W2", entity="GB01")
    take(firm, w.NAME, lent, w.costs(SIXTY, key="W2"))
    heard(
        firm,
        w.hours("1", "8"),
        w.hours("2", "8", tuesday, worker="W2"),
        w.bought("S", "100", date=tuesday.isoformat()),
    )
    found = store.cost_to_date(firm, w.KEYS)
    assert found.rows() == [("C-1", "1", w.MONDAY, "USD", D(480)), ("C-1", "1", tuesday, "USD", D(1060))]


# --- bad input -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "kind", "named"),
    [
        ({"rate": "-5"}, "invalid-payload", "cost_rates[0].rate"),
        ({"rate": "NaN"}, "invalid-payload", "cost_rates[0].rate"),
        ({"rate": "1.0000001"}, "amount-precision", "cost_rates[0].rate"),
        ({"burden": "-0.1"}, "invalid-payload", "cost_rates[0].burden"),
        ({"currency": "DOLLARS"}, "unknown-currency", "cost_rates[0].currency"),
        ({"from": None}, "invalid-payload", "cost_rates[0].effective_from"),
        ({"to": "2025-01-01"}, "invalid-payload", "before it starts"),
    ],
)
def test_a_statement_that_cannot_be_kept_is_shown_and_the_one_before_stands(
    firm: Connection, told: dict[str, Any], kind: str, named: str
) -> None:
    heard(firm, w.costs(SIXTY, version="2", **told), w.hours("1", "8"))
    [row] = exceptions.listed(firm).rows
    assert (row["kind"], named in row["cause"]) == (kind, True), row["cause"]
    assert by_source(firm) == {("C-1", "1"): D(480)}
    heard(firm, w.costs(("2026-01-01", "61"), version="3"))
    assert (open_kinds(firm), by_source(firm)) == ([], {("C-1", "1"): D(488)})


def test_hours_without_one_rate_are_named_until_there_is_one(firm: Connection) -> None:
    take(firm, w.NAME, w.worker("W2"))
    heard(
        firm,
        w.hours("early", "8", date(2025, 12, 31)),
        w.hours("none", "8", worker="W2"),
        w.hours("good", "1"),
    )
    assert open_kinds(firm) == [("missing-cost-rate", "early"), ("missing-cost-rate", "none")]
    assert by_source(firm) == {("C-1", "good"): D(60)}
    heard(firm, w.costs(SIXTY, SIXTY, version="2"), w.costs(SIXTY, key="W2"))
    assert open_kinds(firm) == [
        ("ambiguous-cost-rate", "good"), ("missing-cost-rate", "early"),
    ]  # fmt: skip
    assert by_source(firm) == {("C-1", "none"): D(480)}
    heard(firm, w.costs(("2025-01-01", "60"), version="3"))
    assert (open_kinds(firm), len(by_source(firm))) == ([], 3)


def test_a_finding_closes_when_its_hours_go_away(firm: Connection) -> None:
    heard(firm, w.hours("1", "8", date(2025, 12, 31)))
    assert open_kinds(firm) == [("missing-cost-rate", "1")]
    heard(firm, w.hours("1", "8", date(2025, 12, 31), version="2", project=None))
    assert open_kinds(firm) == []


def test_what_a_person_left_as_it_is_stays_closed(firm: Connection) -> None:
    heard(firm, w.hours("1", "8", date(2025, 12, 31)))
    [row] = exceptions.listed(firm).rows
    exceptions.waive(firm, row["id"], "an intern", Actor("rev@x", frozenset({"revenue_accountant"})))
    cost(firm)
    assert open_kinds(firm) == []


def test_a_cost_in_another_currency_than_the_books_waits_for_an_exchange_rate(firm: Connection) -> None:
    """1: W2 of DE01 costs EUR there, his charge to US01 is not booked; 2: W1 in EUR is not; 3: W3 of DE01 in USD is not."""
    take(firm, w.NAME, *(w.worker(key, entity="DE01") for key in ("W2", "W3")), w.costs(SIXTY, key="W3"))
    take(firm, w.NAME, w.costs(SIXTY, key="W2", currency="EUR"), w.costs(SIXTY, version="2", currency="EUR"))
    heard(firm, w.hours("1", "8", worker="W2"), w.hours("2", "8"), w.hours("3", "8", worker="W3"))
    assert open_kinds(firm) == [("missing-cost-fx", key) for key in "123"]
    assert by_source(firm) == {("C-1", "1"): D(480)}
    assert accounts(firm) == {"labor_cost": 480, "labor_applied": -480}
    heard(firm, w.costs(SIXTY, version="3"), w.worker("W3", version="2", entity="GB01"))
    assert open_kinds(firm) == [("missing-cost-fx", "1")]
    assert accounts(firm)["intercompany_cost"] == 480
    assert sound(firm)


def test_payroll_that_cannot_be_placed_is_named_without_its_amount(firm: Connection) -> None:
    heard(firm, w.hours("1", "8"), w.paid("A", "500", period="2026-13"), w.paid("B", "500", currency="EUR"))
    assert open_kinds(firm) == [
        ("payroll-unplaced", "W1:US01:2026-02"),
        ("payroll-unplaced", "W1:US01:2026-13"),
    ]
    assert {row["amount"] for row in exceptions.listed(firm).rows} == {None}
    heard(firm, w.paid("A", "250", version="2"), w.paid("B", "250", version="2"))
    assert (open_kinds(firm), accounts(firm)["labor_applied"]) == ([], -500)


def test_payroll_of_a_worker_nobody_knows_waits_for_him(firm: Connection) -> None:
    heard(firm, w.paid("A", "500", worker="W9"))
    assert [kind for kind, _ in open_kinds(firm)] == ["unknown-reference"]
    heard(firm, w.worker("W9"))
    assert open_kinds(firm) == []
    costing.cost_payroll(firm, ["W9"])
    assert accounts(firm) == {"labor_variance": 500, "labor_applied": -500}


def test_amounts_finer_than_their_currency_are_refused(firm: Connection) -> None:
    heard(firm, w.paid("A", "500.001"), w.bought("S", "10.005"))
    assert [kind for kind, _ in open_kinds(firm)] == ["amount-precision", "amount-precision"]
    assert accounts(firm) == {}


def test_deleted_payroll_and_purchases_cost_nothing_any_more(firm: Connection) -> None:
    heard(firm, w.paid("A", "500"), w.bought("S", "100"), w.hours("1", "8"))
    gone = [
        change(kind, key, "2", {"id": key}, tombstone=True)
        for kind, key in (("payroll", "A"), ("subcontract", "S"))
    ]
    heard(firm, *gone)
    assert by_source(firm) == {
        ("C-1", "1"): D(480),
        ("C-1", "W1:2026-02:C-1:1:P-1"): D(-480),
        (None, "W1:US01:2026-02"): D(-480),
    }
    assert sound(firm)


# --- closed periods, who may see, what is checked --------------------------------------------------------------


def test_a_late_cost_is_booked_in_the_first_open_month_of_both_books(firm: Connection) -> None:
    """February is closed in GB01 only: its own cost books on 1 March, so does the charge in both; US01's own does not."""
    take(firm, w.NAME, w.worker("W2", entity="GB01"), w.costs(SIXTY, key="W2"), closed("GB01"))
    heard(firm, w.hours("own", "1"), w.hours("lent", "1", worker="W2"))
    j = tables.journal.c
    found = {
        (row.cause_type, row.legal_entity): (row.booking_date, row.prior_period)
        for row in firm.execute(select(j))
    }
    late = (date(2026, 3, 1), True)
    assert found == {("cost", "US01"): (w.MONDAY, False), ("cost", "GB01"): late, ("transfer", "US01"): late}
    assert sound(firm)


def closed(entity: str) -> Change:
    document = {"key": f"{entity}/2026-02", "entity": entity, "start": "2026-02-01", "end": "2026-02-28",
                "state": "closed"}  # fmt: skip
    return change("period", f"{entity}/2026-02", "1", document)


def test_a_figure_leads_back_to_the_hours_and_pay_is_shown_to_who_may_see_it(firm: Connection) -> None:
    heard(firm, w.hours("1", "8"), w.paid("A", "500"), w.bought("S", "100"))
    found = trace.trace(firm, "cost:C-1/2026-02-02/1")
    types = {(node["type"], node["key"]) for node in found["nodes"]}
    assert {
        ("journal", "cost:C-1/2026-02-02/1"),
        ("cost_entry", "1"),
        ("time_entry", "1"),
        ("subcontract", "S"),
    } <= types
    shared = trace.trace(firm, "A", Actor("rev", frozenset({"revenue_accountant"})))
    assert [node["amount"] for node in shared["nodes"] if node["type"] == "payroll"] == [500]
    assert {node["key"] for node in shared["nodes"] if node["type"] == "cost_entry"} == {
        "W1:US01:2026-02", "W1:2026-02:C-1:1:P-1",
    }  # fmt: skip
    engineer = Actor("eng", frozenset({"integration_engineer"}))
    seen = {node["type"] for node in trace.trace(firm, "1", engineer)["nodes"]}
    assert "time_entry" in seen
    assert not seen & {"cost_entry", "payroll", "transfer_entry"}
    with pytest.raises(NotFound):
        trace.trace(firm, "A", engineer)


def test_payroll_is_masked_without_its_scope(firm: Connection) -> None:
    take(firm, w.NAME, w.paid("A", "500"))
    held = canonical.current(firm, "payroll")["A"]
    assert (
        canonical.mask("payroll", held, Actor("p", frozenset({"billing_preparer"})))["amount"]
        == canonical.MASK
    )
    assert canonical.mask("payroll", held, Actor("f", frozenset({"finance_lead"})))["amount"] == 500


@pytest.mark.parametrize(
    ("defect", "key", "said"),
    [
        ("UPDATE cost_entry SET amount = amount + 1 WHERE kind = 'labor'", "C-1/US01", "labor_cost in the books 480.0000"),
        ("DELETE FROM cost_entry WHERE kind = 'subcontract'", "C-1/US01", "subcontract_cost in the books 100.0000"),
        ("UPDATE transfer_entry SET amount = amount + 1", "C-1", "its charges say 61.0000"),
        ("UPDATE journal_line SET amount = 61 WHERE account = 'intercompany_cost'", "C-1", "and borne 61.0000"),
        ("UPDATE time_entry SET state = 'withdrawn' WHERE key = '1'", "1", "withdrawn, and costs 480.0000 USD"),
    ],
)  # fmt: skip
def test_a_planted_defect_is_named(firm: Connection, defect: str, key: str, said: str) -> None:
    take(firm, w.NAME, w.worker("W2", entity="GB01"), w.costs(SIXTY, key="W2"))
    heard(firm, w.hours("1", "8"), w.bought("S", "100"), w.hours("2", "1", worker="W2"))
    assert sound(firm)
    plant(firm, defect)
    [result] = verify(firm, only=["I3"])
    assert result["status"] == "failed"
    assert key in result["detail"]
    assert said in result["detail"], result["detail"]


def test_many_contracts_take_few_statements(firm: Connection) -> None:
    """Sixty entries on two contracts or six hundred: the same number of statements."""
    counts = []
    for size in (30, 300):
        told = [
            w.hours(f"{size}-{n}", "1", w.MONDAY + timedelta(days=n % 5), project=f"P-{n % 2 + 1}")
            for n in range(size)
        ]
        take(firm, w.NAME, *told)
        seen: list[str] = []

        def note(_c: Any, _u: Any, statement: str, *_: Any, seen: list[str] = seen) -> None:
            seen.append(statement)

        event.listen(firm, "before_cursor_execute", note)
        costing.cost_contracts(firm, w.KEYS)
        event.remove(firm, "before_cursor_execute", note)
        counts.append(len(seen))
    assert counts[1] <= counts[0]
    assert firm.execute(text("SELECT sum(hours) FROM cost_entry")).scalar_one() == 40
