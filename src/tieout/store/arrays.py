"""Many rows in one statement whose text is always the same: each column goes in as an array.

Rows as VALUES make a text of their own for every number of rows, which is compiled and parsed anew each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def unnest(types: Mapping[str, str]) -> str:
    """The rows of the parameters that are named as the columns: `unnest(CAST(:a AS text[]), …)`."""
    return f"unnest({', '.join(f'CAST(:{name} AS {type}[])' for name, type in types.items())})"


def columns(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, list[Any]]:
    """The parameters: per column the values of all rows."""
    return {name: [row[name] for row in rows] for name in names}
