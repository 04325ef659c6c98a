"""The firm's choices as the applied workspace states them, typed, with the defaults where it is silent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Connection

from tieout.domain.billing import UsagePolicies
from tieout.domain.costing.policies import CAPACITY, PROJECTS, CostPolicies
from tieout.domain.frames import (
    CARD_RULES,
    HOLIDAYS,
    TAX_POINT_RULES,
    TRANSFER_MARGINS,
    TREATMENTS,
    empty,
    frame,
)
from tieout.domain.rating.policies import WEEKEND, RatingPolicies
from tieout.model.periods import MONTHS, Calendar, calendar_of
from tieout.store import workspace as store

CORRECTIONS = ("next_invoice", "credit_note")
EVENT_DATE, PERIOD_AVERAGE = "event_date", "period_average"
SERIES = {"invoice": "INV-", "credit_note": "CN-"}
"""Prefix of each kind of document where the workspace states none."""

_UTC = ZoneInfo("UTC")
_KEPT = 32


@dataclass(frozen=True)
class Invoicing:
    """How a legal entity appears on its documents. `electronic`: its drafts are checked by EN 16931 before release.

    `facts`: legal_name, street, city, postal_code, state_code, country, tax_id, registration, contact, phone, email,
    account, bic, bank, exemption; what is not stated is missing. `self_billed`: customers who issue our invoices.
    """

    electronic: bool = False
    self_billed: frozenset[str] = frozenset()
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Policies:
    """Every choice that changes a figure or a document; `version` of the workspace it comes from (0 = none yet).

    `tax` is a frame TREATMENTS (empty: nothing is stated, so every sale is undetermined), `tax_points` TAX_POINT_RULES, `card_rules` what rate cards state
    beside prices (CARD_RULES); `overtime_days` are the day types of which every hour is premium; `items` names the ERP's
    service item per kind of line, `tax_codes` its code per tax category, `accounts` per connector our account -> its.
    """

    version: int = 0
    tax: pl.DataFrame = field(default_factory=lambda: empty(TREATMENTS))
    tax_points: pl.DataFrame = field(default_factory=lambda: empty(TAX_POINT_RULES))
    items: Mapping[str, str] = field(default_factory=dict)
    tax_codes: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prefixes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    customer_cards: Mapping[str, str] = field(default_factory=dict)
    entity_cards: Mapping[str, str] = field(default_factory=dict)
    correction: str = CORRECTIONS[0]
    tie_out_tolerance: Decimal = Decimal(0)
    write_limit: Decimal = Decimal(0)
    zones: Mapping[str, ZoneInfo] = field(default_factory=dict)
    fiscal: Mapping[str, Calendar] = field(default_factory=dict)
    invoicing: Mapping[str, Invoicing] = field(default_factory=dict)
    usage_tolerance: Decimal = Decimal(0)
    prior_period_material: Decimal = Decimal(0)
    accrue_unapproved: bool = True
    expedient: str = "warn"
    fx: str = EVENT_DATE
    overtime_cost: str = CAPACITY
    labor_variance: str = PROJECTS
    transfer_margin: Decimal = Decimal(0)
    transfer_margins: pl.DataFrame = field(default_factory=lambda: empty(TRANSFER_MARGINS))
    week_start: str = "monday"
    holidays: tuple[date, ...] = ()
    local_holidays: Mapping[str, tuple[date, ...]] = field(default_factory=dict)
    weekend: tuple[str, ...] = WEEKEND
    overtime_days: tuple[str, ...] = ()
    card_rules: pl.DataFrame = field(default_factory=lambda: empty(CARD_RULES))

    def series(self, entity: str, kind: str) -> str:
        """Prefix of the numbers of one kind of document (`invoice`, `credit_note`) of a legal entity."""
        return self.prefixes.get(entity, {}).get(kind) or SERIES[kind]

    def cards_for(self, contract_card: str | None, customer: str | None, entity: str | None) -> list[str]:
        """Rate cards in the order they are asked: the contract's, the customer's, the entity's; each once."""
        named = (
            contract_card,
            self.customer_cards.get(customer) if customer else None,
            self.entity_cards.get(entity) if entity else None,
        )
        return list(dict.fromkeys(card for card in named if card))

    def time_zone(self, entity: str | None) -> ZoneInfo:
        """Where a legal entity's days begin and end; UTC unless stated."""
        return self.zones.get(entity or "", _UTC)

    def calendar(self, entity: str | None) -> Calendar:
        """How a legal entity's fiscal periods are cut; calendar months unless stated."""
        return self.fiscal.get(entity or "", MONTHS)

    @property
    def averaged(self) -> Mapping[str, Calendar] | None:
        """The stated calendars of the entities where revenue in other currencies takes the average rate of its period."""
        return self.fiscal if self.fx == PERIOD_AVERAGE else None

    def seller(self, entity: str) -> Invoicing:
        """How a legal entity appears on its documents."""
        return self.invoicing.get(entity, Invoicing())

    def account(self, connector: str, ours: str) -> str | None:
        """The ERP's account for one of ours; None where the workspace maps none."""
        return self.accounts.get(connector, {}).get(ours)

    @property
    def usage(self) -> UsagePolicies:
        """How far the sources of a meter may differ, in its units."""
        return UsagePolicies(tolerance=self.usage_tolerance)

    @property
    def calendars(self) -> pl.DataFrame:
        """Holidays of legal entities (HOLIDAYS), beside those that count for all."""
        rows = [{"entity": code, "day": one} for code, days in self.local_holidays.items() for one in days]
        return frame(rows, HOLIDAYS)

    @property
    def rating(self) -> RatingPolicies:
        """The part that the rating of time asks for."""
        return RatingPolicies(
            week_start=self.week_start, holidays=self.holidays, weekend=self.weekend,
            overtime_day_types=self.overtime_days,
        )  # fmt: skip

    @property
    def costing(self) -> CostPolicies:
        """The part that costing asks for."""
        return CostPolicies(
            self.overtime_cost, self.labor_variance, week_start=self.week_start,
            transfer_margin=self.transfer_margin, transfer_margins=self.transfer_margins,
        )  # fmt: skip


