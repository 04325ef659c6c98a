"""`tieout bill document`, and a release that checks e-invoices itself where no worker runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.cli.desk import ANN, Desk
from tests.hub import billing_world as w
from tests.hub import electronic_world as world
from tieout.cli import main
from tieout.hub import people
from tieout.hub.actors import SYSTEM
from tieout.store.database import plain_url


def test_a_document_is_written_in_each_format(desk: Desk, tmp_path: Path) -> None:
    for format, begins in (("pdf", b"%PDF-"), ("ubl", b"<?xml"), ("cii", b"<?xml")):
        file = tmp_path / f"it.{format}"
        code, answer = desk("bill", "document", desk.invoice, "--format", format, "-o", str(file))
        written = file.read_bytes()
        assert (code, answer["bytes"], answer["file"]) == (0, len(written), str(file))
        assert answer["sha256"] == hashlib.sha256(written).hexdigest()
        assert written.startswith(begins)


def test_what_cannot_be_written_is_said(desk: Desk, tmp_path: Path) -> None:
    missing = str(tmp_path / "none" / "x.pdf")
    code, _, said = desk.shown("bill", "document", desk.invoice, "-o", missing)
    assert code == 2
    assert "cannot be written" in said
    assert desk("bill", "document", "INV-99", "-o", str(tmp_path / "x.pdf"))[1]["error"]["code"] == "TIE-104"
    assert not (tmp_path / "x.pdf").exists()
    assert desk.shown("bill", "document", desk.invoice, "--format", "docx", "-o", "x")[0] == 2


def test_release_checks_what_no_worker_has_checked(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The draft of an entity with e-invoices is checked in the same command; a failed rule refuses it and is kept."""
    monkeypatch.setenv("TIEOUT_DATABASE_URL", plain_url(engine))
    monkeypatch.setenv("TIEOUT_HOME", str(tmp_path))
    with engine.begin() as conn:
        world.prepare(conn, tax_id=world.WRONG)
        people.add_person(conn, ANN, "ann", ["billing_approver"], SYSTEM)
        [ref] = w.bill(conn)

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    assert run("bill", "approve", ref, "--as", ANN)[0] == 0
    code, said = run("bill", "release", ref, "--as", ANN)
    assert code == 2
    assert "TIE-209" in said
    assert "DE129273399 is not a VAT number of DE" in said
    with engine.connect() as conn:
        assert w.open_exceptions(conn) == {"e-invoice-invalid": {ref: w.D(952)}}
    with engine.begin() as conn:
        world.customer(conn, "2", world.GOOD)
    code, said = run("bill", "release", ref, "--as", ANN)
    assert (code, "DE-1" in said) == (0, True)
