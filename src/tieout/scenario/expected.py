"""What an expectation may state: its selectors, and the form of each measure's value."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from tieout.domain.subledger.accounts import ACCOUNTS
from tieout.domain.tax import CATEGORIES
from tieout.model.event_types import EVENT_TYPES
from tieout.model.exception_kinds import EXCEPTION_KINDS
from tieout.scenario.model import (
    MEASURES,
    SELECTORS,
    Day,
    Expectation,
    NotNegative,
    Number,
    Part,
    Text,
)
from tieout.scenario.reading import Source, validated

_EVENTS = frozenset(type.removeprefix("tieout.").rsplit(".v", 1)[0] for type in EVENT_TYPES)


def _known_event(name: str) -> str:
    if name not in _EVENTS:
        raise ValueError(f"there is no event type {name}")
    return name


class ExpectedLine(Part):
    line: Text | None = None
    quantity: Number | None = None
    unit_price: Number | None = None
    net: Number | None = None
    tax_category: Literal[tuple(CATEGORIES)] | None = None  # type: ignore[valid-type]


class ExpectedInvoice(Part):
    number: Text | None = None
    at: Day | None = None
    customer: Text | None = None
    net: Number | None = None
    tax: Number | None = None
    gross: Number | None = None
    due: Day | None = None
    lines: list[ExpectedLine] | None = None


class ExpectedException(Part):
    kind: Literal[tuple(EXCEPTION_KINDS)] | None = None  # type: ignore[valid-type]
    contract: Text | None = None
    key: Text | None = None
    amount: Number | None = None


class ExpectedAssignment(Part):
    request: Text | None = None
    worker: Text | None = None
    hours_per_week: Number | None = None
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None


class ExpectedUnfilled(Part):
    request: Text | None = None
    reason: Text | None = None


class ExpectedTieOut(Part):
    check: Text | None = None
    ours: Number | None = None
    theirs: Number | None = None
    difference: Number | None = None
    explained_by: Text | None = None


_FORMS: dict[str, Any] = {
    "invoices": list[ExpectedInvoice], "exceptions": list[ExpectedException],
    "assignments": list[ExpectedAssignment], "unfilled": list[ExpectedUnfilled], "tie_out": list[ExpectedTieOut],
    "events": list[Annotated[Text, AfterValidator(_known_event)]],
    "journal": dict[Literal[tuple(ACCOUNTS)], Number],  # type: ignore[misc]
}  # fmt: skip
"""Measures that are no single number."""
_VALUES: dict[str, Any] = {name: (_FORMS.get(name, Number), None) for name in sorted(MEASURES)}
_SELECTED: dict[str, Any] = dict.fromkeys(sorted(SELECTORS), (Text, None))
_HOW: dict[str, Any] = {
    "at": (Day, ...), "tolerance": (NotNegative, Decimal(0)),
    "in_": (Literal["functional"] | None, Field(default=None, alias="in")),
}  # fmt: skip
Expected: type[Part] = create_model("Expected", __base__=Part, **_HOW, **_SELECTED, **_VALUES)


def read_expectation(source: Source, item: dict[str, Any], place: tuple[Any, ...]) -> Expectation:
    """An expectation with the values as the file states them; BadScenario for what is none."""
    known = {*SELECTORS, *MEASURES, "at", "tolerance", "in"}
    if strange := next((key for key in item if key not in known), None):
        raise source.bad((*place, strange), f"unknown measure or selector {strange}")
    told: Any = validated(source, Expected, item, place)
    measures = {key: value for key, value in item.items() if key in MEASURES}
    if not measures:
        raise source.bad(place, "an expectation states at least one measure")
    where = {key: str(item[key]) for key in SELECTORS if key in item}
    return Expectation(
        at=told.at, where=where, measures=measures, tolerance=told.tolerance, functional=told.in_ is not None,
        place=place,
    )  # fmt: skip
