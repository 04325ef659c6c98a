"""The shape of the answers of the desk: exceptions, flows, tie-outs, financial status, measures, connections."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from tieout.api.schemas import (
    Count,
    Currency,
    Decimals,
    ExceptionState,
    FlowState,
    Month,
    Outcome,
    Severity,
    Shown,
    StepState,
    TieOutState,
    absent,
)


class BusinessException(Shown):
    """What a person must decide, with the money at stake in `currency`."""

    id: UUID
    kind: str = Field(pattern="^[a-z]+(-[a-z]+)*$", examples=["missing-rate"])
    severity: Severity
    owner: str = Field(description="a role, or the address of the person who has it")
    key: str = Field(description="the source's id or the business key it is about")
    contract: str | None
    entity: str | None = Field(description="legal entity")
    amount: Decimals | None
    currency: Currency | None
    opened_at: AwareDatetime
    age_days: Count
    cause: str
    remedies: list[str]
    state: ExceptionState = absent("in lists: with `filter[all]` only")


class BusinessExceptionRecord(BusinessException):
    """One exception with its evidence."""

    state: ExceptionState
    evidence: dict[str, Any]
    updated_at: AwareDatetime
    closed_at: AwareDatetime | None
    closed_by: str | None
    resolution: str | None


class ReplayedWork(Shown):
    """Work that is requested again."""

    exception: UUID
    kind: str
    key: str
    facts: Count
    intents: Count
    work: list[tuple[str, str]] = Field(description="[kind, key] of each piece of work")


class Replays(Shown):
    """What a replay set in motion, or would."""

    dry_run: bool
    replays: list[ReplayedWork]


class Flow(Shown):
    """Work that crosses systems."""

    id: UUID
    kind: str = Field(examples=["project_setup"])
    key: str
    state: FlowState
    waiting_for: str | None = Field(description="in plain words")
    detail: dict[str, Any]
    started_at: AwareDatetime
    updated_at: AwareDatetime


class FlowStep(Shown):
    """One step of a flow."""

    step: str
    state: StepState
    attempts: int = Field(ge=1)
    detail: dict[str, Any]
    at: AwareDatetime


class FlowRecord(Flow):
    """One flow with its steps, in the order in which they were first reached."""

    steps: list[FlowStep]


class TieOutItem(Shown):
    """What one key came to; amounts are in `currency`."""

    key: str
    contract: str | None
    ours: Decimals | None
    theirs: Decimals | None
    difference: Decimals
    currency: Currency
    outcome: Outcome
    cause: str | None = Field(description="null: nothing explains the difference")
    explained_by: str | None


class TieOutAmount(Shown):
    """Absolute differences in one currency: all of them, and those that nothing explains."""

    currency: Currency
    amount: Decimals
    unexplained: Decimals


class TieOut(Shown):
    """The newest result of a check of a legal entity and period; items that differ come first."""

    check: Literal["billed"]
    entity: str
    period: Month
    matched: Count
    ours_only: Count
    theirs_only: Count
    different: Count
    amount: Decimals = Field(description="sum over all currencies; see `by_currency`")
    unexplained: Decimals = Field(description="sum over all currencies; see `by_currency`")
    by_currency: list[TieOutAmount]
    state: TieOutState
    detail: str | None
    at: AwareDatetime
    items: list[TieOutItem]


class TieOutRequested(Shown):
    """What will be compared; the result is under GET /v1/tie-outs."""

    check: str
    entity: str
    period: Month


class StatusAmounts(Shown):
    """Where a contract stands in one currency."""

    currency: Currency
    recognised: Decimals
    billed: Decimals = Field(description="net of tax, less credits")
    credited: Decimals
    paid: Decimals
    receivable: Decimals
    unbilled_receivable: Decimals
    contract_liability: Decimals
    unbilled: Decimals = Field(description="may be billed now")
    drafted: Decimals = Field(description="the part of `unbilled` that stands on drafts")
    over_cap: Decimals
    held: Decimals
    written_off: Decimals
    tax: Decimals


class FinancialStatus(Shown):
    """What a contract earned, billed, was paid, and what stands between."""

    contract: str
    by_currency: list[StatusAmounts]


class AccountMoves(Shown):
    """How an account moved in a period: opening + billed + recognised + adjustments = closing; debits are positive."""

    entity: str
    account: str
    currency: Currency
    opening: Decimals
    billed: Decimals = Field(description="invoices, credit notes and what they retain")
    recognised: Decimals = Field(description="what was earned and what it cost")
    adjustments: Decimals = Field(description="cash, reclassifications, remeasurement and all else")
    closing: Decimals
    movements: dict[str, Decimals] = Field(description="what moved it, by cause type")


class RollForward(Shown):
    """How the accounts moved in a period; with `known_at` the same answer for ever."""

    period: str
    known_at: AwareDatetime | None = Field(description="null: as known now")
    accounts: list[AccountMoves]


class Measure(Shown):
    """A measure with its one definition."""

    measure: str
    value: Decimals | None = Field(description="null while there is nothing to measure")
    unit: str = Field(examples=["days", "share"])
    definition: str


class ConnectionHealth(Shown):
    """Whether a connection answers, how old its last read is, how many calls it may still make this minute."""

    name: str
    ok: bool
    lag_seconds: Count | None = Field(description="null: never read")
    budget_left: Count
    detail: str | None


class SyncRequested(Shown):
    """Objects that will be read now."""

    connection: str
    objects: list[str]
