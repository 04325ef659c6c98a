"""What an undisturbed run and a killed one must have in common: figures of ours, and what the targets hold.

Ids and stamps are left out: a record that was made again after a death has others. So are the versions on the way: how
often a poll saw a record change depends on when it looked. That is all that may differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, text

from tieout.sandbox.exact import dumps
from tieout.sandbox.world import Record, World

Picture = dict[str, list[str]]

OURS: Mapping[str, str] = {
    "balances": "SELECT contract, line, account, currency, legal_entity, sum(amount) FROM journal_line"
                " GROUP BY 1, 2, 3, 4, 5 HAVING sum(amount) <> 0",
    "journals": "SELECT j.cause_type, j.contract, j.period, l.account, sum(l.amount), count(*) FROM journal j"
                " JOIN journal_line l ON l.journal = j.id GROUP BY 1, 2, 3, 4",
    "invoices": "SELECT i.kind, i.number, i.contract, i.customer, i.legal_entity, i.currency, i.through, i.terms_days,"
                " i.issue_date, i.due_date, i.state, i.net_amount, i.tax_amount, i.gross_amount, i.preparer, i.approver,"
                " i.posted_at IS NOT NULL, i.credit_kind, i.reason, c.number, i.purchase_order"
                " FROM invoice i LEFT JOIN invoice c ON c.id = i.credits WHERE i.state <> 'void'",
    "lines": "SELECT i.number, l.line, l.project, l.role, l.quantity, l.unit_price, l.net_amount, l.tax_category"
             " FROM invoice_line l JOIN invoice i ON i.id = l.invoice WHERE i.state <> 'void'",
    "billing": "SELECT e.contract, e.kind, e.entry, e.entry_version, e.role, e.quantity, e.price, e.amount, e.currency,"
               " b.over_cap_amount, b.held_amount, b.written_off_amount, b.reversed_amount, b.drafted_amount,"
               " b.billed_amount, b.credited_amount, b.recognised_amount"
               " FROM billing_event e JOIN billing_balance b ON b.event = e.id",
    "series": "SELECT legal_entity, series, last FROM number_series",
    "exceptions": "SELECT kind, key, state, contract, amount, currency, owner FROM exception",
    "flows": "SELECT f.kind, f.key, f.state, s.step, s.state FROM flow f LEFT JOIN flow_step s ON s.flow_id = f.id",
    "crosswalk": "SELECT connection, object, type, key, retired_at IS NOT NULL FROM crosswalk",
    "commands": "SELECT DISTINCT ON (connection, operation, key) connection, operation, key, state FROM intent"
                " ORDER BY connection, operation, key, revision DESC",
    "inbox": "SELECT DISTINCT ON (connection, object, source_id) connection, object, state, tombstone FROM inbox"
             " ORDER BY connection, object, source_id, id DESC",
    "kept twice": "SELECT connection, object, count(*) FROM inbox GROUP BY connection, object, source_id, digest"
                  " HAVING count(*) > 1",
    "decisions": "SELECT type, decision, approver, count(*) FROM approval GROUP BY 1, 2, 3",
    "announced": "SELECT type, CASE WHEN subject LIKE 'D-%' THEN 'a draft' ELSE subject END, count(*) FROM event"
                 " WHERE type NOT LIKE '%.changed.%'"
                 " AND (type LIKE '%invoice%' OR type LIKE '%project%' OR type LIKE '%payment%') GROUP BY 1, 2",
    "tie_out": "SELECT DISTINCT ON (r.\"check\", r.period, i.key) r.\"check\", r.period, i.key, i.ours, i.theirs,"
               " i.outcome, i.cause FROM tie_out_run r JOIN tie_out_item i ON i.run = r.id"
               " ORDER BY r.\"check\", r.period, i.key, r.position DESC",
    "left over": "SELECT kind, key, requested, done, last_error FROM work WHERE kind NOT IN"
                 " ('sync', 'sweep', 'drift', 'seal') AND (requested > done OR started > done)"
                 " OR attempts > 0",
}  # fmt: skip
"""Name -> the rows that must be the same."""

NATURAL = (
    "externalId", "tranId", "entityId", "title", "custom_field_name", "service_model_ref", "Opportunity_Number__c",
    "subject_id",
)  # fmt: skip
VOLATILE = ("created_at", "updated_at", "lastModifiedDate", "createdDate", "dateCreated", "occurred_at")
NOT_TOLD = ("subscribed_event",)


def of_our_figures(engine: Engine) -> Picture:
    """Our side."""
    with engine.connect() as conn:
        return {
            name: sorted(json.dumps([_plain(value) for value in row]) for row in conn.execute(text(query)))
            for name, query in OURS.items()
        }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int) else str(value)


def of_the_targets(world: World) -> Picture:
    """What each system holds of what came through its API, every record with its fields, ids replaced by names."""
    made = {(row["system"], row["id"]) for row in world.ledger()}
    held = list(_records(world))
    names = {(one.system, one.id): _name(one) for one in held if (one.system, one.id) in made}
    picture: Picture = {}
    for one in held:
        if one.type not in NOT_TOLD:
            picture.setdefault(f"{one.system} {one.type}", []).append(_told(one, names))
    return {name: sorted(rows) for name, rows in picture.items()}


def _records(world: World) -> Iterator[Record]:
    with world.engine.connect() as conn:
        kinds = conn.execute(text("SELECT DISTINCT system, type FROM record WHERE system <> 'firm'")).all()
    for system, type in sorted((row.system, row.type) for row in kinds):
        yield from world.all(system, type)


def _name(record: Record) -> str:
    given = next((record.fields[name] for name in NATURAL if record.fields.get(name)), "")
    return f"<{record.type} {given}>"


def _told(record: Record, names: Mapping[tuple[str, str], str]) -> str:
    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: replaced(held) for name, held in sorted(value.items()) if name not in VOLATILE}
        if isinstance(value, list):
            return [replaced(held) for held in value]
        return names.get((record.system, str(value)), value) if isinstance(value, str) else value

    return dumps({"id": names.get((record.system, record.id), record.id), **replaced(record.fields)})


def differences(expected: Picture, found: Picture) -> list[str]:
    """Rows that only one of two pictures has."""
    told = []
    for name in sorted(expected.keys() | found.keys()):
        before, after = list(expected.get(name, [])), list(found.get(name, []))
        for row in list(before):
            if row in after:
                before.remove(row)
                after.remove(row)
        told += [f"{name}: missing {row}" for row in before] + [f"{name}: unexpected {row}" for row in after]
    return told
