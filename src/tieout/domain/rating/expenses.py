"""Expenses and subcontract work: within their limits, marked up, as principal, agent or for the customer's account.

Order: net of recoverable tax, limits, markup; caps come after, with time (`domain/billing/caps.py`). Domain rules §2.7;
what an agent passes on is not its revenue (IFRS 15.B34–B38). Amounts are in the contract's currency, rounded once; what is not rounded carries twelve decimals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from tieout.domain.frames import (
    EXPENSE_LIMITS,
    EXPENSE_TERMS,
    EXPENSES,
    EXPENSES_ASIDE,
    FINDINGS,
    HOURS,
    MONEY,
    RATED,
    RATED_EXPENSES,
    SHARE,
    check_frame,
    conform,
    empty,
)
from tieout.domain.rating import gates
from tieout.domain.rating.exchange import converted, with_exchange
from tieout.domain.rating.policies import Lookups, RatingPolicies
from tieout.domain.rating.runs import in_runs, running, without_runs
from tieout.model.decimals import WIDE, round_by_currency, round_to_minor, widen
from tieout.model.money import is_currency, minor_unit

PRINCIPAL, AGENT, DISBURSEMENT = "principal", "agent", "disbursement"
NATURES = (PRINCIPAL, AGENT, DISBURSEMENT)
ITEM, DAY, MONTH, LINE = "item", "day", "month", "line"
LIMITED_BY = {
    ITEM: ["entry"],
    DAY: ["contract", "line", "worker", "work_date"],
    MONTH: ["contract", "line", "worker", "work_month"],
    LINE: ["contract", "line"],
}
"""What one limit spans: an entry, a worker's day or calendar month on the line, the line; of its category if it names one."""


@dataclass(frozen=True)
class ExpenseResult:
    """Every expense that came in, once: an event (RATED_EXPENSES), or set aside (EXPENSES_ASIDE) with its reason."""

    events: pl.DataFrame
    findings: pl.DataFrame
    waiting: pl.DataFrame
    non_billable: pl.DataFrame
    withdrawn: pl.DataFrame
    refused: pl.DataFrame


def rate_expenses(
    expenses: pl.DataFrame,
    terms: pl.DataFrame,
    limits: pl.DataFrame,
    *,
    policies: RatingPolicies,
    lookups: Lookups | None = None,
) -> ExpenseResult:
    """Rate expenses and subcontract work (EXPENSES, EXPENSE_TERMS, EXPENSE_LIMITS).

    `expenses` holds the current version of each and all others that share a limit with it. A line whose price covers
    its expenses (`included`) bills none of them. Of an event:
    `base_amount` is what was spent (net of recoverable tax; a disbursement gross), `excess_amount` the part over a
    limit, which nobody is billed and which stays our cost; `amount` to bill = (base − excess) × (1 + markup);
    `pass_through_amount` + `revenue_amount` = `amount`. A disbursement carries no markup. What is null is principal.
    """
    check_frame("expense limits", limits, EXPENSE_LIMITS)
    if expenses.is_empty():
        aside = [empty(EXPENSES_ASIDE) for _ in range(4)]
        return ExpenseResult(empty(RATED_EXPENSES), empty(FINDINGS), *aside)
    judged = _judged(
        check_frame("expenses", expenses, EXPENSES), check_frame("expense terms", terms, EXPENSE_TERMS)
    )
    exchanged = with_exchange(
        judged, (lookups or Lookups()).exchange_rates, source="spent_currency", target="currency", day="work_date",
        wanted="exchange_rate_type", max_age_days=policies.exchange_max_age_days,
    )  # fmt: skip
    unknown = pl.col("rule").is_null() & pl.col("exchange_rate").is_null()
    ruled = exchanged.with_columns(
        pl.when(unknown).then(pl.lit("missing-fx")).otherwise("rule").alias("rule")
    )
    result = _placed(ruled, limits)
    _check_conservation(expenses, result)
    return result


