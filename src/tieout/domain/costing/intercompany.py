"""Work of one entity's people on another's contract: a transfer charge in both books, eliminated in the group's.

Domain rules §4: cost plus the agreed margin, in both books under one id, on the first day open in both. In the buyer's
book the charge is the cost; in the group's it is what the supplier's people cost. A charge is in the currency of the
supplier's books; those of a buyer in another one carry it at the rate of the day of the work (IAS 21.21).
"""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from tieout.domain.costing.costs import line_costs
from tieout.domain.costing.policies import CostPolicies
from tieout.domain.frames import (
    CONTRACT_ENTITIES,
    COSTS,
    JOURNAL_LINES,
    LINE_AMOUNTS,
    MONEY,
    POSTINGS,
    SHARE,
    TRANSFER_MARGINS,
    TRANSFERS,
    check_frame,
    conform,
)
from tieout.domain.subledger import accounts as a
from tieout.domain.subledger.books import Books, closed_by_entity
from tieout.model.decimals import WIDE, round_by_currency, widen
from tieout.model.periods import booking_date

_SIDES = {
    "supplier": (a.INTERCOMPANY_RECEIVABLE, a.INTERCOMPANY_REVENUE),
    "buyer": (a.INTERCOMPANY_COST, a.INTERCOMPANY_PAYABLE),
}


def transfer_charges(
    costs: pl.DataFrame,
    contracts: pl.DataFrame,
    closed: pl.DataFrame,
    *,
    policies: CostPolicies,
) -> pl.DataFrame:
    """One charge (TRANSFERS) for each cost (COSTS) whose entity is not its contract's (CONTRACT_ENTITIES).

    amount = cost × (1 + margin), rounded once, in the cost's currency. The margin is the one agreed between the two for
    the day, the latest start wins, else the policy's. `booking_date` is the first day from the
    event on that is open in both books (CLOSED_PERIODS); the id is the source's, so a cost is charged once.
    """
    check_frame("costs", costs, COSTS)
    check_frame("contract entities", contracts, CONTRACT_ENTITIES)
    agreed = check_frame("transfer margins", policies.transfer_margins, TRANSFER_MARGINS)
    owned = costs.join(contracts.rename({"entity": "buyer"}), on="contract").rename({"entity": "supplier"})
    between = owned.filter(pl.col("supplier") != pl.col("buyer"))
    priced = _with_margin(between, agreed).with_columns(
        pl.col("margin").fill_null(pl.lit(policies.transfer_margin).cast(SHARE))
    )
    charge = widen("amount") * (pl.lit(1).cast(WIDE) + widen("margin"))
    rounded = round_by_currency(charge, "currency", priced["currency"].unique().to_list()).cast(MONEY)
    named = priced.with_columns(
        pl.col("amount").alias("cost_amount"), rounded.alias("amount"),
        pl.format("{}:{}:{}", "kind", "source", "version").alias("transfer"),
    )  # fmt: skip
    return conform("transfers", _dated(named, closed), TRANSFERS).sort("transfer", "event_date")


def transfer_changes(target: pl.DataFrame, booked: pl.DataFrame, closed: pl.DataFrame) -> pl.DataFrame:
    """What has to be booked (TRANSFERS) so that both books, `booked` in all, say what `target` says now.

    A correction takes the earlier charge back under its own terms and date and makes the new one, both under the id of
    the newer version. Run again with its own output booked, nothing is left.
    """
    check_frame("target transfers", target, TRANSFERS)
    check_frame("booked transfers", booked, TRANSFERS)
    measures = ["hours", "cost_amount", "amount"]
    taken = booked.with_columns(-pl.col(name).fill_null(0) for name in measures)
    terms = ["source", "kind", "contract", "line", "supplier", "buyer", "event_date", "currency"]
    both = pl.concat([target.with_columns(pl.col("hours").fill_null(0)), taken])
    both = both.with_columns(pl.col("transfer", "version").sort_by("version").last().over("source", "kind"))
    moved = both.group_by(terms).agg(
        pl.col("transfer", "version", "worker", "margin").first(), pl.col(measures).sum()
    )
    moved = moved.filter((pl.col("amount") != 0) | (pl.col("cost_amount") != 0))
    return conform("transfer changes", _dated(moved, closed), TRANSFERS).sort(
        "transfer", "event_date", "contract"
    )


