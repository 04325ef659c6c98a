"""What a period needs before it is locked: other currencies at its last rate, estimates of work that nobody approved yet,
and the lines whose right to invoice is doubtful by name (domain rules §2.1, §4)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta

import polars as pl
from sqlalchemy import Connection

from tieout.domain.costing import accrual_postings, accrue_unapproved, cost_purchases
from tieout.domain.frames import EXPENSES, RATED_EXPENSES, UNAPPROVED_VALUE, conform, empty
from tieout.domain.rating.expenses import PRINCIPAL
from tieout.domain.subledger import NoRate, reverse
from tieout.hub import books, exceptions, policies, remeasuring
from tieout.hub.exceptions import NewException
from tieout.hub.exchange import MISSING
from tieout.hub.rating import expedient
from tieout.hub.rating.deciding import decide
from tieout.hub.rating.facts import Facts, gather
from tieout.hub.rating.revenue import recognise
from tieout.model.periods import period_bounds
from tieout.store import billing_events, billing_runs, clock
from tieout.store import closing as store
from tieout.telemetry.failpoints import fp

_SUBMITTED, _ACCRUAL = "submitted", "accrual"
_LINE = ["contract", "line", "entity", "currency"]


def prepare(conn: Connection, entity: str, period: str) -> None:
    """Book and say what the close of an entity's period asks for; run again it changes nothing that is right."""
    stated = policies.load(conn)
    last = period_bounds(period, stated.calendar(entity))[1]
    if books.is_closed(conn, entity, last):
        return
    remeasuring.remeasure(conn, entity, period)
    contracts = store.contracts_of(conn, entity)
    if stated.accrue_unapproved:
        _accrue(conn, contracts, last, entity, period)
    _question(conn, contracts)


def _accrue(conn: Connection, contracts: Collection[str], last: date, entity: str, period: str) -> None:
    """As `accrue`; without an exchange rate nothing is estimated, and `missing-fx` says so."""
    key = f"{entity}/{period}/accrual"
    missing = []
    try:
        accrue(conn, contracts, last)
    except NoRate as unknown:
        said = f"submitted work of {entity} is not estimated: {unknown}"
        missing = [NewException(MISSING, key, said, legal_entity=entity, evidence={"group": MISSING})]
    exceptions.open_exceptions(conn, missing)
    exceptions.resolve_where_healed(conn, MISSING, [key], [one.key for one in missing])


def accrue(conn: Connection, contracts: Collection[str], last: date) -> int:
    """Estimate submitted time and expenses up to a day as if they were approved; how many journals.

    Each estimate is taken back on the next day, and nothing of it is ever billed. Lines with a measure of progress count
    their work as it is recorded and are left alone.
    """
    waiting = sorted({*(row["contract"] for row in billing_runs.unapproved(conn, contracts, last)),
                      *store.accrued_contracts(conn, contracts, last)})  # fmt: skip
    if not waiting:
        return 0
    billing_events.lock_contracts(conn, waiting)
    rows = accrue_unapproved(
        _unapproved(conn, waiting, last), last_day=last, next_first_day=last + timedelta(days=1)
    )
    lines = accrual_postings(rows.filter(~pl.col("reversal")))
    held = store.accrued(conn, waiting, last)
    lacking = pl.concat([lines.select(*_LINE, "account", "amount"), held.with_columns(-pl.col("amount"))])
    sums = lacking.group_by(*_LINE, "account").agg(pl.col("amount").sum()).filter(pl.col("amount") != 0)
    if sums.is_empty():
        return 0
    dated = sums.with_columns(pl.lit(last).alias("event_date"))
    heads = dated.select("contract", "event_date").unique().sort(pl.all())
    causes = dated.join(books.numbered(conn, heads, _ACCRUAL, waiting), on=heads.columns)
    places = {row["contract"]: (row["entity"], row["currency"]) for row in causes.iter_rows(named=True)}
    open_ = books.open_books(conn, places).assuming(dict(places.values()))
    written = open_.write(causes, _ACCRUAL)
    books.write_journals(conn, written)
    books.write_journals(conn, reverse(written, last + timedelta(days=1), open_))
    fp("closing.accrued")
    return written["journal"].n_unique()


def _unapproved(conn: Connection, contracts: Collection[str], last: date) -> pl.DataFrame:
    """UNAPPROVED_VALUE of the contracts' lines: what approving everything submitted would add to revenue and cost."""
    stated = policies.load(conn)
    facts = gather(conn, contracts, stated)
    then = _as_approved(facts, last)
    moment = clock.now(conn)
    now_earned, then_earned = (
        recognise(each, decide(each, stated.rating, moment)).recognised.with_columns(
            pl.col("amount") - pl.col("pass_through_amount")
        )
        for each in (facts, then)
    )
    both = pl.concat([then_earned, now_earned.with_columns(-pl.col("amount"))])
    revenue = both.group_by(_LINE).agg(pl.col("amount").sum().alias("revenue_amount"))
    cost = _cost(facts, then).group_by(_LINE).agg(pl.col("amount").sum().alias("cost_amount"))
    joined = revenue.join(cost, on=_LINE, how="full", coalesce=True).with_columns(
        pl.col("revenue_amount", "cost_amount").fill_null(0), pl.format("{}/{}", "contract", "line").alias("source"),
        pl.lit("expense").alias("kind"),
    )  # fmt: skip
    return conform("unapproved", joined, UNAPPROVED_VALUE)


def _as_approved(facts: Facts, last: date) -> Facts:
    """The facts as if what was submitted up to the day were approved."""
    approved = pl.when((pl.col("state") == _SUBMITTED) & (pl.col("work_date") <= last)).then(
        pl.lit("approved")
    )
    state = approved.otherwise("state").alias("state")
    spent = facts.spending.expenses.with_columns(state)
    return replace(
        facts, entries=facts.entries.with_columns(state), spending=replace(facts.spending, expenses=spent)
    )


def _cost(facts: Facts, then: Facts) -> pl.DataFrame:
    """COSTS of the expenses that count as approved now; recorded time costs before it is approved, an agent's nothing."""
    waits = facts.spending.expenses.filter(pl.col("state") == _SUBMITTED).select("entry")
    ours = pl.col("nature").fill_null(PRINCIPAL) == PRINCIPAL
    spent = then.spending.expenses.join(waits, on="entry", how="semi").filter(ours)
    return cost_purchases(conform("expenses", spent, EXPENSES), empty(RATED_EXPENSES))


def _question(conn: Connection, contracts: Collection[str]) -> None:
    """Name the lines whose right to invoice is doubtful; those that are no more are over."""
    facts = gather(conn, contracts, policies.load(conn))
    over = facts.events.filter(pl.col("over_cap_amount") != 0).select("contract", "line").unique()
    found = expedient.doubtful(facts.plans, over.iter_rows(), facts.today)
    named = [
        NewException(
            expedient.QUESTIONED, f"{row['contract']}/{row['line']}", row["detail"], contract=row["contract"],
            legal_entity=facts.contracts[row["contract"]]["legal_entity"], evidence={"group": expedient.QUESTIONED},
        )
        for row in found.iter_rows(named=True)
    ]  # fmt: skip
    exceptions.open_exceptions(conn, named)
    lines = {f"{line.contract}/{line.terms['line']}" for line in facts.plans}
    exceptions.resolve_where_healed(conn, expedient.QUESTIONED, lines, [one.key for one in named])
