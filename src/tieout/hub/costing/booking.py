"""Booking costs: what the books lack of them, one journal per contract, legal entity and day, each source's part kept.

What is taken back stands in a journal of its own, so no correction disappears in a sum. A cost of one entity on another's
contract is charged on in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import (
    CostPolicies,
    booked_costs,
    cost_changes,
    cost_postings,
    in_own_currency,
    journal_for_transfers,
    transfer_changes,
    transfer_charges,
)
from tieout.domain.costing.costs import PAYROLL, VARIANCE
from tieout.domain.frames import (
    COSTS,
    HELD_LINES,
    PRICE,
    SHARE,
    TRANSFERS,
    check_frame,
    conform,
    empty,
)
from tieout.domain.subledger import Books, Exchange
from tieout.hub import books, exchange
from tieout.store import clock
from tieout.store import costing as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

_CAUSE_TYPES = {PAYROLL: "payroll", VARIANCE: "labor_variance"}
"""Cause types beside `cost`."""
_COST, _TRANSFER = "cost", "transfer"


@dataclass(frozen=True)
class Scope:
    """What a run answers for: these kinds of cost, `of` these contracts or workers; all other bookings stay."""

    kinds: tuple[str, ...]
    of: str
    keys: Sequence[str]


@dataclass(frozen=True)
class Booked:
    """What was missing in the books (COSTS, TRANSFERS), in how many journals, and what could not be booked."""

    costs: pl.DataFrame
    transfers: pl.DataFrame
    journals: int
    findings: pl.DataFrame


def book(
    conn: Connection, target: pl.DataFrame, owners: pl.DataFrame, scope: Scope, policies: CostPolicies, paid: pl.DataFrame
) -> Booked:  # fmt: skip
    """Book what the books of the scope lack of the costs (COSTS) as they should stand, and of the charges for them.

    `owners` are the contracts' entities (CONTRACT_ENTITIES), `paid` {source, rate, burden} of hours, kept for the trace.
    """
    now = books.open_books(conn)
    placed = target.filter(pl.col("entity").is_not_null())
    rates = exchange.rates_between(conn, [*placed["currency"].unique(), *now.currencies.values()])
    own, findings = in_own_currency(placed, now.currencies, rates, max_age_days=exchange.MAX_AGE_DAYS)
    held = check_frame("booked", store.booked_costs(conn, scope.kinds, scope.of, scope.keys), COSTS)
    costs = cost_changes(booked_costs(own), held)
    moment = clock.now(conn)
    journals = _book_costs(conn, costs, now, moment, paid)
    charges = transfer_charges(own, owners, now.closed, policies=policies)
    charges, foreign = _payable(charges, now.currencies, rates)
    earlier = store.booked_transfers(conn, scope.kinds, scope.of, scope.keys)
    transfers = transfer_changes(charges, check_frame("booked transfers", earlier, TRANSFERS), now.closed)
    transfers = transfers.filter(pl.col("amount") != 0)
    known = Exchange(rates, empty(HELD_LINES), exchange.MAX_AGE_DAYS)
    journals += _book_transfers(conn, transfers, replace(now, exchange=known), moment)
    fp("costing.booked")
    return Booked(costs, transfers, journals, pl.concat([findings, foreign]))


def _payable(
    charges: pl.DataFrame, currencies: Mapping[str, str], rates: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The charges that the buyer's books can carry: in their currency or at a known rate; findings of the others."""
    borne = charges.with_columns(pl.col("buyer").alias("entity"), pl.lit(None, pl.String).alias("project"))
    payable, foreign = in_own_currency(
        conform("charges", borne, COSTS), currencies, rates, max_age_days=exchange.MAX_AGE_DAYS
    )
    keys = ["source", "kind"]
    return charges.join(payable.select(keys).unique(), on=keys, how="semi"), foreign


