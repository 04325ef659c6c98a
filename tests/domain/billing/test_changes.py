"""Corrections, withdrawals and re-pricing against what is stored; run again on its own output changes nothing."""

import random
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from tieout.domain.billing import Changes, gone_entries, reconcile_events
from tieout.domain.frames import GONE, LIVE_EVENTS, RATED, SET_ASIDE, frame
from tieout.domain.rating import RatingResult

D = Decimal


def rated(
    entry: str = "e", version: int = 1, hours: str = "10", price: str = "200", **change: Any
) -> dict[str, Any]:
    row = {
        "entry": entry, "version": version, "contract": "C-1", "line": "1", "project": "P", "worker": "W",
        "role": "R", "work_date": date(2026, 1, 5), "worked_hours": D(hours), "billable_hours": D(hours),
        "price": D(price), "multiplier": D(1), "discount": D(0), "amount": D(hours) * D(price), "currency": "USD",
        "card": "STD", "trail": "{}",
    }  # fmt: skip
    return row | change


class Books:
    """The stored events as a plain model: applies Changes the way the flow must."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def run(self, now: list[dict[str, Any]], gone: list[dict[str, Any]] | None = None) -> Changes:
        absent = frame(gone or [], GONE)
        changes = reconcile_events(frame(now, RATED), frame(self.rows, LIVE_EVENTS), absent)
        for row in changes.set_back.iter_rows(named=True):
            self._of(row["event"])["reversed_quantity"] += row["quantity"]
            self._of(row["event"])["reversed_amount"] += row["amount"]
        for row in changes.relinked.iter_rows(named=True):
            self._of(row["event"])["version"] = row["version"]
        for row in changes.reversals.iter_rows(named=True):
            self._add({**self._of(row["reverses"]), **row, "kind": "reversal"})
        for row in changes.new.iter_rows(named=True):
            self._add({**row, "kind": "time", "quantity": row["billable_hours"]})
        return changes

    def _of(self, event: str) -> dict[str, Any]:
        return next(row for row in self.rows if row["event"] == event)

    def _add(self, row: dict[str, Any]) -> None:
        zero = {c: D(0) for c in LIVE_EVENTS if c.startswith(("billed_", "credited_", "reversed_"))}
        self.rows.append({**row, **zero, "event": f"ev{len(self.rows)}"})

    def bill(self, share: str = "1") -> None:
        for row in self.rows:
            for measure in ("quantity", "amount"):
                unbilled = row[measure] - row[f"billed_{measure}"] + row[f"credited_{measure}"] - row[
                    f"reversed_{measure}"]  # fmt: skip
                row[f"billed_{measure}"] += unbilled * D(share)

    def value(self) -> Decimal:
        return sum((row["amount"] - row["reversed_amount"] for row in self.rows), D(0))

    def hours(self) -> Decimal:
        return sum((row["quantity"] - row["reversed_quantity"] for row in self.rows), D(0))


def quiet(changes: Changes) -> bool:
    return all(df.is_empty() for df in (changes.new, changes.set_back, changes.reversals, changes.relinked))


def test_running_again_on_its_own_output_changes_nothing() -> None:
    books = Books()
    assert books.run([rated()]).new.height == 1
    assert quiet(books.run([rated()]))


def test_a_correction_before_billing_sets_the_old_event_back_and_rates_the_new() -> None:
    books = Books()
    books.run([rated()])
    changes = books.run([rated(version=2, hours="8")])
    assert changes.set_back["amount"].to_list() == [D(2000)]
    assert changes.new["amount"].to_list() == [D(1600)]
    assert changes.reversals.is_empty()
    assert (books.value(), quiet(books.run([rated(version=2, hours="8")]))) == (D(1600), True)


def test_a_correction_after_billing_reverses_exactly_what_was_billed() -> None:
    """Billed 2,000 of 10 h, corrected to 8 h: −2,000 and +1,600, so the next invoice carries −400."""
    books = Books()
    books.run([rated()])
    books.bill()
    changes = books.run([rated(version=2, hours="8")])
    assert changes.set_back.is_empty()
    assert changes.reversals["amount"].to_list() == [D(-2000)]
    assert changes.new["amount"].to_list() == [D(1600)]
    books.bill()
    assert quiet(books.run([rated(version=2, hours="8")]))
    assert books.value() == D(1600)


def test_a_withdrawal_is_a_correction_to_zero() -> None:
    books = Books()
    books.run([rated()])
    books.bill("0.25")
    gone = [{"entry": "e", "version": 2, "effect": "reverse"}]
    changes = books.run([], gone)
    assert changes.set_back["amount"].to_list() == [D(1500)]
    assert changes.reversals["amount"].to_list() == [D(-500)]
    assert books.value() == 0
    assert quiet(books.run([], gone))


def test_a_new_version_of_the_same_value_only_moves_the_link() -> None:
    books = Books()
    books.run([rated()])
    changes = books.run([rated(version=2)])
    assert changes.relinked["version"].to_list() == [2]
    assert changes.new.is_empty()
    assert quiet(books.run([rated(version=2)]))


def test_a_retroactive_price_re_rates_the_unbilled_and_proposes_the_rest() -> None:
    """10 h at 200, half billed; price becomes 210: 5 h set back and rated 1,050; true-up 5 × 10 = 50."""
    books = Books()
    books.run([rated()])
    books.bill("0.5")
    changes = books.run([rated(price="210")])
    assert changes.set_back["amount"].to_list() == [D(1000)]
    assert changes.new.select("billable_hours", "amount").rows() == [(D(5), D(1050))]
    assert changes.reversals.is_empty()
    assert changes.true_ups.select("kind", "entry", "amount").rows() == [("true-up-proposed", "e", D(50))]
    again = books.run([rated(price="210")])
    assert quiet(again)
    assert again.true_ups["amount"].to_list() == [D(50)]


def test_a_rule_that_now_keeps_an_entry_out_never_reverses_what_is_billed() -> None:
    books = Books()
    books.run([rated()])
    books.bill("0.5")
    gone = [{"entry": "e", "version": 1, "effect": "set_back"}]
    changes = books.run([], gone)
    assert changes.set_back["amount"].to_list() == [D(1000)]
    assert changes.reversals.is_empty()
    assert changes.true_ups["amount"].to_list() == [D(-1000)]
    assert quiet(books.run([], gone))


def test_a_task_closed_after_the_work_was_rated_changes_nothing() -> None:
    books = Books()
    books.run([rated()])
    assert quiet(books.run([], [{"entry": "e", "version": 1, "effect": "keep"}]))


def test_a_correction_that_cannot_be_rated_still_reverses_the_earlier_version() -> None:
    books = Books()
    books.run([rated()])
    books.bill()
    changes = books.run([], [{"entry": "e", "version": 2, "effect": "keep"}])
    assert changes.reversals["amount"].to_list() == [D(-2000)]


def test_what_the_source_took_back_is_reversed_and_what_a_rule_refuses_is_set_back_or_kept() -> None:
    def aside(reason: str) -> pl.DataFrame:
        return frame([{"entry": reason, "version": 1, "reason": reason}], SET_ASIDE)

    none = frame([], SET_ASIDE)
    result = RatingResult(
        frame([], RATED), none, aside("not approved: submitted"), none, aside("withdrawn"),
        pl.concat([aside("closed-task"), aside("outside-contract")]),
    )  # fmt: skip
    assert dict(gone_entries(result).select("entry", "effect").iter_rows()) == {
        "not approved: submitted": "reverse", "withdrawn": "reverse", "closed-task": "keep",
        "outside-contract": "set_back"}  # fmt: skip


def test_an_entry_that_moves_to_another_contract_is_reversed_there_and_rated_here() -> None:
    books = Books()
    books.run([rated()])
    books.bill()
    changes = books.run([rated(version=2, contract="C-2")])
    assert changes.reversals["amount"].to_list() == [D(-2000)]
    assert changes.new["contract"].to_list() == ["C-2"]


@pytest.mark.parametrize("seed", range(15))
def test_in_any_order_of_correction_and_billing_the_books_hold_the_last_version(seed: int) -> None:
    rng = random.Random(seed)
    books, now = Books(), [rated(f"e{i}") for i in range(5)]
    for step in range(8):
        i = rng.randrange(5)
        now[i] = rated(f"e{i}", step + 2, str(rng.randint(1, 12)), str(rng.choice([150, 200])))
        books.run(now)
        if rng.random() < 0.5:
            books.bill(rng.choice(["1", "0.5"]))
        assert books.value() == sum(row["amount"] for row in now)
        assert books.hours() == sum(row["billable_hours"] for row in now)
        assert quiet(books.run(now))
