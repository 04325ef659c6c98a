"""People through the command line: added, signed in once, disabled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Engine

from tieout.cli import main
from tieout.hub import people
from tieout.hub.refusals import Refusal
from tieout.store.database import plain_url

ANA = "ana@meridian.example"


@pytest.fixture(autouse=True)
def _on_this_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))
    monkeypatch.setenv("PORT", "8123")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    """Exit code and what was on stdout, read as JSON when asked for."""
    with pytest.raises(SystemExit) as ended:
        main(["people", *arguments])
    out = capsys.readouterr().out
    return int(ended.value.code or 0), json.loads(out) if "--json" in arguments else out


def test_a_person_is_added_signs_in_once_and_is_disabled(
    engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    code, person = run(capsys, "add", "Ana@Meridian.example", "--role", "billing_preparer", "--json")
    assert (code, person["email"], person["roles"]) == (0, ANA, ["billing_preparer"])
    code, link = run(capsys, "link", ANA, "--json")
    assert code == 0
    assert link["sign_in_url"].startswith("http://127.0.0.1:8123/sign-in/link_")
    secret = link["sign_in_url"].rsplit("/", 1)[1]
    with engine.begin() as conn:
        assert people.use_link(conn, secret).name == ANA
    with engine.begin() as conn, pytest.raises(Refusal):
        people.use_link(conn, secret)
    code, made = run(capsys, "token", ANA, "--scope", "invoices:read", "--json")
    with engine.begin() as conn:
        assert people.authenticate(conn, made["token"]).scopes == {"invoices:read"}
    assert run(capsys, "disable", ANA)[0] == 0
    with engine.begin() as conn, pytest.raises(Refusal):
        people.authenticate(conn, made["token"])
    code, everyone = run(capsys, "list", "--json")
    assert [(p["email"], p["disabled"]) for p in everyone] == [(ANA, True)]


def test_a_person_added_twice_or_with_an_unknown_role_is_refused_with_a_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(capsys, "add", ANA, "--role", "finance_lead", "--json")[0] == 0
    code, answer = run(capsys, "add", ANA, "--role", "finance_lead", "--json")
    assert code == 2
    assert answer["error"]["code"].startswith("TIE-")
    code, answer = run(capsys, "add", "bo@meridian.example", "--role", "king", "--json")
    assert code == 2
    assert "finance_lead" in answer["error"]["remedy"]
