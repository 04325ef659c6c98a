"""What Kantata refuses: missing values, references to nothing, states and currencies it does not know, duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tieout.sandbox.world import Record, World

STATUSES = {"Not Started": 100, "Active": 310, "On Hold": 320, "Completed": 410, "Cancelled": 500}
REQUIRED = {
    "workspace": ("title",), "story": ("title", "workspace_id", "story_type"), "user": ("full_name",),
    "time_entry": ("workspace_id", "date_performed", "time_in_minutes"),
    "external_reference": ("service_name", "service_model", "service_model_ref", "subject_type", "subject_id"),
    "custom_field_value": ("subject_type", "subject_id", "custom_field_name"),
}  # fmt: skip
CHOICES = {
    "story_type": {"task", "deliverable", "milestone", "issue"},
    "state": {"not started", "started", "completed", "needs info", "blocked"},
    "currency": {"USD", "EUR", "GBP", "CHF", "CAD", "AUD", "JPY", "SEK", "INR", "SGD"},
}
REFERENCES = {"workspace_id": "workspace", "story_id": "story", "user_id": "user"}
DATES = ("start_date", "due_date", "date_performed")
LONGEST_TITLE = 255


@dataclass(frozen=True)
class Problem:
    """Why a record is refused."""

    attribute: str
    message: str


def check(world: World, type: str, values: Mapping[str, Any], held: Record | None) -> Problem | None:
    """The first reason to refuse, or None."""
    after = {**(held.fields if held else {}), **values}
    for name in REQUIRED.get(type, ()):
        if after.get(name) in (None, ""):
            return Problem(name, "can't be blank")
    for name, value in values.items():
        problem = _check_value(world, name, value)
        if problem is not None:
            return problem
    if type == "workspace" and "status" in values:
        status = values["status"]
        if not isinstance(status, Mapping) or status.get("message") not in STATUSES:
            return Problem("status", "is not a status of this account")
    return _check_duplicate(world, type, after) if held is None else None


def _check_value(world: World, name: str, value: Any) -> Problem | None:
    if value is None:
        return None
    if name == "title" and (not isinstance(value, str) or len(value) > LONGEST_TITLE):
        return Problem(name, f"is too long (maximum is {LONGEST_TITLE} characters)")
    if name in CHOICES and value not in CHOICES[name]:
        return Problem(name, "is not included in the list")
    if name in REFERENCES and world.get("kantata", REFERENCES[name], str(value)) is None:
        return Problem(name, "does not exist")
    if name in DATES and not _is_date(value):
        return Problem(name, "is not a date")
    if name == "time_in_minutes" and (not isinstance(value, int) or not 0 < value <= 24 * 60):
        return Problem(name, "must be greater than 0 and less than or equal to 1440")
    return None


def _check_duplicate(world: World, type: str, after: Mapping[str, Any]) -> Problem | None:
    keys = {
        "external_reference": REQUIRED["external_reference"],
        "custom_field_value": REQUIRED["custom_field_value"],
    }
    if type not in keys:
        return None
    if world.find("kantata", type, **{name: after[name] for name in keys[type]}):
        return Problem(keys[type][-1], "has already been taken")
    return None


def _is_date(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(str(value)))
    except ValueError:
        return False
