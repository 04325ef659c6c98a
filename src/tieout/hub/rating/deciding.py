"""What a rating run changes: new events, reversals, balances and findings; nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import (
    ENTRIES,
    FINDINGS,
    HELD_VALUE,
    HOLDS,
    HOURS,
    MONEY,
    OPEN_VALUE,
    REFUSED_REQUESTS,
    WRITTEN,
    conform,
    frame,
)  # fmt: skip
from tieout.domain.rating import Lookups, RatingPolicies, rate_time
from tieout.domain.rating.holds import hold_back
from tieout.domain.rating.writes import UP, apply_writes
from tieout.hub.rating.caps import Capped, cap_events
from tieout.hub.rating.charges import ChargeRun, charge, draws_of, raised_by
from tieout.hub.rating.comparing import compare, together
from tieout.hub.rating.expenses import spend, with_passed_on
from tieout.hub.rating.facts import Facts
from tieout.store.billing_events import EVENT_COLUMNS, left
from tieout.store.ids import new_id

_PARTS = ("over_cap", "written_off")
_DECIDED = Decimal(10**15)
"""No limit: whether another person had to approve was asked when it was decided."""
_MEASURES = ("quantity", "amount")


@dataclass(frozen=True)
class Decision:
    """`events`: every event of the contracts as it will stand (EVENT_COLUMNS), with `before_*` of what is stored
    (null for new ones) and `is_new`; `rated` the new time events (RATED + event); `reversals` the new opposites;
    `relinked` the new links; `findings` of the entries in scope; `crowded` neighbours with an implausible day;
    `charges` what the plans of the contracts make billable, `charged` the new charges (CHARGES + event); `bought` the
    new events of expenses;
    `written` the events that people wrote down or off, with the day; `unwritten` (REFUSED_REQUESTS) what no longer fits.
    """

    events: pl.DataFrame
    rated: pl.DataFrame
    reversals: pl.DataFrame
    relinked: pl.DataFrame
    findings: pl.DataFrame
    crowded: frozenset[str]
    neighbours: pl.DataFrame
    capped: Capped
    written: pl.DataFrame
    unwritten: pl.DataFrame
    charges: ChargeRun
    charged: pl.DataFrame
    bought: pl.DataFrame


@dataclass(frozen=True)
class _Written:
    events: pl.DataFrame
    days: pl.DataFrame
    refused: pl.DataFrame


def decide(facts: Facts, policies: RatingPolicies, moment: datetime) -> Decision:
    """Rate the entries, compare with what is stored, and apply the caps to what stands then."""
    bands = facts.entries.drop_nulls("band").select("entry", "band")
    lookups = Lookups(
        exchange_rates=facts.exchange_rates, holidays=facts.holidays, bands=bands, card_rules=facts.card_rules
    )
    rating = rate_time(
        facts.entries.select(ENTRIES.names()),
        facts.lines,
        facts.rates,
        facts.cards,
        policies=policies,
        lookups=lookups,
    )
    rating, draws = draws_of(rating, facts.plans)
    spent = spend(facts.spending, facts.events, facts.contracts, policies, lookups)
    scope = facts.entries.filter("in_scope")
    time = compare(scope, rating.events, rating, facts.events, contracts=facts.contracts, kind="time")
    changes = together(time, spent.changes)
    drafts = {key for key, row in facts.contracts.items() if row["state"] == "draft"}
    signed = [line for line in facts.plans if line.contract not in drafts]
    unsigned = [line for line in facts.plans if line.contract in drafts]
    charges = charge(
        signed, facts.performed, draws, facts.events, raised_by(facts.writes, facts.contracts), unsigned=unsigned,
        usage=facts.usage, today=facts.today,
    )  # fmt: skip
    last = facts.events["sequence"].max()
    first = int(str(last or 0)) + 1
    reversals = _undone(_numbered(changes.reversals, moment, first), facts.events)
    rated = _numbered(time.new, moment, first + reversals.height)
    charged = _numbered(charges.new, moment, first + reversals.height + rated.height)
    bought = _numbered(spent.new, moment, first + reversals.height + rated.height + charged.height)
    set_back = pl.concat([one.select("event", *_MEASURES) for one in (changes.set_back, charges.set_back)])
    standing = _standing(facts.events, set_back, _fresh(facts, reversals, rated, charged, bought))
    capped = cap_events(facts, standing)
    written = _with_writes(_with_caps(standing, capped.split), facts.writes.filter(pl.col("kind") != UP))
    outside = facts.entries.filter(~pl.col("in_scope"))
    findings = rating.findings.filter(pl.col("entry").is_in(facts.scope.implode()))
    ours = spent.result.findings.filter(pl.col("contract").is_in(list(facts.contracts)))
    crowd = rating.findings.filter(pl.col("kind") == "implausible-hours").join(
        outside, on="entry", how="semi"
    )
    return Decision(
        events=_with_holds(written.events, pl.concat([facts.holds, _kept_back(charges, facts)])),
        charges=charges,
        charged=charged,
        bought=bought,
        written=written.days,
        unwritten=written.refused,
        rated=rated,
        reversals=reversals,
        relinked=changes.relinked,
        findings=_explained(pl.concat([findings, ours, changes.true_ups]).select(FINDINGS.names()), facts),
        crowded=frozenset(crowd["entry"].to_list()),
        neighbours=outside,
        capped=capped,
    )


def _numbered(rows: pl.DataFrame, moment: datetime, first: int) -> pl.DataFrame:
    """New events with the id and the place in the sequence that they will get."""
    ids = pl.Series("event", [new_id(moment) for _ in range(rows.height)], dtype=pl.String)
    return rows.with_columns(ids, pl.int_range(first, first + rows.height, dtype=pl.Int64).alias("sequence"))


def _undone(reversals: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Reversals with what they have of the stored events that they undo."""
    originals = stored.select(
        pl.col("event").alias("reverses"), "contract", "line", "entity", "work_date", "price", "multiplier",
        "discount", "currency", "source_kind", pl.col("amount").alias("whole"),
        pl.col("pass_through_amount").alias("whole_passed"),
    )  # fmt: skip
    return with_passed_on(reversals.join(originals, on="reverses", maintain_order="left"), "event")


