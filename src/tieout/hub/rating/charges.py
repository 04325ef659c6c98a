"""Charges of a rating run: what the plans of the contracts make billable by today, against what is stored already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from tieout.domain.billing import (
    Charged,
    Drawn,
    Planned,
    UsagePolicies,
    adjust_charges,
    deduction_charges,
    deposit_charges,
    draw_retainers,
    fixed_fee_charges,
    kept_as_security,
    milestone_charges,
    minimum_charges,
    reconcile_usage,
    recurring_charges,
    retainer_fees,
    unit_charges,
    usage_charges,
)
from tieout.domain.billing.charges import ADJUSTMENT, charge_key, in_charge_order, trail
from tieout.domain.billing.deposits import DEDUCTION
from tieout.domain.billing.deposits import KIND as DEPOSIT
from tieout.domain.frames import (
    BILLING_FINDINGS,
    CHARGES,
    CHARGES_SET_BACK,
    DEPOSITS,
    HELD_CHARGES,
    PERIOD_FEES,
    RETAINER_DRAWS,
    REVENUE_STEPS,
    conform,
    empty,
)
from tieout.domain.rating import RatingResult
from tieout.domain.rating.gates import BY_HOUR, DRAWN
from tieout.domain.rating.writes import UP
from tieout.hub.rating import plans
from tieout.hub.rating.plans import BY_PERIOD, Line, in_force

OVERAGE, WRITE_UP = "overage", "write_up"
WORK = frozenset({"time", "expense", "subcontract"})
"""What somebody did or bought; every other source of a billing event is a charge."""
_PERIOD = ["contract", "line", "period_start"]
_NAMES = {
    "fixed": "Fixed fee", "milestone": "Milestone", "period": "Fee", "retainer": "Retainer", "usage": "Usage",
    "minimum": "Minimum commitment", "units": "Units", OVERAGE: "Work beyond the retainer",
    WRITE_UP: "Write-up", DEPOSIT: "Deposit", DEDUCTION: "Deposit deducted",
}  # fmt: skip


@dataclass(frozen=True)
class Performed:
    """What was reached, used and delivered (MILESTONE_STATES, USAGE_READINGS, DELIVERIES), and asked for in advance.

    `deposits`: DEPOSITS without a line.
    """

    states: pl.DataFrame
    readings: pl.DataFrame
    deliveries: pl.DataFrame
    deposits: pl.DataFrame


@dataclass(frozen=True)
class ChargeRun:
    """`now`: every charge of today's facts (CHARGES); `new` of them with `source_kind`, `description` and `project`;
    `set_back` of stored ones.

    `fees` (PERIOD_FEES) and `steps` (REVENUE_STEPS) are what the periods and draws of lines recognised as invoiced earn;
    `findings` (BILLING_FINDINGS); `held`: keys of charges that wait for a decision (an overage that is not billed);
    `drawn`: how the retainers were drawn; `next_due`: per contract the day on which time alone makes the next charge.
    """

    now: pl.DataFrame
    new: pl.DataFrame
    set_back: pl.DataFrame
    findings: pl.DataFrame
    held: frozenset[str]
    drawn: Drawn | None
    fees: pl.DataFrame
    steps: pl.DataFrame
    next_due: Mapping[str, date]


_LINE = ["contract", "line"]
_TOLD = ("source_kind", "description", "project")
NO_CHARGES = ChargeRun(
    empty(CHARGES), pl.DataFrame(schema={**dict(CHARGES), **dict.fromkeys(_TOLD, pl.String)}),
    empty(CHARGES_SET_BACK), empty(BILLING_FINDINGS), frozenset(), None, empty(PERIOD_FEES), empty(REVENUE_STEPS), {},
)  # fmt: skip


def charge(
    lines: Sequence[Line], performed: Performed, draws: pl.DataFrame, events: pl.DataFrame, raised: pl.DataFrame, *,
    unsigned: Sequence[Line], usage: UsagePolicies, today: date,
) -> ChargeRun:  # fmt: skip
    """The charges of the lines (of every segment) through today, compared with the stored events (EVENT_COLUMNS).

    Of `unsigned` contracts only deposits are asked for: what comes in is a liability until there is a contract (IFRS
    15.15–16). `draws` (RETAINER_DRAWS with `unit_price`) is work that retainers cover, `raised` (CHARGES) what people wrote up. Domain rules §2.12-2.13.
    """
    stored = events.filter(~pl.col("source_kind").is_in(list(WORK)))
    planless = stored.is_empty() and raised.is_empty() and performed.deposits.is_empty()
    if planless and all(line.method == BY_HOUR for line in lines):
        return NO_CHARGES
    held = _held(stored)
    fixed_plans, fixed_items, misfits = plans.fixed_plans(lines, _billed_items(held), today)
    planned: list[Planned] = [
        fixed_fee_charges(fixed_plans, fixed_items, through=today),
        milestone_charges(*plans.milestone_plans(lines, today), performed.states, through=today),
    ]
    retainers = plans.retainer_terms(lines)
    is_security = pl.col("kind") == "security"
    fees = retainer_fees(retainers, through=today)
    secured = retainers.filter(is_security).select(_LINE).unique()
    security = kept_as_security(fees.charges.join(secured, on=_LINE, how="semi"))
    fees = replace(fees, charges=fees.charges.join(secured, on=_LINE, how="anti"))
    drawn = draw_retainers(
        retainers.filter(~is_security), draws.select(RETAINER_DRAWS.names()), through=today
    )
    used, undecided, said = _usage(lines, performed.readings, usage, today)
    charged = [
        recurring_charges(plans.recurring_terms(lines), through=today), fees,
        used, unit_charges(performed.deliveries, plans.unit_prices(lines), through=today),
        Charged(_overage(drawn, draws, retainers, today), drawn.findings), Charged(raised, empty(BILLING_FINDINGS)),
    ]  # fmt: skip
    charged += _deposits(performed.deposits, security, [*lines, *unsigned], stored, today)
    limits = plans.minimums(lines)
    counted = pl.concat([one.charges for one in charged]).join(
        limits.select("contract", "line"), on=["contract", "line"], how="semi"
    )
    charged.append(minimum_charges(counted, limits, undecided, through=today))
    made: list[Planned | Charged] = [*planned, *charged]
    now = pl.concat([one.charges for one in made])
    adjusted = adjust_charges(now, held, undecided=undecided)
    findings = pl.concat([misfits, said, *(one.findings for one in made)]).unique(maintain_order=True)
    return ChargeRun(
        now, _described(_with_source(adjusted.new, now, stored), [*lines, *unsigned]), adjusted.set_back, findings, _kept_back(drawn, now), drawn,
        *_earning(lines, draws, drawn, today), _next_due(lines, planned, today),
    )  # fmt: skip


def raised_by(writes: pl.DataFrame, contracts: Mapping[str, Mapping[str, object]]) -> pl.DataFrame:
    """Write-ups (of WRITES) as charges of the day of their decision: more is billed for the work than its price."""
    nothing = pl.lit(None, pl.Date)
    currencies = {key: str(row["currency"]) for key, row in contracts.items()}
    rows = writes.filter(pl.col("kind") == UP)
    return in_charge_order(
        rows.with_columns(
            charge_key(WRITE_UP, "write"), pl.lit(WRITE_UP).alias("kind"), pl.col("entry").alias("item"),
            pl.col("day").alias("due_on"), nothing.alias("period_start"), nothing.alias("period_end"),
            pl.lit(1).alias("quantity"), pl.col("amount").cast(CHARGES["price"]).alias("price"),
            pl.col("contract").replace_strict(currencies, default=None, return_dtype=pl.String).alias("currency"),
            trail(entry=pl.col("entry"), reason=pl.col("reason"), rule=pl.lit("written up")),
        )
    )  # fmt: skip


def draws_of(rating: RatingResult, lines: Sequence[Line]) -> tuple[RatingResult, pl.DataFrame]:
    """The rating without what is drawn from a retainer, and that as RETAINER_DRAWS with its `unit_price`."""
    drawn = {(line.contract, line.terms["line"]) for line in lines if plans.rated_by(line.terms) == DRAWN}
    if not drawn:
        return rating, empty(RETAINER_DRAWS).with_columns(pl.lit(None, CHARGES["price"]).alias("unit_price"))
    keys = pl.DataFrame(sorted(drawn), {"contract": pl.String, "line": pl.String}, orient="row")
    mine = rating.events.join(keys, on=["contract", "line"], how="semi", maintain_order="left")
    rest = rating.events.join(keys, on=["contract", "line"], how="anti", maintain_order="left")
    aside = mine.with_columns(pl.lit("drawn from a retainer").alias("reason")).select(
        rating.non_billable.columns
    )
    draws = mine.select(
        pl.col("entry").alias("draw"), "contract", "line", pl.col("work_date").alias("day"),
        pl.col("billable_hours").alias("quantity"), "amount", pl.col("price").alias("unit_price"),
    )  # fmt: skip
    parts = vars(rating) | {"events": rest, "non_billable": pl.concat([rating.non_billable, aside])}
    return RatingResult(**parts), draws


def _held(stored: pl.DataFrame) -> pl.DataFrame:
    """HELD_CHARGES of the stored events, without what was set back of them before."""
    rows = stored.select(
        "event", pl.col("entry").alias("charge"), "kind", "contract", "line", "item",
        pl.col("work_date").alias("due_on"), "period_start", "period_end", "price", "currency",
        *(
            expression
            for m in ("quantity", "amount")
            for expression in (
                (pl.col(m) - pl.col(f"reversed_{m}")).alias(m),
                (pl.col(f"billed_{m}") - pl.col(f"credited_{m}") + pl.col(f"written_off_{m}")).alias(f"billed_{m}"),
            )
        ),
    )  # fmt: skip
    return conform("held charges", rows, HELD_CHARGES)


def _billed_items(held: pl.DataFrame) -> pl.DataFrame:
    fees = held.filter(pl.col("kind").is_in(["fixed", ADJUSTMENT]))
    return fees.group_by("contract", "line", "item").agg(pl.col("billed_amount").sum().alias("amount"))


def _deposits(
    deposits: pl.DataFrame, security: pl.DataFrame, lines: Sequence[Line], stored: pl.DataFrame, today: date
) -> list[Charged]:
    """What is asked for in advance, on the first line of its contract, and what of it later invoices deduct.

    What is kept as security stands on the line that asks for it, and is deducted from that line's last day on.
    """
    if deposits.is_empty() and security.is_empty():
        return []
    first = {line.contract: line.terms["line"] for line in reversed(lines)}
    line = pl.col("contract").replace_strict(first, default=None, return_dtype=pl.String).alias("line")
    placed = conform("deposits", deposits.with_columns(line).drop_nulls("line"), DEPOSITS)
    ended = _ended(security, lines, today)
    mine = stored.filter(pl.col("source_kind") == DEPOSIT)
    released = mine.group_by(pl.col("item").alias("deposit")).agg(
        (pl.col("billed_amount") - pl.col("credited_amount")).sum().alias("released")
    )
    left = pl.concat([placed, ended]).join(released, on="deposit").with_columns(
        pl.min_horizontal("amount", "released").alias("amount")
    )  # fmt: skip
    deducted = deduction_charges(conform("released deposits", left, DEPOSITS))
    asked = deposit_charges(pl.concat([placed, security]), through=today)
    return [asked, Charged(deducted, empty(BILLING_FINDINGS))]


def _ended(security: pl.DataFrame, lines: Sequence[Line], today: date) -> pl.DataFrame:
    """What was kept as security of lines whose last day has come, dated by that day."""
    ends = {(line.contract, line.terms["line"]): line.dated["end"] for line in lines}
    last = pl.DataFrame(
        [(*key, end) for key, end in ends.items() if end is not None and end <= today],
        {"contract": pl.String, "line": pl.String, "ended": pl.Date}, orient="row",
    )  # fmt: skip
    return (
        security.join(last, on=_LINE).with_columns(pl.col("ended").alias("asked_on")).select(DEPOSITS.names())
    )


def _usage(
    lines: Sequence[Line], readings: pl.DataFrame, policies: UsagePolicies, today: date
) -> tuple[Charged, pl.DataFrame, pl.DataFrame]:
    """Charges of reconciled usage, the periods that wait (USED), and what the reconciliation found."""
    terms, tiers, sources = plans.usage_terms(lines)
    reconciled = reconcile_usage(readings, terms, sources, through=today, policies=policies)
    return usage_charges(reconciled.used, terms, tiers), reconciled.waiting, reconciled.findings


def _overage(drawn: Drawn, draws: pl.DataFrame, retainers: pl.DataFrame, today: date) -> pl.DataFrame:
    """What draws exceed the balance of their period by, billed by the hour on the period's last day."""
    over = drawn.split.filter((pl.col("over_amount") != 0) & (pl.col("due_on") <= today))
    currency = retainers.select("contract", "line", "currency").unique()
    ended = over.join(drawn.periods.select(*_PERIOD, "period_end"), on=_PERIOD, how="left")
    priced = ended.join(draws.select("draw", "unit_price"), on="draw").join(currency, on=["contract", "line"])
    return in_charge_order(
        priced.with_columns(
            charge_key(OVERAGE, "draw"), pl.lit(OVERAGE).alias("kind"), pl.col("draw").alias("item"),
            pl.col("over_quantity").alias("quantity"), pl.col("unit_price").alias("price"),
            pl.col("over_amount").alias("amount"), trail(entry=pl.col("draw"), rule=pl.lit("beyond the retainer")),
        )
    )  # fmt: skip


