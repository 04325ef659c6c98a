"""Drafts: billable events grouped into invoices, one price per line, corrections last, content fixed by a digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.billing.deposits import KIND as DEPOSIT
from tieout.domain.billing.totals import invoice_totals
from tieout.domain.frames import (
    BILLABLE,
    DRAFT_EVENTS,
    DRAFT_LINES,
    DRAFTS,
    INVOICE_TERMS,
    PRICE,
    WAITING_EVENTS,
    check_frame,
    conform,
)
from tieout.model.decimals import WIDE, widen

_HEADER = ["customer", "entity", "currency", "purchase_order", "terms_days", "tax_category"]
_TOTALS = ["net_amount", "tax_amount", "gross_amount"]


@dataclass(frozen=True)
class DraftSet:
    """`invoices`, their `lines` and the `events` of each line; `waiting`: due events that no draft took, and why."""

    invoices: pl.DataFrame
    lines: pl.DataFrame
    events: pl.DataFrame
    waiting: pl.DataFrame


def draft_invoices(events: pl.DataFrame, terms: pl.DataFrame, *, through: date) -> DraftSet:
    """Draft what is due on or before `through` from the unbilled part of each event (BILLABLE, INVOICE_TERMS).

    An event stands once for each payer of it, with the payer's part, and once for each tax rate of it. One draft per
    currency, tax category and bill-to (the terms whose `customer` is the payer), and per contract, project, purchase
    order or nothing more, as the terms' `grouping` says; a contract without an order stands alone under
    `purchase_order`. A draft names the purchase order that all of it has, and the first of its contracts. Rates of one
    category stand on one draft, each on its own lines. What has no tax category waits. Deposits stand on invoices of
    their own. A draft whose net or gross would be negative waits too: corrections go to the next invoice that carries
    them. The draft key is the group and the date, so the same run drafts the same keys. Domain rules §3.
    """
    check_frame("billable", events, BILLABLE)
    check_frame("invoice terms", terms, INVOICE_TERMS)
    due = events.filter(
        (pl.col("work_date") <= through) & ((pl.col("amount") != 0) | (pl.col("quantity") != 0))
    )
    billed_to = terms.with_columns(pl.col("customer").alias("payer"))
    joined = due.join(billed_to, on=["contract", "line", "payer"], how="left")
    joined = joined.with_columns(unit_price())
    ready = joined.filter(pl.col("customer").is_not_null() & pl.col("tax_category").is_not_null())
    ready = ready.with_columns(_draft_key(through))
    lines, links = _lines(ready)
    totals = _totals(lines)
    below = totals.filter((pl.col("net_amount") < 0) | (pl.col("gross_amount") < 0)).select("draft")
    negative = ready.join(below, on="draft", how="semi")
    lines, links, totals = (
        rows.join(below, on="draft", how="anti", maintain_order="left") for rows in (lines, links, totals)
    )
    waiting = [
        _waiting(joined.filter(pl.col("customer").is_null()), "no invoice terms for the contract line"),
        _waiting(joined.filter(pl.col("customer").is_not_null() & pl.col("tax_category").is_null()),
                 "tax-undetermined"),
        _waiting(negative, "corrections exceed new work: they wait for the next invoice"),
    ]  # fmt: skip
    result = DraftSet(
        _headers(lines, links, totals, through), lines.select(DRAFT_LINES.names()), links, pl.concat(waiting)
    )
    _check_conservation(due, result)
    return result


def unit_price() -> pl.Expr:
    """Price after multiplier and discount, six decimals: what one line holds."""
    one = pl.lit(1).cast(WIDE)
    price = widen("price") * widen("multiplier") * (one - widen("discount"))
    return price.round(6, mode="half_away_from_zero").cast(PRICE).alias("unit_price")


def _draft_key(through: date) -> pl.Expr:
    columns = ["customer", "entity", "currency", "tax_category", "terms_days"]
    parts = [pl.col(c).cast(pl.String).fill_null("-") for c in columns]
    order = pl.col("purchase_order").fill_null("-")
    whole = pl.col("grouping") == "customer"
    joint = whole | ((pl.col("grouping") == "purchase_order") & pl.col("purchase_order").is_not_null())
    parts += [
        pl.when(joint).then(pl.col("grouping")).otherwise("contract"),
        pl.when(whole).then(pl.lit("-")).otherwise(order),
    ]
    by_project = (
        pl.when(pl.col("grouping") == "project").then(pl.col("project").fill_null("-")).otherwise(pl.lit("-"))
    )
    in_advance = pl.when(pl.col("kind") == DEPOSIT).then(pl.lit("prepayment")).otherwise(pl.lit("work"))
    return pl.concat_str([*parts, by_project, in_advance, pl.lit(through.isoformat())], separator="|").alias(
        "draft"
    )


def _lines(ready: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Lines per contract line, project, role, charge, unit price, tax rate and corrected invoice; corrections come last.

    `charge` is what the customer reads of a charge or an expense, null for hours, which come first.
    """
    keys = [
        "draft",
        "corrects",
        "contract",
        "line",
        "project",
        "role",
        "charge",
        "unit_price",
        "tax_rate",
        *_HEADER,
    ]
    grouped = (
        ready.sort("work_date", "entry", "event")
        .group_by(keys, maintain_order=True)
        .agg(
            pl.col("quantity").sum(),
            pl.col("amount").sum().alias("net_amount"),
            pl.struct("event", "quantity", "amount", "notes").alias("members"),
        )
        .sort(
            "draft",
            "corrects",
            "contract",
            "line",
            "project",
            "charge",
            "role",
            "unit_price",
            "tax_rate",
            nulls_last=False,
        )
        .with_columns((pl.int_range(pl.len()).over("draft") + 1).cast(pl.Int64).alias("number"))
    )
    links = grouped.select("draft", "number", "members").explode("members").unnest("members")
    lines = grouped.rename({"line": "contract_line"}).drop("members").with_columns(_said())
    lines = lines.with_columns(pl.col(c).cast(DRAFT_LINES[c]) for c in ("quantity", "net_amount"))
    return lines, conform("draft events", links, DRAFT_EVENTS)


