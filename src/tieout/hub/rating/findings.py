"""Findings of a rating run as exceptions: opened, refreshed, and closed where they did not occur again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.hub import exceptions, exchange
from tieout.hub.exceptions import NewException
from tieout.hub.rating.caps import CONTRACT
from tieout.hub.rating.deciding import Decision
from tieout.hub.rating.expedient import REFUSED
from tieout.hub.rating.facts import Facts
from tieout.hub.rating.revenue import refused_lines
from tieout.store import exceptions as exception_store
from tieout.store import rating as store

MISSING_PROJECT = "missing-project"
UNASSIGNED = "unassigned"
_OF_ENTRIES = (
    "outside-contract", "worker-left", "closed-task", MISSING_PROJECT, "missing-rate", "missing-fx", "ambiguous-rate",
    "implausible-hours", "unknown-currency", "true-up-proposed",
)  # fmt: skip
_OF_RECORDS = frozenset({"amount-precision", "invalid-payload", "unmapped-value"})
"""What may be wrong with an expense itself; the inbox finds such of records too."""
_EXPENSES = "expense"
"""Group of what a rating run found of that."""
_CROWDED = "implausible-hours"
_CAPS, _ORDERS, _DRAFTS = "cap-exceeded", "purchase-order-exhausted", "stale-draft"
_UNWRITTEN = "write-not-applied"
_PLANS = "billing plan"
"""Group of the findings about billing plans, readings and deliveries."""
_UNAPPROVED = "not-approved"
"""Opened by a billing run for what it leaves out; it is over when nothing of the contract waits for approval."""


def settle(
    conn: Connection, facts: Facts, decision: Decision, stale: Sequence[Mapping[str, Any]],
    waiting: Sequence[NewException],
) -> tuple[int, int]:  # fmt: skip
    """Open what the run found and close what it did not find again; how many of each. `waiting`: revenue without a rate."""
    found = [*_of_entries(conn, decision.findings, facts), *waiting]
    over = _over_limits(facts, decision)
    drafts = [_stale(row) for row in stale]
    unwritten = [_unwritten(row, facts) for row in decision.unwritten.iter_rows(named=True)]
    charges = [_of_charge(row, facts) for row in decision.charges.findings.iter_rows(named=True)]
    charges += [_refused(row, facts) for row in refused_lines(facts, decision.events).iter_rows(named=True)]
    opened = exceptions.open_exceptions(conn, [*found, *over, *drafts, *unwritten, *charges])
    mended = _mend(conn, facts, _PLANS, charges)
    mended += _mend(conn, facts, _EXPENSES, [one for one in found if one.kind in _OF_RECORDS])
    scope = {*facts.scope, *facts.spending.expenses["entry"]}
    orders = {f"{row['customer']}/{row['purchase_order']}" for row in facts.contracts.values()}
    revenue = {exchange.revenue_key(key) for key in facts.contracts}
    scopes = {
        **dict.fromkeys((*_OF_ENTRIES, _UNWRITTEN), scope), exchange.MISSING: scope | revenue, _CAPS: set(facts.contracts), _ORDERS: orders,
        _UNAPPROVED: set(facts.contracts) - _with_unapproved(facts),
    }  # fmt: skip
    return len(opened), mended + _heal(conn, scopes, [*found, *over, *unwritten])


def settle_unassigned(conn: Connection, missing: pl.DataFrame) -> tuple[int, int]:
    """Open one `missing-project` per entry; those of entries that found their place since are closed."""
    waived = store.waived(conn, [MISSING_PROJECT])
    found = [
        NewException(MISSING_PROJECT, row["entry"], row["detail"], evidence=_evidence(UNASSIGNED, MISSING_PROJECT))
        for row in missing.iter_rows(named=True)
        if (MISSING_PROJECT, row["entry"], row["detail"]) not in waived
    ]  # fmt: skip
    opened = exceptions.open_exceptions(conn, found)
    return len(opened), _heal(conn, {MISSING_PROJECT: None}, found)


def tipped_neighbours(conn: Connection, decision: Decision) -> set[str]:
    """Contracts whose entries became implausible, or are no longer, by the hours of a worker-day seen from here."""
    if decision.neighbours.is_empty():
        return set()
    open_now = exception_store.open_keys(conn, [_CROWDED])[_CROWDED]
    left_as_is = {key for _, key, _ in store.waived(conn, [_CROWDED])}
    others = decision.neighbours.filter(pl.col("contract").is_not_null())
    said = pl.col("entry").is_in(list(open_now))
    seen = pl.col("entry").is_in(list(decision.crowded - left_as_is))
    return set(others.filter(said != seen)["contract"].to_list())


def _heal(
    conn: Connection, scopes: Mapping[str, Collection[str] | None], found: Collection[NewException]
) -> int:
    """Close what was judged (of each kind these keys, None: all) and not found again; how many."""
    resolved = 0
    for kind, open_now in exception_store.open_keys(conn, scopes).items():
        scope = scopes[kind]
        judged = {key for key in open_now if scope is None or _within(key, scope)}
        still = [item.key for item in found if item.kind == kind]
        resolved += exceptions.resolve_where_healed(conn, kind, judged, still)
    return resolved


def _mend(conn: Connection, facts: Facts, group: str, found: Collection[NewException]) -> int:
    """Close what of one group stood against the contracts and was not found again; how many."""
    still = {(item.kind, item.key) for item in found}
    gone: dict[str, list[str]] = {}
    for kind, key in exception_store.open_in_group(conn, group, list(facts.contracts)):
        if (kind, key) not in still:
            gone.setdefault(kind, []).append(key)
    return sum(exceptions.resolve_where_healed(conn, kind, keys, []) for kind, keys in gone.items())


def _of_charge(row: Mapping[str, Any], facts: Facts) -> NewException:
    contract = facts.contracts[row["contract"]]
    on = f" ({row['day']})" if row["day"] else ""
    kind, cause = row["kind"], f"{row['rule']}: {row['seen']}{on}"
    if kind == "unknown-currency" and row["contract"] in facts.foreign:
        kind, cause = "missing-fx", facts.foreign[row["contract"]]
    return NewException(
        kind, row["record"], cause, contract=row["contract"],
        legal_entity=contract["legal_entity"], amount=row["amount"],
        currency=contract["currency"] if row["amount"] is not None else None,
        evidence=_evidence(row["contract"], _PLANS) | {"line": row["line"]},
    )  # fmt: skip


def _refused(row: Mapping[str, Any], facts: Facts) -> NewException:
    entity = facts.contracts[row["contract"]]["legal_entity"]
    return NewException(
        REFUSED, f"{row['contract']}/{row['line']}", row["detail"], contract=row["contract"], legal_entity=entity,
        evidence=_evidence(row["contract"], _PLANS) | {"line": row["line"]},
    )  # fmt: skip


def _with_unapproved(facts: Facts) -> set[str]:
    waits = pl.col("state").is_in(["draft", "submitted"]) & pl.col("billable")
    both = (facts.entries, facts.spending.expenses)
    return {key for work in both for key in work.filter(waits)["contract"].drop_nulls()}


def _within(key: str, scope: Collection[str]) -> bool:
    """Whether a key, or the contract of a cap that has a name (CONTRACT/NAME), was judged."""
    return key in scope or key.rpartition("/")[0] in scope


def _of_entries(conn: Connection, findings: pl.DataFrame, facts: Facts) -> list[NewException]:
    waived = store.waived(conn, [*_OF_ENTRIES, *_OF_RECORDS]) if findings.height else set()
    return [
        _of_entry(row, facts)
        for row in findings.iter_rows(named=True)
        if (row["kind"], row["entry"], row["detail"]) not in waived
    ]


def _of_entry(row: Mapping[str, Any], facts: Facts) -> NewException:
    contract = facts.contracts.get(row["contract"]) or {}
    return NewException(
        row["kind"],
        row["entry"],
        row["detail"],
        contract=row["contract"],
        legal_entity=contract.get("legal_entity"),
        amount=row["amount"],
        currency=contract.get("currency") if row["amount"] is not None else None,
        evidence=_evidence(
            row["contract"] or UNASSIGNED, _EXPENSES if row["kind"] in _OF_RECORDS else row["kind"]
        ),
    )


def _evidence(key: str, group: str) -> dict[str, Any]:
    return {"work": {"kind": "rate", "key": key}, "group": group}


def _unwritten(row: Mapping[str, Any], facts: Facts) -> NewException:
    contract = facts.contracts[row["contract"]]
    cause = f"what was written down or off does not fit what is open of it any more: {row['detail']}"
    return NewException(
        _UNWRITTEN, row["entry"], cause, contract=row["contract"], legal_entity=contract["legal_entity"],
        amount=row["amount"], currency=contract["currency"], evidence=_evidence(row["contract"], _UNWRITTEN),
    )  # fmt: skip


def _over_limits(facts: Facts, decision: Decision) -> list[NewException]:
    over = decision.events.filter(pl.col("over_cap_amount") != 0)
    sums = over.group_by("cap").agg(
        pl.col("over_cap_amount").sum(), pl.col("over_cap_quantity").sum(), pl.col("contract").unique().sort()
    )
    found = []
    for row in sums.sort("cap").iter_rows(named=True):
        limit = decision.capped.limits[row["cap"]]
        contract = row["contract"][0] if len(row["contract"]) == 1 else None
        entity = facts.contracts[row["contract"][0]]["legal_entity"]
        value = f"{row['over_cap_amount']:f} {limit.currency} of work lies over it"
        found.append(
            NewException(
                _CAPS if limit.kind == CONTRACT else _ORDERS, limit.key,
                f"{limit.kind} {limit.key} is limited to {limit.size}; {value}",
                contract=contract, legal_entity=entity, amount=row["over_cap_amount"], currency=limit.currency,
                evidence=_evidence(row["contract"][0], limit.kind) | {"contracts": row["contract"],
                                                                      "hours": row["over_cap_quantity"]},
            )
        )  # fmt: skip
    return found


def _stale(row: Mapping[str, Any]) -> NewException:
    return NewException(
        _DRAFTS, f"D-{row['draft_number']}", f"The draft of contract {row['contract']} holds work that changed since.",
        contract=row["contract"], legal_entity=row["legal_entity"], amount=row["net_amount"],
        currency=row["currency"], evidence={"group": _DRAFTS, "preparer": row["preparer"]},
    )  # fmt: skip
