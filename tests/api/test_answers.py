"""Every operation is called on a small firm, and each answer is what the contract says of it.

The firm is verified.build's, with what the ERP and the flows would add. An operation that no test here has answered
with success fails the first test, so that a new one needs an answer too.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from httpx import Response
from sqlalchemy import Engine, insert, select
from standardwebhooks.webhooks import Webhook
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from tests.api.checked import complaints, document, operation_of
from tests.hub import rated, verified
from tests.hub.builders import change, take
from tieout.api.app import create_app
from tieout.api.feed import BATCH
from tieout.api.schemas import Decimals, Shown
from tieout.bootstrap import read_settings
from tieout.domain.frames import BILLED_THEIRS, frame
from tieout.hub import billing, exceptions, flows, outbox, people, tie_out
from tieout.hub.exceptions import NewException
from tieout.hub.reading import RESOURCES
from tieout.store.tables import connection, exception, expense, intent

SECRET = "hook-secret-of-the-test"


@dataclass
class Firm:
    """A client whose every answer is checked; `answered` are the operations that succeeded."""

    client: TestClient
    engine: Engine
    tokens: dict[str, str]
    answered: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    keys: int = 0

    def ask(
        self, method: str, path: str, who: str | None = "bob", chosen: bool = False, **more: Any
    ) -> Response:
        """One request."""
        headers = more.pop("headers", {})
        if who is not None:
            headers = {"Authorization": f"Bearer {self.tokens[who]}", **headers}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        self.wrong += [f"{method} {path}: {one}" for one in complaints(method, path, answer, chosen)]
        if answer.is_success:
            self.answered.add(operation_of(method, path)["operationId"])
        return answer

    def get(self, path: str, **more: Any) -> Any:
        """The body of a read that succeeds."""
        answer = self.ask("GET", path, **more)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def post(self, path: str, body: Any, who: str = "bob", **headers: str) -> Any:
        """The body of a command that succeeds."""
        self.keys += 1
        sent = {
            "Idempotency-Key": f"k-{self.keys}",
            **{name.replace("_", "-"): one for name, one in headers.items()},
        }
        answer = self.ask("POST", path, who, json=body, headers=sent)
        assert answer.is_success, (path, answer.text)
        return answer.json()


_TAXI = {
    "id": "00000000-0000-4000-8000-000000000001", "key": "X-1", "version": 1, "legal_entity": "US01",
    "worker": "W-1", "expense_date": date(2026, 2, 3), "category": "travel", "nature": "principal",
    "amount": rated.D("42.50"), "currency": "USD", "billable": True, "state": "submitted", "provenance": {},
    "recorded_at": datetime(2026, 2, 4, tzinfo=timezone.utc),
}  # fmt: skip


@pytest.fixture
def firm(
    engine: Engine, migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Firm]:
    """Something of everything that the API shows."""
    monkeypatch.setenv("TIEOUT_TEST_HOOK", SECRET)
    with engine.begin() as conn:
        _erp(conn, verified.build(conn))
        config = {"secrets": {"webhook_secret": "env:TIEOUT_TEST_HOOK"}}
        conn.execute(insert(connection).values(name="psa", connector="kantata", config=config))
        conn.execute(insert(expense).values(_TAXI))
        tokens = {name: people.create_token(conn, f"{name}@example.com").secret for name in verified.PEOPLE}
        tokens["narrow"] = people.create_token(conn, "bob@example.com", scopes=["people:read"]).secret
    settings = replace(read_settings({"TIEOUT_HOME": str(tmp_path)}), database_url=migrated_url)
    with TestClient(create_app(settings, console=False), raise_server_exceptions=False) as client:
        yield Firm(client, engine, tokens)


def _erp(conn: Any, number: str) -> None:
    """The invoice as sent, held and paid in the ERP, its flow, a period, a tie-out and an exception with money."""
    flow = flows.open_flow(conn, "invoice_posting", number, {"legal_entity": "US01"})
    flows.mark(conn, flow, "send", "done", {"target": "11"})
    flows.wait(conn, flow, "its read-back")
    outbox.put(
        conn, [outbox.NewIntent("netsuite", "upsert_invoice", "invoice", number, 1, number, b"{}", flow)]
    )
    conn.execute(intent.update().values(target_id="11", receipt={"id": "11"}, error={"code": "timeout"}))
    rated.close_period(conn)
    joined = {"legal_entity": "US01", "currency_code": "USD"}
    held = {"id": "11", "type": "CustInvc", "tranid": number, "externalid": number, "entity": "77", "status": "A",
            "trandate": "2026-03-02", "foreigntotal": "2000.00", "foreignamountunpaid": "1600.00",
            "joined": {**joined, "period": "US01/2026-03"}}  # fmt: skip
    paid = {"id": "900", "entity": "77", "trandate": "2026-03-02", "foreigntotal": "400.00",
            "joined": {**joined, "applications": [{"document": "11", "amount": "400.00"}]}}  # fmt: skip
    customer = {"id": "77", "entityid": "C-100", "joined": {"terms_days": "30", "legal_entity": "US01"}}
    take(conn, "netsuite", change("customer", "77", "1", customer), change("transaction", "11", "1", held))
    take(conn, "netsuite", change("customerpayment", "900", "1", paid))
    row = {"document": "T-9", "external_key": None, "number": "BY-HAND", "currency": "EUR", "amount": rated.D("75.5"),
           "tax_amount": rated.D(0), "period": "2026-03", "document_date": None}  # fmt: skip
    tie_out.record(conn, tie_out.Asked("billed", "US01", "2026-03"), frame([row], BILLED_THEIRS))
    exceptions.open_exceptions(conn, [NewException("cap-exceeded", "e-9", "over the cap", contract="K-1",
                                                   legal_entity="US01", amount=rated.D("12.5"), currency="USD",
                                                   evidence={"work": {"kind": "rate", "key": "K-1"}})])  # fmt: skip


def read_all(firm: Firm) -> None:
    """Every GET operation, lists first and then a record of each."""
    lists = [path for path, told in document()["paths"].items() if "get" in told and "{" not in path]
    found = {path: firm.get(path)["data"] for path in lists}
    assert [path for path, rows in found.items() if not rows] == []
    keys = {"events": "position", "rate-cards": "id", "audit": "id", "journals": "id", "approvals": "id",
            "billing-events": "id", "flows": "id", "exceptions": "id"}  # fmt: skip
    for name in (*RESOURCES, "flows", "exceptions"):
        for row in found[f"/v1/{name}"][:5]:
            firm.get(f"/v1/{name}/{quote(str(row[keys.get(name, 'key')]), safe='')}")
    for name in ("invoices", "credit-notes"):
        for row in found[f"/v1/{name}"]:
            firm.get(f"/v1/{name}/{row['reference']}")
            firm.get(f"/v1/invoices/{row['reference']}/backup-sheet")
            firm.get(f"/v1/billing-runs/{row['run']}") if row["run"] else None
            assert firm.ask("GET", f"/v1/{name}/{row['reference']}/document?format=ubl").content.startswith(
                b"<?xml"
            )
    firm.get("/v1/financial-status/K-1")
    rolled = "/v1/roll-forwards/2026-12?filter[entity]=US01"
    assert firm.get(f"{rolled}&known_at=2020-01-01T00:00:00Z")["accounts"] == []
    assert firm.get(f"{rolled}&functional=true") == firm.get(rolled)
    firm.get("/v1/exceptions?filter[all]=true")
    invoice = f"/v1/invoices/{found['/v1/invoices'][0]['reference']}"
    held = firm.ask("GET", invoice).headers["etag"]
    assert firm.ask("GET", invoice, headers={"If-None-Match": held}).status_code == 304


def write_all(firm: Firm) -> None:
    """Every POST operation: runs and decisions, a credit, the desk, webhooks."""
    refs = []
    for number in range(4):
        with firm.engine.begin() as conn:
            take(conn, "kantata", rated.hours(f"60{number}", "3", day="2026-03-01"))
            verified.finish(conn)
            verified.rate(conn)
        run = firm.post("/v1/billing-runs", {"through": "2026-03-31"}, "pat")
        firm.get(run["status"])
        with firm.engine.begin() as conn:
            assert billing.draft_partition(conn, run["id"], 1) == 1
        [ref] = firm.get(run["status"])["parts"][0]["drafted"]
        refs.append(ref)
        decide(firm, "invoices", ref, *(("reject",), ("void",), ("approve", "release"), ("approve",))[number])
    number = firm.get(f"/v1/invoices/{refs[2]}")["number"]
    for verbs in (("reject",), ("approve", "release")):
        asked = {"invoice": number, "amount": "100", "kind": "concession", "reason": "agreed"}
        note = firm.post("/v1/credit-notes", asked, "pat")["reference"]
        decide(firm, "credit-notes", note, *verbs)
    desk(firm)
    firm.post("/v1/tie-outs", {"check": "billed", "entity": "US01", "period": "2026-03"})
    firm.post("/v1/connections/kantata/sync", {}, "eve")
    hint = {
        "event_id": "e-1",
        "event_type": "time_entry:updated",
        "subject_type": "time_entry",
        "subject_id": "501",
    }
    assert firm.ask("POST", f"/v1/ingest/psa/{SECRET}", None, json=hint).status_code == 202
    body = json.dumps({"type": "changed", "data": {"object": "time_entry", "id": "501"}})
    at = datetime.fromtimestamp(time.time(), tz=timezone.utc)
    signed = {"webhook-id": "m-1", "webhook-timestamp": str(int(at.timestamp())),
              "webhook-signature": Webhook(SECRET.encode()).sign("m-1", at, body)}  # fmt: skip
    assert firm.ask("POST", "/v1/ingest/psa", None, content=body, headers=signed).status_code == 202


def decide(firm: Firm, kind: str, ref: str, *verbs: str) -> None:
    """Decisions of Ann on a document, each with the version she read."""
    for verb in verbs:
        held = firm.ask("GET", f"/v1/{kind}/{ref}").headers["etag"]
        firm.post(f"/v1/{kind}/{ref}/{verb}", {"reason": "looked at"}, "ann", If_Match=held)


def desk(firm: Firm) -> None:
    """Assign, fix, replay, waive."""
    [one] = firm.get("/v1/exceptions?filter[kind]=cap-exceeded")["data"]
    at = f"/v1/exceptions/{one['id']}"
    firm.post(f"{at}/assign", {"owner": "pat@example.com"})
    firm.post(f"{at}/fix", {"text": "raised the cap"}, "pat")
    for dry in (True, False):
        [told] = firm.post("/v1/replays", {"exceptions": [one["id"]], "dry_run": dry})["replays"]
        assert told["work"] == [["rate", "K-1"]]
    assert firm.post(f"{at}/waive", {"text": "agreed"}, "ann")["state"] == "waived"


def test_every_operation_answers_what_the_contract_says(firm: Firm) -> None:
    read_all(firm)
    write_all(firm)
    read_all(firm)
    assert firm.wrong == []
    stated = {told["operationId"] for path in document()["paths"].values() for told in path.values()}
    assert firm.answered == stated


def test_chosen_fields_are_those_of_the_whole_record(firm: Firm) -> None:
    for path in document()["paths"]:
        rows = [] if "{" in path or path in ("/v1/catalog", "/v1/measures", "/v1/connections") else [path]
        rows = [one for one in rows if "get" in document()["paths"][one]]
        for one in rows:
            names = list(firm.get(one)["data"][0])[:3]
            for row in firm.get(f"{one}?fields={','.join(names)}", chosen=True)["data"]:
                assert list(row) == names
    assert firm.wrong == []


def test_problems_are_declared_and_have_their_shape(firm: Firm) -> None:
    """No token; a token for something else; nothing there; an unreadable request; no condition, no key."""
    seen: set[int] = set()
    for path, told in document()["paths"].items():
        for method in (one.upper() for one in told):
            known = path.format(key="x\u00e9", ref="D-999", run_id="x", exception_id="x", flow_id="x", contract="x",
                                name="x", connection="x", secret="s", period="x")  # fmt: skip
            who: tuple[str | None, ...] = (None, "narrow", "bob", "pat")
            for one in who:
                for content in ("{}", "{", "[" * 20_000) if method == "POST" else ("",):
                    sent = {"content": content, "headers": {"Content-Type": "application/json"}}
                    seen.add(firm.ask(method, known, one, **(sent if method == "POST" else {})).status_code)
            if method == "POST":
                for sent in ({"If-Match": '"0"', "Idempotency-Key": "k"}, {"Idempotency-Key": "k"}):
                    seen.add(firm.ask(method, known, "bob", json={"reason": "x"}, headers=sent).status_code)
            elif path not in ("/v1/catalog", "/v1/measures", "/v1/connections"):
                seen.add(
                    firm.ask(method, f"{known}?cursor=x&limit=0&fields=nonsense&filter[x]=y").status_code
                )
    done = firm.get("/v1/credit-notes")["data"][0]
    for tag in ('"0"', f'"{done["version"]}"'):
        sent = {"If-Match": tag, "Idempotency-Key": f"k{tag}"}
        at = f"/v1/credit-notes/{done['reference']}/reject"
        seen.add(firm.ask("POST", at, "ann", json={"reason": "x"}, headers=sent).status_code)
    assert firm.wrong == []
    assert {401, 403, 404, 409, 412, 422, 428} <= seen


class Narrow(Shown):
    """A shape that no answer has."""

    id: Decimals


def test_a_command_whose_answer_is_not_as_published_changes_nothing(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of answers is loud, before the commit; and the contract test sees a wrong shape."""
    monkeypatch.setattr("tieout.api.desk.BusinessExceptionRecord", Narrow)
    made = firm.get("/v1/exceptions")["data"][0]["id"]
    sent = {"json": {"text": "corrected"}, "headers": {"Idempotency-Key": "k"}}
    with capture_logs() as logged:
        answer = firm.ask("POST", f"/v1/exceptions/{made}/fix", **sent)
    assert (answer.status_code, answer.json()["code"]) == (500, "TIE-500")
    assert "Narrow: id: String should match" in str(logged[0]["exc_info"])
    with firm.engine.connect() as conn:
        assert set(conn.execute(select(exception.c.state)).scalars()) == {"open"}
    monkeypatch.undo()
    assert complaints("GET", "/v1/exceptions", firm.ask("GET", "/v1/invoices")) != []


