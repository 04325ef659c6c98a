"""Release: a number, dates, balances, journals and the order to post, in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import payments_moved
from tieout.domain.billing.deposits import SECURITY
from tieout.domain.frames import CREDIT_CAUSES, DOCUMENT_CAUSES, EARNED_CAUSES, EARNED_MOVES, MONEY, frame
from tieout.domain.revenue import passed_on
from tieout.domain.subledger import journal_for_credit, journal_for_earned, journal_for_release
from tieout.hub import audit, books, events, exchange, ownership, policies, retention, revenue, work
from tieout.hub.actors import SYSTEM, Actor, require
from tieout.hub.billing import claims, deposits, e_invoices, retained, taxes
from tieout.hub.billing.decisions import locked, refuse_preparer, refuse_stale
from tieout.hub.billing.documents import (
    NAMES,
    SIGNS,
    Place,
    books_for,
    check_version,
    external_key_of,
    name_of,
    nets_of,
    open_of,
    over_lines,
    reference_of,
    share_over,
    state_after,
    stored_digest,
    taxes_of,
)
from tieout.hub.policies import Policies
from tieout.hub.refusals import Conflict
from tieout.model.periods import period_of
from tieout.store import clock, settlement, subledger
from tieout.store import invoices as store
from tieout.telemetry.failpoints import fp

_ZERO = Decimal(0)
_TAKEN = pl.Schema(
    [
        ("event", pl.String()),
        ("contract", pl.String()),
        ("line", pl.String()),
        ("origin", pl.Date()),
        ("amount", MONEY),
    ]
)


@dataclass(frozen=True)
class Release:
    """What a release decides: number, dates, and the document as it was approved."""

    row: Mapping[str, Any]
    number: str
    issued: date
    due: date | None
    moment: datetime


def release(conn: Connection, ref: str, actor: Actor, version: int | None = None) -> str:
    """Release an approved document; its number. Released already: that number again, nothing is done.

    Refused when the document is stale, differs from what was approved, or its day lies in a closed period; a refused
    or failed release takes no number.
    """
    row = locked(conn, ref, actor)
    require(actor, f"{NAMES[row['kind']]}:release")
    refuse_preparer(row, actor, "release")
    if row["number"]:
        return str(row["number"])
    check_version(row, version)
    _refuse_unapproved(conn, row)
    e_invoices.refuse_invalid(conn, row)
    stated = policies.load(conn)
    moment = clock.now(conn)
    issued = moment.astimezone(stated.time_zone(row["legal_entity"])).date()
    _refuse_closed(conn, row, issued)
    _refuse_unrated(conn, row, issued)
    if row["kind"] == "invoice":
        taxes.refuse_other_tax(conn, row, issued, moment)
    done = _number(conn, row, stated, issued, moment)
    if row["kind"] == "invoice":
        _bill(conn, done)
    else:
        _credit(conn, done)
    _announce(conn, done, actor)
    return done.number


def _refuse_unapproved(conn: Connection, row: Mapping[str, Any]) -> None:
    if row["state"] != "approved":
        raise Conflict(f"{name_of(row)} is {row['state']}: only what is approved is released.")
    refuse_stale(row)
    if row["approved_hash"] != row["content_hash"] or stored_digest(conn, row) != row["approved_hash"]:
        raise Conflict(
            f"{name_of(row)} is not what {row['approver']} approved. Nothing was written.",
            code="TIE-207",
            remedy="Void it and run billing again.",
        )
    if (row["kind"] == "invoice" or row["run"]) and store.short_of(conn, row["id"]):
        raise Conflict(
            f"{name_of(row)} holds hours that are no longer drafted for it. Nothing was written.",
            code="TIE-206",
            remedy="Run billing again for the contract.",
        )
    if row["purpose"] == retained.PURPOSE:
        retained.refuse_beyond(conn, row, store.lines(conn, row["id"]))
    if row["kind"] == "credit_note" and store.beyond(conn, row["id"]):
        raise Conflict(
            f"{name_of(row)} credits hours that were corrected after it was drafted. Nothing was written.",
            code="TIE-206",
            remedy="Void it and ask for the credit of what is left.",
        )


def _refuse_closed(conn: Connection, row: Mapping[str, Any], issued: date) -> None:
    entity = row["legal_entity"]
    if books.is_closed(conn, entity, issued):
        period = period_of(issued, policies.load(conn).calendar(entity))
        raise Conflict(
            f"{name_of(row)} was not released: period {period} of {entity} is closed. Nothing was written.",
            code="TIE-204",
            fields={"issue_date": "closed-period"},
            remedy="Release it when the next period has begun, or ask the controller to reopen the period.",
        )


def _refuse_unrated(conn: Connection, row: Mapping[str, Any], issued: date) -> None:
    entity, currency = row["legal_entity"], row["currency"]
    if not exchange.is_known(conn, entity, currency, issued):
        raise Conflict(
            f"{name_of(row)} was not released: no exchange rate from {currency} to the books of {entity} is known for"
            f" {issued}. Nothing was written.",
            code="TIE-204",
            fields={"currency": "missing-fx"},
            remedy=f"State the rate of {currency} for {issued}, then release it.",
        )


def _number(
    conn: Connection, row: Mapping[str, Any], stated: Policies, issued: date, moment: datetime
) -> Release:
    due = issued + timedelta(days=row["terms_days"]) if row["kind"] == "invoice" else None
    entity, kind = row["legal_entity"], row["kind"]
    number = store.take_number(conn, entity, kind, stated.series(entity, kind))
    fp("billing.release.numbered")
    values = {
        "number": number, "external_key": external_key_of(number), "state": "released", "issue_date": issued,
        "due_date": due, "released_at": moment,
    }  # fmt: skip
    store.change(conn, row["id"], values, moment)
    fp("billing.release.changed")
    return Release(row, number, issued, due, moment)


def _bill(conn: Connection, done: Release) -> None:
    """Drafted becomes billed; the receivable stands against unbilled receivable or contract liability.

    A document that asks for retentions bills nothing anew: what was kept becomes a receivable.
    """
    contracts = store.contracts_of(conn, done.row["id"])
    if done.row["purpose"] == retained.PURPOSE:
        retention.book(conn, contracts)
        return
    causes = _causes(conn, done)
    store.move(conn, [done.row["id"]], {"drafted": -1, "billed": 1}, done.moment)
    fp("billing.release.balances")
    books.write_journals(conn, journal_for_release(frame(causes, DOCUMENT_CAUSES), books_for(conn, done.row)))
    retention.book(conn, contracts)


def _credit(conn: Connection, done: Release) -> None:
    """What is credited may be billed again (rebill), or is given up and takes its revenue with it."""
    row = done.row
    original = store.read(conn, store.by_id(row["credits"]), lock=True)
    if original is None:
        raise AssertionError("a credit note refers to its invoice by a foreign key")
    before = store.credits_of(conn, original["id"], released=True)
    credited = sum((n["gross_amount"] for n in before if n["id"] != row["id"]), _ZERO)
    paid = settlement.paid(conn, original["external_key"])
    kept = retention.waiting_of(conn, original)
    open_amount = max(original["gross_amount"] - credited - paid - kept, _ZERO)
    causes = _with_open(conn, done, original, open_amount)
    places = {"drafted": -SIGNS[row["kind"]], "credited": 1} if row["run"] else {"credited": 1}
    store.move(conn, [row["id"]], places, done.moment)
    if not row[
        "rebill"
    ]:  # a correction of an earlier invoice stays owed to the customer: only work is given up
        store.move(conn, [row["id"]], {"written_off": 1}, done.moment, works=True)
    fp("billing.credit.balances")
    books.write_journals(conn, journal_for_credit(frame(causes, CREDIT_CAUSES), books_for(conn, original)))
    if not row["rebill"]:
        _give_up(conn, done)
    retention.book(conn, store.contracts_of(conn, row["id"]))
    claims.settled_by_credit(conn, original, SYSTEM.name)
    kept = retention.kept_of(conn, original)
    state = state_after(original, paid, credited + row["gross_amount"], kept)
    if state != original["state"]:
        store.change(conn, original["id"], {"state": state}, done.moment)
    fp("billing.credit.original")


def _give_up(conn: Connection, done: Release) -> None:
    """Reverse the revenue of what was credited and will not be billed again."""
    row = done.row
    openings = _openings(conn, store.contracts_of(conn, row["id"]))
    taken = _taken_back(store.give_up_revenue(conn, row["id"], done.moment))
    sums = (
        taken.group_by("contract", "line", "origin")
        .agg(pl.col("amount", "pass_through_amount").sum())
        .sort("contract", "line", "origin")
    )
    causes = [
        {"cause": done.number, "entity": row["legal_entity"], "currency": row["currency"], "event_date": done.issued,
         "opening": openings.get((part["contract"], part["line"]), _ZERO), **part}
        for part in sums.iter_rows(named=True)
    ]  # fmt: skip
    written = books.write_journals(
        conn, journal_for_earned(frame(causes, EARNED_CAUSES), books_for(conn, row))
    )
    if written:
        journal = pl.lit(written[f"revenue:{done.number}"]).alias("journal")
        entries = taken.select(journal, "event", "amount", "pass_through_amount")
        subledger.insert_revenue_entries(conn, entries)
    fp("billing.credit.revenue")


def _taken_back(parts: list[dict[str, Any]]) -> pl.DataFrame:
    """What was taken out of each event with its sign turned, and what of that was another party's (IFRS 15.B36)."""
    moves = [
        {"event": part["event"], "currency": part["currency"], "amount": part["whole"], "before": part["before"],
         "pass_through_amount": part["whole_passed"], "after": part["before"] - part["amount"]}
        for part in parts
    ]  # fmt: skip
    passed = passed_on(frame(moves, EARNED_MOVES))
    lines = frame([{**part, "amount": -part["amount"]} for part in parts], _TAKEN)
    return lines.join(passed, on="event", maintain_order="left")


