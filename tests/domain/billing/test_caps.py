"""Caps: exact split, order of release, several caps, hours, write-off."""

import random
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tieout.domain.billing import apply_caps
from tieout.domain.frames import CAP_EVENTS, CAPS, frame

D = Decimal


def event(key: str, amount: str, hours: str = "10", day: int = 1, **change: Any) -> dict[str, Any]:
    row = {
        "event": key, "contract": "C-1", "line": "1", "work_date": date(2026, 1, day), "entry": key,
        "quantity": D(hours), "amount": D(amount), "released_quantity": D(0), "released_amount": D(0), "sequence": 1,
        "currency": "USD",
    }  # fmt: skip
    return row | change


def cap(amount: str | None = None, hours: str | None = None, **change: Any) -> dict[str, Any]:
    row = {"cap": "CAP", "contract": "C-1", "lines": None, "over": "hold",
           "amount": None if amount is None else D(amount), "hours": None if hours is None else D(hours)}  # fmt: skip
    return row | change


def split(events: list[dict[str, Any]], caps: list[dict[str, Any]]) -> dict[str, tuple[Decimal, ...]]:
    df = apply_caps(frame(events, CAP_EVENTS), frame(caps, CAPS))
    rows = df.select("event", "billable_quantity", "billable_amount", "over_cap_quantity", "over_cap_amount",
                     "written_off_amount")  # fmt: skip
    return {row[0]: row[1:] for row in rows.iter_rows()}


def test_the_event_that_crosses_is_split_exactly_by_value() -> None:
    """Cap 2,500; 2,000 then 1,000 for 10 h: 500 fit, so 10 × 500 ÷ 1,000 = 5 h; the rest is over the cap."""
    got = split([event("b", "1000", day=2), event("a", "2000")], [cap("2500")])
    assert got == {"a": (10, 2000, 0, 0, 0), "b": (5, 500, 5, 500, 0)}


def test_hours_are_split_in_proportion_to_six_decimals_and_add_up() -> None:
    """Cap 100 of 300 for 7 h: 7 × 100 ÷ 300 = 2.333333 and 4.666667."""
    assert split([event("a", "300", "7")], [cap("100")])["a"][:4] == (D("2.333333"), 100, D("4.666667"), 200)


def test_what_is_released_uses_the_cap_first_and_keeps_its_class() -> None:
    """A later event is on a released invoice for 800 of a cap of 1,000: an earlier one heard late gets 200."""
    late = event("late", "500", "5", day=1)
    billed = event("billed", "800", "8", day=9, released_quantity=D(8), released_amount=D(800))
    assert split([late, billed], [cap("1000")]) == {"late": (2, 200, 3, 300, 0), "billed": (8, 800, 0, 0, 0)}


@pytest.mark.parametrize("caps", [[cap("753.29")], [cap("753.29"), cap("9999", cap="FAR")]])
def test_a_cent_written_off_after_the_split_takes_no_hours(caps: list[dict[str, Any]]) -> None:
    """753.29 of 938.74 fit: 3.75 h x 753.29 / 938.74 = 3.009180; 753.28 of it is billed, a cent given up: the same split."""
    before = split([event("a", "938.74", "3.75")], caps)
    billed = event("a", "938.74", "3.75", released_quantity=D("3.009180"), released_amount=D("753.28"))
    assert (
        split([billed], caps) == before == {"a": (D("3.009180"), D("753.29"), D("0.740820"), D("185.45"), 0)}
    )


def test_the_tightest_of_several_caps_decides_and_all_are_consumed() -> None:
    """Line cap 300 on line 1, contract cap 400: 300 of line 1, then 100 of line 2."""
    events = [event("a", "350", "7"), event("b", "350", "7", day=2, line="2")]
    got = split(events, [cap("300", lines=["1"], cap="L"), cap("400", cap="ALL")])
    assert (got["a"][1], got["b"][1]) == (300, 100)


def test_a_cap_in_hours_splits_the_value_in_proportion() -> None:
    assert split([event("a", "1000"), event("b", "1000", day=2)], [cap(hours="12")])["b"] == (
        2,
        200,
        8,
        800,
        0,
    )


def test_over_a_write_off_cap_value_is_given_up() -> None:
    assert split([event("a", "1000")], [cap("600", over="write_off")])["a"] == (6, 600, 0, 0, 400)


def test_a_reversal_gives_room_back_in_its_place() -> None:
    events = [
        event("a", "1000"),
        event("r", "-1000", "-10", day=1, sequence=2, entry="a"),
        event("b", "800", day=2),
    ]
    assert split(events, [cap("1000")])["b"] == (10, 800, 0, 0, 0)


