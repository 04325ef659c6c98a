"""What is earned for another party: an agent keeps its margin, of a disbursement nothing (IFRS 15.B34–B38)."""

from decimal import Decimal

from tieout.domain.frames import EARNED_MOVES, frame
from tieout.domain.revenue import passed_on

D = Decimal


def passed(amount: str, through: str, before: str, after: str, currency: str = "USD") -> Decimal:
    move = {"event": "e", "currency": currency, "amount": D(amount), "pass_through_amount": D(through),
            "before": D(before), "after": D(after)}  # fmt: skip
    found: Decimal = passed_on(frame([move], EARNED_MOVES))["pass_through_amount"][0]
    return found


def test_an_agent_passes_on_all_but_its_margin() -> None:
    """Billed 210 of which 200 belong to the hotel: 200 passed on, 10 kept (IFRS 15.B36)."""
    assert passed("210", "200", "0", "210") == D(200)


def test_of_a_disbursement_everything_is_passed_on() -> None:
    assert passed("119", "119", "0", "59.50") == D("59.50")


def test_a_principal_passes_nothing_on() -> None:
    """A principal reports gross (IFRS 15.B35B)."""
    assert passed("110", "0", "0", "110") == 0


def test_parts_are_shared_in_proportion_and_add_up() -> None:
    """100 of 110 passed on, earned in three steps of 36.67, 36.67, 36.66: 33.34 + 33.33 + 33.33 = 100."""
    steps = [("0", "36.67"), ("36.67", "73.34"), ("73.34", "110")]
    parts = [passed("110", "100", *step) for step in steps]
    assert parts == [D("33.34"), D("33.33"), D("33.33")]
    assert sum(parts) == D(100)


def test_what_is_taken_back_is_passed_back() -> None:
    """A reversal of −210 passes −200; yen have no decimals: 37 × 100 / 110 = 33.6… is 34."""
    assert passed("-210", "-200", "0", "-210") == D(-200)
    assert passed("110", "100", "0", "37", "JPY") == D(34)
    assert passed("110", "100", "37", "0", "JPY") == D(-34)


def test_an_event_of_nothing_passes_nothing_on() -> None:
    assert passed("0", "0", "0", "0") == 0
