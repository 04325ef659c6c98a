"""Tie-outs: our figures against a report of the other system, kept per run; what nothing explains is an exception."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
from sqlalchemy import Connection

from tieout.connectors.kit.interface import ConnectorError, ReportedFact
from tieout.domain.frames import BILLED_OURS, BILLED_THEIRS, frame
from tieout.domain.tieout import tie_out_billed
from tieout.hub import audit, exceptions, ownership, policies
from tieout.hub.actors import SYSTEM
from tieout.hub.exceptions import NewException
from tieout.hub.outbox import Outside
from tieout.hub.refusals import Invalid, NotFound
from tieout.model.periods import Calendar, period_bounds, period_of
from tieout.store import clock
from tieout.store import exceptions as exception_store
from tieout.store import invoices as documents
from tieout.store import tie_out as store
from tieout.store.ids import new_id
from tieout.telemetry.failpoints import fp

CHECKS = ("billed",)
GROUPS = {"billed": "invoice.posting"}
UNEXPLAINED, CUT_SHORT = "unexplained-difference", "incomplete-report"
_OUTCOMES = ("matched", "ours_only", "theirs_only", "different")


@dataclass(frozen=True)
class Asked:
    """One run: which check, of which legal entity, for which period."""

    check: str
    entity: str
    period: str

    @property
    def key(self) -> str:
        """CHECK/ENTITY/PERIOD."""
        return f"{self.check}/{self.entity}/{self.period}"


def run(outside: Outside, check: str, entity: str, period: str) -> str:
    """Compare now; the id of the run. The same result again is the run that stands already.

    A report that is cut short makes the run `incomplete`, never matched.
    """
    with outside.engine.begin() as conn:
        one, (first, last) = asked(conn, check, entity, period)
        system = _system(conn, one, last)
        calendar = policies.load(conn).calendar(entity)
    try:
        facts = outside.connector(system).report(check, entity, first, last)
        theirs = frame([_fact(fact, calendar) for fact in facts], BILLED_THEIRS)
    except ConnectorError as error:
        with outside.engine.begin() as conn:
            return _incomplete(conn, one, system, error)
    fp("tie_out.reported")
    with outside.engine.begin() as conn:
        return record(conn, one, theirs)


def asked(conn: Connection, check: str, entity: str, period: str) -> tuple[Asked, tuple[date, date]]:
    """What a run is of, with the first and last day of the period; Invalid for a check or period that there is not."""
    if check not in CHECKS:
        raise Invalid(f"There is no check {check!r} yet: {', '.join(CHECKS)}.", fields={"check": "unknown"})
    try:
        return Asked(check, entity, period), period_bounds(period, policies.load(conn).calendar(entity))
    except ValueError as error:
        raise Invalid(str(error), fields={"period": "not a period"}) from error


def _system(conn: Connection, asked: Asked, day: date) -> str:
    owner = ownership.load(conn).owner(GROUPS[asked.check], asked.entity, day)
    if owner is None:
        raise NotFound(f"Nothing owns {GROUPS[asked.check]} of {asked.entity} on {day}.")
    return owner


def _fact(fact: ReportedFact, calendar: Calendar) -> dict[str, Any]:
    said = fact.attributes
    return {
        "document": said.get("target_id") or fact.key, "external_key": said.get("external_key"),
        "number": said.get("number"), "currency": fact.currency, "amount": fact.amount,
        "tax_amount": Decimal(said.get("tax_amount", "0")), "period": _period(fact.period, calendar),
        "document_date": date.fromisoformat(said["document_date"]) if said.get("document_date") else None,
    }  # fmt: skip


def _period(theirs: str, calendar: Calendar) -> str:
    """Our code of their period; one that is no calendar month is told by its first day."""
    try:
        return period_of(date.fromisoformat(theirs), calendar)
    except ValueError:
        return theirs


def record(conn: Connection, asked: Asked, theirs: pl.DataFrame) -> str:
    """Compare with our side as it is now and keep the result (`theirs`: BILLED_THEIRS)."""
    store.lock(conn, asked.check, asked.entity, asked.period)
    tolerance = policies.load(conn).tie_out_tolerance
    compared = tie_out_billed(_ours(conn, asked), theirs, tolerance).to_dicts()
    items = _keyed(compared)
    run_id = _keep(conn, asked, "complete", None, items)
    _report(conn, asked, items)
    fp("tie_out.recorded")
    return run_id


def _ours(conn: Connection, asked: Asked) -> pl.DataFrame:
    calendar = policies.load(conn).calendar(asked.entity)
    first, last = period_bounds(asked.period, calendar)
    rows = []
    for row in documents.released_in(conn, asked.entity, first, last):
        sign = 1 if row["kind"] == "invoice" else -1
        rows.append({
            "key": row["external_key"], "contract": row["contract"], "number": row["number"],
            "currency": row["currency"], "amount": sign * row["gross_amount"], "tax_amount": sign * row["tax_amount"],
            "period": period_of(row["issue_date"], calendar), "document_date": row["issue_date"],
            "intent_state": row["intent_state"],
        })  # fmt: skip
    return frame(rows, BILLED_OURS)


def _keyed(compared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Items under one key each; a key in two currencies names them."""
    seen = Counter(row["key"] for row in compared)
    return [
        {**row, "key": row["key"] if seen[row["key"]] == 1 else f"{row['key']} {row['currency']}"}
        for row in compared
    ]


