"""Claims about released invoices: a customer contests one, or cannot pay it.

What is contested stays billed; a concession that is expected lowers revenue until the dispute ends or a credit note says
what was conceded (domain rules §2.9, IFRS 15.55). Who cannot pay is a credit loss, never less revenue (IFRS 15.107).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import POSITION_MOVES, frame
from tieout.domain.subledger import CLAIMS, journal_for_claims
from tieout.hub import audit, books, policies
from tieout.hub.actors import Actor, require
from tieout.hub.billing.documents import books_for, nets_of, share_over
from tieout.hub.refusals import Conflict, Invalid, NotFound
from tieout.model.money import round_to_minor
from tieout.store import billing_events, clock, invoices
from tieout.store import claims as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

DISPUTE, CREDIT_LOSS = "dispute", "credit_loss"
_ZERO = Decimal(0)


def dispute(
    conn: Connection, actor: Actor, number: str, reason: str, *, amount: Decimal | None = None,
    expected_concession: Decimal = _ZERO,
) -> str:  # fmt: skip
    """Note that a customer contests an amount of an invoice (all of it), gross; the id of the dispute.

    `expected_concession`, net, is taken out of revenue until the dispute ends. A later dispute replaces an earlier one.
    """
    require(actor, "invoices:draft")
    row = _released(conn, number)
    gross = row["gross_amount"] if amount is None else amount
    _check(row, gross, expected_concession, reason)
    store.end(conn, row["id"], DISPUTE, actor.name, clock.now(conn))
    return _add(conn, actor, row, DISPUTE, gross, expected_concession, reason)


def end_dispute(conn: Connection, actor: Actor, number: str) -> None:
    """The dispute is over; NotFound where nobody contests the invoice."""
    require(actor, "invoices:draft")
    row = _released(conn, number)
    if not store.end(conn, row["id"], DISPUTE, actor.name, clock.now(conn)):
        raise NotFound(f"Nobody contests {number}.")
    audit.record(conn, actor, "end dispute", "invoice", number, entity=row["legal_entity"])
    _book(conn, row, DISPUTE)


def credit_loss(conn: Connection, actor: Actor, number: str, amount: Decimal, reason: str) -> str:
    """Provide for what of an invoice a customer is not expected to pay, gross; the id of the claim. It adds up."""
    require(actor, "invoices:approve")
    row = _released(conn, number)
    before = sum((one["amount"] for one in store.standing(conn, row["id"], CREDIT_LOSS)), _ZERO)
    _check(row, before + amount, _ZERO, reason)
    return _add(conn, actor, row, CREDIT_LOSS, amount, _ZERO, reason)


def settled_by_credit(conn: Connection, row: Mapping[str, Any], actor: str) -> None:
    """A credit note of a contested invoice says what was conceded: the dispute is over."""
    if store.end(conn, row["id"], DISPUTE, actor, clock.now(conn)):
        _book(conn, row, DISPUTE)


def _released(conn: Connection, number: str) -> dict[str, Any]:
    row = invoices.read(conn, invoices.by_number(number))
    if row is None or row["kind"] != "invoice":
        raise NotFound(f"There is no released invoice {number}.")
    billing_events.lock_contracts(conn, invoices.contracts_of(conn, row["id"]))
    return row


def _check(row: Mapping[str, Any], amount: Decimal, conceded: Decimal, reason: str) -> None:
    if not reason.strip():
        raise Invalid("A claim needs a reason.", fields={"reason": "missing"})
    for name, value in (("amount", amount), ("expected_concession", conceded)):
        if value < 0 or value != round_to_minor(value, row["currency"]) or (name == "amount" and not value):
            raise Invalid(f"{value} is no amount of {row['currency']}.", fields={name: "invalid"})
    if amount > row["gross_amount"] or conceded > amount:
        raise Conflict(
            f"{row['number']} is {row['gross_amount']} {row['currency']}: {amount} is more than that."
        )


def _add(
    conn: Connection, actor: Actor, row: Mapping[str, Any], kind: str, amount: Decimal, conceded: Decimal, reason: str
) -> str:  # fmt: skip
    moment = clock.now(conn)
    claim = new_id(moment)
    told = {"id": claim, "invoice": row["id"], "kind": kind, "amount": amount, "expected_concession": conceded,
            "reason": reason, "made_by": actor.name, "made_at": moment}  # fmt: skip
    store.add(conn, told)
    detail = {"amount": amount, "expected_concession": conceded}
    audit.record(conn, actor, kind.replace("_", " "), "invoice", row["number"], entity=row["legal_entity"], reason=reason,
                 detail=detail)  # fmt: skip
    _book(conn, row, kind)
    fp("billing.claimed")
    return claim


def _book(conn: Connection, row: Mapping[str, Any], kind: str) -> None:
    """Bring what the books hold of the claims of a kind to what stands, over the lines of the invoice by their nets."""
    name = "expected_concession" if kind == DISPUTE else "amount"
    wanted = sum((one[name] for one in store.standing(conn, row["id"], kind)), _ZERO)
    nets = nets_of(invoices.lines(conn, row["id"]))
    held = store.booked(conn, row["number"], kind, CLAIMS[kind][0])
    shares = share_over(wanted, nets, row["currency"])
    zone = policies.load(conn).time_zone(row["legal_entity"])
    moves = [
        {"contract": place[0], "line": place[1], "entity": row["legal_entity"], "currency": row["currency"],
         "event_date": clock.now(conn).astimezone(zone).date(), "amount": share - held.get(place, _ZERO)}
        for place, share in shares.items()
    ]  # fmt: skip
    causes = frame([move for move in moves if move["amount"]], POSITION_MOVES).with_columns(
        pl.lit(row["number"]).alias("number")
    )
    if causes.is_empty():
        return
    head = causes.select("number").unique()
    of = {contract for contract, _ in nets}
    named = books.numbered(conn, head, kind, of, head=("number",))
    books.write_journals(
        conn, journal_for_claims(causes.join(named, on="number"), books_for(conn, row), kind)
    )
