"""Retention: a share of the net that the customer keeps until work is accepted or time has passed, and its release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from tieout.domain.billing.amounts import MILLION, halves_away, millionths
from tieout.domain.billing.charges import charge_key, in_charge_order, trail
from tieout.domain.billing.complaints import Check, complaints, in_order, one_of, plain
from tieout.domain.frames import (
    CHARGES,
    MONEY,
    RETAINABLE,
    RETAINED,
    RETAINED_LINES,
    RETENTION_EVENTS,
    RETENTION_HELD,
    RETENTION_TERMS,
    check_frame,
    conform,
)
from tieout.domain.revenue.shares import amount, largest_remainder, scale, whole

KIND = "retention_release"
RELEASES = ("time", "milestone")


@dataclass(frozen=True)
class Withheld:
    """`retained`: one row per invoice (RETAINED); `findings`: contracts whose terms are refused: nothing withheld."""

    retained: pl.DataFrame
    findings: pl.DataFrame


def withhold(invoices: pl.DataFrame, terms: pl.DataFrame, accepted: pl.DataFrame, *, as_of: date) -> Withheld:
    """What stays with the customer of each invoice (RETAINABLE) under the terms of its contract (RETENTION_TERMS).

    Retained = share × (net − credited net), rounded once, so a credit takes its part of the retention with it. The tax
    is due in full, unless `tax_deferred`: then the same share of it waits too. Payable = net + tax − retained −
    deferred tax, less what is credited. It is a `contract_asset` while its release hangs on a milestone that is not
    `accepted` (RETENTION_EVENTS) as of the day, else `retention_receivable`: only time stands before it. `release_on`
    is the day it can be asked for, null where none is stated yet. Domain rules §3; IFRS 15.105, 107–108.
    """
    check_frame("retainable", invoices, RETAINABLE)
    check_frame("retention terms", terms, RETENTION_TERMS)
    check_frame("retention events", accepted, RETENTION_EVENTS)
    findings = _judge(terms)
    good = terms.join(findings.select("contract"), on="contract", how="anti")
    told = invoices.join(_released(good, accepted, as_of), on="contract", how="left")
    net = pl.col("net_amount") - pl.col("credited_net_amount")
    tax = pl.col("tax_amount") - pl.col("credited_tax_amount")
    deferred = pl.when(pl.col("tax_deferred").fill_null(False)).then(tax).otherwise(0).cast(MONEY)
    sized = told.with_columns(
        _share_of(net, told).alias("retained_amount"), _share_of(deferred, told).alias("deferred_tax_amount")
    )
    payable = net + tax - pl.col("retained_amount") - pl.col("deferred_tax_amount")
    kept = sized.with_columns(payable.cast(MONEY).alias("payable_amount"))
    return Withheld(conform("retained", kept, RETAINED).sort("invoice"), in_order(findings))


def withhold_waiting(
    waiting: pl.DataFrame, terms: pl.DataFrame, accepted: pl.DataFrame, *, as_of: date
) -> pl.DataFrame:
    """`waiting` with `withheld_amount`: what will be kept of its `open_amount`, which waits for an invoice at the end of `day`.

    A right that hangs on more than time is no receivable (IFRS 15.107–108): until the day on which the milestone of the
    contract's terms (RETENTION_TERMS) is `accepted` (RETENTION_EVENTS) the share of them, rounded once by row (contract,
    currency, day); from that day on, and of what only time releases, nothing.
    """
    check_frame("retention terms", terms, RETENTION_TERMS)
    check_frame("retention events", accepted, RETENTION_EVENTS)
    conditional = _released(terms.filter(pl.col("release") == "milestone"), accepted, as_of)
    told = waiting.join(
        conditional.select("contract", "share", "release_on"),
        on="contract",
        how="left",
        maintain_order="left",
    )
    waits = pl.col("release_on").is_null() | (pl.col("day") < pl.col("release_on"))
    kept = pl.when(waits).then(_share_of(pl.col("open_amount").clip(lower_bound=0), told)).otherwise(0)
    return told.with_columns(kept.cast(MONEY).alias("withheld_amount")).drop("share", "release_on")


def _judge(terms: pl.DataFrame) -> pl.DataFrame:
    share = pl.col("share")
    kind = "invalid-contract"
    checks = [
        Check(kind, "a retention is a share of 0 to 1", share.is_null() | (share < 0) | (share > 1), plain("share")),
        Check(kind, "a contract has one retention", pl.len().over("contract") > 1, pl.lit("several")),
        one_of(kind, "release", RELEASES, "release"),
        Check(kind, "a release by milestone names it", (pl.col("release") == "milestone")
              & pl.col("milestone").is_null(), pl.lit("no milestone")),
    ]  # fmt: skip
    return complaints(terms, checks, record=pl.col("contract"))


def _released(terms: pl.DataFrame, accepted: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """Terms with the account that holds the retention and the day of its release."""
    first = accepted.filter(pl.col("day") <= as_of).group_by("contract", "milestone").agg(pl.col("day").min())
    told = terms.join(first, on=["contract", "milestone"], how="left")
    by_time = pl.col("release") == "time"
    release = pl.when(by_time).then("release_on").otherwise("day").alias("release_on")
    conditional = ~by_time & pl.col("day").is_null()
    account = pl.when(conditional).then(pl.lit("contract_asset")).otherwise(pl.lit("retention_receivable"))
    return told.select("contract", "share", "tax_deferred", release, account.alias("account"))


def _share_of(value: pl.Expr, rows: pl.DataFrame) -> pl.Expr:
    """share × value in the minor unit, half away from zero: the larger remainder of the two parts, ties kept back."""
    units = whole(value, scale(rows)) * millionths(pl.col("share").fill_null(0))
    return amount(halves_away(units, pl.lit(MILLION, pl.Int128)), scale(rows)).cast(MONEY)


def retained_by_line(retained: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """What is withheld of each invoice (RETAINED) over its contract lines (RETAINED_LINES: nets less credits).

    Largest remainder by net, ties to the first line; lines below zero take no share. Gives RETENTION_HELD with the day
    of release, for the balance of each obligation and for `release_charges` (domain rules §1, §3).
    """
    check_frame("retained", retained, RETAINED)
    check_frame("retained lines", lines, RETAINED_LINES)
    kept = retained.filter(pl.col("retained_amount") != 0)
    beside = lines.join(kept.select("invoice", "retained_amount", "release_on"), on="invoice")
    weighed = beside.with_columns(
        pl.col("net_amount").clip(lower_bound=0).alias("weight"), pl.col("retained_amount").alias("whole")
    ).sort("invoice", "line")
    shared = largest_remainder(
        weighed, total="whole", weight="weight", by=["invoice"], share="retained_amount"
    )
    held = conform("retention held", shared, RETENTION_HELD).sort("invoice", "line")
    came, went = (df.select(pl.col("retained_amount").sum()).item() for df in (kept, held))
    if came != went:
        raise AssertionError(f"sharing retention over lines lost money: in {came}, out {went}")
    return held


def release_charges(held: pl.DataFrame, *, through: date) -> pl.DataFrame:
    """CHARGES that ask for retentions (RETENTION_HELD) whose day has come: one per invoice and line, on own documents.

    `retained_amount` is all that was withheld of the invoice's line, released or not: the charge's key names the
    invoice, so `adjust_charges` asks for nothing twice and takes a later credit off. It carries no tax where the tax
    was due in full with the invoice; deferred tax falls due with it (domain rules §3).
    """
    check_frame("retention held", held, RETENTION_HELD)
    ready = held.filter((pl.col("release_on") <= through) & (pl.col("retained_amount") != 0))
    nothing = pl.lit(None, pl.Date)
    told = ready.with_columns(
        charge_key(KIND, "invoice"), pl.lit(KIND).alias("kind"), pl.col("invoice").alias("item"),
        pl.col("release_on").alias("due_on"), nothing.alias("period_start"), nothing.alias("period_end"),
        pl.lit(1).cast(CHARGES["quantity"]).alias("quantity"), pl.col("retained_amount").alias("amount"),
        pl.col("retained_amount").cast(CHARGES["price"]).alias("price"),
        trail(invoice=pl.col("invoice"), rule=pl.lit("retention released")),
    )  # fmt: skip
    return in_charge_order(told)
