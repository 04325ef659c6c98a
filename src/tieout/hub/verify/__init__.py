"""The invariants I1 to I30, each checked over all rows of the live database, and over the outside where it is given.

Nothing is changed. What only the fault harness can show is `not_checkable_live` with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from tieout.hub.verify import control, delivery, money
from tieout.hub.verify.case import FAILED, Case, Check, Sandbox

__all__ = ["CHECKS", "Sandbox", "failed", "verify"]

CHECKS: dict[str, Check] = {
    "I1": money.every_hour_in_one_place, "I2": money.billed_within_the_event, "I3": money.money_is_conserved,
    "I4": money.journals_balance, "I5": money.documents_add_up, "I6": money.revenue_within_the_price,
    "I7": money.closed_periods_stay_closed, "I8": money.every_fact_accounted_for,
    "I9": delivery.one_live_record, "I10": delivery.crosswalk_is_one_to_one, "I11": delivery.no_false_merge,
    "I12": delivery.revisions_only_rise, "I13": delivery.deleted_stays_deleted, "I14": delivery.cursor_behind_inbox,
    "I15": delivery.replay_changes_nothing, "I16": delivery.frozen_bytes, "I17": delivery.within_the_budget,
    "I18": delivery.no_end_without_evidence,
    "I19": control.two_people, "I20": control.approved_is_what_stands, "I21": control.audit_is_whole,
    "I22": control.records_carry_their_entity, "I23": control.no_secret_in_any_sink, "I24": control.ends_are_ends,
    "I25": control.undone_or_told, "I26": control.nothing_waits_for_nothing, "I27": control.nothing_left_behind,
    "I28": control.poison_is_set_aside, "I29": control.exhausted_is_shown, "I30": control.tie_out_is_a_fixed_point,
}  # fmt: skip
"""Invariant -> the function that checks it."""


def verify(
    database: Engine | Connection,
    *,
    sandbox: Sandbox | None = None,
    secrets: Collection[str] = (),
    logs: Path | None = None,
    checkpoint: Path | None = None,
    only: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Check every invariant, or those of `only`: {invariant, status, detail}; a failed one names its first keys.

    `sandbox` gives the outside truth. `secrets` are values that may stand in no sink (those of the connections are
    added); `logs` is the folder of log files; `checkpoint` the file of signed chain heads outside the database.
    """
    if isinstance(database, Engine):
        with database.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
            return verify(conn, sandbox=sandbox, secrets=secrets, logs=logs, checkpoint=checkpoint, only=only)
    case = Case(database, sandbox, tuple(secrets), logs, checkpoint)
    return [{"invariant": name, **CHECKS[name](case).as_json()} for name in only or CHECKS]


def failed(results: Sequence[dict[str, Any]]) -> bool:
    """Whether an invariant does not hold."""
    return any(result["status"] == FAILED for result in results)
