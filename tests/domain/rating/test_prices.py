"""Prices: by the day, blended, by kind of day and band, in another currency, changed after the fact."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.domain.rating.cases import (
    EARLY,
    LATE,
    MONDAY,
    D,
    amounts,
    entry,
    fx,
    kinds,
    line,
    lookups,
    rate,
    run,
    stored,
)
from tieout.domain.billing import gone_entries, reconcile_events
from tieout.domain.frames import RATES, frame
from tieout.domain.rating import as_known_at

DAILY = [rate("800", unit="day")]
TUESDAY = date(2026, 2, 3)


def trail(result: Any, key: str = "a") -> dict[str, Any]:
    rows = dict(result.events.select("entry", "trail").iter_rows())
    return dict(json.loads(rows[key]))


@pytest.mark.parametrize(
    ("worked", "days"),
    [("8", "1"), ("4", "0.5"), ("3", "0.5"), ("4.25", "1"), ("0.5", "0.5"), ("10", "1"), ("0", "0")],
)
def test_a_price_by_the_day_counts_steps_of_half_a_day_up_and_at_most_one(worked: str, days: str) -> None:
    """hours ÷ 8, up to the next half: 4.25 ÷ 8 = 0.53 -> 1; 10 ÷ 8 -> at most 1."""
    result = run([entry("a", worked)], rates=DAILY)
    assert amounts(result) == {"a": D(days) * 800}
    assert result.events["units"].to_list() == [D(days)]
    assert result.events["unit"].to_list() == ["day"]


def test_the_entries_of_a_day_share_its_price_by_hours_and_add_up() -> None:
    """3 + 3 + 3 h = 1 day at 800: 266.67 + 266.66 + 266.67 by running totals (266.67, 533.33, 800)."""
    result = run([entry(key, "3") for key in "abc"], rates=DAILY)
    assert amounts(result) == {"a": D("266.67"), "b": D("266.66"), "c": D("266.67")}
    assert result.events["units"].sum() == 1
    assert trail(result)["day"] == {
        "day_hours": "8.000000",
        "days": "1.000000",
        "hours": "9.000000",
        "step": "0.500000",
    }


def test_two_day_prices_in_one_day_stay_within_one_day() -> None:
    """6 h at 800 and 4 h at 1,000 a day: 1 day, of it 0.6 and 0.4: 480 + 400."""
    rates = [rate("800", unit="day"), rate("1000", unit="day", task="T-2")]
    result = run([entry("a", "6"), entry("b", "4", task="T-2")], rates=rates)
    assert amounts(result) == {"a": D(480), "b": D(400)}


def test_hours_times_price_times_multiplier_is_the_value_of_a_day_too() -> None:
    result = run([entry("a", "7")], line(discount=D("0.05")), rates=[rate("1234.56", unit="day")])
    row = result.events.row(0, named=True)
    value = row["billable_hours"] * row["price"] * row["multiplier"] * (1 - row["discount"])
    assert row["amount"] == D("1172.83")  # 1,234.56 × 0.95 = 1,172.832
    assert abs(value - row["amount"]) < D("0.02")


def test_a_card_says_what_a_day_is() -> None:
    """7.5 hours a day in steps of a quarter: 8 h -> 1; 2 h ÷ 7.5 = 0.27 -> 0.5 (the second quarter)."""
    rules = lookups(card_rules=[{"card": "STD", "day_hours": D("7.5"), "day_step": D("0.25")}])
    result = run([entry("a"), entry("b", "2", work_date=TUESDAY)], rates=DAILY, found=rules)
    assert amounts(result) == {"a": D(800), "b": D(400)}


def test_a_day_has_no_overtime_unless_the_card_says_so() -> None:
    """10 h, daily after 8 at 1.5: 800; with overtime by the card 1 day + 2 h × (800 ÷ 8) × 1.5 = 1,100."""
    terms = line(overtime_daily_after=D(8), overtime_multiplier=D("1.5"))
    assert amounts(run([entry("a", "10")], terms, rates=DAILY)) == {"a": D(800)}
    rules = lookups(card_rules=[{"card": "STD", "day_overtime": True}])
    assert amounts(run([entry("a", "10")], terms, rates=DAILY, found=rules)) == {"a": D(1100)}


def test_a_blended_card_prices_every_role_alike() -> None:
    rules = lookups(card_rules=[{"card": "STD", "blended": True}])
    rows = [entry("a", "1"), entry("b", "1", role="partner"), entry("c", "1", role=None)]
    assert amounts(run(rows, rates=[rate("180")], found=rules)) == {"a": D(180), "b": D(180), "c": D(180)}
    two = run(rows, rates=[rate("180"), rate("250", role="partner")], found=rules)
    assert set(kinds(two).values()) == {"ambiguous-rate"}


def test_day_type_and_band_are_the_last_attributes_asked() -> None:
    """Night 300 beats the consultant's 200; the weekend's 250 beats the band; a worksite beats both."""
    rates = [rate("200"), rate("300", band="night"), rate("250", day_type="weekend"),
             rate("275", worksite="onsite")]  # fmt: skip
    bands = lookups(bands=[{"entry": key, "band": "night"} for key in ("night", "both", "site")])
    saturday = date(2026, 2, 7)
    rows = [
        entry("plain", "1"), entry("night", "1"), entry("both", "1", work_date=saturday),
        entry("site", "1", work_date=saturday, worksite="onsite"),
    ]  # fmt: skip
    expected = {"plain": D(200), "night": D(300), "both": D(250), "site": D(275)}
    assert amounts(run(rows, rates=rates, found=bands)) == expected


def test_a_gap_between_rates_is_missing_and_not_the_rate_before() -> None:
    rates = [rate("100", effective_to=MONDAY), rate("110", effective_from=date(2026, 2, 4))]
    rows = [entry("a", "1"), entry("b", "1", work_date=TUESDAY), entry("c", "1", work_date=date(2026, 2, 4))]
    result = run(rows, rates=rates)
    assert (amounts(result), kinds(result)) == ({"a": D(100), "c": D(110)}, {"b": "missing-rate"})


def test_a_later_heard_rate_covers_only_its_dates() -> None:
    """200 all year; heard later: 240 on Tuesday alone."""
    rates = [rate("200"), rate("240", effective_from=TUESDAY, effective_to=TUESDAY, known_from=LATE)]
    rows = [entry("a", "1"), entry("b", "1", work_date=TUESDAY), entry("c", "1", work_date=date(2026, 2, 4))]
    assert amounts(run(rows, rates=rates)) == {"a": D(200), "b": D(240), "c": D(200)}


EUR = [rate("100", currency="EUR")]


def test_a_card_in_another_currency_converts_at_the_spot_of_the_entry_date() -> None:
    """8 × 100 EUR at 1.10 = 880 USD; the price in the contract's currency is 110."""
    result = run([entry("a")], rates=EUR, found=lookups(rates=[fx("EUR/USD", "1.10")]))
    assert (amounts(result), result.events["price"].to_list()) == ({"a": D(880)}, [D(110)])
    assert trail(result)["exchange"] == {
        "currency": "EUR", "day": "2026-02-02", "inverse": False, "price": "100.000000", "rate": "1.1000000000",
        "type": "spot",
    }  # fmt: skip


