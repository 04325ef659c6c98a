"""The application on a database of its own, with one person per role and one contract of another entity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient

from tests.hub.builders import MOMENT, account, contract, entry, take, user
from tests.hub.builders import prepare as prepare_connections
from tieout.api.app import create_app
from tieout.bootstrap import read_settings
from tieout.hub import crosswalk, people
from tieout.hub.actors import ROLES, SYSTEM
from tieout.store.tables import connection


@dataclass
class Api:
    """A client and the tokens of the people."""

    client: TestClient
    engine: Engine
    tokens: dict[str, str]

    def get(self, path: str, who: str = "finance_lead", **more: Any) -> Any:
        """GET as the person of a role."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"} | more.pop("headers", {})
        return self.client.get(path, headers=headers, **more)

    def post(self, path: str, body: Any, who: str = "finance_lead", key: str = "k-1", **headers: str) -> Any:
        """POST as the person of a role, with an idempotency key."""
        sent = {"Authorization": f"Bearer {self.tokens[who]}", "Idempotency-Key": key}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, json=body, headers=sent | named)


@pytest.fixture
def api(engine: Engine, migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """Two contracts (US01 and DE01), one approved hour; tokens of every role and of one person limited to DE01."""
    monkeypatch.setenv("TIEOUT_TEST_HOOK", "hook-secret-of-the-test")
    tokens = {}
    with engine.begin() as conn:
        prepare_connections(conn)
        row = {
            "name": "psa",
            "connector": "kantata",
            "config": {"secrets": {"webhook_secret": "env:TIEOUT_TEST_HOOK"}},
        }
        conn.execute(insert(connection).values(row))
        take(conn, "salesforce", account(), contract("K-US"), contract("K-DE", Legal_Entity__c="DE01"))
        crosswalk.link(conn, "kantata", "workspace", "project", {"900": "P-1"})
        take(conn, "kantata", user(), entry())
        for role in ROLES:
            people.add_person(conn, f"{role}@x.example", role, [role], SYSTEM)
            tokens[role] = people.create_token(conn, f"{role}@x.example").secret
        limited = people.create_token(conn, "finance_lead@x.example", entities=["DE01"])
        narrow = people.create_token(conn, "finance_lead@x.example", scopes=["customers:read"])
        tokens |= {"only_de": limited.secret, "only_customers": narrow.secret}
    settings = replace(read_settings({"TIEOUT_HOME": str(tmp_path)}), database_url=migrated_url)
    with TestClient(create_app(settings, console=False), raise_server_exceptions=False) as client:
        yield Api(client, engine, tokens)


__all__ = ["MOMENT", "Api"]
