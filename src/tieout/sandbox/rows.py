"""Statements over the records of a world that are sent again and again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, text, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import JSONB

from tieout.sandbox import tables
from tieout.sandbox.exact import dumps


def is_of(system: str, type: str) -> tuple[Any, Any]:
    """The conditions for records of one type of a system."""
    return tables.record.c.system == system, tables.record.c.type == type


def as_json(value: Any) -> Any:
    """A value as jsonb, with the digits of its numbers."""
    return sql_cast(sql_cast(dumps(value), Text), JSONB)


GET = text(
    "SELECT CAST(fields AS text) AS fields, created_at, modified_at, deleted, visible_from FROM record"
    " WHERE system = :system AND type = :type AND id = :id AND (:deleted OR NOT deleted)"
)
NOTE_CALL = text(  # not waited for on disk: it counts, it proves nothing
    "WITH quick AS (SELECT set_config('synchronous_commit', 'off', true)) INSERT INTO call (system, method, path, status, at)"
    " SELECT :system, :method, :path, CAST(:status AS integer), CAST(:at AS timestamptz) FROM quick"
)
INSERT = text(
    "INSERT INTO record (system, type, id, fields, created_at, modified_at, deleted)"
    " SELECT :system, :type, id, CAST(fields AS jsonb), at, at, false"
    " FROM unnest(CAST(:ids AS text[]), CAST(:fields AS text[]), CAST(:at AS timestamptz[])) AS given (id, fields, at)"
)
CHANGE_MANY = text(
    "UPDATE record SET fields = record.fields || CAST(:fields AS jsonb), modified_at = given.at"
    " FROM unnest(CAST(:ids AS text[]), CAST(:at AS timestamptz[])) AS given (id, at)"
    " WHERE system = :system AND type = :type AND record.id = given.id AND NOT deleted"
)


def insert_rows(
    conn: Connection, system: str, type: str, ids: Sequence[str], fields: Iterable[Mapping[str, Any]],
    stamps: Sequence[datetime],
) -> None:  # fmt: skip
    """Put new records in."""
    made = [dumps(dict(one)) for one in fields]
    if made:
        conn.execute(
            INSERT, {"system": system, "type": type, "ids": list(ids), "fields": made, "at": list(stamps)}
        )


def replace_row(
    conn: Connection, system: str, type: str, id: str, fields: Mapping[str, Any], moment: datetime, *, deleted: bool = False
) -> None:  # fmt: skip
    """What a record holds from now on."""
    values = {"fields": as_json(dict(fields)), "modified_at": moment, "deleted": deleted}
    conn.execute(update(tables.record).where(*is_of(system, type), tables.record.c.id == id).values(**values))
