"""What has to change when rating is run again: new events, parts set back, reversals of what was billed.

A correction or withdrawal (a later version) reverses the earlier version's event and rates the new one. A change of
price or terms under the same version re-rates only what is unbilled and proposes a true-up for the rest: a billed
hour is never silently re-priced. Domain rules §2.6 and §2.11.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import (
    FINDINGS,
    GONE,
    HOURS,
    LIVE_EVENTS,
    MONEY,
    RATED,
    RELINKED,
    REVERSALS,
    SET_BACK,
    check_frame,
    conform,
    empty,
)
from tieout.domain.rating.expenses import ExpenseResult
from tieout.domain.rating.rate import RatingResult
from tieout.model.decimals import ratio
from tieout.model.money import minor_unit

_IDENTITY = ["contract", "line", "work_date", "price", "multiplier", "discount", "currency"]
_KEPT = ["closed-task", "missing-rate", "missing-fx", "ambiguous-rate"]


@dataclass(frozen=True)
class Changes:
    """`new` events (RATED) to insert; `set_back`: unbilled parts of old events to add to their reversed balance;
    `reversals`: events with the exact opposite of what is billed net of credit; `relinked`: live events whose entry
    has a new version and the same value; `true_ups`: findings with the difference.

    What is set back was over a cap, held, drafted or written off until now: those balances of that event end with it
    (its draft is stale), caps are applied again to the new events, a write-off is asked for again.
    """

    new: pl.DataFrame
    set_back: pl.DataFrame
    reversals: pl.DataFrame
    relinked: pl.DataFrame
    true_ups: pl.DataFrame


def reconcile_events(
    rated: pl.DataFrame, live: pl.DataFrame, gone: pl.DataFrame, *, kind: str = "time"
) -> Changes:
    """Compare what is rated now (RATED) with the stored events of that kind (LIVE_EVENTS, reversal events included).

    `gone` (GONE) names the entries of this run that have no event now, with the effect on a stored event of the same
    version: `reverse` all of it, `set_back` the unbilled part and propose a true-up for the billed part, or `keep`
    it; an event of an earlier version is always reversed. `gone_entries` makes it from a rating.
    Entries in neither frame are left alone. Run again on its own output it changes nothing.
    """
    check_frame("rated", rated, RATED)
    check_frame("live events", live, LIVE_EVENTS)
    target = rated.select(
        "entry", "version", pl.col("billable_hours").alias("quantity"), "amount", *_IDENTITY
    )
    check_frame("gone", gone, GONE)
    if live.is_empty():
        return nothing_changed(rated)
    target = target.with_columns(pl.lit(False).alias("is_gone"), pl.lit("").alias("effect"))
    absent = gone.with_columns(pl.lit(True).alias("is_gone"))
    target = pl.concat([target, absent], how="diagonal")
    parts = _live_parts(live, kind).join(target, on="entry", suffix="_now")
    parts = parts.with_columns(_same_terms().alias("same")).with_columns(_unchanged(), _is_correction())
    parts = parts.filter((pl.col("effect") != "keep") | pl.col("correction"))
    if parts["unchanged"].all() and (parts["version_now"] == parts["version"]).all():
        return nothing_changed(rated.join(parts.select("entry"), on="entry", how="anti"))
    return Changes(
        new=_new(rated, parts),
        set_back=_set_back(parts),
        reversals=_reversals(parts),
        relinked=_relinked(parts),
        true_ups=_true_ups(parts, target, kind),
    )


def nothing_changed(rated: pl.DataFrame) -> Changes:
    """All that is rated is new, nothing of what is stored changes."""
    first = rated.sort("work_date", "entry")
    return Changes(first, empty(SET_BACK), empty(REVERSALS), empty(RELINKED), empty(FINDINGS))


def gone_entries(rating: RatingResult | ExpenseResult) -> pl.DataFrame:
    """GONE of one rating: what the source took back is reversed; what our rules now refuse is set back or kept.

    A task closed, or a price that went missing, after the work was rated does not unbill it: the event keeps the
    price it was rated at.
    """
    taken_back = pl.concat([rating.waiting, rating.non_billable, rating.withdrawn])
    effect = pl.when(pl.col("reason").is_in(_KEPT)).then(pl.lit("keep")).otherwise(pl.lit("set_back"))
    rows = [
        taken_back.with_columns(pl.lit("reverse").alias("effect")),
        rating.refused.with_columns(effect.alias("effect")),
    ]
    return pl.concat(part.select(GONE.names()) for part in rows)


def _live_parts(live: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Events of the kind with what still stands of them: `live_*` in all, `billed_*` net of credit and of reversal events."""
    reversed_later = (
        live.filter(pl.col("kind") == "reversal")
        .group_by(pl.col("reverses").alias("event"))
        .agg(pl.col("quantity").sum().alias("undone_quantity"), pl.col("amount").sum().alias("undone_amount"))
    )
    own = live.filter(pl.col("kind") == kind).join(reversed_later, on="event", how="left")
    own = own.with_columns(pl.col("undone_quantity", "undone_amount").fill_null(0))
    return own.with_columns(
        (pl.col("quantity") - pl.col("reversed_quantity") + pl.col("undone_quantity")).alias("live_quantity"),
        (pl.col("amount") - pl.col("reversed_amount") + pl.col("undone_amount")).alias("live_amount"),
        (pl.col("billed_quantity") - pl.col("credited_quantity") + pl.col("undone_quantity")).alias(
            "net_quantity"
        ),
        (pl.col("billed_amount") - pl.col("credited_amount") + pl.col("undone_amount")).alias("net_amount"),
    ).filter((pl.col("live_amount") != 0) | (pl.col("live_quantity") != 0) | (pl.col("quantity") == 0))


