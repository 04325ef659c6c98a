"""Drafting: what is billable and due becomes drafts; older drafts of the contract are redone, never doubled.

A draft holds its amounts on the balance of each event, so two runs cannot take the same hour; so does a credit note that
the policy for corrections makes, with the opposite sign. Drafting the same
contract again first takes back what its unreleased drafts hold; a draft whose content stays the same stays.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import DraftSet, draft_invoices
from tieout.domain.frames import INVOICE_TERMS, frame
from tieout.hub import audit, canonical, client_rules, exceptions, policies
from tieout.hub.billing import (
    corrections,
    deposits,
    e_invoices,
    grouping,
    payers,
    retained,
    taxes,
    waiting,
)
from tieout.hub.billing.documents import SIGNS, announce_drafts, reference_of
from tieout.hub.billing.waiting import Work
from tieout.hub.refusals import NotFound
from tieout.store import billing_events, clock
from tieout.store import billing_runs as runs
from tieout.store import invoices as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp


def draft(conn: Connection, run_id: str, contracts: Sequence[str]) -> list[str]:
    """Draft the contracts of a run (those not done yet); the references of new drafts. One transaction."""
    run = runs.read_run(conn, run_id)
    if run is None:
        raise NotFound(f"There is no billing run {run_id}.")
    moment = clock.now(conn)
    contracts = store.sharing_drafts(conn, contracts)
    billing_events.lock_contracts(conn, contracts)
    only_deposits = bool(run["scope"].get(deposits.PURPOSE))
    works = _gather(conn, contracts, run["through"], only_deposits)
    for through in sorted({work.through for work in works}):
        now = [work for work in works if work.through == through]
        shares = _propose(conn, now, through, only_deposits)
        by_contract = {work.contract: work for work in now}
        for work in now:
            _end_old(conn, run, work, by_contract, moment)
        payers.keep(conn, shares, moment)
        _write_new(conn, run, now, by_contract, moment)
    waiting.report(conn, works)
    e_invoices.ask(conn, {ref: entity for work in works for ref, entity in work.sellers.items()})
    for work in works:
        runs.finish_part(conn, run_id, work.contract, waiting.outcome(work), moment)
    fp("billing.draft.parts_done")
    _finish(conn, run_id, moment)
    return list(dict.fromkeys(reference for work in works for reference in work.drafted))


def _gather(conn: Connection, contracts: Sequence[str], through: date, only_deposits: bool) -> list[Work]:
    """The contracts with their terms and the drafts that are redone; those that go together up to the same day."""
    held = canonical.current(conn, "contract", list(contracts))
    own = set(contracts)
    live = [row for row in store.live_drafts(conn, contracts) if _is_redone(row, own)]
    if only_deposits:
        live = [row for row in live if row["purpose"] == deposits.PURPOSE]
    terms = {contract: held.get(contract) or {} for contract in contracts}
    works = []
    for mates in grouping.together(terms, [row["contracts"] for row in live]):
        until = max([through, *(row["through"] for row in live if row["contract"] in mates)])
        works += [
            Work(
                contract, canonical.as_of(conn, "contract", contract, until) or terms[contract], until,
                [row for row in live if row["contract"] == contract],
            )
            for contract in mates
        ]  # fmt: skip
    return sorted(works, key=lambda work: work.contract)


def _is_redone(row: Mapping[str, Any], contracts: set[str]) -> bool:
    """An approved draft stands unless it is stale; every other one may be redone, by who has all its contracts."""
    is_open = row["state"] == "draft" or row["stale_reason"] is not None
    return is_open and contracts.issuperset(row["contracts"])


def _propose(conn: Connection, works: list[Work], through: date, only_deposits: bool) -> payers.Shares:
    """What the drafts of these contracts would be now; how it is shared over payers."""
    held = [row["id"] for work in works for row in work.redone if row["stale_reason"] is None]
    found = runs.billable(conn, [work.contract for work in works], held, through)
    if only_deposits:
        found = [row for row in found if row["kind"] == deposits.KIND]
    customers = {work.contract: work.terms.get("customer") for work in works}
    splits = {work.contract: split for work in works if (split := payers.split_of(work.terms))}
    shares = payers.share(
        conn, [row for row in found if row["amount"] or row["quantity"]], splits, customers, held
    )
    _place(conn, works, shares)
    if policies.load(conn).correction == corrections.POLICY:
        _note_corrections(conn, works, held, through, shares)
    taxes.recall(conn, works)
    decide = taxes.Taxes(conn, works, clock.now(conn))
    for work in works:
        work.rows = deposits.deducted(work, through, decide)
    ready = [work for work in works if work.rows and not work.stopped]
    billable = decide.decided([row for work in ready for row in work.rows])
    proposed = draft_invoices(billable, _terms(ready), through=through)
    reached = retained.reached(conn, [work.contract for work in ready])
    by_contract = {work.contract: work for work in ready}
    kinds = {row["event"]: row["kind"] for work in ready for row in work.rows}
    for work in ready:
        work.waiting = proposed.waiting.filter(pl.col("contract") == work.contract).to_dicts()
    for work in ready:
        drafts = _documents(proposed, work.contract, kinds)
        work.drafts = sorted(
            drafts, key=lambda one: shares.positions.get((work.contract, one["row"]["customer"]), 1)
        )
        of_work = [one for one in work.drafts if one["row"]["purpose"] != deposits.PURPOSE]
        retained.keep_back(of_work, work.contract, work.terms, reached, through)
        _hold_back(work, by_contract)
    asked = (
        {} if only_deposits else retained.asked_back(conn, [work.contract for work in works], through, held)
    )
    for work in works:
        work.drafts += asked.get(work.contract, [])
    return shares


def _hold_back(work: Work, by_contract: Mapping[str, Work]) -> None:
    """Drafts that break a client rule of one of their contracts are not made: their work waits."""
    kept = []
    for document in work.drafts:
        mates = [by_contract[contract] for contract in _contracts(document)]
        stated = [rule for mate in mates for rule in (mate.terms.get("invoicing") or {}).get("rules") or []]
        if not stated:
            kept.append(document)
            continue
        payer = document["row"]["customer"]
        rows = {row["event"]: row for mate in mates for row in mate.rows}
        said = client_rules.broken(list(dict.fromkeys(stated)), document, rows, work.payers.get(payer, {}))
        if not said:
            kept.append(document)
            continue
        for mate in mates:
            mate.broken += [rule for rule in said if rule not in mate.broken]
            mate.waiting += [
                {"event": link["event"], "contract": mate.contract, "payer": payer, "quantity": link["quantity"],
                 "amount": link["amount"], "reason": waiting.RULE}
                for link in document["links"] if rows[link["event"]]["contract"] == mate.contract
            ]  # fmt: skip
    work.drafts = kept


def _contracts(document: Mapping[str, Any]) -> list[str]:
    """The contracts of a document to be ({row, lines, links})."""
    return sorted({line["contract"] for line in document["lines"]})


def _place(conn: Connection, works: list[Work], shares: payers.Shares) -> None:
    """Give each contract what is billable of it and what is known of who pays it: its customer while nothing is."""
    by_contract: dict[str, list[dict[str, Any]]] = {}
    for row in shares.rows:
        by_contract.setdefault(row["contract"], []).append(row)
    paying = {
        work.contract: {row["payer"] for row in by_contract.get(work.contract, ())}
        or {work.terms.get("customer")}
        for work in works
    }
    named = {payer for payers_ in paying.values() for payer in payers_ if payer}
    known = canonical.current(conn, "customer", named)
    for work in works:
        work.rows = by_contract.get(work.contract, [])
        work.payers = {payer: known.get(payer, {}) for payer in sorted(paying[work.contract], key=str)}


def _note_corrections(
    conn: Connection, works: list[Work], held: Collection[str], through: date, shares: payers.Shares
) -> None:
    """Take what corrections give back off the rows of each payer, as credit notes on the invoices that it has."""
    by_contract = {work.contract: work for work in works}
    of_payer: dict[str | None, list[dict[str, Any]]] = {}
    for work in works:
        for row in work.rows:
            only = row["payer"] if (work.contract, row["payer"]) in shares.positions else None
            of_payer.setdefault(only, []).append(row)
        work.rows = []
    for only, rows in of_payer.items():
        notes, noted = corrections.correction_notes(conn, rows, held, through, only)
        for note in notes:
            by_contract[note["row"]["contract"]].notes.append(note)
        for row in rows:
            if row["event"] not in noted:
                by_contract[row["contract"]].rows.append(row)


def _terms(works: list[Work]) -> pl.DataFrame:
    """Invoice terms of every contract line and payer."""
    rows = [
        {
            "contract": work.contract, "line": line, "customer": payer, "entity": work.entity,
            "grouping": _grouping(work, known), "purchase_order": work.terms.get("purchase_order"), "terms_days": _days(work, known),
        }
        for work in works for payer, known in work.payers.items() for line in {row["line"] for row in work.rows}
    ]  # fmt: skip
    return frame(rows, INVOICE_TERMS)


def _grouping(work: Work, payer: Mapping[str, Any]) -> str:
    """A payer who wants its purchase orders named gets an invoice for each."""
    orders = work.grouping == "customer" and payer.get("purchase_order_required")
    return "purchase_order" if orders else work.grouping


def _days(work: Work, payer: Mapping[str, Any]) -> int:
    """Days to pay: the contract's terms, else the payer's."""
    days = work.terms.get("payment_terms_days")
    return int((payer.get("terms_days") or 0) if days is None else days)


def _documents(proposed: DraftSet, contract: str, kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """Proposed invoices whose first contract is this one; `kinds` of the events on them."""
    found = []
    for row in proposed.invoices.filter(pl.col("contract") == contract).to_dicts():
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
        in_advance = deposits.asks_in_advance([kinds[link["event"]] for link in links])
        header["purpose"] = deposits.PURPOSE if in_advance else "work"
        found.append({"row": header, "lines": [_line(line) for line in lines], "links": links})
    return found


def _wanted(work: Work) -> dict[str, dict[str, Any]]:
    return {document["row"]["content_hash"]: document for document in [*work.notes, *work.drafts]}


def _standing(work: Work) -> dict[str, dict[str, Any]]:
    return {row["content_hash"]: row for row in work.redone if row["stale_reason"] is None}


def _end_old(
    conn: Connection, run: Mapping[str, Any], work: Work, by_contract: Mapping[str, Work], moment: datetime
) -> None:
    """Keep drafts that would come out the same, void the others."""
    wanted, standing = _wanted(work), _standing(work)
    gone = [row for row in work.redone if row["stale_reason"] or row["content_hash"] not in wanted]
    end_drafts(conn, gone, "redone: what it was made of has changed", moment)
    for digest in sorted(standing.keys() & wanted.keys()):
        for contract in standing[digest]["contracts"]:
            by_contract[contract].kept.append(reference_of(standing[digest]))
    for row in gone:
        for contract in row["contracts"]:
            by_contract[contract].voided.append(reference_of(row))
    _audit_voids(conn, run, gone)


def _write_new(
    conn: Connection,
    run: Mapping[str, Any],
    works: Sequence[Work],
    by_contract: Mapping[str, Work],
    moment: datetime,
) -> None:
    """Write what does not stand yet, the documents of a kind together."""
    wanted: list[tuple[Work, dict[str, Any]]] = []
    for work in works:
        standing = _standing(work)
        wanted += [(work, one) for digest, one in _wanted(work).items() if digest not in standing]
    for kind in sorted(SIGNS):
        new = [(work, document) for work, document in wanted if document["row"]["kind"] == kind]
        references = _write(conn, run, kind, [document for _, document in new], moment)
        for (work, document), reference in zip(new, references, strict=True):
            for contract in _contracts(document):
                by_contract[contract].drafted.append(reference)
            work.sellers[reference] = document["row"]["legal_entity"]


def end_drafts(conn: Connection, rows: Collection[Mapping[str, Any]], reason: str, moment: datetime) -> None:
    """Void drafts and free what they hold; a stale one was freed when it became stale."""
    for row in sorted(rows, key=lambda r: str(r["id"])):
        if (row["kind"] == "invoice" or row["run"]) and row["stale_reason"] is None:
            store.move(conn, [row["id"]], {"drafted": -SIGNS[row["kind"]]}, moment)
            fp("billing.draft.freed")
    if rows:
        store.void(conn, [row["id"] for row in rows], reason, moment)
        for kind in ("stale-draft", "e-invoice-invalid"):
            exceptions.resolve(conn, kind, [reference_of(row) for row in rows], reason)


def _audit_voids(conn: Connection, run: Mapping[str, Any], rows: Collection[Mapping[str, Any]]) -> None:
    for row in rows:
        audit.record(conn, run["preparer"], "void", row["kind"], reference_of(row), entity=row["legal_entity"],
                     reason="redone", detail={"run": run["id"]})  # fmt: skip


def _write(
    conn: Connection,
    run: Mapping[str, Any],
    kind: str,
    documents: Sequence[Mapping[str, Any]],
    moment: datetime,
) -> list[str]:
    """Write documents of one kind and hold their events; their references."""
    if not documents:
        return []
    by = {"run": run["id"], "preparer": run["preparer"], "recorded_at": moment, "updated_at": moment}
    new = [{**one, "row": {**one["row"], **by, "id": new_id(moment)}} for one in documents]
    numbers = store.insert_documents(conn, new)
    fp("billing.draft.written")
    store.move(conn, [one["row"]["id"] for one in new], {"drafted": SIGNS[kind]}, moment)
    fp("billing.draft.held")
    drafted = [
        ({**one["row"], "draft_number": number}, len(one["links"]))
        for one, number in zip(new, numbers, strict=True)
    ]
    return announce_drafts(conn, drafted, run["preparer"])


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    names = ("contract", "contract_line", "project", "role", "description", "quantity", "unit_price", "net_amount",
             "tax_category", "tax_rate", "corrects")  # fmt: skip
    return {"line": line["number"], **{name: line[name] for name in names}}


def _finish(conn: Connection, run_id: str, moment: datetime) -> None:
    """The last partition ends the run."""
    if runs.open_parts(conn, run_id) == 0:
        done = [part["outcome"] for part in runs.parts(conn, run_id)]
        runs.finish_run(conn, run_id, tally(done), moment)
        fp("billing.run.finished")


def tally(outcomes: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Drafts made, kept and voided, and parts that wait, over all contracts; one of several contracts counts once."""
    named = {
        name: {reference for outcome in outcomes for reference in outcome.get(name, ())}
        for name in ("drafted", "kept", "voided")
    }
    waits = sum(len(outcome.get("waiting", ())) for outcome in outcomes)
    return {**{name: len(references) for name, references in named.items()}, "waiting": waits}