def _fresh(
    facts: Facts, reversals: pl.DataFrame, rated: pl.DataFrame, charged: pl.DataFrame, bought: pl.DataFrame
) -> pl.DataFrame:
    """The rows of new events: opposites of stored ones, priced hours, charges, expenses."""
    undone = reversals.with_columns(pl.lit("reversal").alias("kind"))
    entities = {key: row["legal_entity"] for key, row in facts.contracts.items()}
    entity = looked_up("contract", entities, pl.String).alias("entity")
    hours = rated.with_columns(
        pl.lit("time").alias("kind"), pl.lit("time").alias("source_kind"),
        pl.col("billable_hours").alias("quantity"), entity,
    )  # fmt: skip
    spent = bought.with_columns(
        pl.col("kind").alias("source_kind"), pl.col("billable_hours").alias("quantity"), entity
    )
    fees = charged.with_columns(
        entity, pl.col("charge").alias("entry"), pl.col("due_on").alias("work_date"),
        pl.lit(1, pl.Int64).alias("version"), pl.lit(1).alias("multiplier"), pl.lit(0).alias("discount"),
    )  # fmt: skip
    parts = [rows for rows in (undone, hours, fees, spent) if not rows.is_empty()]
    return pl.concat(map(_new_rows, parts or [undone]))


def _standing(stored: pl.DataFrame, set_back: pl.DataFrame, fresh: pl.DataFrame) -> pl.DataFrame:
    """All events with what is set back in their balance; the places a set-back part stood in end with it."""
    back = set_back.select("event", *(pl.col(m).alias(f"back_{m}") for m in _MEASURES))
    held = stored.join(back, on="event", how="left", maintain_order="left").with_columns(
        pl.col("back_amount").is_not_null().alias("is_set_back"),
        *(pl.col(name).alias(f"before_{name}") for name in _BALANCES),
    )
    held = held.with_columns(
        *((pl.col(f"reversed_{m}") + pl.col(f"back_{m}").fill_null(0)).alias(f"reversed_{m}") for m in _MEASURES),
        *(
            pl.when("is_set_back").then(0).otherwise(pl.col(f"{place}_{m}")).cast(_DTYPES[m]).alias(f"{place}_{m}")
            for place in ("over_cap", "held", "written_off", "given_up") for m in _MEASURES
        ),
    )  # fmt: skip
    held = held.drop("back_quantity", "back_amount").with_columns(
        pl.col(name).cast(dtype) for name, dtype in EVENT_COLUMNS.items()
    )
    return pl.concat([held, fresh], how="diagonal").with_columns(
        pl.col("is_new").fill_null(False), pl.col("is_set_back").fill_null(False)
    )


