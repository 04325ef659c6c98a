"""`tieout bill`: what can go out: runs draft, other people approve and release, credit notes undo."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tieout.bootstrap import settings_in_use
from tieout.cli.acting import As, person
from tieout.cli.context import existing_database, read_settings
from tieout.cli.output import FINDING, USAGE, Json, fail, note, plain, print_json, table
from tieout.cli.paging import every
from tieout.hub import billing
from tieout.hub.actors import SYSTEM
from tieout.hub.billing.documents import E_INVOICE
from tieout.hub.refusals import Refusal

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tieout.hub.actors import Actor

app = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Runs, approval, release and credit notes."
)

Refs = Annotated[
    list[str], typer.Argument(metavar="REF...", help="Drafts (D-1042) or numbers.", show_default=False)
]
_SHOWN = ("reference", "number", "kind", "state", "contract", "customer", "currency", "net_amount", "gross_amount",
          "stale")  # fmt: skip
_PATIENCE_SECONDS = 600


@app.command(epilog="Example: tieout bill run --through 2026-03-31 --as pat@meridian.example")
def run(
    through: Annotated[
        datetime,
        typer.Option(formats=["%Y-%m-%d"], help="Everything due on or before this day.", show_default=False),
    ],
    who: As,
    contract: Annotated[str | None, typer.Option(help="Only this contract.")] = None,
    customer: Annotated[str | None, typer.Option(help="Only this customer.")] = None,
    entity: Annotated[str | None, typer.Option(help="Only this legal entity.")] = None,
    json: Json = False,
) -> None:
    """Draft what is due; the person named is the preparer. Exit 1 when a contract could not be drafted."""
    with existing_database() as engine:
        with engine.begin() as conn:
            actor = person(conn, who)
            run_id = billing.start_run(conn, actor, through.date(), contract, customer, entity)
        status = _drafted(engine, run_id, actor)
        with engine.connect() as conn:
            drafts = every(billing.listed, conn, {"run": run_id})
    if json:
        print_json({**status, "drafts": drafts})
    else:
        _show(drafts, "Nothing was due.")
        note(f"Run {run_id} is {status['state']}: {len(drafts)} drafts of {status['contracts']} contracts.")
        for part in status["parts"]:
            for waits in part.get("waiting", []):
                note(f"  {part['contract']}: {waits['amount']} {waits['currency']} waits: {waits['reason']}")
    if status["state"] != "done":
        raise typer.Exit(FINDING)


def _drafted(engine: Engine, run_id: str, actor: Actor) -> dict[str, Any]:
    """Draft in this process what no worker has taken, and wait for what one has; where the run stands then."""
    from tieout.flows.durable import run_due
    from tieout.flows.environment import Environment

    environment = Environment(engine, settings_in_use(read_settings()))
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        worked = run_due(environment, ["bill", E_INVOICE])
        with engine.connect() as conn:
            status = billing.run_status(conn, run_id, actor)
        if status["state"] == "done" or time.monotonic() > end:
            return status
        if not worked and not _in_other_hands(engine, run_id):
            return status
        time.sleep(0.2)


def _in_other_hands(engine: Engine, run_id: str) -> bool:
    """Whether a worker is drafting a part of the run."""
    from tieout.store import work

    with engine.connect() as conn:
        return any(p.kind == "bill" and p.key.startswith(f"{run_id}/") for p, _ in work.running(conn))


@app.command(epilog="Example: tieout bill review D-1042")
def review(
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="[REF]", help="A draft or number; all that is open when left out.", show_default=False
        ),
    ] = None,
    json: Json = False,
) -> None:
    """What is open, or one document with its checks, lines and every hour behind them."""
    with existing_database() as engine, engine.connect() as conn:
        if ref is None:
            found = every(billing.listed, conn, {"state": ["draft", "approved"]})
        else:
            one = billing.show(conn, ref)
            sheet = billing.backup_sheet(conn, ref)
    if ref is None:
        print_json(found) if json else _show(found, "No draft is open.")
    elif json:
        print_json({**one, "backup_sheet": sheet})
    else:
        _show_one(one, sheet)


def _show(rows: list[dict[str, Any]], empty: str) -> None:
    table(_SHOWN, [[row[name] for name in _SHOWN] for row in plain(rows)], empty)


def _show_one(one: dict[str, Any], sheet: list[dict[str, Any]]) -> None:
    one = plain(one)
    names = (*_SHOWN, "through", "preparer", "approver", "issue_date", "due_date", "tax_amount", "open_amount",
             "version", "stale_reason", "void_reason", "reason")  # fmt: skip
    table(["what", "now"], [(name, one[name]) for name in names if one[name] is not None])
    table(["check", "ok", "detail"], [(c["check"], c["ok"], c["detail"]) for c in one["checks"]])
    columns = ["line", "description", "quantity", "unit_price", "net_amount"]
    table(columns, [[line[name] for name in columns] for line in billing.told_by_contract(one["lines"])])
    columns = ["line", "work_date", "worker", "role", "project", "entry", "quantity", "price", "amount"]
    table(columns, [[row[name] for name in columns] for row in plain(sheet, one["currency"])])


Decide = Callable[["Connection", str, "Actor"], Any]


@app.command(epilog="Example: tieout bill approve D-1042 D-1043 --as ann@meridian.example")
def approve(
    refs: Refs,
    who: As,
    reason: Annotated[str, typer.Option(help="A remark that is kept with the approval.")] = "",
    json: Json = False,
) -> None:
    """Approve drafts as they are now; never by their preparer. Each is decided alone; exit 1 when one was refused."""
    _decide(refs, who, json, lambda conn, ref, actor: billing.approve(conn, ref, actor, reason))


@app.command(
    epilog="Example: tieout bill reject D-1042 --reason 'wrong purchase order' --as ann@meridian.example"
)
def reject(
    refs: Refs,
    who: As,
    reason: Annotated[str, typer.Option(help="Why it goes back.", show_default=False)],
    json: Json = False,
) -> None:
    """Send drafts back; their hours may be billed again."""
    _decide(refs, who, json, lambda conn, ref, actor: billing.reject(conn, ref, actor, reason))


Entry = Annotated[str | None, typer.Option(help="One entry of time.", show_default=False)]
OnContract = Annotated[
    str | None, typer.Option("--contract", help="A contract, with its line.", show_default=False)
]
OnLine = Annotated[str | None, typer.Option("--line", help="The line (1 when left out).", show_default=False)]


@app.command(
    epilog="Example: tieout bill hold --entry 501 --reason 'asked the client' --as pat@meridian.example"
)
def hold(
    who: As,
    reason: Annotated[str, typer.Option(help="Why it is kept back.", show_default=False)],
    entry: Entry = None,
    contract: OnContract = None,
    line: OnLine = None,
    json: Json = False,
) -> None:
    """Keep an entry, or a line of a contract, back from billing; it stays revenue. A draft with it becomes stale."""
    with existing_database() as engine, engine.begin() as conn:
        held = billing.hold(conn, person(conn, who), reason, entry=entry, contract=contract, line=line)
    print_json({"hold": held}) if json else note("It is held from now on.")


@app.command(epilog="Example: tieout bill unhold --contract C-2601 --line 1 --as pat@meridian.example")
def unhold(
    who: As, entry: Entry = None, contract: OnContract = None, line: OnLine = None, json: Json = False
) -> None:
    """Let an entry or a line go to billing again."""
    with existing_database() as engine, engine.begin() as conn:
        billing.unhold(conn, person(conn, who), entry=entry, contract=contract, line=line)
    print_json({"ended": True}) if json else note("It is billed by the next run.")


Number = Annotated[str, typer.Argument(metavar="INVOICE", help="Its number, INV-2601.", show_default=False)]


@app.command(
    epilog="Example: tieout bill dispute INV-2601 --concession 200.00 --reason 'hours contested' --as pat@meridian.example"
)
def dispute(
    invoice: Number,
    who: As,
    reason: Annotated[str, typer.Option(help="What the customer says.", show_default=False)],
    amount: Annotated[
        str | None, typer.Option(help="What is contested, gross; all of it unless given.")
    ] = None,
    concession: Annotated[str | None, typer.Option(help="What is expected to be given up, net.")] = None,
    json: Json = False,
) -> None:
    """Note that a customer contests an invoice; the concession that is expected leaves revenue until it is over."""
    with existing_database() as engine, engine.begin() as conn:
        claim = billing.dispute(
            conn, person(conn, who), invoice, reason, amount=_number(amount, "amount"),
            expected_concession=_number(concession, "concession") or Decimal(0),
        )  # fmt: skip
    print_json({"claim": claim}) if json else note("It is contested from now on.")


@app.command(epilog="Example: tieout bill end-dispute INV-2601 --as pat@meridian.example")
def end_dispute(invoice: Number, who: As, json: Json = False) -> None:
    """The customer contests an invoice no more; a credit note ends a dispute by itself."""
    with existing_database() as engine, engine.begin() as conn:
        billing.end_dispute(conn, person(conn, who), invoice)
    print_json({"ended": True}) if json else note("It is contested no more.")


@app.command(
    epilog="Example: tieout bill credit-loss INV-2601 500.00 --reason 'insolvent' --as ann@meridian.example"
)
def credit_loss(
    invoice: Number,
    amount: Annotated[str, typer.Argument(help="What he is not expected to pay, gross.", show_default=False)],
    who: As,
    reason: Annotated[str, typer.Option(help="Why.", show_default=False)],
    json: Json = False,
) -> None:
    """Provide for what of an invoice a customer cannot pay; revenue stays."""
    with existing_database() as engine, engine.begin() as conn:
        value = _number(amount, "amount") or Decimal(0)
        claim = billing.credit_loss(conn, person(conn, who), invoice, value, reason)
    print_json({"claim": claim}) if json else note("It is provided for.")


@app.command(epilog="Example: tieout bill holds --contract C-2601")
def holds(contract: OnContract = None, json: Json = False) -> None:
    """What is kept back from billing now, by whom and why."""
    with existing_database() as engine, engine.connect() as conn:
        rows = billing.held(conn, SYSTEM, contract)
    names = ("contract", "line", "entry", "reason", "held_by", "held_at")
    print_json(rows) if json else table(names, [[row[name] for name in names] for row in rows])


class Write(StrEnum):
    """What a write does to what is open."""

    DOWN = "down"
    UP = "up"
    OFF = "off"


@app.command(
    epilog="Example: tieout bill write down 50.00 --entry 501 --reason 'goodwill' --as pat@meridian.example"
)
def write(
    kind: Annotated[
        Write, typer.Argument(help="down: bill less; off: give it up; up: bill more.", show_default=False)
    ],
    amount: Annotated[str, typer.Argument(help="In the contract's currency.", show_default=False)],
    who: As,
    reason: Annotated[str, typer.Option(help="Why it is not billed.", show_default=False)],
    entry: Entry = None,
    contract: OnContract = None,
    line: OnLine = None,
    json: Json = False,
) -> None:
    """Take an amount off what is unbilled of an entry, or of a line; revenue falls with it, the hours stay."""
    value = _number(amount, "amount") or Decimal(0)
    with existing_database() as engine, engine.begin() as conn:
        said = billing.write(
            conn, person(conn, who), kind.value, value, reason, entry=entry, contract=contract, line=line
        )
    waits = f"It waits for another person: tieout bill approve-write {said['write']}"
    print_json(said) if json else note(waits if said["waits"] else "It is written.")


@app.command(
    epilog="Example: tieout bill approve-write 019cb3c9-9ae0-713c-9991-9c0d519c2d61 --as ann@meridian.example"
)
def approve_write(
    write: Annotated[
        str, typer.Argument(metavar="WRITE", help="Its id, from `bill writes`.", show_default=False)
    ],
    who: As,
    json: Json = False,
) -> None:
    """Let a write take effect that is above the firm's limit; never by who proposed it."""
    with existing_database() as engine, engine.begin() as conn:
        billing.approve_write(conn, person(conn, who), write)
    print_json({"approved": write}) if json else note("It is written.")