_parsed: dict[tuple[int, str], Policies] = {}


def load(conn: Connection, at: datetime | None = None) -> Policies:
    """The policies in force: of the workspace version applied last, or by a moment."""
    key = store.fingerprint(conn, at)
    if key not in _parsed:
        if len(_parsed) >= _KEPT:
            _parsed.clear()
        version, _ = key
        _parsed[key] = of_version(conn, version)
    return _parsed[key]


def of_version(conn: Connection, version: int) -> Policies:
    """The policies of a version of the workspace; 0 is before the first."""
    return parse(store.document(conn, version) if version else {}, version)


def parse(document: Mapping[str, Any], version: int = 0) -> Policies:
    """The policies of a workspace document (already checked)."""
    billing = document.get("billing") or {}
    cards = billing.get("cards") or {}
    entities = document.get("entities") or {}
    return Policies(
        version=version,
        tax=_tax(document.get("tax") or []),
        tax_points=_tax_points(document.get("tax_points") or []),
        items=dict(billing.get("items") or {}),
        tax_codes=dict(billing.get("tax_codes") or {}),
        accounts={system: dict(table) for system, table in (document.get("accounts") or {}).items()},
        prefixes={entity: dict(table) for entity, table in (billing.get("series") or {}).items()},
        customer_cards=dict(cards.get("customer") or {}),
        entity_cards=dict(cards.get("entity") or {}),
        correction=billing.get("correction") or CORRECTIONS[0],
        tie_out_tolerance=Decimal(str(billing.get("tie_out_tolerance") or 0)),
        write_limit=Decimal(str(billing.get("write_limit") or 0)),
        usage_tolerance=Decimal(str(billing.get("usage_tolerance") or 0)),
        prior_period_material=Decimal(str(billing.get("prior_period_material") or 0)),
        accrue_unapproved=billing.get("accrue_unapproved") is not False,
        expedient=billing.get("expedient") or "warn",
        fx=billing.get("fx") or EVENT_DATE,
        zones={code: ZoneInfo(e["time_zone"]) for code, e in entities.items() if e.get("time_zone")},
        fiscal={code: calendar_of(e) for code, e in entities.items()},
        invoicing={code: _invoicing(e["invoices"]) for code, e in entities.items() if e.get("invoices")},
        overtime_cost=billing.get("overtime_cost") or CAPACITY,
        labor_variance=billing.get("labor_variance") or PROJECTS,
        transfer_margin=Decimal(str(billing.get("transfer_margin") or 0)),
        transfer_margins=_transfer_margins(billing.get("transfer_margins") or []),
        week_start=billing.get("week_start") or "monday",
        holidays=tuple(sorted(day(each) for each in billing.get("holidays") or [])),
        weekend=tuple(billing.get("weekend") or WEEKEND),
        overtime_days=tuple(billing.get("overtime_days") or ()),
        card_rules=_card_rules(document.get("rate_cards") or {}),
        local_holidays={
            code: tuple(sorted(map(day, e["holidays"])))
            for code, e in entities.items()
            if e.get("holidays") is not None
        },
    )


def _invoicing(stated: Mapping[str, Any]) -> Invoicing:
    facts = {name: str(value) for name, value in stated.items() if name not in ("electronic", "self_billed")}
    return Invoicing(bool(stated.get("electronic")), frozenset(stated.get("self_billed") or ()), facts)


def _card_rules(cards: Mapping[str, Mapping[str, Any]]) -> pl.DataFrame:
    ruled = {code: card["rules"] for code, card in cards.items() if card.get("rules")}
    exact = {
        code: {name: v if isinstance(v, bool) else Decimal(str(v)) for name, v in rules.items()}
        for code, rules in ruled.items()
    }
    return frame([{"card": code, **rules} for code, rules in exact.items()], CARD_RULES)


def _tax(rules: list[Mapping[str, Any]]) -> pl.DataFrame:
    rows = [
        {
            "code": rule.get("code"),
            "entity": rule.get("entity"),
            "country": rule.get("country"),
            "business": rule.get("business"),
            "category": rule["category"],
            "rate": Decimal(str(rule.get("rate") or 0)),
            **_days(rule),
        }
        for rule in rules
    ]
    return frame(rows, TREATMENTS)


def _transfer_margins(agreed: list[Mapping[str, Any]]) -> pl.DataFrame:
    rows = [
        {
            "supplier": one["supplier"],
            "buyer": one["buyer"],
            "margin": Decimal(str(one["margin"])),
            **_days(one),
        }
        for one in agreed
    ]
    return frame(rows, TRANSFER_MARGINS)


def _tax_points(rules: list[Mapping[str, Any]]) -> pl.DataFrame:
    rows = [
        {"country": rule.get("country"), "first_of": list(rule["first_of"]), **_days(rule)} for rule in rules
    ]
    return frame(rows, TAX_POINT_RULES)


def _days(rule: Mapping[str, Any]) -> dict[str, date | None]:
    return {
        "effective_from": day(rule["from"]) if rule.get("from") else date.min,
        "effective_to": day(rule["to"]) if rule.get("to") else None,
    }


def day(value: Any) -> date:
    """A date of the document: a date, or its ISO text."""
    return value if isinstance(value, date) else date.fromisoformat(str(value))
