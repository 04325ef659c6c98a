"""Settlement: what the ERP says became of our documents. Payments are mirrored, changes by hand are shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.domain.frames import JOURNAL_LINES, PAYMENT_CAUSES, frame
from tieout.domain.subledger import journal_for_payment, reverse
from tieout.hub import audit, books, events, exceptions, exchange, policies, retention, revenue, work
from tieout.hub.actors import SYSTEM
from tieout.hub.billing.documents import books_for, nets_of, open_of, over_lines, share_over, state_after
from tieout.hub.exceptions import NewException
from tieout.model.money import allocate
from tieout.store import billing_events, canonical, clock, settlement
from tieout.store import invoices as store
from tieout.telemetry.failpoints import fp

DRIFT = "target-drift"
MISSING_RATE = exchange.MISSING
_ZERO = Decimal(0)


def settle(conn: Connection, document: str) -> str | None:
    """Take in what an ERP document and its payments say now; the number of ours it is, None when it is not ours.

    Run again on the same facts it changes nothing.
    """
    held = canonical.current(conn, "erp_document", [document]).get(document)
    row = _ours(conn, held)
    if held is None or row is None:
        return None
    billing_events.lock_contracts(conn, store.contracts_of(conn, row["id"]))
    row = store.read(conn, store.by_id(row["id"]), lock=True) or row
    _compare(conn, row, held)
    if row["kind"] == "invoice":
        _pay(conn, row, document)
    return str(row["number"])


def _ours(conn: Connection, held: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if held is None or not held["external_key"]:
        return None
    return store.read(conn, store.by_external_key(held["external_key"]))


def _compare(conn: Connection, row: Mapping[str, Any], held: Mapping[str, Any]) -> None:
    """A person voided or changed the document there: shown with the difference, ours stays as released."""
    number, gross = row["number"], row["gross_amount"]
    found = []
    if held["state"] == "void":
        found.append("it was voided or deleted there")
    elif abs(held["total"]) != gross:
        found.append(f"its total there is {abs(held['total'])}, ours is {gross}")
    if held["number"] != number:
        found.append(f"its number there is {held['number']}")
    if held["currency"] != row["currency"]:
        found.append(f"its currency there is {held['currency']}, ours is {row['currency']}")
    if not found:
        exceptions.resolve(conn, DRIFT, [number], "the document there is as released")
        return
    theirs = _ZERO if held["state"] == "void" else abs(held["total"])
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                DRIFT, number, f"{number} was changed in the ERP: {'; '.join(found)}", contract=row["contract"],
                legal_entity=row["legal_entity"], amount=gross - theirs, currency=row["currency"],
                evidence={"document": held["key"], "state": held["state"]},
            )
        ],
    )  # fmt: skip
    fp("settlement.drift")


def _pay(conn: Connection, row: Mapping[str, Any], document: str) -> None:
    """One journal per payment applied; one that changed or went is reversed, then entered as it is now."""
    moment = clock.now(conn)
    today = moment.astimezone(policies.load(conn).time_zone(row["legal_entity"])).date()
    now = {f"{a['payment']}/{document}/{a['version']}": a for a in settlement.applications(conn, document)}
    booked = {journal["cause"]: journal for journal in settlement.payment_journals(conn, document)}
    kept = _same(now, booked)
    gone = sorted(cause for cause in booked if cause not in kept.values())
    fresh = _rated(conn, row, document, {cause: now[cause] for cause in sorted(now) if cause not in kept})
    if gone:
        _reverse(conn, row, [booked[cause]["id"] for cause in gone], today)
    if fresh:
        _book(conn, row, {cause: now[cause] for cause in fresh})
    credited = sum((n["gross_amount"] for n in store.credits_of(conn, row["id"], released=True)), _ZERO)
    retained = retention.kept_of(conn, row)
    state = state_after(row, settlement.paid(conn, row["external_key"]), credited, retained)
    if state != row["state"]:
        store.change(conn, row["id"], {"state": state}, moment)
        fp("settlement.changed")
    if gone or fresh:
        of = store.contracts_of(conn, row["id"])
        work.request_all(conn, set().union(*(revenue.affected(conn, contract) for contract in of)))
    if gone or fresh or state != row["state"]:
        _announce(conn, row, state, fresh, gone)


def _rated(
    conn: Connection, row: Mapping[str, Any], document: str, applications: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """The applications that can be booked: a payment on a day without an exchange rate waits for one."""
    entity, currency = row["legal_entity"], row["currency"]
    days = {a["paid_on"] for a in applications.values()}
    unknown = {day for day in days if not exchange.is_known(conn, entity, currency, day)}
    waiting = [a for a in applications.values() if a["paid_on"] in unknown]
    if not waiting:
        exceptions.resolve(conn, MISSING_RATE, [row["number"]], "the rate is known")
        return list(applications)
    days_said = ", ".join(str(day) for day in sorted(unknown))
    said = f"{row['number']} was paid on {days_said}: no exchange rate from {currency} to the books of {entity} is known"
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                MISSING_RATE, row["number"], said, contract=row["contract"], legal_entity=entity,
                amount=sum((a["amount"] for a in waiting), _ZERO), currency=currency,
                evidence={"work": {"kind": "settle", "key": document}, "group": MISSING_RATE},
            )
        ],
    )  # fmt: skip
    return [cause for cause, a in applications.items() if a["paid_on"] not in unknown]


def _same(now: Mapping[str, Any], booked: Mapping[str, Any]) -> dict[str, str]:
    """Applications whose payment only got a new version: {cause now: cause it is booked under}."""
    by_payment = {(cause.split("/")[0], journal["amount"]): cause for cause, journal in booked.items()}
    return {
        cause: by_payment[a["payment"], a["amount"]]
        for cause, a in now.items()
        if (a["payment"], a["amount"]) in by_payment
    }


def _reverse(conn: Connection, row: Mapping[str, Any], journals: list[str], today: date) -> None:
    lines = frame(settlement.journal_lines(conn, journals), JOURNAL_LINES)
    books.write_journals(conn, reverse(lines, today, books_for(conn, row)))
    fp("settlement.reversed")


def _book(conn: Connection, row: Mapping[str, Any], applications: Mapping[str, Mapping[str, Any]]) -> None:
    """A payment of several contracts goes over them by what is open of each, in them over the lines by their nets."""
    nets, currency = nets_of(store.lines(conn, row["id"])), row["currency"]
    left = open_of(conn, row, nets)
    causes = []
    for cause, a in applications.items():
        applied = over_lines(share_over(a["amount"], left, currency), nets, currency)
        withheld = over_lines(share_over(_withheld(cause, a, currency), left, currency), nets, currency)
        for (contract, _), share in applied.items():
            left[contract] -= share
        causes += [
            {"cause": cause, "contract": place[0], "line": place[1], "entity": row["legal_entity"], "currency": currency,
             "event_date": a["paid_on"], "applied_amount": share, "unapplied_amount": _ZERO,
             "withheld_amount": withheld[place]}
            for place, share in applied.items()
        ]  # fmt: skip
    books.write_journals(conn, journal_for_payment(frame(causes, PAYMENT_CAUSES), books_for(conn, row)))
    fp("settlement.booked")


def _withheld(cause: str, application: Mapping[str, Any], currency: str) -> Decimal:
    """What of an application (PAYMENT/DOCUMENT/VERSION) was withheld: the payment's, over all that it was applied to."""
    applied = sorted(application["applied"].items())
    place = [document for document, _ in applied].index(cause.split("/")[1])
    return allocate(application["withheld"], [Decimal(amount) for _, amount in applied], currency)[place]


def _announce(
    conn: Connection, row: Mapping[str, Any], state: str, fresh: list[str], gone: list[str]
) -> None:
    number, entity = row["number"], row["legal_entity"]
    said = {"contract": row["contract"], "state": state, "payments": fresh, "taken_back": gone}
    if state == "paid" and row["state"] != "paid":
        events.emit(conn, [events.NewEvent(events.INVOICE_PAID, number, entity, said)])
    audit.record(
        conn, SYSTEM, "settle", "invoice", number, rows=len(fresh) + len(gone), entity=entity, detail=said
    )
