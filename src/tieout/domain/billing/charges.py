"""Charges: what schedules, milestones, periods, retainers and meters make billable; and what is new about them.

A charge has a key made of the business facts (contract, line, what, when), so the same facts give the same keys and
a run finds again what is stored. It becomes one billing event; later changes become adjustments of the difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tieout.domain.frames import (
    BILLING_FINDINGS,
    CHARGES,
    CHARGES_SET_BACK,
    HELD_CHARGES,
    MONEY,
    QUANTITY,
    check_frame,
    conform,
    empty,
)

ADJUSTMENT = "adjustment"
_TAKEN_BACK = '{"rule":"taken back"}'
_MEASURES = {"quantity": QUANTITY, "amount": MONEY}
_ROW = ["charge", "price"]
_ABOUT = [name for name in CHARGES if name not in (*_MEASURES, *_ROW, "trail")]


@dataclass(frozen=True)
class Charged:
    """`charges` (CHARGES) that are due; `findings` (BILLING_FINDINGS): lines and records that bill nothing, and why."""

    charges: pl.DataFrame
    findings: pl.DataFrame


@dataclass(frozen=True)
class Planned:
    """As `Charged`, and `later`: charges (CHARGES) of the plan that are not due yet; both add up to the plan."""

    charges: pl.DataFrame
    later: pl.DataFrame
    findings: pl.DataFrame


def nothing_charged() -> Charged:
    """No charges, no findings: where there are no terms to charge by."""
    return Charged(empty(CHARGES), empty(BILLING_FINDINGS))


def nothing_planned() -> Planned:
    """No charges now or later, no findings."""
    return Planned(empty(CHARGES), empty(CHARGES), empty(BILLING_FINDINGS))


@dataclass(frozen=True)
class Adjusted:
    """`new` charges to add (CHARGES), and the part of stored ones to set back (CHARGES_SET_BACK)."""

    new: pl.DataFrame
    set_back: pl.DataFrame


def adjust_charges(
    now: pl.DataFrame, held: pl.DataFrame, *, undecided: pl.DataFrame | None = None
) -> Adjusted:
    """What changes the stored charges (HELD_CHARGES) into those of today's facts (CHARGES) of the same lines.

    `now` holds every charge of the lines from their start through the day of the run. Of a stored event `billed_*`
    is what may not be billed again: on released invoices less what is to be rebilled, and written off. A charge that
    changed gives its unbilled part back and comes anew; of what is billed the difference comes as `adjustment`, at
    the price that was billed and, where that changed, again at the new one: two items, never one net line. Run again
    on its own output it changes nothing. `undecided` (contract, line, period_start) names periods that today's facts
    cannot value, such as usage in dispute: what is billed of them stays, the rest is set back until they are decided.
    Domain rules §2.11, §2.13, §3.
    """
    check_frame("charges", now, CHARGES)
    check_frame("held charges", held, HELD_CHARGES)
    if now.is_empty() and held.is_empty():
        return Adjusted(empty(CHARGES), empty(CHARGES_SET_BACK))
    if now["charge"].n_unique() != now.height:
        raise ValueError("two charges of today's facts have one key")
    decided, open_periods = _parted(held, undecided)
    wanted = now.select(*_ROW, "due_on", *_MEASURES, pl.lit(True).alias("wanted"))
    compared = _standing(decided).join(wanted, on=_ROW, how="full", coalesce=True, suffix="_wanted")
    changed = compared.filter(_differs())
    back = pl.concat([decided.join(changed.select(_ROW), on=_ROW, how="semi"), open_periods])
    adjusted = Adjusted(_new(changed, now, decided), _unbilled(back))
    _check_conservation(now, held, adjusted, open_periods)
    return adjusted


def _parted(held: pl.DataFrame, undecided: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    if undecided is None:
        return held, held.clear()
    period = ["contract", "line", "period_start"]
    named = undecided.select(period).unique()
    return held.join(named, on=period, how="anti"), held.join(named, on=period, how="semi")


def _unbilled(held: pl.DataFrame) -> pl.DataFrame:
    parts = held.with_columns(
        (pl.col(name) - pl.col(f"billed_{name}")).cast(dtype).alias(name) for name, dtype in _MEASURES.items()
    ).filter((pl.col("quantity") != 0) | (pl.col("amount") != 0))
    return conform("set back", parts, CHARGES_SET_BACK).sort("event")


def _standing(held: pl.DataFrame) -> pl.DataFrame:
    """Per charge and price: what stands, what of it is billed, and when its unbilled part is due."""
    unbilled = (pl.col("amount") != pl.col("billed_amount")) | (
        pl.col("quantity") != pl.col("billed_quantity")
    )
    sums = [pl.col(name).sum() for name in (*_MEASURES, "billed_quantity", "billed_amount")]
    waits = pl.col("due_on").filter(unbilled)
    return held.group_by(_ROW).agg(*sums, waits.min().alias("first_due"), waits.max().alias("last_due"))


def _differs() -> pl.Expr:
    """Another value, or an unbilled part that is due on another day."""
    other = [pl.col(name).fill_null(0) != pl.col(f"{name}_wanted").fill_null(0) for name in _MEASURES]
    moved = (pl.col("first_due") != pl.col("due_on")) | (pl.col("last_due") != pl.col("due_on"))
    fresh = pl.col("amount").is_null()
    return pl.any_horizontal(*other, moved.fill_null(False), fresh)


def _new(changed: pl.DataFrame, now: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Today's value less what is billed, where that is not nothing; rows that are gone are told by what is held."""
    rest = changed.with_columns(
        (pl.col(f"{name}_wanted").fill_null(0) - pl.col(f"billed_{name}").fill_null(0))
        .cast(dtype)
        .alias(name)
        for name, dtype in _MEASURES.items()
    )
    was_billed = (pl.col("billed_amount").fill_null(0) != 0) | (pl.col("billed_quantity").fill_null(0) != 0)
    rest = rest.filter((pl.col("quantity") != 0) | (pl.col("amount") != 0) | (pl.col("wanted") & ~was_billed))
    rest = rest.select(*_ROW, *_MEASURES, was_billed.alias("#billed"), "wanted")
    gone = held.sort("event").unique("charge", keep="first", maintain_order=True)
    about = pl.concat(
        [
            now.select("charge", *_about(), "trail"),
            gone.select("charge", *_about(), pl.lit(_TAKEN_BACK).alias("trail")),
        ]
    )
    told = rest.join(about.unique("charge", keep="first", maintain_order=True), on="charge")
    kind = pl.when("#billed").then(pl.lit(ADJUSTMENT)).otherwise("kind")
    why = pl.when("wanted").then("trail").otherwise(pl.lit(_TAKEN_BACK))
    return in_charge_order(told.with_columns(kind.alias("kind"), why.alias("trail")))