@app.command(epilog="Example: tieout bill writes --waiting")
def writes(
    contract: OnContract = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only what waits for approval.")] = False,
    json: Json = False,
) -> None:
    """What was written down or off, by whom and why, entry by entry."""
    with existing_database() as engine, engine.connect() as conn:
        rows = billing.written(conn, SYSTEM, contract, waiting=waiting)
    names = ("write", "kind", "contract", "line", "entry", "amount", "reason", "proposer", "approver")
    print_json(rows) if json else table(names, [[row[name] for name in names] for row in rows])


@app.command(epilog="Example: tieout bill void D-1042 --reason 'drafted too early' --as pat@meridian.example")
def void(
    refs: Refs,
    who: As,
    reason: Annotated[str, typer.Option(help="Why it ends.")] = "",
    json: Json = False,
) -> None:
    """End drafts that are not released; their hours may be billed again. A released one needs a credit note."""
    _decide(refs, who, json, lambda conn, ref, actor: billing.void(conn, ref, actor, reason))


@app.command(epilog="Example: tieout bill release D-1042 --as ann@meridian.example")
def release(refs: Refs, who: As, json: Json = False) -> None:
    """Number approved documents and send them to the ERP. It cannot be undone but by a credit note."""
    _check_e_invoices(refs, who)
    _decide(refs, who, json, billing.release)


