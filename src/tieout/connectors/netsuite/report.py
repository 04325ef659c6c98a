"""The tie-out report `billed`: NetSuite's posted invoices and credit memos of an entity, by document date."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.connectors.kit.interface import Drift, Rejected, ReportedFact
from tieout.connectors.netsuite.lookups import Lookups, day
from tieout.connectors.netsuite.suiteql import SuiteQl, literal

KINDS = {"CustInvc": ("invoice", 1), "CustCred": ("credit_note", -1)}
COLUMNS = (
    "id, type, tranid, externalid, trandate, entity, currency, foreigntotal, foreignamountunpaid, postingperiod, "
    "status, approvalstatus, createdby"
)
APPROVED = "2"


def report(
    suiteql: SuiteQl, lookups: Lookups, check: str, entity: str, start: date, end: date
) -> Sequence[ReportedFact]:
    """One fact per posted document dated start..end inclusive; credit memos negative.

    A document that waits for approval does not post, so it is not in NetSuite's books and not in the report.
    """
    if check != "billed":
        raise Rejected(f"netsuite has no report for the check {check}", "unknown-report")
    lookups.forget()
    if entity not in lookups.entities().values():
        raise Rejected(f"netsuite has no subsidiary {entity}", "unknown-entity")
    where = [
        "type IN ('CustInvc', 'CustCred')",
        f"trandate >= TO_DATE({literal(start.isoformat())}, 'YYYY-MM-DD')",
        f"trandate <= TO_DATE({literal(end.isoformat())}, 'YYYY-MM-DD')",
    ]
    rows = suiteql.every(COLUMNS, "transaction", where)
    return [
        _fact(lookups, row)
        for row in rows
        if lookups.customer_entity(row.get("entity")) == entity
        and str(row.get("approvalstatus", APPROVED)) == APPROVED
    ]


def _fact(lookups: Lookups, row: dict[str, Any]) -> ReportedFact:
    kind, sign = KINDS[row["type"]]
    currency = lookups.currency_code(row.get("currency"))
    period = lookups.period_code(row.get("postingperiod"))
    number = row.get("tranid")
    if currency is None or period is None or not number:
        raise Drift(f"document {row['id']} has no number, currency or period", "incomplete-report")
    attributes = {
        "number": number, "external_key": row.get("externalid"), "kind": kind,
        "customer": lookups.customer_number(row.get("entity")), "created_by": row.get("createdby"),
        "document_date": day(row, "trandate"), "target_id": str(row["id"]),
    }  # fmt: skip
    shown = {name: str(value) for name, value in attributes.items() if value is not None}
    return ReportedFact(str(number), sign * abs(_amount(row, "foreigntotal")), currency, period, shown)


def _amount(row: dict[str, Any], column: str) -> Decimal:
    try:
        return Decimal(str(row[column]))
    except (KeyError, InvalidOperation) as error:
        raise Drift(f"document {row['id']} has no {column}", "incomplete-report") from error
