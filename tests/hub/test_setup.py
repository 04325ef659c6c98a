"""What a set-up has to do, where, and under which names."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from tests.hub.builders import account, contract, opportunity, prepare, take
from tieout.connectors.kit.interface import AuthFailed, ConnectorError, RateLimited, Rejected
from tieout.domain.setup.erp import Question
from tieout.hub import exceptions, setup
from tieout.hub.outbox import NotNow
from tieout.hub.setup import Case, Targets
from tieout.store import connections

SYSTEMS = ["salesforce", "kantata", "netsuite"]


def case(state: str, deal: str | None = "contracted") -> Case:
    """A contract in a state with a deal in a state (None: it names none)."""
    held = {"key": "K-1", "state": state, "opportunity": deal and "O-1"}
    return Case(
        held,
        None,
        {"state": deal} if deal else None,
        None,
        date(2026, 3, 2),
        Targets(None, None, None, None),
        {},
    )


@pytest.mark.parametrize(
    ("state", "deal", "flow", "expected"),
    [
        ("active", "contracted", None, "set_up"),
        ("signed", None, "waiting", "set_up"),
        ("active", "open", None, "nothing"),
        ("active", "contracted", "done", "amend"),
        ("draft", "contracted", None, "nothing"),
        ("suspended", "contracted", "done", "nothing"),
        ("terminated", "contracted", None, "nothing"),
        ("terminated", "contracted", "waiting", "cancel"),
        ("terminated", "contracted", "done", "cancel"),
        ("active", "lost", "waiting", "cancel"),
        ("active", "lost", "done", "amend"),
        ("active", "contracted", "compensating", "cancel"),
        ("terminated", "contracted", "compensated", "nothing"),
    ],
)
def test_what_has_to_be_done_follows_from_contract_deal_and_flow(
    state: str, deal: str | None, flow: str | None, expected: str
) -> None:
    """Won and signed is set up, an ended contract is taken back, an active one is only amended."""
    assert setup.phase(case(state, deal), flow) == expected


def test_an_unknown_contract_is_nothing_to_do() -> None:
    """Work may be asked for before the contract was heard."""
    assert setup.phase(None, None) == "nothing"


def test_external_keys_are_safe_and_never_meet() -> None:
    """Letters, digits, `_` and `-` only; two numbers that differ in another character keep two keys."""
    assert setup.external_key("cust", "C-100", "US01") == "cust-C-100-US01"
    odd = {setup.external_key("job", name) for name in ("P-A/1", "P-A_1", "P-A|1", "P-Ä1", "P-" + "9" * 300)}
    assert len(odd) == 5
    assert all(len(key) <= 200 and set(key) <= set(setup.external_key("abcdefghijklmnopqrstuvwxyz"
               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")) for key in odd)  # fmt: skip


def test_targets_are_the_owners_that_are_connected(conn: Connection) -> None:
    """A system that does not really exist is none; a connection that is switched off still is one."""
    prepare(conn)
    take(conn, "salesforce", account(), opportunity(), contract())
    found = setup.read(conn, "K-1", SYSTEMS)
    assert found is not None
    assert found.targets == Targets("salesforce", "kantata", "netsuite", "netsuite")
    conn.exec_driver_sql("UPDATE connection SET enabled = false WHERE name = 'netsuite'")
    again = setup.read(conn, "K-1", ["netsuite"])
    assert again is not None
    assert again.targets == Targets(None, None, "netsuite", "netsuite")
    none = setup.read(conn, "K-1", [])
    assert none is not None
    assert none.targets.none


class Erp:
    """Answers as told."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def reference(self, kind: str, key: str) -> Any:
        if isinstance(self.answer, ConnectorError):
            raise self.answer
        return self.answer


class Outside:
    """One ERP."""

    def __init__(self, engine: Engine, answer: Any) -> None:
        self.engine, self.erp = engine, Erp(answer)

    def connector(self, name: str) -> Any:
        return self.erp


ASKED = [Question("term", "term", "30")]


def test_an_answer_is_taken_as_it_is(engine: Engine) -> None:
    """A record, none, or a question that the ERP calls wrong (it can have no such record)."""
    with engine.begin() as conn:
        prepare(conn)
    assert setup.ask(Outside(engine, {"id": "2"}), "netsuite", ASKED) == {"term": {"id": "2"}}
    assert setup.ask(Outside(engine, None), "netsuite", ASKED) == {"term": None}
    assert setup.ask(Outside(engine, Rejected("no number")), "netsuite", ASKED) == {"term": None}


@pytest.mark.parametrize(
    ("error", "opened"),
    [(AuthFailed("revoked"), ["credential"]), (RateLimited("slow down", after_seconds=30), [])],
)
def test_an_erp_that_refuses_to_be_asked_is_left_alone_for_a_while(
    engine: Engine, error: ConnectorError, opened: list[str]
) -> None:
    """No finding comes of it; the connection is blocked, and a refused credential needs a person."""
    with engine.begin() as conn:
        prepare(conn)
    with pytest.raises(NotNow):
        setup.ask(Outside(engine, error), "netsuite", ASKED)
    with engine.begin() as conn:
        assert [row["kind"] for row in exceptions.listed(conn).rows] == opened
        held = connections.read(conn, "netsuite")
    assert held is not None
    assert held["blocked_until"] is not None
    with pytest.raises(NotNow, match="may not be called yet"):
        setup.ask(Outside(engine, {"id": "2"}), "netsuite", ASKED)
