"""The versions of contracts' terms as one plan of promises: what earns by a measure of progress, change by change.

An accounting contract (`unit`) is a contract, or several combined (IFRS 15.17), named by the one the others name. Its
change 0 is the first terms; a further version is a change where it alters price, scope or measure of what earns by a
plan, and takes effect at the end of the day before its first day. A version that only alters an estimate is a reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout.hub.contract_lines import AS_INVOICED, items, read_accounting
from tieout.hub.rating.plans import agreed_days, earlier
from tieout.hub.revenue.prices import PERIODIC, Fee, fixed_price, periodic_prices

ESTIMATES = {
    "cost_to_cost": "estimated_cost", "labor_hours": "estimated_hours", "units": "estimated_units",
}  # fmt: skip
_DAY = timedelta(days=1)
_KINDS = ("treatment", "distinct", "at_ssp", "past_change")
Row = dict[str, Any]


@dataclass
class Version:
    """One version of a contract's terms: from the end of which day it holds, its promises by line, its accounting."""

    contract: str
    day: date
    lines: dict[str, Row]
    accounting: Mapping[str, Any]
    currency: str

    @property
    def obligations(self) -> dict[str, str]:
        """The obligation of each line."""
        return {line: row["obligation"] for line, row in self.lines.items()}


@dataclass(frozen=True)
class Change:
    """One change of a unit's terms, with the promises that stand after it."""

    number: int
    day: date
    head: Row
    lines: Sequence[Row]


@dataclass
class Unit:
    """One accounting contract: its contracts, versions, changes, and the estimates that versions alone restate."""

    key: str
    contracts: list[str]
    versions: list[Version] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    readings: list[Row] = field(default_factory=list)


def units_of(
    contracts: Mapping[str, Mapping[str, Any]], terms: Mapping[str, Sequence[Mapping[str, Any]]]
) -> list[Unit]:
    """The accounting contracts of these contracts (current rows by key, segments by key) that earn by a plan."""
    found = []
    for head, members in sorted(_combined(contracts, terms).items()):
        several = len(members) > 1
        versions = [v for key in members for v in _versions(contracts[key], terms[key], several)]
        found.append(Unit(head, members, versions))
    _price(found, terms)
    for unit in found:
        _unfold(unit, {key: contracts[key]["terminated_on"] for key in unit.contracts})
    return [unit for unit in found if unit.changes]


def _combined(
    contracts: Mapping[str, Mapping[str, Any]], terms: Mapping[str, Sequence[Mapping[str, Any]]]
) -> dict[str, list[str]]:
    """The contracts by the one that names none other: combine_with is followed to its end."""
    known = {key for key in contracts if terms.get(key) and contracts[key]["legal_entity"]}
    names = {key: read_accounting(terms[key][-1]).get("combine_with") for key in known}
    members: dict[str, list[str]] = {}
    for key in sorted(known):
        head, seen = key, {key}
        while (following := names.get(head)) in known and following not in seen:
            head = str(following)
            seen.add(head)
        members.setdefault(min(seen) if names.get(head) in seen else head, []).append(key)
    return members


def _versions(
    contract: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], several: bool
) -> list[Version]:
    """Each segment's promises; a line that a version ends on or before its day is no promise any more."""
    found: list[Version] = []
    ends: dict[str, date | None] = {}
    gone: dict[str, date] = {}
    for place, segment in enumerate(segments):
        first: date = segment["effective_from"]
        day = first if place == 0 else max(first - _DAY, found[0].day)
        lines = {}
        for line in segment["lines"]:
            last = earlier(agreed_days(segment, line)[1], line.get("ended_on"))
            named = line["line"]
            was = ends.get(named, last)
            ends[named] = last
            if place and last is not None and last <= day and (last != was or gone.get(named) == last):
                gone[named] = last
                continue
            gone.pop(named, None)
            if line.get("revenue_method") not in (None, AS_INVOICED):
                lines[named] = _promise(contract, segment, line, several)
        accounting = read_accounting(segment)
        found.append(Version(contract["key"], day, lines, accounting, segment["currency"]))
    return found


def _promise(
    contract: Mapping[str, Any], segment: Mapping[str, Any], line: Mapping[str, Any], several: bool
) -> Row:
    """One line as a row of PROMISES without its unit and change; its milestones as `weights`, and where `price` is
    a sum of periods, what to ask.
    """
    method = line["revenue_method"]
    first, last = agreed_days(segment, line)
    row: Row = {
        "contract": contract["key"], "line": line["line"], "entity": contract["legal_entity"], "method": method,
        "obligation": line.get("obligation") or (f"{contract['key']}/{line['line']}" if several else line["line"]),
        "price": fixed_price(line, segment["currency"]), "ssp": line.get("ssp"), "weights": (),
        "estimate": line.get(ESTIMATES.get(method, "")), "basis": None, "start": None, "end": None,
        **{name: line.get(name) for name in ("bundle", "bundle_price", "residual", "residual_low", "residual_high")},
    }  # fmt: skip
    if method == "straight_line":
        row |= {
            "basis": line.get("revenue_basis") or "daily", "start": line.get("revenue_from") or first,
            "end": earlier(line.get("revenue_to") or last, line.get("ended_on")),
        }  # fmt: skip
    elif method == "milestone":
        row["weights"] = _weights(line)
    elif method == "point_in_time" and line.get("revenue_milestone"):
        row["weights"] = ((line["revenue_milestone"], Decimal(1)),)
    elif method == "point_in_time":
        row["end"] = line.get("revenue_at")
    return row


