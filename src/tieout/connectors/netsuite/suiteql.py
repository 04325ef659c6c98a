"""SuiteQL: rows come as texts under lower-case names, nulls are left out.

`{"links", "count", "hasMore", "items": [{...}], "offset", "totalResults"}`; there is no stable order without ORDER BY
a unique column, so every query here has one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tieout.connectors.kit.families.rest import RestCaller
from tieout.connectors.kit.interface import Drift, Rejected
from tieout.connectors.kit.jsontext import Element
from tieout.connectors.kit.select import select

PATH = "/services/rest/query/v1/suiteql"


@dataclass(frozen=True)
class Rows:
    """One answer: its rows, whether more exist, and how many the query has altogether."""

    elements: list[Element]
    more: bool
    total: int

    @property
    def values(self) -> list[dict[str, Any]]:
        """The rows alone."""
        return [element.value for element in self.elements]


class SuiteQl:
    """Queries of one connection."""

    def __init__(self, caller: RestCaller, limit: int = 1000):
        self._caller, self._limit = caller, limit

    def all_pages(self, query: str) -> list[dict[str, Any]]:
        """Every row of a query without an id to continue from, by offset under its full order."""
        found: list[dict[str, Any]] = []
        while True:
            rows = self.page(query, len(found))
            found += rows.values
            if not rows.more or not rows.values:
                return found

    def page(self, query: str, offset: int = 0) -> Rows:
        """One page of a query; what follows is asked for by keyset wherever the rows have an id."""
        content = json.dumps({"q": query}).encode()
        params = {"limit": str(self._limit), "offset": str(offset)}
        answer = self._caller.read(PATH, params, {"Prefer": "transient"}, method="POST", content=content)
        body = answer.json_object("items")
        elements, more, total = body.get("items"), body.get("hasMore"), body.get("totalResults")
        if not isinstance(elements, list) or not isinstance(more, bool) or not str(total).isdigit():
            raise answer.misshapen("a query answer without items, hasMore and totalResults")
        if not all(isinstance(e, Element) and isinstance(e.value, dict) for e in elements):
            raise answer.misshapen("a row that is no object")
        return Rows(elements, more, int(str(total)))

    def every(self, columns: str, table: str, where: Sequence[str] = ()) -> list[dict[str, Any]]:
        """All rows by keyset on id. Drift when their number is not the one the system stated first."""
        found: list[dict[str, Any]] = []
        stated, last = -1, ""
        while True:
            conditions = [*where, *([f"id > {number(last)}"] if last else [])]
            rows = self.page(select(columns, table, conditions, "id"))
            stated = rows.total if stated < 0 else stated
            found += rows.values
            if not rows.more:
                break
            if not rows.values:
                raise Drift("the query says there is more and gives nothing", "incomplete-report")
            last = str(rows.values[-1]["id"])
        if len(found) != stated:
            raise Drift(f"the query stated {stated} rows and gave {len(found)}", "incomplete-report")
        return found

    def one(self, columns: str, table: str, where: Sequence[str]) -> dict[str, Any] | None:
        """The only row; Rejected when there are several."""
        rows = self.page(select(columns, table, where, "id")).values
        if len(rows) > 1:
            raise Rejected(f"{len(rows)} rows of {table} match where one must", "several-records")
        return rows[0] if rows else None


def literal(value: str) -> str:
    """A quoted text; quotes are doubled."""
    if "\x00" in value:
        raise Rejected("a text for NetSuite holds no zero byte", "invalid-value")
    escaped = value.replace("'", "''")
    return f"'{escaped}'"


def number(value: Any) -> str:
    """An internal id as it stands in a query."""
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        raise Rejected("a NetSuite id is a number", "invalid-id")
    return text


def timestamp(value: str) -> str:
    """A moment `YYYY-MM-DD HH24:MI:SS` as it stands in a query."""
    return f"TO_TIMESTAMP({literal(value)}, 'YYYY-MM-DD HH24:MI:SS')"