def _keep(
    conn: Connection, asked: Asked, state: str, detail: str | None, items: Sequence[Mapping[str, Any]]
) -> str:
    digest = audit.digest_of([[state, detail], *items]).hex()
    last = store.latest(conn, asked.check, asked.entity, asked.period)
    if last and last[0]["digest"] == digest:
        return str(last[0]["id"])
    moment = clock.now(conn)
    row = {
        "id": new_id(moment), "check": asked.check, "legal_entity": asked.entity, "period": asked.period,
        "state": state, "detail": detail, "digest": digest, "recorded_at": moment,
    }  # fmt: skip
    store.insert_run(conn, row, items)
    fp("tie_out.kept")
    audit.record(conn, SYSTEM, "tie_out", asked.check, asked.key, rows=len(items), entity=asked.entity,
                 digest=bytes.fromhex(digest), detail={"state": state, **counts(items)})  # fmt: skip
    return str(row["id"])


def _report(conn: Connection, asked: Asked, items: Sequence[Mapping[str, Any]]) -> None:
    """Open what nothing explains, close what is explained or gone, and the note of an earlier cut report."""
    found = [
        NewException(
            UNEXPLAINED, item["key"],
            f"{asked.key}: ours {item['ours']}, theirs {item['theirs']}, and nothing explains it",
            contract=item["contract"], legal_entity=asked.entity, amount=item["difference"], currency=item["currency"],
            evidence={"check": asked.check, "period": asked.period, "work": {"kind": "tie_out", "key": asked.key}},
        )
        for item in items
        if _unexplained(item)
    ]  # fmt: skip
    exceptions.open_exceptions(conn, found)
    before = {
        row["key"]
        for row in exception_store.open_of(conn, UNEXPLAINED)
        if row["evidence"].get("check") == asked.check
        and row["evidence"].get("period") == asked.period
        and row["legal_entity"] == asked.entity
    }
    exceptions.resolve_where_healed(conn, UNEXPLAINED, before, [one.key for one in found])
    exceptions.resolve(conn, CUT_SHORT, [asked.key], "the report came whole")


def _unexplained(item: Mapping[str, Any]) -> bool:
    return item["outcome"] != "matched" and item["cause"] is None


def _incomplete(conn: Connection, asked: Asked, system: str, error: ConnectorError) -> str:
    store.lock(conn, asked.check, asked.entity, asked.period)
    detail = f"{system} did not give the whole report: {error.message}"
    run_id = _keep(conn, asked, "incomplete", detail, [])
    evidence = {"connection": system, "work": {"kind": "tie_out", "key": asked.key}}
    exceptions.open_exceptions(
        conn, [NewException(CUT_SHORT, asked.key, detail, legal_entity=asked.entity, evidence=evidence)]
    )
    fp("tie_out.incomplete")
    return run_id


def counts(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Keys by outcome; `amount` and `unexplained`: sums of absolute differences, all and without a cause."""
    outcomes = Counter(item["outcome"] for item in items)
    differing = [item for item in items if item["outcome"] != "matched"]
    unexplained = [item for item in differing if item["cause"] is None]
    return {name: outcomes[name] for name in _OUTCOMES} | {
        "amount": sum((abs(item["difference"]) for item in differing), Decimal(0)),
        "unexplained": sum((abs(item["difference"]) for item in unexplained), Decimal(0)),
    }


def by_currency(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`amount` and `unexplained` of `counts` for each currency that differs: {currency, amount, unexplained}."""
    found = []
    for currency in sorted({item["currency"] for item in items if item["outcome"] != "matched"}):
        sums = counts([item for item in items if item["currency"] == currency])
        found.append({"currency": currency, "amount": sums["amount"], "unexplained": sums["unexplained"]})
    return found


def show(
    conn: Connection, check: str | None = None, entity: str | None = None, period: str | None = None
) -> list[dict[str, Any]]:
    """The newest run of each check: {check, entity, period, counts, by_currency, state, detail, at, items}.

    Items that differ come first. `amount` and `unexplained` of the counts add up currencies; `by_currency` does not.
    """
    runs = store.latest(conn, check, entity, period)
    found = store.items(conn, [str(row["id"]) for row in runs])
    shown = []
    for row in runs:
        items = found.get(str(row["id"]), [])
        items = sorted(items, key=lambda item: (item["outcome"] == "matched", item["key"]))
        shown.append({
            "check": row["check"], "entity": row["legal_entity"], "period": row["period"], **counts(items),
            "by_currency": by_currency(items), "state": row["state"], "detail": row["detail"], "at": row["recorded_at"], "items": items,
        })  # fmt: skip
    return shown
