"""The one table of the console: compact, paged on the server, keys that copy, rows that open a drawer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from tieout.console import theme, words
from tieout.hub.exceptions import Page

PAGE = 50
Load = Callable[[str | None], Awaitable[Page]]
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column: the field of the row, its heading, how a value is written; `number` stands to the right.

    `money` is written in the row's currency, which stands in the heading where it is one for the whole table.
    `wrap` lets a long text take several lines; `wide` stands on wide windows only, its value in the drawer too; `link` is
    the address that the cell leads to.
    """

    field: str
    label: str
    write: Callable[[Row], str] | None = None
    number: bool = False
    money: bool = False
    wrap: bool = False
    wide: bool = False
    link: Callable[[Row], str] | None = None


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
            ).classes("t-table t-open" if open else "t-table").props("flat dense separator=horizontal")  # fmt: skip
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
        currency = _one_currency(found.rows)
        shown = [{**_cells(self._columns, row, currency), "__key": key} for key, row in self._rows.items()]
        if shown != self._table.rows:
            self._table.columns = [_declared(c, currency) for c in self._columns]
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


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _one_currency(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The currency of all rows; None where they have several."""
    named = {row["currency"] for row in rows if row.get("currency")}
    return str(named.pop()) if len(named) == 1 else None


def _cells(columns: Sequence[Column], row: Mapping[str, Any], currency: str | None) -> Row:
    return {column.field: _cell(column, dict(row), currency) for column in columns}


def _cell(column: Column, row: Row, currency: str | None) -> str:
    if not column.money:
        return column.write(row) if column.write else _text(row.get(column.field))
    text = words.money(row.get(column.field), row.get("currency"))
    return text.removesuffix(f" {currency}") if currency else text


def _declared(column: Column, currency: str | None = None) -> dict[str, Any]:
    label = f"{column.label}, {currency}" if column.money and currency else column.label
    side = "right" if column.number or column.money else "left"
    looks = (("t-wrap", column.wrap), ("t-wide", column.wide), ("t-num", side == "right"))
    css = " ".join(name for name, on in looks if on)
    return {
        "name": column.field, "label": label, "field": column.field, "align": side, "classes": css,
        "headerClasses": css,
    }  # fmt: skip


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


_LINK_CELL = """
<q-td :props="props"><a class="t-link" :href="props.row['__to_' + props.col.name]">{{ props.value }}</a></q-td>
"""


def plain_table(columns: Sequence[Column], rows: Sequence[Row], nothing: str = "Nothing here.") -> None:
    """A short list that is shown whole."""
    if not rows:
        theme.empty(nothing)
        return
    currency = _one_currency(rows)
    shown = [
        {**_cells(columns, row, currency), **_links(columns, row), "__key": place}
        for place, row in enumerate(rows)
    ]
    table = ui.table(columns=[_declared(c, currency) for c in columns], rows=shown, row_key="__key")
    table.classes("t-table").props("flat dense separator=horizontal")
    for column in columns:
        if column.link is not None:
            table.add_slot(f"body-cell-{column.field}", _LINK_CELL)
        elif column.field in ("state", "severity", "outcome"):
            table.add_slot(f"body-cell-{column.field}", _state_cell())


def _links(columns: Sequence[Column], row: Row) -> Row:
    return {f"__to_{column.field}": column.link(row) for column in columns if column.link is not None}
