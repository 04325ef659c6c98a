"""A checked workspace comes into force: one version, its connections, its prices, one audit row, one transaction."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, rates, work
from tieout.hub.actors import SYSTEM, Actor, require
from tieout.hub.billing import e_invoices
from tieout.hub.price_list import RatePrice
from tieout.hub.refusals import Invalid
from tieout.store import affected, clock, costing
from tieout.store import workspace as store
from tieout.telemetry.failpoints import fp
from tieout.workspace.findings import Finding
from tieout.workspace.loading import Loaded, load

ENVIRONMENTS = ("dev",)
_RATED_BY = ("tax", "tax_points", "billing", "entities", "ownership")
"""Parts of the document of which a change may change what a contract is rated or billed at, or costs."""


@dataclass(frozen=True)
class AppliedVersion:
    """The version in force afterwards; `changed` is false when it was in force before."""

    version: int
    digest: str
    changed: bool
    connections: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    prices_added: int = 0
    prices_ended: int = 0
    rated_again: int = 0
    records_released: int = 0


def apply(
    conn: Connection,
    folder: Path,
    actor: Actor,
    environment: str = "dev",
    environ: Mapping[str, str] | None = None,
    further: Sequence[Finding] = (),
) -> AppliedVersion:
    """Put a folder into force; refused with every finding when it does not pass the check.

    `further` are findings of checks that the workspace cannot make itself, such as those of its scenarios.
    """
    if actor is not SYSTEM:
        require(actor, "workspace:apply")
    if environment not in ENVIRONMENTS:
        raise Invalid(
            f"Applying to {environment!r} is not supported yet: there is no plan and no approval for it. "
            "Nothing was written.",
            code="TIE-141", fields={"environment": environment},
            remedy="Apply to dev (--environment, else TIEOUT_ENVIRONMENT), on a database of its own.",
        )  # fmt: skip
    loaded = load(folder, os.environ if environ is None else environ)
    _refuse(folder, sorted([*loaded.findings, *further]))
    version, digest, before = store.head(conn)
    if digest == loaded.digest:
        return AppliedVersion(version, digest, changed=False, connections=_names(loaded))
    return _apply(conn, loaded, actor, version + 1, before)


def _refuse(folder: Path, findings: Sequence[Finding]) -> None:
    if findings:
        fields: dict[str, str] = {}
        for finding in findings:
            said = str(finding).removeprefix(f"{finding.place}: ")
            fields[finding.place] = f"{fields[finding.place]} | {said}" if finding.place in fields else said
        raise Invalid(
            f"The workspace {folder} has {len(findings)} findings. Nothing was written.", code="TIE-140",
            fields=fields, remedy="Correct them; tieout check shows them again.",
        )  # fmt: skip


def _names(loaded: Loaded) -> tuple[str, ...]:
    return tuple(sorted(loaded.document["connections"]))


def _apply(
    conn: Connection, loaded: Loaded, actor: Actor, version: int, before: Mapping[str, Any]
) -> AppliedVersion:
    row = {
        "version": version, "digest": loaded.digest, "document": loaded.document, "applied_by": actor.name,
        "recorded_at": clock.now(conn),
    }  # fmt: skip
    store.add_version(conn, row)
    fp("workspace.version")
    disabled = store.declare_connections(conn, _connections(loaded.document["connections"]))
    fp("workspace.connections")
    added, ended, cards = _hear(conn, loaded, before)
    rated = set(rates.rerate(conn, cards)) if cards else set()
    rated |= _rate_all(conn, loaded.document, before)
    e_invoices.recheck(conn)
    released = _remap(conn, loaded.document, before)
    answer = AppliedVersion(
        version, loaded.digest, True, _names(loaded), tuple(disabled), added, ended, len(rated), released
    )
    audit.record(
        conn, actor, "apply", "workspace", str(loaded.document["name"]), rows=1 + added + ended,
        digest=bytes.fromhex(loaded.digest),
        detail={"version": version, "disabled": disabled, "cards": cards, "released": released},
    )  # fmt: skip
    fp("workspace.applied")
    return answer


def _connections(stated: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name, "connector": one["connector"], "config": {**one["config"], "secrets": one["secrets"]},
            "budget_per_minute": one["budget_per_minute"],
        }
        for name, one in sorted(stated.items())
    ]  # fmt: skip


def _hear(conn: Connection, loaded: Loaded, before: Mapping[str, Any]) -> tuple[int, int, list[str]]:
    """Hear the prices of cards whose files changed: prices added, ended, and the cards that changed by it."""
    old, new = before.get("rate_cards") or {}, loaded.document["rate_cards"]
    added, ended, changed = 0, 0, []
    for card in sorted({*old, *new}):
        was, now = old.get(card) or {}, new.get(card) or {}
        if was.get("rules") != now.get("rules"):  # what a day is, or that every role costs the same
            changed.append(card)
        if was.get("digest") == now.get("digest"):
            continue
        heard = _hear_card(conn, card, loaded.cards.get(card, []))
        added, ended = added + heard.added, ended + heard.ended
        changed += [card] if heard.added or heard.ended else []
    return added, ended, sorted(set(changed))


def _hear_card(conn: Connection, card: str, prices: Sequence[tuple[str, RatePrice]]) -> rates.Heard:
    name = prices[0][0] if prices else "nothing"
    return rates.hear(
        conn, card, [price for _, price in prices], f"{rates.WORKSPACE_SOURCE}{name}", whole=True
    )


def _rate_all(conn: Connection, document: Mapping[str, Any], before: Mapping[str, Any]) -> set[str]:
    if not before or all(document.get(part) == before.get(part) for part in _RATED_BY):
        return set()
    contracts = store.contracts(conn)
    waiting = affected.waiting_among(conn, contracts)
    costed = contracts if costing.anything_costs(conn) else ()
    pieces = {"rate": contracts, "setup": waiting, "cost": costed}
    work.request_all(conn, [(kind, contract) for kind, keys in pieces.items() for contract in sorted(keys)])
    return set(contracts)


def _remap(conn: Connection, document: Mapping[str, Any], before: Mapping[str, Any]) -> int:
    """Rows that a changed mapping may read now are new again, and their objects are synced; how many."""
    released, old, new = 0, before.get("mappings") or {}, document["mappings"]
    for name, one in sorted(document["connections"].items()):
        was, now = old.get(one["connector"]) or {}, new.get(one["connector"]) or {}
        changed = [
            d
            for file in {*was, *now}
            if was.get(file) != now.get(file)
            for d in (was.get(file), now.get(file))
        ]
        objects = sorted({d["object"] for d in changed if d and d.get("direction") == "in"})
        if objects:
            released += store.release_mapped(conn, name, objects)
            pieces = [("sync", f"{name}/{object}") for object in objects]
            work.request_all(conn, [*pieces, ("drift", name)])
    return released
