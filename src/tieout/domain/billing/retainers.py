"""Retainers: a fee in advance that work draws down, with roll-over, expiry and overage; or one for being there.

`hours`: work draws the balance at the value of its rate card, the rest expires; `availability`: work costs nothing
more; `security`: work is billed as usual, the fee is kept until it is applied (`deduct_deposits`). Domain rules §3.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from tieout.domain.billing.charges import Charged, nothing_charged
from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    in_minor_unit,
    in_order,
    line_record,
    not_negative,
    one_of,
    sound,
)
from tieout.domain.billing.periods import with_periods
from tieout.domain.billing.recurring import recurring_charges
from tieout.domain.frames import (
    QUANTITY,
    RECURRING_TERMS,
    RETAINER_TERMS,
    SHARE,
    check_frame,
)

KIND = "retainer"
KINDS = ("hours", "availability", "security")
_INVALID = "invalid-contract"


def retainer_fees(terms: pl.DataFrame, *, through: date) -> Charged:
    """The fees of retainers (RETAINER_TERMS) due on or before `through`: recurring fees of kind `retainer`."""
    check_frame("retainer terms", terms, RETAINER_TERMS)
    if terms.is_empty():
        return nothing_charged()
    judged = _judge(terms)
    fees = recurring_charges(_as_recurring(sound(terms, judged)), through=through, kind=KIND)
    return Charged(fees.charges, in_order(pl.concat([judged, fees.findings])))


def _as_recurring(terms: pl.DataFrame) -> pl.DataFrame:
    told = terms.with_columns(
        pl.lit(1).cast(QUANTITY).alias("quantity"), pl.lit(None, SHARE).alias("uplift_rate"),
        pl.lit(None, pl.String).alias("uplift_every"),
    )  # fmt: skip
    return check_frame("recurring terms", told, RECURRING_TERMS)


def _judge(terms: pl.DataFrame) -> pl.DataFrame:
    drawn = terms.filter(pl.col("kind") == "hours")
    several = pl.col("kind").n_unique().over(LINE) > 1
    counted = (pl.col("rollover") == "periods") & (pl.col("rollover_periods").fill_null(-1) < 0)
    always = [
        one_of(_INVALID, "kind", KINDS, "kind of retainer"),
        Check(_INVALID, "a retainer keeps its kind", several, pl.col("kind")),
    ]
    when_drawn = [
        one_of(_INVALID, "rollover", ("none", "all", "periods"), "rollover"),
        one_of(_INVALID, "overage", ("bill", "hold"), "overage"),
        Check(_INVALID, "a rollover by periods says how many", counted, pl.col("rollover_periods").cast(pl.String)),
        not_negative(_INVALID, "rollover_cap", "rollover cap"), in_minor_unit(terms, "rollover_cap"),
    ]  # fmt: skip
    return pl.concat(
        [
            complaints(terms, always, record=line_record(), day="effective_from"),
            complaints(drawn, when_drawn, record=line_record(), day="effective_from"),
        ]
    )


def retainer_periods(fees: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """One row per line and period with its fee, active days and the terms of its first active day."""
    rules = ["kind", "every", "anchor", "rollover", "rollover_periods", "rollover_cap", "overage", "end"]
    beside = fees.drop("kind").sort("period_start").join_asof(
        terms.select(*LINE, "effective_from", *rules).sort("effective_from"), left_on="period_start",
        right_on="effective_from", by=LINE, strategy="backward", check_sortedness=False,
    )  # fmt: skip
    named = beside.rename({"period_start": "active_from", "period_end": "active_to"})
    placed = with_periods(named, first="active_from", last="active_from").rename(
        {"period_start": "whole_start", "period_end": "whole_end"}
    )
    return (
        placed.sort(*LINE, "active_from")
        .group_by(*LINE, "whole_start", "whole_end", maintain_order=True)
        .agg(
            pl.col("active_from").min(), pl.col("active_to").max(), pl.col("amount").sum(),
            pl.col("currency").first(), *(pl.col(name).first() for name in rules if name not in ("every", "anchor")),
        )
    )  # fmt: skip
