"""The ordinary mess of a quarter, on chosen days and entries: what people do, and what should become of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from tieout.sandbox.firm import labor
from tieout.sandbox.firm.customers import DEALS, FIXED_ON, ORDER_LATER, ORDER_NEVER, deal
from tieout.sandbox.firm.dates import moment, monday_after, month_end, next_working
from tieout.sandbox.firm.keys import STRAY_WORKSPACE
from tieout.sandbox.firm.plan import Action, Entry
from tieout.sandbox.firm.planted import Planted
from tieout.sandbox.firm.sales import contract_fields, contract_id, opportunity_id, round_up
from tieout.sandbox.firm.timesheets import value

CAPPED = "C-2602"
LATE_ON, AMENDED_ON, AMENDED_FROM = date(2026, 2, 16), date(2026, 2, 17), date(2026, 2, 16)
BEFORE_BILLING, AFTER_BILLING = date(2026, 1, 27), date(2026, 2, 11)
DISPUTED_ON, MANUAL_ON, MOVED_ON, HINTS_ON = (date(2026, 2, day) for day in (12, 18, 20, 17))
STUCK_OPPORTUNITY, MENDED_ON, REQUIRED = "C-2606", date(2026, 2, 20), "REQUIRED_FIELD_MISSING"
_WORTH_CHANGING = 120


@dataclass(frozen=True)
class Messy:
    """The entries as they are booked, those that managers pass over at first, the caps, and what people do."""

    entries: tuple[Entry, ...]
    passed_over: frozenset[str]
    caps: dict[str, Decimal]
    actions: tuple[Action, ...]


class _Picker:
    """Takes entries for one piece of mess each, so that no two of them meet."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._free = [e for e in entries if e.billable and e.minutes >= _WORTH_CHANGING]

    def take(self, contract: str, first: date, last: date, count: int = 1) -> list[Entry]:
        """The first `count` free entries of a contract in a span of days; fewer where there are fewer."""
        found = [e for e in self._free if e.contract == contract and first <= e.day <= last][:count]
        self._free = [e for e in self._free if e not in found]
        return found


def make_mess(entries: Sequence[Entry], months: int) -> Messy:
    """Choose entries and days; a firm too short for a piece of mess goes without it."""
    picker = _Picker(entries)
    late = picker.take("C-2601", date(2026, 1, 26), date(2026, 1, 30), 3) if months > 1 else []
    stray = picker.take("C-2606", date(2026, 2, 3), date(2026, 2, 5), 3)
    disputed = picker.take("C-2603", date(2026, 1, 20), date(2026, 1, 22), 2) if months > 1 else []
    booked = tuple(replace(e, workspace=STRAY_WORKSPACE) if e in stray else e for e in entries)
    capped = [e for e in entries if e.contract == CAPPED]
    cap = _cap(capped) if months > 1 else None
    actions = [
        *_late(late), *_corrected(picker, months), *_strays(stray), *_orders(entries, months),
        *_completed(entries, months), *_amended(capped, cap, months), *_hints(picker), *_rate_change(booked),
        *_disputed(disputed), *_manual(months), *_faults(months),
    ]  # fmt: skip
    caps = {} if cap is None else {CAPPED: cap}
    return Messy(booked, frozenset(e.id for e in late), caps, tuple(actions))


def _note(day: date, hour: int, *mess: Planted) -> Action:
    """Nothing is done here: what was planted by other actions, or is only said aloud, becomes known."""
    return Action(moment(day, hour), "firm", "note", {}, mess)


def _ids(entries: Sequence[Entry]) -> list[str]:
    return [entry.id for entry in entries]


def _late(late: list[Entry]) -> Iterator[Action]:
    """Time of January that its manager approves in February, when January's invoices are out."""
    if late:
        hints = {"entries": _ids(late), "contract": late[0].contract, "period": "2026-01"}
        mess = Planted("late_time", "handled", "audit", late[0].id, hints)
        yield Action(moment(LATE_ON, 16), "kantata", "approve_late", {"ids": _ids(late)}, (mess,))


def _correct(
    what: str, day: date, hour: int, entry: Entry, minutes: int, *, last: bool = True, **delivery: Any
) -> Action:
    hints = {"entries": [entry.id], "contract": entry.contract, "minutes": {entry.id: minutes}}
    mess = (Planted(what, "handled", "audit", entry.id, hints),) if last else ()
    payload = {"id": entry.id, "minutes": minutes, **delivery}
    return Action(moment(day, hour), "kantata", "correct", payload, mess)