def _weights(line: Mapping[str, Any]) -> tuple[tuple[str, Decimal], ...]:
    """The weights of a line's milestones as stated, else the amounts or shares that they are billed by."""
    if stated := items(line, "weights"):
        return tuple((one["milestone"], one["weight"]) for one in stated)
    amount = line.get("amount") or Decimal(1)
    billed = items(line, "milestones")
    return tuple(
        (one["milestone"], one["amount"] if one.get("amount") is not None else one["share"] * amount)
        for one in billed if one.get("amount") is not None or one.get("share") is not None
    )  # fmt: skip


def _price(units: Sequence[Unit], terms: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Fill in the prices that are fees of all periods: those of earlier versions as they were, then as they are now."""
    rows, asked = [], []
    for unit in units:
        for contract in unit.contracts:
            segments = terms[contract]
            versions = [version for version in unit.versions if version.contract == contract]
            for place, version in enumerate(versions):
                for line, row in version.lines.items():
                    stated = _line(segments[place], line)
                    if stated["billing_method"] in PERIODIC:
                        rows.append(row)
                        fees = _fees(segments[: place + 1], line)
                        asked.append((fees, *agreed_days(segments[place], stated), version.currency))
    for row, price in zip(rows, periodic_prices(asked) if asked else (), strict=True):
        row["price"] = price


def _line(segment: Mapping[str, Any], line: str) -> Mapping[str, Any]:
    return next(one for one in segment["lines"] if one["line"] == line)


def _fees(segments: Sequence[Mapping[str, Any]], line: str) -> list[Fee]:
    held = [(s, one) for s in segments for one in s["lines"] if one["line"] == line]
    last = held[-1][0]
    return [Fee(one, s["effective_from"], None if s is last else s["effective_to"]) for s, one in held]


def _unfold(unit: Unit, ended: Mapping[str, date | None]) -> None:
    """The unit's changes: its versions in order of day, one change where what is promised differs."""
    state: dict[str, Version] = {}
    stated: dict[tuple[str, str], Decimal | None] = {}
    prices: dict[str, Decimal | None] = {}
    head: Row = {"allocation": "ssp"}
    for day, arrived in _by_day(unit, ended):
        before = _signature(state)
        seen = dict(prices)
        for version in arrived:
            _restate(unit, state.get(version.contract), version, stated)
            state[version.contract] = version
            if version.accounting.get("price") is not None:
                prices[version.contract] = version.accounting["price"]
        if (not unit.changes and not before and not any(v.lines for v in state.values())) or (
            unit.changes and _signature(state) == before and prices == seen
        ):
            continue
        head = {"allocation": arrived[0].accounting.get("allocation") or head["allocation"]}
        price = (
            _whole(arrived, state, prices)
            if any(v.accounting.get("price") is not None for v in arrived)
            else None
        )
        told = {k: v for version in reversed(arrived) for k, v in version.accounting.items() if k in _KINDS}
        lines = [row | {"estimate": stated[key, line]} for key, version in sorted(state.items())
                 for line, row in version.lines.items()]  # fmt: skip
        first = {} if unit.changes else dict.fromkeys(_KINDS)
        row = {**told, **first, **head, "price": price, "currency": arrived[0].currency}
        unit.changes.append(Change(len(unit.changes), day, row, lines))


def _by_day(unit: Unit, ended: Mapping[str, date | None]) -> list[tuple[date, list[Version]]]:
    """The versions by day: the first ones of all contracts together, none after a termination, which ends all lines."""
    days: dict[tuple[date, int], list[Version]] = {}
    firsts = {key: min(v.day for v in unit.versions if v.contract == key) for key in unit.contracts}
    begin = min(firsts.values())
    for version in unit.versions:
        last = ended[version.contract]
        first = version is next(v for v in unit.versions if v.contract == version.contract)
        if first or last is None or version.day < last:
            place = (begin, 0) if first else (max(version.day, begin), 1)
            days.setdefault(place, []).append(version)
    for key, last in ended.items():
        if last is not None:
            final = [v for v in unit.versions if v.contract == key][-1]
            over = Version(key, last, {}, {"treatment": "prospective"}, final.currency)
            days.setdefault((max(last, begin), 2), []).append(over)
    return [(day, versions) for (day, _), versions in sorted(days.items(), key=lambda pair: pair[0])]


def _restate(
    unit: Unit, before: Version | None, version: Version, stated: dict[tuple[str, str], Decimal | None]
) -> None:
    """Keep an estimate that a version repeats as it was first stated; one that it alone alters is a reading."""
    for line, row in version.lines.items():
        key = version.contract, line
        old = before.lines.get(line) if before else None
        if old is None or old["method"] != row["method"]:
            stated[key] = row["estimate"]
        elif old["estimate"] != row["estimate"]:
            if _of_line(old) == _of_line(row) and row["estimate"] is not None:
                name = ESTIMATES[row["method"]]
                unit.readings.append(
                    {"contract": key[0], "line": line, "day": version.day, name: row["estimate"]}
                )
            else:
                stated[key] = row["estimate"]


def _whole(
    arrived: Sequence[Version], state: Mapping[str, Version], prices: Mapping[str, Decimal | None]
) -> Decimal:
    """The fixed price of the unit where a version states that of its whole contract."""
    total = Decimal(0)
    for key, version in state.items():
        price = prices.get(key)
        lines = (row["price"] or Decimal(0) for row in version.lines.values())
        total += price if price is not None else sum(lines, Decimal(0))
    return total


def _signature(state: Mapping[str, Version]) -> dict[tuple[str, str], Any]:
    return {
        (key, line): _of_line(row) for key, version in state.items() for line, row in version.lines.items()
    }


def _of_line(row: Row) -> tuple[Any, ...]:
    """What makes two versions of a line the same promise: everything but its estimate."""
    return tuple(value for name, value in sorted(row.items()) if name not in ("estimate", "entity"))
