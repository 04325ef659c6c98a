"""SuiteQL: rows as texts under lower-case names, nulls left out, 1,000 a page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from tieout.sandbox.simulators.common import Answer, Call, Refused, json_answer
from tieout.sandbox.simulators.netsuite_books import (
    APPROVED,
    PERSON,
    Books,
    is_posting,
    read_books,
    reference,
    total_of,
)
from tieout.sandbox.simulators.netsuite_schema import BY_LOWER, COLUMNS, DECIMALS, DOCUMENTS, INTEGERS
from tieout.sandbox.simulators.query import BadQuery, Parser, Query
from tieout.sandbox.world import Record, World

if TYPE_CHECKING:
    from tieout.sandbox.simulators.netsuite import NetSuite

LARGEST_PAGE, LARGEST_RESULT = 1_000, 100_000


class SuiteQl:
    """Queries of one account."""

    def __init__(self, account: NetSuite) -> None:
        self._account, self._world = account, account.world
        self._kept: dict[str, tuple[int, list[dict[str, Any]]]] = {}

    def answer(self, call: Call) -> Answer:
        """One page of a query."""
        refusal = self._account.refusal
        if "transient" not in call.headers.get("prefer", ""):
            raise Refused(refusal(400, "INVALID_HEADER", "The required request header 'Prefer' is missing"))
        limit, offset = (
            self._whole(call, name, default) for name, default in (("limit", 1000), ("offset", 0))
        )
        if not 0 < limit <= LARGEST_PAGE or (offset % limit and offset < 0):
            raise Refused(refusal(400, "INVALID_PARAMETER", "limit must be between 1 and 1000"))
        query = self._parsed(call)
        found = query.run(self.rows(query.table), comparable)
        if len(found) > LARGEST_RESULT:
            raise Refused(refusal(400, "INVALID_PARAMETER", "The query has more than 100,000 results"))
        added = self._account.added(self._type(query.table))
        items = [_shown(query, row, added) for row in found[offset : offset + limit]]
        stated = len(found) + (call.fault.kind == "cut_short")
        return json_answer(
            {
                "links": [{"rel": "self", "href": f"{call.origin}{call.path}"}], "count": len(items),
                "hasMore": len(found) > offset + limit, "items": items, "offset": offset, "totalResults": stated,
            }
        )  # fmt: skip

    def _whole(self, call: Call, name: str, default: int) -> int:
        text = call.params.get(name, str(default))
        if not (text.isascii() and text.isdigit()):
            raise Refused(self._account.refusal(400, "INVALID_PARAMETER", f"{name} must be a whole number"))
        return int(text)

    def _parsed(self, call: Call) -> Query:
        refusal = self._account.refusal
        try:
            query = Parser(str(call.json()["q"]), comparable, backslash=False).query()
        except (BadQuery, ValueError, KeyError, TypeError) as error:
            raise Refused(refusal(400, "INVALID_PARAMETER", f"Invalid search query. {error}")) from error
        query.table = query.table.lower()
        known = COLUMNS.get(query.table)
        if known is None:
            raise Refused(
                refusal(
                    400, "INVALID_PARAMETER", f"Invalid search query. Record '{query.table}' was not found."
                )
            )
        type = self._type(query.table)
        gone = {name.lower() for name in self._account.removed(type)}
        known = (known - gone) | {name.lower() for name in self._account.added(type)}
        for name in {*query.columns, *query.named}:
            if name.lower() not in known:
                text = f"Invalid search query. Search error occurred: Field '{name}' for record '{query.table}' was not found."
                raise Refused(refusal(400, "INVALID_PARAMETER", text))
        return query

    def _type(self, table: str) -> str:
        return BY_LOWER.get(table, table)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, computed once for each state of the world."""
        types = (
            tuple(DOCUMENTS) if table in ("transaction", "nexttransactionlinelink") else (self._type(table),)
        )
        types = tuple(BY_LOWER.values()) if table == "deletedrecord" else types
        version = sum(self._world.version("netsuite", type) for type in types)
        kept = self._kept.get(table)
        if kept is None or kept[0] != version:
            kept = self._kept[table] = (version, _rows(self._world, table, types))
        return kept[1]


def _rows(world: World, table: str, types: tuple[str, ...]) -> list[dict[str, Any]]:
    if table == "transaction":
        books = read_books(world)
        return [_document(books, record) for record in books.documents.values()]
    if table == "nexttransactionlinelink":
        links = read_books(world).links
        return [
            {"previousdoc": d, "nextdoc": by, "foreignamount": -a, "linktype": "Payment"}
            for d, by, a in links
        ]
    if table == "deletedrecord":
        gone = [r for type in types for r in world.all("netsuite", type, deleted=True) if r.deleted]
        return [
            {"recordid": r.id, "type": r.type.lower(), "deleteddate": second(r.modified_at)} for r in gone
        ]
    return [_plain(record) for record in world.all("netsuite", types[0])]


def _plain(record: Record) -> dict[str, Any]:
    row = {name.lower(): reference(v) if isinstance(v, Mapping) else v for name, v in record.fields.items()}
    return {**row, "id": record.id, "lastmodifieddate": second(record.modified_at)}


def _document(books: Books, record: Record) -> dict[str, Any]:
    fields, total = record.fields, total_of(record)
    sign = -1 if record.type == "creditMemo" else 1
    unpaid = books.remaining(record) if record.type == "invoice" else None
    return {
        "id": record.id, "type": DOCUMENTS[record.type], "tranid": fields.get("tranId"),
        "externalid": fields.get("externalId"), "trandate": fields.get("tranDate"), "duedate": fields.get("dueDate"),
        "entity": reference(fields.get("entity") or fields.get("customer")),
        "currency": reference(fields.get("currency")), "foreigntotal": sign * total, "foreignamountunpaid": unpaid,
        "postingperiod": reference(fields.get("postingPeriod")), "status": books.state(record)[0],
        "approvalstatus": (reference(fields.get("approvalStatus")) or APPROVED) if record.type == "invoice" else None,
        "createdby": reference(fields.get("createdBy")) or PERSON, "createddate": second(record.created_at),
        "memo": fields.get("memo"), "otherrefnum": fields.get("otherRefNum"), "job": reference(fields.get("job")),
        "posting": is_posting(record), "lastmodifieddate": second(books.changed(record)),
    }  # fmt: skip


def _shown(query: Query, row: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"links": []}
    for name in query.columns:
        value = row.get(name.lower(), added.get(name))
        if value is not None:
            shown[name.lower()] = text_of(value)
    return shown


def text_of(value: Any) -> str:
    """Everything is a text: flags are `T` and `F`."""
    if isinstance(value, bool):
        return "T" if value else "F"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def comparable(column: str, value: Any) -> Any:
    """Ids and amounts compare as numbers, all else as text; an empty text is null."""
    if value is None or value == "":
        return None
    name = column.lower()
    if name in INTEGERS or name in DECIMALS:
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return None
    return text_of(value)


def second(value: datetime) -> str:
    """`2026-01-31 12:00:00`: whole seconds, UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
