"""What keeps work of a contract from being billed: found in a run, opened as exceptions, closed when it does so no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import exceptions
from tieout.hub.billing.grouping import grouping_of
from tieout.hub.exceptions import NewException
from tieout.model.money import shown
from tieout.store import billing_runs as runs
from tieout.store import exceptions as exception_store
from tieout.telemetry.failpoints import fp

SUSPENDED = "suspended"
TAX, ORDER, NOT_SET_UP = "tax-undetermined", "purchase-order-missing", "incomplete-setup"
UNAPPROVED, STRANGER, RULE = "not-approved", "unknown-payer", "client-rule"


@dataclass
class Work:
    """One contract while it is drafted: its terms, its unreleased drafts, what is billable, what came of it.

    `payers`: what is known of its customer and of those of its split; `rows`: what is billable, once for each payer of
    it. `notes` and `drafts` are documents to be: {row, lines, links}; a document of several contracts is with the first,
    as what is `redone` is, and named by all (`drafted`, `kept`, `voided`); `sellers`: the legal entity of each that was
    drafted; `broken`: client rules that a draft did not meet.
    """

    contract: str
    terms: Mapping[str, Any]
    through: date
    redone: list[dict[str, Any]]
    payers: dict[str | None, Mapping[str, Any]] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    voided: list[str] = field(default_factory=list)
    drafted: list[str] = field(default_factory=list)
    sellers: dict[str, str] = field(default_factory=dict)

    @property
    def entity(self) -> str | None:
        """The legal entity that bills: of the work itself, else of the contract."""
        return self.rows[0]["entity"] if self.rows else self.terms.get("legal_entity")

    @property
    def grouping(self) -> str:
        """What stands on one invoice."""
        return grouping_of(self.terms)

    @property
    def lacks_order(self) -> bool:
        """Whether a payer wants a purchase order that the contract does not have."""
        wanted = any(known.get("purchase_order_required") for known in self.payers.values())
        return wanted and not self.terms.get("purchase_order")

    @property
    def stranger(self) -> str | None:
        """A payer that no system has told us of."""
        own = self.terms.get("customer")
        return next((payer for payer, known in self.payers.items() if not known and payer != own), None)

    @property
    def stopped(self) -> str | None:
        """Why nothing of the contract is drafted."""
        if self.rows and self.terms.get("state") == "suspended":
            return SUSPENDED
        if self.rows and self.stranger is not None:
            return STRANGER
        return ORDER if self.rows and self.lacks_order else None


def report(conn: Connection, works: list[Work]) -> None:
    """Open what keeps a contract from being billed, close what does so no more.

    The money of a contract that is not set up stands on `incomplete-setup` already and is not stated twice.
    """
    standing = exception_store.open_keys(conn, [NOT_SET_UP, UNAPPROVED, TAX, STRANGER, RULE, ORDER])
    counted = standing[NOT_SET_UP]
    found = [
        _finding(
            work, work.stopped, work.rows, _cause(work, work.stopped), is_counted=work.contract in counted
        )
        for work in works
        if work.stopped and work.stopped != SUSPENDED  # somebody has decided that: it is no exception
    ]
    for work in works:
        untaxed = [row for row in work.waiting if row["reason"] == TAX]
        if untaxed:
            countries = {work.payers[row["payer"]].get("country") or "an unknown country" for row in untaxed}
            where = " and to ".join(sorted(countries))
            cause = f"no tax rule fits a sale of {work.entity} to {where} on {work.through}"
            found.append(_finding(work, TAX, untaxed, cause))
    found += [
        _finding(work, RULE, [row for row in work.waiting if row["reason"] == RULE],
                 f"a draft does not meet what the customer asks for: {'; '.join(work.broken)}")
        for work in works if work.broken
    ]  # fmt: skip
    found += _unapproved(conn, works)
    exceptions.open_exceptions(conn, found)
    judged = {work.contract for work in works}
    still = {kind: [one.key for one in found if one.kind == kind] for kind in standing if kind != NOT_SET_UP}
    still[ORDER] = [work.contract for work in works if work.lacks_order]
    for kind, keys in still.items():
        exceptions.resolve_where_healed(conn, kind, standing[kind] & judged, keys)
    fp("billing.draft.reported")


def _cause(work: Work, kind: str) -> str:
    if kind == STRANGER:
        return f"{work.stranger} is to pay a share and no system has told of that customer"
    return "the customer requires a purchase order and the contract names none"


def _unapproved(conn: Connection, works: list[Work]) -> list[NewException]:
    """What this run leaves out because nobody has approved it yet: one exception for each contract."""
    found = []
    for through in sorted({work.through for work in works}):
        entities = {work.contract: work.entity for work in works if work.through == through}
        for row in runs.unapproved(conn, list(entities), through):
            key = row["contract"]
            cause = f"{_counted(row)} up to {through} are not approved and were not billed"
            evidence = {name: row[name] for name in ("entries", "hours", "expenses")}
            evidence |= {"through": through, "workers": (row["workers"] or [])[:20]}
            found.append(
                NewException(
                    UNAPPROVED, key, cause, contract=key, legal_entity=entities[key], evidence=evidence
                )
            )
    return found


def _counted(row: Mapping[str, Any]) -> str:
    hours = f"{row['hours'].normalize():f} hours" if row["entries"] else ""
    expenses = f"{row['expenses']} expense{'s' if row['expenses'] > 1 else ''}" if row["expenses"] else ""
    return " and ".join(part for part in (hours, expenses) if part)


def _finding(
    work: Work, kind: str, rows: Sequence[Mapping[str, Any]], cause: str, is_counted: bool = False
) -> NewException:
    amount = None if is_counted else sum((row["amount"] for row in rows), Decimal(0))
    return NewException(
        kind, work.contract, f"{cause}: {len(rows)} billable parts wait", contract=work.contract,
        legal_entity=work.entity, amount=amount, currency=work.rows[0]["currency"],
        evidence={"through": work.through, "parts": len(rows), "customer": work.terms.get("customer")},
    )  # fmt: skip


def outcome(work: Work) -> dict[str, Any]:
    waiting: dict[tuple[str, str], Decimal] = {}
    currencies = {row["event"]: row["currency"] for row in work.rows}
    stopped = [{**row, "reason": work.stopped} for row in work.rows] if work.stopped else []
    for row in (*work.waiting, *stopped):
        why = row["reason"], currencies[row["event"]]
        waiting[why] = waiting.get(why, Decimal(0)) + row["amount"]
    return {
        "entity": work.entity, "drafted": work.drafted, "kept": work.kept, "voided": work.voided,
        "waiting": [
            {"reason": reason, "amount": f"{shown(amount, currency):f}", "currency": currency}
            for (reason, currency), amount in sorted(waiting.items())
        ],
    }  # fmt: skip
