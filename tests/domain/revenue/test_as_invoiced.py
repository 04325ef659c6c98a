"""Revenue by right to invoice, contract existence, positions."""

from datetime import date
from decimal import Decimal
from typing import Any

from tieout.domain.frames import CONTRACT_EXISTENCE, EARNED_EVENTS, POSITION_INPUT, frame
from tieout.domain.revenue import contract_positions, recognise_as_invoiced

D = Decimal
FEB = date(2026, 2, 28)


def event(amount: str = "1000", **change: Any) -> dict[str, Any]:
    zero = {
        c: D(0) for c in ("over_cap_amount", "written_off_amount", "reversed_amount", "recognised_amount")
    }
    row = {"event": "ev", "contract": "C-1", "line": "1", "entity": "US01", "currency": "USD",
           "work_date": date(2026, 1, 10), "amount": D(amount)}  # fmt: skip
    return row | zero | change


def earned(events: list[dict[str, Any]], on: date = FEB, **contract: Any) -> list[tuple[Any, ...]]:
    terms = {
        "contract": "C-1",
        "signed_on": date(2026, 1, 1),
        "collectible_from": date(2026, 1, 1),
    } | contract
    deltas = recognise_as_invoiced(
        frame(events, EARNED_EVENTS), frame([terms], CONTRACT_EXISTENCE), known_on=on
    )
    return deltas.select("event_date", "amount").rows()


def test_revenue_is_the_value_of_billable_work_without_what_is_over_a_cap_or_given_up() -> None:
    """1,000 − 150 over the cap − 50 written off − 100 set back = 700."""
    row = event(over_cap_amount=D(150), written_off_amount=D(50), reversed_amount=D(100))
    assert earned([row]) == [(date(2026, 1, 10), D(700))]


def test_only_the_difference_to_what_is_recognised_is_new() -> None:
    assert earned([event(recognised_amount=D(1000))]) == []
    assert earned([event(recognised_amount=D(1000), written_off_amount=D(200), changed_on=date(2026, 2, 5))]) == [
        (date(2026, 2, 5), D(-200))]  # fmt: skip


def test_a_reversal_takes_revenue_back() -> None:
    assert earned([event("-400")]) == [(date(2026, 1, 10), D(-400))]


def test_before_a_contract_exists_nothing_is_earned_and_signing_catches_up() -> None:
    assert earned([event()], signed_on=None) == []
    assert earned([event()], on=date(2026, 1, 31), signed_on=date(2026, 2, 3)) == []
    assert earned([event()], signed_on=date(2026, 2, 3)) == [(date(2026, 2, 3), D(1000))]
    assert earned([event()], collectible_from=None) == []


def test_positions_are_gross_by_line() -> None:
    """Line 1: 1,000 earned, 600 billed -> 400 unbilled; line 2: 100 earned, 250 billed -> 150 liability."""
    rows = [
        {
            "contract": "C-1",
            "line": "1",
            "currency": "USD",
            "recognised_amount": D(700),
            "billed_amount": D(600),
        },
        {
            "contract": "C-1",
            "line": "1",
            "currency": "USD",
            "recognised_amount": D(300),
            "billed_amount": D(0),
        },
        {
            "contract": "C-1",
            "line": "2",
            "currency": "USD",
            "recognised_amount": D(100),
            "billed_amount": D(250),
        },
    ]
    got = contract_positions(frame(rows, POSITION_INPUT))
    assert got.select("unbilled_receivable", "contract_liability").rows() == [(D(400), D(0)), (D(0), D(150))]
