"""The tax of drafts: what the firm states of sellers, buyers and rates, and what earlier documents charged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing.deposits import DEDUCTION, KIND, Row, part_of
from tieout.domain.frames import BILLABLE, TAX_PARTIES, frame
from tieout.domain.tax import tax_sales
from tieout.hub import canonical, policies
from tieout.hub.billing.documents import name_of
from tieout.hub.billing.waiting import Work
from tieout.hub.policies import Policies
from tieout.hub.refusals import Conflict
from tieout.model.money import allocate
from tieout.store import billing_runs as runs
from tieout.store import invoices as store

_TAX = ("tax_category", "tax_rate")
_ZERO = Decimal(0)


class Taxes:
    """What decides the tax of the works of a run; invoices would be issued at `moment`."""

    def __init__(self, conn: Connection, works: Sequence[Work], moment: datetime) -> None:
        self._stated = policies.load(conn)
        sellers = _sellers(conn, self._stated, {work.entity for work in works if work.entity})
        rows = [
            {"contract": work.contract, "line": line, "payer": payer, "entity": work.entity, "code": code,
             "seller": sellers.get(work.entity or ""), "country": known.get("country"), "exempt": known.get("exemption") is not None,
             "business": known.get("tax_id") is not None,
             "issued_on": moment.astimezone(self._stated.time_zone(work.entity)).date()}
            for work in works for payer, known in work.payers.items() for line, code in _codes(work).items()
        ]  # fmt: skip
        self._parties = frame(rows, TAX_PARTIES)

    def decided(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Billable rows as BILLABLE with their tax; null where no rule fits."""
        return tax_sales(frame(rows, BILLABLE), self._parties, self._stated.tax_points, self._stated.tax)


def recall(conn: Connection, works: Sequence[Work]) -> None:
    """Write on the billable rows of the works the tax that earlier documents charged for the same.

    What corrects an invoice has its day, and what takes back has its tax, split where that was under two rates; a
    deduction has the tax of its deposit.
    """
    rows = [row for work in works for row in work.rows]
    entries = {row["entry"] for row in rows if row["corrects"]}
    prepaid = {row["contract"] for row in rows if row["kind"] == DEDUCTION}
    told: dict[tuple[str, str, str], list[Row]] = {}
    for one in runs.taxed(conn, entries, prepaid) if entries or prepaid else ():
        told.setdefault((one["contract"], one["deposit"] or one["entry"], one["customer"]), []).append(one)
    for work in works:
        work.rows = [part for row in work.rows for part in _recalled(row, told)]


def _recalled(row: Row, told: Mapping[tuple[str, str, str], list[Row]]) -> list[Row]:
    if row["kind"] == KIND:
        return [{**row, "paid_on": row["work_date"]}]
    deducts = row["kind"] == DEDUCTION
    if not deducts and not row["corrects"]:
        return [row]
    before = told.get((row["contract"], row["item"] if deducts else row["entry"], row["payer"]))
    if not before:
        return [row]
    row["invoiced_on"] = before[0]["issue_date"]
    if not deducts and row["kind"] not in ("reversal", "adjustment"):
        return [row]
    weights = [max(one["amount"], _ZERO) for one in before]
    if len(before) == 1 or not any(weights) or not row["amount"]:
        return [{**row, **{name: before[0][name] for name in _TAX}}]
    amounts = allocate(row["amount"], weights, row["currency"])
    parts = [
        {**part_of(row, amount), **{name: one[name] for name in _TAX}}
        for one, amount in zip(before, amounts, strict=True) if amount
    ]  # fmt: skip
    parts[-1]["quantity"] = row["quantity"] - sum((part["quantity"] for part in parts[:-1]), _ZERO)
    return parts


def refuse_other_tax(conn: Connection, row: Mapping[str, Any], issued: date, moment: datetime) -> None:
    """A draft is not released where the tax is another than when it was drafted.

    Its day counts and has other rates, or the customer has moved or is exempt, or no longer.
    """
    stated = policies.load(conn)
    made, payer = row["recorded_at"], row["customer"]
    drafted = made.astimezone(stated.time_zone(row["legal_entity"])).date()
    buyer = canonical.current(conn, "customer", [payer]).get(payer, {})
    starts = pl.col("effective_from").is_between(drafted, issued, closed="right")
    ends = pl.col("effective_to").is_between(drafted, issued, closed="left")
    before = canonical.known_at(conn, "customer", payer, made) or {}
    is_same = all(before.get(name) == buyer.get(name) for name in ("country", "exemption", "tax_id"))
    if is_same and (drafted == issued or stated.tax.filter(starts | ends).is_empty()):
        return
    lines = [line for line in store.lines(conn, row["id"]) if not (line["corrects"] or line["settles"])]
    works = [_asked(conn, row, contract, lines) for contract in sorted({line["contract"] for line in lines})]
    then, now = (_answers(conn, works, payer, known, at) for known, at in ((before, made), (buyer, moment)))
    for line in lines:
        place = line["contract"], line["contract_line"]
        same_rate = (line["tax_category"], line["tax_rate"]) == then[place]
        same = same_rate or then[place][0] == line["tax_category"] != now[place][0]
        if same and then[place] != now[place]:
            raise Conflict(
                f"{name_of(row)} was drafted on {drafted} under {_said(*then[place])}; on {issued} that is"
                f" {_said(*now[place])}. Nothing was written.",
                code="TIE-206",
                remedy="Void it and run billing again for the contract.",
            )


def _asked(
    conn: Connection, row: Mapping[str, Any], contract: str, lines: Sequence[Mapping[str, Any]]
) -> Work:
    """Work on the last day of an invoice, in each line of one contract that stands on it."""
    work = Work(
        contract, canonical.as_of(conn, "contract", contract, row["through"]) or {}, row["through"], []
    )
    work.rows = [
        {"contract": contract, "line": line, "payer": row["customer"], "entity": row["legal_entity"], "work_date": work.through}
        for line in sorted({line["contract_line"] for line in lines if line["contract"] == contract})
    ]  # fmt: skip
    return work


def _answers(
    conn: Connection, works: Sequence[Work], payer: str, known: Mapping[str, Any], at: datetime
) -> dict[tuple[str, str], tuple[str | None, Decimal | None]]:
    """(category, rate) by contract and line, of a payer as known, were it invoiced at that moment."""
    for work in works:
        work.payers = {payer: known}
    decided = Taxes(conn, works, at).decided([row for work in works for row in work.rows])
    return {
        (one["contract"], one["line"]): (one["tax_category"], one["tax_rate"])
        for one in decided.iter_rows(named=True)
    }


def _said(category: str | None, rate: Decimal | None) -> str:
    return "no tax rule" if rate is None else f"{category} {(rate * 100).normalize():f} %"


def _sellers(conn: Connection, stated: Policies, entities: set[str]) -> dict[str, str | None]:
    """The country of each legal entity: what its documents say, else its own."""
    known = canonical.current(conn, "legal_entity", entities)
    return {
        code: stated.seller(code).facts.get("country") or known.get(code, {}).get("country")
        for code in entities
    }


def _codes(work: Work) -> dict[str, str | None]:
    """The tax code of each line with work: its own, else that of the contract's invoicing, else none."""
    own = {line["line"]: line.get("tax_code") for line in work.terms.get("lines") or []}
    common = (work.terms.get("invoicing") or {}).get("tax_code")
    return {line: own.get(line) or common for line in sorted({row["line"] for row in work.rows})}
