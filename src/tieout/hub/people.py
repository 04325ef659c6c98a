"""People: who they are, which roles they have and had, how they sign in.

Secrets are shown once and kept as digests. Links and tokens live in real time; roles are dated by business time.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit
from tieout.hub.actors import PERMISSIONS, ROLES, SYSTEM, Actor, require
from tieout.hub.refusals import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from tieout.store import clock
from tieout.store import people as store
from tieout.store.ids import new_id

LINK_MINUTES = 15
TOKEN_PREFIX, LINK_PREFIX = "tie_", "link_"
LONGEST_TOKEN_DAYS = 366
_EMAIL = re.compile(r"^[^@\s\x00-\x1f]+@[^@\s\x00-\x1f]+$")


@dataclass(frozen=True)
class NewToken:
    """An API token just made; `secret` is shown this once."""

    id: str
    secret: str


def add_person(conn: Connection, email: str, name: str, roles: Collection[str], actor: Actor = SYSTEM) -> str:
    """Add a person with roles; their id. An address that exists is refused."""
    _may_manage(actor, email)
    address = _address(email)
    _known_roles(roles)
    moment = clock.now(conn)
    person_id = new_id(moment)
    row = {"id": person_id, "email": address, "name": name.strip() or address, "created_at": moment}
    if not store.insert_person(conn, row):
        raise Conflict(f"{address} exists already. Nothing was written.", fields={"email": "taken"})
    for role in sorted(set(roles)):
        store.grant(
            conn, {"person_id": person_id, "role": role, "granted_at": moment, "granted_by": actor.name}
        )
    audit.record(conn, actor, "add", "person", address, detail={"roles": sorted(set(roles))})
    return person_id


def grant_role(conn: Connection, email: str, role: str, actor: Actor) -> None:
    """Grant a role; no one grants one to themselves."""
    _may_manage(actor, email)
    _known_roles([role])
    person = _person(conn, email)
    moment = clock.now(conn)
    row = {"person_id": person["id"], "role": role, "granted_at": moment, "granted_by": actor.name}
    if store.grant(conn, row):
        audit.record(conn, actor, "grant", "person", person["email"], detail={"role": role})


def revoke_role(conn: Connection, email: str, role: str, actor: Actor) -> None:
    """End a role; what was approved under it stays valid."""
    _may_manage(actor, email)
    person = _person(conn, email)
    if store.revoke(conn, person["id"], role, clock.now(conn)):
        audit.record(conn, actor, "revoke", "person", person["email"], detail={"role": role})


def disable(conn: Connection, email: str, actor: Actor) -> None:
    """Disable a person; every link and token of theirs ends at once."""
    _may_manage(actor, email)
    person = _person(conn, email)
    store.disable(conn, person["id"], clock.now(conn))
    audit.record(conn, actor, "disable", "person", person["email"])


def listed(conn: Connection) -> list[dict[str, Any]]:
    """Everyone: {email, name, roles, disabled}."""
    return [
        {
            "email": p["email"],
            "name": p["name"],
            "roles": p["roles"],
            "disabled": p["disabled_at"] is not None,
        }
        for p in store.everyone(conn)
    ]


def roles_at(conn: Connection, email: str, moment: Any) -> list[str]:
    """The roles a person had at a moment of business time."""
    return store.roles_at(conn, _person(conn, email)["id"], moment)


def sign_in_link(conn: Connection, email: str, actor: Actor = SYSTEM) -> str:
    """The secret of a link that signs in once within 15 minutes of real time."""
    if actor is not SYSTEM:
        require(actor, "people:manage")
    person = _person(conn, email)
    secret = LINK_PREFIX + secrets.token_urlsafe(32)
    _store(conn, "sign_in_link", person["id"], secret, [], None, timedelta(minutes=LINK_MINUTES))
    audit.record(conn, actor, "link", "person", person["email"])
    return secret


def use_link(conn: Connection, secret: str) -> Actor:
    """Sign in by a link; refused when it is wrong, expired or used."""
    person_id = store.use_link(conn, _digest(secret))
    if person_id is None:
        raise Unauthenticated("The sign-in link is wrong, expired or used.",
                              remedy="Make another with `tieout people link`.")  # fmt: skip
    found = actor_of(conn, person_id)
    audit.record(conn, found, "sign_in", "person", found.name)
    return found


def create_token(
    conn: Connection,
    email: str,
    scopes: Collection[str] | None = None,
    entities: Collection[str] | None = None,
    days: int = 90,
    actor: Actor = SYSTEM,
) -> NewToken:
    """An API token of a person; `scopes` None = all their permissions, `entities` None = every legal entity."""
    if actor is not SYSTEM and actor.name != email:
        require(actor, "people:manage")
    unknown = set(scopes or ()) - set(PERMISSIONS)
    if unknown:
        raise Invalid(f"There is no scope {', '.join(sorted(unknown))}.", fields={"scopes": "unknown"})
    if not 1 <= days <= LONGEST_TOKEN_DAYS:
        raise Invalid(f"A token lives 1 to {LONGEST_TOKEN_DAYS} days.", fields={"days": str(days)})
    person = _person(conn, email)
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    listed_scopes = ["*"] if scopes is None else sorted(set(scopes))
    listed_entities = None if entities is None else sorted(set(entities))
    token_id = _store(
        conn, "api_token", person["id"], secret, listed_scopes, listed_entities, timedelta(days=days)
    )
    audit.record(conn, actor, "create_token", "person", person["email"],
                 detail={"credential": token_id, "scopes": listed_scopes, "entities": listed_entities})  # fmt: skip
    return NewToken(token_id, secret)


def revoke_token(conn: Connection, token_id: str, actor: Actor) -> None:
    """End a token at once."""
    require(actor, "people:manage")
    if not store.revoke_credential(conn, token_id):
        raise NotFound(f"There is no live token {token_id}.")
    audit.record(conn, actor, "revoke_token", "credential", token_id)


def authenticate(conn: Connection, token: str) -> Actor:
    """The actor of an API token, with the roles they have now."""
    found = store.token(conn, _digest(token)) if token.startswith(TOKEN_PREFIX) else None
    if found is None:
        raise Unauthenticated("The token is wrong, expired or revoked.",
                              remedy="Make another with `tieout people token`.")  # fmt: skip
    scopes = None if "*" in found["scopes"] else frozenset(found["scopes"])
    entities = None if found["entities"] is None else frozenset(found["entities"])
    roles = frozenset(store.live_roles(conn, found["person_id"]))
    return Actor(found["email"], roles, "person", entities, scopes)


def actor_of(conn: Connection, person_id: str) -> Actor:
    """A signed-in person as an actor, with the roles they have now; refused when disabled."""
    person = store.person_of(conn, person_id)
    if person is None:
        raise Unauthenticated("This person is unknown or disabled.")
    return Actor(person["email"], frozenset(store.live_roles(conn, person_id)))


def actor_by_email(conn: Connection, email: str) -> Actor:
    """A person as an actor, by address; refused when unknown or disabled."""
    return actor_of(conn, str(_person(conn, email)["id"]))


def _store(
    conn: Connection,
    kind: str,
    person_id: str,
    secret: str,
    scopes: list[str],
    entities: list[str] | None,
    lives: timedelta,
) -> str:
    real = clock.real_now(conn)
    credential_id = new_id(real)
    store.insert_credential(
        conn,
        {
            "id": credential_id, "kind": kind, "person_id": person_id, "digest": _digest(secret),
            "scopes": scopes, "entities": entities, "created_at": real, "expires_at": real + lives,
        },
    )  # fmt: skip
    return credential_id


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _may_manage(actor: Actor, email: str) -> None:
    if actor is SYSTEM:
        return
    require(actor, "people:manage")
    if actor.name.casefold() == email.strip().casefold():
        raise Forbidden(
            "No one changes their own roles.", code="TIE-203", remedy="Ask another administrator."
        )


def _person(conn: Connection, email: str) -> dict[str, Any]:
    person = store.by_email(conn, _address(email))
    if person is None:
        raise NotFound(f"There is no person {email}.", remedy="Add them with `tieout people add`.")
    return person


def _address(email: str) -> str:
    address = email.strip().casefold()
    if len(address) > 254 or not _EMAIL.match(address):
        raise Invalid(f"{email!r} is no e-mail address.", fields={"email": "not an address"})
    return address


def _known_roles(roles: Collection[str]) -> None:
    unknown = set(roles) - set(ROLES)
    if unknown:
        raise Invalid(f"There is no role {', '.join(sorted(unknown))}.", fields={"roles": "unknown"},
                      remedy=f"Roles are {', '.join(ROLES)}.")  # fmt: skip
