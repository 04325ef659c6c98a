"""Settlement: what the ERP says became of our documents. Payments are mirrored, changes by hand are shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.domain.frames import JOURNAL_LINES, PAYMENT_CAUSES, frame
from tieout.domain.subledger import journal_for_payment, reverse
from tieout.domain.subledger.accounts import UNAPPLIED_CASH
from tieout.hub import audit, books, events, exceptions, exchange, policies, retention, revenue, work
from tieout.hub.actors import SYSTEM
from tieout.hub.billing.documents import (
    Place,
    books_for,
    nets_of,
    open_of,
    over_lines,
    share_over,
    state_after,
)
from tieout.hub.exceptions import NewException
from tieout.model.money import allocate
from tieout.store import billing_events, canonical, clock, settlement, subledger
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
    credited = sum((n["gross_amount"] for n in store.credits_of(conn, row["id"], released=True)), _ZERO)
    retained = retention.kept_of(conn, row)
    if fresh:
        open_ = row["gross_amount"] - credited - retained - settlement.paid(conn, row["external_key"])
        _book(conn, row, fresh, open_)
    state = state_after(row, settlement.paid(conn, row["external_key"]), credited, retained)
    if state != row["state"]:
        store.change(conn, row["id"], {"state": state}, moment)
        fp("settlement.changed")
    if gone or fresh:
        of = store.contracts_of(conn, row["id"])
        work.request_all(conn, set().union(*(revenue.affected(conn, contract) for contract in of)))
    if gone or fresh or state != row["state"]:
        _announce(conn, row, state, list(fresh), gone)


def _rated(
    conn: Connection, row: Mapping[str, Any], document: str, applications: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The applications that can be booked, in the currency of the document and with what their cash is worth in the books
    where it is of another: at the rate of the day they were paid. What has no rate yet waits for one.
    """
    entity, currency = row["legal_entity"], row["currency"]
    functional = subledger.currencies(conn).get(entity, currency)
    needed = {cause: _pairs(a, currency, functional) for cause, a in applications.items()}
    known = exchange.quotes(conn, (pair for pairs in needed.values() for pair in pairs))
    missing = {cause: pairs - set(known) for cause, pairs in needed.items() if pairs - set(known)}
    if missing:
        _say_missing(conn, row, document, {cause: applications[cause] for cause in missing}, missing)
    else:
        exceptions.resolve(conn, MISSING_RATE, [row["number"]], "the rate is known")
    return {
        cause: _converted(cause, a, currency, functional, known)
        for cause, a in applications.items() if cause not in missing
    }  # fmt: skip


def _pairs(application: Mapping[str, Any], currency: str, functional: str) -> set[tuple[str, str, date]]:
    """The rates that booking a payment asks for."""
    paid, day = application["currency"] or currency, application["paid_on"]
    pairs = {(currency, functional), (paid, currency), (paid, functional)}
    return {(source, target, day) for source, target in pairs if source != target}


def _say_missing(
    conn: Connection, row: Mapping[str, Any], document: str, waiting: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, set[tuple[str, str, date]]],
) -> None:  # fmt: skip
    pairs = sorted(set().union(*missing.values()))
    rates = ", ".join(f"from {source} to {target} for {day}" for source, target, day in pairs)
    sums: dict[str, Decimal] = {}
    for a in waiting.values():
        paid = a["currency"] or row["currency"]
        sums[paid] = sums.get(paid, _ZERO) + a["amount"]
    amounts = ", ".join(f"{amount:f} {paid}" for paid, amount in sorted(sums.items()))
    said = f"{amounts} paid on {row['number']} is not booked: no exchange rate is known {rates}"
    one = next(iter(sums)) if len(sums) == 1 else None
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                MISSING_RATE, row["number"], said, contract=row["contract"], legal_entity=row["legal_entity"],
                amount=sums[one] if one else None, currency=one,
                evidence={"work": {"kind": "settle", "key": document}, "group": MISSING_RATE},
            )
        ],
    )  # fmt: skip