def _corrected(picker: _Picker, months: int) -> Iterator[Action]:
    """Approved hours changed before they were billed, and after."""
    for entry in picker.take("C-2605", date(2026, 1, 13), date(2026, 1, 15)):
        yield _correct("corrected_time", BEFORE_BILLING, 11, entry, entry.minutes - 60)
    if months > 1:
        for entry in picker.take("C-2607", date(2026, 1, 20), date(2026, 1, 22)):
            yield _correct("corrected_time", AFTER_BILLING, 11, entry, entry.minutes - 60)


def _hints(picker: _Picker) -> Iterator[Action]:
    """Corrections whose webhooks come twice, in the wrong order, or not at all."""
    first, last = date(2026, 2, 9), date(2026, 2, 12)
    for entry in picker.take("C-2610", first, last):
        yield _correct("duplicate_delivery", HINTS_ON, 11, entry, entry.minutes + 15, hint_copies=2)
    for entry in picker.take("C-2611", first, last):
        yield _correct("out_of_order", HINTS_ON, 12, entry, entry.minutes - 15, last=False, hint_delay=1)
        yield _correct("out_of_order", HINTS_ON, 13, entry, entry.minutes - 45)
    for entry in picker.take("C-2601", first, last):
        yield _correct("missing_webhook", HINTS_ON, 14, entry, entry.minutes - 30, silent=True)


def _strays(stray: list[Entry]) -> Iterator[Action]:
    """Time on a workspace of no contract: moved, but for the last entry, which stays there."""
    if not stray:
        return
    *moved, left = stray
    kinds = {"exceptions": ["missing-project"], "contract": left.contract}
    noted = monday_after(left.day)
    mess = Planted("wrong_project_code", "found", "exception", left.id, {"entries": [left.id], **kinds})
    yield _note(noted, 12, mess)
    if moved:
        hints = {"entries": _ids(moved), **kinds}
        mess = Planted("wrong_project_code", "handled", "audit", moved[0].id, hints)
        payload = {"ids": _ids(moved), "contract": left.contract}
        yield Action(moment(MOVED_ON, 10), "kantata", "move", payload, (mess,))


def _save_contract(day: date, hour: int, contract: str, fields: dict[str, Any], *mess: Planted) -> Action:
    payload = {"type": "Contract", "id": contract_id(deal(contract)), "fields": fields}
    return Action(moment(day, hour), "salesforce", "save", payload, mess)


def _orders(entries: Sequence[Entry], months: int) -> Iterator[Action]:
    """Two customers that require a purchase order, and contracts without: one is completed, one never."""
    kinds = ["incomplete-setup", "purchase-order-missing"]
    hints = {"contract": ORDER_LATER, "exceptions": kinds}
    own = [e for e in entries if e.contract == ORDER_LATER]
    amount = round_up(value(own) * Decimal("1.3")) if own else Decimal("50000.00")
    yield _save_contract(
        FIXED_ON, 15, ORDER_LATER, {"Purchase_Order__c": "PO-2026-0417", "Purchase_Order_Amount__c": amount},
        Planted("missing_purchase_order", "handled", "audit", ORDER_LATER, hints),
    )  # fmt: skip
    hints = {"contract": ORDER_NEVER, "exceptions": kinds}
    yield _note(FIXED_ON, 16, Planted("missing_purchase_order", "found", "exception", ORDER_NEVER, hints))


def _completed(entries: Sequence[Entry], months: int) -> Iterator[Action]:
    """A week after they were signed, the incomplete contracts get what is missing."""
    for one in (one for one in DEALS if one.incomplete):
        own = [e for e in entries if e.contract == one.number]
        whole = contract_fields(one, value(own), None, months, complete=True)
        yield _save_contract(FIXED_ON, 14, one.number, {name: whole[name] for name in one.incomplete})


def _cap(capped: Sequence[Entry]) -> Decimal:
    """A cap that is used up by what is done until 5 February and approved on the 9th."""
    done = value(e for e in capped if e.day <= date(2026, 2, 5))
    return (done / 1000).to_integral_value(ROUND_FLOOR) * 1000 + Decimal("0.00")


def _amended(capped: Sequence[Entry], cap: Decimal | None, months: int) -> Iterator[Action]:
    if cap is None:
        return
    raised = round_up(value(capped) * Decimal("1.3"))
    hints = {"contract": CAPPED, "exceptions": ["cap-exceeded"], "cap": str(cap), "raised": str(raised)}
    yield _save_contract(
        AMENDED_ON, 10, CAPPED, {"Cap_Amount__c": raised, "Effective_Date__c": AMENDED_FROM.isoformat()},
        Planted("amendment_mid_month", "handled", "audit", CAPPED, hints),
    )  # fmt: skip


