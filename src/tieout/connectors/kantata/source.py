"""Reading Kantata: sweeps by updated_at, deletions by subscribed events, everything applied by re-reading.

A sweep never turns pages of a moving list where it can avoid it: after a full page it asks again from just before the
last stamp, so a record that changes meanwhile moves to the end and shifts nobody out of sight. Only more than a page
of records with one stamp is paged by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from tieout.connectors.kantata.api import PLURALS, KantataApi
from tieout.connectors.kit import cursor as cursors
from tieout.connectors.kit.interface import Change, Drift, Page
from tieout.connectors.kit.jsontext import Element, with_joined
from tieout.connectors.kit.manifest import SourceObject

ROLE_FIELD = {"user": "default_role_id", "time_entry": "role_id"}
START = "2000-01-01T00:00:00.000Z"


class KantataSource:
    """The reading side of one connection."""

    def __init__(
        self, api: KantataApi, objects: Mapping[str, SourceObject], overlap: Callable[[str], float],
        clock: Callable[[], datetime],
    ):  # fmt: skip
        self._api, self._objects, self._overlap, self._clock = api, objects, overlap, clock
        self._roles: dict[str, str] = {}

    def changes(self, object: str, cursor: str | None) -> Page:
        """One page: first records by updated_at, then (time entries) deletions of the subscribed events."""
        state = cursors.load(cursor)
        if state.get("events"):
            return self._deletions(object, state)
        begin = state.get("from", START)
        number = int(state.get("page", 1))
        params = {"updated_after": begin, "order": "updated_at:asc", "page": str(number)}
        listing = self._api.page(PLURALS[object], params)
        at = self._clock()
        changes = [self._change(object, element, at) for element in listing.records]
        newest = max([state.get("newest", ""), *(c.source_version for c in changes)])
        after = {
            "newest": newest or None,
            "events_from": state.get("events_from"),
        }
        if listing.full:
            return Page(changes, cursors.dump({**after, **_next_page(begin, number, changes)}), more=True)
        resume = cursors.earlier(newest, self._overlap(object)) if newest else None
        done = {**after, "from": resume}
        if self._objects[object].deletes == "subscribed_events":
            return Page(changes, cursors.dump({**done, "events": True, "page": None}), more=True)
        return Page(changes, cursors.dump(done), more=False)

    def _deletions(self, object: str, state: Mapping[str, Any]) -> Page:
        """Records that an event calls deleted and that are gone when they are read again."""
        begin, number = state.get("events_from", START), int(state.get("page", 1))
        params = {
            "event_types": f"{object}:deleted", "created_after": begin, "order": "created_at:asc",
            "page": str(number),
        }  # fmt: skip
        listing = self._api.page("subscribed_events", params)
        stamps = [cursors.stamp(cursors.moment(e.value.get("created_at"))) for e in listing.records]
        newest = max([state.get("events_newest", ""), *stamps])
        changes = self._gone(object, listing.records)
        if listing.full:
            return Page(
                changes, cursors.dump({**state, "events_newest": newest, "page": number + 1}), more=True
            )  # fmt: skip
        resume = cursors.earlier(newest, self._overlap(object)) if newest else state.get("events_from")
        after = {"from": state.get("from"), "newest": state.get("newest"), "events_from": resume}
        return Page(changes, cursors.dump(after), more=False)

    def _gone(self, object: str, events: list[Element]) -> list[Change]:
        latest: dict[str, Element] = {}
        for event in events:
            subject = str(event.value.get("subject_id", ""))
            if subject and (subject not in latest or _event_version(event) > _event_version(latest[subject])):
                latest[subject] = event
        if not latest:
            return []
        listing = self._api.page(PLURALS[object], {"ids": ",".join(sorted(latest))})
        living = {str(e.value["id"]): e for e in listing.records}
        at = self._clock()
        back = [self._change(object, element, at) for element in living.values()]
        return back + [self._tombstone(object, event, at) for s, event in latest.items() if s not in living]

    def fetch(self, object: str, source_id: str) -> Change | None:
        """One record; a deleted time entry as its tombstone while the events still tell (9 days)."""
        if not (source_id.isascii() and source_id.isdigit()):
            return None
        records = self._api.page(PLURALS[object], {"ids": source_id}).records
        found = [element for element in records if element.key == source_id]
        if found:
            return self._change(object, found[0], self._clock())
        if self._objects[object].deletes != "subscribed_events":
            return None
        number = 1
        told: list[Element] = []
        while True:
            params = {"event_types": f"{object}:deleted", "created_after": START, "page": str(number)}
            listing = self._api.page("subscribed_events", params)
            told += [e for e in listing.records if str(e.value.get("subject_id")) == source_id]
            if not listing.full:
                break
            number += 1
        return self._tombstone(object, max(told, key=_event_version), self._clock()) if told else None

    def snapshot(self, object: str, since: date, until: date) -> Iterator[tuple[str, str]]:
        """Id and stamp of every living record last changed on a day of the span (UTC days)."""
        begin, number = f"{since}T00:00:00.000Z", 1
        begin = cursors.earlier(begin, 0.001)
        end = f"{until + timedelta(days=1)}T00:00:00.000Z"
        seen: set[tuple[str, str]] = set()
        while True:
            params = {"updated_after": begin, "order": "updated_at:asc", "page": str(number)}
            listing = self._api.page(PLURALS[object], params)
            found = [(e.key, _version(e.value)) for e in listing.records]
            for row in found:
                if row[1] >= f"{since}T" and row[1] < end and row not in seen:
                    seen.add(row)
                    yield row
            if not listing.full or found[-1][1] >= end:
                return
            following = _following(begin, number, found[-1][1])
            begin, number = following["from"], following["page"]

    def describe(self) -> Mapping[str, list[str]]:
        """Field names of one record of each object, as Kantata has no schema call; objects without a record are left out."""
        out: dict[str, list[str]] = {}
        for object in self._objects:
            records = self._api.page(PLURALS[object], {"per_page": "1"}).records
            if records:
                out[object] = sorted(records[0].value)
        return out

    def _change(self, object: str, element: Element, at: datetime) -> Change:
        """The record, with its role's name joined in under `joined.role` when it names one."""
        document, raw = dict(element.value), element.raw
        role_id = document.get(ROLE_FIELD.get(object, ""))
        if role_id is not None:
            role = {"id": str(role_id), "name": self._role(str(role_id))}
            document["joined"] = {"role": role}
            raw = with_joined(raw, document["joined"])
        return Change(object, element.key, _version(document), at, document, raw)

    def _tombstone(self, object: str, event: Element, at: datetime) -> Change:
        subject = str(event.value["subject_id"])
        return Change(object, subject, _event_version(event), at, {"id": subject}, event.raw, tombstone=True)

    def _role(self, role_id: str) -> str | None:
        if role_id not in self._roles:
            self._roles = {str(r["id"]): str(r["name"]) for r in self._api.every("roles", {})}
        return self._roles.get(role_id)


def _next_page(begin: str, number: int, changes: list[Change]) -> dict[str, Any]:
    return _following(begin, number, changes[-1].source_version)


def _following(begin: str, number: int, last: str) -> dict[str, Any]:
    """From just before the last stamp when that is progress, else the next page number."""
    fraction = 0.001 if not last.endswith(".000Z") else 1.0
    resume = cursors.earlier(last, fraction)
    if resume > begin:
        return {"from": resume, "page": 1}
    return {"from": begin, "page": number + 1}


def _version(record: Mapping[str, Any]) -> str:
    return cursors.stamp(cursors.moment(record.get("updated_at")))


def _event_version(event: Element) -> str:
    """When the subject changed; deletions sort after every version the record had."""
    told = event.value.get("subject_changed_at") or event.value.get("created_at")
    if told is None:
        raise Drift("an event without a moment", "unexpected-shape")
    return cursors.stamp(cursors.moment(told))
