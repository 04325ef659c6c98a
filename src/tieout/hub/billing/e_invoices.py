"""Drafts of legal entities that issue e-invoices: when one is to be checked, what a check found, and what that stops.

The check itself is made outside a transaction, by the flow of the same name; release refuses what was not checked as it is
now, and what fails a rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from tieout.domain.billing.sales_document import SalesDocument
from tieout.hub import audit, exceptions, policies, work
from tieout.hub.actors import SYSTEM, Actor
from tieout.hub.billing.documents import E_INVOICE, find, name_of, reference_of
from tieout.hub.billing.record import record_of
from tieout.hub.exceptions import NewException
from tieout.hub.refusals import Conflict, NotFound
from tieout.store import clock
from tieout.store import document_checks as store
from tieout.telemetry.failpoints import fp

KIND = "e-invoice-invalid"
OPEN = ("draft", "approved")
_TOLD = 3
_DATED = ("number", "issue_date", "due_date", "local_tax_amount")
"""What a release adds, and the tax at the rate of its day: they are no part of what was checked."""


@dataclass(frozen=True)
class Subject:
    """A draft to be checked and the digest of what it says."""

    document: SalesDocument
    digest: str


def subject(conn: Connection, ref: str) -> Subject | None:
    """What is to be checked of a draft; None where nothing is: released, void, or no e-invoice."""
    try:
        row = find(conn, ref, SYSTEM)
    except NotFound:
        return None
    return _subject(conn, row) if _is_checked(conn, row) else None


def _is_checked(conn: Connection, row: Mapping[str, Any]) -> bool:
    return row["state"] in OPEN and policies.load(conn).seller(row["legal_entity"]).electronic


def _subject(conn: Connection, row: Mapping[str, Any]) -> Subject:
    record = record_of(conn, row)
    said = {name: value for name, value in asdict(record).items() if name not in _DATED}
    return Subject(record, audit.digest_of([said]).hex())


def settle(conn: Connection, ref: str, digest: str, failed: Sequence[Mapping[str, str]]) -> None:
    """Keep what a check found of a draft; a failed rule is an exception on it, none closes that exception."""
    row = find(conn, ref, SYSTEM)
    if row["state"] not in OPEN:
        return
    store.write(
        conn,
        {"invoice": row["id"], "digest": digest, "failed": list(failed), "checked_at": clock.now(conn)},
    )
    fp("e_invoice.kept")
    if failed:
        exceptions.open_exceptions(conn, [_exception(row, failed)])
    else:
        exceptions.resolve(conn, KIND, [ref], "it is valid")
    fp("e_invoice.settled")


def _exception(row: Mapping[str, Any], failed: Sequence[Mapping[str, str]]) -> NewException:
    ref = reference_of(row)
    rules = sorted({one["rule"] for one in failed})
    return NewException(
        KIND, ref, f"{ref} is no valid e-invoice and cannot be released. {_told(failed)}",
        contract=row["contract"], legal_entity=row["legal_entity"], amount=row["gross_amount"],
        currency=row["currency"],
        evidence={"failed": [dict(one) for one in failed], "preparer": row["preparer"], "customer": row["customer"],
                  "group": ", ".join(rules), "work": {"kind": E_INVOICE, "key": ref}},
    )  # fmt: skip


def _told(failed: Sequence[Mapping[str, str]]) -> str:
    """The first rules in words, each once, and how many more there are."""
    texts = list(dict.fromkeys(f"{one['rule']}: {_bare(one)}" for one in failed))
    more = f" And {len(texts) - _TOLD} more." if len(texts) > _TOLD else ""
    return " ".join(f"{text.rstrip('.')}." for text in texts[:_TOLD]) + more


def _bare(one: Mapping[str, str]) -> str:
    return one["text"].removeprefix(f"[{one['rule']}]").lstrip("- ")


def refuse_invalid(conn: Connection, row: Mapping[str, Any]) -> None:
    """Refuse to release a draft that fails a rule, or that was not checked as it is now."""
    if not _is_checked(conn, row):
        return
    found = store.read(conn, row["id"])
    if found is None or found["digest"] != _subject(conn, row).digest:
        raise Conflict(
            f"{name_of(row)} was not yet checked as an e-invoice as it is now. Nothing was written.",
            code="TIE-205",
            remedy="Try again in a moment; where it stays so, no worker is running.",
            retryable=True,
        )
    if found["failed"]:
        raise Conflict(
            f"{name_of(row)} is no valid e-invoice. {_told(found['failed'])} Nothing was written.",
            code="TIE-209",
            fields={one["rule"]: _bare(one) for one in found["failed"]},
            remedy="Correct what the rule names where it is kept; the draft is then checked again by itself.",
        )


def check(conn: Connection, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a reviewer sees of it: {check, ok, detail}; None where the entity issues no e-invoices."""
    if not _is_checked(conn, row):
        return None
    found = store.read(conn, row["id"])
    if found is None or found["digest"] != _subject(conn, row).digest:
        return {"check": "e_invoice", "ok": False, "detail": "not yet checked as it is now"}
    failed = found["failed"]
    return {
        "check": "e_invoice",
        "ok": not failed,
        "detail": _told(failed) if failed else "valid by EN 16931",
    }


def unchecked(conn: Connection, refs: Collection[str], actor: Actor) -> list[str]:
    """References among these of drafts that wait for their check; it is asked for again."""
    found = []
    for ref in refs:
        try:
            row = find(conn, ref, actor)
        except NotFound:
            continue
        told = check(conn, row)
        if told and not told["ok"]:
            found.append(reference_of(row))
    work.request_all(conn, {(E_INVOICE, ref) for ref in found})
    return found


def ask(conn: Connection, drafted: Mapping[str, str]) -> None:
    """Ask for a check of new drafts ({reference: legal entity}) of entities with e-invoices."""
    stated = policies.load(conn)
    wanted = {(E_INVOICE, ref) for ref, entity in drafted.items() if stated.seller(entity).electronic}
    work.request_all(conn, wanted)


def recheck(conn: Connection, customers: Collection[str] | None = None) -> None:
    """Ask for a check of what entities with e-invoices have not released, of these customers or of all."""
    stated = policies.load(conn).invoicing
    entities = sorted(code for code, one in stated.items() if one.electronic)
    numbers = store.open_drafts(conn, entities, customers)
    work.request_all(conn, {(E_INVOICE, reference_of({"draft_number": number})) for number in numbers})
