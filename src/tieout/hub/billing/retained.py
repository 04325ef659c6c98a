"""Retention on documents: what the customer keeps of a draft, and the drafts that ask for what was kept before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import retention
from tieout.hub.billing.documents import digest_of, name_of
from tieout.hub.refusals import Conflict
from tieout.store import retention as store

PURPOSE = "retention"
_ZERO = Decimal(0)
_OUTSIDE_TAX = {"tax_category": "O", "tax_rate": _ZERO}
"""The tax of what is kept was due in full with its invoice."""
_HEADER = ("contract", "customer", "legal_entity", "currency", "purchase_order", "terms_days")


def reached(conn: Connection, contracts: Sequence[str]) -> list[dict[str, Any]]:
    """Accepted milestones of those of the contracts that have a retention: {contract, milestone, day}."""
    keys = store.contracts_with(conn, contracts)
    return store.accepted(conn, keys) if keys else []


def keep_back(
    documents: Sequence[dict[str, Any]], contract: str, terms: Mapping[str, Any], reached: Sequence[Mapping[str, Any]],
    on: date,
) -> None:  # fmt: skip
    """Write on the drafts of a contract ({row, lines, links}) what the customer keeps of them by its terms.

    `reached`: milestones that are accepted (rows of `retention.accepted`). Once all is free nothing more is kept.
    """
    plan = retention.plan_of(terms)
    if plan is None or not documents:
        return
    rows = [
        {"invoice": str(place), "of": contract, "currency": row["currency"], "net_amount": row["net_amount"],
         "tax_amount": row["tax_amount"], "credited_net_amount": _ZERO, "credited_tax_amount": _ZERO}
        for place, row in enumerate(document["row"] for document in documents)
    ]  # fmt: skip
    kept = retention.share_back(rows, {contract: plan}, reached, on)
    if any(_is_free(part, on) for part in kept.iter_rows(named=True)):
        return
    amounts = {part["invoice"]: part["retained_amount"] for part in kept.iter_rows(named=True)}
    for place, document in enumerate(documents):
        told = {"retention_share": plan["share"], "retained_amount": amounts[str(place)]}
        document["row"] |= told
        document["row"]["content_hash"] = digest_of(document["row"], document["lines"], document["links"])


def asked_back(
    conn: Connection, contracts: Sequence[str], through: date, redone: Collection[str]
) -> dict[str, list[dict[str, Any]]]:
    """Drafts that ask for retentions that are free by a day, one per contract and payer: {contract: [{row, lines, links}]}.

    What other documents ask for already stays with them; drafts `redone` are about to end.
    """
    wanted: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in _left(conn, contracts, through, redone):
        if row["left"] > 0:
            wanted.setdefault((row["contract"], row["customer"]), []).append(row)
    found: dict[str, list[dict[str, Any]]] = {}
    for (contract, _), parts in sorted(wanted.items()):
        found.setdefault(contract, []).append(_document(parts, through))
    return found


def refuse_beyond(conn: Connection, row: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> None:
    """A document asks for no more than is kept now: its invoices may have been credited since, or their terms changed."""
    left = {
        (one["number"], one["line"]): one["left"]
        for one in _left(conn, [row["contract"]], row["through"], [row["id"]])
    }
    for line in lines:
        free = left.get((line["settles"], line["contract_line"]), _ZERO)
        if line["net_amount"] > free:
            raise Conflict(
                f"{name_of(row)} asks for {line['net_amount']} of the retention of {line['settles']}, {free} is free."
                " Nothing was written.",
                code="TIE-206",
                remedy="Run billing again for the contract: the draft is redone from what holds now.",
            )


def _left(
    conn: Connection, contracts: Sequence[str], through: date, besides: Collection[str]
) -> list[dict[str, Any]]:
    """What is free by a day of each invoice and line, less what documents ask for: rows of `by_line` with `left`."""
    keys = store.contracts_with(conn, contracts)
    rows = [row for row in retention.held(conn, keys, through) if _is_free(row, through)] if keys else []
    asked = {
        (one["number"], one["line"]): one["amount"]
        for one in store.asked(conn, [row["number"] for row in rows], besides)
    }
    return [
        {**row, "left": row["retained_amount"] - asked.get((row["number"], row["line"]), _ZERO)}
        for row in retention.by_line(conn, rows)
    ]


def _is_free(row: Mapping[str, Any], through: date) -> bool:
    return row["release_on"] is not None and row["release_on"] <= through


def _document(parts: Sequence[Mapping[str, Any]], through: date) -> dict[str, Any]:
    lines = [
        {"line": place, "contract": part["contract"], "contract_line": part["line"], "project": None, "role": None, "corrects": None,
         "description": f"Retention of {part['number']}", "quantity": Decimal(1), "unit_price": part["left"],
         "net_amount": part["left"], "settles": part["number"], **_OUTSIDE_TAX}
        for place, part in enumerate(parts, 1)
    ]  # fmt: skip
    net = sum((line["net_amount"] for line in lines), _ZERO)
    row = {
        **{name: parts[0][name] for name in _HEADER}, "kind": "invoice", "purpose": PURPOSE, "state": "draft",
        "through": through, "net_amount": net, "tax_amount": _ZERO, "gross_amount": net,
    }  # fmt: skip
    return {"row": row | {"content_hash": digest_of(row, lines, [])}, "lines": lines, "links": []}