def _judged(expenses: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    if expenses["entry"].n_unique() != expenses.height:
        raise ValueError("expenses holds two versions of one entry")
    nature = pl.col("nature").fill_null(PRINCIPAL)
    spent = expenses.with_columns(nature).rename({"amount": "spent_amount", "currency": "spent_currency"})
    judged = gates.with_terms(spent, terms)
    covered = pl.col("included").fill_null(False)
    rule = gates.first_rule(gates.unknown_currencies(terms), {gates.OTHERWISE: covered})
    codes = [code for code in spent["spent_currency"].unique().to_list() if code is not None]
    return judged.with_columns(rule).with_columns(
        pl.when(pl.col("rule").is_null() | ~pl.col("rule").is_in(list(gates.PLACES)))
        .then(pl.coalesce("rule", _own_rule(codes)))
        .otherwise("rule")
        .alias("rule")
    )


def is_sound(amount: pl.Expr, tax: pl.Expr) -> pl.Expr:
    """Whether an amount is known, and its recoverable tax (not null) has its sign and is no more than it."""
    return amount.is_not_null() & (tax.abs() <= amount.abs()) & (tax * amount >= 0)


def _own_rule(currencies: list[str]) -> pl.Expr:
    """What is wrong with the expense itself, whatever its contract says."""
    known = [code for code in currencies if is_currency(code)]
    amount, tax = pl.col("spent_amount"), pl.col("tax_amount").fill_null(0)
    too_fine = pl.lit(False)
    for count in sorted({minor_unit(code) for code in known}):
        codes = [code for code in known if minor_unit(code) == count]
        fine = (round_to_minor(amount, count) != widen(amount)) | (round_to_minor(tax, count) != widen(tax))
        too_fine = too_fine | (pl.col("spent_currency").is_in(codes) & fine)
    broken = {
        "unknown-currency": ~pl.col("spent_currency").is_in(known).fill_null(False),
        "invalid-payload": ~is_sound(amount, tax),
        "amount-precision": too_fine,
        "unmapped-value": ~pl.col("nature").is_in(NATURES),
    }
    return pl.coalesce(pl.when(wrong.fill_null(False)).then(pl.lit(kind)) for kind, wrong in broken.items())


def _said() -> Mapping[str, pl.Expr]:
    amount = pl.col("spent_amount").cast(pl.String).fill_null("no amount")
    code = pl.col("spent_currency").fill_null("no currency")
    return {
        gates.OTHERWISE: pl.format(
            "the price of contract {} line {} covers its expenses", "contract", "line"
        ),
        "invalid-payload": pl.format(
            "amount {} with recoverable tax {}", amount, pl.col("tax_amount").fill_null(0)
        ),
        "amount-precision": pl.format("{} has more decimals than {} allows", amount, code),
        "unmapped-value": pl.format("nature {} is none of principal, agent, disbursement", "nature"),
        "missing-fx": pl.format("no exchange rate from {} to {} for {}", code, "currency", "work_date"),
    }


def _placed(ruled: pl.DataFrame, limits: pl.DataFrame) -> ExpenseResult:
    events = _events(ruled.filter(pl.col("rule").is_null()), limits)
    aside = gates.explained(ruled.filter(pl.col("rule").is_not_null()), _said())
    refused = aside.filter(pl.col("place") == gates.FINDING)
    money = refused.with_columns(pl.lit(None, MONEY).alias("amount"))
    return ExpenseResult(
        events=events,
        findings=conform("findings", money, FINDINGS).sort("entry"),
        waiting=_aside(aside, "waiting"),
        non_billable=_aside(aside, "non_billable"),
        withdrawn=_aside(aside, "withdrawn"),
        refused=_aside(aside, gates.FINDING),
    )


def _events(rows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    net = pl.col("spent_amount") - pl.col("tax_amount").fill_null(0)
    base = pl.when(pl.col("nature") == DISBURSEMENT).then("spent_amount").otherwise(net)
    based = rows.with_columns(converted(base).alias("base"))
    allowed = _within_limits(based.with_columns(pl.col("base").alias("allowed")), limits)
    currencies = allowed["currency"].unique().to_list()
    own = pl.when(pl.col("nature") == DISBURSEMENT).then(0).otherwise(pl.col("markup").fill_null(0))
    marked = allowed.with_columns(own.cast(SHARE).alias("markup"))
    one = pl.lit(1).cast(WIDE)
    amount = widen("allowed") * (one + widen("markup"))
    rounded = marked.with_columns(
        round_by_currency(amount, "currency", currencies).cast(MONEY).alias("amount"),
        round_by_currency(pl.col("allowed"), "currency", currencies).cast(MONEY).alias("billable_base"),
        round_by_currency(pl.col("base"), "currency", currencies).cast(MONEY).alias("base_amount"),
    )
    through = pl.when(pl.col("nature") == PRINCIPAL).then(pl.lit(0).cast(MONEY)).otherwise("billable_base")
    shared = rounded.with_columns(
        (pl.col("base_amount") - pl.col("billable_base")).alias("excess_amount"),
        through.alias("pass_through_amount"),
        (pl.col("amount") - through).alias("revenue_amount"),
        _trail(),
    )
    return conform("rated expenses", shared, RATED_EXPENSES).sort("work_date", "entry")


def _within_limits(rows: pl.DataFrame, limits: pl.DataFrame) -> pl.DataFrame:
    """`allowed` of each row after its limits: per entry, day, month, line in this order; of a category before of all.

    In order of (date, entry) each limit lets through what is left of it; a refund gives room back. What is on a released
    invoice keeps its place: it goes first.
    """
    for per in (ITEM, DAY, MONTH, LINE):
        for named in (True, False):
            chosen = limits.filter((pl.col("per") == per) & (pl.col("category").is_not_null() == named))
            if not chosen.is_empty():
                rows = _limited(rows, chosen, per, named)
    unknown = set(limits["per"].unique().to_list()) - set(LIMITED_BY)
    if unknown:
        raise ValueError(f"limits per {', '.join(sorted(map(str, unknown)))} are not known")
    return rows


def _limited(rows: pl.DataFrame, limits: pl.DataFrame, per: str, named: bool) -> pl.DataFrame:
    keys = ["contract", "line", "category"] if named else ["contract", "line"]
    stated = rows.select("entry", *keys, "work_date").join(
        limits.drop(set(limits.columns) - {*keys, "amount", "effective_from", "effective_to"}), on=keys
    )
    day = pl.col("work_date")
    holds = (pl.col("effective_from") <= day).fill_null(True) & (pl.col("effective_to") >= day).fill_null(
        True
    )
    tightest = stated.filter(holds).group_by("entry").agg(widen(pl.col("amount").min()).alias("limit"))
    limited = rows.join(tightest, on="entry", how="left")
    free, bound = limited.filter(pl.col("limit").is_null()), limited.filter(pl.col("limit").is_not_null())
    placed = bound.with_columns(
        day.dt.truncate("1mo").alias("work_month"), (~pl.col("released").fill_null(False)).alias("waits")
    )
    spans = [*LIMITED_BY[per], *(["category"] if named else [])]
    runs = in_runs(placed, spans, ["waits", "work_date", "entry"])
    total = running(pl.col("allowed"))
    upto = pl.min_horizontal(total, "limit")
    before = pl.when("run_starts").then(pl.lit(0).cast(WIDE)).otherwise(upto.shift(1))
    kept = without_runs(runs.with_columns((upto - before).alias("allowed")))
    return pl.concat([free, kept.select(free.columns)]).drop("limit")


def as_items(events: pl.DataFrame) -> pl.DataFrame:
    """Rated expenses (RATED_EXPENSES) in the shape of rated time (RATED): one item each, its price the amount.

    So reconciling, caps and drafts treat both alike: an item is a quantity of one, which a cap splits by value. A refund
    is a quantity of minus one, so no price is negative (EN 16931, BR-27); what a limit takes whole is a quantity of none.
    """
    check_frame("rated expenses", events, RATED_EXPENSES)
    one, zero = pl.lit(1), pl.lit(0)
    count = pl.col("amount").sign().cast(HOURS)
    items = events.with_columns(
        pl.lit(None, pl.String).alias("role"), pl.lit(None, pl.String).alias("card"), zero.alias("worked_hours"),
        count.alias("billable_hours"), count.alias("units"), one.alias("multiplier"), zero.alias("discount"),
        pl.col("amount").abs().alias("price"), pl.lit("item").alias("unit"),
    )  # fmt: skip
    return conform("items", items, RATED)


def _trail() -> pl.Expr:
    """Canonical JSON: exchange (of another currency), limit (what it let through of what was spent), markup, nature."""
    exchange = pl.concat_str(
        pl.lit('"exchange":{"amount":"'), pl.col("spent_amount").cast(pl.String), pl.lit('","currency":"'),
        pl.col("spent_currency"), pl.lit('","day":"'), pl.col("exchange_day").cast(pl.String),
        pl.lit('","inverse":'), pl.col("exchange_inverse").cast(pl.String), pl.lit(',"rate":"'),
        pl.col("exchange_rate").cast(pl.String), pl.lit('"},'),
    )  # fmt: skip
    excess = pl.col("base_amount") - pl.col("billable_base")
    limit = pl.concat_str(
        pl.lit('"limit":{"of":"'), pl.col("base_amount").cast(pl.String), pl.lit('","within":"'),
        pl.col("billable_base").cast(pl.String), pl.lit('"},'),
    )  # fmt: skip
    return pl.concat_str(
        pl.lit("{"), pl.when(pl.col("exchange_day").is_not_null()).then(exchange).otherwise(pl.lit("")),
        pl.when(excess != 0).then(limit).otherwise(pl.lit("")), pl.lit('"markup":"'),
        pl.col("markup").cast(pl.String), pl.lit('","nature":"'), pl.col("nature"), pl.lit('"}'),
    ).alias("trail")  # fmt: skip


def _aside(rows: pl.DataFrame, place: str) -> pl.DataFrame:
    chosen = rows.filter(pl.col("place") == place)
    reason = pl.col("kind") if place == gates.FINDING else pl.col("detail")
    named = chosen.with_columns(reason.alias("reason")).drop("currency")
    return conform(
        place, named.rename({"spent_amount": "amount", "spent_currency": "currency"}), EXPENSES_ASIDE
    )


def _check_conservation(expenses: pl.DataFrame, result: ExpenseResult) -> None:
    """Each expense comes out once; of an event base = billed base + excess and amount = pass-through + revenue."""
    aside = [result.waiting, result.non_billable, result.withdrawn, result.refused]
    count = result.events.height + sum(part.height for part in aside)
    if count != expenses.height or result.findings.height != result.refused.height:
        raise AssertionError(f"rating lost expenses: in {expenses.height}, out {count}")
    sums = result.events.select(pl.col("amount", "pass_through_amount", "revenue_amount").sum()).row(0)
    if sums[0] != sums[1] + sums[2]:
        raise AssertionError(f"expense value {sums[0]} is not {sums[1]} passed through and {sums[2]} revenue")
    kept = sum((part["amount"].sum() for part in aside), Decimal(0))
    if kept != expenses.join(result.events, on="entry", how="anti")["amount"].sum():
        raise AssertionError("rating changed an amount that it set aside")
