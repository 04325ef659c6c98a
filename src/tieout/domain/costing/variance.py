"""What payroll cost beyond the standard rates: to the projects by hours, or kept in the period.

Domain rules §4: payroll less standard goes to `labor_variance`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from tieout.domain.costing.costs import PAYROLL, VARIANCE
from tieout.domain.costing.policies import PROJECTS, CostPolicies
from tieout.domain.frames import (
    COST_FINDINGS,
    COSTS,
    LABOR_COSTS,
    PERIOD_DAYS,
    VARIANCES,
    check_frame,
    conform,
    frame,
)
from tieout.domain.frames import PAYROLL as PAYROLL_ROWS
from tieout.model.money import allocate


@dataclass(frozen=True)
class LaborVariance:
    """`variances` per worker and period (VARIANCES); `costs` (COSTS): each of them (`payroll`), and what the projects take
    of it (`variance`); `findings`: payroll that no period, or no standard cost in its currency, answers."""

    variances: pl.DataFrame
    costs: pl.DataFrame
    findings: pl.DataFrame


def labor_variance(
    payroll: pl.DataFrame, costs: pl.DataFrame, periods: pl.DataFrame, *, policies: CostPolicies
) -> LaborVariance:
    """Payroll (PAYROLL) less the standard cost (LABOR_COSTS) of the worker's hours in the period (PERIOD_DAYS).

    Positive: payroll cost more. Under `projects` it is shared by worked hours over contract lines and internal time,
    largest remainder, on the period's last day; without hours, and under `period`, it stays in `labor_variance`.
    `costs` holds all hours of the worker in the period. A worker without payroll has no variance yet.
    """
    check_frame("payroll", payroll, PAYROLL_ROWS)
    check_frame("labor costs", costs, LABOR_COSTS)
    check_frame("periods", periods, PERIOD_DAYS)
    keys = ["worker", "entity", "period", "currency"]
    paid = payroll.group_by(keys).agg(pl.col("amount").sum().alias("payroll_amount"))
    dated = paid.join(periods, on=["entity", "period"], how="left")
    worked = _worked(dated, costs)
    foreign = worked.filter(pl.col("cost_currency") != pl.col("currency")).select(keys).unique()
    unplaced = pl.concat([dated.filter(pl.col("first_day").is_null()).select(keys), foreign]).unique()
    placed = dated.join(unplaced, on=keys, how="anti")
    worked = worked.join(unplaced, on=keys, how="anti")
    standard = worked.group_by(keys).agg(pl.col("amount").sum().alias("standard_amount"))
    found = placed.join(standard, on=keys, how="left").with_columns(pl.col("standard_amount").fill_null(0))
    found = found.with_columns(
        (pl.col("payroll_amount") - pl.col("standard_amount")).alias("variance_amount")
    )
    shared = _shared(found, worked) if policies.labor_variance == PROJECTS else COSTS.to_frame()
    return LaborVariance(
        conform("variances", found, VARIANCES).sort(keys),
        pl.concat([_payroll(found), shared]),
        _findings(unplaced, dated),
    )


def _worked(dated: pl.DataFrame, costs: pl.DataFrame) -> pl.DataFrame:
    """The costed entries of each worker and period of the payroll."""
    own = costs.rename({"currency": "cost_currency"})
    joined = dated.join(own, on=["worker", "entity"])
    return joined.filter(pl.col("work_date").is_between(pl.col("first_day"), pl.col("last_day")))


def _shared(found: pl.DataFrame, worked: pl.DataFrame) -> pl.DataFrame:
    keys = ["worker", "entity", "period", "currency"]
    hours = worked.group_by(*keys, "contract", "line", "project").agg(pl.col("worked_hours").sum())
    by_worker: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in hours.sort("contract", "line", "project", nulls_last=True).iter_rows(named=True):
        by_worker.setdefault(tuple(row[k] for k in keys), []).append(row)
    rows: list[dict[str, Any]] = []
    for one in found.filter(pl.col("variance_amount") != 0).sort(keys).iter_rows(named=True):
        targets = by_worker.get(tuple(one[k] for k in keys), [])
        weights = [target["worked_hours"] for target in targets]
        if not sum(weights):
            continue
        for target, share in zip(
            targets, allocate(one["variance_amount"], weights, one["currency"]), strict=True
        ):
            place = {key: target[key] for key in ("contract", "line", "project")}
            source = ":".join([one["worker"], one["period"], *(str(place[k] or "-") for k in place)])
            rows.append(
                {"source": source, "version": 1, "kind": VARIANCE, **place, "worker": one["worker"],
                 "entity": one["entity"], "event_date": one["last_day"], "amount": share, "currency": one["currency"]}
            )  # fmt: skip
    shared = frame(rows, COSTS)
    return shared.filter(pl.col("amount") != 0)


def _payroll(found: pl.DataFrame) -> pl.DataFrame:
    named = found.filter(pl.col("variance_amount") != 0).with_columns(
        pl.format("{}:{}:{}", "worker", "entity", "period").alias("source"), pl.lit(1).alias("version"),
        pl.lit(PAYROLL).alias("kind"), pl.col("last_day").alias("event_date"), pl.col("variance_amount").alias("amount"),
        pl.lit(None, COSTS["hours"]).alias("hours"),
        *(pl.lit(None, pl.String).alias(name) for name in ("contract", "line", "project")),
    )  # fmt: skip
    return conform("payroll costs", named, COSTS).sort("source")


def _findings(unplaced: pl.DataFrame, dated: pl.DataFrame) -> pl.DataFrame:
    keys = ["worker", "entity", "period", "currency"]
    rows = dated.join(unplaced, on=keys, how="semi").with_columns(
        pl.lit("payroll-unplaced").alias("kind"), pl.col("payroll_amount").alias("amount"),
        pl.format("{}:{}:{}", "worker", "entity", "period").alias("source"),
        pl.lit(None, pl.String).alias("contract"), pl.lit(None, pl.String).alias("line"),
        pl.when(pl.col("first_day").is_null())
        .then(pl.format("entity {} has no period {}", "entity", "period"))
        .otherwise(pl.format("payroll of {} in {}, its standard cost is in another currency", "period", "currency"))
        .alias("detail"),
    )  # fmt: skip
    return conform("cost findings", rows, COST_FINDINGS).sort("source")
