"""Rate cards that the workspace owns: prices are heard, and what they replace is kept.

Of prices with the same attributes the one heard last holds on the days it covers (domain rules §2.4). One that a new
price covers wholly is ended, everything else stays; a price that stands already is left untouched.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tieout.hub import audit, ownership, policies, work
from tieout.hub.actors import SYSTEM, Actor, require
from tieout.hub.price_list import RatePrice, RefusedRow, read_price_list
from tieout.hub.refusals import Conflict, Invalid
from tieout.store import affected, clock
from tieout.store import rates as store
from tieout.store.rates import ATTRIBUTES
from tieout.telemetry.failpoints import fp

OWNER = "workspace"
LONGEST_CODE = 60
WORKSPACE_SOURCE = "workspace "
"""How the source of a price begins that the workspace's own files state."""


@dataclass(frozen=True)
class Heard:
    """What hearing a list of prices did to a card: prices added, left untouched, ended."""

    added: int
    unchanged: int
    ended: int


@dataclass(frozen=True)
class Imported:
    """The answer of an import, in rows of the file; `contracts` are rated again because their card changed."""

    imported: int
    unchanged: int
    refused: tuple[RefusedRow, ...]
    contracts: tuple[str, ...] = ()


def import_rates(
    conn: Connection,
    actor: Actor,
    name: str,
    content: bytes,
    card: str,
    *,
    currency: str = "USD",
    start: date | None = None,
    form: str | None = None,
) -> Imported:
    """Take the good rows of a price list into a card; the refused ones are in the answer. Asks to rate its contracts."""
    if actor is not SYSTEM:
        require(actor, "rate-cards:import")
    _refuse_foreign(conn)
    check_code(card)
    found = read_price_list(name, content, currency=currency, start=start, form=form)
    store.lock_card(conn, card)
    standing = {_key_of(row) for row in store.current(conn, [card])}
    fresh = {price.row for price in found.prices if _key(price) not in standing}
    heard = hear(conn, card, found.prices, f"import {name[:100]}")
    contracts = rerate(conn, [card]) if heard.added else []
    rows = {price.row for price in found.prices}
    answer = Imported(
        len(fresh), len(rows - fresh) + len(found.repeated), found.refused, tuple(contracts)
    )  # fmt: skip
    detail = {
        "file": name, "sha256": hashlib.sha256(content).hexdigest(), "imported": answer.imported,
        "unchanged": answer.unchanged, "refused": len({r.row for r in found.refused}), "ended": heard.ended,
    }  # fmt: skip
    audit.record(
        conn, actor, "import", "rate_card", card, rows=heard.added + heard.ended, detail=detail,
        digest=audit.digest_of(_row(card, price, "", None) for price in found.prices),
    )  # fmt: skip
    return answer


def check_code(card: str) -> None:
    """Refuse a card's code that a contract could not name."""
    if not card or card != card.strip() or len(card) > LONGEST_CODE or not card.isprintable():
        raise Invalid("A rate card has a short code.", fields={"card": card[:LONGEST_CODE]},
                      remedy="Use a code such as STANDARD.")  # fmt: skip


def _refuse_foreign(conn: Connection) -> None:
    owners = ownership.load(conn).owners("rate_card", None, clock.now(conn).date())
    if OWNER not in owners:
        raise Conflict(
            f"Rate cards are owned by {', '.join(sorted(owners))}, so prices are not imported here. Nothing was written.",
            remedy="Change the price there, or give `rate_card` to `workspace` in ownership.yaml.",
        )


def hear(
    conn: Connection, card: str, prices: Sequence[RatePrice], source: str, *, whole: bool = False
) -> Heard:
    """Prices heard now, together. `whole`: they are all that the workspace's files state, so others of it end."""
    store.lock_card(conn, card)
    moment = _moment(conn, card)
    current = store.current(conn, [card])
    standing = {_key_of(row): row for row in current}
    fresh = [price for price in prices if _key(price) not in standing]
    kept = {standing[_key(price)]["id"] for price in prices if _key(price) in standing}
    ended = _replaced((row for row in current if row["id"] not in kept), fresh)
    if whole:
        ended |= {
            row["id"]
            for row in current
            if row["id"] not in kept and row["source"].startswith(WORKSPACE_SOURCE)
        }
    store.supersede(conn, ended, moment)
    fp("rates.ended")
    store.add(conn, [_row(card, price, source, moment) for price in fresh])
    fp("rates.heard")
    return Heard(len(fresh), len(kept), len(ended))


def _moment(conn: Connection, card: str) -> datetime:
    """Now, but after all that was heard of the card before: only prices heard together may be ambiguous."""
    now, last = clock.now(conn), store.last_heard(conn, card)
    return now if last is None else max(now, last + timedelta(microseconds=1))


def _replaced(current: Iterable[Mapping[str, Any]], fresh: Iterable[RatePrice]) -> set[int]:
    """Standing prices of which one heard now has the same attributes and covers all days."""
    spans: dict[Any, list[tuple[date, date]]] = defaultdict(list)
    for price in fresh:
        spans[price.attributes].append((price.start, price.end or date.max))
    return {
        row["id"]
        for row in current
        for start, end in spans.get(_stated(row), ())
        if start <= row["effective_from"] and end >= (row["effective_to"] or date.max)
    }


def _stated(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, row[name]) for name in ATTRIBUTES if row[name] is not None)


def _key_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        _stated(row), row["price"], row["currency"], row["unit"], row["effective_from"], row["effective_to"],
    )  # fmt: skip


def _key(price: RatePrice) -> tuple[Any, ...]:
    return price.facts


def _row(card: str, price: RatePrice, source: str, moment: datetime | None) -> dict[str, Any]:
    stated = dict(price.attributes)
    return {
        "card": card, "currency": price.currency, **{name: stated.get(name) for name in ATTRIBUTES},
        "unit": price.unit, "price": price.price, "effective_from": price.start, "effective_to": price.end,
        "source": f"{source} row {price.row}", "recorded_at": moment,
    }  # fmt: skip


def rerate(conn: Connection, cards: Sequence[str]) -> list[str]:
    """Ask to rate every contract that may take a price from these cards; which."""
    chosen = policies.load(conn)
    customers = [customer for customer, card in chosen.customer_cards.items() if card in cards]
    entities = [entity for entity, card in chosen.entity_cards.items() if card in cards]
    contracts = store.contracts_using(conn, cards, customers, entities)
    waiting = affected.waiting_among(conn, contracts)
    work.request_all(conn, [*(("rate", c) for c in contracts), *(("setup", c) for c in sorted(waiting))])
    return contracts
