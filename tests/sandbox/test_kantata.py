"""The simulated Kantata: envelopes, paging, events, hints; and what only the Kantata connector does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from tests.sandbox.rigs import WORKSPACE, KantataRig
from tieout.connectors.kantata import KantataWebhook
from tieout.connectors.kit.conformance import every_change
from tieout.connectors.kit.interface import Command, Conflict, RateLimited, Rejected, UnknownOutcome
from tieout.sandbox.server import Sandbox


@pytest.fixture
def rig(sandbox: Sandbox) -> KantataRig:
    return KantataRig(sandbox)


@pytest.fixture
def api(rig: KantataRig) -> Iterator[httpx.Client]:
    """The API as anybody may call it."""
    token = rig.sandbox.credentials["kantata"]["secrets"]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"{rig.sandbox.url}/api/v1", transport=rig.wire, headers=headers) as client:
        yield client


@pytest.fixture
def inbox(rig: KantataRig) -> Iterator[list[dict[str, str]]]:
    """What a registered webhook address receives."""
    got: list[dict[str, str]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    rig.world.add_webhook("kantata", f"http://127.0.0.1:{server.server_port}/hook")
    yield got
    server.shutdown()
    server.server_close()


def test_membership_and_order_come_from_results(rig: KantataRig, api: httpx.Client) -> None:
    """Records stand in maps by id, what `include` brings beside them."""
    first, second = rig.add(2)
    rig.touch(first)
    body = api.get(
        "/time_entries.json", params={"order": "updated_at:desc", "include": "user,workspace"}
    ).json()
    assert [r["id"] for r in body["results"]] == [first, second]
    assert set(body["time_entries"]) == {first, second}
    assert set(body["users"]) == {rig.user}
    assert body["meta"] == {"count": 2, "page_count": 1, "page_number": 1, "page_size": 20}


def test_lists_are_filtered(rig: KantataRig, api: httpx.Client) -> None:
    """By day, parent, flag, text and moment."""
    entry = rig.put("time_entry", {**rig.record(1), "date_performed": "2026-01-09", "approved": False})
    rig.add(2)

    def found(**params: str) -> int:
        return int(api.get("/time_entries.json", params=params).json()["count"])

    assert found(date_performed_between="2026-01-06:2026-01-31") == 1
    assert found(workspace_id=rig.workspace) == 3
    assert found(approved="false") == 1
    assert found(ids=f"{entry},1") == 1
    assert found(updated_after="2026-01-05T10:00:00Z") == 0
    assert api.get("/workspaces.json", params={"search": "roll-OUT"}).json()["count"] == 1
    assert api.get("/time_entries.json", params={"updated_after": "yesterday"}).status_code == 422
    assert api.get(f"/time_entries/{entry}.json").json()["results"] == [{"key": "time_entries", "id": entry}]
    assert api.get("/time_entries/1.json").status_code == 404
    assert api.get("/time_entries.json", headers={"Authorization": "Bearer x"}).status_code == 401


@pytest.mark.parametrize(
    ("plural", "record", "attribute"),
    [
        ("workspaces", {"title": ""}, "title"),
        ("workspaces", {"title": "x" * 256}, "title"),
        ("workspaces", {"title": "x", "currency": "XXX"}, "currency"),
        ("workspaces", {"title": "x", "status": {"message": "Exploded"}}, "status"),
        ("workspaces", {"title": "x", "start_date": "31.01.2026"}, "start_date"),
        ("stories", {"title": "x", "story_type": "task", "workspace_id": "1"}, "workspace_id"),
        ("time_entries", {"workspace_id": "@", "date_performed": "2026-01-05", "time_in_minutes": 1441}, "time_in_minutes"),
    ],
)  # fmt: skip
def test_a_bad_record_is_refused(
    rig: KantataRig, api: httpx.Client, plural: str, record: dict[str, Any], attribute: str
) -> None:
    """422 with the attribute; nothing is written."""
    record = {name: rig.workspace if value == "@" else value for name, value in record.items()}
    singular = {"workspaces": "workspace", "stories": "story", "time_entries": "time_entry"}[plural]
    answer = api.post(f"/{plural}.json", json={singular: record})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["attribute"] == attribute
    assert rig.world.ledger() == []


def test_events_are_kept_nine_days(rig: KantataRig, api: httpx.Client) -> None:
    """Deletes too; later the vendor tells nothing of them."""
    (entry,) = rig.add(1)
    rig.delete(entry)
    params = {"event_types": "time_entry:deleted"}
    (event,) = api.get("/subscribed_events.json", params=params).json()["subscribed_events"].values()
    assert (event["subject_id"], event["subject_type"]) == (entry, "time_entry")
    change = rig.connector.fetch("time_entry", entry)
    assert change is not None
    assert change.tombstone
    rig.world.set_now(rig.world.now() + timedelta(days=10))
    assert api.get("/subscribed_events.json", params=params).json()["count"] == 0
    assert rig.connector.fetch("time_entry", entry) is None


def test_events_in_another_order_lose_no_deletion(rig: KantataRig) -> None:
    """The newest event comes first although the oldest was asked for."""
    ids = rig.add(3)
    _, cursor = every_change(rig)
    for entry in ids[:2]:
        rig.delete(entry)
    rig.world.add_fault("kantata", "shuffled", path="subscribed_events", times=10)
    delta, cursor = every_change(rig, cursor)
    assert {c.source_id for c in delta if c.tombstone} == set(ids[:2])
    rig.delete(ids[2])
    assert ids[2] in {c.source_id for c in every_change(rig, cursor)[0] if c.tombstone}


def test_hints_name_what_changed(rig: KantataRig, inbox: list[dict[str, str]]) -> None:
    """One by one in order; twice when a copy was asked for; none of a silent change. Our receiver takes each."""
    first = rig.put("time_entry", rig.record(1))
    rig.put("time_entry", {"billable": False}, first, hint_copies=2)
    second = rig.put("time_entry", rig.record(2), silent=True)
    rig.delete(first)
    assert rig.world.hints.idle()
    told = [(h["event_type"], h["subject_id"]) for h in inbox]
    kinds = ("created", "updated", "updated", "deleted")
    assert told == [(f"time_entry:{kind}", first) for kind in kinds]
    receiver = KantataWebhook(["s"])
    hints = [receiver.hints("s", {}, json.dumps(hint).encode())[0] for hint in inbox]
    assert len({h.event_id for h in hints}) == 3
    assert second in {c.source_id for c in every_change(rig)[0]}, "the sweep finds what no webhook told"


def test_late_hints_come_out_of_order(rig: KantataRig, inbox: list[dict[str, str]]) -> None:
    """A delayed hint arrives after a later change's."""
    first = rig.put("time_entry", rig.record(1), hint_delay=0.2)
    second = rig.put("time_entry", rig.record(2))
    assert rig.world.hints.idle()
    assert [h["subject_id"] for h in inbox] == [second, first]


