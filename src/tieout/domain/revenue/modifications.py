"""Contract modifications (IFRS 15.18–21, 90; ASC 606-10-25-10 to 25-13, 606-10-32-45) as a plan of revenue.

A plan says, for every obligation and day, which terms measure it, what price it earns and since when. It is built
from the first terms on, change by change, each time from all facts: nothing in it is edited.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tieout.domain.frames import (
    MEASURE,
    MONEY,
    PRICE_STEPS,
    REVENUE_FINDINGS,
    REVENUE_SPANS,
    REVENUE_TERMS,
    SETTLED_STEPS,
    VARIABLE_ESTIMATES,
    check_frame,
)
from tieout.domain.revenue.allocation import allocate_price, pool_promises
from tieout.domain.revenue.changes import (
    STATUS_ADDED,
    STATUS_ENDED,
    STATUS_GONE,
    STATUS_KEPT,
    cumulative,
    prospective,
    resolve_treatments,
    separate,
)
from tieout.domain.revenue.earned import earned
from tieout.domain.revenue.progress import Performance, measure
from tieout.domain.revenue.resharing import Bases, no_bases, share_changes
from tieout.domain.revenue.shares import stacked
from tieout.domain.revenue.variable import variable_changes

_COLUMNS: dict[str, Any] = {
    "unit": pl.String, "obligation": pl.String, "account": pl.Int64, "currency": pl.String, "level": pl.Int64,
    "base_day": pl.Date, "change": pl.Int64, "fixed": MONEY, "variable": MONEY, "settled": MONEY, "stated": MONEY,
    "old_ssp": MONEY, "weight": MONEY, "ended": pl.Boolean,
}  # fmt: skip
STATE = pl.Schema(_COLUMNS)
"""Where each obligation stands after a change: `fixed` and `variable` price since `base_day`, `settled` before it."""
_TREATMENTS = pl.Schema({"unit": pl.String, "change": pl.Int64, "day": pl.Date, "treatment": pl.String})
_KEY = ["unit", "obligation"]


@dataclass(frozen=True)
class RevenuePlan:
    """REVENUE_SPANS (terms by day), PRICE_STEPS (price of a level by day), SETTLED_STEPS, treatments, findings."""

    spans: pl.DataFrame
    prices: pl.DataFrame
    settled: pl.DataFrame
    treatments: pl.DataFrame
    findings: pl.DataFrame


@dataclass
class _Draft:
    """The plan while it is built: where all obligations stand, the units' fixed prices, and what was decided so far."""

    state: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=STATE))
    totals: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"unit": pl.String, "total": MONEY})
    )
    bases: Bases = field(default_factory=no_bases)
    levels: list[pl.DataFrame] = field(default_factory=list)
    spans: list[pl.DataFrame] = field(default_factory=list)
    prices: list[pl.DataFrame] = field(default_factory=list)
    settled: list[pl.DataFrame] = field(default_factory=list)
    treatments: list[pl.DataFrame] = field(default_factory=list)
    findings: list[pl.DataFrame] = field(default_factory=list)


