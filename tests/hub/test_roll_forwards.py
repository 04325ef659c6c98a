"""Roll-forwards of the books: they foot, they chain, and what was known at a moment stays what it was, byte for byte."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, text

from tests.hub.builders import MOMENT, contract, deleted, take
from tests.hub.rated import close_period, hours, now, start
from tieout.hub import books
from tieout.hub.rating import rate_contracts
from tieout.hub.refusals import Conflict, Invalid
from tieout.hub.roll_forwards import roll_forward
from tieout.model.plain import plain
from tieout.store import clock

D = Decimal
SUMS = ("opening", "billed", "recognised", "adjustments")


def written(conn: Connection, known_at: datetime | None = None) -> dict[str, str]:
    """The roll-forward of each period as a door writes it."""
    return {
        code: json.dumps(plain(roll_forward(conn, code, entity="US01", known_at=known_at)))
        for code in ("2026-02", "2026-03", "2026-04")
    }


def work_day_by_day(conn: Connection) -> dict[datetime, dict[str, str]]:
    """A firm's weeks: work, corrections, a closed month, an amendment, late facts; what was written on each day."""
    start(conn)
    told: dict[datetime, dict[str, str]] = {}
    steps: list[list[Any]] = [
        [hours("1", "8", "2026-02-03"), hours("2", "6", "2026-02-05")],
        [hours("1", "7", "2026-02-03", version="2")],
        [],
        [hours("3", "2", "2026-02-06"), deleted("time_entry", "2", "2")],
        [hours("3", "5", "2026-03-05", version="2")],
    ]
    for day, step in enumerate(steps, start=5):
        now(conn, day)
        take(conn, "kantata", *step)
        if day == 7:
            close_period(conn)
            take(conn, "salesforce", contract(version="2", Discount_Percent__c="10"))
        rate_contracts(conn, ["K-1"])
        told[clock.now(conn)] = written(conn)
    now(conn, 20)
    return told


def test_what_was_known_at_a_moment_stays_what_it_was(conn: Connection) -> None:
    """Each day's answer is given again after everything that came later, also a moment before the next day's."""
    told = work_day_by_day(conn)
    assert len(set(map(str, told.values()))) == len(told)
    for moment, answer in told.items():
        assert written(conn, moment) == answer
        assert written(conn, moment + timedelta(hours=23)) == answer


def test_roll_forwards_foot_and_chain(conn: Connection) -> None:
    """opening + billed + recognised + adjustments = closing = the balance; the next period opens with it."""
    work_day_by_day(conn)
    before: dict[str, Decimal] = {}
    for code, last in (("2026-02", date(2026, 2, 28)), ("2026-03", date(2026, 3, 31))):
        rows = roll_forward(conn, code, contract="K-1")
        for row in rows:
            assert sum((row[name] for name in SUMS), D(0)) == row["closing"]
            assert row["opening"] == before.get(row["account"], D(0))
            assert row["opening"] + sum(row["movements"].values(), D(0)) == row["closing"]
        before = {row["account"]: row["closing"] for row in rows}
        assert {account: amount for account, amount in before.items() if amount} == {
            account: found["USD"] for account, found in books.balances(conn, "K-1", at=last).items()
        }
    assert before["revenue"] == -before["unbilled_receivable"] != 0


def test_a_moment_that_is_still_written_about_is_refused(conn: Connection, engine: Engine) -> None:
    """A transaction that began before the moment may still book under its own beginning."""
    start(conn)
    with pytest.raises(Conflict, match="may still be written"):
        roll_forward(conn, "2026-02", known_at=MOMENT + timedelta(days=300))
    clock.set_now(conn, None)
    began = clock.now(conn)
    assert roll_forward(conn, "2026-02", known_at=began - timedelta(seconds=60)) == []
    with engine.connect() as other:
        other.execute(text("SELECT 1"))
        moment = clock.real_now(conn)
        assert clock.settled(conn) <= moment
        with pytest.raises(Conflict):
            roll_forward(conn, "2026-02", known_at=moment)


def test_a_period_has_a_form(conn: Connection) -> None:
    with pytest.raises(Invalid, match="not a period"):
        roll_forward(conn, "March")
