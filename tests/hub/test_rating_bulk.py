# ruff: noqa: S608
"""Many contracts at once: one statement per table, whatever the number of entries."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Engine, event, text

from tests.hub.rated import D, add_rate, total
from tieout.hub.rating import Rated, rate_contracts
from tieout.store.tables import metadata

CONTRACTS, ENTRIES = 50, 50_000
PROVENANCE = "'{}', '2026-01-01T00:00:00Z'"


def fill(conn: Connection) -> list[str]:
    """Contracts C0…, each with a project and its share of the entries: 2 h of 500 workers over 40 days."""
    add_rate(conn)
    number = {"contracts": CONTRACTS, "entries": ENTRIES}
    contract, project, entry = (f"gen_random_uuid(), {key}, 1" for key in ("'C' || n", "'P' || n", "n::text"))
    statements = [
        f"INSERT INTO contract (id, key, version, legal_entity, customer, currency, state, signed_on, provenance,"
        f" recorded_at) SELECT {contract}, 'US01', 'X', 'USD', 'active', '2026-01-01', {PROVENANCE}"
        " FROM generate_series(0, :contracts - 1) n",
        "INSERT INTO contract_terms (contract, source_version, effective_from, rate_card, cap_amount, cap_over,"
        " start_date, currency, recorded_at) SELECT 'C' || n, '1', '2026-01-01', 'STANDARD', 390000, 'hold',"
        " '2026-01-01', 'USD', '2026-01-01T00:00:00Z' FROM generate_series(0, :contracts - 1) n",
        f"INSERT INTO project (id, key, version, contract, state, provenance, recorded_at)"
        f" SELECT {project}, 'C' || n, 'active', {PROVENANCE}"
        " FROM generate_series(0, :contracts - 1) n",
        f"INSERT INTO time_entry (id, key, version, project, worker, work_date, worked_minutes, worked_hours, billable,"
        f" state, role, provenance, recorded_at) SELECT {entry}, 'P' || n % :contracts,"
        f" 'W' || n % 500, date '2026-01-01' + (n / 500 % 40), 120, 2, true, 'approved', 'consultant', {PROVENANCE}"
        " FROM generate_series(0, :entries - 1) n",
    ]  # fmt: skip
    for statement in statements:
        names = {k: v for k, v in number.items() if f":{k}" in statement}
        conn.execute(text(statement), names)
    conn.execute(text("ANALYZE"))
    return [f"C{n}" for n in range(CONTRACTS)]


def test_fifty_thousand_entries_take_few_statements(engine: Engine) -> None:
    """1,000 entries × 2 h × 200 = 400,000 per contract against a cap of 390,000."""
    with engine.begin() as conn:
        keys = fill(conn)
        seen: list[str] = []
        event.listen(conn, "before_cursor_execute", lambda _c, _u, statement, *_: seen.append(statement))
        begun = time.perf_counter()
        rated = rate_contracts(conn, keys)
        first, statements = time.perf_counter() - begun, len(seen)
        begun = time.perf_counter()
        again = rate_contracts(conn, keys)
        second = time.perf_counter() - begun
        assert (rated.created, rated.opened, again) == (ENTRIES, CONTRACTS, Rated())
        assert total(conn, "recognised_amount") == D(390_000) * CONTRACTS
    assert statements < 2 * len(metadata.tables)
    print(  # noqa: T201
        f"{ENTRIES} entries: rated in {first:.1f} s, looked at again in {second:.1f} s, {statements} statements"
    )
