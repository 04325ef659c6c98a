"""NetSuite's own reference data, read when first needed and kept for a sweep: currencies, terms, entities, periods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from tieout.connectors.kit.families.rest import RestCaller
from tieout.connectors.kit.interface import Drift, Rejected
from tieout.connectors.netsuite.suiteql import SuiteQl, literal, number
from tieout.model.periods import MONTHS, period_bounds

KINDS = ("subsidiary", "currency", "term", "item", "account", "tax_code", "period", "customer", "numbering")
_SETTINGS = ("currency", "term", "tax_code", "numbering")
"""Records of which only matters whether they are there."""
CATALOG = "/services/rest/record/v1/metadata-catalog"
_KEPT_FOR = timedelta(seconds=30)
"""How long one that was found is believed: projects and invoices come in bursts that ask for the same ones."""


class Lookups:
    """Reference data of one connection. `clock`: the moment of business time."""

    def __init__(self, suiteql: SuiteQl, caller: RestCaller, clock: Callable[[], datetime]):
        self._ql, self._caller, self._clock = suiteql, caller, clock
        self._kept: dict[str, dict[str, dict[str, Any]]] = {}
        self._found: dict[tuple[str, str], tuple[datetime, Mapping[str, Any]]] = {}

    def forget(self) -> None:
        """Read everything again when next asked (at the start of each sweep)."""
        self._kept = {}

    def table(self, table: str, columns: str) -> dict[str, dict[str, Any]]:
        """All rows of a small table by internal id."""
        kept = self._kept.get(table)
        if kept is None:
            kept = self._kept[table] = {str(row["id"]): row for row in self._ql.every(columns, table)}
        return kept

    def row(self, table: str, columns: str, row_id: Any) -> dict[str, Any]:
        """One row by internal id; read again once when it is new; {} when there is none."""
        if row_id is None:
            return {}
        if str(row_id) not in self.table(table, columns):
            self._kept.pop(table, None)
        return self.table(table, columns).get(str(row_id), {})

    def currency_code(self, currency_id: Any) -> str | None:
        """`USD` of a currency's internal id."""
        return self.row("currency", "id, symbol", currency_id).get("symbol")

    def terms_days(self, term_id: Any) -> str | None:
        """Days until the net amount is due."""
        return self.row("term", "id, name, daysuntilnetdue", term_id).get("daysuntilnetdue")

    def entities(self) -> dict[str, str]:
        """Our code of each legal entity (subsidiary external id) by internal id."""
        rows = self.table("subsidiary", "id, externalid, name, country, currency")
        return {key: str(row["externalid"]) for key, row in rows.items() if row.get("externalid")}

    def customer_entity(self, customer_id: Any) -> str | None:
        """Our code of the legal entity that a customer belongs to."""
        row = self.row("customer", "id, entityid, subsidiary", customer_id)
        return self.entities().get(str(row.get("subsidiary")))

    def customer_number(self, customer_id: Any) -> str | None:
        """The number of a customer."""
        return self.row("customer", "id, entityid, subsidiary", customer_id).get("entityid")

    def period_code(self, period_id: Any) -> str | None:
        """The code (`code_of`) of an accounting period's internal id."""
        row = self.row("accountingperiod", "id, periodname, startdate, enddate, closed, arlocked", period_id)
        return code_of(row) if row.get("startdate") else None

    def reference(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """One record of reference data by the key a person would type; None when NetSuite has none."""
        if kind not in KINDS:
            raise Rejected(f"netsuite has no reference data of kind {kind}", "unknown-reference-kind")
        ask: Callable[[str], Mapping[str, Any] | None] = getattr(self, f"_{kind}")
        return self._recent(kind, key, ask) if kind in _SETTINGS else ask(key)

    def _recent(
        self, kind: str, key: str, ask: Callable[[str], Mapping[str, Any] | None]
    ) -> Mapping[str, Any] | None:
        now = self._clock()
        since, held = self._found.get((kind, key), (now, None))
        if held is not None and abs(now - since) < _KEPT_FOR:
            return held
        found = ask(key)
        if found is not None:
            self._found[kind, key] = (now, found)
        return found

    def _subsidiary(self, code: str) -> Mapping[str, Any] | None:
        row = self._ql.one(
            "id, externalid, name, country, currency", "subsidiary", [f"externalid = {literal(code)}"]
        )
        return None if row is None else {**row, "currency_code": self.currency_code(row.get("currency"))}

    def _currency(self, code: str) -> Mapping[str, Any] | None:
        return self._ql.one("id, symbol, name", "currency", [f"symbol = {literal(code)}"])

    def _term(self, days: str) -> Mapping[str, Any] | None:
        return self._ql.one("id, name, daysuntilnetdue", "term", [f"daysuntilnetdue = {number(days)}"])

    def _item(self, item: str) -> Mapping[str, Any] | None:
        """The item with the number of its income account, under which an invoice line posts."""
        row = self._ql.one("id, itemid, incomeaccount", "item", [f"itemid = {literal(item)}"])
        if row is None:
            return None
        account = self._ql.one("id, acctnumber", "account", [f"id = {number(row.get('incomeaccount', ''))}"])
        return {**row, "income_account": account["acctnumber"] if account else None}

    def _account(self, account: str) -> Mapping[str, Any] | None:
        return self._ql.one("id, acctnumber, acctname", "account", [f"acctnumber = {literal(account)}"])

    def _tax_code(self, code: str) -> Mapping[str, Any] | None:
        return self._ql.one("id, itemid", "salestaxitem", [f"itemid = {literal(code)}"])

    def _period(self, day: str) -> Mapping[str, Any] | None:
        """The posting period of a date, `open` when it takes receivables."""
        try:
            wanted = date.fromisoformat(day).isoformat()
        except ValueError as error:
            raise Rejected("a period is asked for by a date", "invalid-date") from error
        columns = "id, periodname, startdate, enddate, closed, arlocked"
        for row in self._ql.every(columns, "accountingperiod"):
            if str(row.get("startdate"))[:10] <= wanted <= str(row.get("enddate"))[:10]:
                opened = row.get("closed") == "F" and row.get("arlocked") == "F"
                return {**row, "code": code_of(row), "open": opened}
        return None

    def _numbering(self, record: str) -> Mapping[str, Any] | None:
        """Whether documents of a type take our number: their schema has `tranId` and lets it be written."""
        if not record.isascii() or not record.isalpha():
            raise Rejected("a type of documents is asked for by its name", "invalid-key")
        answer = self._caller.read(f"{CATALOG}/{record}", headers={"Accept": "application/schema+json"})
        fields = answer.json_object().get("properties")
        if not isinstance(fields, Mapping):
            raise answer.misshapen("a schema without properties")
        field = fields.get("tranId")
        return {"id": "tranId"} if isinstance(field, Mapping) and not field.get("readOnly") else None

    def _customer(self, key: str) -> Mapping[str, Any] | None:
        """A customer in a subsidiary; key `NUMBER/ENTITY`."""
        customer, _, entity = key.rpartition("/")
        if not customer:
            raise Rejected("a customer is asked for as NUMBER/ENTITY", "invalid-key")
        columns = "id, externalid, entityid, companyname, subsidiary, currency, terms"
        for row in self._ql.every(columns, "customer", [f"entityid = {literal(customer)}"]):
            if self.entities().get(str(row.get("subsidiary"))) == entity:
                return {**row, "currency_code": self.currency_code(row.get("currency"))}
        return None


def code_of(period: Mapping[str, Any]) -> str:
    """`2026-01` of an accounting period that is a calendar month; of another its first day, which is its own alone."""
    first, last = day(period, "startdate"), day(period, "enddate")
    is_month = period_bounds(first[:7], MONTHS) == (date.fromisoformat(first), date.fromisoformat(last))
    return first[:7] if is_month else first


def day(row: Mapping[str, Any], column: str) -> str:
    """The civil date of a row, ISO; Drift when it is none."""
    text = str(row.get(column, ""))[:10]
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise Drift(f"{column} is not a date", "bad-date") from error