def _earning(
    lines: Sequence[Line], draws: pl.DataFrame, drawn: Drawn, today: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """PERIOD_FEES of periods that began, billed or not, and REVENUE_STEPS of what was drawn or expired."""
    mine = pl.DataFrame(
        sorted({(one.contract, one.terms["line"]) for one in lines if one.is_as_invoiced}),
        {"contract": pl.String, "line": pl.String}, orient="row",
    )  # fmt: skip
    retainers = plans.retainer_terms(lines)
    begun = pl.lit("advance").alias("timing")
    charged = [
        recurring_charges(plans.recurring_terms(lines).with_columns(begun), through=today),
        retainer_fees(retainers.filter(pl.col("kind") == "availability").with_columns(begun), through=today),
    ]  # fmt: skip
    fees = (
        pl.concat([one.charges for one in charged])
        .rename({"period_start": "first_day", "period_end": "last_day"})
        .with_columns(pl.lit(None, pl.Date).alias("since"))
    )
    covered = drawn.split.filter(pl.col("covered_amount") != 0).join(draws.select("draw", "day"), on="draw")
    currency = retainers.filter(pl.col("kind") == "hours").select(*_LINE, "currency").unique()
    taken = covered.join(currency, on=_LINE).select(
        *_LINE, "currency", "day", pl.col("covered_amount").alias("amount")
    )
    lapsed = drawn.periods.filter(pl.col("ended") & (pl.col("expired_amount") != 0)).select(
        *_LINE, "currency", pl.col("period_end").alias("day"), pl.col("expired_amount").alias("amount")
    )
    steps = pl.concat([taken, lapsed])
    return (
        conform("period fees", fees.join(mine, on=_LINE, how="semi"), PERIOD_FEES),
        conform("revenue steps", steps.join(mine, on=_LINE, how="semi"), REVENUE_STEPS),
    )


def _kept_back(drawn: Drawn, now: pl.DataFrame) -> frozenset[str]:
    waits = drawn.split.filter((pl.col("overage") == "hold") & (pl.col("over_amount") != 0))
    kept = now.filter(pl.col("kind") == OVERAGE).join(waits, left_on="item", right_on="draw", how="semi")
    return frozenset(kept["charge"].to_list())


def _with_source(new: pl.DataFrame, now: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """Adds `source_kind`: what made the charge; an adjustment has that of what it adjusts."""
    made = pl.concat([
        now.select("charge", pl.col("kind").alias("source_kind")),
        stored.select(pl.col("entry").alias("charge"), "source_kind"),
    ]).unique("charge", keep="first", maintain_order=True)  # fmt: skip
    return new.join(made, on="charge", how="left", maintain_order="left")


def _described(charges: pl.DataFrame, lines: Sequence[Line]) -> pl.DataFrame:
    """The charges with `project` of their line and `description`, what the customer reads."""
    told = {
        (line.contract, line.terms["line"]): (
            line.terms.get("name"),
            line.terms.get("project"),
            _milestones(line),
        )
        for line in lines
    }
    texts, projects = [], []
    for row in charges.iter_rows(named=True):
        name, project, milestones = told.get((row["contract"], row["line"]), (None, None, {}))
        texts.append(_text(row, name, milestones))
        projects.append(project)
    return charges.with_columns(
        pl.Series("description", texts, pl.String), pl.Series("project", projects, pl.String)
    )


def _milestones(line: Line) -> dict[str, str]:
    return {one["milestone"]: one.get("name") or one["milestone"] for one in line.terms.get("milestones", [])}


def _text(row: Mapping[str, object], name: str | None, milestones: Mapping[str, str]) -> str:
    kind = str(row["source_kind"])
    span = f"{row['period_start']} to {row['period_end']}" if row["period_start"] else f"{row['due_on']}"
    what = milestones.get(str(row["item"]), str(row["item"])) if kind == "milestone" else span
    text = f"{name or _NAMES.get(kind, kind)}, {what}"
    return f"Adjustment: {text}" if row["kind"] == ADJUSTMENT else text


def _edges(today: date, anchor: date | None) -> list[date]:
    """The days on which periods may end and begin in this month and the next two: the anchor's (else the first), the day before."""
    month, found = today.replace(day=1), []
    for _ in range(3):
        following = (month + timedelta(days=32)).replace(day=1)
        begins = min(month + timedelta(days=anchor.day - 1 if anchor else 0), following - timedelta(days=1))
        found += [begins - timedelta(days=1), begins]
        month = following
    return found


def _next_due(lines: Sequence[Line], planned: Sequence[Planned], today: date) -> dict[str, date]:
    """Per contract the next day on which something falls due by date alone: a planned part, or a period's edge."""
    found: dict[str, date] = {}
    later = pl.concat([one.later.select("contract", "due_on") for one in planned]).drop_nulls()
    days = [(str(contract), day) for contract, day in later.rows()]
    for line in (one for method in BY_PERIOD for one in in_force(lines, method, today)):
        edges = [*_edges(today, line.terms.get("anchor")), line.last, line.ended_on]
        days += [(line.contract, day) for day in edges if day]
    for contract, day in days:
        if day > today:
            found[contract] = min(day, found.get(contract, day))
    return found
