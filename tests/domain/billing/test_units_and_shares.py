"""Units at a price, retention and its release, split billing over payers; domain rules §1, §2.12, §3."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.billing.rows import FOREVER, Ledger, amounts, day, due, few, kinds, table
from tieout.domain.billing import (
    Charged,
    Withheld,
    adjust_charges,
    over_open_shares,
    release_charges,
    retained_by_line,
    share_over_payers,
    unit_charges,
    withhold,
    withhold_waiting,
)
from tieout.domain.frames import (
    DELIVERIES,
    PAYER_PARTS,
    PAYER_SHARES,
    RETAINABLE,
    RETAINED_LINES,
    RETENTION_EVENTS,
    RETENTION_HELD,
    RETENTION_TERMS,
    SHAREABLE,
    UNIT_PRICES,
)
from tieout.model.money import allocate, round_to_minor

D = Decimal


# --- units ------------------------------------------------------------------------------------------------------


def units(*deliveries: dict[str, Any], through: str = "2026-12-31", **price: Any) -> Charged:
    rows = [
        {"delivery": f"d{n}", "day": "2026-02-01", "quantity": 1} | row for n, row in enumerate(deliveries)
    ]
    base = {"effective_from": "2026-01-01", "price": 10, "unit": "day"}
    return unit_charges(table(DELIVERIES, rows), table(UNIT_PRICES, [base | price]), through=day(through))


def test_units_are_billed_when_delivered_at_the_price_of_the_day_rounded_once() -> None:
    """2.5 days at 1,200 = 3,000; 3 at 0.333333 = 0.999999, rounds to 1.00."""
    assert due(units({"quantity": "2.5"}, price=1200).charges) == [("2026-02-01", 3000)]
    assert amounts(units({"quantity": 3}, price="0.333333").charges) == [D("1.00")]
    assert units({}, through="2026-01-31").charges.is_empty()


def test_a_price_that_changes_holds_from_its_day() -> None:
    prices = table(UNIT_PRICES, [{"effective_from": "2026-01-01", "effective_to": "2026-01-31", "price": 10},
                                 {"effective_from": "2026-02-01", "price": 12}])  # fmt: skip
    rows = table(DELIVERIES, [{"delivery": d, "day": d, "quantity": 1} for d in ("2026-01-31", "2026-02-01")])
    assert due(unit_charges(rows, prices, through=FOREVER).charges) == [
        ("2026-01-31", 10),
        ("2026-02-01", 12),
    ]


def test_a_corrected_delivery_after_billing_is_an_adjustment() -> None:
    ledger = Ledger()
    ledger.apply(adjust_charges(units({"quantity": 5}).charges, ledger.held()))
    ledger.bill()
    ledger.apply(adjust_charges(units({"quantity": 3}).charges, ledger.held()))
    assert ledger.bill() == [-20]


@pytest.mark.parametrize(
    ("delivery", "price", "kind"),
    [
        ({"quantity": -1}, {}, "implausible-quantity"), ({"day": "2025-12-31"}, {}, "missing-rate"),
        ({"day": "2025-12-31"}, {"start": "2026-01-01"}, "outside-contract"), ({"line": "9"}, {}, "unknown-reference"),
        ({"day": "2026-03-01"}, {"end": "2026-02-28"}, "outside-contract"), ({}, {"price": -1}, "invalid-contract"),
        ({"day": "2026-03-01"}, {"effective_to": "2026-02-28"}, "missing-rate"), ({"quantity": None}, {},
         "implausible-quantity"), ({}, {"currency": "US?"}, "unknown-currency"),
        ({"quantity": "99999999999"}, {"price": "99999999"}, "invalid-contract"),
    ],
)  # fmt: skip
def test_a_bad_delivery_or_price_is_named(delivery: dict[str, Any], price: dict[str, Any], kind: str) -> None:
    got = units(delivery, **price)
    assert kinds(got.findings) == [kind]
    assert got.charges.is_empty()


@few
@given(st.lists(st.tuples(st.integers(1, 28), st.integers(0, 10**7)), max_size=12), st.integers(1, 28),
       st.sampled_from(["USD", "JPY", "KWD"]), st.randoms(use_true_random=False))  # fmt: skip
def test_each_delivery_is_rounded_by_itself_in_any_order_and_run(
    facts: list[tuple[int, int]], cut: int, currency: str, rng: random.Random
) -> None:
    rows = [{"delivery": f"d{n:02}", "day": f"2026-02-{d:02}", "quantity": D(q).scaleb(-3)}
            for n, (d, q) in enumerate(facts)]  # fmt: skip
    prices = table(UNIT_PRICES, [{"effective_from": "2026-01-01", "price": "1.2345", "currency": currency}])
    whole = unit_charges(table(DELIVERIES, rows), prices, through=FOREVER).charges
    assert sorted(amounts(whole)) == sorted(
        round_to_minor(r["quantity"] * D("1.2345"), currency) for r in rows
    )
    rng.shuffle(rows)
    first = unit_charges(table(DELIVERIES, rows), prices, through=day(f"2026-02-{cut:02}")).charges
    assert first.equals(whole.filter(pl.col("due_on") <= day(f"2026-02-{cut:02}")))


# --- retention --------------------------------------------------------------------------------------------------


def kept(invoice: dict[str, Any], accepted: str | None = None, **terms: Any) -> Withheld:
    base = {"share": "0.10", "tax_deferred": False, "release": "time", "release_on": "2026-12-31"}
    zero = {
        "invoice": "INV-1",
        "net_amount": 1000,
        "tax_amount": 200,
        "credited_net_amount": 0,
        "credited_tax_amount": 0,
    }
    events = [] if accepted is None else [{"milestone": "M9", "day": accepted}]
    return withhold(table(RETAINABLE, [zero | invoice]), table(RETENTION_TERMS, [base | terms]),
                    table(RETENTION_EVENTS, events), as_of=day("2026-06-30"))  # fmt: skip


def test_retention_is_a_share_of_the_net_and_the_tax_is_due_in_full() -> None:
    """10 % of 1,000 is kept; payable 1,000 + 200 − 100 = 1,100."""
    got = kept({}).retained
    assert got.select("retained_amount", "deferred_tax_amount", "payable_amount", "account").rows() == [
        (100, 0, 1100, "retention_receivable")]  # fmt: skip


def test_a_country_that_defers_the_tax_keeps_its_share_back_too() -> None:
    """10 % of 200 tax waits: 1,200 − 100 − 20 = 1,080."""
    assert kept({}, tax_deferred=True).retained.select("deferred_tax_amount", "payable_amount").rows() == [
        (20, 1080)
    ]


def test_retention_that_hangs_on_acceptance_is_a_contract_asset_until_then() -> None:
    terms = {"release": "milestone", "milestone": "M9", "release_on": None}
    assert kept({}, **terms).retained.select("account", "release_on").rows() == [("contract_asset", None)]
    assert kept({}, accepted="2026-05-05", **terms).retained.select("account", "release_on").rows() == [
        ("retention_receivable", day("2026-05-05"))]  # fmt: skip
    assert kept({}, accepted="2026-07-01", **terms).retained["account"].to_list() == ["contract_asset"]


def test_a_credit_takes_its_part_of_the_retention_with_it() -> None:
    """Of 333.33 net 33.33 are kept; with 111.11 credited 10 % of 222.22 = 22.22."""
    assert kept({"net_amount": "333.33"}).retained["retained_amount"].to_list() == [D("33.33")]
    credited = {"net_amount": "333.33", "credited_net_amount": "111.11"}
    assert kept(credited).retained["retained_amount"].to_list() == [D("22.22")]


def test_what_waits_for_an_invoice_is_kept_back_until_the_day_of_acceptance() -> None:
    """12.5 % of 1,000.60 is 125.08; of what is billed ahead, from 5 May on, and where only time releases, nothing."""
    rows = [("2026-05-04", "1000.60"), ("2026-05-04", "-50"), ("2026-05-05", "1000.60")]
    schema = {"contract": pl.String, "currency": pl.String, "day": pl.Date, "open_amount": pl.Decimal(20, 4)}
    waiting = pl.DataFrame([("C-1", "USD", day(on), D(amount)) for on, amount in rows], schema, orient="row")
    events = table(RETENTION_EVENTS, [{"milestone": "M9", "day": "2026-05-05"}])
    for release, milestone, expected in (("milestone", "M9", [D("125.08"), 0, 0]), ("time", None, [0, 0, 0])):
        row = {"share": "0.125", "tax_deferred": False, "release": release, "milestone": milestone}
        got = withhold_waiting(
            waiting,
            table(RETENTION_TERMS, [row]),
            events.with_columns(contract=pl.lit("C-1")),
            as_of=day("2026-06-30"),
        )
        assert got["withheld_amount"].to_list() == expected


@pytest.mark.parametrize(
    "terms", [{"share": "1.5"}, {"share": None}, {"release": "soon"}, {"release": "milestone"}]
)
def test_bad_retention_terms_are_named_and_withhold_nothing(terms: dict[str, Any]) -> None:
    got = kept({}, **terms)
    assert kinds(got.findings) == ["invalid-contract"]
    assert got.retained.select("retained_amount", "payable_amount").rows() == [(0, 1200)]


def test_what_is_withheld_is_shared_over_the_lines_of_the_invoice() -> None:
    """100.00 over nets of 1, 1, 1 and a credit line: 33.34, 33.33, 33.33, 0."""
    lines = table(RETAINED_LINES, [{"invoice": "INV-1", "line": n, "net_amount": a}
                                   for n, a in (("1", 400), ("2", 400), ("3", 400), ("4", -200))])  # fmt: skip
    held = retained_by_line(kept({}).retained, lines)
    assert amounts(held.rename({"retained_amount": "amount"})) == [D("33.34"), D("33.33"), D("33.33"), 0]
    assert release_charges(held, through=day("2026-12-31"))["amount"].sum() == 100


def test_a_release_is_asked_for_on_its_day_once_and_less_what_is_credited_later() -> None:
    def released(retained: int, through: str) -> pl.DataFrame:
        row = {"invoice": "INV-1", "retained_amount": retained, "release_on": "2026-09-30"}
        return release_charges(table(RETENTION_HELD, [row]), through=day(through))

    ledger = Ledger()
    assert released(100, "2026-09-29").is_empty()
    for retained, billed in ((100, [100]), (100, []), (80, [-100, 80])):
        ledger.apply(adjust_charges(released(retained, "2026-10-31"), ledger.held()))
        assert sorted(ledger.bill()) == billed


# --- split billing ----------------------------------------------------------------------------------------------


def test_each_event_is_shared_over_the_payers_and_adds_up() -> None:
    """100.01 for 3 h at 70/30: 70.007 and 30.003 are 70.01 and 30.00; 2.1 h and 0.9 h."""
    events = table(SHAREABLE, [{"event": "e1", "customer": "ACME", "quantity": 3, "amount": "100.01"},
                               {"event": "e2", "contract": "C-2", "customer": "SOLO", "quantity": 1, "amount": 5}])  # fmt: skip
    payers = table(PAYER_SHARES, [{"payer": "BETA", "position": 2, "share": "0.3"},
                                  {"payer": "ACME", "position": 1, "share": "0.7"}])  # fmt: skip
    got = share_over_payers(events, payers)
    assert got.parts.select("event", "payer", "quantity", "amount").rows() == [
        ("e1", "ACME", D("2.1"), D("70.01")), ("e1", "BETA", D("0.9"), D("30.00")), ("e2", "SOLO", 1, 5)]  # fmt: skip


def test_a_reversal_is_shared_as_its_original() -> None:
    payers = table(
        PAYER_SHARES, [{"payer": p, "position": n, "share": "0.333333"} for n, p in enumerate("abc")]
    )
    rows = [
        {"event": "e", "quantity": 1, "amount": "100.00"},
        {"event": "r", "quantity": -1, "amount": "-100.00"},
    ]
    parts = share_over_payers(table(SHAREABLE, rows), payers).parts
    assert parts.filter(pl.col("event") == "e")["amount"].to_list() == [D("33.34"), D("33.33"), D("33.33")]
    assert parts.filter(pl.col("event") == "e")["quantity"].to_list() == [
        D("0.333334"),
        D("0.333333"),
        D("0.333333"),
    ]
    assert parts.group_by("payer").agg(pl.col("amount").sum())["amount"].unique().to_list() == [0]


@pytest.mark.parametrize(
    "payers",
    [[("A", 1, "0.5")], [("A", 1, "0.5"), ("A", 2, "0.5")], [("A", 1, "1.5"), ("B", 2, "-0.5")],
     [("A", 1, "0.5"), ("B", 1, "0.5")], [("A", 1, "0.5"), ("B", 2, "0.49")]],
)  # fmt: skip
def test_a_split_that_is_wrong_keeps_its_events_waiting(payers: list[tuple[str, int, str]]) -> None:
    rows = [{"payer": p, "position": n, "share": s} for p, n, s in payers]
    events = table(SHAREABLE, [{"event": "e", "customer": "A", "quantity": 1, "amount": 1},
                               {"event": "f", "contract": "C-2", "customer": "B", "quantity": 1, "amount": 2}])  # fmt: skip
    got = share_over_payers(events, table(PAYER_SHARES, rows))
    assert kinds(got.findings) == ["invalid-contract"]
    assert (got.waiting["event"].to_list(), got.parts["event"].to_list()) == (["e"], ["f"])


@few
@given(
    st.lists(st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 10**8)), min_size=1, max_size=8),
    st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(["USD", "JPY", "KWD"]),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_parts_of_every_event_add_up_and_do_not_depend_on_what_is_billed_beside_it(
    facts: list[tuple[int, int]], weights: list[int], currency: str, rng: random.Random
) -> None:
    total, run = D(sum(weights)), D(0)
    shares = []
    for n, weight in enumerate(weights):
        before, run = round(run / total, 6), run + weight
        shares.append({"payer": f"P{n}", "position": n, "share": round(run / total, 6) - before})
    rows: list[dict[str, Any]] = [
        {
            "event": f"e{n}",
            "quantity": D(q).scaleb(-6),
            "amount": round_to_minor(D(a), currency),
            "currency": currency,
        }
        for n, (a, q) in enumerate(facts)
    ]
    payers = table(PAYER_SHARES, shares)
    whole = share_over_payers(table(SHAREABLE, rows), payers).parts
    for row in rows:
        mine = whole.filter(pl.col("event") == row["event"])
        assert amounts(mine) == allocate(row["amount"], [s["share"] for s in shares], currency)
        assert mine["quantity"].sum() == row["quantity"]
    rng.shuffle(rows)
    rng.shuffle(shares)
    some = table(SHAREABLE, rows[: len(rows) // 2 + 1])
    again = share_over_payers(some, table(PAYER_SHARES, shares)).parts
    assert again.equals(whole.join(some.select("event"), on="event", how="semi"))


def open_shares(*shares: tuple[str, str, str], event: str = "e") -> pl.DataFrame:
    """(payer, quantity, amount) in the order of the split."""
    rows = [
        {"event": event, "payer": payer, "position": place, "quantity": quantity, "amount": amount}
        for place, (payer, quantity, amount) in enumerate(shares, 1)
    ]
    return table(PAYER_PARTS, rows)


def part(quantity: str, amount: str) -> pl.DataFrame:
    return table(SHAREABLE, [{"event": "e", "customer": "A", "quantity": quantity, "amount": amount}])


def test_a_part_of_an_event_goes_by_what_is_open_of_each_share() -> None:
    """100 at 70/30 of which A was billed 70: the 30 that are left are B's; 10 of 100 are 7 and 3."""
    assert amounts(over_open_shares(part("3", "30"), open_shares(("A", "0", "0"), ("B", "3", "30")))) == [30]
    got = over_open_shares(part("1", "10"), open_shares(("A", "7", "70"), ("B", "3", "30")))
    assert got.select("payer", "quantity", "amount").rows() == [("A", D("0.7"), 7), ("B", D("0.3"), 3)]