def _about() -> list[str]:
    return [name for name in _ABOUT if name != "charge"]


def in_charge_order(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows as CHARGES by contract, line, day and key."""
    return conform("charges", rows, CHARGES).sort("contract", "line", "due_on", "charge", "price")


def charge_key(kind: str, *parts: str | pl.Expr) -> pl.Expr:
    """The key of a charge: contract, line, kind and what tells it apart, joined by |."""
    columns = [pl.col(part) if isinstance(part, str) else part for part in ("contract", "line")]
    told = [(pl.col(part) if isinstance(part, str) else part).cast(pl.String) for part in parts]
    return pl.concat_str([*columns, pl.lit(kind), *told], separator="|").alias("charge")


def trail(**facts: pl.Expr) -> pl.Expr:
    """Why this amount, as canonical JSON: sorted keys, no spaces, values as text or null."""
    parts: list[pl.Expr] = []
    for number, name in enumerate(sorted(facts)):
        text = facts[name].cast(pl.String)
        quoted = text.str.replace_all("\\", "\\\\", literal=True).str.replace_all('"', '\\"', literal=True)
        value = pl.concat_str(pl.lit('"'), quoted, pl.lit('"')).fill_null("null")
        parts += [pl.lit(("," if number else "") + f'"{name}":'), value]
    return pl.concat_str(pl.lit("{"), *parts, pl.lit("}")).alias("trail")


def _check_conservation(
    now: pl.DataFrame, held: pl.DataFrame, adjusted: Adjusted, undecided: pl.DataFrame
) -> None:
    for name in _MEASURES:
        stands = _total(held, name) - _total(adjusted.set_back, name) + _total(adjusted.new, name)
        if stands != _total(now, name) + _total(undecided, f"billed_{name}"):
            raise AssertionError(
                f"adjusting lost {name}: {stands} stands, today's facts say {_total(now, name)}"
            )


def _total(rows: pl.DataFrame, name: str) -> Decimal:
    total: Decimal = rows.select(pl.col(name).sum()).item()
    return total
