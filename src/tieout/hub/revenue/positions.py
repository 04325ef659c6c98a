"""Where each obligation stands between revenue and billing, booked as the difference to what the journals left.

Revenue, invoices and credits leave each line ahead as unbilled receivable, behind as contract liability. What of it is
a contract asset, a refund liability, or an advance that may still be cancelled is judged by obligation and day.
"""

from __future__ import annotations

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import withhold_waiting
from tieout.domain.frames import (
    BALANCE_INPUT,
    MONEY,
    POSITION_MOVES,
    POSITION_TARGETS,
    RETENTION_EVENTS,
    conform,
)
from tieout.domain.revenue import contract_balances
from tieout.domain.revenue.shares import largest_remainder
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger import journal_for_positions, unbooked_moves
from tieout.hub import books, retention
from tieout.hub.revenue.advances import uncounted
from tieout.hub.revenue.booking import books_of
from tieout.hub.revenue.credits import places_of
from tieout.hub.revenue.plan import Facts, Planned
from tieout.hub.revenue.refunds import refunds
from tieout.store import revenue as store
from tieout.telemetry.failpoints import fp

_LINE = ["contract", "line", "entity", "currency"]
_OBLIGATION = ["unit", "obligation", "entity", "currency", "day"]
_TARGETS = (
    (a.UNBILLED_RECEIVABLE, "unbilled_receivable", 1, "_ahead"), (a.CONTRACT_ASSET, "contract_asset", 1, "_ahead"),
    (a.CONTRACT_LIABILITY, "contract_liability", -1, "_behind"), (a.REFUND_LIABILITY, "refund_liability", -1, "_bills"),
    (a.RECEIVABLE, "uncounted", -1, "_open"),
)  # fmt: skip
"""Account, the balance that goes there, its sign, and by which weight the lines of an obligation share it."""


def book(conn: Connection, facts: Facts, planned: Planned) -> int:
    """Bring the accounts of the units' lines to where they stand on each day; how many journals."""
    lines = _lines(facts)
    moves = store.moves(conn, facts.keys).join(
        lines.select("contract", "line"), on=["contract", "line"], how="semi"
    )
    held = _held(conn, facts, lines, moves)
    targets = _targets(held, _balances(facts, planned, held))
    booked = conform("moves", moves.filter(pl.col("account") != a.REVENUE), POSITION_MOVES)
    lacking = unbooked_moves(targets, booked)
    if lacking.is_empty():
        return 0
    unit = pl.col("contract").replace_strict(facts.unit_of, return_dtype=pl.String).alias("unit")
    placed = lacking.with_columns(unit)
    heads = placed.select("unit", "entity", "currency", "event_date").unique().sort(pl.all())
    causes = books.numbered(conn, heads, "position", facts.keys, head=("unit", "event_date"))
    rows = placed.join(causes, on=heads.columns)
    ids = books.write_journals(conn, journal_for_positions(rows, books_of(conn, facts.contracts)))
    fp("revenue.positions")
    return len(ids)


def _lines(facts: Facts) -> pl.DataFrame:
    """The lines that the units ever promised: unit, obligation (as named last), contract, line, entity, currency."""
    rows = [
        (unit.key, obligation, contract, line, facts.contracts[contract]["legal_entity"],
         unit.changes[0].head["currency"])
        for unit in facts.units
        for (contract, line), obligation in places_of(unit).items()
    ]  # fmt: skip
    names = ["unit", "obligation", *_LINE]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _held(conn: Connection, facts: Facts, lines: pl.DataFrame, moves: pl.DataFrame) -> pl.DataFrame:
    """Each line at the end of each day: recognised, billed, entitled and uncounted amounts to date."""
    grid = lines.join(facts.rated_days, on="unit")
    is_revenue = pl.col("account") == a.REVENUE
    sums = {
        "recognised": moves.filter(is_revenue).select("contract", "line", day="event_date", amount=-pl.col("amount")),
        "position": moves.filter(~is_revenue).select("contract", "line", "amount", day="event_date"),
        "entitled": facts.values.select("contract", "line", "day", "amount"),
    }  # fmt: skip
    for name, steps in sums.items():
        grid = _running(grid, steps, name)
    held = _less_withheld(
        conn, facts, grid.with_columns((pl.col("recognised") - pl.col("position")).alias("billed"))
    )
    open_ = uncounted(conn, facts, held.select("contract", "day").unique())
    return held.join(open_, on=["contract", "line", "day"], how="left").with_columns(
        pl.col("uncounted").fill_null(0)
    )