def _rate_change(entries: Sequence[Entry]) -> Iterator[Action]:
    """Work of the role whose price changes, in the first week at the new price."""
    last = labor.RATE_CHANGE + timedelta(days=7)
    own = [
        e for e in entries
        if e.worker.role == labor.RATE_CHANGE_ROLE and labor.RATE_CHANGE <= e.day <= last and e.billable
        and e.contract != ORDER_NEVER and deal(e.contract).discount_percent is None
    ]  # fmt: skip
    if own:
        before, after = (
            str(labor.price_of(labor.RATE_CHANGE_ROLE, day))
            for day in (labor.RATE_CHANGE - timedelta(days=1), labor.RATE_CHANGE)
        )
        hints = {
            "entries": _ids(own)[:5], "contract": own[0].contract, "role": labor.RATE_CHANGE_ROLE, "price": after,
            "price_before": before, "from": labor.RATE_CHANGE.isoformat(),
        }  # fmt: skip
        yield _note(
            next_working(monday_after(last)), 12, Planted("rate_change", "handled", "audit", own[0].id, hints)
        )


def _disputed(disputed: list[Entry]) -> Iterator[Action]:
    """The customer disputes hours on January's invoice; what follows is for the other side's accountant to do."""
    if disputed:
        contract = disputed[0].contract
        hints = {
            "contract": contract, "entries": _ids(disputed), "period": "2026-01", "requested_on": DISPUTED_ON.isoformat(),
            "reason": "The customer says these hours belong on a separate statement: credit them and bill them again.",
        }  # fmt: skip
        yield _note(DISPUTED_ON, 11, Planted("credit_and_rebill", "handled", "audit", contract, hints))


def _manual(months: int) -> Iterator[Action]:
    """An accountant enters an invoice by hand, past every other system."""
    if months > 1:
        document = "M-1007"
        hints = {"document": document, "period": "2026-02", "amount": "1250.00", "entity": "US01"}
        payload = {
            "customer": "CU-107",
            "document": document,
            "day": MANUAL_ON.isoformat(),
            "amount": "1250.00",
        }
        mess = Planted("manual_erp_entry", "found", "tie_out", document, hints)
        yield Action(moment(MANUAL_ON, 16), "netsuite", "enter_invoice", payload, (mess,))


def bill_day(number: int) -> date:
    """When the n-th month is billed: the working day after the Monday on which its last week is approved."""
    monday = next_working(monday_after(month_end(number)))
    return next_working(monday + timedelta(days=1))


def _fault(day: date, what: str, key: str, system: str, kind: str, **more: Any) -> Action:
    mess = Planted(what, "handled", "audit", key, {"system": system, "kind": kind})
    return Action(moment(day, 7), system, "fault", {"kind": kind, **more}, (mess,))


def _faults(months: int) -> Iterator[Action]:
    """At each month's end the vendors are busy; on the first, one answer gets lost and some rows fail."""
    for number in range(months):
        day = bill_day(number)
        for system in ("kantata", "netsuite"):
            yield _fault(day, "throttled", system, system, "rate_limited", path="^read", times=2)
    day = bill_day(0)
    yield _fault(
        day, "timeout_applied", "netsuite", "netsuite", "apply_then_timeout", path="^write .*/invoice/"
    )
    yield from _failing_rows(day)


def _failing_rows(day: date) -> Iterator[Action]:
    """Rows of a collections upsert that fail: two for a moment, one until its opportunity is put right."""
    path = "^write .*/composite/sobjects/Opportunity"
    locked = {"rows": [0, 1], "code": "UNABLE_TO_LOCK_ROW"}
    yield _fault(day, "partial_batch", "salesforce", "salesforce", "partial", path=path, **locked)
    stuck = deal(STUCK_OPPORTUNITY)
    hints = {"code": REQUIRED, "exceptions": ["rejected-by-target"], "contract": stuck.number}
    mess = Planted("partial_batch", "found", "exception", stuck.opportunity, hints)
    for at, close_date, planted in ((day, None, (mess,)), (MENDED_ON, stuck.signed.isoformat(), ())):
        payload = {"type": "Opportunity", "id": opportunity_id(stuck), "fields": {"CloseDate": close_date}}
        yield Action(moment(at, 7), "salesforce", "save", payload, planted)