def plan_revenue(terms: pl.DataFrame, variable: pl.DataFrame, performance: Performance) -> RevenuePlan:
    """The plan of all accounting contracts from their terms (REVENUE_TERMS) and estimates (VARIABLE_ESTIMATES).

    Change 0 is allocated at inception (IFRS 15.74, 88). Each later change is accounted for as stated or, under
    `auto`, by `distinct` and `at_ssp`: a separate contract (20), prospectively (21(a)) or by cumulative catch-up
    (21(b)). Changes of variable amounts are shared on the basis on which they were promised (88–90). A change takes
    effect at the end of its day. What it moves is conserved: price after = price before + what was added.
    """
    check_frame("revenue terms", terms, REVENUE_TERMS)
    check_frame("variable estimates", variable, VARIABLE_ESTIMATES)
    _check_order(terms)
    pooled = pool_promises(performance.promises)
    moves = _in_intervals(variable_changes(variable), terms)
    draft = _Draft()
    last = terms["change"].max()
    for change in range((last if isinstance(last, int) else 0) + 1):
        now = terms.filter(pl.col("change") == change)
        promised = pooled.filter(pl.col("change") == change)
        if change == 0:
            _sign(draft, now, promised)
        else:
            _modify(draft, now, promised, performance, change)
        _vary(draft, moves.filter(pl.col("interval") == change))
    return RevenuePlan(
        stacked(draft.spans, REVENUE_SPANS),
        stacked(draft.prices, PRICE_STEPS),
        stacked(draft.settled, SETTLED_STEPS),
        stacked(draft.treatments, _TREATMENTS),
        stacked(draft.findings, REVENUE_FINDINGS),
    )


def _check_order(terms: pl.DataFrame) -> None:
    """Changes are numbered 0, 1, 2, … by the day they take effect; the caller sorts a late amendment in."""
    ordered = terms.sort("unit", "change")
    number = pl.int_range(pl.len()).over("unit")
    back = (pl.col("effective_on") < pl.col("effective_on").shift().over("unit")).fill_null(False)
    wrong = ordered.filter(back | (pl.col("change") != number))
    if not wrong.is_empty():
        unit, change = wrong.row(0, named=True)["unit"], wrong.row(0, named=True)["change"]
        raise ValueError(
            f"change {change} of {unit} is not numbered in order of the days changes take effect"
        )


def _sign(draft: _Draft, terms: pl.DataFrame, promised: pl.DataFrame) -> None:
    """The transaction price allocated at inception (IFRS 15.73–86)."""
    joined = promised.join(terms.rename({"price": "_price"}), on=["unit", "change"], maintain_order="left")
    total = pl.coalesce("_price", pl.col("price").sum().over("unit")).cast(MONEY)
    stated = (pl.col("allocation") == "stated").fill_null(False)
    priced, findings = allocate_price(
        joined.with_columns(total.alias("_total"), stated.alias("_stated")), total="_total", stated="_stated"
    )
    zero = pl.lit(0).cast(MONEY)
    first = pl.lit(0, pl.Int64)
    state = priced.with_columns(
        first.alias("account"), first.alias("level"), pl.lit(None, pl.Date).alias("base_day"),
        pl.col("allocated_price").alias("fixed"), zero.alias("variable"), zero.alias("settled"),
        pl.col("price").alias("stated"), pl.col("ssp").alias("old_ssp"), pl.lit(False).alias("ended"),
    )  # fmt: skip
    draft.state = state.select(STATE.names())
    draft.totals = priced.group_by("unit").agg(pl.col("_total").first().alias("total"))
    draft.findings.append(findings)
    draft.prices.append(state.select(*_KEY, "level", pl.col("effective_on").alias("day"), amount="fixed"))
    _record(draft, state, terms)


def _modify(
    draft: _Draft, terms: pl.DataFrame, promised: pl.DataFrame, performance: Performance, change: int
) -> None:
    before = draft.state.join(terms.select("unit"), on="unit", maintain_order="left")
    rows = _compared(draft, before, terms, promised, performance, change)
    chosen = resolve_treatments(terms, rows)
    rows = rows.join(chosen, on="unit", maintain_order="left")
    treat = {"separate": separate, "prospective": prospective, "cumulative": cumulative}
    after = pl.concat(
        [apply(rows.filter(pl.col("treatment") == name), change) for name, apply in treat.items()]
    )
    _check_conserved(rows, after)
    _emit(draft, rows, after)
    live = pl.col("status").is_in([STATUS_KEPT, STATUS_ADDED])
    state = after.with_columns(
        pl.when(live).then(pl.lit(change, pl.Int64)).otherwise("change").alias("change"),
        pl.when(live).then("price").otherwise(0).cast(MONEY).alias("stated"),
        pl.when(live).then("ssp").otherwise("old_ssp").alias("old_ssp"),
        (~live).alias("ended"),
    ).select(STATE.names())
    others = draft.state.join(terms.select("unit"), on="unit", how="anti")
    draft.state = pl.concat([others, state])
    draft.treatments.append(
        terms.drop("treatment").join(chosen, on="unit").with_columns(day=pl.col("effective_on"))
    )
    _record(draft, state, terms)


