"""What every operation does alike: sign-in, scopes, problems, pages, versions, idempotency, limits."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select
from starlette.testclient import TestClient

from tests.api.conftest import Api
from tieout.api.app import create_app
from tieout.bootstrap import read_settings
from tieout.hub.reading import RESOURCES
from tieout.store.tables import audit, exception

HOSTILE = ["a\x00b", "../../etc/passwd", "' OR 1=1 --", "%00", "x" * 5000, "𝕏", "{{7*7}}"]


def routes(api: Api) -> list[tuple[str, str]]:
    """(method, path) of every operation of the catalogue, its parameters filled in."""
    found = api.client.get("/v1/catalog").json()["data"]
    fill = {"key": "K-US", "ref": "D-1", "run_id": "x", "exception_id": "x", "flow_id": "x", "contract": "K-US",
            "name": "psa", "connection": "psa", "secret": "s", "period": "2026-01"}  # fmt: skip
    return [(one["method"], one["path"].format(**fill)) for one in found]


def test_every_operation_but_webhooks_and_catalogue_needs_a_token(api: Api) -> None:
    for method, path in routes(api):
        if path.startswith("/v1/ingest") or path == "/v1/catalog":
            continue
        for headers in ({}, {"Authorization": "Bearer tie_wrong"}, {"Authorization": "Basic YTpi"}):
            answer = api.client.request(method, path, headers=headers, json={} if method == "POST" else None)
            assert (answer.status_code, answer.json()["code"]) == (401, "TIE-105"), (method, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["x-trace-id"] == answer.json()["trace_id"]


def test_a_token_reaches_no_further_than_its_scopes(api: Api) -> None:
    assert api.get("/v1/customers", "only_customers").status_code == 200
    for method, path in routes(api):
        if method != "GET" or "customers" in path or path == "/v1/catalog":
            continue
        assert api.get(path, "only_customers").status_code in (403, 404), path


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_a_list_is_for_the_roles_that_its_permission_names(api: Api, name: str) -> None:
    from tieout.hub.actors import PERMISSIONS, ROLES

    for role in ROLES:
        expected = 200 if role in PERMISSIONS[RESOURCES[name].permission] else 403
        assert api.get(f"/v1/{name}", role).status_code == expected


def test_records_of_another_legal_entity_do_not_exist(api: Api) -> None:
    """404, not 403, and lists, related figures and time leave them out."""
    keys = [row["key"] for row in api.get("/v1/contracts", "only_de").json()["data"]]
    assert keys == ["K-DE"]
    for path in ("/v1/contracts/K-US", "/v1/financial-status/K-US"):
        assert api.get(path, "only_de").status_code == 404
        assert api.get(path).status_code == 200
    assert api.get("/v1/contracts/K-DE", "only_de").status_code == 200


def test_personal_fields_are_masked_without_their_scope(api: Api) -> None:
    assert api.get("/v1/resources", "billing_preparer").json()["data"][0]["full_name"] == "•••"
    assert api.get("/v1/resources", "resource_manager").json()["data"][0]["full_name"] == "Jo Doe"


def test_pages_follow_the_cursor_to_the_end_and_money_is_text(api: Api) -> None:
    first = api.get("/v1/contracts?limit=1").json()
    second = api.get("/v1/contracts", params={"limit": 1, "cursor": first["next_cursor"]}).json()
    assert [page["data"][0]["key"] for page in (first, second)] == ["K-DE", "K-US"]
    assert second["next_cursor"] is None
    assert first["data"][0]["cap_amount"] == "50000.00"


def test_filters_fields_and_cursors_that_make_no_sense_are_named(api: Api) -> None:
    for query, field in (
        ("filter[colour]=red", "filter[colour]"), ("fields=key,colour", "colour"), ("cursor=!!", "cursor"),
        ("known_at=yesterday", "known_at"), ("limit=100000", "query/limit"),
    ):  # fmt: skip
        answer = api.get(f"/v1/contracts?{query}")
        assert answer.status_code == 422, query
        assert [error["pointer"] for error in answer.json()["errors"]] == [field]


def test_a_parameter_that_would_have_no_effect_is_refused(api: Api) -> None:
    """Unknown ones, and known_at, as_of and after where nothing depends on them; the caller is asked first."""
    refused = (
        "contracts?nonsense=1", "invoices?nonsense=1", "invoices?known_at=2026-01-01T00:00:00Z", "measures?limit=5",
        "contracts/K-US?limit=5", "journals?known_at=2026-01-01T00:00:00Z", "customers?after=1", "catalog?nonsense=1",
        "customers/C-1?as_of=2026-01-01", "events?as_of=2026-01-01", "invoices?filter[colour]=red", "flows/x?fields=id",
    )  # fmt: skip
    for path in refused:
        answer = api.get(f"/v1/{path}")
        name = path.partition("?")[2].partition("=")[0]
        assert (answer.status_code, answer.json()["code"]) == (422, "TIE-101"), path
        assert answer.json()["errors"] == [{"pointer": name, "detail": "unknown parameter"}]
    assert "limit" in api.get("/v1/invoices?nonsense=1").json()["remedy"]
    posted = api.post("/v1/replays?nonsense=1", {"exceptions": ["x"]})
    assert (posted.status_code, posted.json()["errors"][0]["pointer"]) == (422, "nonsense")
    assert api.client.get("/v1/contracts?nonsense=1").status_code == 401
    for path in (
        "exceptions?filter[entity]=US01",
        "events?after=0",
        "time-entries?known_at=2030-01-01T00:00:00Z",
    ):
        assert api.get(f"/v1/{path}").status_code == 200, path


def test_hostile_keys_are_simply_not_there(api: Api) -> None:
    for text in HOSTILE:
        for name in RESOURCES:
            answer = api.client.get(
                f"/v1/{name}/" + text.replace("/", "%2F").replace("\x00", "%00").replace("'", "%27"),
                headers={"Authorization": f"Bearer {api.tokens['finance_lead']}"},
            )
            assert answer.status_code in (404, 422), (name, text)


def test_an_unchanged_record_is_not_sent_again(api: Api) -> None:
    tag = api.get("/v1/contracts/K-US").headers["etag"]
    assert api.get("/v1/contracts/K-US", headers={"If-None-Match": tag}).status_code == 304
    assert api.get("/v1/contracts/K-US?fields=key,version").json() == {"key": "K-US", "version": 1}


def test_what_was_known_at_an_earlier_moment_can_be_asked(api: Api) -> None:
    assert api.get("/v1/contracts/K-US?known_at=2020-01-01T00:00:00Z").status_code == 404
    assert api.get("/v1/contracts/K-US?known_at=2030-01-01T00:00:00Z").json()["key"] == "K-US"
    assert api.get("/v1/contracts/K-US?as_of=2025-12-31").status_code == 404


def open_one(api: Api) -> str:
    from tieout.hub.exceptions import NewException, open_exceptions

    with api.engine.begin() as conn:
        [made] = open_exceptions(conn, [NewException("missing-rate", "501", "no rate for role")])
    return made


def test_a_post_needs_a_key_and_the_same_key_gives_the_same_answer_once(api: Api) -> None:
    made = open_one(api)
    path, body = f"/v1/exceptions/{made}/fix", {"text": "imported the rate"}
    assert (
        api.client.post(
            path, json=body, headers={"Authorization": f"Bearer {api.tokens['finance_lead']}"}
        ).status_code
        == 422
    )
    first, again = api.post(path, body), api.post(path, body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = api.post(path, {"text": "something else"})
    assert (other.status_code, other.json()["code"]) == (422, "TIE-126")
    with api.engine.connect() as conn:
        assert conn.execute(select(func.count()).where(audit.c.action == "fix")).scalar_one() == 1


def test_a_refused_command_writes_nothing_and_its_key_stays_free(api: Api) -> None:
    made = open_one(api)
    refused = api.post(f"/v1/exceptions/{made}/waive", {"text": "why not"}, who="billing_preparer")
    assert refused.status_code == 403
    with api.engine.connect() as conn:
        assert conn.execute(select(exception.c.state)).scalars().all() == ["open"]
    assert (
        api.post(f"/v1/exceptions/{made}/waive", {"text": "agreed"}, who="billing_approver").status_code
        == 200
    )


def test_a_decision_needs_the_version_that_was_read(api: Api) -> None:
    answer = api.post("/v1/invoices/D-1/approve", {})
    assert (answer.status_code, answer.json()["code"]) == (428, "TIE-128")
    for body in ({}, None):
        assert api.post("/v1/invoices/D-1/approve", body, If_Match='"1"').status_code == 404
    assert api.post("/v1/invoices/D-1/approve", {}, If_Match="nonsense").status_code == 412


def test_bodies_are_bounded_strict_and_shallow(api: Api) -> None:
    assert api.post("/v1/billing-runs", {"through": "2026-01-31", "approver": "me"}).status_code == 422
    assert api.post("/v1/billing-runs", {"through": "31 January"}).status_code == 422
    token = {"Authorization": f"Bearer {api.tokens['finance_lead']}", "Idempotency-Key": "big"}
    big = json.dumps({"through": "2026-01-31", "contract": "x" * 2_000_000})
    assert api.client.post("/v1/billing-runs", content=big, headers=token).status_code == 413
    deep = '{"through":' + "[" * 100_000 + "]" * 100_000 + "}"
    assert api.client.post("/v1/billing-runs", content=deep, headers=token).status_code in (400, 422)


@pytest.fixture(scope="module")
def whole_door(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """The application with the console in it, as it is served; its database is never opened here."""
    home = tmp_path_factory.mktemp("home")
    settings = replace(read_settings({"TIEOUT_HOME": str(home)}), database_url="postgresql://x@127.0.0.1:1/x")
    return TestClient(create_app(settings), raise_server_exceptions=False)


def test_an_unknown_address_or_method_under_v1_is_a_problem_and_no_page(whole_door: TestClient) -> None:
    """The console stands behind the API on the same port and answers everything else with a page."""
    attempts = [
        ("GET", "/v1", None), ("GET", "/v1/", None), ("GET", "/v1/nothing", None), ("PATCH", "/v1/a/b/c", None),
        ("DELETE", "/v1/invoices", "GET"), ("PUT", "/v1/invoices/INV-1", "GET"), ("GET", "/v1/replays", "POST"),
        ("DELETE", "/v1/tie-outs", "GET, POST"), ("POST", "/v1/contracts/a/b", "GET"), ("GET", "/v1/ingest/x/y", "POST"),
        ("PUT", "/v1/openapi.json", "GET, HEAD"),
    ]  # fmt: skip
    for method, path, allow in attempts:
        answer = whole_door.request(method, path)
        assert answer.headers["content-type"] == "application/problem+json", (method, path)
        assert (answer.status_code, answer.headers.get("allow")) == (405 if allow else 404, allow), (
            method,
            path,
        )
        assert answer.json()["code"] == f"TIE-{answer.status_code}"
        assert answer.headers["x-trace-id"] == answer.json()["trace_id"]


def test_every_answer_has_safe_headers(whole_door: TestClient) -> None:
    """Pages and their files as well as the API; a page runs scripts of this address only and stands in no frame."""
    page = whole_door.get("/sign-in")
    assert page.headers["content-type"].startswith("text/html")
    for answer in (
        page,
        whole_door.get("/health"),
        whole_door.get("/v1/nothing"),
        whole_door.get("/nothing"),
    ):
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_served_description_names_every_operation(api: Api) -> None:
    document = api.client.get("/v1/openapi.json").json()
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    listed = {(one["method"], one["path"]) for one in api.client.get("/v1/catalog").json()["data"]}
    assert described == listed
    assert document["openapi"].startswith("3.1")


def _cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "value", ["x", 5, 10**30, -1, True, None, [], ["x"], {"a": 1}, "\ud800", "a\x00b", 1.5]
)
def test_a_cursor_that_no_list_gave_is_refused(api: Api, value: object) -> None:
    """Lists by text, by number, by id and by several columns: a page or a refusal, never an error of ours."""
    lists = ("contracts", "events", "journals", "audit", "exceptions", "flows", "invoices")
    answers = {name: api.get(f"/v1/{name}", params={"cursor": _cursor(value)}) for name in lists}
    assert {name: a.status_code for name, a in answers.items() if a.status_code not in (200, 422)} == {}


def test_what_no_record_can_hold_is_refused_and_not_our_error(api: Api) -> None:
    """A zero byte in the name of a webhook's connection reaches the database, which says that nobody is called so."""
    for path in ("/v1/ingest/a%00b", "/v1/ingest/a%00b/secret"):
        answer = api.client.post(path, json={})
        assert (answer.status_code, answer.json()["code"]) == (422, "TIE-115")
        assert answer.headers["content-type"] == "application/problem+json"
