"""Charges between entities: cost plus margin, one id in both books, a day open in both, nothing left in the group."""

from datetime import date
from typing import Any

import polars as pl
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.domain.costing.rows import MONDAY, D, Row, cost
from tieout.domain.costing import (
    CostPolicies,
    contract_costs_in_book,
    contract_costs_in_group,
    elimination_postings,
    journal_for_transfers,
    transfer_changes,
    transfer_charges,
    transfer_postings,
)
from tieout.domain.frames import CLOSED_PERIODS, CONTRACT_ENTITIES, COSTS, TRANSFER_MARGINS, frame
from tieout.domain.subledger import Books
from tieout.model.periods import MONTHS, period_bounds

OWNERS = [{"contract": "C-1", "entity": "US01"}, {"contract": "C-2", "entity": "US02"}]
TEN = {"supplier": "US02", "buyer": "US01", "margin": D("0.10"), "effective_from": date(2026, 1, 1)}
NOTHING_CLOSED = CLOSED_PERIODS.to_frame()
few = settings(
    phases=[Phase.explicit, Phase.generate], max_examples=30, deadline=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def charges(
    *costs: Row,
    agreed: tuple[Row, ...] = (TEN,),
    closed: pl.DataFrame = NOTHING_CLOSED,
    **policy: Any,
) -> pl.DataFrame:
    return transfer_charges(
        frame(costs, COSTS), frame(OWNERS, CONTRACT_ENTITIES), closed,
        policies=CostPolicies(transfer_margins=frame(agreed, TRANSFER_MARGINS), **policy),
    )  # fmt: skip


def foreign(key: str, amount: str, **change: Any) -> Row:
    return cost(key, amount, entity="US02") | change


def test_a_charge_is_cost_plus_the_agreed_margin_and_only_between_entities() -> None:
    """480.05 × 1.10 = 528.055 -> 528.06; own people's work makes none."""
    found = charges(foreign("a", "480.05"), cost("own", "500"))
    assert found.select("transfer", "supplier", "buyer", "cost_amount", "amount").rows() == [
        ("labor:a:1", "US02", "US01", D("480.05"), D("528.06"))
    ]


def test_the_margin_is_the_latest_agreed_for_the_day_else_the_policys() -> None:
    agreed = (TEN, TEN | {"margin": D("0.20"), "effective_from": MONDAY, "effective_to": MONDAY})
    later = foreign("b", "100", event_date=date(2026, 2, 3))
    back = cost("c", "100", contract="C-2")
    found = charges(foreign("a", "100"), later, back, agreed=agreed, transfer_margin=D("0.05"))
    assert dict(found.select("source", "amount").iter_rows()) == {"a": D(120), "b": D(110), "c": D(105)}


def test_it_is_booked_on_the_first_day_open_in_both_books_under_one_id() -> None:
    """February is closed in the supplier's book, March in the buyer's: both book on 1 April, marked prior period."""
    months = [("US02", *period_bounds("2026-02", MONTHS)), ("US01", *period_bounds("2026-03", MONTHS))]
    closed = pl.DataFrame(months, schema=CLOSED_PERIODS, orient="row")
    found = charges(foreign("a", "480"), closed=closed)
    assert found["booking_date"].to_list() == [date(2026, 4, 1)]
    books = Books(closed, {"US01": "USD", "US02": "USD"})
    lines = journal_for_transfers(found, books)
    assert set(lines.select("journal", "booking_date", "prior_period").rows()) == {
        ("transfer:labor:a:1", date(2026, 4, 1), True)
    }
    assert lines.select("entity", "account", "amount").sort("entity", "account").rows() == [
        ("US01", "intercompany_cost", D(528)), ("US01", "intercompany_payable", D(-528)),
        ("US02", "intercompany_receivable", D(528)), ("US02", "intercompany_revenue", D(-528)),
    ]  # fmt: skip


def test_each_book_shows_its_own_cost_and_the_group_what_the_people_cost() -> None:
    """US02's person costs 480 on US01's contract, charged 528; US01's own person costs 100."""
    costs = frame([foreign("a", "480"), cost("own", "100")], COSTS)
    found = charges(foreign("a", "480"), cost("own", "100"))
    assert contract_costs_in_book(costs, found, "US01")["amount"].to_list() == [D(628)]
    assert contract_costs_in_book(costs, found, "US02").is_empty()
    assert contract_costs_in_group(costs)["amount"].sum() == 580


def test_a_correction_takes_the_earlier_charge_back_and_makes_the_new_one() -> None:
    booked = charges(foreign("a", "480"), foreign("gone", "100"))
    now = charges(foreign("a", "540.05", version=2))
    found = transfer_changes(now, booked, CLOSED_PERIODS.to_frame())
    assert found.select("transfer", "cost_amount", "amount").rows() == [
        ("labor:a:2", D("60.05"), D("66.06")), ("labor:gone:1", D(-100), D(-110)),
    ]  # fmt: skip
    after = pl.concat([booked, found])
    assert transfer_changes(now, after, CLOSED_PERIODS.to_frame()).is_empty()


@few
@given(
    st.lists(
        st.tuples(st.sampled_from(["C-1", "C-2"]), st.sampled_from(["US01", "US02"]), st.integers(-10**6, 10**6)),
        max_size=8),
    st.integers(0, 50),
)  # fmt: skip
def test_after_elimination_nothing_between_entities_is_left_and_the_group_shows_cost(
    items: list[tuple[str, str, int]], percent: int
) -> None:
    """Σ of both books' contract cost − the margin charged = Σ of the group's; every account of transfers ends at 0."""
    rows = [cost(f"e{n}", str(D(cents) / 100), contract=c, entity=e) for n, (c, e, cents) in enumerate(items)]
    found = charges(*rows, agreed=(), transfer_margin=D(percent) / 100)
    both = pl.concat([transfer_postings(found), elimination_postings(found)])
    left = both.group_by("entity", "account").agg(pl.col("amount").sum())
    assert left.filter(pl.col("amount") != 0).is_empty()
    costs = frame(rows, COSTS)
    in_books = sum((contract_costs_in_book(costs, found, e)["amount"].sum() for e in ("US01", "US02")), D(0))
    margin = found["amount"].sum() - found["cost_amount"].sum()
    assert in_books - margin == contract_costs_in_group(costs)["amount"].sum()
