"""People, their roles and their credentials (digests only)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from tieout.store.tables import credential, person, person_role


def insert_person(conn: Connection, row: Mapping[str, Any]) -> bool:
    """Add a person; False when the address is taken."""
    statement = pg_insert(person).values(**row).on_conflict_do_nothing(index_elements=["email"])
    return bool(conn.execute(statement.returning(person.c.id)).first())


def by_email(conn: Connection, email: str) -> dict[str, Any] | None:
    """A person by address."""
    row = conn.execute(select(person).where(person.c.email == email)).mappings().first()
    return None if row is None else dict(row)


def everyone(conn: Connection) -> list[dict[str, Any]]:
    """All people with their live roles, by address."""
    roles = func.array_remove(func.array_agg(person_role.c.role), None).label("roles")
    joined = person.outerjoin(
        person_role, (person_role.c.person_id == person.c.id) & person_role.c.revoked_at.is_(None)
    )
    query = select(person, roles).select_from(joined).group_by(person.c.id).order_by(person.c.email)
    return [{**row, "roles": sorted(row["roles"])} for row in conn.execute(query).mappings()]


def live_roles(conn: Connection, person_id: str) -> list[str]:
    """Roles a person has now."""
    query = select(person_role.c.role).where(
        person_role.c.person_id == person_id, person_role.c.revoked_at.is_(None)
    )
    return sorted(conn.execute(query).scalars())


def roles_at(conn: Connection, person_id: str, moment: datetime) -> list[str]:
    """Roles a person had at a moment."""
    query = select(person_role.c.role).where(
        person_role.c.person_id == person_id,
        person_role.c.granted_at <= moment,
        or_(person_role.c.revoked_at.is_(None), person_role.c.revoked_at > moment),
    )
    return sorted(set(conn.execute(query).scalars()))


def grant(conn: Connection, row: Mapping[str, Any]) -> bool:
    """Grant a role; False when it is there already."""
    statement = pg_insert(person_role).values(**row).on_conflict_do_nothing()
    return bool(conn.execute(statement.returning(person_role.c.role)).first())


def revoke(conn: Connection, person_id: str, role: str, moment: datetime) -> int:
    """End a live role; how many."""
    statement = (
        update(person_role)
        .where(
            person_role.c.person_id == person_id,
            person_role.c.role == role,
            person_role.c.revoked_at.is_(None),
        )
        .values(revoked_at=moment)
    )
    return int(conn.execute(statement).rowcount)


def disable(conn: Connection, person_id: str, moment: datetime) -> None:
    """Disable a person and end every credential."""
    conn.execute(update(person).where(person.c.id == person_id).values(disabled_at=moment))
    conn.execute(
        update(credential)
        .where(credential.c.person_id == person_id, credential.c.revoked_at.is_(None))
        .values(revoked_at=moment)
    )


def insert_credential(conn: Connection, row: Mapping[str, Any]) -> None:
    """Add a credential."""
    conn.execute(insert(credential).values(**row))


def use_link(conn: Connection, digest: bytes) -> str | None:
    """Use up a sign-in link; the person's id, None when it is wrong, expired, used, revoked or theirs no more."""
    moment = func.clock_timestamp()
    statement = (
        update(credential)
        .where(
            credential.c.digest == digest,
            credential.c.kind == "sign_in_link",
            credential.c.used_at.is_(None),
            credential.c.revoked_at.is_(None),
            credential.c.expires_at > moment,
            credential.c.person_id == person.c.id,
            person.c.disabled_at.is_(None),
        )
        .values(used_at=moment)
        .returning(credential.c.person_id)
    )
    found = conn.execute(statement).scalar()
    return None if found is None else str(found)


def token(conn: Connection, digest: bytes) -> dict[str, Any] | None:
    """A live API token of an enabled person: {id, person_id, email, scopes, entities}."""
    query = (
        select(
            credential.c.id,
            credential.c.person_id,
            credential.c.scopes,
            credential.c.entities,
            person.c.email,
        )
        .join(person, person.c.id == credential.c.person_id)
        .where(
            credential.c.digest == digest,
            credential.c.kind == "api_token",
            credential.c.revoked_at.is_(None),
            credential.c.expires_at > func.clock_timestamp(),
            person.c.disabled_at.is_(None),
        )
    )
    row = conn.execute(query).mappings().first()
    return None if row is None else dict(row)


def person_of(conn: Connection, person_id: str) -> dict[str, Any] | None:
    """A person who is not disabled, by id."""
    query = select(person).where(person.c.id == person_id, person.c.disabled_at.is_(None))
    row = conn.execute(query).mappings().first()
    return None if row is None else dict(row)


def revoke_credential(conn: Connection, credential_id: str) -> int:
    """End a credential; how many."""
    statement = update(credential).where(credential.c.id == credential_id, credential.c.revoked_at.is_(None))
    return int(conn.execute(statement.values(revoked_at=func.clock_timestamp())).rowcount)
