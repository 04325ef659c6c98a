"""Comparing what is with what must be: each measure has one definition here, from the subledger and the balances."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, revenue
from tieout.scenario import costs, measures
from tieout.scenario.measures import Asked
from tieout.scenario.model import Expectation
from tieout.scenario.parsing import Scenario
from tieout.store import claims, retainers
from tieout.store import scenarios as store


@dataclass(frozen=True)
class Check:
    """One measure on one day: `expected` and `actual` as text, or lists for list measures.

    `trace` says, for a figure that does not hold, which bookings make it up.
    """

    at: date
    where: dict[str, str]
    measure: str
    expected: Any
    actual: Any
    ok: bool
    trace: tuple[str, ...] = ()


_NUMBERS: Mapping[str, Callable[[Asked], Decimal]] = {
    "revenue": lambda a: a.account("revenue", -1),
    "revenue_in_period": lambda a: a.account("revenue", -1, a.period_start),
    "cost": costs.cost,
    "cost_in_period": costs.cost_in_period,
    "margin": costs.margin,
    "billed": lambda a: a.documents("net"),
    "tax": lambda a: a.documents("tax"),
    "billed_gross": lambda a: a.documents("gross"),
    "credited": lambda a: a.documents("credited"),
    "paid": lambda a: a.account("cash_clearing"),
    "receivable": lambda a: a.account("receivable"),
    "unbilled_receivable": lambda a: a.account("unbilled_receivable"),
    "contract_asset": lambda a: measures.net(a, "contract_asset"),
    "contract_liability": lambda a: measures.net(a, "contract_liability"),
    "unbilled": lambda a: measures.unbilled(a),
    "deferred": lambda a: a.account("contract_liability", -1),
    "refund_liability": lambda a: a.account("refund_liability", -1),
    "fx_gain": lambda a: replace(a, functional=True).account("fx_gain", -1),
    "loss_provision": lambda a: a.account("loss_provision", -1),
    "transaction_price": measures.price,
    "allocated_price": measures.price,
    "remaining_price": lambda a: measures.price(a) - a.account("revenue", -1),
    "percent_complete": measures.progress,
    "held": lambda a: a.events("held"),
    "retention": lambda a: store.retained(a.conn, **a.of, at=a.at),
    "on_hold": lambda a: a.events("on_hold"),
    "disputed": lambda a: claims.disputed(a.conn, **a.of, at=a.at),
    "written_off": lambda a: a.events("written_off"),
    "prepaid_balance": lambda a: (
        retainers.balance(a.conn, **a.of, at=a.at) + retainers.deposits(a.conn, **a.of, at=a.at)
    ),
    "hours_worked": lambda a: store.worked_hours(a.conn, a.contract, a.line, a.worker, a.project),
    "hours_billed": lambda a: a.events("hours_billed"),
    "hours_unbilled": lambda a: a.events("hours_unbilled"),
}


def check_expectation(conn: Connection, scenario: Scenario, expectation: Expectation) -> list[Check]:
    """Every measure of one expectation."""
    where = expectation.where
    names = ("contract", "entity", "line", "worker", "project", "invoice")
    asked = Asked(
        conn,
        expectation.at,
        **{name: where.get(name) for name in names},
        functional=expectation.functional,
        calendar=scenario.calendar(scenario.entity_of(where)),
    )
    lines = scenario.lines_of(where.get("contract"), where["obligation"]) if "obligation" in where else None
    found = []
    for measure, expected in expectation.measures.items():
        if measure in _NUMBERS:
            found.append(_number(asked, expectation, measure, expected, lines))
        elif measure == "journal":
            found += _journal(asked, expectation, expected)
        else:
            actual = _LISTS[measure](asked, scenario)
            wanted, shown, ok = _compare_lists(measure, expected, actual)
            found.append(Check(expectation.at, where, measure, wanted, shown, ok))
    return found


def _number(
    asked: Asked, expectation: Expectation, measure: str, expected: Any, lines: Sequence[str] | None
) -> Check:
    """One figure; of an obligation the sum over its lines, whose progress is the same."""
    if lines is None:
        actual = _NUMBERS[measure](asked)
    else:
        parts = [_NUMBERS[measure](replace(asked, line=line)) for line in lines]
        actual = max(parts) if measure == "percent_complete" else sum(parts, Decimal(0))
    ok = isinstance(expected, int | Decimal) and abs(actual - Decimal(expected)) <= expectation.tolerance
    trace = () if ok else tuple(store.bookings(asked.conn, **asked.of, at=asked.at))
    return Check(expectation.at, expectation.where, measure, _plain(expected), _plain(actual), ok, trace)


def _journal(asked: Asked, expectation: Expectation, expected: Mapping[str, Any]) -> list[Check]:
    held = store.account_balances(asked.conn, **asked.of, at=asked.at, functional=asked.functional)
    checks = []
    for account, amount in expected.items():
        actual = held.get(account, Decimal(0))
        ok = abs(actual - Decimal(amount)) <= expectation.tolerance
        name = f"journal.{account}"
        checks.append(Check(expectation.at, expectation.where, name, _plain(amount), _plain(actual), ok))
    total = sum(held.values(), Decimal(0))
    checks.append(Check(expectation.at, expectation.where, "journal sums to", "0", _plain(total), total == 0))
    return checks


def _invoices(asked: Asked, scenario: Scenario) -> list[dict[str, Any]]:
    rows = store.invoices(
        asked.conn, contract=asked.contract, entity=asked.entity, at=asked.at, number=asked.invoice
    )
    found = []
    for row in rows:
        sign = 1 if row["kind"] == "invoice" else -1
        lines = [
            {"line": line["contract_line"], "quantity": sign * line["quantity"], "unit_price": line["unit_price"],
             "net": sign * line["net_amount"], "tax_category": line["tax_category"]}
            for line in row["lines"]
        ]  # fmt: skip
        found.append(
            {"number": row["number"], "at": row["issue_date"], "customer": row["customer"],
             "net": sign * row["net_amount"], "tax": sign * row["tax_amount"], "gross": sign * row["gross_amount"],
             "due": row["due_date"], "lines": lines}
        )  # fmt: skip
    return found


def _exceptions(asked: Asked, scenario: Scenario) -> list[dict[str, Any]]:
    rows = store.open_exceptions(asked.conn, contract=asked.contract, entity=asked.entity)
    return [{name: row[name] for name in ("kind", "contract", "key", "amount")} for row in rows]


def _events(asked: Asked, scenario: Scenario) -> list[str]:
    contract = asked.contract or scenario.header.contracts[0].number
    types = store.events_on(asked.conn, asked.at, store.subjects_of(asked.conn, contract))
    return [kind.removeprefix("tieout.").rsplit(".v", 1)[0] for kind in types]


_LISTS: Mapping[str, Callable[[Asked, Scenario], list[Any]]] = {
    "invoices": _invoices, "exceptions": _exceptions, "events": _events,
}  # fmt: skip


def _compare_lists(measure: str, expected: Any, actual: list[Any]) -> tuple[Any, Any, bool]:
    """Keys that are not given are not compared; exceptions may come in any order."""
    wanted = expected if isinstance(expected, list) else [expected]
    shown = [_narrowed(one, wanted) for one in actual]
    if len(wanted) != len(actual):
        return _plain(wanted), _plain(shown), False
    if measure != "exceptions":
        return _plain(wanted), _plain(shown), all(map(_fits, wanted, actual))
    left = list(actual)
    for one in wanted:
        match = next((row for row in left if _fits(one, row)), None)
        if match is None:
            return _plain(wanted), _plain(shown), False
        left.remove(match)
    return _plain(wanted), _plain(shown), True


def _narrowed(row: Any, wanted: Sequence[Any]) -> Any:
    """The row with the keys that anyone asks for."""
    if not isinstance(row, Mapping):
        return row
    keys = {key for one in wanted if isinstance(one, Mapping) for key in one} or {
        "kind",
        "key",
        "number",
        "net",
    }
    return {key: value for key, value in row.items() if key in keys}


def _fits(wanted: Any, actual: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(
            _fits(value, actual.get(key)) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(actual, list) and len(wanted) == len(actual) and all(map(_fits, wanted, actual))
    if isinstance(wanted, int | Decimal) and not isinstance(wanted, bool):
        return isinstance(actual, int | Decimal) and Decimal(wanted) == Decimal(actual)
    return bool(wanted == actual)


def check_always(conn: Connection, at: date, moment: datetime) -> list[Check]:
    """What must hold in every scenario, stated or not: only what does not hold becomes a check."""
    audit.seal(conn)
    problems = {
        "journals that do not balance": store.unbalanced_journals(conn),
        "approved hours in no place": store.hours_in_no_place(conn),
        "approved expenses in no place": store.expenses_in_no_place(conn),
        "revenue beyond the price": [f"{key}: {seen}" for key, seen in revenue.beyond_price(conn)],
        "the audit chain": [finding.what for finding in audit.verify(conn).findings],
    }
    return [Check(at, {}, f"always: {name}", [], found, False) for name, found in problems.items() if found]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        text = format(value.normalize(), "f")
        return "0" if text == "-0" else text
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, int) else value