def test_the_contracts_own_rate_comes_before_the_spot_and_does_not_age() -> None:
    """1.25 agreed in a contract a year ago: 8 × 100 × 1.25 = 1,000. A line that names `spot` takes 1.10."""
    known = lookups(rates=[fx("EUR/USD", "1.10"), fx("EUR/USD", "1.25", date(2025, 1, 1), "contract")])
    assert amounts(run([entry("a")], rates=EUR, found=known)) == {"a": D(1000)}
    spot = line(exchange_rate_type="spot")
    assert amounts(run([entry("a")], spot, rates=EUR, found=known)) == {"a": D(880)}


def test_a_pair_quoted_the_other_way_round_is_divided_by_and_rounded_once() -> None:
    """7 × 100 EUR ÷ 0.9 EUR per USD = 777.777… -> 777.78."""
    result = run([entry("a", "7")], rates=EUR, found=lookups(rates=[fx("USD/EUR", "0.9")]))
    assert amounts(result) == {"a": D("777.78")}


@pytest.mark.parametrize(
    ("days_old", "expected"), [(0, {"a": D(880)}), (31, {"a": D(880)}), (32, {}), (-1, {})]
)
def test_a_spot_rate_is_at_most_31_days_old_and_never_of_the_future(
    days_old: int, expected: dict[str, Decimal]
) -> None:
    day = date.fromordinal(MONDAY.toordinal() - days_old)
    result = run([entry("a")], rates=EUR, found=lookups(rates=[fx("EUR/USD", "1.10", day)]))
    assert amounts(result) == expected
    assert kinds(result) == ({} if expected else {"a": "missing-fx"})


