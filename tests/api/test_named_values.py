"""Values that the contract names are those of the database and the code: one that is added there is added here."""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import StrEnum
from typing import get_args

import pytest
from sqlalchemy import CheckConstraint, Table

from tieout.api import desk_schemas, schemas
from tieout.hub import books, flows, tie_out
from tieout.model.exception_kinds import EXCEPTION_KINDS
from tieout.store import tables


def allowed(table: Table, column: str) -> set[str]:
    """The values that the database allows in a column."""
    for check in table.constraints:
        said = str(check.sqltext) if isinstance(check, CheckConstraint) else ""
        if found := re.fullmatch(rf"{column} IN \((.+)\)", said):
            return set(re.findall("'([a-z_]+)'", found[1]))
    raise AssertionError(f"{table.name}.{column} is not limited")


@pytest.mark.parametrize(
    ("named", "known"),
    [
        (schemas.DocumentKind, allowed(tables.invoice, "kind")),
        (schemas.DocumentState, allowed(tables.invoice, "state")),
        (schemas.IntentState, allowed(tables.intent, "state")),
        (schemas.EventKind, allowed(tables.billing_event, "kind")),
        (schemas.RunState, allowed(tables.billing_run, "state")),
        (schemas.ExceptionState, allowed(tables.exception, "state")),
        (schemas.FlowState, flows._NEXT),
        (schemas.StepState, flows.STEP_STATES),
        (schemas.Outcome, tie_out._OUTCOMES),
        (schemas.Severity, {kind.severity for kind in EXCEPTION_KINDS.values()}),
    ],
)
def test_named_values_are_all_that_there_are(named: type[StrEnum], known: Collection[str]) -> None:
    assert {str(one) for one in named} == set(known)


def test_members_of_open_lists_are_named() -> None:
    """The checks of a tie-out and the amounts of a contract's status come from a list of their own."""
    assert set(get_args(desk_schemas.TieOut.model_fields["check"].annotation)) == set(tie_out.CHECKS)
    assert set(desk_schemas.StatusAmounts.model_fields) == {"currency", *books.STATUS}
    assert all(
        re.fullmatch(str(desk_schemas.BusinessException.model_fields["kind"].metadata[0].pattern), kind)
        for kind in EXCEPTION_KINDS
    )
