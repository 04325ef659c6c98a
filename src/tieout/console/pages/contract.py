"""Contract: what was agreed, delivered, billed, recognised?"""

from __future__ import annotations

from typing import Any

from nicegui import ui
from sqlalchemy import Connection

from tieout.console import theme, words
from tieout.console.guard import guarded
from tieout.console.session import Database
from tieout.console.tables import Column, plain_table
from tieout.hub import billing, books, canonical, exceptions, flows, reading
from tieout.hub.actors import Actor, allows
from tieout.hub.refusals import NotFound
from tieout.store import canonical as versions
from tieout.store import reading as store

FIGURES = ("recognised", "billed", "credited", "paid", "receivable", "unbilled_receivable", "contract_liability",
           "over_cap", "held", "written_off")  # fmt: skip

QUIET = "#8a8f94"
"""Axes and legends of charts: readable on light and dark."""


def add(database: Database) -> None:
    """Register the page."""

    @ui.page("/contracts/{number}")
    @guarded(database)
    async def show(actor: Actor, number: str) -> None:
        with theme.frame(actor, number, (("Contracts", "/contracts"),)):
            try:
                found = await database.read(lambda conn: _gather(conn, actor, number))
            except NotFound as missing:
                theme.empty(str(missing))
                return
            _draw(found)


def _gather(conn: Connection, actor: Actor, number: str) -> dict[str, Any]:
    contract = reading.show(conn, "contracts", number, actor)
    found: dict[str, Any] = {"contract": contract, "terms": versions.terms_of(conn, number)}
    customer = canonical.current(conn, "customer", [contract["customer"]]) if contract["customer"] else {}
    found["customer"] = next(iter(customer.values()), None)
    found["projects"] = reading.listed(conn, "projects", actor, filters={"contract": number}, limit=50).rows
    stuck = exceptions.listed(conn, {"contract": number}, limit=50, actor=actor, with_state=True)
    found["exceptions"] = stuck.rows
    found["flows"] = flows.listed(conn, {"key": number}, None, limit=10, actor=actor).rows
    found["steps"] = [flows.show(conn, row["id"], actor=actor) for row in found["flows"]]
    if allows(actor, "invoices:read"):
        found["invoices"] = billing.listed(conn, {"contract": number}, None, limit=100, actor=actor).rows
    if allows(actor, "financial-status:read"):
        found["status"] = books.statement(conn, number)
        found["months"] = store.months_of_contract(conn, number)
    return found


def _draw(found: dict[str, Any]) -> None:
    contract, customer = found["contract"], found["customer"]
    with ui.element("div").classes("t-row"):
        ui.label(contract["key"]).props("role=heading aria-level=1").style("font-size:20px;font-weight:600")
        theme.state(contract["state"])
        ui.label(customer["legal_name"] if customer else "").classes("t-quiet")
        ui.space()
        ui.link("Trace", f"/trace/{contract['key']}").classes("t-link")
    for row in found.get("status", []):
        with ui.element("div").classes("t-strip five"):
            for name in FIGURES:
                if name in row:
                    with ui.element("div"):
                        with ui.element("div").classes("n"):
                            ui.label(
                                words.money(row[name], row["currency"]).removesuffix(f" {row['currency']}")
                            ).style("display:inline")
                            ui.label(row["currency"]).classes("t-unit").style("display:inline")
                        ui.label(name.replace("_", " ")).classes("t-quiet")
    if found["exceptions"]:
        _section("What is stuck")
        plain_table(
            [
                Column("key", "key", link=lambda r: f"/exceptions?id={r['id']}"),
                Column("kind", "what"),
                Column("state", "state"),
                Column("cause", "why", lambda r: r["cause"][:240], wrap=True),
                Column("amount", "at stake", money=True),
            ],
            found["exceptions"],
        )
        ui.link("On the desk", f"/exceptions?contract={contract['key']}").classes("t-link")
    with ui.element("div").classes("t-grid"):
        with ui.element("div").classes("t-stack"):
            with ui.element("section").classes("t-card"):
                _terms(contract, found["terms"])
            with ui.element("section").classes("t-card"):
                _months(found.get("months", []))
        with ui.element("section").classes("t-card"):
            _delivery(found)
    _section("Invoices and credit notes")
    plain_table(
        [
            Column(
                "shown",
                "document",
                lambda r: r["number"] or r["reference"],
                link=lambda r: f"/billing?document={r['number'] or r['reference']}",
            ),
            Column(
                "state",
                "state",
                lambda r: "stale" if r.get("stale_reason") and r["state"] == "draft" else r["state"],
            ),
            Column("through", "work through", lambda r: words.day(r["through"])),
            Column("issue_date", "issued", lambda r: words.day(r["issue_date"])),
            Column("due_date", "due", lambda r: words.day(r["due_date"])),
            Column("net_amount", "net", money=True),
            Column("gross_amount", "gross", money=True),
        ],
        found.get("invoices", []),
        "Nothing was billed yet.",
    )