def test_of_two_rates_of_a_day_the_one_heard_last_stands_and_two_heard_together_are_none() -> None:
    later = lookups(rates=[fx("EUR/USD", "1.10"), fx("EUR/USD", "1.20", known=LATE)])
    assert amounts(run([entry("a")], rates=EUR, found=later)) == {"a": D(960)}
    both = lookups(rates=[fx("EUR/USD", "1.10"), fx("EUR/USD", "1.20")])
    assert kinds(run([entry("a")], rates=EUR, found=both)) == {"a": "missing-fx"}


def test_a_day_price_in_another_currency_converts_the_day() -> None:
    """1 day of 800 EUR at 1.10 = 880 over 3 + 5 h: 330 + 550."""
    result = run([entry("a", "3"), entry("b", "5")], rates=[rate("800", unit="day", currency="EUR")],
                 found=lookups(rates=[fx("EUR/USD", "1.10")]))  # fmt: skip
    assert amounts(result) == {"a": D(330), "b": D(550)}


def test_a_retroactive_rate_is_a_proposed_true_up_for_what_is_billed_and_never_a_silent_change() -> None:
    """8 h billed at 200 = 1,600; 210 heard later: true-up 80, nothing new, nothing set back. Unbilled is re-rated."""
    first = run([entry("billed"), entry("open")])
    live = stored(first.events, True, {"billed"})
    again = run([entry("billed"), entry("open")], rates=[rate("200"), rate("210", known_from=LATE)])
    changes = reconcile_events(again.events, live, gone_entries(again))
    assert changes.true_ups.select("kind", "entry", "amount").rows() == [
        ("true-up-proposed", "billed", D(80))
    ]
    assert changes.new.select("entry", "amount").rows() == [("open", D(1680))]
    assert changes.set_back.select("entry", "amount").rows() == [("open", D(1600))]
    assert changes.reversals.is_empty()


def test_a_retroactive_exchange_rate_is_a_proposed_true_up_too() -> None:
    """8 × 100 EUR billed at 1.10 = 880; 1.20 heard later = 960: true-up 80."""
    first = run([entry("billed")], rates=EUR, found=lookups(rates=[fx("EUR/USD", "1.10")]))
    live = stored(first.events, True, {"billed"})
    known = lookups(rates=[fx("EUR/USD", "1.10"), fx("EUR/USD", "1.20", known=LATE)])
    again = run([entry("billed")], rates=EUR, found=known)
    changes = reconcile_events(again.events, live, gone_entries(again))
    assert changes.true_ups["amount"].to_list() == [D(80)]


def test_a_price_that_disappears_keeps_what_was_rated() -> None:
    first = run([entry("a")], rates=EUR, found=lookups(rates=[fx("EUR/USD", "1.10", known=EARLY)]))
    gone = run([entry("a")], rates=EUR)
    changes = reconcile_events(gone.events, stored(first.events, False), gone_entries(gone))
    assert [df.height for df in vars(changes).values()] == [0, 0, 0, 0, 0]


def test_as_known_before_a_rate_was_heard_the_price_is_the_one_of_then() -> None:
    rates = frame([rate("200"), rate("210", known_from=LATE)], RATES)
    for moment, price in ((LATE, 210), (LATE - timedelta(microseconds=1), 200)):
        known = as_known_at(rates, moment).to_dicts()
        assert amounts(run([entry("a", "1")], rates=known)) == {"a": D(price)}
