"""The books: late facts book in the next open period, and the database refuses what may never be."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import IntegrityError

from tests.hub.builders import MOMENT, contract, deleted, take
from tests.hub.rated import bill, close_period, hours, now, start
from tieout.hub import books, exceptions
from tieout.hub.actors import REVENUE, Actor
from tieout.hub.rating import rate_contracts
from tieout.hub.roll_forwards import roll_forward
from tieout.store import tables
from tieout.store.ids import new_id

D = Decimal


@pytest.fixture
def hub(conn: Connection) -> Connection:
    """Contract K-1 with one rated day in February: 8 h × 200."""
    start(conn)
    take(conn, "kantata", hours("1", "8", "2026-02-03"))
    rate_contracts(conn, ["K-1"])
    return conn


def test_what_is_late_books_in_the_next_open_period_and_says_so(hub: Connection) -> None:
    """February is closed: 6 h instead of 8 h books −1,600 and +1,200 on 1 March, dated 3 February."""
    close_period(hub)
    take(hub, "kantata", hours("1", "6", "2026-02-03", version="2"))
    rate_contracts(hub, ["K-1"])
    j = tables.journal.c
    query = select(j.event_date, j.booking_date, j.period, j.prior_period).order_by(
        j.recorded_at, j.booking_date
    )
    february, march = date(2026, 2, 3), date(2026, 3, 1)
    assert [tuple(row) for row in hub.execute(query)] == [
        (february, february, "2026-02", False), (february, march, "2026-03", True), (february, march, "2026-03", True),
    ]  # fmt: skip
    assert books.balances(hub, "K-1", at=date(2026, 2, 28))["revenue"] == {"USD": D(-1600)}
    assert books.balances(hub, "K-1", at=march)["revenue"] == {"USD": D(-1200)}
    rows = {row["account"]: row for row in roll_forward(hub, "2026-03", contract="K-1")}
    assert rows["revenue"] == {
        "entity": "US01", "account": "revenue", "currency": "USD", "opening": D(-1600), "billed": D(0),
        "recognised": D(400), "adjustments": D(0), "closing": D(-1200), "movements": {"revenue": D(400)},
    }  # fmt: skip
    close_period(hub, state="open", version="2")
    assert books.closed_periods(hub).is_empty()


def test_late_revenue_is_counted_anew_once_a_person_accepted_it(hub: Connection) -> None:
    """Limit 0: 200 and 300 late are 500 together; accepted, the next 100 stand alone; taken back, nothing is left."""
    close_period(hub)

    def late() -> list[Decimal | None]:
        return [row["amount"] for row in exceptions.listed(hub, {"kind": "prior-period-material"}).rows]

    for day, number, worked in ((1, "2", "1"), (2, "3", "1.5")):
        now(hub, day)
        take(hub, "kantata", hours(number, worked, "2026-02-04"))
        rate_contracts(hub, ["K-1"])
    assert late() == [D(500)]
    [row] = exceptions.listed(hub, {"kind": "prior-period-material"}).rows
    exceptions.waive(hub, row["id"], "immaterial to the year", Actor("vera", frozenset({REVENUE})))
    now(hub, 3)
    take(hub, "kantata", hours("4", "0.5", "2026-02-05"))
    rate_contracts(hub, ["K-1"])
    assert late() == [D(100)]
    now(hub, 4)
    take(hub, "kantata", deleted("time_entry", "4", "2"))
    rate_contracts(hub, ["K-1"])
    assert late() == []


def test_balances_are_read_as_they_were_known(hub: Connection) -> None:
    now(hub, 10)
    take(hub, "kantata", hours("2", "1", "2026-02-04"))
    rate_contracts(hub, ["K-1"])
    assert books.balances(hub, "K-1", known_at=MOMENT)["revenue"] == {"USD": D(-1600)}
    assert books.balances(hub, entity="US01")["revenue"] == {"USD": D(-1800)}
    assert books.balances(hub, entity="US02") == {}


def test_the_status_of_contracts_adds_up(hub: Connection) -> None:
    """Half is billed: 1,600 recognised = 800 billed + 800 unbilled; a contract without work has no row."""
    take(hub, "salesforce", contract("K-2"))
    bill(hub, "0.5")
    status = books.financial_status(hub, ["K-1", "K-2"])
    assert status["K-2"] == []
    (row,) = status["K-1"]
    assert (row["recognised"], row["billed"], row["unbilled"]) == (D(1600), D(800), D(800))
    position = books.positions(hub, ["K-1"]).to_dicts()
    assert position == [
        {
            "contract": "K-1",
            "line": "1",
            "currency": "USD",
            "recognised_amount": D(1600),
            "billed_amount": D(800),
        }
    ]


REFUSED = {
    "a journal is changed": "UPDATE journal SET period = '2026-03'",
    "a journal is removed": "DELETE FROM journal",
    "a line is changed": "UPDATE journal_line SET amount = 0",
    "a line is removed": "DELETE FROM journal_line",
    "lines are emptied": "TRUNCATE journal_line",
    "an event's value is changed": "UPDATE billing_event SET amount = 1",
    "an event's price is changed": "UPDATE billing_event SET price = 1, entry_version = 9",
    "an event is removed": "DELETE FROM billing_event",
    "audit is changed": "UPDATE audit SET actor = 'x'",
    "audit is removed": "DELETE FROM audit",
    "a link is removed": "DELETE FROM revenue_entry",
    "more is billed than is there": "UPDATE billing_balance SET billed_amount = amount + 1",
    "billed and over the cap together exceed the event":
        "UPDATE billing_balance SET billed_amount = amount, over_cap_amount = 1",
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_the_database_refuses_that(hub: Connection, what: str) -> None:
    with pytest.raises(IntegrityError):
        hub.execute(text(REFUSED[what]))


def test_the_link_to_a_later_version_is_the_one_change_an_event_takes(hub: Connection) -> None:
    assert hub.execute(text("UPDATE billing_event SET entry_version = 2")).rowcount == 1


def _journal(
    conn: Connection, *amounts: int, on: date = date(2026, 3, 1), lines_on: date | None = None
) -> None:
    moment = datetime.fromisoformat("2026-03-02T00:00:00+00:00")
    head = {"id": new_id(moment), "cause_type": "revenue", "cause": new_id(moment), "contract": "K-1", "legal_entity": "US01",
            "event_date": on, "booking_date": on, "period": "2026-03", "prior_period": False, "recorded_at": moment}  # fmt: skip
    conn.execute(tables.journal.insert().values(**head))
    lines = [
        {"journal": head["id"], "number": number, "contract": "K-1", "line": "1", "legal_entity": "US01",
         "account": "revenue", "currency": "USD", "amount": D(amount), "functional_amount": D(amount),
         "booking_date": lines_on or on, "recorded_at": moment}
        for number, amount in enumerate(amounts, start=1)
    ]  # fmt: skip
    conn.execute(tables.journal_line.insert().values(lines))


def test_an_unbalanced_journal_is_refused(hub: Connection) -> None:
    _journal(hub, 100, -60, -40)
    with pytest.raises(IntegrityError, match="does not balance in USD"), hub.begin_nested():
        _journal(hub, 100, -99)


def test_a_booking_in_a_closed_period_is_refused(hub: Connection) -> None:
    close_period(hub, "2026-03")
    with pytest.raises(IntegrityError, match="US01/2026-03 is closed"), hub.begin_nested():
        _journal(hub, 100, -100)
    with pytest.raises(IntegrityError, match="differ in booking date"):
        _journal(hub, 100, -100, lines_on=date(2026, 4, 1))
