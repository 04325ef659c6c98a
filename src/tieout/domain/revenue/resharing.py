"""Changes of variable amounts shared on the basis they were promised on, also across modifications (IFRS 15.87–90)."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tieout.domain.frames import MONEY, PRICE_STEPS, SETTLED_STEPS
from tieout.domain.revenue.shares import largest_remainder, portion, scale, stacked

_ACCOUNT = ["unit", "account", "level"]


@dataclass(frozen=True)
class Bases:
    """How amounts are shared by account and level, and where a prospective change led from one level to the next.

    `weights`: unit, account, level, obligation, weight. `rebased`: the same keys with `next_level` and the progress
    each obligation had made at that change, `done` ÷ `total`.
    """

    weights: pl.DataFrame
    rebased: pl.DataFrame

    def with_weights(self, rows: pl.DataFrame) -> Bases:
        """These weights instead of earlier ones of the same account and level."""
        chosen = rows.select(self.weights.columns)
        kept = self.weights.join(chosen, on=_ACCOUNT, how="anti")
        return Bases(pl.concat([kept, chosen]), self.rebased)

    def with_rebased(self, rows: pl.DataFrame) -> Bases:
        """Also these accounts went on to a new level."""
        return Bases(self.weights, pl.concat([self.rebased, rows.select(self.rebased.columns)]))


def no_bases() -> Bases:
    """Before anything is allocated."""
    keys: dict[str, pl.DataType] = {
        "unit": pl.String(), "account": pl.Int64(), "level": pl.Int64(), "obligation": pl.String(),
    }  # fmt: skip
    fraction = {"next_level": pl.Int64(), "done": pl.Decimal(38, 6), "total": pl.Decimal(38, 6)}
    return Bases(pl.DataFrame(schema={**keys, "weight": MONEY}), pl.DataFrame(schema={**keys, **fraction}))


def share_changes(moves: pl.DataFrame, bases: Bases) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Moves (id, unit, account, level, day, currency, amount, obligations) as PRICE_STEPS and SETTLED_STEPS.

    IFRS 15.88: shared on the basis of the level the amount was promised on, over the obligations it belongs to (85).
    90(a): where that level ended in a prospective change, what falls on performance of before is revenue at once and
    the rest is shared again over the obligations that remained, on the new basis; and so on to the level of today.
    """
    prices, settled, pending = [], [], moves
    for level in sorted(bases.weights["level"].unique().to_list()):
        here = pending.filter(pl.col("level") == level)
        if here.is_empty():
            continue
        shares = _shares(here, bases.weights)
        ended = bases.rebased.select(*_ACCOUNT, "next_level").unique()
        led = shares.join(ended, on=_ACCOUNT, how="left")
        prices.append(led.filter(pl.col("next_level").is_null()))
        crossing = _crossing(led.filter(pl.col("next_level").is_not_null()), bases.rebased)
        settled.append(crossing.with_columns(pl.col("_at_once").alias("amount")))
        pending = pl.concat([pending, _remaining(crossing, pending)])
    steps = stacked(prices, PRICE_STEPS).filter(pl.col("amount") != 0)
    return steps, stacked(settled, SETTLED_STEPS).filter(pl.col("amount") != 0)


def _shares(moves: pl.DataFrame, weights: pl.DataFrame) -> pl.DataFrame:
    """Each move's parts by obligation, `amount` the part; a target that is no longer there leaves it to all."""
    joined = moves.join(weights, on=_ACCOUNT, how="inner", maintain_order="left_right")
    named = pl.col("obligations").list.contains(pl.col("obligation")).fill_null(False)
    chosen = joined.with_columns(named.alias("_named")).filter(
        pl.col("_named") | ~pl.col("_named").any().over("id")
    )
    if chosen["id"].n_unique() != moves["id"].n_unique():
        raise AssertionError("a change of a variable amount has no obligation to fall on")
    shared = largest_remainder(chosen, total="amount", weight="weight", by=["id"], share="_part")
    return shared.with_columns(pl.col("_part").alias("amount")).drop("_part", "_named")


def _crossing(shares: pl.DataFrame, rebased: pl.DataFrame) -> pl.DataFrame:
    """Each part with what of it belongs to performance of before the change."""
    known = shares.drop("next_level").join(rebased, on=[*_ACCOUNT, "obligation"], how="left")
    at_once = portion(pl.col("amount"), pl.col("done"), pl.col("total"), scale(known)).fill_null(0)
    return known.with_columns(at_once.alias("_at_once"))


def _remaining(crossing: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """What is shared again on the next level, one move each."""
    rest = crossing.group_by(
        "id", "unit", "account", "next_level", "day", "currency", maintain_order=True
    ).agg((pl.col("amount") - pl.col("_at_once")).sum().alias("amount"))
    again = rest.rename({"next_level": "level"}).with_columns(
        pl.lit(None, pl.List(pl.String)).alias("obligations")
    )
    return again.filter(pl.col("amount") != 0).select(pl.col(c).cast(t) for c, t in like.schema.items())
