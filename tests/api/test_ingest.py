"""Webhooks: authentic or refused, stored before the answer, each event once; they carry no facts."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from standardwebhooks.webhooks import Webhook

from tests.api.conftest import MOMENT, Api
from tieout.store.tables import exception, hint, work

SECRET = "hook-secret-of-the-test"
URL = f"/v1/ingest/psa/{SECRET}"


def said(event: str = "e-1", **changes: Any) -> dict[str, Any]:
    return {
        "event_id": event,
        "event_type": "time_entry:updated",
        "subject_type": "time_entry",
        "subject_id": "501",
    } | changes


def hints(api: Api) -> list[tuple[str, str, int]]:
    with api.engine.connect() as conn:
        rows = conn.execute(
            select(hint.c.event_id, hint.c.source_id, hint.c.deliveries).order_by(hint.c.event_id)
        )
        return [tuple(row) for row in rows]


def test_a_hint_is_stored_with_its_bytes_and_asks_for_a_read(api: Api) -> None:
    answer = api.client.post(URL, json=said())
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1})
    with api.engine.connect() as conn:
        row = conn.execute(select(hint)).mappings().one()
        wanted = conn.execute(select(work.c.key).where(work.c.kind == "sync")).scalars().all()
    assert (row["connection"], row["object"], row["source_id"]) == ("psa", "time_entry", "501")
    assert json.loads(bytes(row["raw"])) == said()
    assert "psa/time_entry" in wanted


def test_a_repeat_is_one_event_with_two_deliveries(api: Api) -> None:
    for _ in range(2):
        assert api.client.post(URL, json=said()).status_code == 202
    assert hints(api) == [("e-1", "501", 2)]


def test_many_at_once_are_each_stored_before_they_are_answered(api: Api) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda n: api.client.post(URL, json=said(f"e-{n:03d}")).status_code, range(80))
        )
    assert set(answers) == {202}
    assert len(hints(api)) == 80


@pytest.mark.parametrize("secret", ["wrong", "hook-secret-of-the-tes", "HOOK-SECRET-OF-THE-TEST", "%00"])
def test_a_wrong_secret_is_refused_and_nothing_is_kept(api: Api, secret: str) -> None:
    answer = api.client.post(f"/v1/ingest/psa/{secret}", json=said())
    assert (answer.status_code, answer.json()["code"]) == (401, "TIE-161")
    assert hints(api) == []


def test_an_unknown_connection_or_one_without_webhooks_has_no_address(api: Api) -> None:
    for name in ("nobody", "salesforce", "netsuite"):
        assert api.client.post(f"/v1/ingest/{name}/x", json=said()).status_code == 404


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"event_id": 1}', b"null", json.dumps(said(subject_id="5; DROP TABLE")).encode(),
     json.dumps(said(event_type="invoice:paid")).encode(), b"[" * 60_000],
)  # fmt: skip
def test_an_authentic_body_that_cannot_be_read_is_kept_as_evidence(api: Api, raw: bytes) -> None:
    answer = api.client.post(URL, content=raw)
    assert (answer.status_code, answer.json()["code"]) == (422, "TIE-162")
    with api.engine.connect() as conn:
        row = conn.execute(select(exception)).mappings().one()
    assert row["kind"] == "invalid-payload"
    assert base64.b64decode(row["evidence"]["raw_base64"]) == raw
    assert hints(api) == []


def test_an_oversized_body_is_refused_unread(api: Api) -> None:
    """64 KiB = 65,536 bytes; one answer for whatever is larger, in both forms."""
    for url in (URL, "/v1/ingest/psa"):
        for size in (65_537, 200_000, 2_000_000):
            answer = api.client.post(url, content=b"x" * size)
            assert (answer.status_code, answer.json()["code"]) == (413, "TIE-113")
            assert "65536" in answer.json()["detail"]
    assert api.client.post(URL, content=b"x" * 65_536).status_code == 422


def signed(
    body: bytes, secret: str = SECRET, moment: float | None = None, event: str = "msg_1"
) -> dict[str, str]:
    from datetime import datetime, timezone

    at = datetime.fromtimestamp(moment or time.time(), tz=timezone.utc)
    signature = Webhook(secret.encode()).sign(event, at, body.decode())
    return {
        "webhook-id": event,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def test_a_signed_hint_in_standard_form_is_taken_and_a_replay_is_one_event(api: Api) -> None:
    body = json.dumps({"type": "changed", "data": {"object": "time_entry", "id": "501"}}).encode()
    for _ in range(2):
        assert api.client.post("/v1/ingest/psa", content=body, headers=signed(body)).status_code == 202
    assert hints(api) == [("msg_1", "501", 2)]


def test_an_unsigned_old_or_changed_hint_is_refused(api: Api) -> None:
    body = json.dumps({"data": {"object": "time_entry", "id": "501"}}).encode()
    attempts = [
        (body, {}), (body, signed(body, secret="another-secret-entirely")), (body + b" ", signed(body)),
        (body, signed(body, moment=time.time() - 600)), (body, signed(body, moment=time.time() + 600)),
    ]  # fmt: skip
    for sent, headers in attempts:
        answer = api.client.post("/v1/ingest/psa", content=sent, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "TIE-161")
    assert hints(api) == []


def test_a_signed_hint_about_an_object_that_is_not_read_is_kept_as_evidence(api: Api) -> None:
    """Work to read such an object would fail for ever."""
    body = json.dumps({"data": {"object": "nosuchthing", "id": "1"}}).encode()
    answer = api.client.post("/v1/ingest/psa", content=body, headers=signed(body))
    assert (answer.status_code, answer.json()["code"]) == (422, "TIE-162")
    assert "time_entry" in answer.json()["detail"]
    with api.engine.connect() as conn:
        row = conn.execute(select(exception)).mappings().one()
        assert conn.execute(select(work).where(work.c.key == "psa/nosuchthing")).all() == []
    assert (row["kind"], base64.b64decode(row["evidence"]["raw_base64"])) == ("invalid-payload", body)
    assert hints(api) == []


def test_the_owner_of_an_unreadable_webhook_closes_it_by_a_read_of_its_connection(api: Api) -> None:
    assert api.client.post(URL, json=said()).status_code == 202
    assert api.client.post(URL, content=b"{").status_code == 422
    with api.engine.begin() as conn:
        conn.execute(delete(hint))
        conn.execute(update(work).values(due_at=MOMENT + timedelta(days=999)))
    (row,) = api.get("/v1/exceptions?filter[kind]=invalid-payload").json()["data"]
    body = {"exceptions": [row["id"]]}
    dry = api.post("/v1/replays", body | {"dry_run": True}, "integration_engineer", key="k-0")
    assert dry.json()["replays"][0]["work"] == [["sync", "psa/time_entry"]]
    assert len(api.get("/v1/exceptions?filter[kind]=invalid-payload").json()["data"]) == 1
    assert api.post("/v1/replays", body, "integration_engineer").status_code == 202
    assert api.get("/v1/exceptions?filter[kind]=invalid-payload").json()["data"] == []
    shown = api.get(f"/v1/exceptions/{row['id']}").json()
    assert (shown["state"], shown["closed_by"]) == ("resolved", "integration_engineer@x.example")
    with api.engine.connect() as conn:
        due = conn.execute(select(work.c.due_at).where(work.c.key == "psa/time_entry")).scalar_one()
    assert due < MOMENT + timedelta(days=999)
