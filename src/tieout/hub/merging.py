"""Merging facts into the current canonical versions, field group by field group, and writing what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.hub.mapping import InboundMapping
from tieout.hub.settings import Settings
from tieout.store import canonical
from tieout.store import crosswalk as links
from tieout.store.ids import new_id

BURIED: dict[str, dict[str, Any]] = {
    "time_entry": {"state": "withdrawn"},
    "expense": {"state": "withdrawn"},
    "milestone": {"state": "planned"},
    "usage_reading": {"quantity": Decimal(0)},
    "delivery": {"quantity": Decimal(0)},
    "project_task": {"state": "closed"},
    "project": {"state": "closed"},
    "opportunity": {"state": "lost"},
    "contract": {"state": "terminated"},
    "erp_document": {"state": "void", "amount_remaining": Decimal(0)},
    "payment": {"amount": Decimal(0)},
    "subcontract": {"amount": Decimal(0), "tax_amount": None},
    "payroll": {"amount": Decimal(0)},
}
"""What a deletion in the source means for its canonical record; other types keep their facts, only the link ends."""

KEPT_LINKS = frozenset({"time_entry", "expense"})
"""Types whose link stays live after a deletion: the record stays, withdrawn."""


@dataclass(frozen=True)
class Contradiction:
    """A field that a system states otherwise than the owner of its group."""

    field: str
    detail: str


@dataclass(frozen=True)
class Outcome:
    """Whether any group of the record is this connection's, and where it contradicts the owner of the others."""

    owned: bool
    conflicts: tuple[Contradiction, ...]


@dataclass(frozen=True)
class Changed:
    """One canonical record before and after; `before` is None for a new one."""

    type: str
    key: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any]


@dataclass
class _Draft:
    before: dict[str, Any] | None
    after: dict[str, Any]
    applied: dict[str, Any] | None = None


