"""A billing run, partition by partition: every contract of it becomes drafts, waits with its reason, or is shown as failed."""

from __future__ import annotations

from sqlalchemy import Connection

from tieout.flows.durable import Later, transaction, workflow
from tieout.hub.billing import drafts, runs


@workflow("bill", queue="runs")
def bill(key: str) -> Later | None:
    """Draft the contracts of one partition together; where that fails those of each invoice alone, so none holds up the
    others.
    """
    run_id, _, partition = key.rpartition("/")
    try:
        draft_together(run_id, int(partition))
    except Exception:
        failure = draft_singly(run_id, int(partition))
        if failure is not None:
            raise failure from None
    return None


@transaction
def draft_together(conn: Connection, run_id: str, partition: int) -> int:
    """How many contracts were drafted."""
    return runs.draft_partition(conn, run_id, partition)


def draft_singly(run_id: str, partition: int) -> Exception | None:
    """The first failure, after every other set of contracts was drafted."""
    failure = None
    for contracts in undone(run_id, partition):
        try:
            draft_one(run_id, contracts)
        except Exception as error:
            failure = failure or error
    return failure


@transaction
def undone(conn: Connection, run_id: str, partition: int) -> list[list[str]]:
    """Contracts that are still to be drafted, in sets of those that may share an invoice."""
    return runs.undone(conn, run_id, partition)


@transaction
def draft_one(conn: Connection, run_id: str, contracts: list[str]) -> list[str]:
    """References of the drafts of contracts that go together."""
    return drafts.draft(conn, run_id, contracts)
