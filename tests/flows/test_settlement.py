"""Payments and changes that people make in the ERP come back to the invoice and to the books, once."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.flows.billing_flow_world import BillingWorld, D

PAID = {"cash_clearing": D(800), "unbilled_receivable": D(-800)}
OPEN = {"receivable": D(800), "unbilled_receivable": D(-800)}


@pytest.fixture
def world(engine: Engine) -> BillingWorld:
    """A customer in the ERP and a signed contract."""
    return BillingWorld(engine)


@pytest.fixture
def posted(world: BillingWorld) -> tuple[str, str]:
    """(number, the ERP's id) of a posted invoice over 800."""
    number = world.release()
    world.run("post")
    return number, world.hear_document(number)


def test_payments_in_part_then_whole_are_mirrored_once(world: BillingWorld, posted: tuple[str, str]) -> None:
    number, document = posted
    world.hear_payment(document, "300.00")
    world.settle(document)
    world.settle(document)
    assert (world.state(number), world.accounts()["receivable"]) == ("part_paid", D(500))
    world.hear_payment(document, "500.00", "901")
    world.settle(document)
    shown = world.show(number)
    assert (shown["state"], shown["open_amount"], len(shown["payments"])) == ("paid", D(0), 2)
    assert world.accounts() == PAID
    assert len(world.rows("journal", cause_type="payment")) == 2
    assert [r["subject"] for r in world.rows("event", type="tieout.invoice.paid.v1")] == [number]


def test_a_payment_that_is_deleted_or_changed_is_reversed(
    world: BillingWorld, posted: tuple[str, str]
) -> None:
    number, document = posted
    world.hear_payment(document, "800.00")
    world.settle(document)
    assert world.state(number) == "paid"
    world.hear_payment(document, "700.00")
    world.settle(document)
    assert (world.state(number), world.accounts()["receivable"]) == ("part_paid", D(100))
    world.delete_payment()
    world.settle(document)
    assert (world.state(number), world.accounts()) == ("posted", OPEN)
    assert len(world.rows("journal", cause_type="reversal")) == 2


def test_a_credit_of_what_was_paid_is_owed_back(world: BillingWorld, posted: tuple[str, str]) -> None:
    """800 paid, then 300 conceded: nothing is open, 300 is a refund liability."""
    number, document = posted
    world.hear_payment(document, "800.00")
    world.settle(document)
    world.credit(number, amount=D(300), kind="concession")
    accounts = world.accounts()
    assert (accounts["refund_liability"], accounts.get("receivable")) == (D(-300), None)
    assert world.state(number) == "paid"


def test_a_document_changed_by_hand_is_shown_until_it_is_as_released(
    world: BillingWorld, posted: tuple[str, str]
) -> None:
    number, document = posted
    for change, left in (({"status": "V"}, D(800)), ({"foreigntotal": "790.00"}, D(10))):
        world.hear_document(number, **change)
        world.settle(document)
        [row] = [r for r in world.rows("exception", kind="target-drift") if r["state"] == "open"]
        assert (row["key"], row["amount"]) == (number, left)
    world.hear_document(number)
    world.settle(document)
    assert world.open_exceptions() == []


def test_a_document_without_a_key_of_ours_is_left_to_the_tie_out(
    world: BillingWorld, posted: tuple[str, str]
) -> None:
    number, document = posted
    world.hear_document(number, externalid=None, foreigntotal="1.00")
    world.settle(document)
    assert (world.state(number), world.open_exceptions()) == ("posted", [])