def _compared(
    draft: _Draft, before: pl.DataFrame, terms: pl.DataFrame, promised: pl.DataFrame, performance: Performance,
    change: int,
) -> pl.DataFrame:  # fmt: skip
    """Every obligation before and after the change, with what it had earned on that day and what is still to be done."""
    moment = terms.select(
        "unit", "effective_on", "allocation", "past_change", pl.col("price").alias("_price")
    )
    stood = before.join(moment.select("unit", "effective_on"), on="unit", maintain_order="left").with_columns(
        pl.col("effective_on").alias("day"), (pl.col("fixed") + pl.col("variable")).alias("price")
    )
    known = earned(stood, performance).select(*before.columns, "earned", "done", "total", _whole())
    now = promised.select(*_KEY, "price", "ssp", "method")
    both = known.join(now, on=_KEY, how="full", coalesce=True, maintain_order="left_right").join(
        moment, on="unit", maintain_order="left"
    )
    is_new, is_out = pl.col("account").is_null(), pl.col("method").is_null()
    status = (
        pl.when(is_new).then(pl.lit(STATUS_ADDED)).when(is_out & pl.col("ended")).then(pl.lit(STATUS_GONE))
        .when(is_out).then(pl.lit(STATUS_ENDED)).otherwise(pl.lit(STATUS_KEPT))
    )  # fmt: skip
    first = pl.col("account") == 0
    live = pl.col("level").filter(~pl.col("ended") & first).max().over("unit")
    level = pl.coalesce(live, pl.col("level").filter(first).max().over("unit"))
    filled = both.with_columns(status.alias("status")).with_columns(
        pl.col("account").fill_null(0),
        pl.coalesce("level", level, pl.lit(0)).alias("level"),
        pl.col("currency").fill_null(pl.col("currency").drop_nulls().first().over("unit")),
        pl.col("fixed", "variable", "settled", "stated", "earned").fill_null(0),
        pl.col("done", "total").fill_null(0),
    )
    remaining = _remaining(filled, performance, change)
    return _deltas(draft, remaining)


def _whole() -> pl.Expr:
    return ((pl.col("whole_total") > 0) & (pl.col("total") == 0)).alias("_satisfied")


def _remaining(rows: pl.DataFrame, performance: Performance, change: int) -> pl.DataFrame:
    """What is done of each obligation on the day of the change, measured on the new terms."""
    points = rows.filter(pl.col("method").is_not_null()).select(
        *_KEY, pl.lit(change, pl.Int64).alias("change"), pl.col("effective_on").alias("day")
    )
    measured = measure(points, performance).select(
        *_KEY, pl.col("done").alias("whole_done"), pl.col("total").alias("whole_total")
    )
    joined = rows.join(measured, on=_KEY, how="left", maintain_order="left")
    return joined.with_columns(pl.col("whole_done", "whole_total").fill_null(0).cast(MEASURE))


