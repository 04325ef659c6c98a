"""Reading NetSuite: SuiteQL sweeps by lastmodifieddate (whole seconds) with keyset paging, and deleted records.

A page continues at (stamp, id): first the rest of the same second, then later seconds, so nothing is skipped or
repeated however many rows share a second. Two saves within one second carry one stamp; the cursor remembers the
digests of the newest second, and a row that changed within it gets the next ordinal of that second as its version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tieout.connectors.kit import cursor as cursors
from tieout.connectors.kit.interface import Change, Drift, Page
from tieout.connectors.kit.jsontext import Element, with_joined
from tieout.connectors.kit.manifest import SourceObject
from tieout.connectors.kit.select import select
from tieout.connectors.netsuite.lookups import Lookups, code_of
from tieout.connectors.netsuite.suiteql import SuiteQl, literal, number, timestamp

TABLES = {"customerpayment": "transaction"}
TYPES = {"transaction": "type IN ('CustInvc', 'CustCred')", "customerpayment": "type = 'CustPymt'"}
DELETED_TYPES = {
    "subsidiary": ("subsidiary",), "accountingperiod": ("accountingperiod",), "customer": ("customer",),
    "transaction": ("invoice", "creditmemo"), "customerpayment": ("customerpayment",),
}  # fmt: skip
FETCHED = "999"


class NetSuiteSource:
    """The reading side of one connection."""

    def __init__(
        self, suiteql: SuiteQl, lookups: Lookups, objects: Mapping[str, SourceObject],
        overlap: Callable[[str], float],
        clock: Callable[[], datetime],
    ):  # fmt: skip
        self._ql, self._lookups, self._objects, self._clock = suiteql, lookups, objects, clock
        self._overlap = overlap

    def changes(self, object: str, cursor: str | None) -> Page:
        """One page: rows by (stamp, id), then what was deleted since."""
        state = cursors.load(cursor)
        if state.get("deleted"):
            return self._deleted(object, state)
        if "at" not in state:
            self._lookups.forget()
        rows = self._ql.page(self._query(object, state))
        changes, ties = self._numbered(object, rows.elements, state)
        newest = max([state.get("newest", ""), *(_second(e.value) for e in rows.elements)])
        kept = {"newest": newest or None, "ties": ties or None, "deleted_from": state.get("deleted_from")}
        if rows.more:
            last = rows.values[-1]
            return Page(
                changes, cursors.dump({**kept, "at": _second(last), "id": str(last["id"])}), more=True
            )
        if state.get("id"):
            return Page(changes, cursors.dump({**kept, "at": state["at"]}), more=True)
        return Page(changes, cursors.dump({**kept, "deleted": True}), more=True)

    def _query(self, object: str, state: Mapping[str, Any]) -> str:
        where = [TYPES[object]] if object in TYPES else []
        if state.get("id"):
            where += [f"lastmodifieddate = {timestamp(state['at'])}", f"id > {number(state['id'])}"]
        elif state.get("at"):
            where += [f"lastmodifieddate > {timestamp(state['at'])}"]
        elif state.get("newest"):
            begin = cursors.moment(state["newest"]) - timedelta(seconds=self._overlap(object))
            where += [f"lastmodifieddate >= {timestamp(begin.strftime('%Y-%m-%d %H:%M:%S'))}"]
        return self._select(object, where, "lastmodifieddate, id")

    def _select(self, object: str, where: list[str], order: str) -> str:
        return select(self._objects[object].fields, TABLES.get(object, object), where, order)

    def _numbered(
        self, object: str, elements: list[Element], state: Mapping[str, Any]
    ) -> tuple[list[Change], dict[str, list[Any]]]:
        """The changes with their versions, and the digests of the newest second for the next call."""
        ties: dict[str, list[Any]] = dict(state.get("ties", {}))
        newest = max([state.get("newest", ""), *(_second(e.value) for e in elements)])
        if newest != state.get("newest"):
            ties = {}
        known = state.get("ties", {})
        numbered: list[tuple[Element, str]] = []
        for element in elements:
            second, row_id = _second(element.value), str(element.value["id"])
            digest = hashlib.sha256(element.raw).hexdigest()[:8]
            before, ordinal = _before(known, row_id) if second == state.get("newest") else ("", 0)
            ordinal += 1 if before and before != digest else 0
            if second == newest:
                ties[row_id] = [digest, ordinal]
            numbered.append((element, f"{ordinal:03d}"))
        return self._page_of(object, numbered), ties

    def _deleted(self, object: str, state: Mapping[str, Any]) -> Page:
        begin = state.get("deleted_from", "2000-01-01 00:00:00")
        found: list[tuple[str, Change]] = []
        at = self._clock()
        for kind in DELETED_TYPES[object]:
            where = [f"deleteddate >= {timestamp(begin)}", f"type = {literal(kind)}"]
            rows = self._ql.page(
                select("recordid, type, deleteddate", "deletedrecord", where, "deleteddate, recordid")
            )
            if rows.more:
                raise Drift(
                    "more than a page of records was deleted at once: run a sweep", "too-many-deletions"
                )
            for element in rows.elements:
                found.append((str(element.value["deleteddate"]), self._tombstone(object, element, at)))
        newest = max([begin, *(moment for moment, _ in found)])
        after = {
            "newest": state.get("newest"),
            "ties": state.get("ties"),
            "deleted_from": newest if found else None,
        }
        if not found:
            after["deleted_from"] = state.get("deleted_from")
        return Page([change for _, change in found], cursors.dump(after), more=False)

    def fetch(self, object: str, source_id: str) -> Change | None:
        """One record; None when NetSuite has none. A period is asked for as `PERIOD:SUBSIDIARY`."""
        row_id = source_id.split(":")[0]
        if not (row_id.isascii() and row_id.isdigit()):
            return None
        where = [f"id = {number(row_id)}", *([TYPES[object]] if object in TYPES else [])]
        rows = self._ql.page(self._select(object, where, "id"))
        page = self._page_of(object, [(element, FETCHED) for element in rows.elements])
        changes = [change for change in page if change.source_id == source_id]
        return changes[0] if changes else None

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """Id and first version of every record last changed on a day of the span."""
        where = [
            f"lastmodifieddate >= {timestamp(f'{since} 00:00:00')}",
            f"lastmodifieddate < {timestamp(f'{until + timedelta(days=1)} 00:00:00')}",
            *([TYPES[object]] if object in TYPES else []),
        ]
        for row in self._ql.every("id, lastmodifieddate", TABLES.get(object, object), where):
            version = f"{_second(row)}.000"
            if object == "accountingperiod":
                yield from ((f"{row['id']}:{entity}", version) for entity in self._lookups.entities())
            else:
                yield str(row["id"]), version

    def describe(self) -> Mapping[str, list[str]]:
        """The columns that are read and that NetSuite still answers for."""
        out: dict[str, list[str]] = {}
        for object, source in self._objects.items():
            table = TABLES.get(object, object)
            if self._answers(", ".join(source.fields), table):
                out[object] = sorted(source.fields)
            else:
                out[object] = sorted(name for name in source.fields if self._answers(name, table))
        return out

    def _answers(self, columns: str, table: str) -> bool:
        try:
            self._ql.page(select(columns, table, ["id = 0"], "id"))
        except Drift:
            return False
        return True

    def _page_of(self, object: str, numbered: Sequence[tuple[Element, str]]) -> list[Change]:
        """The changes of rows with their ordinals, observed at one moment, with what the mappings need beside them."""
        at = self._clock()
        applied = self._applications([e for e, _ in numbered]) if object == "customerpayment" else {}
        changes: list[Change] = []
        for element, ordinal in numbered:
            row, version = element.value, f"{_second(element.value)}.{ordinal}"
            row_id = str(row.get("id", ""))
            if not row_id.isdigit():
                raise Drift("a row without an id", "unexpected-shape")
            if object == "accountingperiod":
                for key, code in sorted(self._lookups.entities().items()):
                    joined = _period_joined(row, code)
                    changes.append(_change(object, f"{row_id}:{key}", version, at, element, joined))
                continue
            joined = self._joined(object, row)
            if object == "customerpayment":
                joined["applications"] = applied.get(row_id, [])
            changes.append(_change(object, row_id, version, at, element, joined))
        return changes

    def _joined(self, object: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """What a mapping needs beside the row, under `joined`."""
        joined: dict[str, Any] = {"currency_code": self._lookups.currency_code(row.get("currency"))}
        if object == "customer":
            joined["terms_days"] = self._lookups.terms_days(row.get("terms"))
        if object in ("customer", "transaction", "customerpayment"):
            entity = self._lookups.entities().get(str(row.get("subsidiary")))
            joined["legal_entity"] = entity or self._lookups.customer_entity(row.get("entity"))
        if object == "transaction":
            joined["period"] = (
                f"{joined['legal_entity']}/{self._lookups.period_code(row.get('postingperiod'))}"
            )
        return {name: value for name, value in joined.items() if value is not None}

    def _applications(self, payments: Sequence[Element]) -> dict[str, list[dict[str, str]]]:
        """By payment, the documents it was applied to with the amount of each (one query for a page of payments)."""
        found: dict[str, list[dict[str, str]]] = {}
        if not payments:
            return found
        ids = ", ".join(number(payment.value.get("id", "")) for payment in payments)
        query = select(
            "previousdoc, nextdoc, foreignamount", "nexttransactionlinelink", [f"nextdoc IN ({ids})"],
            "nextdoc, previousdoc",
        )  # fmt: skip
        for row in self._ql.all_pages(query):
            amount = str(row["foreignamount"]).lstrip("-")
            found.setdefault(str(row["nextdoc"]), []).append(
                {"document": str(row["previousdoc"]), "amount": amount}
            )
        return found

    def _tombstone(self, object: str, element: Element, at: datetime) -> Change:
        row_id = str(element.value["recordid"])
        version = f"{element.value['deleteddate']}.{FETCHED}"
        return Change(object, row_id, version, at, {"id": row_id}, element.raw, tombstone=True)


def _change(
    object: str, source_id: str, version: str, at: datetime, element: Element, joined: Mapping[str, Any]
) -> Change:
    document = {**element.value, "joined": joined}
    return Change(object, source_id, version, at, document, with_joined(element.raw, joined))


def _period_joined(row: Mapping[str, Any], entity: str) -> dict[str, Any]:
    """A period belongs to the account; ours belongs to a legal entity: `US01/2026-01`, of weeks `US01/2026-01-25`."""
    code = code_of(row)
    return {"legal_entity": entity, "code": code, "key": f"{entity}/{code}"}


def _before(known: Mapping[str, Any], row_id: str) -> tuple[str, int]:
    """Digest and ordinal of a row in the newest second, as the cursor remembers them."""
    digest, ordinal = known.get(row_id, ("", 0))
    return str(digest), int(ordinal)


def _second(row: Mapping[str, Any]) -> str:
    """`YYYY-MM-DD HH:MM:SS` of a row."""
    text = str(row.get("lastmodifieddate", ""))
    try:
        return datetime.fromisoformat(text[:19]).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError as error:
        raise Drift("lastmodifieddate is not a moment", "bad-stamp") from error