def _book_costs(
    conn: Connection, costs: pl.DataFrame, now: Books, moment: datetime, rates: pl.DataFrame
) -> int:
    """The number of journals. Payroll and what projects take of it have cause types of their own."""
    written = 0
    type_of = pl.col("kind").replace_strict(_CAUSE_TYPES, default=_COST, return_dtype=pl.String)
    for (cause_type,), rows in costs.group_by(type_of.alias("type"), maintain_order=True):
        placed = rows.with_columns(pl.coalesce("contract", "entity").alias("place"))
        caused = _with_cause(conn, placed, str(cause_type), ["entity", "currency"])
        ids: dict[str, str] = {}
        for currency, group in _by_currency(caused):
            lines = cost_postings(_summed(group, ["kind", "contract", "line", "entity"]), pl.col("source"))
            sound = now.assuming(dict.fromkeys(lines["entity"], currency))
            ids |= books.write_journals(conn, sound.write(lines, str(cause_type)))
        entries = _entries(caused, str(cause_type), ids, moment).join(rates, on="source", how="left")
        store.insert_cost_entries(conn, entries.rename({"entity": "legal_entity"}).select(_COST_ENTRY))
        written += len(ids)
    return written


def _book_transfers(conn: Connection, transfers: pl.DataFrame, now: Books, moment: datetime) -> int:
    """The number of journals: of one contract, day and pair of entities each, with the lines of both books."""
    if transfers.is_empty():
        return 0
    placed = transfers.with_columns(pl.col("contract").alias("place"))
    caused = _with_cause(conn, placed, _TRANSFER, ["supplier", "buyer", "currency"])
    ids: dict[str, str] = {}
    for currency, group in _by_currency(caused):
        summed = _summed(group, ["contract", "line", "supplier", "buyer"])
        named = conform("transfers", summed.with_columns(pl.col("source").alias("transfer")), TRANSFERS)
        sound = now.assuming(dict.fromkeys([*named["supplier"], *named["buyer"]], currency))
        ids |= books.write_journals(conn, journal_for_transfers(named, sound))
    store.insert_transfer_entries(conn, _entries(caused, _TRANSFER, ids, moment).select(_TRANSFER_ENTRY))
    return len(ids)


_COST_ENTRY = (
    "id", "journal", "kind", "source", "version", "contract", "line", "project", "worker", "legal_entity", "event_date",
    "hours", "rate", "burden", "amount", "currency", "recorded_at",
)  # fmt: skip
_TRANSFER_ENTRY = (
    "id", "journal", "kind", "source", "version", "contract", "line", "worker", "supplier", "buyer", "event_date", "hours",
    "cost_amount", "margin", "amount", "currency", "recorded_at",
)  # fmt: skip
RATES = pl.Schema([("source", pl.String()), ("rate", PRICE), ("burden", SHARE)])


def _with_cause(conn: Connection, rows: pl.DataFrame, cause_type: str, keys: Sequence[str]) -> pl.DataFrame:
    """Adds `cause`, `PLACE/DAY/N`: one for all rows of a place, day, the keys, and whether they add or take back."""
    signed = rows.with_columns((pl.col("amount") < 0).alias("taken_back"))
    group = ["place", "event_date", *keys, "taken_back"]
    groups = signed.select(group).unique().sort(group)
    named = books.numbered(conn, groups, cause_type, groups["place"].unique().to_list(), head=group[:2])
    return signed.join(named, on=group, maintain_order="left")


def _by_currency(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (currency,), group in rows.group_by("currency", maintain_order=True):
        yield str(currency), group


def _summed(rows: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
    """One row per cause and keys, its cause as `source`; what only single sources have is null."""
    sums = [name for name in ("hours", "cost_amount", "amount") if name in rows.columns]
    held = [*keys, "event_date", "currency"]
    grouped = rows.group_by("cause", *held, maintain_order=True).agg(
        pl.col(sums).sum(), pl.col("version").max()
    )
    schema = TRANSFERS if "supplier" in rows.columns else COSTS
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in schema.items()
        if name not in (*grouped.columns, "source")
    ]
    whole = grouped.rename({"cause": "source"}).with_columns(missing)
    return conform("summed", whole, schema)


def _entries(rows: pl.DataFrame, cause_type: str, ids: Mapping[str, str], moment: datetime) -> pl.DataFrame:
    """The rows as they are kept: with an id, and the id of their journal."""
    journal = pl.concat_str(pl.lit(f"{cause_type}:"), "cause").replace_strict(ids, return_dtype=pl.String)
    own: list[Any] = [new_id(moment) for _ in range(rows.height)]
    return rows.with_columns(
        pl.Series("id", own, dtype=pl.String), journal.alias("journal"),
        pl.lit(moment.isoformat()).alias("recorded_at"),
    )  # fmt: skip
