"""Disputes and credit losses: what may be claimed, what it does to the books, how it ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.hub import billing_world as w
from tieout.hub import billing
from tieout.hub.refusals import Conflict, Forbidden, Invalid, NotFound, Refusal
from tieout.store import claims

D = Decimal
ALL: dict[str, Any] = {"contract": None, "entity": None, "line": None, "at": w.NOW.date()}


@pytest.fixture
def firm(conn: Connection) -> Connection:
    w.prepare(conn)
    w.event(conn, "e1")
    return conn


def test_a_later_dispute_takes_the_place_of_an_earlier_one_and_its_end_gives_the_revenue_back(
    firm: Connection,
) -> None:
    """Of 800: 500 contested with 200 expected to be conceded, then 300 with 100; then it is over."""
    number = w.released(firm)
    before = w.accounts(firm)
    billing.dispute(firm, w.PAT, number, "late", amount=D(500), expected_concession=D(200))
    assert w.accounts(firm) == before | {"revenue": D(200), "refund_liability": D(-200)}
    billing.dispute(firm, w.PAT, number, "later", amount=D(300), expected_concession=D(100))
    assert w.accounts(firm) == before | {"revenue": D(100), "refund_liability": D(-100)}
    assert claims.disputed(firm, **ALL) == D(300)
    billing.end_dispute(firm, w.PAT, number)
    assert w.accounts(firm) == before
    assert claims.disputed(firm, **ALL) == 0
    with pytest.raises(NotFound, match="Nobody contests"):
        billing.end_dispute(firm, w.PAT, number)


def test_a_concession_of_the_invoice_ends_the_dispute(firm: Connection) -> None:
    """200 expected, 150 conceded: revenue falls by 150 and no more."""
    number = w.released(firm)
    billing.dispute(firm, w.PAT, number, "late", expected_concession=D(200))
    w.credited(firm, number, amount=D(150), kind="concession")
    assert w.accounts(firm)["revenue"] == D(150)
    assert "refund_liability" not in w.accounts(firm)


def test_credit_losses_add_up_to_no_more_than_the_invoice(firm: Connection) -> None:
    number = w.released(firm)
    before = w.accounts(firm)
    billing.credit_loss(firm, w.ANN, number, D(500), "insolvent")
    billing.credit_loss(firm, w.ANN, number, D(300), "all of it")
    assert w.accounts(firm) == before | {"credit_loss": D(800), "credit_loss_allowance": D(-800)}
    with pytest.raises(Conflict, match="more than that"):
        billing.credit_loss(firm, w.ANN, number, D("0.01"), "beyond")
    with pytest.raises(Forbidden):
        billing.credit_loss(firm, w.PAT, number, D(1), "not his to say")


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ({"reason": " "}, Invalid),
        ({"amount": D("800.01")}, Conflict),
        ({"amount": D(0)}, Invalid),
        ({"amount": D("1.005")}, Invalid),
        ({"amount": D(5), "expected_concession": D(6)}, Conflict),
        ({"expected_concession": D(-1)}, Invalid),
        ({"number": "INV-999"}, NotFound),
    ],
)
def test_what_cannot_be_contested_is_refused_and_nothing_is_written(
    firm: Connection, said: dict[str, Any], refusal: type[Refusal]
) -> None:
    number = w.released(firm)
    before = w.accounts(firm)
    asked = {"number": number, "reason": "late"} | said
    with pytest.raises(refusal):
        billing.dispute(firm, w.PAT, asked.pop("number"), asked.pop("reason"), **asked)
    assert w.accounts(firm) == before
    assert claims.disputed(firm, **ALL) == 0