def _deltas(draft: _Draft, rows: pl.DataFrame) -> pl.DataFrame:
    """What each stated price changes by, and what a stated price of the whole contract adds beyond the lines.

    A line that ends keeps what it earned: its price falls by what it had not. With a price stated for the whole
    contract what it had not earned stays in the pool, for that price says what the customer pays in all.
    """
    whole = pl.col("_price").is_not_null()
    unearned = pl.col("fixed") + pl.col("variable") - pl.col("earned")
    delta = (
        pl.when(pl.col("status") == STATUS_ADDED).then("price")
        .when(pl.col("status") == STATUS_KEPT).then(pl.col("price") - pl.col("stated"))
        .when((pl.col("status") == STATUS_ENDED) & ~whole).then(-unearned).otherwise(0)
    )  # fmt: skip
    moved = rows.with_columns(delta.cast(MONEY).alias("delta")).join(
        draft.totals, on="unit", how="left", maintain_order="left"
    )
    by_lines = pl.col("delta").sum().over("unit")
    extra = pl.when(whole).then(pl.col("_price") - pl.col("total_right") - by_lines).otherwise(0)
    result = moved.with_columns(extra.cast(MONEY).alias("extra"))
    after = result.group_by("unit").agg(
        (pl.col("total_right") + pl.col("delta").sum() + pl.col("extra")).first().cast(MONEY).alias("total")
    )
    draft.totals = pl.concat([draft.totals.join(after, on="unit", how="anti"), after])
    return result.drop("total_right")


def _emit(draft: _Draft, rows: pl.DataFrame, after: pl.DataFrame) -> None:
    """The steps between where the obligations stood and where they stand, and which accounts went to a new level."""
    was = rows.select(
        *_KEY, pl.col("level").alias("_level"), pl.col("settled").alias("_settled"),
        (pl.col("fixed") + pl.col("variable")).alias("_was"),
    )  # fmt: skip
    both = after.join(was, on=_KEY).with_columns(pl.col("effective_on").alias("day"))
    kept = (pl.col("level") == pl.col("_level")) & (pl.col("status") != STATUS_ADDED)
    price = pl.col("fixed") + pl.col("variable") - pl.when(kept).then("_was").otherwise(0)
    draft.prices.append(both.with_columns(price.alias("amount")).filter(pl.col("amount") != 0))
    settled = (pl.col("settled") - pl.col("_settled")).alias("amount")
    draft.settled.append(both.with_columns(settled).filter(pl.col("amount") != 0))
    led = both.filter(
        ((pl.col("treatment") == "prospective") | _all_ended())
        & (pl.col("level") != pl.col("_level")) & (pl.col("status") != STATUS_ADDED)
    )  # fmt: skip
    joined = led.join(after.select(*_KEY, _nothing_left().alias("_ends")), on=_KEY)
    full = pl.col("_satisfied").fill_null(False) | pl.col("_ends")
    one = pl.lit(1).cast(MEASURE)
    draft.bases = draft.bases.with_rebased(
        joined.with_columns(
            pl.col("level").alias("next_level"), pl.col("_level").alias("level"),
            pl.when(full).then(one).otherwise("done").alias("done"),
            pl.when(full).then(one).otherwise("total").alias("total"),
        )
    )  # fmt: skip


def _nothing_left() -> pl.Expr:
    """Whether nothing remains to be done in an obligation's account."""
    live = pl.col("status").is_in([STATUS_KEPT, STATUS_ADDED]) & (pl.col("weight") > 0)
    return ~live.any().over("unit", "account")


def _all_ended() -> pl.Expr:
    """Whether no obligation of the account goes on: what changes later is revenue of its day, under any treatment."""
    return ~pl.col("status").is_in([STATUS_KEPT, STATUS_ADDED]).any().over("unit", "account")


def _record(draft: _Draft, state: pl.DataFrame, terms: pl.DataFrame) -> None:
    """Spans from the change's day on, and the weights amounts are shared by from now on."""
    draft.spans.append(
        state.drop("effective_on", strict=False)
        .join(terms.select("unit", "effective_on"), on="unit")
        .with_columns(pl.col("effective_on").alias("day"))
    )
    live = state.filter(~pl.col("ended"))
    draft.bases = draft.bases.with_weights(live)
    draft.levels.append(live.select("unit", "account", "level").unique())