def test_no_cap_leaves_everything_billable() -> None:
    assert split([event("a", "1000", contract="C-2")], [cap("1")])["a"] == (10, 1000, 0, 0, 0)


def test_raising_the_cap_releases_in_original_order() -> None:
    events = [event(k, "1000", day=i + 1) for i, k in enumerate("abc")]
    assert [split(events, [cap(limit)])[k][1] for limit in ("1500", "2500") for k in "abc"] == [
        1000, 500, 0, 1000, 1000, 500]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_parts_add_up_and_arrival_order_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    events = [event(f"e{i}", str(rng.randint(1, 99999) / D(100)), str(rng.randint(1, 80) / D(4)), rng.randint(1, 28),
                    line=rng.choice("12")) for i in range(40)]  # fmt: skip
    caps = [cap(str(rng.randint(1, 20000))), cap(hours=str(rng.randint(1, 300)), cap="H", lines=["1"])]
    first = apply_caps(frame(events, CAP_EVENTS), frame(caps, CAPS))
    rng.shuffle(events)
    assert apply_caps(frame(events, CAP_EVENTS), frame(caps, CAPS)).equals(first)
    joined = first.join(frame(events, CAP_EVENTS), on="event")
    for measure in ("quantity", "amount"):
        parts = (
            pl.col(f"billable_{measure}") + pl.col(f"over_cap_{measure}") + pl.col(f"written_off_{measure}")
        )
        assert joined.select((parts == pl.col(measure)).all()).item()
    assert joined["billable_amount"].sum() <= caps[0]["amount"]


def test_a_cap_on_time_leaves_expenses_alone_and_the_other_way_round() -> None:
    """Time capped at 1,000, expenses (with subcontract work) at 300: 800 + 200 of time, 250 + 50 of the others."""
    events = [
        event("a", "800"), event("b", "800", day=2), event("x", "250", "0", day=2, kind="expense"),
        event("y", "250", "0", day=3, kind="subcontract"), event("m", "900", "1", day=3, kind="milestone"),
    ]  # fmt: skip
    caps = [cap("1000", includes=["time"], cap="T"), cap("300", includes=["expenses"], cap="X")]
    got = split(events, caps)
    assert {key: row[1] for key, row in got.items()} == {"a": 800, "b": 200, "x": 250, "y": 50, "m": 900}
    both = split(events, [cap("1500", includes=["time", "expenses"])])
    assert {key: row[1] for key, row in both.items()} == {"a": 800, "b": 700, "x": 0, "y": 0, "m": 900}


def test_a_cap_over_several_lines_in_hours_and_amount_is_the_tighter_of_the_two() -> None:
    """Lines 1 and 2: 25 h or 3,000. 10 h at 100, 10 h at 150, then 10 h at 100: 5 h are left, 500 of them fit."""
    events = [event("a", "1000"), event("b", "1500", day=2, line="2"), event("c", "1000", day=3),
              event("d", "1000", day=4, line="3")]  # fmt: skip
    got = split(events, [cap("3000", "25", lines=["1", "2"])])
    assert (got["c"][:4], got["d"][1]) == ((5, 500, 5, 500), 1000)
    assert split(events, [cap("2600", "25", lines=["1", "2"])])["c"][:4] == (1, 100, 9, 900)


def test_expenses_do_not_use_up_hours() -> None:
    events = [event("x", "500", "10", kind="expense"), event("a", "1000", day=2)]
    assert split(events, [cap(hours="10")])["a"][:2] == (10, 1000)


@pytest.mark.parametrize("seed", range(20))
def test_one_plain_cap_is_split_in_one_step_as_it_is_event_by_event(seed: int) -> None:
    """A second cap that nothing can reach makes the same contract walk; zero amounts and releases included."""
    rng = random.Random(seed)
    events = []
    for i in range(30):
        amount, hours = D(rng.choice([0, rng.randint(1, 99999)])) / 100, D(rng.randint(0, 80)) / 4
        released = rng.choice([D(0), D(0), D(0), D("0.3"), D(1)])
        events.append(
            event(f"e{i}", str(amount), str(hours), rng.randint(1, 28), line=rng.choice("12"),
                  released_amount=round(amount * released, 2), released_quantity=round(hours * released, 6))
        )  # fmt: skip
    one = cap(
        str(rng.randint(0, 12000)),
        over=rng.choice(["hold", "write_off"]),
        lines=rng.choice([None, ["1", "2"]]),
    )
    walked = split(events, [one, cap("9999999", cap="FAR")])
    assert split(events, [one]) == walked