def test_the_feed_is_made_of_cloud_events(firm: Firm) -> None:
    """The attributes of CloudEvents 1.0, and a sequence per subject without a gap, from any place in the feed."""
    feed = firm.get("/v1/events")["data"]
    assert {(one["specversion"], one["source"], one["datacontenttype"]) for one in feed} == {
        ("1.0", "/tieout/hub", "application/json")
    }
    assert all(one["id"] and one["type"] and one["subject"] and one["time"] for one in feed)
    last: dict[str, int] = {}
    for one in feed:
        assert int(one["sequence"]) == last.get(one["subject"], 0) + 1
        last[one["subject"]] = int(one["sequence"])
    rest = firm.get(f"/v1/events?after={feed[2]['position']}")["data"]
    assert rest == feed[3:]
    assert firm.get(f"/v1/events/{feed[2]['position']}") == feed[2]


def test_the_feed_is_read_in_batches_by_the_names_of_cloud_events(firm: Firm) -> None:
    """Attributes are of lower-case letters and digits and never null; the header says where to go on."""
    feed = firm.get("/v1/events")["data"]
    told: list[dict[str, Any]] = []
    at: str | None = f"/v1/events?after={feed[0]['position']}&limit=7"
    while at is not None:
        answer = firm.ask("GET", at, headers={"Accept": BATCH})
        assert answer.headers["content-type"] == BATCH
        told += answer.json()
        at = answer.links.get("next", {}).get("url")
    assert firm.wrong == []
    assert [one["id"] for one in told] == [one["id"] for one in feed[1:]]
    assert all(
        re.fullmatch("[a-z0-9]+", name) and value is not None for one in told for name, value in one.items()
    )
    assert [one.get("legalentity") for one in told] == [one["legal_entity"] for one in feed[1:]]
