"""The outside truth: what each simulated system holds, the sandbox clock, the ledger of applied writes, faults and mess.

Records are in the vendor's own field names. How the systems' records look here, for whoever puts them in:

- `salesforce`: type = object name (`Account`, `SBQQ__Quote__c`); fields by API name; references are 18-character ids.
  `SystemModstamp`, `CreatedDate`, `IsDeleted` come from the record itself.
- `kantata`: type in the singular (`time_entry`, `workspace`, `story`, `user`, `role`, `custom_field_value`,
  `external_reference`); references are ids as text; money in cents, time in minutes.
- `netsuite`: type = REST record type (`customer`, `job`, `invoice`, `creditMemo`, `customerPayment`, `subsidiary`,
  `currency`, `term`, `account`, `item`, `salesTaxItem`, `accountingPeriod`); fields in REST names (`companyName`,
  `tranId`); references are `{"id": "5"}`. SuiteQL columns are these names in lower case.

Numbers are int or Decimal, never float. Only one process writes a world.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Text, delete, func, insert, select, text, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as upsert

from tieout.sandbox import tables
from tieout.sandbox.exact import dumps, loads
from tieout.sandbox.hints import HintSender
from tieout.sandbox.ids import make_id
from tieout.sandbox.rows import CHANGE_MANY, GET, NOTE_CALL, as_json, insert_rows, is_of, replace_row

HINTED = ("time_entry", "workspace", "story", "user")
STANDING = ("drift",)
"""Faults that hold until they are cleared."""

STEP = timedelta(milliseconds=1)
_NONE = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """One record of a simulated system."""

    system: str
    type: str
    id: str
    fields: dict[str, Any]
    created_at: datetime
    modified_at: datetime
    deleted: bool = False
    visible_from: datetime | None = None


@dataclass(frozen=True)
class Fault:
    """One scripted misbehaviour that the next matching request meets."""

    kind: str
    detail: dict[str, Any]


class World:
    """All records of all systems. Thread-safe; a write inside `transaction` is undone when the block raises."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        tables.metadata.create_all(engine)
        self._lock = threading.RLock()
        self._conn: Connection | None = None
        self._touched: set[tuple[str, str]] = set()
        self._after: list[Any] = []
        self._versions: dict[tuple[str, str], int] = {}
        self._counters: dict[tuple[str, str], int] = {}
        self._webhooks: dict[str, list[str]] = {}
        self._faults = 0
        self._late = 0
        self._noting = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.hints = HintSender(lambda: self.webhooks("kantata"))
        self._load()

    def _load(self) -> None:
        with self.engine.begin() as conn:
            row = conn.execute(select(tables.clock.c.now, tables.clock.c.last_stamp)).first()
            if row is None:
                now = datetime.now(UTC).replace(microsecond=0)
                conn.execute(insert(tables.clock).values(id=1, now=now, last_stamp=_NONE))
                row = conn.execute(select(tables.clock.c.now, tables.clock.c.last_stamp)).one()
            self._now, self._last = row.now, row.last_stamp
            for system, type, value in conn.execute(select(tables.counter)):
                self._counters[system, type] = value
            for system, url in conn.execute(select(tables.webhook)):
                self._webhooks.setdefault(system, []).append(url)
            self._faults = conn.execute(select(func.coalesce(func.sum(tables.fault.c.left), 0))).scalar_one()
            self._late = conn.execute(select(func.count()).select_from(tables.late_call)).scalar_one()

    # --- transactions and time ------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One writer at a time; nested blocks belong to the outermost one."""
        with self._lock:
            if self._conn is not None:
                yield self._conn
                return
            saved = dict(self._counters), self._last
            try:
                with self.engine.begin() as conn:
                    self._conn = conn
                    yield conn
                    self._save(conn, *saved)
            except BaseException:
                self._counters, self._last = saved
                self._after.clear()
                raise
            finally:
                self._conn = None
                self._count_changes()
            after, self._after = self._after, []
        for call in after:
            call()

    def _save(self, conn: Connection, counters: dict[tuple[str, str], int], last: datetime) -> None:
        rows = [
            {"system": s, "type": t, "value": v}
            for (s, t), v in self._counters.items()
            if counters.get((s, t)) != v
        ]
        if rows:
            statement = upsert(tables.counter)
            excluded = {"value": statement.excluded.value}
            conn.execute(
                statement.on_conflict_do_update(index_elements=["system", "type"], set_=excluded), rows
            )
        if self._last != last:
            conn.execute(update(tables.clock).values(last_stamp=self._last))

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if self._conn is not None and self._lock.acquire(blocking=False):
            try:
                if self._conn is not None:
                    yield self._conn
                    return
            finally:
                self._lock.release()
        with self.engine.connect() as conn:
            yield conn

    def now(self) -> datetime:
        """The sandbox clock; it stands still until it is set."""
        return self._now

    def set_now(self, moment: datetime) -> None:
        """Set the sandbox clock (stamps go on from the newest even when it is set back)."""
        with self.transaction() as conn:
            conn.execute(update(tables.clock).values(now=moment))
            self._now = moment

    def stamp(self) -> datetime:
        """A moment for a change: the clock, but always at least a millisecond after the one before."""
        now = self._now.replace(microsecond=self._now.microsecond // 1000 * 1000)
        self._last = max(now, self._last + STEP if self._last != _NONE else now)
        return self._last

    def version(self, system: str, type: str) -> int:
        """A number that rises with every change of a type: what was computed from it is good until then."""
        return self._versions.get((system, type), 0)

    # --- records --------------------------------------------------------------------------------------

    def put(
        self, system: str, type: str, fields: Mapping[str, Any], id: str | None = None, by: str = "person",
        *, silent: bool = False, hint_copies: int = 1, hint_delay: float = 0, at: datetime | None = None,
    ) -> str:  # fmt: skip
        """Make a record, or merge fields into an existing one; its id.

        `silent`: no webhook tells of it. `hint_copies`, `hint_delay` (seconds): webhooks come twice, late, out of order.
        `at`: a stamp of the past (a transaction that took long to become visible).
        """
        with self.transaction() as conn:
            held = self.get(system, type, id) if id is not None else None
            moment = at or self.stamp()
            if held is None:
                id = self._next_id(system, type) if id is None else id
                insert_rows(conn, system, type, [id], [fields], [moment])
            else:
                replace_row(conn, system, type, held.id, {**held.fields, **fields}, moment)
            self._changed(system, type)
            kind = "created" if held is None else "updated"
            self._event(system, type, str(id), kind, moment, silent, hint_copies, hint_delay)
            return str(id)

    def put_many(
        self, system: str, type: str, rows: Iterable[Mapping[str, Any]], ids: Iterable[str] | None = None
    ) -> list[str]:
        """Make many records at once; their ids. For history: no webhooks and no events."""
        with self.transaction() as conn:
            listed = list(rows)
            given = [self._next_id(system, type) for _ in listed] if ids is None else list(ids)
            insert_rows(conn, system, type, given, listed, [self.stamp() for _ in listed])
            self._changed(system, type)
            return given

    def change_many(self, system: str, type: str, ids: Iterable[str], fields: Mapping[str, Any]) -> None:
        """Merge the same fields into many living records at once, like a list action of a person: no webhooks."""
        with self.transaction() as conn:
            listed = list(ids)
            stamps = [self.stamp() for _ in listed]
            told = {
                "system": system,
                "type": type,
                "ids": listed,
                "fields": dumps(dict(fields)),
                "at": stamps,
            }
            conn.execute(CHANGE_MANY, told)
            self._changed(system, type)

    def get(self, system: str, type: str, id: str, *, deleted: bool = False) -> Record | None:
        """One record; a deleted one only when asked for."""
        with self._reading() as conn:
            row = conn.execute(GET, {"system": system, "type": type, "id": id, "deleted": deleted}).first()
        return None if row is None else Record(system, type, id, loads(row.fields), *row[1:])

    def find(self, system: str, type: str, **equal: Any) -> list[Record]:
        """Living records whose fields equal these, oldest first."""
        holds = tables.record.c.fields.op("@>")(as_json(equal))
        return self._select(system, type, [holds] if equal else [])

    def all(self, system: str, type: str, *, deleted: bool = False) -> list[Record]:
        """Every record of a type in the order of its last change."""
        return self._select(system, type, [], deleted=deleted)

    def where(
        self, system: str, type: str, conditions: Iterable[Any], *, limit: int | None = None, offset: int = 0,
        newest_first: bool = False, order: Any = None,
    ) -> tuple[list[Record], int]:  # fmt: skip
        """Living records that meet conditions on the columns of `tables.record`, one page of them, and their number."""
        listed = list(conditions)
        columns = tables.record.c
        query = select(func.count()).where(*is_of(system, type), *listed, ~columns.deleted)
        with self._reading() as conn:
            total = conn.execute(query).scalar_one()
        by = order if order is not None else columns.modified_at
        return self._select(
            system, type, listed, limit=limit, offset=offset, order=by.desc() if newest_first else by
        ), total

    def delete(self, system: str, type: str, id: str, *, silent: bool = False) -> None:
        """Delete a record; what the vendor still tells of it (recycle bin, events) is the simulator's business."""
        with self.transaction() as conn:
            held = self.get(system, type, id)
            if held is None:
                return
            moment = self.stamp()
            replace_row(conn, system, type, id, held.fields, moment, deleted=True)
            self._changed(system, type)
            self._event(system, type, id, "deleted", moment, silent, 1, 0)

    def hide(self, system: str, type: str, id: str, until: datetime) -> None:
        """Searches do not find a record before this moment (an index that lags behind)."""
        with self.transaction() as conn:
            where = (*is_of(system, type), tables.record.c.id == id)
            conn.execute(update(tables.record).where(*where).values(visible_from=until))

    def _select(
        self, system: str, type: str, conditions: Iterable[Any], *, deleted: bool = False,
        limit: int | None = None, offset: int = 0, order: Any = None,
    ) -> list[Record]:  # fmt: skip
        c = tables.record.c
        query = select(c.id, sql_cast(c.fields, Text), c.created_at, c.modified_at, c.deleted, c.visible_from)
        query = query.where(*is_of(system, type), *conditions)
        query = query if deleted else query.where(~c.deleted)
        query = query.order_by(*([order] if order is not None else [c.modified_at]), c.id)
        with self._reading() as conn:
            rows = conn.execute(query.limit(limit).offset(offset)).all()
        return [Record(system, type, id, loads(fields), *rest) for id, fields, *rest in rows]

    def _next_id(self, system: str, type: str) -> str:
        scope = (system, type if system == "salesforce" else "")
        self._counters[scope] = self._counters.get(scope, 0) + 1
        return make_id(system, type, self._counters[scope])

    def _changed(self, system: str, type: str) -> None:
        self._versions[system, type] = self._versions.get((system, type), 0) + 1
        self._touched.add((system, type))

    def _count_changes(self) -> None:
        """After a transaction once more: what another thread read meanwhile is not good any longer."""
        for place in self._touched:
            self._versions[place] = self._versions.get(place, 0) + 1
        self._touched.clear()

    def _event(
        self, system: str, type: str, id: str, kind: str, moment: datetime, silent: bool, copies: int,
        delay: float,
    ) -> None:  # fmt: skip
        """What Kantata tells of a change: a row of subscribed_events, and a webhook unless it gets lost."""
        if system != "kantata" or type not in HINTED:
            return
        number = self._next_id("kantata", "subscribed_event")
        fields = {
            "event_type": f"{type}:{kind}", "subject_type": type, "subject_id": id,
            "subject_changed_at": moment.isoformat(timespec="milliseconds"),
        }  # fmt: skip
        if self._conn is None:
            raise RuntimeError("an event belongs to the transaction of its change")
        insert_rows(self._conn, system, "subscribed_event", [number], [fields], [self.stamp()])
        if not silent and (kind != "deleted" or type == "time_entry"):
            body = {
                "event_id": number, "event_type": fields["event_type"], "subject_type": type, "subject_id": id
            }  # fmt: skip
            self._after.append(lambda: self.hints.put(body, copies=copies, delay_seconds=delay))

    def empty(self) -> None:
        """Everything is gone but the clock."""
        with self.transaction() as conn:
            names = [t.name for t in tables.metadata.sorted_tables if t is not tables.clock]
            conn.execute(text(f"TRUNCATE {', '.join(names)} RESTART IDENTITY"))
            types = {place: count + 1 for place, count in self._versions.items()}
            self._counters, self._webhooks, self._faults, self._late, self._versions = {}, {}, 0, 0, types
            self._last = _NONE

    # --- webhooks -------------------------------------------------------------------------------------

    def add_webhook(self, system: str, url: str) -> None:
        """Register an address for hints; known ones stay once."""
        with self.transaction() as conn:
            conn.execute(upsert(tables.webhook).values(system=system, url=url).on_conflict_do_nothing())
            if url not in self._webhooks.setdefault(system, []):
                self._webhooks[system].append(url)

    def webhooks(self, system: str) -> list[str]:
        """The registered addresses of a system."""
        return list(self._webhooks.get(system, []))

    # --- ledger of writes and calls -------------------------------------------------------------------

    def record_write(
        self, system: str, method: str, path: str, type: str, id: str, external_key: str, body: bytes
    ) -> None:
        """Note that a write through the API was applied (in its own transaction)."""
        values = {
            "system": system, "method": method, "path": path, "type": type, "id": id, "external_key": external_key,
            "body_digest": hashlib.sha256(body).hexdigest(), "at": self._now,
        }  # fmt: skip
        with self.transaction() as conn:
            conn.execute(insert(tables.applied_write).values(values))

    def record_call(self, system: str, method: str, path: str, status: int) -> None:
        """Note a request (real time), in a commit of its own."""
        told = {
            "system": system,
            "method": method,
            "path": path[:500],
            "status": status,
            "at": datetime.now(UTC),
        }
        with self._noting.connect() as conn:
            conn.execute(NOTE_CALL, told)

    def ledger(self, system: str | None = None) -> list[dict[str, Any]]:
        """Every applied write in order."""
        return self._rows(tables.applied_write, tables.applied_write.c.number, system)

    def calls(self, system: str | None = None) -> list[dict[str, Any]]:
        """Every request in order."""
        return self._rows(tables.call, tables.call.c.number, system)

    def count_calls(self, system: str | None = None) -> int:
        """How many requests came."""
        query = select(func.count()).select_from(tables.call)
        if system is not None:
            query = query.where(tables.call.c.system == system)
        with self._reading() as conn:
            return int(conn.execute(query).scalar_one())

    def _rows(self, table: Any, order: Any, system: str | None = None) -> list[dict[str, Any]]:
        query = select(table).order_by(order)
        if system is not None:
            query = query.where(table.c.system == system)
        with self._reading() as conn:
            return [dict(row) for row in conn.execute(query).mappings()]

    # --- mess, faults, late writes --------------------------------------------------------------------

    def plant(self, what: str, kind: str, key: str, detail: Mapping[str, Any] | None = None) -> None:
        """Note mess that the firm made on purpose: the exception kind and key it should lead to."""
        with self.transaction() as conn:
            told = as_json(dict(detail or {}))
            conn.execute(insert(tables.planted).values(what=what, kind=kind, key=key, detail=told))

    def planted(self) -> list[dict[str, Any]]:
        """All of it in order."""
        return self._rows(tables.planted, tables.planted.c.id)

    def add_fault(
        self, system: str, kind: str, *, method: str = "", path: str = "", times: int = 1, **detail: Any
    ) -> None:
        """The next `times` requests of this method (`` = any) whose path matches (regular expression) meet this."""
        re.compile(path)
        with self.transaction() as conn:
            told = as_json(detail)
            values = {"system": system, "method": method, "path": path, "kind": kind, "left": times}
            conn.execute(insert(tables.fault).values(**values, detail=told))
            self._faults += times

    def take_fault(self, system: str, method: str, path: str, kinds: Iterable[str] = ()) -> Fault | None:
        """The first fault that a request meets, used up by one; None when there is none."""
        if self._faults <= 0:
            return None
        with self.transaction() as conn:
            c = tables.fault.c
            query = select(tables.fault).where(c.left > 0, c.system == system, c.kind.not_in(STANDING))
            query = query.order_by(c.id)
            for row in conn.execute(query).mappings():
                fits = row["method"] in ("", method) or method in row["method"].split("|")
                if fits and re.search(row["path"], path) and (not kinds or row["kind"] in kinds):
                    conn.execute(update(tables.fault).where(c.id == row["id"]).values(left=row["left"] - 1))
                    self._faults -= 1
                    return Fault(row["kind"], dict(row["detail"]))
        return None

    def standing(self, system: str, kind: str) -> list[dict[str, Any]]:
        """Details of faults that hold until they are cleared (schema drift, closed period), used up by nobody."""
        if self._faults <= 0:
            return []
        c = tables.fault.c
        query = select(c.detail).where(c.left > 0, c.system == system, c.kind == kind).order_by(c.id)
        with self._reading() as conn:
            return [dict(row) for row in conn.execute(query).scalars()]

    def clear_faults(self) -> None:
        """Everything behaves again."""
        with self.transaction() as conn:
            conn.execute(delete(tables.fault))
            self._faults = 0

    def add_late(self, due_at: datetime, system: str, method: str, path: str, body: bytes) -> None:
        """Keep a write that is applied at a moment of the sandbox clock."""
        values = {"due_at": due_at, "system": system, "method": method, "path": path, "body": body}
        with self.transaction() as conn:
            conn.execute(insert(tables.late_call).values(values))
            self._late += 1

    def take_late(self) -> list[dict[str, Any]]:
        """Late writes that are due now, taken out."""
        if self._late <= 0:
            return []
        with self.transaction() as conn:
            gone = (
                delete(tables.late_call)
                .where(tables.late_call.c.due_at <= self._now)
                .returning(tables.late_call)
            )
            found = sorted((dict(r) for r in conn.execute(gone).mappings()), key=lambda r: r["id"])
        self._late -= len(found)
        return found
