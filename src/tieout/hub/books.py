"""The books: journals written whole, what is closed, and where a contract stands between revenue, billing and cash."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing.deposits import SECURITY
from tieout.domain.frames import CLOSED_PERIODS, JOURNAL_LINES, POSITION_INPUT, check_frame, frame
from tieout.domain.subledger import Books, Exchange
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger.books import closed_by_entity
from tieout.hub import exceptions, exchange, policies, work
from tieout.hub.actors import SYSTEM
from tieout.hub.exceptions import NewException
from tieout.model.money import shown
from tieout.model.periods import period_bounds, period_of
from tieout.store import clock
from tieout.store import exchange as exchange_store
from tieout.store import subledger as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

_ZERO = Decimal(0)
REMEASUREMENT, MATERIAL = "remeasurement", "prior-period-material"
STATUS = (
    "recognised", "billed", "credited", "paid", "receivable", "unbilled_receivable", "contract_liability", "unbilled",
    "drafted", "over_cap", "held", "written_off", "tax",
)  # fmt: skip


def write_journals(conn: Connection, lines: pl.DataFrame) -> dict[str, str]:
    """Append journals (JOURNAL_LINES as the domain wrote them); the id of each by its key `cause_type:cause`.

    All lines go in one statement, over which the database checks that debits equal credits.
    """
    check_frame("journal lines", lines, JOURNAL_LINES)
    if lines.is_empty():
        return {}
    moment = clock.now(conn)
    keys = lines["journal"].unique(maintain_order=True)
    ids = {key: new_id(moment) for key in keys.to_list()}
    named = lines.rename({"entity": "legal_entity"}).with_columns(
        pl.lit(moment.isoformat()).alias("recorded_at"),
        pl.col("journal").replace_strict(ids, return_dtype=pl.String),
    )
    heads = named.unique("journal", keep="first", maintain_order=True).with_columns(
        pl.col("journal").alias("id"), pl.lit(None, pl.String).alias("reverses")
    )
    store.insert_journals(conn, heads, named)
    _ask_remeasurement(conn, lines)
    _question_late(conn, lines)
    fp("books.journals")
    return ids


def _question_late(conn: Connection, lines: pl.DataFrame) -> None:
    """Revenue of closed periods that is booked into an open one is looked at by somebody once it is material.

    Small late facts add up: what came to a contract in one period since a person last accepted it is judged as a whole
    (IAS 1.7: individually or in combination). Back within the limit, there is nothing to decide.
    """
    late = lines.filter(pl.col("prior_period") & (pl.col("account") == a.REVENUE))
    if late.is_empty():
        return
    limit = policies.load(conn).prior_period_material
    sums = store.late_revenue(conn, late["contract"].unique(), late["period"].unique(), MATERIAL, SYSTEM.name)
    told = {f"{row['contract']}/{row['period']}": row for row in sums}
    material = {key: row for key, row in told.items() if abs(row["amount"]) > limit}
    exceptions.resolve(
        conn, MATERIAL, told.keys() - material, "what was booked late comes to no more than the limit"
    )
    exceptions.open_exceptions(
        conn,
        [
            NewException(
                MATERIAL, key,
                f"revenue of {shown(row['amount'], row['currency']):f} {row['currency']} since {row['event_date']} is of a closed period and is booked"
                f" in {row['period']}", contract=row["contract"], legal_entity=row["entity"], amount=row["amount"],
                currency=row["currency"], evidence={"group": MATERIAL},
            )
            for key, row in material.items()
        ],
    )  # fmt: skip


def _ask_remeasurement(conn: Connection, lines: pl.DataFrame) -> None:
    """What was booked in another currency is measured again when its period is over."""
    if (lines["amount"] == lines["functional_amount"]).all():
        return
    stated = policies.load(conn)
    moved = lines.filter(
        (pl.col("amount") != pl.col("functional_amount")) & (pl.col("cause_type") != REMEASUREMENT)
    )
    for entity, period in moved.select("entity", "period").unique().sort(pl.all()).iter_rows():
        last = period_bounds(period, stated.calendar(entity))[1]
        due = datetime.combine(last + timedelta(days=1), time(), tzinfo=timezone.utc)
        work.request_all(conn, [("remeasure", f"{entity}/{period}")], due)


def numbered(
    conn: Connection, causes: pl.DataFrame, cause_type: str, places: Collection[str],
    head: Sequence[str] = ("contract", "event_date"),
) -> pl.DataFrame:  # fmt: skip
    """Adds `cause`, HEAD/N: N goes on counting the journals of that head, the columns `head` joined by a stroke.

    `places` are the contracts of the causes, or the legal entities of those without one.
    """
    earlier = store.journal_counts(conn, cause_type, places)
    joined = pl.concat_str([pl.col(name).cast(pl.String) for name in head], separator="/")
    placed = causes.with_columns(joined.alias("_head"))
    before = (
        pl.col("_head").replace_strict(earlier, default=0, return_dtype=pl.Int64) if earlier else pl.lit(0)
    )
    number = pl.int_range(1, pl.len() + 1).over("_head") + before
    return placed.with_columns(pl.format("{}/{}", "_head", number).alias("cause")).drop("_head")


def closed_periods(conn: Connection) -> pl.DataFrame:
    """The closed periods of every entity (CLOSED_PERIODS)."""
    return frame(store.closed_periods(conn), CLOSED_PERIODS)


def is_closed(conn: Connection, entity: str, day: date) -> bool:
    """Whether nothing more is booked on a day of an entity."""
    closed = closed_by_entity(closed_periods(conn)).get(entity, ())
    return any(first <= day <= last for first, last in closed)


def misplaced(conn: Connection) -> list[tuple[str, str]]:
    """Bookings whose period is not that of their day in the calendar that was in force: {ENTITY/PERIOD, what was seen}."""
    rows = store.booked_periods(conn)
    versions = {row["version"]: policies.of_version(conn, row["version"] or 0) for row in rows}
    found = []
    for row in rows:
        calendar = versions[row["version"]].calendar(row["entity"])
        days = {day for day in (row["first"], row["last"]) if period_of(day, calendar) != row["period"]}
        found += [
            (f"{row['entity']}/{row['period']}", f"a journal of it is booked on {day}")
            for day in sorted(days)
        ]
    return found


def open_books(conn: Connection, contracts: Mapping[str, tuple[str, str]] | None = None) -> Books:
    """The books as they are now: closed periods, and the functional currency of each entity.

    Of those of the `contracts` (entity and currency of each) that are in another currency: what they hold, and rates.
    """
    chosen = policies.load(conn)
    now = Books(closed_periods(conn), store.currencies(conn), calendars=chosen.fiscal)
    currencies = now.currencies
    stated = (contracts or {}).items()
    foreign = {key for key, (entity, currency) in stated if currencies.get(entity, currency) != currency}
    if not foreign:
        return now
    named = {currency for _, (entity, own) in stated for currency in (own, currencies.get(entity))}
    known = Exchange(
        exchange.rates_between(conn, named),
        exchange_store.held(conn, foreign),
        exchange.MAX_AGE_DAYS,
        chosen.averaged,
    )
    return replace(now, exchange=known)


def positions(conn: Connection, contracts: Collection[str]) -> pl.DataFrame:
    """Recognised and billed per contract line (POSITION_INPUT); their difference is the `opening` of a journal."""
    return check_frame("positions", store.positions(conn, contracts, SECURITY), POSITION_INPUT)


def balances(
    conn: Connection,
    contract: str | None = None,
    entity: str | None = None,
    at: date | None = None,
    known_at: datetime | None = None,
) -> dict[str, dict[str, Decimal]]:
    """Balance by account and currency, debit positive: booked on or before `at`, known to us at `known_at`."""
    found: dict[str, dict[str, Decimal]] = {}
    for row in store.balances(conn, contract=contract, entity=entity, at=at, known_at=known_at):
        found.setdefault(row["account"], {})[row["currency"]] = row["amount"]
    return found


def financial_status(conn: Connection, contracts: Collection[str]) -> dict[str, list[dict[str, Any]]]:
    """Where each contract stands, one row per currency: {currency, and every amount of STATUS}.

    `billed` (less credits) and `credited` are net of tax, `receivable` and `tax` are those of released documents; `unbilled` may be
    billed now, `drafted` is the part of it that stands on drafts.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in store.event_sums(conn, contracts):
        kept = {name: row[name] for name in STATUS if name in row}
        _row(rows, row).update(kept, billed=row["invoiced"] - row["credited"])
    for row in store.account_sums(conn, contracts):
        place, sign = _OF_ACCOUNT.get(row["account"], (None, 0))
        if place is not None:
            _row(rows, row)[place] += sign * row["amount"]
    found: dict[str, list[dict[str, Any]]] = {key: [] for key in contracts}
    for (contract, _), values in sorted(rows.items()):
        found[contract].append(values)
    return found


_OF_ACCOUNT: Mapping[str, tuple[str, int]] = {
    a.REVENUE: ("recognised", -1),
    a.RECEIVABLE: ("receivable", 1),
    a.UNBILLED_RECEIVABLE: ("unbilled_receivable", 1),
    a.CONTRACT_LIABILITY: ("contract_liability", -1),
    a.TAX_PAYABLE: ("tax", -1),
    a.CASH_CLEARING: ("paid", 1),
}


def _row(rows: dict[tuple[str, str], dict[str, Any]], named: Mapping[str, Any]) -> dict[str, Any]:
    key = named["contract"], named["currency"]
    if key not in rows:
        rows[key] = {"currency": named["currency"], **dict.fromkeys(STATUS, _ZERO)}
    return rows[key]


def statement(conn: Connection, contract: str) -> list[dict[str, Any]]:
    """The financial status of one contract, one row per currency."""
    return financial_status(conn, [contract])[contract]
