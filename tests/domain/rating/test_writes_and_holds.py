"""Value changed and held before billing: who may, how it is shared, what it does to revenue; hours never change."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.rating.cases import MONDAY, D
from tieout.domain.frames import HELD_VALUE, HOLDS, OPEN_VALUE, WRITES, frame
from tieout.domain.rating.holds import HoldResult, classify_holds
from tieout.domain.rating.writes import WriteResult, apply_writes

Row = dict[str, Any]
few = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=30, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def value(key: str, amount: str, hours: str = "8", **change: Any) -> Row:
    row = {"event": key, "contract": "C-1", "line": "1", "entry": key, "work_date": MONDAY, "quantity": D(hours),
           "amount": D(amount), "currency": "USD", "revenue_method": "as_invoiced", "over_cap_quantity": D(0),
           "over_cap_amount": D(0)}  # fmt: skip
    return row | change


def write(kind: str, amount: str | None, **change: Any) -> Row:
    row = {"write": "W-1", "kind": kind, "contract": "C-1", "line": "1", "day": MONDAY, "reason": "goodwill",
           "amount": None if amount is None else D(amount), "proposer": "pat", "approver": "ann"}  # fmt: skip
    return row | change


def written(events: list[Row], *writes: Row, limit: int = 0) -> WriteResult:
    return apply_writes(frame(events, OPEN_VALUE), frame(writes, WRITES), limit=D(limit))


def after(result: WriteResult) -> dict[str, Decimal]:
    return dict(result.after.select("event", "amount").iter_rows())


def test_a_write_down_of_an_entry_lowers_its_value_and_its_revenue_and_no_hours() -> None:
    result = written([value("a", "1600"), value("b", "800")], write("down", "250", entry="a"))
    assert after(result) == {"a": D(1350), "b": D(800)}
    assert result.written.select("event", "amount", "revenue_amount").rows() == [("a", D(-250), D(-250))]
    assert result.after["quantity"].to_list() == [D(8), D(8)]


def test_a_write_of_a_line_is_shared_by_value_with_the_largest_remainder() -> None:
    """100 over 1,000, 1,000, 1,000: 33.34, 33.33, 33.33."""
    events = [value(key, "1000") for key in "abc"]
    assert after(written(events, write("down", "100"))) == {
        "a": D("966.66"),
        "b": D("966.67"),
        "c": D("966.67"),
    }
    assert after(written(events, write("up", "30"))) == {"a": D(1010), "b": D(1010), "c": D(1010)}


def test_on_lines_with_a_measure_of_progress_revenue_stays() -> None:
    result = written([value("a", "1600", revenue_method="labor_hours")], write("off", "1600", entry="a"))
    assert after(result) == {"a": D(0)}
    assert result.written["revenue_amount"].to_list() == [D(0)]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"reason": "  "}, "no-reason"),
        ({"reason": None}, "no-reason"),
        ({"proposer": None}, "no-proposer"),
        ({"approver": None}, "needs-approval"),
        ({"approver": "pat"}, "own-approval"),
        ({"amount": D(1601)}, "exceeds-value"),
        ({"amount": D(0)}, "invalid-amount"),
        ({"amount": D(-5)}, "invalid-amount"),
        ({"amount": None}, "invalid-amount"),
        ({"amount": D("1.005")}, "invalid-amount"),
        ({"entry": "unknown"}, "nothing-open"),
        ({"line": "9"}, "nothing-open"),
        ({"kind": "sideways"}, "unknown-kind"),
    ],
)  # fmt: skip
def test_a_write_that_breaks_a_rule_is_refused_with_the_rule(change: Row, code: str) -> None:
    result = written([value("a", "1600")], write("down", "100", entry="a") | change)
    assert (result.refused["code"].to_list(), after(result)) == ([code], {"a": D(1600)})


def test_up_to_the_limit_nobody_else_is_asked() -> None:
    alone = write("down", "100", entry="a", approver=None)
    assert after(written([value("a", "1600")], alone, limit=100)) == {"a": D(1500)}
    assert written([value("a", "1600")], alone, limit=99).refused["code"].to_list() == ["needs-approval"]


def test_each_write_finds_what_the_one_before_it_left() -> None:
    first = write("off", "900", entry="a", write="W-1")
    second = write("down", "200", entry="a", write="W-2", day=date(2026, 2, 3))
    result = written([value("a", "1000")], second, first)
    assert (after(result), result.refused["request"].to_list()) == ({"a": D(100)}, ["W-2"])


@few
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=6),
    st.lists(st.tuples(st.sampled_from(["down", "up", "off"]), st.integers(1, 10**6), st.integers(-1, 5)), max_size=6),
)  # fmt: skip
def test_nothing_goes_below_nothing_and_what_changes_is_what_was_written(
    cents: list[int], wishes: list[tuple[str, int, int]]
) -> None:
    events = [value(f"e{n}", str(D(c) / 100)) for n, c in enumerate(cents)]
    writes = [
        write(kind, str(D(amount) / 100), write=f"W-{n}", entry=None if at < 0 else f"e{at}")
        for n, (kind, amount, at) in enumerate(wishes)
    ]
    result = written(events, *writes)
    assert (result.after["amount"] >= 0).all()
    refused = result.refused["request"].to_list()
    accepted = [row for row in writes if row["write"] not in refused]
    expected = sum((w["amount"] if w["kind"] == "up" else -w["amount"] for w in accepted), D(0))
    assert result.written["amount"].sum() == expected


def hold(kind: str, amount: str | None = None, **change: Any) -> Row:
    row = {"hold": "H-1", "kind": kind, "contract": "C-1", "line": "1", "day": MONDAY,
           "amount": None if amount is None else D(amount)}  # fmt: skip
    return row | change


def held(events: list[Row], *holds: Row) -> HoldResult:
    return classify_holds(frame(events, HELD_VALUE), frame(holds, HOLDS))


def places(result: HoldResult) -> dict[str, tuple[Decimal, ...]]:
    rows = result.events.select("event", "free_amount", "over_cap_amount", "billing_hold_amount", "disputed_amount",
                                "revenue_amount").rows()  # fmt: skip
    return {row[0]: row[1:] for row in rows}


def test_the_three_holds_differ_in_billing_and_revenue() -> None:
    """1,000 of which 300 are over the cap; the rest on hold: revenue 700; disputed with 100 expected to go: 600."""
    capped = value("a", "1000", over_cap_amount=D(300), over_cap_quantity=D("2.4"))
    assert places(held([capped])) == {"a": (700, 300, 0, 0, 700)}
    assert places(held([capped], hold("billing_hold"))) == {"a": (0, 300, 700, 0, 700)}
    disputed = hold("disputed", expected_concession=D(100))
    assert places(held([capped], disputed)) == {"a": (0, 300, 0, 700, 600)}


def test_a_hold_of_an_amount_takes_the_earliest_work_and_hours_follow_the_value() -> None:
    """1,200 of 1,000 (8 h) and 1,000 (8 h): all of the first, 200 of the second = 1.6 h."""
    events = [value("b", "1000", work_date=date(2026, 2, 3)), value("a", "1000")]
    result = held(events, hold("billing_hold", "1200"))
    assert places(result) == {"a": (0, 0, 1000, 0, 1000), "b": (800, 0, 200, 0, 1000)}
    assert dict(result.events.select("event", "billing_hold_quantity").iter_rows()) == {
        "a": D(8),
        "b": D("1.6"),
    }


def test_a_dispute_comes_before_a_billing_hold_whatever_their_days() -> None:
    early = hold("billing_hold", hold="H-0", day=date(2026, 1, 1))
    assert places(held([value("a", "1000")], early, hold("disputed", "400"))) == {"a": (0, 0, 600, 400, 1000)}


def test_a_concession_is_shared_over_what_is_disputed() -> None:
    events = [value(key, "100") for key in "abc"]
    result = held(events, hold("disputed", expected_concession=D(100)))
    assert [row[4] for row in places(result).values()] == [D("66.66"), D("66.67"), D("66.67")]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": D(1001)}, "exceeds-value"),
        ({"amount": D(0)}, "exceeds-value"),
        ({"entry": "unknown"}, "exceeds-value"),
        ({"expected_concession": D(501), "amount": D(500)}, "invalid-concession"),
        ({"expected_concession": D(1), "kind": "billing_hold"}, "invalid-concession"),
        ({"kind": "frozen"}, "unknown-kind"),
    ],
)  # fmt: skip
def test_a_hold_of_more_than_is_there_holds_nothing(change: Row, code: str) -> None:
    result = held([value("a", "1000")], hold("disputed") | change)
    assert (result.refused["code"].to_list(), places(result)) == ([code], {"a": (1000, 0, 0, 0, 1000)})


@few
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 4000), st.integers(0, 100)), min_size=1, max_size=6),
    st.lists(
        st.tuples(st.sampled_from(["billing_hold", "disputed"]), st.integers(1, 10**6), st.integers(-1, 5)),
        max_size=5),
)  # fmt: skip
def test_every_cent_and_every_hour_is_in_one_place(
    items: list[tuple[int, int, int]], wishes: list[tuple[str, int, int]]
) -> None:
    events = [
        value(f"e{n}", str(D(cents) / 100), str(D(hours) / 100), over_cap_amount=D(cents * over // 100) / 100,
              over_cap_quantity=D(hours * over // 100) / 100)
        for n, (cents, hours, over) in enumerate(items)
    ]  # fmt: skip
    holds = [
        hold(kind, str(D(amount) / 100), hold=f"H-{n}", entry=None if at < 0 else f"e{at}")
        for n, (kind, amount, at) in enumerate(wishes)
    ]
    rows = held(events, *holds).events
    for measure in ("quantity", "amount"):
        parts = sum(rows[f"{p}_{measure}"] for p in ("free", "over_cap", "billing_hold", "disputed"))
        assert parts.to_list() == [e[measure] for e in sorted(events, key=lambda e: e["event"])]
        assert all((rows[f"{p}_{measure}"] >= 0).all() for p in ("free", "billing_hold", "disputed"))
