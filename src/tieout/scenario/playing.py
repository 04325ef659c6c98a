"""Playing a scenario: a clean database, the clock of the timeline, facts through the inbox, decisions by two people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine

from tieout.bootstrap import Settings
from tieout.connectors.kit.interface import Change
from tieout.flows import reactions
from tieout.flows.durable import run_due
from tieout.flows.environment import Environment
from tieout.hub import billing, closing, inbox, ownership, rates, rating, revenue
from tieout.hub.actors import APPROVER, PREPARER, Actor
from tieout.hub.price_list import RatePrice
from tieout.hub.rating.plans import BY_PERIOD
from tieout.hub.refusals import Refusal
from tieout.scenario import cash
from tieout.scenario.checking import Check, check_always, check_expectation
from tieout.scenario.facts import CONNECTION, Facts, periods_through
from tieout.scenario.model import Event, Rate
from tieout.scenario.parsing import Scenario
from tieout.scenario.stating import STATED, stated
from tieout.scenario.support import refuse_unsupported
from tieout.scenario.terms import as_json
from tieout.store import clock, scenarios

KINDS = ("rate", "bill", "settle", "cost", "payroll", "remeasure")
"""Kinds of work that a scenario runs: it has no outside systems to set up, post to or tell."""

PREPARER_ACTOR = Actor("preparer@scenario", frozenset({PREPARER}))
APPROVER_ACTOR = Actor("approver@scenario", frozenset({APPROVER}))
_NOON, _EVENING = time(12, tzinfo=timezone.utc), time(20, tzinfo=timezone.utc)
_KEPT_WAITING = STATED | {"close", "reopen", "pay"}
"""Verbs before which nothing that was heard needs to be taken in."""


@dataclass
class Player:
    """One scenario being played on a database of its own."""

    scenario: Scenario
    engine: Engine
    settings: Settings
    moment: datetime = datetime(1990, 1, 1, tzinfo=timezone.utc)
    waiting: list[Change] = field(default_factory=list)

    def play(self) -> list[Check]:
        """Play the whole timeline; the checks of every expectation, and those that always hold."""
        refuse_unsupported(self.scenario)
        self.facts = Facts(self.scenario)
        self.environment = Environment(self.engine, self.settings)
        first = min(event.heard for event in self.scenario.timeline)
        opening = min([first, *(c.start for c in self.scenario.header.contracts if c.start)])
        self._at(datetime.combine(opening, time(1, tzinfo=timezone.utc)))
        self._configure()
        self._hear(self.facts.firm(self.moment, opening))
        self._flush()
        self.stated = stated(self.facts, self.scenario.timeline, self.moment)
        events = sorted(self.scenario.timeline, key=lambda event: event.heard)
        days = sorted({e.heard for e in events} | {x.at for x in self.scenario.expectations})
        checks: list[Check] = []
        for day in days:
            self._day(day, [event for event in events if event.heard == day])
            checks += self._check(day)
        with self.engine.connect() as conn:
            checks += check_always(conn, days[-1], self.moment)
        return checks

    def _day(self, day: date, events: Sequence[Event]) -> None:
        self._at(max(datetime.combine(day, _NOON), self.moment + timedelta(microseconds=1)))
        for event in events:
            try:
                if event.verb not in _KEPT_WAITING:
                    self._flush()
                if event.verb in STATED:
                    self._state(event)
                else:
                    getattr(self, f"_{event.verb}")(event)
            except Refusal as refused:
                raise self.scenario.source.bad(event.place, str(refused), "refused") from None
            self._at(self.moment + timedelta(seconds=1))
        self._flush()

    def _check(self, day: date) -> list[Check]:
        expected = [one for one in self.scenario.expectations if one.at == day]
        if not expected:
            return []
        self._at(max(datetime.combine(day, _EVENING), self.moment))
        self._recognise()
        with self.engine.connect() as conn:
            return [check for one in expected for check in check_expectation(conn, self.scenario, one)]

    def _recognise(self) -> None:
        """What falls due and what is earned as time passes, as of that moment."""
        timed: list[str] = []
        others: list[str] = []
        for one in self.scenario.header.contracts:
            by_period = any(line.billing.method in BY_PERIOD for line in one.lines)
            (timed if by_period else others).append(one.number)
        if timed:
            self._begin(lambda conn: rating.rate_contracts(conn, timed))
        if others:
            self._begin(lambda conn: revenue.recognise_contracts(conn, others))

    # --- the hub ------------------------------------------------------------------------------------------

    def _at(self, moment: datetime) -> None:
        self.moment = moment
        with self.engine.begin() as conn:
            clock.set_now(conn, moment)

    def _begin(self, act: Callable[[Connection], Any]) -> Any:
        with self.engine.begin() as conn:
            return act(conn)

    def _configure(self) -> None:
        document = workspace_document(self.scenario)
        self._begin(lambda conn: scenarios.configure(conn, CONNECTION, document, self.moment))
        for card in self.scenario.header.rate_cards:
            prices = [_price(rate, card.currency, row) for row, rate in enumerate(card.rates, 1)]
            with self.engine.begin() as conn:
                rates.hear(conn, card.code, prices, "scenario")

    def _hear(self, changes: Sequence[Change]) -> None:
        self.waiting += changes

    def _flush(self) -> None:
        """Take in what was heard, then do what it asks for."""
        if self.waiting:
            self._begin(lambda conn: inbox.receive(conn, CONNECTION, self.waiting))
            self.waiting = []
            while self._begin(self._apply):
                pass
        run_due(self.environment, KINDS)

    def _apply(self, conn: Connection) -> int:
        applied = inbox.apply_new(conn, CONNECTION)
        reactions.react(conn, applied.events)
        return applied.taken

    # --- facts --------------------------------------------------------------------------------------------

    def _state(self, event: Event) -> None:
        """A fact is heard, maybe long after its source stated it, maybe twice."""
        heard = [replace(change, observed_at=self.moment) for change in self.stated[event.place]]
        self._hear(heard * 2 if event.body.again else heard)

    def _rate(self, event: Event) -> None:
        card = next(c for c in self.scenario.header.rate_cards if c.code == event.body.card)
        price = _price(event.body, card.currency, 1, event.at)
        self._begin(
            lambda conn: (rates.hear(conn, card.code, [price], "scenario"), rates.rerate(conn, [card.code]))
        )

    def _close(self, event: Event) -> None:
        first = min(e.at for e in self.scenario.timeline)
        entity = event.body.entity or self.scenario.header.entities[0].code
        self._flush()
        self._recognise()
        starts = [c.start for c in self.scenario.header.contracts if c.start]
        calendar = self.scenario.calendar(entity)
        for code in periods_through(min([first, *starts]), event.body.period, calendar):
            with self.engine.begin() as conn:
                closing.prepare(conn, entity, code)
            self._hear([self.facts.period(entity, code, "closed", self.moment)])
        self._flush()

    def _reopen(self, event: Event) -> None:
        entity = event.body.entity or self.scenario.header.entities[0].code
        self._hear([self.facts.period(entity, event.body.period, "open", self.moment)])
        self._flush()

    def _pay(self, event: Event) -> None:
        self._flush()
        document = self._begin(lambda conn: scenarios.released(conn, event.body.invoice))
        if document is None:
            raise self.scenario.source.bad(event.place, f"there is no released invoice {event.body.invoice}")
        withheld, currency = event.body.withheld or Decimal(0), event.body.currency or document["currency"]
        whole = document["gross_amount"] - document["retained_amount"] - withheld
        amount = event.body.amount if event.body.amount is not None else whole
        if event.body.amount is None and currency != document["currency"]:
            said = f"a payment in another currency than {document['currency']} states its amount"
            raise self.scenario.source.bad(event.place, said)
        self._hear(cash.paid(self.facts, document, amount, withheld, event.at, self.moment, currency))
        self._flush()

    def _deposit(self, event: Event) -> None:
        """Asked for, invoiced and paid on one day."""
        self._flush()
        self._hear([self.facts.deposit(event.body, event.at, self.moment)])
        self._flush()
        contract = self.scenario.contract(event.body.contract).number
        run_id = self._begin(
            lambda conn: billing.start_run(
                conn, PREPARER_ACTOR, event.at, contract=contract, deposits_only=True
            )
        )
        run_due(self.environment, KINDS)
        for ref in self._begin(lambda conn: scenarios.drafts_of_run(conn, run_id)):
            self._approve_and_release(ref)
            document = self._begin(lambda conn: scenarios.released(conn, "last"))
            self._hear(
                cash.paid(self.facts, document, document["gross_amount"], Decimal(0), event.at, self.moment)
            )
        self._flush()

    # --- decisions ------------------------------------------------------------------------------------------

    def _bill(self, event: Event) -> None:
        through = event.body.through or event.at
        run_id = self._begin(
            lambda conn: billing.start_run(
                conn, PREPARER_ACTOR, through, contract=event.body.contract, customer=event.body.customer,
                entity=event.body.entity,
            )
        )  # fmt: skip
        run_due(self.environment, KINDS)
        if not event.body.draft:
            for ref in self._begin(lambda conn: scenarios.drafts_of_run(conn, run_id)):
                self._approve_and_release(ref)

    def _hold(self, event: Event) -> None:
        reason = event.body.reason
        self._begin(lambda conn: billing.hold(conn, PREPARER_ACTOR, reason, **self._held(event)))
        run_due(self.environment, KINDS)

    def _dispute(self, event: Event) -> None:
        body, number = event.body, self._released(event)
        self._begin(
            lambda conn: billing.dispute(
                conn,
                PREPARER_ACTOR,
                number,
                body.reason,
                amount=body.amount,
                expected_concession=body.expected_concession,
            )
        )

    def _credit_loss(self, event: Event) -> None:
        body, number = event.body, self._released(event)
        self._begin(lambda conn: billing.credit_loss(conn, APPROVER_ACTOR, number, body.amount, body.reason))

    def _released(self, event: Event) -> str:
        document = self._begin(lambda conn: scenarios.released(conn, event.body.invoice))
        if document is None:
            raise self.scenario.source.bad(event.place, f"there is no released invoice {event.body.invoice}")
        return str(document["number"])

    def _unhold(self, event: Event) -> None:
        self._begin(lambda conn: billing.unhold(conn, PREPARER_ACTOR, **self._held(event)))
        run_due(self.environment, KINDS)

    def _write(self, event: Event) -> None:
        """Proposed by one of the two built-in people, approved by the other where the firm's limit asks for it."""
        body = event.body
        kind, amount = next(
            (k, getattr(body, k)) for k in ("down", "off", "up") if getattr(body, k) is not None
        )
        said = self._begin(
            lambda conn: billing.write(conn, PREPARER_ACTOR, kind, amount, body.reason, **self._held(event))
        )
        if said["waits"]:
            self._begin(lambda conn: billing.approve_write(conn, APPROVER_ACTOR, said["write"]))
        run_due(self.environment, KINDS)

    def _held(self, event: Event) -> dict[str, str | None]:
        if event.body.id is not None:
            return {"entry": event.body.id}
        contract = self.scenario.contract(event.body.contract)
        return {"contract": contract.number, "line": event.body.line or contract.lines[0].id}

    def _approve_and_release(self, ref: str) -> None:
        self._begin(lambda conn: billing.approve(conn, ref, APPROVER_ACTOR))
        self._begin(lambda conn: billing.release(conn, ref, APPROVER_ACTOR))
        run_due(self.environment, KINDS)

    def _release(self, event: Event) -> None:
        self._approve_and_release(self._draft(event))

    def _void(self, event: Event) -> None:
        ref = self._draft(event)
        self._begin(lambda conn: billing.void(conn, ref, PREPARER_ACTOR, "stated by the scenario"))

    def _draft(self, event: Event) -> str:
        ref = self._begin(lambda conn: scenarios.draft(conn, event.body.invoice))
        if ref is None:
            raise self.scenario.source.bad(event.place, f"there is no draft {event.body.invoice}")
        return str(ref)

    def _credit(self, event: Event) -> None:
        body = event.body
        document = self._begin(lambda conn: scenarios.released(conn, body.invoice))
        if document is None:
            raise self.scenario.source.bad(event.place, f"there is no released invoice {body.invoice}")
        items = None
        if body.lines is not None:
            items = [{"id": line.id, "hours": line.hours if line.hours is not None else line.quantity,
                      "amount": line.amount} for line in body.lines]  # fmt: skip
        ref = self._begin(
            lambda conn: billing.request_credit(
                conn, PREPARER_ACTOR, document["number"], items=items, amount=body.amount, whole=body.all,
                kind=body.kind, reason=body.reason, rebill=body.rebill,
            )
        )  # fmt: skip
        self._approve_and_release(ref)


