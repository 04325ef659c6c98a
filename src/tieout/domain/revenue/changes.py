"""One modification of a contract: which treatment, and what it does to each obligation (IFRS 15.18–21).

Rows are one obligation of one accounting contract: where it stands (`fixed`, `variable`, `settled`, `earned` at the
change), what the terms said (`stated`) and say now (`price`, `ssp`), `status` kept, added, ended or gone, and `delta`,
what its stated price changes by. Each treatment gives the same rows back with where they stand afterwards.
"""

from __future__ import annotations

import polars as pl

from tieout.domain.frames import MONEY
from tieout.domain.revenue.progress import SERIES
from tieout.domain.revenue.shares import largest_remainder, portion

_ACCOUNT = ["unit", "account"]
_ZERO = pl.lit(0).cast(MONEY)
STATUS_KEPT, STATUS_ADDED, STATUS_ENDED, STATUS_GONE = "kept", "added", "ended", "gone"


def resolve_treatments(terms: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Terms with `treatment` decided: unit, treatment.

    IFRS 15.20: what is added is distinct and at its stand-alone price, and nothing else changes -> separate.
    21(a): what remains is distinct -> prospective. 21(b): else cumulative. `auto` takes `distinct` and `at_ssp`;
    where `distinct` is not said, obligations measured as a series of hours, days, periods or deliveries are (22(b)),
    so a series never catches up. A combination (21(c)) is stated as two changes.
    """
    touched = rows.filter((pl.col("status") != STATUS_GONE) & pl.col("method").is_not_null())
    series = touched.group_by("unit").agg(
        pl.col("method").is_in(SERIES).all().alias("_series"),
        ((pl.col("status") == STATUS_ADDED) | (pl.col("delta") == 0)).all().alias("_only_added"),
        (pl.col("status") == STATUS_ADDED).any().alias("_adds"),
    )
    ended = rows.group_by("unit").agg((pl.col("status") == STATUS_ENDED).any().alias("_ends"))
    known = terms.join(series, on="unit", how="left").join(ended, on="unit", how="left")
    distinct = pl.coalesce("distinct", "_series", pl.lit(False))
    adds = pl.col("_adds") & pl.col("_only_added") & ~pl.col("_ends") & pl.col("price").is_null()
    decided = (
        pl.when(distinct & pl.col("at_ssp").fill_null(False) & adds.fill_null(False)).then(pl.lit("separate"))
        .when(distinct).then(pl.lit("prospective")).otherwise(pl.lit("cumulative"))
    )  # fmt: skip
    stated = pl.col("treatment").fill_null("auto")
    return known.select("unit", pl.when(stated == "auto").then(decided).otherwise(stated).alias("treatment"))


def separate(rows: pl.DataFrame, change: int) -> pl.DataFrame:
    """IFRS 15.20: what is added is an accounting contract of its own; the rest goes on as it was."""
    added = rows.filter(pl.col("status") == STATUS_ADDED).with_columns(
        pl.lit(change, pl.Int64).alias("account"), pl.lit(change, pl.Int64).alias("level"),
        pl.col("price").sum().over("unit").cast(MONEY).alias("_pool"), pl.col("ssp").alias("weight"),
    )  # fmt: skip
    by_ssp = largest_remainder(added, total="_pool", weight="weight", by=_ACCOUNT, share="_share")
    stated = pl.col("allocation") == "stated"
    priced = by_ssp.with_columns(pl.when(stated).then("price").otherwise("_share").alias("fixed"))
    rest = cumulative(rows.filter(pl.col("status") != STATUS_ADDED), change)
    return pl.concat([rest, priced.select(rest.columns)])


def prospective(rows: pl.DataFrame, change: int) -> pl.DataFrame:
    """IFRS 15.21(a): the old contract ends and a new one begins with what remains.

    Pool = price not yet recognised + what the change adds, shared over the remaining obligations by the stand-alone
    price of that day of what remains of each (its stand-alone price × the part not yet done). `past_change` is the
    part of the price change that belongs to what was transferred before: it is revenue of that day. Under `stated`
    allocation each obligation keeps what remains of its price plus its own change. When nothing remains to be done
    the change is revenue of that day.
    """
    moved = (pl.col("delta") != 0) | pl.col("status").is_in([STATUS_ADDED, STATUS_ENDED])
    here = (pl.col("status") != STATUS_GONE) | (pl.col("status") == STATUS_GONE).all().over(_ACCOUNT)
    rebased = (moved.any().over(_ACCOUNT) | (pl.col("account") == 0)) & here
    marked = rows.with_columns(rebased.alias("_rebased"))
    pool = _pool(_with_past(marked.filter("_rebased")))
    share = largest_remainder(pool, total="_pool", weight="_weight", by=_ACCOUNT, share="_share")
    open_part, base = pl.col("_any"), pl.col("_own")
    done = share.with_columns(
        (pl.when(open_part).then(pl.col("_share") + base).otherwise(_ZERO)).cast(MONEY).alias("fixed"),
        (
            pl.col("settled") + pl.col("earned") + pl.col("_past")
            + pl.when(open_part).then(_ZERO).otherwise(pl.col("_share") + base)
        ).cast(MONEY).alias("settled"),
        _ZERO.alias("variable"),
        pl.lit(change, pl.Int64).alias("level"),
        pl.when(pl.col("status") != STATUS_ADDED).then("effective_on").alias("base_day"),
        pl.col("_weight").alias("weight"),
    )  # fmt: skip
    kept = marked.filter(~pl.col("_rebased")).drop("_rebased")
    return pl.concat([kept, done.select(kept.columns)])


def cumulative(rows: pl.DataFrame, change: int) -> pl.DataFrame:
    """IFRS 15.21(b): part of the existing contract; price and progress change as if they had been so from the start.

    The change is shared by the weights of inception; where obligations are added, all of the price is. What an ended
    obligation had not yet earned returns to the others. Under `stated` allocation each takes its own change.
    """
    ended = pl.col("status") == STATUS_ENDED
    live = ~ended & (pl.col("status") != STATUS_GONE)
    freed = pl.when(ended).then(pl.col("fixed") + pl.col("variable") - pl.col("earned")).otherwise(0)
    anew = (pl.col("status") == STATUS_ADDED).any().over(_ACCOUNT) & (pl.col("allocation") != "stated")
    own = (
        pl.when(pl.col("allocation") == "stated").then(pl.col("fixed") + pl.col("delta"))
        .when(anew).then(_ZERO).otherwise("fixed")
    )  # fmt: skip
    same = (pl.col("status") == STATUS_KEPT) & (pl.col("ssp") == pl.col("old_ssp"))
    total = pl.when(live).then(pl.col("fixed")).otherwise(0) + pl.col("delta") + freed
    extra = pl.when(pl.col("account") == 0).then(pl.col("extra")).otherwise(0)
    sized = rows.with_columns(
        pl.when(live).then(own).otherwise(0).cast(MONEY).alias("_own"),
        pl.when(same).then("weight").otherwise(pl.col("ssp")).fill_null(0).alias("weight"),
        (total.sum().over(_ACCOUNT) + extra.first().over(_ACCOUNT)).cast(MONEY).alias("_all"),
    ).with_columns(
        (pl.col("_all") - pl.col("_own").sum().over(_ACCOUNT)).cast(MONEY).alias("_pool"),
        pl.when(live).then(_among(live)).otherwise(_ZERO).cast(MONEY).alias("_weight"),
        live.any().over(_ACCOUNT).alias("_any"),
    )  # fmt: skip
    share = largest_remainder(sized, total="_pool", weight="_weight", by=_ACCOUNT, share="_share")
    settles = ended | ~pl.col("_any")
    return share.with_columns(
        pl.when(live).then(pl.col("_own") + pl.col("_share")).when(ended).then(0).otherwise("fixed").cast(MONEY)
        .alias("fixed"),
        (
            pl.col("settled") + pl.when(ended).then(pl.col("earned")).otherwise(0)
            + pl.when(pl.col("_any")).then(0).otherwise("_share")
        ).cast(MONEY).alias("settled"),
        pl.when(settles).then(0).otherwise("variable").cast(MONEY).alias("variable"),
        pl.when(ended).then(pl.lit(change, pl.Int64)).otherwise("level").alias("level"),
        pl.when(ended).then("effective_on").otherwise("base_day").alias("base_day"),
    ).select(rows.columns)  # fmt: skip


def _among(live: pl.Expr) -> pl.Expr:
    """The weights of live obligations; alike where none has a stand-alone price, so an ended one never takes a share."""
    none = pl.col("weight").filter(live).sum().over(_ACCOUNT) == 0
    return pl.when(none).then(1).otherwise("weight")


def _with_past(rows: pl.DataFrame) -> pl.DataFrame:
    """`past_change` shared over what the obligations of account 0 had earned."""
    first = pl.col("account") == 0
    return largest_remainder(
        rows.with_columns(
            pl.when(first).then(pl.col("past_change").fill_null(0)).otherwise(0).cast(MONEY).alias("_past_total"),
            (pl.col("settled") + pl.col("earned")).clip(lower_bound=0).alias("_earned"),
        ),
        total="_past_total", weight="_earned", by=_ACCOUNT, share="_past",
    )  # fmt: skip


def _pool(rows: pl.DataFrame) -> pl.DataFrame:
    """What is shared over the remaining obligations of each account, and by which weights."""
    stated, live = pl.col("allocation") == "stated", pl.col("status") != STATUS_ENDED
    unearned = pl.col("fixed") + pl.col("variable") - pl.col("earned")
    left = pl.col("whole_total") - pl.col("whole_done")
    part = portion(pl.col("ssp"), left, pl.col("whole_total"), pl.lit(10_000, pl.Int128))
    remaining = pl.when(~live).then(0).when(pl.col("whole_total") > 0).then(part).otherwise("ssp")
    extra = pl.when(pl.col("account") == 0).then(pl.col("extra")).otherwise(0)
    own = pl.when(stated & live).then(unearned + pl.col("delta")).otherwise(0).cast(MONEY)
    weighed = rows.with_columns(remaining.fill_null(0).cast(MONEY).alias("_remaining"), own.alias("_own"))
    any_left = (pl.col("_remaining") > 0).any().over(_ACCOUNT)
    total = (unearned + pl.col("delta")).sum().over(_ACCOUNT) + extra.first().over(_ACCOUNT)
    pool = total - pl.col("_past_total").first().over(_ACCOUNT) - pl.col("_own").sum().over(_ACCOUNT)
    return weighed.with_columns(
        any_left.alias("_any"),
        pool.cast(MONEY).alias("_pool"),
        pl.when(any_left).then("_remaining").otherwise("_earned").cast(MONEY).alias("_weight"),
    )
