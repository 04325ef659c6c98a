"""A firm of any size, written straight into the canonical tables: contracts with approved time, nothing of it rated."""

from __future__ import annotations

from datetime import date, datetime, timezone
from typing import Any

from sqlalchemy import Connection, Engine, text

from tieout.store import clock, scenarios

NOW = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
THROUGH = date(2026, 6, 30)
PER_CONTRACT, PER_WORKER, ROLES = 1000, 100, 8

_FILLED = (
    "legal_entity", "customer", "worker", "rate", "contract", "contract_terms", "project", "time_entry",
)  # fmt: skip
_FACTS = (
    "INSERT INTO legal_entity (id, key, version, legal_entity, name, country, currency, provenance, recorded_at)"
    " VALUES (gen_random_uuid(), 'US01', 1, 'US01', 'Firm', 'US', 'USD', '{}', :at)",
    "INSERT INTO customer (id, key, version, legal_name, country, terms_days, provenance, recorded_at)"
    " VALUES (gen_random_uuid(), 'ACME', 1, 'Acme', 'US', 30, '{}', :at)",
    "INSERT INTO worker (id, key, version, full_name, role, provenance, recorded_at)"
    " SELECT gen_random_uuid(), 'W' || n, 1, 'W' || n, 'role' || n % :roles, '{}', :at"
    " FROM generate_series(0, (:entries - 1) / :per_worker) AS n",
    "INSERT INTO rate (card, currency, role, price, effective_from, source, recorded_at)"
    " SELECT 'STD', 'USD', 'role' || n, 100 + n, '2025-01-01', 'bench', :at FROM generate_series(0, :roles - 1) AS n",
    "INSERT INTO contract (id, key, version, legal_entity, customer, currency, state, signed_on, start_date,"
    " effective_from, billing_method, rate_card, increment_minutes, increment_mode, provenance, recorded_at)"
    " SELECT gen_random_uuid(), 'C-' || n, 1, 'US01', 'ACME', 'USD', 'active', '2025-01-01', '2025-01-01',"
    " '2025-01-01', 'time_and_materials', 'STD', 15, 'up', '{}', :at"
    " FROM generate_series(0, (:entries - 1) / :per_contract) AS n",
    "INSERT INTO contract_terms (contract, source_version, effective_from, billing_method, rate_card,"
    " increment_minutes, increment_mode, start_date, currency, recorded_at)"
    " SELECT key, '0000000001', effective_from, billing_method, rate_card, increment_minutes, increment_mode,"
    " start_date, currency, :at FROM contract",
    "INSERT INTO project (id, key, version, legal_entity, contract, state, currency, provenance, recorded_at)"
    " SELECT gen_random_uuid(), 'P' || key, 1, 'US01', key, 'active', 'USD', '{}', :at FROM contract",
    "INSERT INTO time_entry (id, key, version, legal_entity, project, source_project, worker, work_date, worked_hours,"
    " billable, state, approved_at, provenance, recorded_at)"
    " SELECT gen_random_uuid(), 'T' || n, 1, 'US01', 'PC-' || n / :per_contract, 'PC-' || n / :per_contract,"
    " 'W' || n / :per_worker, DATE '2026-01-01' + n % :per_worker, (n % 30 + 2) * 0.25, true, 'approved', :at, '{}', :at"
    " FROM generate_series(0, :entries - 1) AS n",
)  # fmt: skip


def build(engine: Engine, entries: int, per_contract: int = PER_CONTRACT) -> list[str]:
    """Write the firm with so many approved entries, so many a contract; the contracts."""
    told = {
        "at": NOW, "entries": entries, "per_contract": per_contract, "per_worker": PER_WORKER, "roles": ROLES,
    }  # fmt: skip
    with engine.begin() as conn:
        clock.set_now(conn, NOW)
        scenarios.configure(conn, "psa", _workspace(), NOW)
        for statement in _FACTS:
            conn.execute(text(statement), {name: told[name] for name in told if f":{name}" in statement})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        # not the tables that are still empty: the planner would take them to stay so, and keep its plans
        conn.execute(text(f"VACUUM ANALYZE {', '.join(_FILLED)}"))
        return _contracts(conn)


def _contracts(conn: Connection) -> list[str]:
    return list(conn.execute(text("SELECT key FROM contract ORDER BY length(key), key")).scalars())


def _workspace() -> dict[str, Any]:
    rule = {"entity": None, "country": None, "category": "O", "rate": "0", "from": "1990-01-01", "to": None}
    return {"name": "bench", "tax": [rule]}