def _causes(conn: Connection, done: Release) -> list[dict[str, Any]]:
    """Net and tax per contract line, with the line's position before the document."""
    row = done.row
    lines = store.lines(conn, row["id"])
    nets, taxes = nets_of(lines), taxes_of(row, lines)
    openings = _openings(conn, {contract for contract, _ in nets})
    secured = store.secured(conn, row["id"], SECURITY)
    return [
        {"cause": done.number, "contract": place[0], "line": place[1], "entity": row["legal_entity"],
         "currency": row["currency"], "event_date": done.issued, "net_amount": net, "tax_amount": taxes[place],
         "opening": openings.get(place, _ZERO), "secured_amount": secured.get(place, _ZERO)}
        for place, net in nets.items()
    ]  # fmt: skip


def _with_open(
    conn: Connection, done: Release, original: Mapping[str, Any], open_amount: Decimal
) -> list[dict[str, Any]]:
    """Causes of a credit note with what is open of the invoice for each, by its contract, and payments that move."""
    currency, causes = done.row["currency"], _causes(conn, done)
    nets = nets_of(store.lines(conn, original["id"]))
    left = share_over(open_amount, open_of(conn, original, nets), currency)
    gross = {
        (cause["contract"], cause["line"]): cause["net_amount"] + cause["tax_amount"] for cause in causes
    }
    credited: dict[str, Decimal] = dict.fromkeys(left, _ZERO)
    for (contract, _), amount in gross.items():
        credited[contract] += amount
    moved = payments_moved(left, credited, currency)
    mine = {contract: left[contract] - moved[contract] for contract in {contract for contract, _ in gross}}
    shares = over_lines(mine, gross, currency)
    moves = {place: amount for place, amount in over_lines(moved, nets, currency).items() if amount}
    told = [
        {**cause, "open_amount": shares[place], "moved_amount": moves.pop(place, _ZERO)}
        for place, cause in zip(gross, causes, strict=True)
    ]
    still = {name: causes[0][name] for name in ("cause", "entity", "currency", "event_date")}
    nothing = dict.fromkeys(("net_amount", "tax_amount", "opening", "open_amount"), _ZERO)
    return told + [
        {**still, **nothing, "contract": place[0], "line": place[1], "moved_amount": amount}
        for place, amount in moves.items()
    ]


