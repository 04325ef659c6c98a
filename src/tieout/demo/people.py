"""One person per role, how they sign in, and the file that says so."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from tieout.bootstrap import Settings
from tieout.demo.house import write_private
from tieout.hub import people
from tieout.hub.actors import APPROVER, ENGINEER, FINANCE, PREPARER, RESOURCES, REVENUE, Actor

STAFF: Mapping[str, str] = {
    ENGINEER: "Ines Aguilar", PREPARER: "Paul Novak", APPROVER: "Anita Brandt", REVENUE: "Ravi Menon",
    RESOURCES: "Rosa Lindgren", FINANCE: "Femi Adeyemi",
}  # fmt: skip
"""Role -> who has it at Meridian."""


@dataclass(frozen=True)
class Credential:
    """How one person signs in: a link good once, and a token for the API."""

    name: str
    role: str
    sign_in_url: str
    token: str


def address(role: str) -> str:
    """The person's e-mail address."""
    return f"{STAFF[role].split()[0].lower()}@meridian.example"


def actor(conn: Connection, role: str) -> Actor:
    """The person of a role, acting."""
    return people.actor_by_email(conn, address(role))


def welcome(engine: Engine, settings: Settings) -> list[Credential]:
    """Add who is missing, make fresh links, keep earlier tokens, write `credentials.json`."""
    file = settings.home / "credentials.json"
    tokens = _known_tokens(file)
    with engine.begin() as conn:
        present = {person["email"] for person in people.listed(conn)}
        found = [_credential(conn, settings, role, present, tokens) for role in STAFF]
    told = {"url": settings.web_url, "people": [vars(one) for one in found]}
    write_private(file, json.dumps(told, indent=2))
    return found


def _credential(
    conn: Connection,
    settings: Settings,
    role: str,
    present: Sequence[str] | set[str],
    tokens: Mapping[str, str],
) -> Credential:
    email = address(role)
    if email not in present:
        people.add_person(conn, email, STAFF[role], [role])
    token = tokens.get(role) if email in present else None
    return Credential(
        STAFF[role], role, settings.sign_in_url(people.sign_in_link(conn, email)),
        token or people.create_token(conn, email).secret,
    )  # fmt: skip


def _known_tokens(file: Path) -> dict[str, str]:
    try:
        told: dict[str, Any] = json.loads(file.read_text())
        return {one["role"]: one["token"] for one in told["people"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