def _said() -> pl.Expr:
    corrected = pl.concat_str([pl.lit("Correction of "), pl.col("corrects"), pl.lit(": "), pl.col("charge")])
    charge = pl.when(pl.col("corrects").is_null()).then("charge").otherwise(corrected)
    return pl.coalesce(charge, description()).alias("description")


def description() -> pl.Expr:
    """What the customer reads: the role and the project, after the invoice that is corrected if one is."""
    role = pl.when(pl.col("role").fill_null("") == "").then(pl.lit("Services")).otherwise("role")
    work = pl.concat_str([role, pl.col("project").replace({"": None})], separator=", ", ignore_nulls=True)
    corrected = pl.concat_str([pl.lit("Correction of "), pl.col("corrects"), pl.lit(": "), work])
    return pl.when(pl.col("corrects").is_null()).then(work).otherwise(corrected).alias("description")


def _totals(lines: pl.DataFrame) -> pl.DataFrame:
    """Net, tax and gross of each draft."""
    invoice = pl.col("draft").alias("invoice")
    found = invoice_totals(
        lines.select(invoice, "net_amount", "tax_category", "tax_rate"),
        lines.select(invoice, "currency").unique(),
    )
    return found.totals.rename({"invoice": "draft"})


def _headers(lines: pl.DataFrame, links: pl.DataFrame, totals: pl.DataFrame, through: date) -> pl.DataFrame:
    if lines.is_empty():
        return DRAFTS.to_frame()
    common = [c for c in _HEADER if c != "purchase_order"]
    order = pl.col("purchase_order")
    first = lines.group_by("draft").agg(
        pl.col("contract").min(),
        pl.col(common).first(),
        pl.when(order.n_unique() == 1).then(order.first()).alias("purchase_order"),
    )
    headers = first.join(totals, on="draft").with_columns(pl.lit(through).alias("through")).sort("draft")
    hashes = content_hash(headers, lines, links)
    return conform("drafts", headers.join(hashes, on="draft"), DRAFTS).sort("draft")


def content_hash(headers: pl.DataFrame, lines: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Per draft the SHA-256 of its canonical JSON: who is billed, on which terms, every total, line and event with its text.

    An approval is bound to this digest, so it holds whatever the customer will see that is known before release; number
    and dates follow from the day of release and the terms. A draft whose sources give another digest is stale.
    """
    parts: dict[str, dict[str, Any]] = {}
    head = ["contract", *_HEADER, *_TOTALS]
    for row in headers.select("draft", *head).iter_rows(named=True):
        parts[row["draft"]] = {"header": {c: row[c] for c in head}, "lines": [], "events": []}
    for row in lines.select(DRAFT_LINES.names()).sort("draft", "number").iter_rows(named=True):
        parts[row.pop("draft")]["lines"].append(row)
    for draft, *linked in links.sort("draft", "number", "event").iter_rows():
        parts[draft]["events"].append(linked)
    rows = [{"draft": draft, "content_hash": _digest(content)} for draft, content in parts.items()]
    return pl.DataFrame(rows, schema={"draft": pl.String, "content_hash": pl.String})


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _waiting(rows: pl.DataFrame, reason: str) -> pl.DataFrame:
    return conform("waiting", rows.with_columns(pl.lit(reason).alias("reason")), WAITING_EVENTS)


def _check_conservation(due: pl.DataFrame, result: DraftSet) -> None:
    drafted, waiting = result.events, result.waiting
    went = pl.concat([drafted.select("amount"), waiting.select("amount")])
    if went.height != due.height or went["amount"].sum() != due["amount"].sum():
        raise AssertionError("drafting lost events or money")
    if result.lines["net_amount"].sum() != drafted["amount"].sum():
        raise AssertionError("draft lines do not sum to their events")