def _check_e_invoices(refs: list[str], who: str) -> None:
    """Check in this process the e-invoices among these that no worker has checked as they are now."""
    with existing_database() as engine:
        with engine.begin() as conn:
            waiting = billing.unchecked(conn, refs, person(conn, who))
        if waiting:
            from tieout.flows.durable import run_due
            from tieout.flows.environment import Environment

            run_due(Environment(engine, settings_in_use(read_settings())), [E_INVOICE])


class Format(StrEnum):
    """What a document can be written as."""

    pdf = "pdf"
    ubl = "ubl"
    cii = "cii"


@app.command(epilog="Example: tieout bill document INV-1042 --format pdf -o INV-1042.pdf")
def document(
    ref: Annotated[str, typer.Argument(help="A draft (D-1042) or number.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.", show_default=False)
    ],
    format: Annotated[
        Format, typer.Option(help="pdf holds the backup sheet and the XML; ubl and cii are XML alone.")
    ] = Format.pdf,
    json: Json = False,
) -> None:
    """Write an invoice or credit note as its customer gets it; a draft is marked as one."""
    from tieout.documents.formats import as_file

    with existing_database() as engine, engine.connect() as conn:
        made = as_file(*billing.document(conn, ref), format.value)
    try:
        output.write_bytes(made.content)
    except OSError as error:
        fail(f"{output} cannot be written: {error.strerror}.", "Name a file in a folder that exists.", USAGE)
    digest = hashlib.sha256(made.content).hexdigest()
    if json:
        print_json({"reference": ref, "format": format.value, "file": str(output),
                    "bytes": len(made.content), "sha256": digest})  # fmt: skip
    else:
        note(f"{output}: {ref} as {format.value}, {len(made.content)} bytes.")


