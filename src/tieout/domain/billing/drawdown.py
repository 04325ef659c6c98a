"""Drawing work from the balances of retainers: what is covered, what is over, what rolls over and what expires."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from tieout.domain.billing.complaints import (
    LINE,
    Check,
    complaints,
    in_order,
    missing,
    not_negative,
    sound,
)
from tieout.domain.billing.retainers import retainer_fees, retainer_periods
from tieout.domain.frames import (
    BILLING_FINDINGS,
    RETAINER_DRAWS,
    RETAINER_PERIODS,
    RETAINER_SPLIT,
    RETAINER_TERMS,
    check_frame,
    empty,
    frame,
)

_ZERO = Decimal(0)
_MICRO = Decimal("0.000001")
_LONGEST = timedelta(days=366)
"""Longer than any period: a change later in the running one moves its end."""
_Row = Mapping[str, Any]


@dataclass(frozen=True)
class Drawn:
    """`split`: each draw once, covered and over (RETAINER_SPLIT); `periods`: the roll-forward (RETAINER_PERIODS).

    opening + fee − drawn − expired = closing, which is the next opening. `findings` name draws that no period holds
    and lines whose terms are refused: their draws are in neither frame.
    """

    split: pl.DataFrame
    periods: pl.DataFrame
    findings: pl.DataFrame


def draw_retainers(terms: pl.DataFrame, draws: pl.DataFrame, *, through: date) -> Drawn:
    """Draw work (RETAINER_DRAWS, valued at the drawdown's card) from retainers (RETAINER_TERMS), as of `through`.

    Per line, in order of day and draw: the oldest fee first, which also expires first. What is drawn beyond the
    balance of its period is over: due on the period's last day, billed or held as `overage` says; the draw that
    crosses is split exactly by value, quantity in proportion. At the end of a period a fee expires that `rollover`
    does not carry (none: its own period; periods: so many more; all: until the line ends), then the oldest part above
    `rollover_cap`; on the last day of the line all that is left. What expires is earned (domain rules §3). The terms of
    a period are those of its first active day. An availability retainer covers all work and has no balance; a security
    retainer covers none, its balance stands until `deduct_deposits` applies it.
    """
    check_frame("retainer terms", terms, RETAINER_TERMS)
    check_frame("retainer draws", draws, RETAINER_DRAWS)
    if terms.is_empty():
        return Drawn(empty(RETAINER_SPLIT), empty(RETAINER_PERIODS), empty(BILLING_FINDINGS))
    ahead = min(through, date.max - _LONGEST) + _LONGEST
    fees = retainer_fees(terms.with_columns(pl.lit("advance").alias("timing")), through=ahead)
    good = sound(terms, fees.findings)
    periods = retainer_periods(fees.charges, good).filter(pl.col("active_from") <= through)
    mine = draws.join(good.select(LINE).unique(), on=LINE, how="semi")
    bad = _judge(mine)
    fit = mine.join(bad, left_on="draw", right_on="record", how="anti").filter(pl.col("day") <= through)
    homed = fit.join(periods.select(*LINE, "whole_start", "whole_end"), on=LINE).filter(
        pl.col("day").is_between("whole_start", "whole_end")
    )
    outside = Check("outside-contract", "work drawn from a retainer lies in one of its periods", pl.lit(True),
                    pl.format("worked on {}", "day"))  # fmt: skip
    lost = complaints(fit.join(homed, on="draw", how="anti"), [outside], record=pl.col("draw"), day="day")
    split, rolled = _walk(periods, homed, through)
    drawn = Drawn(split, rolled, in_order(pl.concat([fees.findings, bad, lost])))
    _check_conservation(homed, drawn)
    return drawn


def _judge(draws: pl.DataFrame) -> pl.DataFrame:
    checks = [
        not_negative("implausible-quantity", "quantity", "hours"),
        not_negative("implausible-quantity", "amount", "value"), missing("invalid-payload", "day", "date"),
        missing("missing-rate", "amount", "value"), missing("implausible-quantity", "quantity", "hours"),
    ]  # fmt: skip
    return complaints(draws, checks, record=pl.col("draw"), day="day")


@dataclass
class _Fee:
    """What is left of one period's fee, and the number of the last period that may draw it (None: every one)."""

    left: Decimal
    last: int | None


def _walk(periods: pl.DataFrame, draws: pl.DataFrame, through: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    waiting: dict[tuple[Any, ...], list[_Row]] = {}
    for row in draws.sort(*LINE, "day", "draw").iter_rows(named=True):
        waiting.setdefault((row["contract"], row["line"], row["whole_start"]), []).append(row)
    split: list[dict[str, Any]] = []
    rolled: list[dict[str, Any]] = []
    fees: list[_Fee] = []
    number, line = 0, None
    for period in periods.sort(*LINE, "whole_start").iter_rows(named=True):
        key = (period["contract"], period["line"])
        fees, number, line = ([], 0, key) if key != line else (fees, number + 1, line)
        rows = waiting.get((*key, period["whole_start"]), [])
        opening = _left(fees)
        covered = _cover(rows, period, fees, number)
        split += covered
        if period["kind"] != "availability":
            rolled.append(_roll(period, covered, opening, fees, number, through))
    return frame(split, RETAINER_SPLIT), frame(rolled, RETAINER_PERIODS)


def _cover(draws: Sequence[_Row], period: _Row, fees: list[_Fee], number: int) -> list[dict[str, Any]]:
    """Each draw of a period as covered and over; adds the period's fee to what can be drawn."""
    if period["kind"] == "availability":
        return [_split(draw, period, draw["amount"]) for draw in draws]
    fees.append(_Fee(period["amount"], _last_period(period, number)))
    if period["kind"] == "security":
        return [_split(draw, period, _ZERO) for draw in draws]
    return [_split(draw, period, _take(draw["amount"], fees)) for draw in draws]


def _last_period(period: _Row, number: int) -> int | None:
    """The number of the last period that may draw the fee of this one."""
    if period["kind"] == "security" or period["rollover"] == "all":
        return None
    return number + (period["rollover_periods"] if period["rollover"] == "periods" else 0)


def _take(amount: Decimal, fees: list[_Fee]) -> Decimal:
    """Draw up to the amount from the fees, those that expire first before others; what was drawn."""
    drawn = _ZERO
    for fee in sorted(fees, key=lambda fee: (fee.last is None, fee.last or 0)):
        part = min(fee.left, amount - drawn)
        fee.left -= part
        drawn += part
    return drawn


def _split(draw: _Row, period: _Row, covered: Decimal) -> dict[str, Any]:
    quantity = draw["quantity"]
    if covered != draw["amount"]:
        with localcontext(prec=60):
            quantity = (quantity * covered / draw["amount"]).quantize(_MICRO, rounding=ROUND_HALF_UP)
    return {
        "draw": draw["draw"], "contract": draw["contract"], "line": draw["line"], "period_start": period["active_from"],
        "covered_quantity": quantity, "covered_amount": covered, "over_quantity": draw["quantity"] - quantity,
        "over_amount": draw["amount"] - covered, "due_on": period["active_to"],
        "overage": "bill" if period["kind"] == "security" else period["overage"],
    }  # fmt: skip


def _roll(
    period: _Row, covered: Sequence[_Row], opening: Decimal, fees: list[_Fee], number: int, through: date
) -> dict[str, Any]:
    """The period's row of the roll-forward; where it has ended, what does not roll over expires."""
    before = _left(fees)
    ended = period["active_to"] <= through
    if ended and period["kind"] == "hours":
        _expire(period, fees, number)
    closing = _left(fees)
    return {
        "contract": period["contract"], "line": period["line"], "kind": period["kind"], "currency": period["currency"],
        "period_start": period["active_from"], "period_end": period["active_to"], "opening_amount": opening,
        "fee_amount": period["amount"], "drawn_amount": opening + period["amount"] - before,
        "expired_amount": before - closing, "closing_amount": closing, "ended": ended,
        "over_amount": sum((row["over_amount"] for row in covered), _ZERO),
    }  # fmt: skip


def _expire(period: _Row, fees: list[_Fee], number: int) -> None:
    if period["end"] is not None and period["active_to"] >= period["end"]:
        fees.clear()
        return
    fees[:] = [fee for fee in fees if fee.left and (fee.last is None or fee.last > number)]
    above = _left(fees) - period["rollover_cap"] if period["rollover_cap"] is not None else _ZERO
    for fee in fees:
        part = min(fee.left, max(above, _ZERO))
        fee.left -= part
        above -= part


def _left(fees: Sequence[_Fee]) -> Decimal:
    return sum((fee.left for fee in fees), _ZERO)


def _check_conservation(draws: pl.DataFrame, drawn: Drawn) -> None:
    for name in ("quantity", "amount"):
        came = draws.select(pl.col(name).sum()).item()
        went = drawn.split.select(pl.col(f"covered_{name}").sum() + pl.col(f"over_{name}").sum()).item()
        if came != went or draws.height != drawn.split.height:
            raise AssertionError(f"drawing lost {name}: in {came}, out {went}")
    moved = (
        pl.col("opening_amount") + pl.col("fee_amount") - pl.col("drawn_amount") - pl.col("expired_amount")
    )
    if not drawn.periods.filter(moved != pl.col("closing_amount")).is_empty():
        raise AssertionError("a retainer's roll-forward does not close")
