"""Two workers at once: one effect, no deadlock (F54)."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select

from tests.hub.builders import entry, prepare, user
from tieout.hub import canonical, inbox
from tieout.store import inbox as store
from tieout.store.tables import event


def test_two_workers_take_the_same_pages_once(engine: Engine) -> None:
    """Both receive the same 300 versions in opposite orders, then both apply: every entry once, every event once."""
    with engine.begin() as conn:
        prepare(conn)
        inbox.receive(conn, "kantata", [user()])
        inbox.apply_new(conn, "kantata")
    pages = [entry(str(n), version) for n in range(100) for version in ("1", "2", "3")]
    start = threading.Barrier(2)

    def work(changes: list) -> int:  # type: ignore[type-arg]
        start.wait()
        with engine.begin() as conn:
            new = inbox.receive(conn, "kantata", changes).new
        taken = 1
        while taken:
            with engine.begin() as conn:
                taken = inbox.apply_new(conn, "kantata", limit=50).taken
        return new

    with ThreadPoolExecutor(2) as pool:
        new = list(pool.map(work, [pages, pages[::-1]]))
    with engine.begin() as conn:
        while inbox.apply_new(conn, "kantata").taken:
            pass
        states = store.counts(conn)
        assert (sum(new), states.get("new", 0), sum(states.values())) == (300, 0, 301)
        assert len(canonical.current(conn, "time_entry")) == 100
        heard = [e for data in conn.execute(select(event.c.data).where(event.c.type.like("%timesheet.approved%"))).scalars()
                 for e in data["entries"]]  # fmt: skip
        assert sorted(heard) == sorted({str(n) for n in range(100)})