def _converted(
    cause: str, application: Mapping[str, Any], currency: str, functional: str,
    known: Mapping[tuple[str, str, date], exchange.Quote],
) -> dict[str, Any]:  # fmt: skip
    """An application in the currency of its document; `cash_worth` is null where the cash is in that currency too."""
    paid, day = application["currency"] or currency, application["paid_on"]
    amount, withheld = application["amount"], _withheld(cause, application, paid)
    told = {**application, "withheld": withheld, "cash_worth": None}
    if paid == currency:
        return told
    quote = known[paid, currency, day]
    cash = amount - withheld
    worth = cash if paid == functional else known[paid, functional, day].converted(cash, functional)
    return {
        **told, "amount": quote.converted(amount, currency), "withheld": quote.converted(withheld, currency),
        "cash_worth": None if functional == currency else worth,
    }  # fmt: skip


def _same(now: Mapping[str, Any], booked: Mapping[str, Any]) -> dict[str, str]:
    """Applications that are booked, or whose payment only got a new version: {cause now: cause it is booked under}."""
    by_payment = {(cause.split("/")[0], journal["amount"]): cause for cause, journal in booked.items()}
    return {
        cause: cause if cause in booked else by_payment[a["payment"], a["amount"]]
        for cause, a in now.items()
        if cause in booked or (a["payment"], a["amount"]) in by_payment
    }


def _reverse(conn: Connection, row: Mapping[str, Any], journals: list[str], today: date) -> None:
    lines = frame(settlement.journal_lines(conn, journals), JOURNAL_LINES)
    books.write_journals(conn, reverse(lines, today, books_for(conn, row)))
    fp("settlement.reversed")


def _book(
    conn: Connection, row: Mapping[str, Any], applications: Mapping[str, Mapping[str, Any]], open_: Decimal
) -> None:
    """One journal per application: over contracts by what is open of each, in them over the lines by their nets.

    What is more than is open of the document is unapplied; what is paid back comes off that first.
    """
    nets, currency = nets_of(store.lines(conn, row["id"])), row["currency"]
    functional = subledger.currencies(conn).get(row["legal_entity"], currency)
    left = open_of(conn, row, nets)
    unapplied = settlement.paid(conn, row["external_key"], UNAPPLIED_CASH)
    causes = []
    for cause, a in applications.items():
        back = min(a["amount"] + unapplied, _ZERO)
        applied = back if a["amount"] < 0 else min(a["amount"], max(open_, _ZERO))
        open_ -= applied
        unapplied += a["amount"] - applied
        by_contract = share_over(applied, left, currency)
        shares = {
            "applied_amount": over_lines(by_contract, nets, currency),
            "unapplied_amount": _over(a["amount"] - applied, left, nets, currency),
            "withheld_amount": _over(a["withheld"], left, nets, currency),
        }
        if a["cash_worth"] is not None:
            shares["cash_worth"] = _over(a["cash_worth"], left, nets, functional)
        left = {contract: weight - by_contract[contract] for contract, weight in left.items()}
        causes += [
            {"cause": cause, "contract": place[0], "line": place[1], "entity": row["legal_entity"], "currency": currency,
             "event_date": a["paid_on"], **{name: of[place] for name, of in shares.items()}}
            for place in nets
        ]  # fmt: skip
    books.write_journals(conn, journal_for_payment(frame(causes, PAYMENT_CAUSES), books_for(conn, row)))
    fp("settlement.booked")


def _over(
    amount: Decimal, contracts: Mapping[str, Decimal], nets: Mapping[Place, Decimal], currency: str
) -> dict[Place, Decimal]:
    """An amount over contracts by their weights, in them over the lines by their nets."""
    return over_lines(share_over(amount, contracts, currency), nets, currency)


def _withheld(cause: str, application: Mapping[str, Any], currency: str) -> Decimal:
    """What of an application (PAYMENT/DOCUMENT/VERSION) was withheld: the payment's, over all that it was applied to."""
    if not application["withheld"]:
        return _ZERO
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