def _section(name: str) -> None:
    ui.label(name).props("role=heading aria-level=2").style("font-size:14px;font-weight:600")


def _terms(contract: dict[str, Any], terms: list[dict[str, Any]]) -> None:
    _section("What was agreed")
    theme.facts(
        [
            ("signed", words.day(contract["signed_on"])),
            (
                "from – to",
                f"{words.day(contract['start_date'])} – {words.day(contract['end_date']) or 'open'}",
            ),
            ("billing", (contract["billing_method"] or "").replace("_", " ")),
            ("rate card", contract["rate_card"]),
            ("cap", words.money(contract["cap_amount"], contract["currency"])),
            ("payment terms", contract["payment_terms_days"] and f"{contract['payment_terms_days']} days"),
            ("purchase order", contract["purchase_order"]),
            ("order amount", words.money(contract["purchase_order_amount"], contract["currency"])),
            ("document", contract["document_url"]),
        ]
    )
    if len(terms) > 1:
        _section("Amendments")
        plain_table(
            [
                Column("effective_from", "effective", lambda r: words.day(r["effective_from"])),
                Column("cap_amount", "cap", money=True),
                Column("rate_card", "rate card"),
                Column("recorded_at", "heard", lambda r: words.moment(r["recorded_at"])),
            ],
            terms,
        )


def _months(months: list[dict[str, Any]]) -> None:
    """Revenue and released documents by period, as bars; the figures stand in the table below."""
    _section("Recognised and billed by month")
    if not months:
        theme.empty("Nothing has been earned yet.")
        return
    bars = (("recognised", "#1b5e8c"), ("billed", "#c08a2d"))
    ui.echart(
        {
            "animation": False,
            "grid": {"left": 64, "right": 8, "top": 32, "bottom": 24},
            "legend": {"top": 0, "left": 0, "textStyle": {"color": QUIET}},
            "tooltip": {"trigger": "axis"},
            "xAxis": {
                "type": "category",
                "data": [row["period"] for row in months],
                "axisLabel": {"interval": 0, "hideOverlap": True, "color": QUIET},
            },
            "yAxis": {
                "type": "value",
                "axisLabel": {"color": QUIET},
                "splitLine": {"lineStyle": {"color": f"{QUIET}40"}},
            },
            "series": [
                {"name": name, "type": "bar", "color": color, "data": [str(row[name]) for row in months]}
                for name, color in bars
            ],
        }
    ).style("height:220px;width:100%")
    plain_table(
        [
            Column("period", "period"),
            Column("recognised", "recognised", money=True),
            Column("billed", "billed gross", money=True),
        ],
        months,
    )


def _delivery(found: dict[str, Any]) -> None:
    _section("Delivery")
    plain_table(
        [
            Column("key", "project"),
            Column("title", "title", wrap=True),
            Column("state", "state"),
            Column("activated_at", "active since", lambda r: words.moment(r["activated_at"])),
        ],
        found["projects"],
        "No project yet.",
    )
    for flow in found["steps"]:
        with ui.element("div").classes("t-row"):
            ui.label(flow["kind"].replace("_", " "))
            theme.state(flow["state"])
            ui.label(flow.get("waiting_for") or "").classes("t-quiet")
        plain_table(
            [
                Column("step", "step", lambda r: r["step"].replace("_", " ")),
                Column("state", "state"),
                Column("attempts", "attempts", number=True),
                Column("at", "at", lambda r: words.moment(r["at"])),
            ],
            flow["steps"],
        )
