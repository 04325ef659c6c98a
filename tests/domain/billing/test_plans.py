"""Fixed fees, milestones and deposits: parts that add up, dates, what a bad plan says; domain rules §1, §2.12, §3."""

from __future__ import annotations

import random
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import FOREVER, amounts, day, due, few, kinds, table
from tieout.domain.billing import (
    cover_work,
    deduct_deposits,
    deposit_charges,
    fixed_fee_charges,
    milestone_charges,
    respread_fee,
)
from tieout.domain.billing.charges import Planned
from tieout.domain.frames import (
    BILLED_ITEMS,
    DEPOSIT_BALANCES,
    DEPOSITS,
    FINAL_INVOICES,
    FIXED_ITEMS,
    FIXED_PLANS,
    MILESTONE_PLANS,
    MILESTONE_STATES,
    MILESTONES,
    check_frame,
)
from tieout.model.money import minor_unit, round_to_minor

D = Decimal


def fixed(plan: dict[str, object], items: list[dict[str, object]], through: str = "2099-12-31") -> Planned:
    return fixed_fee_charges(table(FIXED_PLANS, [plan]), table(FIXED_ITEMS, items), through=day(through))


def test_a_dated_schedule_bills_what_is_due_and_keeps_the_rest() -> None:
    items = [{"item": "start", "due_on": "2026-01-15", "amount": 4000},
             {"item": "end", "due_on": "2026-06-30", "amount": 6000}]  # fmt: skip
    planned = fixed({"amount": 10000}, items, through="2026-01-15")
    assert due(planned.charges) == [("2026-01-15", 4000)]
    assert due(planned.later) == [("2026-06-30", 6000)]
    assert planned.findings.is_empty()


def test_shares_of_an_amount_add_up_by_one_rounding_of_the_running_total() -> None:
    """100.00 in shares of 0.333333, 0.333333, 0.333334: 33.33, 66.67 − 33.33 = 33.34, 100 − 66.67 = 33.33."""
    shares = [
        ("a", "2026-01-01", "0.333333"),
        ("b", "2026-02-01", "0.333333"),
        ("c", "2026-03-01", "0.333334"),
    ]
    planned = fixed({"amount": 100}, [{"item": i, "due_on": d, "share": s} for i, d, s in shares])
    assert amounts(planned.charges) == [D("33.33"), D("33.34"), D("33.33")]


def test_equal_monthly_parts_fall_due_on_the_last_day_of_their_month() -> None:
    """2,258.06 over January to March (the amount of truth case T018): 752.69, 752.68, 752.69.

    The running total is 752.6867, 1505.3733, 2258.06. The source prints 752.68, 752.69, 752.69: it gives the first
    part what subtraction leaves; ours rounds the running total (domain rules §1).
    """
    plan = {"amount": "2258.06", "every": "month", "start": "2023-01-08", "end": "2023-03-15"}
    planned = fixed(plan, [])
    assert due(planned.charges) == [
        ("2023-01-31", D("752.69")), ("2023-02-28", D("752.68")), ("2023-03-15", D("752.69"))]  # fmt: skip


def test_after_a_termination_nothing_falls_due() -> None:
    """12,000 over a year, ended on 30 June: six parts of 1,000, whatever was agreed for later."""
    plan = {
        "amount": 12000,
        "every": "month",
        "start": "2026-01-01",
        "end": "2026-12-31",
        "ended_on": "2026-06-30",
    }
    planned = fixed(plan, [], through="2026-05-31")
    assert amounts(planned.charges) == [1000] * 5
    assert due(planned.later) == [("2026-06-30", 1000)]


def test_amounts_that_miss_the_fee_are_a_finding_and_bill_all_the_same() -> None:
    planned = fixed({"amount": 100}, [{"item": "a", "due_on": "2026-01-01", "amount": 90}])
    assert amounts(planned.charges) == [90]
    assert planned.findings.select("kind", "record", "seen").rows() == [
        ("billing-plan-mismatch", "C-1/1", "items 90, amount 100 USD")]  # fmt: skip


