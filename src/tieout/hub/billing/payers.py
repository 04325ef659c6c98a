"""Who pays what of the work of a contract: its customer alone, or the payers of its split, each event by itself.

An event's shares are those of the terms when it is drafted, and stay once something of it is billed. What a correction
takes back goes to who was billed it. Domain rules §3.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection

from tieout.domain.billing import over_open_shares, share_over_payers
from tieout.domain.frames import PAYER_PARTS, PAYER_SHARES, SHAREABLE, frame
from tieout.store import payers as store
from tieout.telemetry.failpoints import fp

Row = dict[str, Any]


@dataclass
class Shares:
    """What is billable, once for each payer of it, and the shares that are decided with it.

    `positions`: {(contract, payer): place in the split}; `events`: those whose shares are stored anew, as `decided`
    says; an event without any is its contract's customer's alone.
    """

    rows: list[Row]
    positions: dict[tuple[str, str], int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    decided: list[Row] = field(default_factory=list)


def share(
    conn: Connection, rows: Sequence[Row], splits: Mapping[str, Sequence[Row]], customers: Mapping[str, str | None],
    redone: Collection[str],
) -> Shares:  # fmt: skip
    """Share what is billable (rows of `billing_runs.billable`) over the payers of its contract.

    `splits`: {contract: [{customer, share}]} of contracts that have one, `customers`: {contract: its own}; the drafts
    `redone` are about to end.
    """
    contracts = {row["contract"] for row in rows}
    several = store.sharing(conn, contracts) | (contracts & splits.keys())
    found = Shares(
        [{**row, "payer": customers[row["contract"]]} for row in rows if row["contract"] not in several]
    )
    mine = [row for row in rows if row["contract"] in several]
    if not mine:
        return found
    stored = _stored(conn, mine, redone)
    charged = store.standing(conn, {row["entry"] for row in mine if _takes_back(row)})
    fresh: list[Row] = []
    back: list[Row] = []
    stands: list[Row] = []
    left: list[Row] = []
    for row in mine:
        own = stored.get(row["event"], [])
        before = stored.get(row["reverses"] or "") or _charged(row, charged)
        if any(one["used"] for one in own):
            left += [_part(row, one, "open") for one in own]
        elif before:
            back.append(row)
            stands += [_part(row, one, "standing", -1) for one in before]
        elif row["untouched"] and row["contract"] in splits:
            fresh.append(row)
        else:
            rest = {"quantity": row["quantity"], "amount": row["amount"]}
            left.append(_part(row, {"payer": customers[row["contract"]], "position": 1, **rest}))
        if not any(one["used"] for one in own):
            found.events.append(row["event"])
    found.decided = [*_over(_whole(back), stands), *_by_terms(fresh, splits)]
    _add(found, conn, mine, [*found.decided, *left])
    return found


def _takes_back(row: Row) -> bool:
    """Whether the difference to a charge that was billed takes back some of it."""
    return bool(row["kind"] == "adjustment" and row["whole_amount"] < 0)


def _charged(row: Row, charged: Mapping[str, list[Row]]) -> list[Row]:
    stands = charged.get(row["entry"], []) if _takes_back(row) else []
    sums = {name: sum(one[f"standing_{name}"] for one in stands) for name in ("quantity", "amount")}
    enough = all(sums[name] >= -row[f"whole_{name}"] for name in sums)
    return stands if enough else []


def _whole(rows: Sequence[Row]) -> list[Row]:
    return [{**row, "quantity": row["whole_quantity"], "amount": row["whole_amount"]} for row in rows]


def _over(rows: Sequence[Row], open_shares: Sequence[Row]) -> list[Row]:
    parts = over_open_shares(frame(rows, SHAREABLE), frame(open_shares, PAYER_PARTS))
    return [dict(part) for part in parts.iter_rows(named=True)]


def keep(conn: Connection, shares: Shares, moment: datetime) -> None:
    """Store the shares that were decided, once the drafts that they replace are gone."""
    if shares.events:
        store.replace(conn, shares.events, shares.decided, moment)
        fp("billing.draft.shared")


def split_of(terms: Mapping[str, Any]) -> list[Row]:
    """The payers of a contract's terms in their order: {customer, share}; none where its customer pays alone."""
    split = (terms.get("invoicing") or {}).get("split") or []
    return [{"customer": payer["customer"], "share": Decimal(payer["share"])} for payer in split]


def _stored(conn: Connection, rows: Sequence[Row], redone: Collection[str]) -> dict[str, list[Row]]:
    named = {event for row in rows for event in (row["event"], row["reverses"]) if event}
    found: dict[str, list[Row]] = {}
    for one in store.read(conn, named, redone):
        found.setdefault(one["event"], []).append(one)
    return found


def _by_terms(rows: Sequence[Row], splits: Mapping[str, Sequence[Row]]) -> list[Row]:
    """The whole of events over the payers of their contracts."""
    shares = [
        {"contract": contract, "payer": payer["customer"], "position": place, "share": payer["share"]}
        for contract in {row["contract"] for row in rows}
        for place, payer in enumerate(splits[contract], 1)
    ]
    shared = share_over_payers(frame(_whole(rows), SHAREABLE), frame(shares, PAYER_SHARES))
    if not shared.waiting.is_empty():
        raise AssertionError("a split is judged when its contract is heard")
    return [dict(part) for part in shared.parts.iter_rows(named=True)]


def _part(row: Row, share: Mapping[str, Any], place: str = "", sign: int = 1) -> Row:
    """What a payer has of an event in one place of its share, in the columns of PAYER_PARTS."""
    named = {name: row[name] for name in ("event", "contract", "currency")}
    named |= {name: share[name] for name in ("payer", "position")}
    prefix = f"{place}_" if place else ""
    return named | {name: sign * share[prefix + name] for name in ("quantity", "amount")}


def _add(found: Shares, conn: Connection, rows: Sequence[Row], open_shares: Sequence[Row]) -> None:
    """Add what is billable, payer by payer; a correction names the invoice of the payer that it corrects."""
    invoices = store.corrected(conn, {row["entry"] for row in rows if row["corrects"]})
    of_event = {row["event"]: row for row in rows}
    for part in _over(rows, open_shares):
        row, payer = of_event[part["event"]], part["payer"]
        found.positions[row["contract"], payer] = part["position"]
        told = {"payer": payer, "corrects": invoices.get((row["entry"], payer)) if row["corrects"] else None}
        found.rows.append({**row, **told, "quantity": part["quantity"], "amount": part["amount"]})
