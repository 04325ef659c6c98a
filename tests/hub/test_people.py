"""People and credentials: digests only, links once, roles by date."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, text

from tests.hub.builders import MOMENT, prepare
from tieout.hub import people, refusals
from tieout.hub.actors import PERMISSIONS, ROLES, Actor, allows, require
from tieout.hub.refusals import Conflict, Forbidden, Invalid, NotFound, Refusal, Unauthenticated
from tieout.store import clock
from tieout.store.tables import credential

ADMIN = Actor("root@firm.test", frozenset({"finance_lead"}))
ANA = "ana@firm.test"


@pytest.fixture
def hub(conn: Connection) -> Connection:
    prepare(conn)
    people.add_person(conn, "Ana@Firm.test", "Ana", ["billing_preparer"], ADMIN)
    return conn


def test_a_link_signs_in_once(hub: Connection) -> None:
    secret = people.sign_in_link(hub, ANA)
    assert people.use_link(hub, secret) == Actor(ANA, frozenset({"billing_preparer"}))
    with pytest.raises(Unauthenticated):
        people.use_link(hub, secret)


def test_a_link_lives_fifteen_minutes_of_real_time(hub: Connection) -> None:
    """The business clock may jump months; the link only knows real time."""
    secret = people.sign_in_link(hub, ANA)
    clock.set_now(hub, MOMENT + timedelta(days=90))
    lives = hub.execute(select(credential.c.expires_at - credential.c.created_at)).scalar_one()
    assert lives == timedelta(minutes=15)
    hub.execute(text("UPDATE credential SET expires_at = clock_timestamp() - interval '1 second'"))
    with pytest.raises(Unauthenticated):
        people.use_link(hub, secret)


def test_a_token_acts_with_its_scopes_and_todays_roles(hub: Connection) -> None:
    token = people.create_token(hub, ANA, ["invoices:draft"], ["US01"], actor=ADMIN)
    actor = people.authenticate(hub, token.secret)
    assert (actor.scopes, actor.entities) == (frozenset({"invoices:draft"}), frozenset({"US01"}))
    assert allows(actor, "invoices:draft")
    assert not allows(actor, "exceptions:fix")
    people.revoke_role(hub, ANA, "billing_preparer", ADMIN)
    assert not allows(people.authenticate(hub, token.secret), "invoices:draft")
    people.revoke_token(hub, token.id, ADMIN)
    with pytest.raises(Unauthenticated):
        people.authenticate(hub, token.secret)


def test_no_secret_is_stored(hub: Connection) -> None:
    secrets = [people.sign_in_link(hub, ANA), people.create_token(hub, ANA).secret]
    dumped = hub.execute(text("SELECT string_agg(t::text, ' ') FROM (SELECT c::text AS t FROM credential c"
                              " UNION ALL SELECT a::text FROM audit a) x")).scalar_one()  # fmt: skip
    assert not [one for one in secrets if one in dumped or one.encode().hex() in dumped]


@pytest.mark.parametrize("secret", ["", "tie_", "link_x", "tie_\x00\ud800", "tie_" + "x" * 43])
def test_a_wrong_secret_is_refused(hub: Connection, secret: str) -> None:
    with pytest.raises(Unauthenticated):
        people.authenticate(hub, secret)
    with pytest.raises(Unauthenticated):
        people.use_link(hub, secret)


def test_a_disabled_person_is_out_at_once(hub: Connection) -> None:
    token, link = people.create_token(hub, ANA), people.sign_in_link(hub, ANA)
    people.disable(hub, ANA, ADMIN)
    with pytest.raises(Unauthenticated):
        people.authenticate(hub, token.secret)
    with pytest.raises(Unauthenticated):
        people.use_link(hub, link)
    assert [p for p in people.listed(hub) if p["disabled"]] == [
        {"email": ANA, "name": "Ana", "roles": ["billing_preparer"], "disabled": True}
    ]


def test_roles_are_known_by_date(hub: Connection) -> None:
    clock.set_now(hub, MOMENT + timedelta(days=5))
    people.revoke_role(hub, ANA, "billing_preparer", ADMIN)
    people.grant_role(hub, ANA, "billing_approver", ADMIN)
    assert people.roles_at(hub, ANA, MOMENT + timedelta(days=1)) == ["billing_preparer"]
    assert people.roles_at(hub, ANA, MOMENT + timedelta(days=6)) == ["billing_approver"]


def test_nobody_raises_themselves(hub: Connection) -> None:
    people.grant_role(hub, ANA, "finance_lead", ADMIN)
    with pytest.raises(Forbidden):
        people.grant_role(hub, ANA, "billing_approver", people.actor_by_email(hub, ANA))


def test_wrong_people_are_refused(hub: Connection) -> None:
    with pytest.raises(Conflict):
        people.add_person(hub, ANA, "Again", [])
    with pytest.raises(Invalid):
        people.add_person(hub, "no address", "X", [])
    with pytest.raises(Invalid):
        people.add_person(hub, "x@firm.test", "X", ["king"])
    with pytest.raises(NotFound):
        people.sign_in_link(hub, "nobody@firm.test")


def test_a_service_never_approves() -> None:
    service = Actor("robot", frozenset(ROLES), "service")
    assert not allows(service, "invoices:release")
    assert allows(service, "invoices:draft")
    with pytest.raises(Forbidden, match="credit-notes:approve"):
        require(service, "credit-notes:approve")


def test_every_permission_names_known_roles() -> None:
    assert all(roles and roles <= set(ROLES) for roles in PERMISSIONS.values())
    assert not PERMISSIONS["invoices:approve"] & {"billing_preparer"}


def test_every_refusal_survives_being_stored() -> None:
    """The durable engine pickles errors: each class comes back with all its fields."""
    kinds = [k for k in vars(refusals).values() if isinstance(k, type) and issubclass(k, Refusal)]
    assert len(kinds) >= 6
    for kind in kinds:
        one = kind("no", "TIE-999", {"a": "b"}, "do it", True)
        back = pickle.loads(pickle.dumps(one))
        assert (type(back), str(back), back.fields, back.code, back.retryable, back.status) == (
            kind, str(one), {"a": "b"}, "TIE-999", True, kind.status,
        )  # fmt: skip