def workspace_document(scenario: Scenario) -> dict[str, Any]:
    """The workspace under which a scenario is played: the scenario's facts own everything that Tieout does not."""
    header = scenario.header
    owned = {
        group: {"owner": CONNECTION}
        for group, owner in ownership.DEFAULTS.items()
        if owner not in ("tieout", "workspace")
    }
    rules: list[dict[str, Any]] = [
        {"code": tax.code, "entity": None, "country": tax.country, "business": tax.business, "category": tax.category, "rate": str(tax.rate),
         "from": (tax.from_ or date(1990, 1, 1)).isoformat(), "to": tax.to.isoformat() if tax.to else None}
        for tax in header.taxes
    ]  # fmt: skip
    if not header.taxes:
        rules = [
            {
                "code": None,
                "entity": None,
                "country": None,
                "category": "O",
                "rate": "0",
                "from": "1990-01-01",
                "to": None,
            }
        ]
    points = [as_json(point.model_dump(by_alias=True)) for point in header.tax_points]
    billing_rules = {
        name: as_json(value) for name, value in header.policies.model_dump(by_alias=True).items()
    }
    holidays = {one.entity: [day.isoformat() for day in one.holidays] for one in header.calendars}
    zones = {
        entity.code: {
            **asdict(entity.calendar),
            "time_zone": entity.time_zone,
            "holidays": holidays.get(entity.code),
        }
        for entity in header.entities
    }
    named = {"blended", "day_hours", "day_step", "day_overtime"}
    cards = {
        card.code: {"rules": as_json(card.model_dump(include=named, exclude_none=True))}
        for card in header.rate_cards
    }
    return {
        "name": "scenario", "ownership": owned, "tax": rules, "tax_points": points, "billing": billing_rules, "entities": zones,
        "rate_cards": cards,
    }  # fmt: skip


def _price(rate: Rate, currency: str, row: int, heard: date | None = None) -> RatePrice:
    names = ("person", "task", "project", "grade", "role", "country", "worksite", "day_type", "band")
    stated = tuple((name, getattr(rate, name)) for name in names if getattr(rate, name) is not None)
    start = rate.from_ or heard or date(1990, 1, 1)
    return RatePrice(stated, Decimal(rate.price), currency, rate.unit, start, rate.to, row)
