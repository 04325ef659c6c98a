"""Read-back: every value that was sent, compared with what the target now holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.connectors.kit.interface import Difference


def differences(sent: Any, held: Any, path: str = "") -> list[Difference]:
    """One Difference per sent leaf that the target holds otherwise.

    Numbers compare by value (`10` equals `10.00`), references by their id, rows of a list by their `line` or place.
    What the target holds beyond what was sent is its own business.
    """
    if isinstance(sent, Mapping):
        if not isinstance(held, Mapping):
            return [Difference(path or "record", _show(sent), _show(held))]
        return [
            d for name, value in sent.items() for d in differences(value, held.get(name), _join(path, name))
        ]
    if isinstance(sent, Sequence) and not isinstance(sent, str | bytes):
        return _rows(sent, held, path)
    return [] if same(sent, held) else [Difference(path, _show(sent), _show(held))]


def _rows(sent: Sequence[Any], held: Any, path: str) -> list[Difference]:
    if not isinstance(held, Sequence) or isinstance(held, str | bytes):
        return [Difference(path, f"{len(sent)} rows", _show(held))]
    found = [] if len(sent) == len(held) else [Difference(path, f"{len(sent)} rows", f"{len(held)} rows")]
    by_line = {str(row["line"]): row for row in held if isinstance(row, Mapping) and "line" in row}
    for place, row in enumerate(sent):
        line = str(row["line"]) if isinstance(row, Mapping) and "line" in row else ""
        other = by_line.get(line) if line and by_line else (held[place] if place < len(held) else None)
        found += differences(row, other, f"{path}[{line or place}]")
    return found


def same(sent: Any, held: Any) -> bool:
    """Whether two scalars are the same value, whatever their JSON type."""
    if sent is None or held is None or isinstance(sent, bool) or isinstance(held, bool):
        return _flag(sent) == _flag(held)
    if isinstance(sent, str) and isinstance(held, str | int):
        return sent == str(held)  # numbers that are names: 007 is not 7
    left, right = _number(sent), _number(held)
    if left is not None and right is not None:
        return left == right
    return str(sent) == str(held)


def _flag(value: Any) -> Any:
    """`T`/`F` and `true`/`false` in words count as the flags they are."""
    if isinstance(value, str) and value.lower() in ("t", "true", "f", "false"):
        return value.lower() in ("t", "true")
    return None if value == "" else value


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else str(name)


def _show(value: Any) -> str:
    return "nothing" if value is None else str(value)[:200]