@pytest.mark.parametrize(
    ("plan", "item", "kind"),
    [
        ({"amount": 100}, {"share": "0.5"}, "billing-plan-mismatch"),
        ({"amount": 100}, {"share": "0.5", "amount": 50}, "invalid-contract"),
        ({"amount": None}, {"share": 1}, "invalid-contract"),
        ({"amount": 100, "currency": "XXQ"}, {"amount": 100}, "unknown-currency"),
        ({"amount": "100", "currency": "JPY"}, {"amount": "100.5"}, "amount-precision"),
        ({"amount": 100}, {"amount": -100}, "invalid-contract"),
        ({"amount": 100, "start": "2026-02-01", "end": "2026-01-31"}, {"amount": 100}, "invalid-contract"),
        ({"amount": 100, "every": "month"}, {"amount": 100}, "invalid-contract"),
        ({"amount": 100}, {"amount": 100, "due_on": None}, "invalid-contract"),
        ({"amount": 100}, {"amount": 100, "line": "9"}, "unknown-reference"),
    ],
)
def test_a_bad_plan_is_a_named_finding_and_bills_nothing(
    plan: dict[str, object], item: dict[str, object], kind: str
) -> None:
    planned = fixed(plan, [{"item": "a", "due_on": "2026-01-01"} | item])
    assert kind in kinds(planned.findings)
    assert planned.charges.is_empty()
    good = {"contract": "C-2", "line": "1", "currency": "USD", "amount": 7}
    both = fixed_fee_charges(
        table(FIXED_PLANS, [plan, good]),
        table(FIXED_ITEMS, [{"item": "a", "due_on": "2026-01-01"} | item,
                            {"contract": "C-2", "item": "a", "due_on": "2026-01-01", "amount": 7}]), through=FOREVER)  # fmt: skip
    assert both.charges["contract"].to_list() == ["C-2"]


def test_a_changed_fee_spreads_over_the_unbilled_part_in_proportion() -> None:
    """1,000 as 400 (billed), 300, 300; the fee becomes 1,100: 400, 350, 350."""
    rows = [("a", 400, 400), ("b", 300, 0), ("c", 300, 0)]
    items = [{"item": i, "due_on": f"2026-0{n}-01", "amount": a, "billed_amount": b}
             for n, (i, a, b) in enumerate(rows, 1)]  # fmt: skip
    fees = pl.DataFrame({"contract": ["C-1"], "line": ["1"], "amount": [D(1100)]})
    spread = respread_fee(table(BILLED_ITEMS, items), fees)
    assert amounts(spread.items) == [400, 350, 350]
    assert spread.findings.is_empty()


def test_a_fee_below_what_is_billed_leaves_nothing_to_bill_and_says_so() -> None:
    items = [{"item": "a", "due_on": "2026-01-01", "amount": 600, "billed_amount": 600},
             {"item": "b", "due_on": "2026-02-01", "amount": 400, "billed_amount": 0}]  # fmt: skip
    fees = pl.DataFrame({"contract": ["C-1"], "line": ["1"], "amount": [D(500)]})
    spread = respread_fee(table(BILLED_ITEMS, items), fees)
    assert amounts(spread.items) == [600, 0]
    assert spread.findings.select("kind", "amount").rows() == [("billing-plan-mismatch", -100)]


