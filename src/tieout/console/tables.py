"""The one table of the console: compact, paged on the server, keys that copy, rows that open a drawer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from tieout.console import theme
from tieout.hub.exceptions import Page

PAGE = 50
Load = Callable[[str | None], Awaitable[Page]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: the field of the row, its heading, how a value is written; `number` stands to the right."""

    field: str
    label: str
    write: Callable[[Row], str] | None = None
    number: bool = False


class PagedTable:
    """Rows of a keyset-paged list; `open` is called with the row that a person chooses."""

    def __init__(
        self,
        columns: Sequence[Column],
        load: Load,
        *,
        key: str,
        open: Callable[[Row], Awaitable[None]] | None = None,
        choose: bool = False,
        nothing: str = "Nothing here.",
        on_choose: Callable[[list[Row]], None] | None = None,
    ) -> None:
        self._columns, self._load, self._key, self._open = columns, load, key, open
        self._cursors: list[str | None] = [None]
        self._rows: dict[str, Row] = {}
        self._on_choose = on_choose
        self._place = ui.column().classes("w-full").style("gap:8px;min-width:0")
        with self._place:
            self._table = ui.table(
                columns=[_declared(c) for c in columns], rows=[], row_key="__key",
                selection="multiple" if choose else None, on_select=self._chosen,
            ).classes("t-table w-full").props("flat dense separator=horizontal")  # fmt: skip
            self._table.add_slot(f"body-cell-{columns[0].field}", _KEY_CELL)
            for column in columns[1:]:
                if column.field in ("state", "severity"):
                    self._table.add_slot(f"body-cell-{column.field}", _state_cell())
            self._table.on("open", lambda event: self._opened(event.args))
            self._table.on(
                "rowClick", lambda event: self._opened(event.args[1]["__key"]), [[], ["__key"], None]
            )
            self._nothing = ui.label(nothing).classes("t-empty")
            with ui.element("div").classes("t-row"):
                self._back = ui.button("Back", on_click=self._previous).props("flat dense icon=chevron_left")
                self._more = ui.button("More", on_click=self._next).props(
                    "flat dense icon-right=chevron_right"
                )
                self._where = ui.label().classes("t-quiet")

    @property
    def chosen(self) -> list[Row]:
        """The rows that are ticked."""
        return [self._rows[row["__key"]] for row in self._table.selected if row["__key"] in self._rows]

    async def refresh(self) -> None:
        """Load the page again that is shown."""
        found = await self._load(self._cursors[-1])
        self._rows = {str(row[self._key]): row for row in found.rows}
        shown = [self._written(key, row) for key, row in self._rows.items()]
        if shown != self._table.rows:
            self._table.rows = shown
            self._table.selected = [
                r for r in shown if any(r["__key"] == s["__key"] for s in self._table.selected)
            ]
        first = (len(self._cursors) - 1) * PAGE
        self._nothing.visible = not shown and first == 0
        self._table.visible = not self._nothing.visible
        self._back.visible, self._more.visible = len(self._cursors) > 1, found.cursor is not None
        self._where.text = f"{first + 1}–{first + len(shown)}" if first or found.cursor else ""
        self._following = found.cursor

    async def restart(self) -> None:
        """Begin again at the first page (the filter changed)."""
        self._cursors = [None]
        self._table.selected = []
        await self.refresh()

    async def _next(self) -> None:
        if self._following:
            self._cursors.append(self._following)
            await self.refresh()

    async def _previous(self) -> None:
        if len(self._cursors) > 1:
            self._cursors.pop()
            await self.refresh()

    async def _opened(self, key: str) -> None:
        if self._open is not None and key in self._rows:
            await self._open(self._rows[key])

    def _chosen(self) -> None:
        if self._on_choose is not None:
            self._on_choose(self.chosen)

    def _written(self, key: str, row: Mapping[str, Any]) -> Row:
        cells = {c.field: c.write(dict(row)) if c.write else _text(row.get(c.field)) for c in self._columns}
        return {**cells, "__key": key}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _declared(column: Column) -> dict[str, Any]:
    side = "right" if column.number else "left"
    return {"name": column.field, "label": column.label, "field": column.field, "align": side}


_KEY_CELL = """
<q-td :props="props"><button type="button" class="t-link" @click.stop="() => $parent.$emit('open', props.row.__key)"
 :aria-label="'Open ' + props.value">{{ props.value }}</button></q-td>
"""


def _state_cell() -> str:
    css = ",".join(f"'{name}':'{css}'" for name, (css, _) in theme.STATES.items())
    icons = ",".join(f"'{name}':'{icon}'" for name, (_, icon) in theme.STATES.items())
    return (
        '<q-td :props="props"><span :class="\'t-state \' + ({' + css + "}[props.value] || 'plain')\">"
        '<q-icon size="16px" :name="({' + icons + "}[props.value] || 'radio_button_unchecked')\" /> "
        "{{ (props.value || '').replaceAll('_',' ') }}</span></q-td>"
    )


def plain_table(columns: Sequence[Column], rows: Sequence[Row], nothing: str = "Nothing here.") -> None:
    """A short list that is shown whole."""
    if not rows:
        theme.empty(nothing)
        return
    shown = [
        {**{c.field: c.write(row) if c.write else _text(row.get(c.field)) for c in columns}, "__key": place}
        for place, row in enumerate(rows)
    ]
    table = ui.table(columns=[_declared(c) for c in columns], rows=shown, row_key="__key")
    table.classes("t-table w-full").props("flat dense separator=horizontal")
    for column in columns:
        if column.field in ("state", "severity", "outcome"):
            table.add_slot(f"body-cell-{column.field}", _state_cell())
