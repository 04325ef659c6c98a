"""Drafting: what is billable and due becomes drafts; older drafts of the contract are redone, never doubled.

A draft holds its amounts on the balance of each event, so two runs cannot take the same hour; so does a credit note that
the policy for corrections makes, with the opposite sign. Drafting the same
contract again first takes back what its unreleased drafts hold; a draft whose content stays the same stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import DraftSet, draft_invoices
from tieout.domain.frames import BILLABLE, INVOICE_TERMS, TAX_QUESTIONS, frame
from tieout.domain.tax import determine_tax
from tieout.hub import audit, canonical, exceptions, policies
from tieout.hub.billing import corrections, e_invoices
from tieout.hub.billing.documents import SIGNS, announce_draft, reference_of
from tieout.hub.exceptions import NewException
from tieout.hub.refusals import NotFound
from tieout.model.money import shown
from tieout.store import billing_events, clock
from tieout.store import billing_runs as runs
from tieout.store import exceptions as exception_store
from tieout.store import invoices as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

TAX, ORDER, NOT_SET_UP = "tax-undetermined", "purchase-order-missing", "incomplete-setup"
UNAPPROVED = "not-approved"


@dataclass
class Work:
    """One contract while it is drafted: its terms, its unreleased drafts, what is billable, what came of it.

    `notes` and `drafts` are documents to be: {row, lines, links}; `sellers`: the legal entity of each that was drafted.
    """

    contract: str
    terms: Mapping[str, Any]
    customer: Mapping[str, Any]
    through: date
    redone: list[dict[str, Any]]
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    drafts: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    voided: list[str] = field(default_factory=list)
    drafted: list[str] = field(default_factory=list)
    sellers: dict[str, str] = field(default_factory=dict)

    @property
    def entity(self) -> str | None:
        """The legal entity that bills: of the work itself, else of the contract."""
        return self.rows[0]["entity"] if self.rows else self.terms.get("legal_entity")

    @property
    def lacks_order(self) -> bool:
        """Whether the customer wants a purchase order that the contract does not have."""
        return bool(self.customer.get("purchase_order_required")) and not self.terms.get("purchase_order")


def draft(conn: Connection, run_id: str, contracts: Sequence[str]) -> list[str]:
    """Draft the contracts of a run (those not done yet); the references of new drafts. One transaction."""
    run = runs.read_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no billing run {run_id}.")
    moment = clock.now(conn)
    billing_events.lock_contracts(conn, contracts)
    works = _gather(conn, contracts, run["through"])
    for through in sorted({work.through for work in works}):
        _propose(conn, [work for work in works if work.through == through], through)
    for work in works:
        _settle(conn, run, work, moment)
    _report(conn, works)
    e_invoices.ask(conn, {ref: entity for work in works for ref, entity in work.sellers.items()})
    for work in works:
        runs.finish_part(conn, run_id, work.contract, _outcome(work), moment)
    fp("billing.draft.parts_done")
    _finish(conn, run_id, moment)
    return [reference for work in works for reference in work.drafted]


def _gather(conn: Connection, contracts: Sequence[str], through: date) -> list[Work]:
    live = store.live_drafts(conn, contracts)
    held = canonical.current(conn, "contract", list(contracts))
    customers = canonical.current(
        conn, "customer", [row["customer"] for row in held.values() if row["customer"]]
    )
    works = []
    for contract in contracts:
        mine = [row for row in live if row["contract"] == contract and _is_redone(row)]
        until = max([through, *(row["through"] for row in mine)])
        terms = canonical.as_of(conn, "contract", contract, until) or held.get(contract) or {}
        works.append(Work(contract, terms, customers.get(str(terms.get("customer")), {}), until, mine))
    return works


def _is_redone(row: Mapping[str, Any]) -> bool:
    """An approved draft stands unless it is stale; every other one may be redone."""
    return row["state"] == "draft" or row["stale_reason"] is not None


def _propose(conn: Connection, works: list[Work], through: date) -> None:
    """What the drafts of these contracts would be now."""
    held = [row["id"] for work in works for row in work.redone if row["stale_reason"] is None]
    found = runs.billable(conn, [work.contract for work in works], held, through)
    credits = policies.load(conn).correction == corrections.POLICY
    by_contract: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        by_contract.setdefault(row["contract"], []).append(row)
    for work in works:
        work.rows = [row for row in by_contract.get(work.contract, []) if row["amount"] or row["quantity"]]
        if credits:
            work.notes, noted = corrections.correction_notes(conn, work.rows, held, through)
            work.rows = [row for row in work.rows if row["event"] not in noted]
    ready = [work for work in works if work.rows and not work.lacks_order]
    proposed = draft_invoices(
        frame([row for work in ready for row in work.rows], BILLABLE), _terms(conn, ready), through=through
    )
    for work in ready:
        work.drafts = _documents(proposed, work)
        mine = proposed.waiting.filter(pl.col("contract") == work.contract)
        work.waiting = mine.to_dicts()


def _terms(conn: Connection, works: list[Work]) -> pl.DataFrame:
    """Invoice terms of every contract line, with its tax treatment on the day up to which is billed."""
    questions = frame(
        [
            {"key": work.contract, "entity": work.entity, "country": work.customer.get("country"),
             "tax_point": work.through}
            for work in works
        ],
        TAX_QUESTIONS,
    )  # fmt: skip
    answers = determine_tax(questions, policies.load(conn).tax).answers
    tax = {row["key"]: row for row in answers.iter_rows(named=True)}
    return frame([_line_terms(work, line, tax) for work in works for line in _lines_of(work)], INVOICE_TERMS)


def _lines_of(work: Work) -> list[str]:
    return sorted({row["line"] for row in work.rows})


def _line_terms(work: Work, line: str, tax: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    days = work.terms.get("payment_terms_days")
    answer = tax.get(work.contract, {})
    return {
        "contract": work.contract, "line": line, "customer": work.terms.get("customer"), "entity": work.entity,
        "purchase_order": work.terms.get("purchase_order"),
        "terms_days": work.customer.get("terms_days") or 0 if days is None else days,
        "tax_category": answer.get("tax_category"), "tax_rate": answer.get("tax_rate"),
    }  # fmt: skip


def _documents(proposed: DraftSet, work: Work) -> list[dict[str, Any]]:
    """Proposed invoices of one contract."""
    found = []
    for row in proposed.invoices.filter(pl.col("contract") == work.contract).to_dicts():
        of_draft = pl.col("draft") == row["draft"]
        names = ("contract", "customer", "currency", "through", "purchase_order", "terms_days", "net_amount",
                 "tax_amount", "gross_amount", "content_hash")  # fmt: skip
        header: dict[str, Any] = {"kind": "invoice", "legal_entity": row["entity"], "state": "draft"}
        header |= {name: row[name] for name in names}
        lines = proposed.lines.filter(of_draft).sort("number").to_dicts()
        links = [
            {"line": e["number"], **{name: e[name] for name in ("event", "quantity", "amount", "notes")}}
            for e in proposed.events.filter(of_draft).to_dicts()
        ]
        found.append({"row": header, "lines": [_line(line) for line in lines], "links": links})
    return found


def _settle(conn: Connection, run: Mapping[str, Any], work: Work, moment: datetime) -> None:
    """Keep drafts that would come out the same, void the others, write the new ones."""
    standing = {row["content_hash"]: row for row in work.redone if row["stale_reason"] is None}
    wanted = {document["row"]["content_hash"]: document for document in [*work.notes, *work.drafts]}
    work.kept = [reference_of(standing[digest]) for digest in sorted(standing.keys() & wanted.keys())]
    gone = [row for row in work.redone if row["stale_reason"] or row["content_hash"] not in wanted]
    end_drafts(conn, gone, "redone: what it was made of has changed", moment)
    work.voided = [reference_of(row) for row in gone]
    _audit_voids(conn, run, gone)
    for digest, document in wanted.items():
        if digest not in standing:
            reference = _write(conn, run, document, moment)
            work.drafted.append(reference)
            work.sellers[reference] = document["row"]["legal_entity"]


def end_drafts(conn: Connection, rows: Collection[Mapping[str, Any]], reason: str, moment: datetime) -> None:
    """Void drafts and free what they hold; a stale one was freed when it became stale."""
    for row in sorted(rows, key=lambda r: str(r["id"])):
        if (row["kind"] == "invoice" or row["run"]) and row["stale_reason"] is None:
            store.move(conn, row["id"], {"drafted": -SIGNS[row["kind"]]}, moment)
            fp("billing.draft.freed")
    if rows:
        store.void(conn, [row["id"] for row in rows], reason, moment)
        for kind in ("stale-draft", "e-invoice-invalid"):
            exceptions.resolve(conn, kind, [reference_of(row) for row in rows], reason)


def _audit_voids(conn: Connection, run: Mapping[str, Any], rows: Collection[Mapping[str, Any]]) -> None:
    for row in rows:
        audit.record(conn, run["preparer"], "void", row["kind"], reference_of(row), entity=row["legal_entity"],
                     reason="redone", detail={"run": run["id"]})  # fmt: skip


def _write(conn: Connection, run: Mapping[str, Any], document: Mapping[str, Any], moment: datetime) -> str:
    row = {
        **document["row"], "id": new_id(moment), "run": run["id"], "preparer": run["preparer"],
        "recorded_at": moment, "updated_at": moment,
    }  # fmt: skip
    number = store.insert_document(conn, row, document["lines"], document["links"])
    fp("billing.draft.written")
    store.move(conn, row["id"], {"drafted": SIGNS[row["kind"]]}, moment)
    fp("billing.draft.held")
    return announce_draft(conn, {**row, "draft_number": number}, run["preparer"], len(document["links"]))


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    names = ("contract_line", "project", "role", "description", "quantity", "unit_price", "net_amount",
             "tax_category", "tax_rate", "corrects")  # fmt: skip
    return {"line": line["number"], **{name: line[name] for name in names}}


def _report(conn: Connection, works: list[Work]) -> None:
    """Open what keeps a contract from being billed, close what does so no more.

    The money of a contract that is not set up stands on `incomplete-setup` already and is not stated twice.
    """
    counted = exception_store.open_keys(conn, [NOT_SET_UP])[NOT_SET_UP]
    found = [
        _finding(work, ORDER, work.rows, "the customer requires a purchase order and the contract names none",
                 is_counted=work.contract in counted)
        for work in works
        if work.rows and work.lacks_order
    ]  # fmt: skip
    for work in works:
        untaxed = [row for row in work.waiting if row["reason"] == TAX]
        if untaxed:
            country = work.customer.get("country") or "an unknown country"
            found.append(
                _finding(work, TAX, untaxed,
                         f"no tax rule fits a sale of {work.entity} to {country} on {work.through}")
            )  # fmt: skip
    found += _unapproved(conn, works)
    exceptions.open_exceptions(conn, found)
    keys = [work.contract for work in works]
    exceptions.resolve_where_healed(
        conn, UNAPPROVED, keys, [one.key for one in found if one.kind == UNAPPROVED]
    )
    exceptions.resolve_where_healed(conn, TAX, keys, [one.key for one in found if one.kind == TAX])
    exceptions.resolve_where_healed(conn, ORDER, keys, [work.contract for work in works if work.lacks_order])
    fp("billing.draft.reported")


def _unapproved(conn: Connection, works: list[Work]) -> list[NewException]:
    """What this run leaves out because nobody has approved it yet: one exception for each contract."""
    found = []
    for through in sorted({work.through for work in works}):
        entities = {work.contract: work.entity for work in works if work.through == through}
        for row in runs.unapproved(conn, list(entities), through):
            key = row["contract"]
            cause = f"{row['hours'].normalize():f} hours up to {through} are not approved and were not billed"
            evidence = {
                "through": through, "entries": row["entries"], "hours": row["hours"], "workers": (row["workers"] or [])[:20],
            }  # fmt: skip
            found.append(
                NewException(
                    UNAPPROVED, key, cause, contract=key, legal_entity=entities[key], evidence=evidence
                )
            )
    return found


def _finding(
    work: Work, kind: str, rows: Sequence[Mapping[str, Any]], cause: str, is_counted: bool = False
) -> NewException:
    amount = None if is_counted else sum((row["amount"] for row in rows), Decimal(0))
    return NewException(
        kind, work.contract, f"{cause}: {len(rows)} billable parts wait", contract=work.contract,
        legal_entity=work.entity, amount=amount, currency=work.rows[0]["currency"],
        evidence={"through": work.through, "parts": len(rows), "customer": work.terms.get("customer")},
    )  # fmt: skip


def _outcome(work: Work) -> dict[str, Any]:
    waiting: dict[tuple[str, str], Decimal] = {}
    currencies = {row["event"]: row["currency"] for row in work.rows}
    unordered = [{**row, "reason": ORDER} for row in work.rows] if work.lacks_order else []
    for row in (*work.waiting, *unordered):
        why = row["reason"], currencies[row["event"]]
        waiting[why] = waiting.get(why, Decimal(0)) + row["amount"]
    return {
        "entity": work.entity, "drafted": work.drafted, "kept": work.kept, "voided": work.voided,
        "waiting": [
            {"reason": reason, "amount": f"{shown(amount, currency):f}", "currency": currency}
            for (reason, currency), amount in sorted(waiting.items())
        ],
    }  # fmt: skip


def _finish(conn: Connection, run_id: str, moment: datetime) -> None:
    """The last partition ends the run."""
    if runs.open_parts(conn, run_id) == 0:
        done = [part["outcome"] for part in runs.parts(conn, run_id)]
        runs.finish_run(conn, run_id, tally(done), moment)
        fp("billing.run.finished")


def tally(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Drafts made, kept and voided, and parts that wait, over all contracts."""
    counts: Counter[str] = Counter({"drafted": 0, "kept": 0, "voided": 0, "waiting": 0})
    for outcome in outcomes:
        for name in counts:
            counts[name] += len(outcome.get(name, ()))
    return dict(counts)