def test_a_role_is_joined_by_name(rig: KantataRig) -> None:
    """The mapping needs the name; the vendor gives an id. The bytes kept carry it too."""
    rig.add(1)
    change = every_change(rig)[0][0]
    assert change.document["joined"]["role"]["name"] == "Consultant II"
    assert json.loads(change.raw) == change.document


@pytest.mark.parametrize("interrupted_after", range(1, 4))
@pytest.mark.parametrize("behaviour", ["apply_then_timeout", "fail_before_apply", "throttle"])
def test_an_interrupted_project_is_completed_by_a_repetition(
    rig: KantataRig, interrupted_after: int, behaviour: str
) -> None:
    """Workspace, two stories, reference: cut at each part, looked up, repeated; each part exists once."""
    command = rig.command(1)
    rig.fault("none", write=True, times=interrupted_after)
    rig.fault(behaviour, write=True)
    with pytest.raises((UnknownOutcome, RateLimited)):
        rig.connector.apply(command)
    if rig.connector.lookup("create_project", "P-1") is None:
        rig.connector.apply(command)
    assert rig.applied(command) == 1
    stories = rig.world.all("kantata", "story")
    assert sorted(s.fields["title"] for s in stories) == ["Delivery", "Management"]
    assert len(rig.world.all("kantata", "external_reference")) == 1


def test_an_index_that_lags_is_waited_for(rig: KantataRig) -> None:
    """The workspace is made, the search does not find it yet: asked again after the declared lag, one project."""
    command = rig.command(1)
    rig.fault("lookup_lag", write=True, seconds=60)
    rig.fault("apply_then_timeout", write=True)
    with pytest.raises(UnknownOutcome):
        rig.connector.apply(command)
    assert rig.connector.lookup("create_project", "P-1") is None
    declared = rig.connector.manifest.writes["create_project"].lookup_lag_seconds
    rig.world.set_now(rig.world.now() + timedelta(seconds=declared + 1))
    receipt = rig.connector.apply(command)
    assert rig.applied(command) == 1
    assert list(rig.connector.read_back(command, receipt)) == []


def test_two_projects_with_one_marker_are_a_conflict(rig: KantataRig) -> None:
    """Nobody guesses which one is ours."""
    for _ in range(2):
        rig.put("workspace", {**WORKSPACE, "title": "Someone's [P-1]"})
    with pytest.raises(Conflict):
        rig.connector.apply(rig.command(1))


def test_the_billing_profile_is_set_and_proven(rig: KantataRig) -> None:
    """Values are made once and changed in place; an unchanged value costs no call."""
    receipt = rig.connector.apply(rig.command(1))
    first = _profile(receipt.target_id, "PO-1")
    rig.connector.apply(first)
    second = _profile(receipt.target_id, "PO-2")
    done = rig.connector.apply(second)
    held = rig.world.all("kantata", "custom_field_value")
    values = {v.fields["custom_field_name"]: v.fields["value"] for v in held}
    assert values == {"Purchase order": "PO-2", "Cap amount": "1000.00"}
    assert len(held) == 2
    assert list(rig.connector.read_back(second, done)) == []
    assert [d.field for d in rig.connector.read_back(first, done)] == ["Purchase order"]


def test_a_refusal_names_the_attribute(rig: KantataRig) -> None:
    """422 is a refusal that a person must settle."""
    body = {"workspace": {"title": "x [P-1]", "currency": "XXX"}, "stories": []}
    with pytest.raises(Rejected) as caught:
        rig.connector.apply(Command("create_project", "P-1", json.dumps(body).encode()))
    assert caught.value.field_name == "currency"


def _profile(workspace: str, order: str) -> Command:
    profile = {"Purchase order": order, "Cap amount": "1000.00"}
    return Command(
        "set_billing_profile",
        "P-1-profile",
        json.dumps({"workspace": workspace, "profile": profile}).encode(),
    )
