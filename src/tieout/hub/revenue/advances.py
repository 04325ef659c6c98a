"""Advance invoices that may still be cancelled: they count once they are due or paid (IFRS 15.108, IE198–IE200)."""

from __future__ import annotations

from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.frames import BILLED_DOCUMENTS, MONEY, frame
from tieout.domain.revenue import counted_billing
from tieout.hub.revenue.plan import Facts
from tieout.model.money import round_to_minor
from tieout.store import revenue as store

COLUMNS = pl.Schema({"contract": pl.String(), "line": pl.String(), "day": pl.Date(), "uncounted": MONEY})


def uncounted(conn: Connection, facts: Facts, days: pl.DataFrame) -> pl.DataFrame:
    """What is invoiced of each line and does not count yet, on days (contract, day): COLUMNS."""
    cancellable = {
        version.contract
        for unit in facts.units
        for version in unit.versions
        if version.accounting.get("non_cancellable") is False
    }
    documents = facts.documents.filter(pl.col("contract").is_in(list(cancellable)))
    if documents.is_empty():
        return pl.DataFrame(schema=COLUMNS)
    paid: dict[str, list[dict[str, Any]]] = {}
    for row in store.paid_shares(conn, sorted(cancellable)):
        paid.setdefault(row["number"], []).append(row)
    rows = [
        part for row in documents.iter_rows(named=True) for part in _parts(row, paid.get(row["number"], []))
    ]
    billed = frame(rows, BILLED_DOCUMENTS)
    theirs = days.filter(pl.col("contract").is_in(list(cancellable)))
    counted = counted_billing(billed, days=theirs["day"].unique().to_list())
    all_billed = counted_billing(
        billed.with_columns(pl.lit("release").alias("right")), days=theirs["day"].unique().to_list()
    )
    names = ["unit", "obligation", "day"]
    both = all_billed.join(counted, on=[*names, "currency"], how="left", suffix="_counted")
    left = pl.col("billed_amount") - pl.col("billed_amount_counted").fill_null(0)
    named = both.select(
        pl.col("unit").alias("contract"), pl.col("obligation").alias("line"), "day", left.alias("uncounted")
    )
    return named.cast(COLUMNS).join(theirs.unique(), on=["contract", "day"], how="semi")


def _parts(row: dict[str, Any], paid: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A document's part of a line: what payments cover of it, each from its day, and the rest from when it is due."""
    head = {
        "unit": row["contract"], "obligation": row["line"], "currency": row["currency"], "right": "due",
        "released_on": row["released_on"], "due_on": row["due_on"],
    }  # fmt: skip
    found, left = [], row["net_amount"]
    for payment in paid:
        part = round_to_minor(row["net_amount"] * payment["share"], row["currency"])
        found.append({**head, "paid_on": payment["paid_on"], "net_amount": part})
        left -= part
    return [*found, {**head, "paid_on": None, "net_amount": left}]