@few
@given(
    st.integers(0, 10**8), st.lists(st.integers(1, 9), min_size=1, max_size=9), st.sampled_from(["USD", "JPY", "KWD"]),
    st.integers(0, 200), st.randoms(use_true_random=False),
)  # fmt: skip
def test_parts_of_a_fee_add_up_in_any_order_and_in_any_split_of_runs(
    units: int, weights: list[int], currency: str, cut: int, rng: random.Random
) -> None:
    fee = round_to_minor(D(units), currency)
    total = sum(weights)
    cumulated = [round(D(sum(weights[:n])) / total, 6) for n in range(len(weights) + 1)]
    items = [
        {"item": str(n), "due_on": f"2026-{n:02}-15", "share": cumulated[n] - cumulated[n - 1]}
        for n in range(1, len(weights) + 1)
    ]
    plans = table(FIXED_PLANS, [{"amount": fee, "currency": currency}])
    whole = fixed_fee_charges(plans, table(FIXED_ITEMS, items), through=FOREVER)
    assert whole.findings.is_empty()
    assert whole.charges["amount"].sum() == fee
    rng.shuffle(items)
    through = pl.Series([day("2026-01-01")]).dt.offset_by(f"{cut}d")[0]
    part = fixed_fee_charges(plans, table(FIXED_ITEMS, items), through=through)
    assert pl.concat([part.charges, part.later]).sort("due_on").equals(whole.charges.sort("due_on"))


@few
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 100)), min_size=1, max_size=8), st.integers(0, 10**7),
    st.sampled_from(["USD", "JPY", "KWD"]), st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_changed_fee_is_placed_or_named_and_never_touches_what_is_billed(
    facts: list[tuple[int, int]], units: int, currency: str, rng: random.Random
) -> None:
    unit = D(1).scaleb(-minor_unit(currency))
    rows = [{"item": f"i{n}", "due_on": f"2026-01-{n + 1:02}", "amount": a * unit, "billed_amount": a * b // 100 * unit,
             "currency": currency} for n, (a, b) in enumerate(facts)]  # fmt: skip
    fee = units * unit
    fees = pl.DataFrame(
        {"contract": ["C-1"], "line": ["1"], "amount": [fee]}, schema_overrides={"amount": pl.Decimal(20, 4)}
    )
    spread = respread_fee(table(BILLED_ITEMS, rows), fees)
    placed = dict(spread.items.select("item", "amount").iter_rows())
    left = sum(spread.findings["amount"].to_list(), D(0))
    assert sum(placed.values()) + left == fee
    assert all(placed[row["item"]] >= row["billed_amount"] for row in rows)
    rng.shuffle(rows)
    assert respread_fee(table(BILLED_ITEMS, rows), fees).items.equals(spread.items)


# --- milestones -------------------------------------------------------------------------------------------------


def milestones(
    rows: list[dict[str, object]],
    states: list[tuple[str, str, str]],
    through: str = "2099-12-31",
    **plan: object,
) -> Planned:
    told = {"amount": None, "bill_on": "accepted"} | plan
    facts = [{"milestone": m, "day": d, "state": s, "sequence": n} for n, (m, d, s) in enumerate(states)]
    listed = [{"position": n} | row for n, row in enumerate(rows)]
    return milestone_charges(
        table(MILESTONE_PLANS, [told]),
        table(MILESTONES, listed),
        table(MILESTONE_STATES, facts),
        through=day(through),
    )


def test_a_milestone_is_billed_when_accepted_not_when_completed() -> None:
    states = [
        ("M1", "2026-02-01", "completed"),
        ("M1", "2026-02-10", "accepted"),
        ("M2", "2026-03-01", "completed"),
    ]
    rows: list[dict[str, object]] = [{"milestone": "M1", "amount": 300}, {"milestone": "M2", "amount": 700}]
    planned = milestones(rows, states)
    assert due(planned.charges) == [("2026-02-10", 300)]
    assert amounts(planned.later) == [700]
    assert due(milestones(rows, states, bill_on="completed").charges) == [
        ("2026-02-01", 300),
        ("2026-03-01", 700),
    ]
    assert milestones(rows, states, through="2026-02-09").charges.is_empty()


def test_a_rejection_takes_an_acceptance_back_and_a_repeat_moves_nothing() -> None:
    rows: list[dict[str, object]] = [{"milestone": "M1", "amount": 300}]
    again = [("M1", "2026-02-10", "accepted"), ("M1", "2026-02-20", "accepted")]
    assert due(milestones(rows, again).charges) == [("2026-02-10", 300)]
    back = [*again, ("M1", "2026-03-01", "rejected")]
    assert milestones(rows, back).charges.is_empty()
    assert due(milestones(rows, [*back, ("M1", "2026-04-01", "accepted")]).charges) == [("2026-04-01", 300)]


