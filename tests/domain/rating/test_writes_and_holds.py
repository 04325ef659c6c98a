"""Value changed and held before billing: who may, how it is shared, what it does to revenue; hours never change."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.rating.cases import MONDAY, D
from tieout.domain.frames import HELD_VALUE, HOLDS, OPEN_VALUE, WRITES, frame
from tieout.domain.rating.holds import hold_back
from tieout.domain.rating.writes import WriteResult, apply_writes

Row = dict[str, Any]
few = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=30, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def value(key: str, amount: str, hours: str = "8", **change: Any) -> Row:
    row = {"event": key, "contract": "C-1", "line": "1", "entry": key, "work_date": MONDAY, "quantity": D(hours),
           "amount": D(amount), "currency": "USD", "revenue_method": "as_invoiced"}  # fmt: skip
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


def held(events: list[Row], *places: tuple[str, str | None]) -> dict[str, tuple[Decimal, Decimal]]:
    """Hours and amount held of each event, by holds on (line, entry or all of it)."""
    holds = [{"hold": f"H-{n}", "contract": "C-1", "line": line, "entry": entry, "day": MONDAY}
             for n, (line, entry) in enumerate(places)]  # fmt: skip
    rows = hold_back(frame(events, HELD_VALUE), frame(holds, HOLDS))
    return {key: (hours, amount) for key, hours, amount in rows.rows()}


def test_a_hold_keeps_all_of_its_entry_or_of_its_line_and_nothing_else() -> None:
    events = [value("a", "1000"), value("b", "500", "4"), value("c", "800", line="2")]
    whole = {"a": (D(8), D(1000)), "b": (D(4), D(500)), "c": (D(8), D(800))}
    nothing = dict.fromkeys(whole, (D(0), D(0)))
    assert held(events) == nothing
    assert held(events, ("1", "b")) == nothing | {"b": whole["b"]}
    assert held(events, ("1", None)) == nothing | {"a": whole["a"], "b": whole["b"]}
    assert held(events, ("1", "a"), ("1", None), ("2", "c")) == whole
    assert held(events, ("2", "a"), ("9", None), ("1", "unknown")) == nothing


def test_what_takes_back_or_is_billed_already_is_not_held() -> None:
    events = [value("a", "-300", "-2"), value("b", "0", "0")]
    assert held(events, ("1", None)) == dict.fromkeys("ab", (D(0), D(0)))
