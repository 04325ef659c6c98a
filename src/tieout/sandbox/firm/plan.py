"""What a firm is made of: dated actions of its people, planned time, mess with what should become of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from tieout.sandbox.firm.planted import Planted


@dataclass(frozen=True)
class Action:
    """Something that a person does in a system at a moment. `mess` is what it plants when it has happened."""

    moment: datetime
    system: str
    verb: str
    payload: Mapping[str, Any]
    mess: tuple[Planted, ...] = ()


@dataclass(frozen=True)
class Worker:
    """One of the firm's people, with the contracts they work on."""

    id: str
    name: str
    email: str
    role: str
    main_contract: str
    other_contract: str


@dataclass(frozen=True)
class Entry:
    """Time that a worker books: on a contract's project, or on a workspace that belongs to none (`workspace`)."""

    id: str
    contract: str
    worker: Worker
    day: date
    minutes: int
    task: int
    billable: bool = True
    workspace: str | None = None


@dataclass(frozen=True)
class Stop:
    """A moment at which whoever plays the firm lets the other side catch up, and what it would do then."""

    moment: datetime
    label: str
    bill_through: date | None = None


@dataclass(frozen=True)
class Firm:
    """A whole firm: the same seed and size give the same one."""

    seed: int
    workers: tuple[Worker, ...]
    contracts: tuple[str, ...]
    entries: tuple[Entry, ...]
    actions: tuple[Action, ...]
    stops: tuple[Stop, ...]
    planted: tuple[Planted, ...] = field(default=())