def test_shares_of_milestones_are_largest_remainders_whatever_the_order_of_acceptance() -> None:
    """100.00 in thirds: 33.34, 33.33, 33.33 by position."""
    third = "0.333333"
    rows: list[dict[str, object]] = [{"milestone": m, "share": third} for m in ("M1", "M2", "M3")]
    planned = milestones(
        rows, [("M3", "2026-01-01", "accepted"), ("M1", "2026-05-01", "accepted")], amount=100
    )
    assert due(planned.charges) == [("2026-01-01", D("33.33")), ("2026-05-01", D("33.34"))]
    assert planned.charges["amount"].sum() + planned.later["amount"].sum() == 100


def test_states_of_unknown_milestones_and_unknown_states_are_findings() -> None:
    planned = milestones([{"milestone": "M1", "amount": 1}], [("M9", "2026-01-01", "accepted")])
    assert planned.findings.select("kind", "record", "seen").rows() == [
        ("unknown-reference", "C-1/1/M9", "accepted on 2026-01-01")]  # fmt: skip
    odd = milestones([{"milestone": "M1", "amount": 1}], [("M1", "2026-01-01", "done")])
    assert kinds(odd.findings) == ["invalid-payload"]
    assert odd.charges.is_empty()


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_states_arrive_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)
    rows = table(MILESTONES, [{"milestone": f"M{n}", "amount": n + 1, "position": n} for n in range(4)])
    facts = [{"milestone": f"M{rng.randrange(4)}", "day": f"2026-01-{rng.randint(1, 9):02}", "sequence": n,
              "state": rng.choice(["completed", "accepted", "rejected"])} for n in range(12)]  # fmt: skip
    plans = table(MILESTONE_PLANS, [{"bill_on": "accepted"}])
    first = milestone_charges(plans, rows, table(MILESTONE_STATES, facts), through=FOREVER)
    rng.shuffle(facts)
    again = milestone_charges(plans, rows.reverse(), table(MILESTONE_STATES, facts), through=FOREVER)
    assert again.charges.equals(first.charges)
    assert first.charges.height + first.later.height == 4


# --- deposits ---------------------------------------------------------------------------------------------------


def test_a_deposit_is_asked_on_its_day_and_bad_ones_are_named() -> None:
    rows = [{"deposit": "D-1", "asked_on": "2026-01-05", "amount": 5000}, {"deposit": "D-2", "asked_on": "2026-02-05",
            "amount": "0.005"}, {"deposit": "D-3", "asked_on": "2026-01-05", "amount": 0}]  # fmt: skip
    charged = deposit_charges(table(DEPOSITS, rows), through=day("2026-01-31"))
    assert due(charged.charges) == [("2026-01-05", 5000)]
    assert charged.findings.select("record", "kind").rows() == [
        ("D-2", "amount-precision"),
        ("D-3", "invalid-contract"),
    ]


def test_deposits_come_off_the_final_invoice_with_their_own_tax_and_never_below_zero() -> None:
    """Deposits of 3,000 (20 % tax) and 4,000 against a final invoice of 5,000: 3,000 and 2,000; 2,000 are left."""
    balances = table(DEPOSIT_BALANCES, [
        {"deposit": "D-2", "asked_on": "2026-02-01", "amount": 4000, "tax_category": "S", "tax_rate": "0.21"},
        {"deposit": "D-1", "asked_on": "2026-01-01", "amount": 3000, "tax_category": "S", "tax_rate": "0.20"},
        {"deposit": "D-9", "contract": "C-9", "asked_on": "2026-01-01", "amount": 1, "tax_category": "S", "tax_rate": 0},
    ])  # fmt: skip
    finals = table(
        FINAL_INVOICES,
        [
            {
                "invoice": "F",
                "issued_on": "2026-06-30",
                "tax_category": "S",
                "tax_rate": "0.21",
                "net_amount": 5000,
            }
        ],
    )
    deducted = deduct_deposits(finals, balances)
    assert deducted.deductions.select("deposit", "amount", "tax_rate").rows() == [
        ("D-1", 3000, D("0.20")), ("D-2", 2000, D("0.21"))]  # fmt: skip
    assert dict(deducted.left.select("deposit", "amount").iter_rows()) == {"D-1": 0, "D-2": 2000, "D-9": 1}
    check_frame("left", deducted.left, DEPOSIT_BALANCES)