def _same_terms() -> pl.Expr:
    return pl.all_horizontal(pl.col(c).eq_missing(pl.col(f"{c}_now")) for c in _IDENTITY) & ~pl.col("is_gone")


def _unchanged() -> pl.Expr:
    """All live parts of the entry carry today's terms and add up to today's quantity and value."""
    whole = (pl.col("live_quantity").sum().over("entry") == pl.col("quantity_now")) & (
        pl.col("live_amount").sum().over("entry") == pl.col("amount_now")
    )
    return (pl.col("same").all().over("entry") & whole.fill_null(False)).alias("unchanged")


def _is_correction() -> pl.Expr:
    newer = pl.col("version_now") > pl.col("version").max().over("entry")
    return (newer | (pl.col("effect") == "reverse")).alias("correction")


def _to_set_back(parts: pl.DataFrame) -> pl.DataFrame:
    """Parts whose unbilled rest goes back: all of a corrected entry, else only parts on terms of yesterday."""
    return parts.filter(~pl.col("unchanged") & (pl.col("correction") | ~pl.col("same")))


def _set_back(parts: pl.DataFrame) -> pl.DataFrame:
    chosen = _to_set_back(parts).select(
        "event",
        "entry",
        (pl.col("live_quantity") - pl.col("net_quantity")).alias("quantity"),
        (pl.col("live_amount") - pl.col("net_amount")).alias("amount"),
    )
    chosen = chosen.filter((pl.col("amount") != 0) | (pl.col("quantity") != 0))
    return conform("set back", chosen, SET_BACK).sort("entry", "event")


def _reversals(parts: pl.DataFrame) -> pl.DataFrame:
    chosen = parts.filter(~pl.col("unchanged") & pl.col("correction")).select(
        pl.col("event").alias("reverses"),
        "entry",
        pl.col("version"),
        (-pl.col("net_quantity")).alias("quantity"),
        (-pl.col("net_amount")).alias("amount"),
    )
    chosen = chosen.filter((pl.col("amount") != 0) | (pl.col("quantity") != 0))
    return conform("reversals", chosen, REVERSALS).sort("entry", "reverses")