def _with_margin(rows: pl.DataFrame, agreed: pl.DataFrame) -> pl.DataFrame:
    day = pl.col("event_date")
    asked = rows.select("supplier", "buyer", "event_date").unique()
    held = asked.join(agreed, on=["supplier", "buyer"]).filter(
        (pl.col("effective_from") <= day)
        & (pl.col("effective_to").is_null() | (pl.col("effective_to") >= day))
    )
    keys = ["supplier", "buyer", "event_date"]
    latest = held.sort("effective_from", "margin").group_by(keys).agg(pl.col("margin").last())
    return rows.join(latest, on=keys, how="left")


def _dated(rows: pl.DataFrame, closed: pl.DataFrame) -> pl.DataFrame:
    """Adds `booking_date`: the first day from the event on that is open in both books."""
    shut = closed_by_entity(closed)
    keys = ["supplier", "buyer", "event_date"]
    found = [
        (supplier, buyer, day, booking_date(day, [*shut.get(supplier, ()), *shut.get(buyer, ())]))
        for supplier, buyer, day in rows.select(keys).unique().iter_rows()
    ]
    schema = {key: TRANSFERS[key] for key in (*keys, "booking_date")}
    return rows.join(pl.DataFrame(found, schema=schema, orient="row"), on=keys)


def transfer_postings(transfers: pl.DataFrame) -> pl.DataFrame:
    """Both books' lines (POSTINGS) of each charge, under its one id, dated by the event.

    Supplier: Dr intercompany receivable, Cr intercompany revenue. Buyer: Dr intercompany cost, Cr intercompany payable.
    """
    check_frame("transfers", transfers, TRANSFERS)
    rows = [
        transfers.with_columns(
            pl.col("transfer").alias("cause"), pl.col(side).alias("entity"), pl.lit(account).alias("account"),
            (pl.col("amount") * sign).alias("amount"),
        ).select(POSTINGS.names())
        for side, accounts in _SIDES.items() for account, sign in zip(accounts, (1, -1), strict=True)
    ]  # fmt: skip
    return conform("postings", pl.concat(rows), POSTINGS).sort("cause", "entity", "account")


def journal_for_transfers(transfers: pl.DataFrame, books: Books) -> pl.DataFrame:
    """The journals (JOURNAL_LINES) of the charges: a period that either book has closed is closed to both."""
    parts = [JOURNAL_LINES.to_frame()]
    for (supplier, buyer), group in transfers.group_by("supplier", "buyer"):
        shut = books.closed.filter(pl.col("entity").is_in([supplier, buyer]))
        both = [shut.with_columns(pl.lit(entity).alias("entity")) for entity in (supplier, buyer)]
        shared = replace(books, closed=pl.concat(both))
        parts.append(shared.write(transfer_postings(group), "transfer"))
    return pl.concat(parts).sort("journal", "number")


def elimination_postings(transfers: pl.DataFrame) -> pl.DataFrame:
    """What takes the charges (TRANSFERS) out of the group's figures: the opposite of every line of both books."""
    return transfer_postings(transfers).with_columns(
        pl.concat_str(pl.lit("eliminate:"), "cause").alias("cause"), -pl.col("amount")
    )


def contract_costs_in_book(costs: pl.DataFrame, transfers: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Cost per contract line (LINE_AMOUNTS) as one entity's book shows it: own people's cost, and charges it bears.

    Own people's cost on another entity's contract is not a cost of that contract here: it is what was sold.
    """
    check_frame("transfers", transfers, TRANSFERS)
    sold = transfers.filter(pl.col("supplier") == entity)
    keys = ["source", "version", "contract", "line"]
    own = costs.filter(pl.col("entity") == entity).join(sold, on=keys, how="anti", nulls_equal=True)
    borne = transfers.filter(pl.col("buyer") == entity).with_columns(pl.col("buyer").alias("entity"))
    both = pl.concat([line_costs(own), borne.select(LINE_AMOUNTS.names())])
    sums = both.group_by("contract", "line", "entity", "currency").agg(pl.col("amount").sum())
    return conform("book costs", sums, LINE_AMOUNTS).sort("contract", "line", "entity", "currency")


def contract_costs_in_group(costs: pl.DataFrame) -> pl.DataFrame:
    """Cost per contract line (LINE_AMOUNTS) in the group: what everyone's own people and purchases cost."""
    return line_costs(costs)
