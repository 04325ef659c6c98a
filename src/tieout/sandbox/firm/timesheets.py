"""Who works when on what: about two entries a working day for each worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from random import Random

from tieout.sandbox.firm.customers import ORDER_NEVER, deal
from tieout.sandbox.firm.dates import START, month_end, working_days
from tieout.sandbox.firm.keys import kantata_entry
from tieout.sandbox.firm.labor import price_of
from tieout.sandbox.firm.plan import Entry, Worker

LEAVE, THIRD, UNPAID = 0.015, 0.12, 0.02
_SPLITS = ((300, 180), (240, 240), (330, 150), (270, 210), (360, 120), (315, 170))


def book(workers: Sequence[Worker], months: int, rng: Random) -> list[Entry]:
    """All time that the firm's people book, in order of day and worker."""
    entries: list[Entry] = []
    for day in working_days(START, month_end(months - 1)):
        for worker in workers:
            if rng.random() < LEAVE:
                continue
            for contract, minutes, task in _of_day(worker, day, rng):
                billable = rng.random() >= UNPAID
                entry = kantata_entry(len(entries))
                entries.append(Entry(entry, contract, worker, day, minutes, task, billable))
    return entries


def _of_day(worker: Worker, day: date, rng: Random) -> Iterator[tuple[str, int, int]]:
    """Contract, minutes and task of each entry; what has not begun yet is replaced by the worker's other contract."""
    begun = [c for c in (worker.main_contract, worker.other_contract) if deal(c).work_from <= day]
    first, second = rng.choice(_SPLITS)
    if not begun:
        return
    yield begun[0], first, 0
    if _on_small_contract(worker, day):
        yield ORDER_NEVER, 120, 0
        return
    yield begun[-1], second, 1 if begun[0] == begun[-1] else 0
    if rng.random() < THIRD:
        yield begun[0], 30, 1


def _on_small_contract(worker: Worker, day: date) -> bool:
    return worker.role == "Program Manager" and day.weekday() == 4 and deal(ORDER_NEVER).work_from <= day


def value(entries: Iterable[Entry]) -> Decimal:
    """What billable entries are worth at the card's prices less the contract's discount, rounded entry by entry."""
    total = Decimal(0)
    for entry in entries:
        if entry.billable:
            share = 1 - (deal(entry.contract).discount_percent or Decimal(0)) / 100
            amount = Decimal(entry.minutes) / 60 * price_of(entry.worker.role, entry.day) * share
            total += amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return total
