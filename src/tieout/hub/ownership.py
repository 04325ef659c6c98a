"""Ownership: which connection a field group is taken from, by legal entity and date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection

from tieout.store import inbox as store

DEFAULTS: dict[str, str] = {
    "customer.profile": "salesforce",
    "opportunity": "salesforce",
    "quote": "salesforce",
    "contract.terms": "salesforce",
    "contract.approval": "salesforce",
    "contract.purchase_order": "salesforce",
    "rate_card": "workspace",
    "project.delivery": "kantata",
    "worker.profile": "kantata",
    "worker.employment": "netsuite",
    "worker.cost": "netsuite",
    "payroll": "netsuite",
    "subcontract": "netsuite",
    "time_entry": "kantata",
    "expense": "kantata",
    "milestone": "kantata",
    "delivery": "kantata",
    "progress": "kantata",
    "usage_reading": "kantata",
    "variable_estimate": "salesforce",
    "deposit": "salesforce",
    "contract_cost": "netsuite",
    "customer.receivables": "netsuite",
    "invoice.posting": "netsuite",
    "payment": "netsuite",
    "period": "netsuite",
    "legal_entity": "netsuite",
    "exchange_rate": "netsuite",
    "billing_event": "tieout",
    "invoice": "tieout",
    "journal": "tieout",
}
"""Owner of each field group where the workspace says nothing: a connector's name, `workspace` or `tieout`."""


class InvalidOwnership(ValueError):
    """An ownership matrix that cannot be used."""


@dataclass(frozen=True)
class Span:
    """One owner of a group for one legal entity (None = all) between two dates, both inclusive."""

    system: str
    entity: str | None = None
    start: date = date.min
    end: date = date.max


@dataclass(frozen=True)
class Ownership:
    """The matrix, ready to be asked."""

    spans: Mapping[str, tuple[Span, ...]]
    connections: Mapping[str, str] = field(default_factory=dict)

    def owners(self, group: str, entity: str | None, on: date) -> frozenset[str]:
        """Connections that own the group on a date; several only while the legal entity is not known yet."""
        spans = [span for span in self.spans.get(group, ()) if span.start <= on <= span.end]
        exact = [span for span in spans if entity is not None and span.entity == entity]
        general = [span for span in spans if span.entity is None]
        chosen = exact or general or (spans if entity is None else [])
        named = {span.system for span in chosen} or {DEFAULTS.get(group, "")}
        return frozenset(self.connections.get(name, name) for name in named)

    def owner(self, group: str, entity: str | None, on: date) -> str | None:
        """The connection that owns the group on a date; None when that cannot be said."""
        found = self.owners(group, entity, on)
        return next(iter(found)) if len(found) == 1 else None

    def owns(self, connection: str, group: str, entity: str | None, on: date) -> bool:
        """Whether this connection's word counts for the group."""
        return connection in self.owners(group, entity, on)


def load(conn: Connection) -> Ownership:
    """The matrix of the applied workspace version; defaults where it is silent."""
    _, parts = store.workspace(conn, ("ownership",))
    return parse(parts.get("ownership") or {}, store.connectors(conn))


def parse(document: Mapping[str, Any], connectors: Mapping[str, str] | None = None) -> Ownership:
    """A matrix from its document ({group: {owner: …}}); `connectors` gives the connector of each connection.

    A connector's name stands for its connection where exactly one connection uses it.
    """
    spans = {group: tuple(_spans(group, rule)) for group, rule in document.items()}
    return Ownership(spans, _by_connector(connectors or {}))


def _by_connector(connectors: Mapping[str, str]) -> dict[str, str]:
    users: dict[str, list[str]] = {}
    for name, connector in connectors.items():
        users.setdefault(connector, []).append(name)
    return {
        connector: names[0]
        for connector, names in users.items()
        if len(names) == 1 and connector not in connectors
    }  # fmt: skip


def _spans(group: str, rule: Any) -> list[Span]:
    owner = rule.get("owner") if isinstance(rule, Mapping) else rule
    if isinstance(owner, str):
        return [Span(owner)]
    if not isinstance(owner, Mapping):
        raise InvalidOwnership(f"{group}: `owner` is a system or a table of legal entities")
    found: list[Span] = []
    for entity, entry in owner.items():
        for one in [entry] if isinstance(entry, str) else entry:
            found.append(Span(one, str(entity)) if isinstance(one, str) else _dated(group, str(entity), one))
    return found


def _dated(group: str, entity: str, entry: Mapping[str, Any]) -> Span:
    try:
        start, end = entry.get("from"), entry.get("until")
        return Span(str(entry["system"]), entity, _date(start) or date.min, _date(end) or date.max)
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidOwnership(f"{group}, {entity}: {error}") from error


def _date(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value
