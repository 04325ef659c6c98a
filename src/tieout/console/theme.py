"""The look of the console, in one place: tokens for light and dark, one page frame, states with a word beside the color."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from nicegui import app, ui

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tieout.hub.actors import Actor

STYLE = """
:root{--bg:#f6f6f4;--surface:#fff;--raised:#fbfbfa;--line:#e2e1dc;--ink:#1b1d1f;--muted:#5d6165;--accent:#1b5e8c;
 --accent-soft:#e8f0f6;--late:#a8201a;--risk:#8a5a00;--agreed:#17692f;--blocked:#6d2077;--q-primary:#1b5e8c}
.body--dark{--bg:#16181a;--surface:#1e2124;--raised:#24282b;--line:#34393d;--ink:#e7e9ea;--muted:#a3a9ae;
 --accent:#7db8e0;--accent-soft:#20303c;--late:#ff8a80;--risk:#f0b85a;--agreed:#7ecf94;--blocked:#d59be0}
body{background:var(--bg)!important;color:var(--ink);font:13px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;
 font-variant-numeric:tabular-nums}
.nicegui-content{padding:0!important;gap:0!important;align-items:stretch!important}
.t-head{background:var(--surface)!important;color:var(--ink)!important;border-bottom:1px solid var(--line);height:48px;
 display:flex;align-items:center;padding:0 16px;gap:12px;box-shadow:none!important}
.t-nav{background:var(--surface)!important;border-right:1px solid var(--line);padding:12px 8px!important}
.t-nav .q-drawer__content,.t-nav .nicegui-drawer,.t-nav{display:flex;flex-direction:column;gap:2px!important}
.t-nav a{display:flex;gap:8px;width:100%;align-items:center;padding:8px;border-radius:4px;color:var(--ink);text-decoration:none}
.t-nav a.on{background:var(--accent-soft);color:var(--accent);font-weight:600}
.t-nav a:hover{background:var(--raised)}
.t-page{padding:16px 20px 48px;display:flex;flex-direction:column;gap:16px;min-width:0}
.t-page h1{font-size:20px;line-height:28px;font-weight:600;margin:0}
.t-page h2,.t-side h2{font-size:14px;line-height:20px;font-weight:600;margin:0}
.t-quiet{color:var(--muted)}
.w-full{width:100%}
.t-strip{display:grid;grid-template-columns:repeat(auto-fit,minmax(168px,1fr));border:1px solid var(--line);
 background:var(--surface);gap:1px;border-radius:4px;overflow:hidden;width:100%}
.t-strip>*{padding:12px 16px;color:inherit!important;text-decoration:none;box-shadow:0 0 0 1px var(--line);min-width:0}
.t-strip.five{grid-template-columns:repeat(5,minmax(0,1fr))}
@media(max-width:1100px){.t-strip.five{grid-template-columns:repeat(auto-fit,minmax(168px,1fr))}}
.t-unit{font-size:12px;font-weight:400;color:var(--muted);margin-left:4px}
a.t-fig:hover{background:var(--raised)}
.t-list{display:flex;flex-direction:column;gap:2px;width:100%}
.t-strip .n{font-size:20px;line-height:28px;font-weight:600;white-space:nowrap}
.t-card{border:1px solid var(--line);background:var(--surface);border-radius:4px;padding:12px 16px;display:flex;
 flex-direction:column;gap:8px;min-width:0}
.t-row{display:flex;gap:8px;align-items:center;flex-wrap:wrap}
.t-grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:16px;align-items:start;width:100%}
.t-grid>*{min-width:0}
@media(min-width:1101px){.t-grid.first{grid-template-columns:minmax(0,3fr) minmax(0,2fr)}}
.t-stack{display:flex;flex-direction:column;gap:16px;min-width:0}
.t-facts{display:grid;grid-template-columns:max-content 1fr;gap:4px 16px;margin:0}
.t-facts dt{color:var(--muted)} .t-facts dd{margin:0;overflow-wrap:anywhere}
.t-table{width:100%;box-shadow:none!important;border:1px solid var(--line);border-radius:4px!important;background:var(--surface)!important;
 color:var(--ink)!important}
.t-table th{font-weight:600!important;font-size:12px!important;color:var(--muted);position:sticky;top:0;z-index:1;
 background:var(--raised)}
.t-table td,.t-table th{height:32px!important;padding:4px 10px!important;border-color:var(--line)!important;font-size:13px!important}
.t-table .t-num:not(:last-child){padding-right:24px!important}
.t-table td.t-wrap{white-space:normal!important;overflow-wrap:break-word;min-width:120px}
@media(max-width:1000px){.t-table .t-wide{display:none}}
.t-table.t-open tbody tr{cursor:pointer} .t-table.t-open tbody tr:hover td{background:var(--accent-soft)}
.t-card .t-table{border:0;border-radius:0!important;background:none!important}
.t-card .t-table th{background:var(--surface)}
.t-card .t-table td,.t-card .t-table th{padding:4px 8px!important}
.t-card .t-table td:first-child,.t-card .t-table th:first-child{padding-left:0!important}
.t-card .t-table td:last-child,.t-card .t-table th:last-child{padding-right:0!important}
.t-card .t-empty{padding:12px}
.body--dark .q-btn--flat,.body--dark .q-btn--outline{--q-primary:#7db8e0}
.t-table .q-table__middle{max-height:calc(100vh - 260px)}
.t-link{color:var(--accent);text-decoration:none;background:none;border:0;padding:0;font:inherit;cursor:pointer;text-align:left}
.t-link:hover{text-decoration:underline}
.t-cell{max-width:420px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;display:block}
.t-state{white-space:nowrap;font-weight:600} .t-state.late{color:var(--late)} .t-state.risk{color:var(--risk)}
.t-state.agreed{color:var(--agreed)} .t-state.blocked{color:var(--blocked)} .t-state.plain{color:var(--muted)}
.t-side{background:var(--surface)!important;border-left:1px solid var(--line);padding:16px!important;color:var(--ink)}
.t-side .q-drawer__content{display:flex;flex-direction:column;gap:12px}
.t-side .t-row{width:100%}
.t-row .q-btn--dense:not(.q-btn--round),.q-dialog .q-btn--dense{padding:4px 12px}
.t-pre{background:var(--raised);border:1px solid var(--line);border-radius:4px;padding:8px;margin:0;font:12px/1.4
 ui-monospace,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere;max-height:260px;overflow:auto}
.t-empty{width:100%;padding:24px;text-align:center;color:var(--muted);border:1px dashed var(--line);border-radius:4px}
.q-btn{text-transform:none!important;font-size:13px!important;border-radius:4px!important}
.q-card{background:var(--surface)!important;color:var(--ink)!important}
:focus-visible{outline:2px solid var(--accent)!important;outline-offset:2px}
"""

NAVIGATION = (
    ("/", "Today", "today", "exceptions:read"),
    ("/exceptions", "Exceptions", "report_problem", "exceptions:read"),
    ("/contracts", "Contracts", "description", "contracts:read"),
    ("/billing", "Billing", "receipt_long", "invoices:read"),
)
"""address, name, icon, the permission that shows it."""

STATES = {
    "draft": ("plain", "edit_note"), "approved": ("agreed", "how_to_reg"), "released": ("agreed", "send"),
    "posted": ("agreed", "task_alt"), "part_paid": ("risk", "hourglass_bottom"), "paid": ("agreed", "paid"),
    "credited": ("plain", "undo"), "void": ("plain", "block"), "stale": ("risk", "sync_problem"),
    "open": ("late", "error_outline"), "assigned": ("risk", "person"), "fixed": ("risk", "build"),
    "replayed": ("risk", "replay"), "waived": ("plain", "do_not_disturb_on"), "resolved": ("agreed", "check"),
    "blocking": ("late", "block"), "warning": ("risk", "warning"), "running": ("plain", "autorenew"),
    "waiting": ("risk", "hourglass_top"), "done": ("agreed", "check"), "failed": ("late", "close"),
    "active": ("agreed", "check"), "signed": ("agreed", "draw"), "terminated": ("plain", "cancel"),
    "ok": ("agreed", "check"), "attention": ("late", "error_outline"),
}  # fmt: skip
"""The color class and the icon of each state; a word always stands beside them."""


@contextmanager
def frame(actor: Actor, title: str, crumbs: tuple[tuple[str, str], ...] = ()) -> Iterator[None]:
    """The frame that every page stands in: header, navigation by role, content."""
    from tieout.hub.actors import allows

    ui.add_css(STYLE)
    ui.colors(primary="#1b5e8c", positive="#17692f", negative="#a8201a", warning="#8a5a00")
    ui.page_title(f"{title} · Tieout")
    dark = ui.dark_mode(app.storage.user.get("dark"))
    with ui.header().classes("t-head"):
        menu = ui.button(icon="menu").props("flat dense round aria-label=Navigation")
        ui.link("Tieout", "/").style("font-weight:700;color:var(--ink);text-decoration:none")
        for name, address in crumbs:
            ui.label("/").classes("t-quiet")
            ui.link(name, address).classes("t-link")
        ui.space()
        ui.label(actor.name).classes("t-quiet")

        def switch() -> None:
            dark.value = not dark.value
            app.storage.user["dark"] = dark.value

        ui.button(icon="contrast", on_click=switch).props("flat dense round aria-label='Light or dark'")
        ui.button(icon="logout", on_click=lambda: ui.navigate.to("/sign-out")).props(
            "flat dense round aria-label='Sign out'"
        )
    here = crumbs[0][1] if crumbs else {name: path for path, name, *_ in NAVIGATION}.get(title, "")
    with (
        ui.left_drawer(value=None, elevated=False)
        .classes("t-nav")
        .props("width=184 breakpoint=900") as navigation
    ):
        for path, name, icon, permission in NAVIGATION:
            if allows(actor, permission):
                with ui.link(target=path).classes("on" if path == here else ""):
                    ui.icon(icon, size="18px")
                    ui.label(name)
    menu.on_click(navigation.toggle)
    with ui.element("main").classes("t-page"):
        yield


def remember(path: str, query: Mapping[str, str]) -> None:
    """Show in the address what is chosen and opened, so that it can be sent to a colleague."""
    told = urlencode({name: value for name, value in query.items() if value})
    address = f"{path}?{told}" if told else path
    ui.run_javascript(f"history.replaceState(history.state, '', {json.dumps(address)})")


def state(name: str | None) -> None:
    """A state: icon, word and color."""
    css, icon = STATES.get(name or "", ("plain", "radio_button_unchecked"))
    with ui.element("span").classes(f"t-state {css}").style("display:inline-flex;gap:4px;align-items:center"):
        ui.icon(icon, size="16px")
        ui.label((name or "unknown").replace("_", " "))


def empty(text: str) -> None:
    """What a list says when nothing is in it."""
    ui.label(text).classes("t-empty")


def facts(rows: list[tuple[str, str | None]]) -> None:
    """Names and values in two columns."""
    with ui.element("dl").classes("t-facts"):
        for name, value in rows:
            if value not in (None, ""):
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd"):
                    ui.label(str(value))