def _relinked(parts: pl.DataFrame) -> pl.DataFrame:
    chosen = parts.filter(pl.col("unchanged") & (pl.col("version_now") != pl.col("version")))
    return chosen.select("event", "entry", pl.col("version_now").alias("version")).select(RELINKED.names())


def _new(rated: pl.DataFrame, parts: pl.DataFrame) -> pl.DataFrame:
    """Entries never rated, corrected entries whole, and of re-priced entries the part that is not billed.

    What is worth nothing now keeps an event of nothing, which says why.
    """
    first = rated.join(parts.select("entry").unique(), on="entry", how="anti")
    changed = parts.filter(~pl.col("unchanged") & ~pl.col("is_gone"))
    corrected = changed.filter("correction").select("entry")
    emptied = changed.filter(pl.col("quantity_now") == 0).select("entry")
    emptied = emptied.join(changed.filter(pl.col("same") & (pl.col("quantity") == 0)), on="entry", how="anti")
    whole = rated.join(pl.concat([corrected, emptied]).unique(), on="entry", how="semi")
    rest = _rest(changed.filter(~pl.col("correction")))
    partial = rated.join(rest, on="entry").filter(
        pl.col("rest_quantity") * pl.col("billable_hours").sign().cast(HOURS) > 0
    )
    pieces = []
    for (currency,), group in partial.group_by("currency"):
        amount = ratio(
            pl.col("rest_quantity"), pl.col("amount"), pl.col("billable_hours"), minor_unit(str(currency))
        )
        units = ratio(pl.col("rest_quantity"), pl.col("units"), pl.col("billable_hours"), 6)
        pieces.append(
            group.with_columns(
                amount.alias("amount"), units.alias("units"), pl.col("rest_quantity").alias("billable_hours")
            )
        )
    return pl.concat([first, whole, *(conform("new", piece, RATED) for piece in pieces)]).sort(
        "work_date", "entry"
    )


def _rest(parts: pl.DataFrame) -> pl.DataFrame:
    """Hours of today's event not covered by what stays: billed hours on old terms and live hours on today's."""
    stays = pl.when("same").then("live_quantity").otherwise("net_quantity").sum()
    return parts.group_by("entry").agg(
        (pl.col("quantity_now").first() - stays).cast(HOURS).alias("rest_quantity")
    )


def _worth(kind: str) -> pl.Expr:
    hours = pl.format("{} h ", "net_quantity") if kind == "time" else pl.lit("")
    return pl.concat_str(hours, pl.format("billed at {}, worth {} today", "net_amount", "value_now"))


def _true_ups(parts: pl.DataFrame, target: pl.DataFrame, kind: str) -> pl.DataFrame:
    """Per entry with billed hours on other terms: today's value of them less what was billed."""
    billed = parts.filter(
        ~pl.col("same") & ~pl.col("correction") & ~pl.col("unchanged") & (pl.col("net_amount") != 0)
    )
    sums = billed.group_by("entry").agg(
        pl.col("net_quantity").sum(),
        pl.col("net_amount").sum(),
        pl.col("contract").first(),
        pl.col("line").first(),
    )
    joined = sums.join(
        target.select("entry", "quantity", pl.col("amount").alias("amount_now"), "currency"), on="entry"
    )
    pieces = [
        group.with_columns(
            ratio(
                pl.col("net_quantity"), pl.col("amount_now").fill_null(0), pl.col("quantity").fill_null(0),
                minor_unit(str(currency)) if currency else 2,
            ).cast(MONEY).alias("value_now")
        )
        for (currency,), group in joined.group_by("currency")
    ]  # fmt: skip
    if not pieces:
        return FINDINGS.to_frame()
    found = pl.concat(pieces).with_columns(
        (pl.col("value_now") - pl.col("net_amount")).alias("amount"),
        pl.lit("true-up-proposed").alias("kind"),
        _worth(kind).alias("detail"),
    )
    return conform("true-ups", found.filter(pl.col("amount") != 0), FINDINGS).sort("entry")