def test_more_than_is_open_of_the_shares_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="leave open"):
        over_open_shares(part("1", "101"), open_shares(("A", "1", "70"), ("B", "1", "30")))
    with pytest.raises(AssertionError, match="leave open"):
        over_open_shares(part("1", "1"), open_shares(("A", "1", "1"), event="other"))


@few
@given(
    st.integers(1, 10**6), st.lists(st.integers(1, 97), min_size=1, max_size=4),
    st.lists(st.tuples(st.booleans(), st.integers(1, 100)), max_size=12), st.sampled_from([1, -1]),
)  # fmt: skip
def test_in_any_order_of_bill_and_credit_each_payer_ends_with_exactly_its_share(
    cents: int, weights: list[int], steps: list[tuple[bool, int]], sign: int
) -> None:
    """Bill a percentage of what is open, or credit one payer a percentage of what it was billed; then bill the rest."""
    whole = allocate(D(cents).scaleb(-2), [D(one) for one in weights], "USD")
    billed = [D(0)] * len(whole)
    for is_bill, percent in [*steps, (True, 100)]:
        if not is_bill:
            place = percent % len(whole)
            billed[place] -= round_to_minor(billed[place] * percent / 100, "USD")
            continue
        left = [one - got for one, got in zip(whole, billed, strict=True)]
        now = round_to_minor(sum(left, D(0)) * percent / 100, "USD")
        shares = [(str(n), str(sign * one), str(sign * one)) for n, one in enumerate(left)]
        got = over_open_shares(part(str(sign * now), str(sign * now)), open_shares(*shares))
        assert got["amount"].sum() == sign * now == got["quantity"].sum()
        for payer, share in got.select("payer", "amount").iter_rows():
            billed[int(payer)] += sign * share
            assert D(0) <= billed[int(payer)] <= whole[int(payer)]
    assert billed == whole