@dataclass
class Merge:
    """The canonical records that one page touches; their types are locked by the caller."""

    conn: Connection
    settings: Settings
    moment: datetime
    drafts: dict[tuple[str, str], _Draft] = field(default_factory=dict)
    retired: dict[str, set[str]] = field(default_factory=dict)
    judged: list[Changed] | None = None

    def load(self, wanted: Mapping[str, set[str]]) -> None:
        """Read the current versions of every key the page touches, one statement per type."""
        for type, keys in sorted(wanted.items()):
            held = canonical.current(self.conn, type, keys)
            applied = self._applications(held) if type == "payment" else {}
            for key in keys:
                before = held.get(key)
                self.drafts[type, key] = _Draft(before, dict(before or {}), applied.get(key))

    def _applications(self, held: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        found = canonical.applications(self.conn, [(key, row["version"]) for key, row in held.items()])
        return {key: found.get(key, {}) for key in held}

    def owns(self, group: str, values: Mapping[str, Any], current: Mapping[str, Any] | None = None) -> bool:
        """Whether the page's connection owns the group for the record's legal entity today."""
        entity = values.get("legal_entity") or (current or {}).get("legal_entity")
        return self.settings.ownership.owns(self.settings.connection, group, entity, self.moment.date())

    def add(
        self,
        mapping: InboundMapping,
        key: str,
        values: Mapping[str, Any],
        children: Mapping[str, Sequence[Mapping[str, Any]]],
        row: Mapping[str, Any],
    ) -> Outcome:
        """Merge one record: owned groups are taken over, the others only compared."""
        draft = self.drafts[mapping.canonical, key]
        owned = [group for group in mapping.groups if self.owns(group, values, draft.before)]
        conflicts: list[Contradiction] = []
        for group in mapping.groups:
            fields = {name: values.get(name) for name in mapping.fields_of(group)}
            if group in owned:
                self._take(draft, group, fields, mapping.version, row)
            else:
                conflicts += _contradictions(draft.after, fields, group)
        if owned and mapping.canonical in KEPT_LINKS:
            _note_approval(draft, self.moment)
        if owned and "applications" in children:
            draft.after["applications"] = _summed(children["applications"])
        return Outcome(bool(owned), tuple(conflicts))

    def bury(self, type: str, key: str, row: Mapping[str, Any]) -> None:
        """Apply a deletion."""
        draft = self.drafts[type, key]
        if type not in KEPT_LINKS:
            self.retired.setdefault(row["object"], set()).add(row["source_id"])
        provenance = draft.after.get("provenance", {})
        mine = [group for group, said in provenance.items() if said["system"] == self.settings.connection]
        if not mine:
            return
        for group in mine:
            self._take(draft, group, BURIED.get(type, {}), None, row)
        if type == "payment":
            draft.after["applications"] = {}

    def _take(
        self,
        draft: _Draft,
        group: str,
        fields: Mapping[str, Any],
        version: int | None,
        row: Mapping[str, Any],
    ) -> None:
        provenance = {
            "system": self.settings.connection, "object": row["object"], "source_id": row["source_id"],
            "source_version": row["source_version"], "inbox": row["id"], "mapping": version,
            "observed_at": row["observed_at"].isoformat(),
        }  # fmt: skip
        draft.after |= fields
        draft.after["provenance"] = {**draft.after.get("provenance", {}), group: provenance}

    def write(self) -> None:
        """Write a new version of every record whose facts changed."""
        by_type: dict[str, list[Changed]] = {}
        for change in self.changes():
            by_type.setdefault(change.type, []).append(change)
        for type, changed in sorted(by_type.items()):
            existing = [change.key for change in changed if change.before is not None]
            if existing:
                canonical.supersede(self.conn, type, existing, self.moment)
            rows = [self._version(change) for change in changed]
            canonical.insert_versions(self.conn, type, rows)
            if type == "payment":
                canonical.insert_applications(self.conn, _application_rows(rows, changed))
        for object, ids in self.retired.items():
            links.retire(
                self.conn, self.settings.connection, object, ids, "deleted in the source", self.moment
            )

    def changes(self) -> list[Changed]:
        """Records whose facts changed, by type and key; judged once, when first asked."""
        if self.judged is None:
            self.judged = [
                Changed(type, key, _stated(draft), draft.after)
                for (type, key), draft in sorted(self.drafts.items())
                if draft.after.get("provenance") and _differs(type, draft)
            ]
        return self.judged

    def written(self) -> dict[str, int]:
        """New versions by type."""
        counts: dict[str, int] = {}
        for change in self.changes():
            counts[change.type] = counts.get(change.type, 0) + 1
        return counts

    def _version(self, change: Changed) -> dict[str, Any]:
        before = change.before
        return {
            **{name: change.after.get(name) for name in canonical.fields_of(change.type)},
            "id": before["id"] if before else new_id(self.moment),
            "key": change.key,
            "version": before["version"] + 1 if before else 1,
            "provenance": change.after["provenance"],
            "recorded_at": self.moment,
            "superseded_at": None,
        }


def _stated(draft: _Draft) -> dict[str, Any] | None:
    """The record before the page, a payment with what it was applied to."""
    if draft.before is None or draft.applied is None:
        return draft.before
    return {**draft.before, "applications": draft.applied}


def _differs(type: str, draft: _Draft) -> bool:
    if draft.before is None:
        return True
    if draft.applied is not None and draft.after.get("applications", draft.applied) != draft.applied:
        return True
    return any(draft.before.get(name) != draft.after.get(name) for name in canonical.fields_of(type))


def _contradictions(current: Mapping[str, Any], fields: Mapping[str, Any], group: str) -> list[Contradiction]:
    return [
        Contradiction(name, f"{group} says {current[name]}, this system says {value}")
        for name, value in fields.items()
        if value is not None and current.get(name) is not None and current[name] != value
    ]


def _note_approval(draft: _Draft, moment: datetime) -> None:
    """Keep when an approval was first heard; a later withdrawal does not unsay it."""
    if draft.after.get("state") == "approved" and draft.after.get("approved_at") is None:
        draft.after["approved_at"] = moment


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for row in rows:
        total[row["erp_document"]] = total.get(row["erp_document"], Decimal(0)) + row["amount"]
    return total


def _application_rows(rows: Sequence[Mapping[str, Any]], changed: Sequence[Changed]) -> list[dict[str, Any]]:
    return [
        {"payment": row["key"], "payment_version": row["version"], "erp_document": document, "amount": amount}
        for row, change in zip(rows, changed, strict=True)
        for document, amount in sorted(change.after.get("applications", {}).items())
    ]
