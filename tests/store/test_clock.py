"""The clock of business time is asked once in a transaction."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from sqlalchemy import Engine, event

from tieout.store import clock

MOMENT = datetime(2026, 1, 5, 9, tzinfo=timezone.utc)


def test_a_transaction_asks_once_and_the_next_one_anew(engine: Engine) -> None:
    asked: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    with engine.begin() as conn:
        clock.set_now(conn, MOMENT)
        asked.clear()
        assert [clock.now(conn), clock.now(conn)] == [MOMENT, MOMENT]
        assert len(asked) == 1
    with engine.begin() as other:
        clock.set_now(other, MOMENT + timedelta(days=1))
    with engine.begin() as conn:
        assert clock.now(conn) == MOMENT + timedelta(days=1)


def test_who_sets_the_clock_sees_it_set(engine: Engine) -> None:
    with engine.begin() as conn:
        clock.set_now(conn, MOMENT)
        assert clock.now(conn) == MOMENT
        clock.set_now(conn, MOMENT + timedelta(hours=1))
        assert clock.now(conn) == MOMENT + timedelta(hours=1)
        clock.set_now(conn, None)
        assert clock.now(conn) != MOMENT
