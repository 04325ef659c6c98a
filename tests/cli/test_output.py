"""Values on stdout: exact numbers as strings, one value, tables that cut and awk can read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal

import pytest

from tieout.cli.output import print_json, table


@dataclass
class Line:
    amount: Decimal
    on: date


def test_money_is_a_string_with_its_digits_and_dates_are_iso(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    print_json(
        {"line": Line(Decimal("1E+3"), date(2026, 1, 31)), "at": moment, "n": 3, "x": (Decimal("0.10"),)}
    )
    assert json.loads(capsys.readouterr().out) == {
        "line": {"amount": "1000.00", "on": "2026-01-31"},
        "at": "2026-01-31T12:00:00+00:00",
        "n": 3,
        "x": ["0.10"],
    }


def test_not_a_number_is_never_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        print_json(float("nan"))


def test_a_piped_table_has_tabs_and_shows_markup_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    table(["name", "amount"], [("[red]x[/red]", Decimal("1.50")), (None, 2)])
    assert capsys.readouterr().out == "name\tamount\n[red]x[/red]\t1.50\n\t2\n"
