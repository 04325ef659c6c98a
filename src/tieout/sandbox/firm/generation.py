"""Making a firm from a seed: the same seed and size give the same people, contracts, time and mess."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random

from tieout.sandbox.firm.customers import DEALS
from tieout.sandbox.firm.dates import START, moment, monday_after, month_end, month_start, next_working
from tieout.sandbox.firm.mess import Messy, bill_day, make_mess
from tieout.sandbox.firm.plan import Action, Entry, Firm, Stop
from tieout.sandbox.firm.reference import closings, collections, opening, role_id
from tieout.sandbox.firm.sales import selling
from tieout.sandbox.firm.staff import hire
from tieout.sandbox.firm.timesheets import book

_NOTES = (
    (
        "Design and build",
        "Workshop with the customer",
        "Data mapping",
        "Test and fix",
        "Review of the interfaces",
    ),
    ("Weekly status", "Planning", "Steering committee", "Hand-over notes", "Internal review"),
)


def generate(seed: int, workers: int = 30, months: int = 3) -> Firm:
    """A firm with its actions in order of time. Under three months some kinds of mess have no place."""
    if workers < 1 or months < 1:
        raise ValueError("a firm has at least one worker and one month")
    rng = Random(seed)
    people = hire(workers, rng)
    messy = make_mess(book(people, months, rng), months)
    actions = [
        *opening(people, months), *selling(messy.entries, messy.caps, months), *_booking(messy.entries),
        *_approving(messy, months), *closings(months), *collections(months), *messy.actions,
    ]  # fmt: skip
    ordered = tuple(sorted(actions, key=lambda action: action.moment))
    planted = tuple(item for action in ordered for item in action.mess)
    contracts = tuple(deal.number for deal in DEALS)
    return Firm(seed, people, contracts, messy.entries, ordered, tuple(stops(months)), planted)


def _booking(entries: Sequence[Entry]) -> Iterator[Action]:
    """At the end of each day everybody books their time."""
    by_day: dict[object, list[Entry]] = {}
    for entry in entries:
        by_day.setdefault(entry.day, []).append(entry)
    for own in by_day.values():
        rows = [
            {"id": e.id, "contract": e.contract, "workspace": e.workspace, "user": e.worker.id, "day": e.day.isoformat(),
             "minutes": e.minutes, "task": e.task, "billable": e.billable, "role": role_id(e.worker.role),
             "notes": _NOTES[e.task][int(e.id) % len(_NOTES[e.task])]}
            for e in own
        ]  # fmt: skip
        yield Action(moment(own[0].day, 17, 30), "kantata", "book", {"rows": rows})


def _approving(messy: Messy, months: int) -> Iterator[Action]:
    """On Mondays, or the first working day after, managers approve what was done until Sunday."""
    monday, last = monday_after(START), monday_after(month_end(months - 1)) + timedelta(days=28)
    while monday <= last:
        payload = {
            "until": (monday - timedelta(days=1)).isoformat(),
            "passed_over": sorted(messy.passed_over),
        }
        yield Action(moment(next_working(monday), 9), "kantata", "approve", payload)
        monday += timedelta(days=7)


def stops(months: int) -> Iterator[Stop]:
    """When whoever plays the firm lets the other side catch up."""
    yield Stop(moment(month_start(0) - timedelta(days=2), 8), "set up what was signed")
    yield Stop(moment(month_start(0) + timedelta(days=12), 8), "set up what was completed")
    for number in range(months):
        name = f"{month_start(number):%Y-%m}"
        if number:
            middle = next_working(month_start(number) + timedelta(days=12))
            yield Stop(moment(middle, 8), f"middle of {name}: payments, requests")
        yield Stop(moment(bill_day(number), 8), f"bill {name}", month_end(number))
    yield Stop(moment(month_start(months) + timedelta(days=44), 20), "the last payments")