def _less_withheld(conn: Connection, facts: Facts, held: pl.DataFrame) -> pl.DataFrame:
    """What is entitled less the share that a conditional retention will withhold of what of it waits for an invoice."""
    terms = retention.conditional_terms(conn, facts.keys)
    if terms.is_empty():
        return held
    waiting = held.with_columns((pl.col("entitled") - pl.col("billed")).alias("open_amount"))
    accepted = conform("accepted", facts.performance.reached, RETENTION_EVENTS)
    kept = withhold_waiting(waiting, terms, accepted, as_of=facts.today)
    left = (pl.col("entitled") - pl.col("withheld_amount")).cast(MONEY).alias("entitled")
    return kept.with_columns(left).select(held.columns)


def _running(grid: pl.DataFrame, steps: pl.DataFrame, name: str) -> pl.DataFrame:
    """The grid with the sum of the steps on or before each day."""
    keys = ["contract", "line"]
    by_day = steps.group_by(*keys, "day").agg(pl.col("amount").sum()).sort("day")
    total = by_day.select(*keys, "day", pl.col("amount").cum_sum().over(keys).cast(MONEY).alias(name))
    joined = grid.sort("day").join_asof(total, on="day", by=keys, check_sortedness=False)
    return joined.with_columns(pl.col(name).fill_null(0))


def _balances(facts: Facts, planned: Planned, held: pl.DataFrame) -> pl.DataFrame:
    """BALANCES of each obligation on each day, with the entity and what is `uncounted`.

    An invoice that does not count yet is left out as far as it is billed in advance of revenue.
    """
    sums = held.group_by(_OBLIGATION).agg(pl.col("recognised", "billed", "entitled", "uncounted").sum())
    billed = {
        tuple(row[:3]): row[3] for row in sums.select("unit", "obligation", "day", "billed").iter_rows()
    }
    back = [(*key, amount) for key, amount in refunds(facts, planned, billed).items()]
    schema = pl.Schema(
        {"unit": pl.String(), "obligation": pl.String(), "day": pl.Date(), "refund_amount": MONEY}
    )
    told = sums.join(
        pl.DataFrame(back, schema=schema, orient="row"), on=["unit", "obligation", "day"], how="left"
    ).with_columns(pl.col("refund_amount").fill_null(0))
    advance = (pl.col("billed") - pl.col("refund_amount") - pl.col("recognised")).clip(lower_bound=0)
    counted = told.with_columns(
        pl.min_horizontal("uncounted", advance).clip(lower_bound=0).alias("uncounted")
    )
    inputs = counted.select(
        "unit", "obligation", "currency", "day", pl.col("recognised").alias("recognised_amount"),
        (pl.col("billed") - pl.col("uncounted")).alias("billed_amount"), pl.col("entitled").alias("entitled_amount"),
        "refund_amount", pl.lit(0).alias("retained_amount"), pl.lit(False).alias("retention_conditional"),
    )  # fmt: skip
    balances = contract_balances(conform("balance input", inputs, BALANCE_INPUT))
    keys = ["unit", "obligation", "currency", "day"]
    return balances.join(counted.select(*_OBLIGATION, "uncounted"), on=keys)


def _targets(held: pl.DataFrame, balances: pl.DataFrame) -> pl.DataFrame:
    """POSITION_TARGETS: the balances of obligations over their lines, by what each line is ahead, behind or billed."""
    ahead = pl.col("recognised") - pl.col("billed")
    weighed = held.drop("uncounted", "recognised", "entitled").with_columns(
        held.select(
            ahead.clip(lower_bound=0).alias("_ahead"), (-ahead).clip(lower_bound=0).alias("_behind"),
            pl.col("billed").clip(lower_bound=0).alias("_bills"), pl.col("uncounted").clip(lower_bound=0).alias("_open"),
        )
    ).join(balances, on=_OBLIGATION)  # fmt: skip
    parts = []
    for account, name, sign, weight in _TARGETS:
        shared = largest_remainder(weighed, total=name, weight=weight, by=_OBLIGATION, share="balance")
        parts.append(
            shared.select(
                *_LINE, "day", pl.lit(account).alias("account"), (pl.col("balance") * sign).alias("balance")
            )
        )
    return conform("position targets", pl.concat(parts), POSITION_TARGETS)
