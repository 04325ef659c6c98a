"""From inbox rows to canonical versions: read, map, resolve, judge, merge, write; one page, a handful of statements.

Of the versions of one source record the highest stands, whatever the order of arrival; lower ones are `superseded`.
A tombstone beats every version at or below its own. Only the owner of a field group is followed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, crosswalk, employment, events, exceptions
from tieout.hub.actors import SYSTEM
from tieout.hub.change_events import events_of
from tieout.hub.converters import Unfit
from tieout.hub.events import Event, NewEvent
from tieout.hub.exceptions import NewException
from tieout.hub.mapping import Finding, InboundMapping, Mapped, read_document
from tieout.hub.merging import Merge
from tieout.hub.settings import Settings
from tieout.model.money import minor_unit, round_to_minor
from tieout.store import canonical, clock
from tieout.store import crosswalk as links
from tieout.store import exceptions as exception_store
from tieout.store import inbox as store
from tieout.telemetry.failpoints import fp

HEALED_KINDS = (
    "invalid-payload", "unmapped-value", "unknown-reference", "unknown-currency", "amount-precision",
    "ownership-conflict", "poison", "gap",
)  # fmt: skip
"""Exceptions about a source record that close by themselves when this version of it, or a later one, is taken in."""

DRIFTED = "schema-drift"
_MAY_BE_UNKNOWN = frozenset({("time_entry", "project"), ("expense", "project")})
_TO_THE_MINOR_UNIT = frozenset({"payroll", "subcontract", "expense"})
_REFUSING = frozenset({"invalid-payload", "unknown-currency", "amount-precision"})

Source = tuple[str, str]


@dataclass
class Page:
    """What came of a page: events in order and rows by outcome."""

    events: list[Event | NewEvent]
    counts: Counter[str]


@dataclass
class Record:
    """One inbox row on its way; `state` stays empty while it may still be applied."""

    row: dict[str, Any]
    mapping: InboundMapping | None
    mapped: Mapped | None = None
    key: str | None = None
    values: dict[str, Any] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    state: str = ""
    detail: str | None = None

    @property
    def source(self) -> Source:
        """(object, source id)."""
        return self.row["object"], self.row["source_id"]

    @property
    def rank(self) -> tuple[str, bool, int]:
        """Order of the versions of one source record."""
        return self.row["source_version"], self.row["tombstone"], self.row["id"]

    @property
    def canonical(self) -> str:
        """The canonical type; only asked of records that have a mapping."""
        if self.mapping is None:
            raise AssertionError("a record without a mapping has no canonical type")
        return self.mapping.canonical

    def settle(self, state: str, detail: str | None = None) -> None:
        """Decide what becomes of the row."""
        self.state, self.detail = state, detail


def apply_page(conn: Connection, settings: Settings, rows: Sequence[dict[str, Any]]) -> Page:
    """Apply locked rows of one connection; every row leaves the state `new`."""
    moment = clock.now(conn)
    records = [_read(settings, row) for row in rows]
    _hold_drifted(conn, settings.connection, records)
    known = _known(conn, settings.connection, records)
    _find_keys(records, known)
    _find_twins(conn, records)
    linked = _link(conn, settings.connection, records, known)
    _resolve(conn, settings.connection, records, known | linked)
    merge = Merge(conn, settings, moment)
    fresh_terms = _terms(conn, records, merge, moment)
    fresh_workers = _employment(conn, records, merge, moment)
    newest = _newest(conn, settings.connection, records)
    merge.load(_touched(newest))
    for record in newest:
        _merge(merge, record)
    merge.write()
    _revive(conn, settings.connection, newest, known)
    fp("canonical.written")
    page = Page(_emit(conn, merge, fresh_terms, fresh_workers), Counter(record.state for record in records))
    _close_out(conn, settings.connection, records, merge, moment, page)
    return page


def _read(settings: Settings, row: dict[str, Any]) -> Record:
    record = Record(row, settings.mappings.inbound(row["object"]))
    if record.mapping is None:
        record.settle("ignored", "no mapping reads this object")
        return record
    if row["tombstone"]:
        return record
    try:
        document = read_document(row["document"], row["raw"])
    except Unfit as error:
        record.findings.append(Finding("invalid-payload", "record", str(error)))
    else:
        record.mapped = record.mapping.apply(document)
        record.findings += record.mapped.findings
        record.values = dict(record.mapped.values)
        record.key = record.mapped.key
        if record.mapped.ignored:
            record.settle("ignored", "its mapping leaves it out")
    return record


def _open(records: Iterable[Record]) -> list[Record]:
    return [record for record in records if not record.state]


def _hold_drifted(conn: Connection, connection: str, records: Sequence[Record]) -> None:
    drifted = exception_store.open_keys(conn, ["schema-drift"])["schema-drift"]
    for record in _open(records):
        if f"{connection}/{record.row['object']}" in drifted:
            record.settle("held", DRIFTED)


def _known(conn: Connection, connection: str, records: Sequence[Record]) -> dict[Source, str]:
    wanted = {record.source for record in records}
    wanted |= {(ref.object, ref.source_id) for r in records if r.mapped for ref in r.mapped.references}
    return links.of_sources(conn, connection, wanted)


def _find_keys(records: Sequence[Record], known: Mapping[Source, str]) -> None:
    """Give records their key where only the crosswalk knows it; judge those whose key changed."""
    for record in _open(records):
        linked = known.get(record.source)
        if record.row["tombstone"]:
            record.key = linked
        elif record.mapped is not None and record.mapped.by_crosswalk:
            record.key = linked
            if linked is None:
                record.settle("ignored", store.waits_for(*record.source))
        elif linked is not None and record.key is not None and linked != record.key:
            detail = f"the record's key was {linked} and is now {record.key}"
            record.findings.append(Finding("invalid-payload", "key", detail))


def _find_twins(conn: Connection, records: Sequence[Record]) -> None:
    """An entry of time and an expense of one key would be one thing to whoever names it: the later is `id-reuse`."""
    for type, other in (("time_entry", "expense"), ("expense", "time_entry")):
        mine = [record for record in _open(records) if record.canonical == type and record.key is not None]
        taken = canonical.existing(conn, other, {str(record.key) for record in mine})
        for record in mine:
            if record.key in taken:
                detail = (
                    f"the {other.replace('_', ' ')} {record.key} has this key: a mapping must give it another"
                )
                record.findings.append(Finding("id-reuse", "key", detail))


def _link(
    conn: Connection, connection: str, records: Sequence[Record], known: Mapping[Source, str]
) -> dict[Source, str]:
    """Link new source records to their keys; a key that another record holds is `id-reuse`, never a merge."""
    new = [r for r in _open(records) if r.key is not None and r.source not in known and not r.findings]
    held = links.holders(conn, connection, {(r.row["object"], r.key) for r in new if r.key})
    pairs: dict[str, dict[Source, str]] = {}
    for record in sorted(new, key=lambda r: (r.source, r.rank)):
        object, source_id = record.source
        key = str(record.key)
        holder = held.setdefault((object, key), source_id)
        if holder != source_id:
            detail = f"{object} {holder} has the key {key} already: two records are never merged silently"
            record.findings.append(Finding("id-reuse", "key", detail))
        else:
            pairs.setdefault(record.canonical, {})[record.source] = key
    for type, found in pairs.items():
        crosswalk.link_new(conn, connection, type, found)
    return {source: key for found in pairs.values() for source, key in found.items()}


def _resolve(
    conn: Connection, connection: str, records: Sequence[Record], known: Mapping[Source, str]
) -> None:
    """Turn references into keys, then settle every record that has a finding or waits for another record.

    What is read next may only come later: a reference is unknown when its object was read to its end since the record
    arrived, or is not read at all. Until then the record just waits.
    """
    unknown: dict[Source, list[Record]] = {}
    for record in _open(records):
        for reference in record.mapped.references if record.mapped else ():
            source = (reference.object, reference.source_id)
            record.values[reference.field] = known.get(source)
            if source not in known and (record.canonical, reference.field) not in _MAY_BE_UNKNOWN:
                unknown.setdefault(source, []).append(record)
        record.findings += _precision(record)
    foreign = store.foreign(conn, connection, unknown) | {
        r.source for r in records if r.state == "ignored" and r.detail == store.waits_for(*r.source)
    }
    to_come = store.reads_to_come(conn, connection, {object for object, _ in unknown}) if unknown else {}
    for source, waiting in unknown.items():
        for record in _open(waiting):
            record.settle("ignored" if source in foreign else "held", store.waits_for(*source))
            may_come = source[0] in to_come and record.row["id"] > to_come[source[0]]
            if record.state == "held" and not may_come:
                detail = f"{source[0]} {source[1]} is not known"
                record.findings.append(Finding("unknown-reference", source[0], detail))
    for record in _open(records):
        if record.findings:
            refused = any(one.kind in _REFUSING for one in record.findings)
            record.settle("refused" if refused else "held", audit.plain("; ".join(_words(record)))[:2000])


def _words(record: Record) -> list[str]:
    return [f"{one.field}: {one.detail}" for one in record.findings]


def _precision(record: Record) -> list[Finding]:
    """Numbers that the column could hold only rounded, or not at all, and amounts finer than their currency."""
    found = [
        Finding(kind, name, detail)
        for name, value in record.values.items()
        for kind, detail in canonical.misfits(record.canonical, name, value)
    ]
    rates = record.mapped.children.get(employment.RATES, ()) if record.mapped else ()
    found += [Finding(kind, name, detail) for kind, name, detail in employment.misfits(rates)]
    return found or _too_fine(record)


def _too_fine(record: Record) -> list[Finding]:
    currency = record.values.get("currency")
    if record.canonical not in _TO_THE_MINOR_UNIT or currency is None:
        return []
    return [
        Finding(
            "amount-precision", name, f"at most {minor_unit(currency)} decimals are {currency}, got {value}"
        )
        for name in ("amount", "tax_amount")
        if (value := record.values.get(name)) is not None and value != round_to_minor(value, currency)
    ]


def _terms(conn: Connection, records: Sequence[Record], merge: Merge, moment: datetime) -> set[str]:
    """Record every contract version that was heard, late ones too; contracts that got a new one."""
    columns = canonical.terms_columns()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for record in _open(records):
        if record.row["tombstone"] or record.canonical != "contract":
            continue
        start = record.values.get("effective_from") or record.values.get("start_date")
        if start is None or record.key is None or not merge.owns("contract.terms", record.values):
            continue
        row = {name: record.values.get(name) for name in columns} | {"effective_from": start}
        row |= {"contract": record.key, "source_version": record.row["source_version"], "recorded_at": moment}
        rows.setdefault((record.key, record.row["source_version"]), row)
    return canonical.insert_terms(conn, [rows[one] for one in sorted(rows)])


def _employment(conn: Connection, records: Sequence[Record], merge: Merge, moment: datetime) -> set[str]:
    """Record every statement of employment and cost rates that was heard, late ones too; workers with a new one."""
    heard = [
        employment.Statement(
            record.key, record.row["source_version"],
            frozenset(group for group in record.mapping.groups if merge.owns(group, record.values)),
            record.values, record.mapped.children.get(employment.RATES, ()),
        )
        for record in _open(records)
        if record.mapping is not None and record.mapped is not None and record.key is not None
        and record.canonical == "worker"
    ]  # fmt: skip
    return employment.record(conn, heard, moment)


def _newest(conn: Connection, connection: str, records: Sequence[Record]) -> list[Record]:
    """The one version of each source record that may be applied; all lower ones are settled as superseded."""
    open_records = _open(records)
    applied = store.applied_versions(conn, connection, {r.source for r in open_records})
    newest: dict[Source, Record] = {}
    for record in sorted(open_records, key=lambda r: r.rank):
        version, gone = applied.get(record.source, ("", False))
        if (record.row["source_version"], record.row["tombstone"]) < (version, gone):
            record.settle("superseded", f"version {version} was applied before")
            continue
        earlier = newest.get(record.source)
        if earlier is not None:
            earlier.settle("superseded", f"version {record.row['source_version']} came with it")
        newest[record.source] = record
    return list(newest.values())


def _touched(records: Sequence[Record]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for record in records:
        if record.key is not None:
            wanted.setdefault(record.canonical, set()).add(record.key)
    return wanted


def _revive(conn: Connection, connection: str, newest: Sequence[Record], known: Mapping[Source, str]) -> None:
    """Make the links of records live again that were deleted and have come back."""
    back = [r for r in newest if r.state == "applied" and not r.row["tombstone"] and r.source in known]
    live = links.of_sources(conn, connection, {r.source for r in back}, retired=False)
    for record in back:
        if record.source not in live:
            crosswalk.link_new(conn, connection, record.canonical, {record.source: known[record.source]})


def _merge(merge: Merge, record: Record) -> None:
    if record.row["tombstone"]:
        if record.key is not None:
            merge.bury(record.canonical, record.key, record.row)
        record.settle("applied", None if record.key else "deleted before it was known")
        return
    if record.mapping is None or record.key is None or record.mapped is None:
        raise AssertionError("only records with mapping and key reach the merge")
    children = {name: list(rows) for name, rows in record.mapped.children.items()}
    outcome = merge.add(record.mapping, record.key, record.values, children, record.row)
    record.findings += [Finding("ownership-conflict", one.field, one.detail) for one in outcome.conflicts]
    record.settle(
        "applied" if outcome.owned else "ignored", None if outcome.owned else "another system owns it"
    )


def _emit(
    conn: Connection, merge: Merge, fresh_terms: set[str], fresh_workers: set[str]
) -> list[Event | NewEvent]:
    stored, internal = events_of(conn, merge.changes(), fresh_terms)
    heard = [NewEvent(events.WORKER_TERMS_HEARD, worker, None, {}) for worker in sorted(fresh_workers)]
    return [*events.emit(conn, stored), *internal, *heard]


def _close_out(
    conn: Connection, connection: str, records: Sequence[Record], merge: Merge, moment: datetime, page: Page
) -> None:
    exceptions.open_exceptions(conn, [e for record in records for e in _exceptions(connection, record)])
    clean = {r.source: r.row["source_version"] for r in sorted(records, key=lambda r: r.rank)
             if r.state in ("applied", "ignored") and not r.findings}  # fmt: skip
    exceptions.resolve_for_sources(conn, HEALED_KINDS, connection, clean)
    store.settle(conn, [(r.row["id"], r.state, r.detail) for r in records], moment)
    store.supersede_older(
        conn, connection, {r.source: r.row["source_version"] for r in records if r.state == "applied"}
    )
    audit.record(
        conn, SYSTEM, "apply", "inbox", connection, rows=len(records),
        digest=audit.digest_of([[r.row["id"], r.state, r.key] for r in records]),
        detail={"outcomes": dict(page.counts), "written": merge.written()},
    )  # fmt: skip


def _exceptions(connection: str, record: Record) -> list[NewException]:
    kinds = dict.fromkeys(finding.kind for finding in record.findings)
    return [_exception(connection, record, kind) for kind in kinds]


def _exception(connection: str, record: Record, kind: str) -> NewException:
    found = [finding for finding in record.findings if finding.kind == kind]
    money = record.values.get("amount") or record.values.get("total") or record.values.get("cap_amount")
    is_contract = record.mapping is not None and record.mapping.canonical == "contract"
    fields = ", ".join(sorted({finding.field for finding in found}))
    return NewException(
        kind,
        _shown_key(record),
        f"{record.row['object']} {record.row['source_id']}: "
        + "; ".join(f"{f.field}: {f.detail}" for f in found),
        contract=record.key if is_contract else None,
        legal_entity=record.values.get("legal_entity"),
        amount=None if money is None or kind == "amount-precision" else money,
        currency=record.values.get("currency"),
        evidence=evidence_of(connection, record.row) | {"group": f"{record.row['object']}: {fields}"},
    )


def _shown_key(record: Record) -> str:
    """What a person would type: the business key; a bare id is named with its object unless it is that of an entry."""
    object, source_id = record.source
    is_entry = record.mapping is not None and record.mapping.canonical in ("time_entry", "expense")
    if is_entry or (record.key is not None and record.key != source_id):
        return record.key or source_id
    return f"{object} {source_id}"


def evidence_of(connection: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Where the raw bytes are, and what a replay takes in again."""
    return {
        "connection": connection, "object": row["object"], "source_id": row["source_id"],
        "source_version": row["source_version"], "inbox": [row["id"]],
    }  # fmt: skip