def test_a_deduction_leaves_neither_net_nor_gross_below_nothing() -> None:
    """1,000 at 16 % = 1,160.00; at 19 % that is 974.79 + 185.21; 25.21 of the deposit stay."""
    deposit = {
        "deposit": "D",
        "contract": "C-1",
        "asked_on": "2026-01-01",
        "amount": 1000,
        "tax_category": "S",
    }
    final = {
        "invoice": "F",
        "issued_on": "2026-06-30",
        "tax_category": "S",
        "tax_rate": "0.16",
        "net_amount": 1000,
    }
    got = deduct_deposits(
        table(FINAL_INVOICES, [final]), table(DEPOSIT_BALANCES, [deposit | {"tax_rate": "0.19"}])
    )
    assert (got.deductions["amount"].to_list(), got.left["amount"].to_list()) == ([D("974.79")], [D("25.21")])
    got = deduct_deposits(
        table(FINAL_INVOICES, [final]), table(DEPOSIT_BALANCES, [deposit | {"tax_rate": "0.16"}])
    )
    assert got.deductions["amount"].to_list() == [D(1000)]


def test_work_that_deposits_pay_is_split_where_one_ends() -> None:
    """400 of 3 May pay 4 h of 10 h x 100, 700 of 4 May the other 6 h and a quarter of the next 4 h; corrections stay."""

    def row(key: str, hours: int) -> dict[str, object]:
        return {"event": key, "quantity": D(hours), "amount": D(hours * 100)}

    taken = [
        {"amount": D(400), "asked_on": day("2026-05-03")},
        {"amount": D(700), "asked_on": day("2026-05-04")},
    ]
    parts = cover_work([row("a", 10), row("back", -1), row("b", 4)], taken)
    assert [(p["event"], p["quantity"], p["amount"], str(p.get("paid_on"))) for p in parts] == [
        ("a", 4, 400, "2026-05-03"), ("a", 6, 600, "2026-05-04"), ("back", -1, -100, "None"),
        ("b", 1, 100, "2026-05-04"), ("b", 3, 300, "None")]  # fmt: skip


@few
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.sampled_from(["C-1", "C-2"])), max_size=6),
    st.lists(st.tuples(st.integers(-100, 5000), st.sampled_from(["C-1", "C-2"])), max_size=6),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_deposits_are_deducted_once_and_only_from_their_contract(
    deposits: list[tuple[int, str]], invoices: list[tuple[int, str]], rng: random.Random
) -> None:
    held = [{"deposit": f"d{n}", "contract": c, "asked_on": "2026-01-01", "amount": a, "tax_category": "S", "tax_rate": 0}
            for n, (a, c) in enumerate(deposits)]  # fmt: skip
    finals = [{"invoice": f"f{n}", "contract": c, "issued_on": "2026-06-30", "tax_category": "S", "tax_rate": 0,
               "net_amount": a}
              for n, (a, c) in enumerate(invoices)]  # fmt: skip
    got = deduct_deposits(table(FINAL_INVOICES, finals), table(DEPOSIT_BALANCES, held))
    for contract in ("C-1", "C-2"):
        asked = sum(a for a, c in deposits if c == contract)
        billed = sum(max(a, 0) for a, c in invoices if c == contract)
        taken = got.deductions.filter(pl.col("contract") == contract)["amount"].sum() or 0
        assert taken == min(asked, billed)
    rng.shuffle(held)
    rng.shuffle(finals)
    again = deduct_deposits(table(FINAL_INVOICES, finals), table(DEPOSIT_BALANCES, held))
    assert again.deductions.equals(got.deductions)