def _kept_back(charges: ChargeRun, facts: Facts) -> pl.DataFrame:
    """Charges that are held until somebody decides, as holds (HOLDS)."""
    rows = charges.now.filter(pl.col("charge").is_in(list(charges.held)))
    return frame(
        [
            {"hold": f"plan {row['charge']}", "contract": row["contract"], "line": row["line"], "entry": row["charge"],
             "day": facts.today}
            for row in rows.iter_rows(named=True)
        ],
        HOLDS,
    )  # fmt: skip


_DTYPES = {"quantity": HOURS, "amount": MONEY}
_BALANCES = [
    name
    for name in EVENT_COLUMNS
    if name.endswith(("_quantity", "_amount")) and name != "pass_through_amount"
]


def _new_rows(rows: pl.DataFrame) -> pl.DataFrame:
    zeros = [pl.lit(0).cast(EVENT_COLUMNS[name]).alias(name) for name in _BALANCES]
    missing = [
        pl.lit(None, dtype).alias(name) for name, dtype in EVENT_COLUMNS.items()
        if name not in rows.columns and name not in _BALANCES
    ]  # fmt: skip
    filled = rows.with_columns(*zeros, *missing).with_columns(pl.col("pass_through_amount").fill_null(0))
    typed = filled.select(pl.col(name).cast(dtype) for name, dtype in EVENT_COLUMNS.items())
    return typed.with_columns(pl.lit(True).alias("is_new"))


def _with_caps(standing: pl.DataFrame, split: pl.DataFrame) -> pl.DataFrame:
    """The balances with what is over a cap or written off now, credits included, and the cap that says so."""
    names = [f"{part}_{m}" for part in _PARTS for m in _MEASURES]
    placed = standing.drop(names).join(
        split.select("event", "cap", *names), on="event", how="left", maintain_order="left"
    )
    placed = placed.with_columns(
        (pl.col(f"written_off_{m}") + pl.col(f"given_up_{m}")).cast(_DTYPES[m]).alias(f"written_off_{m}")
        for m in _MEASURES
    )
    return placed.select(*(name for name in (*standing.columns, "cap")))


def _with_holds(events: pl.DataFrame, holds: pl.DataFrame) -> pl.DataFrame:
    """The balances with what people hold now of what is neither billed nor kept out otherwise."""
    if holds.is_empty():
        return events.with_columns(pl.lit(0).cast(_DTYPES[m]).alias(f"held_{m}") for m in _MEASURES)
    value = events.select("event", "contract", "line", "entry", *map(left, _MEASURES))
    held = hold_back(conform("held value", value, HELD_VALUE), holds)
    names = [f"held_{m}" for m in _MEASURES]
    return events.drop(names).join(held, on="event", how="left", maintain_order="left").select(events.columns)


def _with_writes(events: pl.DataFrame, writes: pl.DataFrame) -> _Written:
    """The balances with what people wrote down or off; who had to approve it did so when it was decided."""
    if writes.is_empty():
        return _Written(events, WRITTEN.to_frame().select("event", "day"), REFUSED_REQUESTS.to_frame())
    value = events.with_columns(*map(left, _MEASURES), revenue_method=pl.lit("as_invoiced"))
    result = apply_writes(conform("open value", value, OPEN_VALUE), writes, limit=_DECIDED)
    shares = result.written.group_by("event").agg(
        (-pl.col("amount").sum()).alias("taken"), pl.col("day").max()
    )
    placed = events.join(shares, on="event", how="left", maintain_order="left").with_columns(
        (pl.col("written_off_amount") + pl.col("taken").fill_null(0)).cast(MONEY).alias("written_off_amount")
    )
    return _Written(placed.select(events.columns), shares.select("event", "day"), result.refused)


def _explained(findings: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Say of contracts in another currency than their books without a rate why nothing of them is rated."""
    if not facts.foreign:
        return findings
    foreign = looked_up("contract", facts.foreign, pl.String)
    unrated = (pl.col("kind") == "unknown-currency") & foreign.is_not_null()
    return findings.with_columns(
        pl.when(unrated).then(pl.lit("missing-fx")).otherwise("kind").alias("kind"),
        pl.when(unrated).then(foreign).otherwise("detail").alias("detail"),
    )


def looked_up(column: str, values: Mapping[str, Any], dtype: Any) -> pl.Expr:
    """What a mapping says of a column's values, null where it says nothing."""
    if not values:
        return pl.lit(None, dtype)
    return pl.col(column).replace_strict(dict(values), default=None, return_dtype=dtype)


def changed_places() -> pl.Expr:
    """Whether a stored balance has to be updated."""
    names = [n for n in _BALANCES if not n.startswith(("drafted", "billed", "credited", "given_up"))]
    return pl.any_horizontal(pl.col(n) != pl.col(f"before_{n}") for n in names)