def _decide(refs: list[str], who: str, json: bool, decide: Decide) -> None:
    """Decide about each document in a transaction of its own; a refusal stops none of the others."""
    results: list[dict[str, Any]] = []
    refused: list[Refusal] = []
    with existing_database() as engine:
        with engine.connect() as conn:
            actor = person(conn, who)
        for ref in dict.fromkeys(refs):
            try:
                with engine.begin() as conn:
                    decide(conn, ref, actor)
                with engine.connect() as conn:
                    results.append(_brief(billing.show(conn, ref)))
            except Refusal as refusal:
                refused.append(refusal)
                results.append({"reference": ref, "error": {"code": refusal.code, "message": refusal.message,
                                                            "remedy": refusal.remedy}})  # fmt: skip
    if len(results) == len(refused) == 1:
        raise refused[0]
    if json:
        print_json(results)
    else:
        columns = ("reference", "number", "state", "contract", "currency", "gross_amount")
        table(columns, [[row.get(name) for name in columns] for row in plain(results)])
        for one in refused:
            note(str(one))
    if refused:
        raise typer.Exit(FINDING)


def _brief(shown: dict[str, Any]) -> dict[str, Any]:
    names = (
        "reference",
        "number",
        "kind",
        "state",
        "version",
        "contract",
        "currency",
        "net_amount",
        "gross_amount",
    )
    return {name: shown[name] for name in names}


@app.command(
    epilog="Example: tieout bill credit INV-1042 --line 501=2 --reason 'agreed' --rebill --as pat@meridian.example"
)
def credit(
    invoice: Annotated[str, typer.Argument(help="The released invoice.", show_default=False)],
    who: As,
    reason: Annotated[str, typer.Option(help="Why it is credited.", show_default=False)],
    line: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=HOURS", help="A time entry or line with its hours; may be repeated."),
    ] = None,
    amount: Annotated[str | None, typer.Option(help="A net amount, shared over the lines.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is left of it.")] = False,
    kind: Annotated[str, typer.Option(help="correction, concession or cancellation.")] = "correction",
    rebill: Annotated[bool, typer.Option(help="What is credited may be billed again.")] = False,
    json: Json = False,
) -> None:
    """Draft a credit note, which another person approves and releases like an invoice."""
    items = [_item(text) for text in line or ()]
    with existing_database() as engine, engine.begin() as conn:
        ref = billing.request_credit(
            conn, person(conn, who), invoice, items=items or None, amount=_number(amount, "--amount"),
            whole=everything, kind=kind, reason=reason, rebill=rebill,
        )  # fmt: skip
        drafted = plain(_brief(billing.show(conn, ref)))
    if json:
        print_json(drafted)
    else:
        note(
            f"{ref} credits {drafted['gross_amount']} {drafted['currency']} of {invoice}; to go on: tieout bill approve {ref}"
        )


def _item(text: str) -> dict[str, Any]:
    key, equals, hours = text.rpartition("=")
    if not equals or not key:
        fail(f"--line {text} is not ID=HOURS.", "Write it as --line 501=2.5", USAGE)
    return {"id": key, "hours": _number(hours, f"--line {key}")}


def _number(text: str | None, option: str) -> Decimal | None:
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        fail(f"{option} is {text!r}: give a number above zero.", exit_code=USAGE)
    return value
