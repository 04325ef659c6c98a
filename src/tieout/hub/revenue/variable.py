"""Variable consideration as the contracts' terms promise it and as people estimate it since (IFRS 15.50–59)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tieout.domain.frames import REVENUE_FINDINGS, VARIABLE_OUTCOMES, frame
from tieout.hub.contract_lines import read_outcomes
from tieout.hub.revenue.terms import Unit, Version

Row = dict[str, Any]


def outcomes_of(
    units: Sequence[Unit], told: Iterable[Mapping[str, Any]]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """VARIABLE_OUTCOMES of the units, from their terms and the estimates told; findings on what cannot be placed."""
    by_contract: dict[str, list[Mapping[str, Any]]] = {}
    for row in told:
        by_contract.setdefault(row["contract"], []).append(row)
    rows: list[Row] = []
    findings: list[Row] = []
    for unit in units:
        promised = _promised(unit)
        for contract in unit.contracts:
            for row in by_contract.get(contract, []):
                known = promised.get((contract, row["variable"]))
                if known is None:
                    findings.append(_unknown(unit, contract, row))
                else:
                    known["days"].setdefault(row["day"], []).append(_estimate(row))
        for variable in promised.values():
            placed = _placed(unit, variable)
            rows += placed
            if not placed:
                findings.append(_nowhere(unit, variable))
    return frame(rows, VARIABLE_OUTCOMES), frame(findings, REVENUE_FINDINGS)


def _promised(unit: Unit) -> dict[tuple[str, str], Row]:
    """What each variable amount is: its method, lines, since which change, and what the terms estimate by day."""
    found: dict[tuple[str, str], Row] = {}
    before: dict[tuple[str, str], Any] = {}
    for version in sorted(unit.versions, key=lambda v: v.day):
        for stated in version.accounting["variable"]:
            key = version.contract, stated["variable"]
            if key not in found:
                found[key] = {
                    "key": key, "method": stated.get("method") or "most_likely", "version": version,
                    "lines": stated.get("lines"), "days": {},
                }  # fmt: skip
            if before.get(key) != stated:
                before[key] = stated
                amount = stated.get("amount") or Decimal(0)
                day = max(version.day, unit.changes[0].day)
                said = {
                    "outcomes": [{"amount": amount}],
                    "constrained": stated.get("constrained") or False,
                }
                found[key]["days"].setdefault(day, []).append(said)
    return found


def _estimate(row: Mapping[str, Any]) -> Row:
    outcomes = None if row["outcomes"] is None else read_outcomes(row["outcomes"])
    return {"outcomes": outcomes, "constrained": row["constrained"]}


def _placed(unit: Unit, variable: Row) -> list[Row]:
    """One row per outcome; what an estimate does not say stands as it was; empty where nothing earns by a plan."""
    version: Version = variable["version"]
    obligations = None
    if variable["lines"] is not None:
        named = version.obligations
        obligations = list(dict.fromkeys(named[line] for line in variable["lines"] if line in named))
        if not obligations:
            return []
    change = max((c.number for c in unit.changes if c.day <= version.day), default=0)
    several = len(unit.contracts) > 1
    head = {
        "unit": unit.key, "variable": "/".join(variable["key"]) if several else variable["key"][1], "change": change,
        "obligations": obligations, "currency": unit.changes[0].head["currency"], "method": variable["method"],
    }  # fmt: skip
    by_day: dict[date, list[Row]] = {}
    outcomes: Any = []
    constrained = False
    for day, said in sorted(variable["days"].items()):
        for one in said:
            outcomes = one["outcomes"] if one["outcomes"] is not None else outcomes
            constrained = one["constrained"] if one["constrained"] is not None else constrained
        heard = max(day, unit.changes[0].day)
        by_day[heard] = [
            {**head, "day": heard, "constrained": constrained, **outcome} for outcome in outcomes
        ]
    return [row for rows in by_day.values() for row in rows]


def _unknown(unit: Unit, contract: str, row: Mapping[str, Any]) -> Row:
    return _finding(unit, contract, row["variable"], row["day"], "the contract's terms name no such amount")


def _nowhere(unit: Unit, variable: Row) -> Row:
    contract, name = variable["key"]
    day: date = variable["version"].day
    return _finding(unit, contract, name, day, "none of its lines earns by a plan")


def _finding(unit: Unit, contract: str, variable: str, day: date, why: str) -> Row:
    return {
        "kind": "variable-invalid", "unit": unit.key, "contract": contract, "day": day,
        "detail": f"the variable amount {variable} is left out: {why}",
    }  # fmt: skip