def _in_intervals(moves: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Each change of a variable amount with the change of terms after which it is heard (of one day: before it)."""
    days = terms.select("unit", pl.col("change").alias("_change"), "effective_on", "currency")
    joined = moves.join(days, on="unit")
    before = pl.col("_change").filter(pl.col("effective_on") < pl.col("day")).max()
    keys = ["unit", "variable", "day"]
    placed = joined.group_by(keys, maintain_order=True).agg(
        pl.col("change", "obligations", "amount", "currency").first(),
        pl.max_horizontal(before.fill_null(0), pl.col("change").first()).alias("interval"),
        pl.col("effective_on").filter(pl.col("_change") == pl.col("change")).first().alias("_from"),
    )
    return placed.with_columns(
        pl.max_horizontal("day", "_from").alias("day"), pl.int_range(pl.len(), dtype=pl.Int64).alias("id")
    )


def _vary(draft: _Draft, moves: pl.DataFrame) -> None:
    """Changes of variable amounts shared over the obligations and added to where they stand (IFRS 15.87–90)."""
    if moves.is_empty():
        return
    levels = pl.concat(draft.levels).unique()
    named = draft.state.select("unit", "obligation", pl.col("account").alias("_named"))
    target = moves.with_columns(pl.col("obligations").list.first().alias("obligation")).join(
        named, on=_KEY, how="left", maintain_order="left"
    )
    own = levels.select("unit", pl.col("account").alias("change"), pl.col("account").alias("_own")).unique()
    placed = target.join(own, on=["unit", "change"], how="left", maintain_order="left").with_columns(
        pl.coalesce("_named", "_own", pl.lit(0)).alias("account")
    )
    began = placed.join(levels, on=["unit", "account"]).filter(pl.col("level") <= pl.col("change"))
    started = began.sort("level").group_by("id", maintain_order=True).last().sort("id")
    chosen = started.select("id", "unit", "account", "level", "day", "currency", "amount", "obligations")
    if chosen.height != moves.height:
        raise AssertionError("a variable amount was promised by a change that is not there")
    prices, settled = share_changes(chosen, draft.bases)
    _check_shared(chosen, prices, settled, draft.state)
    draft.prices.append(prices)
    draft.settled.append(settled)
    for steps, column in ((prices, "variable"), (settled, "settled")):
        sums = steps.group_by(_KEY).agg(pl.col("amount").sum().alias("_more"))
        draft.state = draft.state.join(sums, on=_KEY, how="left", maintain_order="left").with_columns(
            (pl.col(column) + pl.col("_more").fill_null(0)).cast(MONEY).alias(column)
        ).drop("_more")  # fmt: skip


def _check_conserved(rows: pl.DataFrame, after: pl.DataFrame) -> None:
    """Price after = price before + what the lines and the contract's price changed by, per unit."""
    value = (pl.col("fixed") + pl.col("variable") + pl.col("settled")).sum()
    added = pl.col("delta").sum() + pl.col("extra").first()
    was = rows.group_by("unit").agg((value + added).alias("expected"))
    both = was.join(after.group_by("unit").agg(value.alias("actual")), on="unit", how="left")
    off = both.filter(pl.col("expected") != pl.col("actual").fill_null(0))
    if not off.is_empty():
        raise AssertionError(
            f"modification of {off['unit'][0]}: {off['expected'][0]} became {off['actual'][0]}"
        )


def _check_shared(
    moves: pl.DataFrame, prices: pl.DataFrame, settled: pl.DataFrame, state: pl.DataFrame
) -> None:
    """Every cent of the moves falls on an obligation at the level it stands at now, or is settled."""
    landed = prices.join(state.select(*_KEY, "level"), on=[*_KEY, "level"]).select("amount")
    parts = pl.concat([landed, settled.select("amount")])["amount"].sum()
    if parts != moves["amount"].sum():
        raise AssertionError(f"variable amounts of {moves['amount'].sum()} were shared as {parts}")