def _openings(conn: Connection, contracts: Collection[str]) -> dict[Place, Decimal]:
    rows = books.positions(conn, contracts).iter_rows(named=True)
    return {(row["contract"], row["line"]): row["recognised_amount"] - row["billed_amount"] for row in rows}


def _announce(conn: Connection, done: Release, actor: Actor) -> None:
    row, entity = done.row, done.row["legal_entity"]
    said = {"reference": reference_of(row), "contract": row["contract"], "currency": row["currency"],
            "gross_amount": row["gross_amount"], "issue_date": done.issued}  # fmt: skip
    type = events.INVOICE_RELEASED if row["kind"] == "invoice" else events.CREDIT_NOTE_RELEASED
    events.emit(conn, [events.NewEvent(type, done.number, entity, said)])
    audit.record(conn, actor, "release", row["kind"], done.number, entity=entity,
                 digest=bytes.fromhex(row["content_hash"]), detail=said)  # fmt: skip
    fp("billing.release.recorded")
    wanted = {("post", done.number)} if row["purpose"] != retained.PURPOSE else set()
    for contract in store.contracts_of(conn, row["id"]):
        wanted |= revenue.affected(conn, contract)
        if row["kind"] != "invoice" and not row["rebill"]:
            wanted.add(("rate", contract))  # a fee of a period that is given up earns less
        if row["purpose"] == deposits.PURPOSE:
            wanted.add(("rate", contract))  # what was asked for is taken off the next invoice
    crm = ownership.load(conn).owner("opportunity", entity, done.issued)
    if crm is not None:
        wanted.add(("status_back", crm))
    work.request_all(conn, wanted)
