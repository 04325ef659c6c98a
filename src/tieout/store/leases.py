"""Leases that end with the session that holds them: a worker's slot, and chores that one worker does for all."""

from __future__ import annotations

from sqlalchemy import Connection, text

_SLOTS = 723_640_193
_CHORES = 723_640_194
_TRY = text("SELECT pg_try_advisory_lock(:kind, :number)")
_RELEASE = text("SELECT pg_advisory_unlock(:kind, :number)")


def take_slot(conn: Connection, slot: int) -> bool:
    """Hold a worker's slot until this session ends or gives it up; false while another session has it."""
    return bool(conn.execute(_TRY, {"kind": _SLOTS, "number": slot}).scalar_one())


def give_up_slot(conn: Connection, slot: int) -> None:
    """Free a slot that this session holds."""
    conn.execute(_RELEASE, {"kind": _SLOTS, "number": slot})


def take_chores(conn: Connection) -> bool:
    """Hold the chores of the whole installation; false while another session has them."""
    return bool(conn.execute(_TRY, {"kind": _CHORES, "number": 1}).scalar_one())


def is_alive(conn: Connection) -> bool:
    """Ask the server, so that a lost session is noticed (it raises then)."""
    return bool(conn.execute(text("SELECT true")).scalar_one())
