"""When the two clocks stop, and what the firm's people do here at each stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Literal
from zoneinfo import ZoneInfo

from tieout.demo.order import Scale
from tieout.sandbox.firm.generation import stops

ZONE = ZoneInfo("America/New_York")
OPENING = datetime(2025, 12, 1, 9, 0, tzinfo=ZONE)
"""When Tieout starts to work for the firm: the day on which its systems begin."""

# From these days on: the new prices are known, a customer asks for a credit, refused records were put right.
NEW_PRICES = date(2026, 3, 13)
ASKED_ON, MENDED_ON = date(2026, 2, 12), date(2026, 2, 20)
COMPLETED_BY, ALL_BILLED = date(2026, 1, 14), date(2026, 4, 8)
Deed = Literal["import prices", "answer requests", "replay"]


@dataclass(frozen=True)
class Stop:
    """A moment at which both sides catch up. `bill_through`: a billing run is made; `deeds`: what else is done."""

    moment: datetime
    phase: str
    bill_through: date | None = None
    deeds: tuple[Deed, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in the progress file."""
        return self.moment.isoformat()


def script(size: Scale) -> list[Stop]:
    """The firm's own stops, and days between them on which mess must be seen before it is put right."""
    planned = list(stops(size.months))
    found = [_of(stop.moment, stop.bill_through) for stop in planned]
    for day in _BETWEEN:
        moment = datetime.combine(day, time(20), ZONE)
        if planned[0].moment < moment < planned[-1].moment:
            found.append(_of(moment, None))
    return sorted(found, key=lambda stop: stop.moment)


_BETWEEN: Sequence[date] = (date(2026, 1, 23), date(2026, 2, 21))
"""Hours are approved before they are corrected; what was disputed, moved and mended is seen before the next bills."""


def _of(moment: datetime, bill_through: date | None) -> Stop:
    day = moment.astimezone(ZONE).date()
    dated: list[tuple[date, Deed]] = [
        (NEW_PRICES, "import prices"), (ASKED_ON, "answer requests"), (MENDED_ON, "replay"),
    ]  # fmt: skip
    deeds = tuple(deed for since, deed in dated if day >= since)
    return Stop(moment, _phase(day, bill_through), bill_through, deeds)


def _phase(day: date, bill_through: date | None) -> str:
    if bill_through is not None:
        return f"bill {bill_through:%Y-%m}"
    if day < COMPLETED_BY:
        return "set up"
    return f"work {day:%Y-%m}" if day < ALL_BILLED else "payments"
